//! What keeps an operator from doing harm fast: the limit of destroys, the dry run, the emergency stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use paperspace_operator::simulator;
use serde_json::json;

use super::process;
use super::user::{User, condition};
use super::world::{KEY, World, simulate};

const SEED: u64 = 21;

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

/// When machines were destroyed, whoever did it.
fn destroyed(world: &World) -> Vec<Timestamp> {
    let truth = world.truth();
    let events = truth["events"].as_array().unwrap().iter().filter(|event| event["name"] == "deactivate");
    events.map(|event| event["dtCreated"].as_str().unwrap().parse().unwrap()).collect()
}

/// The most of them within any hour.
fn most_in_an_hour(mut at: Vec<Timestamp>) -> usize {
    at.sort_unstable();
    let from = |first: &Timestamp| at.iter().filter(|at| *at >= first && at.duration_since(*first) < SignedDuration::from_hours(1)).count();
    at.iter().map(from).max().unwrap_or(0)
}

fn synced(user: &User, name: &str) -> (String, String) {
    let object = user.get(name).unwrap();
    let reason = condition(&object, "Synced").map(|(_, reason)| reason.to_owned()).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let message = conditions.iter().find(|c| c["type"] == "Synced").map(|c| c["message"].as_str().unwrap().to_owned());
    (reason, message.unwrap_or_default())
}

/// How many calls there were that change something.
fn changes(world: &World) -> u64 {
    let calls = world.truth()["calls"].clone();
    let changing = calls.as_object().unwrap().iter().filter(|(route, _)| !route.starts_with("GET "));
    changing.map(|(_, n)| n.as_u64().unwrap()).sum()
}

async fn fleet(world: &Arc<World>, user: &User, size: usize) -> Vec<String> {
    let names: Vec<String> = (0..size).map(|n| format!("m{n}")).collect();
    for name in &names {
        user.create(name, &json!({})).await;
    }
    for name in &names {
        user.until_settled(name).await.unwrap();
    }
    assert_eq!(world.machines().len(), size);
    names
}

#[test]
fn of_many_that_are_deleted_at_once_only_so_many_go_within_an_hour_also_over_restarts() {
    simulate(async {
        let world = World::new(SEED, None, &["--max-destroys-per-hour", "3"]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        let names = fleet(&world, &user, 8).await;
        // One more that goes by another hand counts.
        let by_hand = user.create_at_console(&json!({})).await;
        let request = simulator::Request {
            method: "DELETE".to_owned(),
            path: format!("/v1/machines/{by_hand}"),
            key: Some(KEY.to_owned()),
            ..simulator::Request::default()
        };
        let _ = world.paperspace().handle(world.now(), &request);
        for name in &names {
            user.delete(name).await;
        }
        for _ in 0..6 {
            tokio::time::sleep(minutes(4)).await;
            process::kill_all(&world);
        }
        let gone = 8 - user.names().len();
        assert_eq!(gone, 2, "the third was destroyed by hand");
        let waits =
            user.names().iter().filter(|name| condition(&user.get(name).unwrap(), "Reconciling").unwrap().1 == "DestroysLimited").count();
        assert_eq!(waits, user.names().len(), "all others say why they wait");
        for name in &names {
            user.until_gone(name).await.unwrap();
        }
        assert_eq!((destroyed(&world).len(), most_in_an_hour(destroyed(&world))), (9, 3));
        assert!(world.machines().is_empty());
    });
}

#[test]
fn an_emergency_stop_holds_everything_within_a_second_and_everything_goes_on_after_it() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        fleet(&world, &user, 3).await;
        user.create("new", &json!({})).await;
        user.edit("m0", json!({"powerState": "Stopped"})).await;
        user.delete("m1").await;
        user.emergency_stop(true).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = changes(&world);
        user.create("newer", &json!({})).await;
        user.delete("m2").await;
        tokio::time::sleep(minutes(20)).await;
        // One that begins under the stop does not write either.
        process::kill_all(&world);
        tokio::time::sleep(minutes(20)).await;
        assert_eq!(changes(&world), before);
        let (reason, message) = synced(&user, "newer");
        assert_eq!(reason, "EmergencyStop");
        assert!(
            message.contains("kubectl delete configmap paperspace-operator-stop -n ") && message.contains("Not done: creating a "),
            "{message}"
        );

        user.emergency_stop(false).await;
        for name in ["m1", "m2"] {
            user.until_gone(name).await.unwrap();
        }
        for name in ["new", "newer", "m0"] {
            user.until_settled(name).await.unwrap();
        }
        let wrong = world.book().violations(&world);
        assert!(wrong.is_empty(), "{wrong:?}\n{}", world.history().join("\n"));
        assert_eq!(world.machines().len(), 3);
    });
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    simulate(async {
        let world = World::new(SEED, None, &["--dry-run"]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        user.create("a", &json!({})).await;
        tokio::time::sleep(minutes(30)).await;
        let version = || user.get("a").unwrap()["metadata"]["resourceVersion"].clone();
        let before = version();
        tokio::time::sleep(minutes(30)).await;
        assert_eq!((changes(&world), world.machines().len(), version()), (0, 0, before), "nor is anything written again and again");
        let (reason, message) = synced(&user, "a");
        assert_eq!(reason, "DryRun");
        assert!(message.contains("Not done: creating a C5 with 50 GB in NY2 named "), "{message}");
        let told = world.kubernetes().all("events").into_iter().filter(|event| event["reason"] == "DryRun").count();
        assert_eq!(told, 1);
        user.delete("a").await;
        user.until_gone("a").await.unwrap();
    });
}
