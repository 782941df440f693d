//! What a fleet costs: the calls from apply to Ready.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::process;
use super::user::User;
use super::world::{World, simulate};

const SEED: u64 = 13;
const MANY: u64 = 200;

#[test]
fn from_apply_to_ready_a_machine_costs_few_calls_of_either_api() {
    let (calls, kubernetes): (BTreeMap<String, u64>, Vec<(bool, String)>) = simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        for n in 0..MANY {
            user.create(&format!("m{n}"), &json!({})).await;
        }
        for n in 0..MANY {
            user.until_settled(&format!("m{n}")).await.unwrap();
        }
        let Value::Object(calls) = world.truth()["calls"].take() else { panic!("no calls") };
        let calls = calls.into_iter().map(|(route, count)| (route, count.as_u64().unwrap())).collect();
        (calls, world.history().iter().filter_map(|line| of_a_resource(line)).collect())
    });
    println!("until {MANY} machines were ready: {calls:?}");
    let of = |route: &str| calls.get(route).copied().unwrap_or_default();
    assert_eq!(of("POST /machines"), MANY);
    let own: u64 = calls.iter().filter(|(route, _)| *route != "GET /machines").map(|(_, count)| count).sum();
    assert!(own <= 3 * MANY, "{own} calls that no list serves: {calls:?}");

    let count = |writes: bool| kubernetes.iter().filter(|(wrote, _)| *wrote == writes).count() as u64;
    println!("Kubernetes: {} reads, {} writes", count(false), count(true));
    let one = format!("/m{}", MANY / 2);
    let told = || kubernetes.iter().filter(|(_, path)| path.trim_end_matches("/status").ends_with(&one)).collect::<Vec<_>>();
    assert!(count(true) <= 7 * MANY, "{} writes: {:?}", count(true), told());
    assert!(count(false) <= 9 * MANY, "{} reads: {:?}", count(false), told());
}

#[test]
fn a_machine_that_does_not_get_on_is_looked_at_often_and_its_resource_once_a_minute() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        user.create("a", &json!({})).await;
        user.until_settled("a").await.unwrap();
        let id = user.machine_id("a").unwrap();
        world.sim("POST", &format!("machines/{id}"), &json!({"state": "upgrading"}));
        tokio::time::sleep(Duration::from_mins(2)).await;
        let (before, looks) = (world.history().len(), || world.truth()["calls"]["GET /machines/{id}"].as_u64().unwrap());
        let looked = looks();
        tokio::time::sleep(Duration::from_mins(20)).await;
        let passes = world.history()[before..].iter().filter_map(|line| of_a_resource(line)).filter(|(writes, _)| !writes).count();
        assert!((18..=22).contains(&passes), "{passes} passes");
        let looked = looks() - looked;
        assert!((180..=260).contains(&looked), "{looked} looks");
    });
}

/// Whether a call of the operator that was written down changes a resource or reads it, and its path.
fn of_a_resource(line: &str) -> Option<(bool, String)> {
    let (method, rest) = line.split_once(": kubernetes ")?.1.split_once(' ')?;
    let path = rest.split([':', '?']).next()?;
    path.contains("/paperspacemachines/").then(|| (method != "GET", path.to_owned()))
}
