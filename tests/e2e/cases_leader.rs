//! Two operators of which one works: whatever becomes of that one, the other goes on, and no machine is doubled.

use super::cases_shards::{candidate, end, many, serves, several, wait_serving};
use super::harness::{Operator, PATIENCE, Setup, Test, wait_for};
use serde_json::json;

/// The first leads and has sent creates, which last longer than it takes to do something to it; the second one, started here, stands by.
fn in_the_midst_of_creates(t: &Test, first: &Operator) -> (Operator, Vec<String>) {
    first.start();
    wait_serving(std::slice::from_ref(first));
    let second = candidate(t, "second", &["--leader-elect"]);
    second.start();
    wait_for("to stand by", PATIENCE, || second.log().contains("waiting: it is held by").then_some(()));
    t.sim.fault(&json!({"kind": "delay", "delayMs": 800, "method": "POST", "route": "/machines"}));
    let names = many(t, 6);
    wait_for("a create", PATIENCE, || first.log().contains("step=\"create\"").then_some(()));
    (second, names)
}

/// All come up under the second, each once.
fn goes_on(t: Test, second: Operator, names: &[String]) {
    t.sim.clear_faults();
    for name in names {
        t.wait_ready(name);
    }
    assert_eq!(t.sim.machines().len(), names.len());
    end(&[second]);
    t.end();
}

#[test]
fn when_the_leader_is_killed_in_the_midst_of_creates_the_other_goes_on_without_a_second_machine() {
    let t = several("leader-killed", Setup::SETTLING);
    let first = candidate(&t, "first", &["--leader-elect"]);
    let (second, names) = in_the_midst_of_creates(&t, &first);
    first.kill9();
    wait_serving(std::slice::from_ref(&second));
    goes_on(t, second, &names);
}

#[test]
fn a_leader_that_is_cut_off_from_kubernetes_has_ended_before_the_other_works() {
    let t = several("leader-cut-off", Setup::SETTLING);
    let mut first = candidate(&t, "first", &["--leader-elect"]);
    let wire = t.wire_to_kubernetes(&mut first);
    let (second, names) = in_the_midst_of_creates(&t, &first);
    // Paperspace it still reaches.
    wire.cut();
    wait_for("the other to work", PATIENCE, || serves(&second).then_some(()));
    let ended = first.running().expect_err("two work at once").expect("by itself");
    assert_eq!(ended.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("is lost: "), "it says why");
    wire.mend();
    goes_on(t, second, &names);
}
