//! `--observe=per-machine`: the same story ends in the same statuses, at the price of a call per machine and poll interval.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::process;
use super::user::{Done, User, is_settled};
use super::world::{World, simulate};

const SEED: u64 = 11;
const NAMES: [&str; 4] = ["quiet", "changed", "drifted", "vanished"];

/// Creates, changes, lets the console change and destroy.
async fn story(user: &User) -> Done {
    for name in NAMES {
        user.create(name, &json!({})).await;
    }
    for name in NAMES {
        user.until_settled(name).await?;
    }
    user.edit("changed", json!({"machineName": "other", "powerState": "Stopped"})).await;
    user.change_at_console("drifted", &json!({"autoSnapshotEnabled": true, "autoSnapshotFrequency": "daily", "state": "off"})).await;
    let first = user.machine_id("vanished");
    user.destroy_at_console("vanished").await;
    user.until_settled("changed").await?;
    let id = user.machine_id("drifted").unwrap_or_default();
    let mended = || user.world.machines().iter().any(|m| m["id"] == *id && m["autoSnapshotEnabled"] == false && m["state"] == "ready");
    user.until("drifted", "the drift to be mended", |object| mended() && object.is_some_and(is_settled)).await?;
    let another = |object: &Value| is_settled(object) && object["status"]["machineId"].as_str() != first.as_deref();
    user.until("vanished", "another machine", |object| object.is_some_and(another)).await?;
    user.until_quiet(Duration::from_mins(1)).await
}

/// What a resource's status says, without what is chance or time.
fn said(object: &Value) -> Value {
    let status = &object["status"];
    let text = |machine: &str| status[machine].as_str().unwrap_or("nothing").to_owned();
    let id = text("machineId");
    let conditions: Vec<Value> = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| json!([c["type"], c["status"], c["reason"], c["message"].as_str().unwrap_or_default().replace(&id, "ID")]))
        .collect();
    let same =
        ["observedGeneration", "state", "powerState", "deletionPolicy", "drift", "hardware", "hourlyRateUSD", "applied", "operation"];
    let same: BTreeMap<&str, &Value> = same.into_iter().map(|field| (field, &status[field])).collect();
    json!({"conditions": conditions, "same": same, "attempt": status["creation"]["attempt"], "outcome": status["creation"]["outcome"]})
}

/// The statuses after the story; then the lists and the GETs of an idle hour.
fn run(flags: &[&str]) -> (Vec<Value>, u64, u64) {
    simulate(async {
        let world = World::new(SEED, None, flags);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        let told = story(&user).await;
        assert!(told.is_ok(), "{told:?}\n{}", world.history().join("\n"));
        let statuses = NAMES.iter().map(|name| said(&user.get(name).unwrap())).collect();
        let calls = |route: &str| world.truth()["calls"][route].as_u64().unwrap_or_default();
        let before = (calls("GET /machines"), calls("GET /machines/{id}"));
        tokio::time::sleep(Duration::from_hours(1)).await;
        let idle = (calls("GET /machines") - before.0, calls("GET /machines/{id}") - before.1);
        for name in NAMES {
            user.delete(name).await;
        }
        for name in NAMES {
            user.until_gone(name).await.unwrap();
        }
        assert_eq!(world.book().violations(&world), Vec::<String>::new());
        assert_eq!(world.machines(), Vec::<Value>::new());
        (statuses, idle.0, idle.1)
    })
}

#[test]
fn looked_at_one_by_one_machines_end_as_with_the_shared_list_for_a_call_each_per_interval() {
    let (shared, lists, gets) = run(&[]);
    assert!((119..=121).contains(&lists) && gets == 0, "shared: {lists} lists, {gets} GETs in an idle hour");
    let (each, lists, gets) = run(&["--observe", "per-machine"]);
    assert!(lists == 0 && (4 * 105..=4 * 135).contains(&gets), "per machine: {lists} lists, {gets} GETs in an idle hour");
    assert_eq!(each, shared);
}
