//! Taking over machines that exist.

use serde_json::json;

use super::harness::{Setup, Test, mark};

fn with_own_key(name: &str) -> Test {
    Test::with(name, Setup { flags: &["--allow-adopt-with-default-key"], ..Setup::default() })
}

#[test]
fn an_adopted_machine_is_held_until_the_spec_equals_it_then_owned_and_kept_on_deletion() {
    let t = Test::new("adopt");
    let id = t.sim.create_machine(&json!({"name": "theirs", "machineType": "C4"}));
    t.wait_machine(&id, "up", |machine| machine["state"] == "ready");
    t.kubectl(&["create", "secret", "generic", "key", "--from-literal=apiKey=k1"]);
    t.kubectl(&["label", "secret", "key", "paperspace-operator.dev/use=credentials"]);
    t.apply(&t.adopting("a", &id, json!({"credentialsRef": {"name": "key"}})));
    let a = t.wait_reason("a", "Stalled", "AdoptedDiffers");
    assert_eq!((&a["status"]["drift"][0]["field"], &a["status"]["drift"][0]["observed"]), (&json!("machineType"), &json!("C4")));
    t.idle(3);
    assert_eq!(t.sim.writes(), json!({}));

    t.patch_spec("a", json!({"machineType": "C4"}));
    let a = t.wait_ready("a");
    t.wait_event("a", "Adopted");
    assert_eq!(t.sim.machine(&id)["name"], format!("theirs-{}", mark(&a)));
    assert_eq!(a["status"]["deletionPolicy"], "Retain");
    // It is managed like any other now.
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "Stopped");

    t.delete("a");
    t.wait_gone("a");
    t.wait_event("a", "Retained");
    t.stays(&id);
    assert_eq!(t.sim.calls("DELETE /machines/{id}") + t.sim.calls("POST /machines"), 0);
    t.end();
}

#[test]
fn an_adopted_machine_is_changed_at_once_with_on_difference_apply_and_destroyed_with_delete() {
    let t = with_own_key("adopt-apply");
    let id = t.sim.create_machine(&json!({"machineType": "C4"}));
    t.wait_machine(&id, "up", |machine| machine["state"] == "ready");
    let adopt = json!({"machineId": id, "onDifference": "Apply"});
    t.apply(&t.adopting("a", &id, json!({"adopt": adopt, "powerState": "Stopped", "deletionPolicy": "Delete"})));
    t.wait_ready("a");
    let machine = t.sim.machine(&id);
    assert_eq!([&machine["state"], &machine["machineType"]], [&json!("off"), &json!("C5")]);
    t.delete("a");
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    t.end();
}

#[test]
fn adopting_with_the_operators_own_key_needs_its_leave() {
    let t = Test::new("adopt-key");
    let id = t.sim.create_machine(&json!({}));
    t.apply(&t.adopting("a", &id, json!({})));
    t.wait_reason("a", "Stalled", "DefaultKeyNotAllowed");
    t.idle(3);
    assert_eq!(t.sim.writes(), json!({}));
    t.delete("a");
    t.wait_gone("a");
    t.stays(&id);
    t.end();
}

#[test]
fn a_machine_with_anothers_mark_is_taken_over_only_by_name_of_that_mark() {
    let t = with_own_key("adopt-marked");
    let id = t.sim.create_machine(&json!({"name": "theirs-0123456789ab"}));
    t.wait_machine(&id, "up", |machine| machine["state"] == "ready");
    t.apply(&t.adopting("refused", &id, json!({})));
    t.wait_reason("refused", "Stalled", "OwnedElsewhere");
    t.idle(3);
    assert_eq!(t.sim.writes(), json!({}));
    t.delete("refused");
    t.wait_gone("refused");

    t.apply(&t.adopting("a", &id, json!({"adopt": {"machineId": id, "replaceMark": "0123456789ab"}})));
    let a = t.wait_ready("a");
    assert_eq!(t.sim.machine(&id)["name"], format!("theirs-{}", mark(&a)));
    t.end();
}

#[test]
fn a_resource_whose_machine_was_taken_over_lets_go_of_it() {
    let t = with_own_key("taken-over");
    t.apply(&t.machine("old", json!({})));
    let old = t.wait_ready("old");
    let id = t.machine_id("old");
    t.apply(&t.adopting("new", &id, json!({"adopt": {"machineId": id, "replaceMark": mark(&old)}})));
    t.wait_ready("new");
    t.wait_reason("old", "Stalled", "OwnershipLost");
    t.delete("old");
    t.wait_gone("old");
    t.idle(2);
    assert_eq!(t.sim.calls("DELETE /machines/{id}"), 0);
    t.end();
}
