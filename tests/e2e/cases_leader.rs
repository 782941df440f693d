//! Two operators of which one works: whatever becomes of that one, the other goes on, and no machine is doubled.

use super::cases_shards::{candidate, end, many, serves, several, wait_serving};
use super::harness::{Operator, PATIENCE, Setup, Test, wait_for};
use serde_json::json;

/// The first leads and has sent creates, which last longer than it takes to do something to it; the second one stands by.
fn in_the_midst_of_creates(t: &Test, first: &Operator, second: &Operator) -> Vec<String> {
    first.start();
    wait_serving(std::slice::from_ref(first));
    second.start();
    wait_for("to stand by", PATIENCE, || second.log().contains("waiting: it is held by").then_some(()));
    creates_under_way(t, first)
}

fn creates_under_way(t: &Test, operator: &Operator) -> Vec<String> {
    t.sim.fault(&json!({"kind": "delay", "delayMs": 800, "method": "POST", "route": "/machines"}));
    // They may all be sent before kubectl comes back.
    let before = operator.written();
    let names = many(t, 6);
    wait_for("a create", PATIENCE, || operator.log_after(before).contains("step=\"create\"").then_some(()));
    names
}

/// Leases that were given back: whoever comes first has them at once.
fn free_leases(t: &Test) {
    for name in ["paperspace-operator", "paperspace-operator-shards"] {
        let metadata = json!({"name": name, "namespace": t.namespace});
        t.apply(&json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}));
    }
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
    let (first, second) = (candidate(&t, "first", &["--leader-elect"]), candidate(&t, "second", &["--leader-elect"]));
    let names = in_the_midst_of_creates(&t, &first, &second);
    first.kill9();
    wait_serving(std::slice::from_ref(&second));
    goes_on(t, second, &names);
}

#[test]
fn a_leader_that_is_cut_off_from_kubernetes_has_ended_before_the_other_works() {
    let t = several("leader-cut-off", Setup::SETTLING);
    let (mut first, second) = (candidate(&t, "first", &["--leader-elect"]), candidate(&t, "second", &["--leader-elect"]));
    let wire = t.wire_to_kubernetes(&mut first);
    let names = in_the_midst_of_creates(&t, &first, &second);
    // Paperspace it still reaches.
    wire.cut();
    wait_for("the other to work", PATIENCE, || serves(&second).then_some(()));
    let ended = first.running().expect_err("two work at once").expect("by itself");
    assert_eq!(ended.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("is lost: "), "it says why");
    wire.mend();
    goes_on(t, second, &names);
}

/// As in an update, or when a node is drained.
#[test]
fn a_leader_that_is_told_to_end_hands_over_before_its_lease_expires() {
    let t = several("leader-told", Setup::SETTLING);
    free_leases(&t);
    let for_long = ["--leader-elect", "--lease-duration", "1h"];
    let (first, second) = (candidate(&t, "first", &for_long), candidate(&t, "second", &for_long));
    let names = in_the_midst_of_creates(&t, &first, &second);
    assert!(!serves(&second), "two work at once");
    first.stop();
    wait_serving(std::slice::from_ref(&second));
    goes_on(t, second, &names);
}

/// As when a Deployment of former times, of one operator without a lease, is updated: the old one ends after the new one has begun.
#[test]
fn an_operator_without_a_lease_beside_the_first_with_one_doubles_neither_machines_nor_restarts() {
    let t = several("leader-new", Setup::SETTLING);
    free_leases(&t);
    t.operator.start();
    t.apply(&t.machine("old", json!({})));
    t.wait_ready("old");
    let new = candidate(&t, "new", &["--leader-elect"]);
    let mut names = creates_under_way(&t, &t.operator);
    new.start();
    wait_serving(std::slice::from_ref(&new));
    wait_for("the new one to know it", PATIENCE, || new.log().contains("object=\"old\"").then_some(()));
    let before = new.written();
    t.user_patches("old", &json!({"metadata": {"annotations": {"paperspace-operator.dev/restart-requested-at": "now"}}}));
    t.wait_until("old", "restarted", |object| {
        object["status"]["handledRestartAt"] == "now" && object["status"]["operation"]["state"] != "Open"
    });
    wait_for("the new one to look, too", PATIENCE, || new.log_after(before).contains("object=\"old\"").then_some(()));
    t.operator.stop();
    names.push("old".to_owned());
    for name in &names {
        t.wait_ready(name);
    }
    // On a machine that is too slow to send it in time it is not sent, and that is told.
    let state = t.get("old").unwrap()["status"]["operation"]["state"].clone();
    let restarts = t.sim.calls("PATCH /machines/{id}/restart");
    assert!(restarts == 1 || restarts == 0 && state == "Uncertain", "{restarts}, {state}");
    goes_on(t, new, &names);
}
