//! Deleting resources: what is destroyed, what is kept, what is waited for.

use serde_json::{Value, json};

use super::harness::{PATIENCE, Setup, Test, wait_for};

const DELETE: &str = "DELETE /machines/{id}";

#[test]
fn with_retain_the_machine_stays() {
    let t = Test::new("retain");
    t.apply(&t.machine("a", json!({"deletionPolicy": "Retain"})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.delete("a");
    t.wait_gone("a");
    assert!(t.wait_event("a", "Retained")[0].contains(&id));
    assert_eq!((t.sim.calls(DELETE), &t.sim.machine(&id)["state"]), (0, &json!("ready")));
    t.stays(&id);
    t.end();
}

#[test]
fn deletion_protection_holds_until_it_is_taken_back() {
    let t = Test::new("protected");
    t.apply(&t.machine("a", json!({"deletionProtection": true})));
    t.wait_ready("a");
    t.delete("a");
    let a = t.wait_reason("a", "Stalled", "DeletionProtected");
    t.wait_event("a", "DeletionProtected");
    assert!(a.to_string().contains("kubectl patch psm a"), "the way on is named:\n{a:#}");
    t.idle(3);
    assert_eq!(t.sim.calls(DELETE), 0);
    t.patch_spec("a", json!({"deletionProtection": false}));
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    t.end();
}

#[test]
fn a_resource_deleted_while_paperspace_creates_its_machine_leaves_none() {
    let t = Test::new("delete-early");
    t.apply(&t.machine("a", json!({})));
    wait_for("a machine", PATIENCE, || t.sim.machines().pop());
    t.delete("a");
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    assert_eq!(t.sim.calls("POST /machines"), 1);
    t.end();
}

#[test]
fn a_resource_deleted_while_its_create_is_unanswered_leaves_no_machine() {
    let t = Test::with("delete-earlier", Setup::SETTLING);
    t.sim.fault(&json!({"kind": "delay", "method": "POST", "route": "/machines", "delayMs": 3000}));
    t.apply(&t.machine("a", json!({})));
    wait_for("the request", PATIENCE, || (t.sim.calls("POST /machines") == 1).then_some(()));
    t.delete("a");
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    assert_eq!(t.sim.truth()["machines"].as_array().map(Vec::len), Some(1), "there was one");
    t.end();
}

#[test]
fn a_static_address_goes_with_its_machine_unless_it_is_to_be_kept() {
    let t = Test::new("static-ip");
    t.apply(&t.machine("goes", json!({"publicIp": {"type": "Static"}})));
    t.apply(&t.machine("stays", json!({"publicIp": {"type": "Static", "reclaimPolicy": "Retain"}})));
    let address = |name: &str| t.wait_ready(name)["status"]["publicIp"].as_str().expect("an address").to_owned();
    let (goes, stays) = (address("goes"), address("stays"));
    for name in ["goes", "stays"] {
        t.delete(name);
    }
    t.wait_gone("goes");
    t.wait_gone("stays");
    let truth = t.sim.truth();
    let there: Vec<&Value> = truth["publicIps"].as_array().unwrap().iter().filter(|ip| ip["exists"] == true).map(|ip| &ip["ip"]).collect();
    assert_eq!(there, [&json!(stays)], "{goes} was to be released");
    t.end();
}
