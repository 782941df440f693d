//! What a fleet costs: the calls from apply to Ready.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::process;
use super::user::User;
use super::world::{World, simulate};

const SEED: u64 = 13;
const MANY: u64 = 200;

#[test]
fn from_apply_to_ready_a_machine_costs_at_most_three_calls_and_its_share_of_the_lists() {
    let calls: BTreeMap<String, u64> = simulate(async {
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
        calls.into_iter().map(|(route, count)| (route, count.as_u64().unwrap())).collect()
    });
    println!("until {MANY} machines were ready: {calls:?}");
    let of = |route: &str| calls.get(route).copied().unwrap_or_default();
    assert_eq!(of("POST /machines"), MANY);
    let own: u64 = calls.iter().filter(|(route, _)| *route != "GET /machines").map(|(_, count)| count).sum();
    assert!(own <= 3 * MANY, "{own} calls that no list serves: {calls:?}");
}
