//! What happens to the machine behind the resource's back.

use serde_json::json;

use super::harness::{Setup, Test};

#[test]
fn drift_is_mended_and_reported() {
    let t = Test::new("drift");
    t.apply(&t.machine("a", json!({"powerState": "Manual", "autoShutdown": {"timeoutHours": 8}})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    let name = t.sim.machine(&id)["name"].clone();
    t.sim.patch(&id, &json!({"name": "mine now", "autoShutdownTimeout": 100}));
    let machine = t.wait_machine(&id, "mended", |machine| machine["name"] == name && machine["autoShutdownTimeout"] == 8);
    assert_eq!(machine["autoShutdownEnabled"], true);
    let a = t.wait_ready("a");
    assert!(a["status"].get("drift").is_none(), "{a:#}");
    let (seen, mended) = (t.wait_event("a", "DriftDetected").concat(), t.wait_event("a", "DriftCorrected").concat());
    for words in ["mine now", "100h", "8h"] {
        assert!(seen.contains(words) && mended.contains(words), "{words} in\n{seen}\n{mended}");
    }
    t.end();
}

#[test]
fn drift_that_needs_a_stop_is_reported_until_it_is_gone() {
    let t = Test::new("drift-stop");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.sim.patch(&id, &json!({"machineType": "C4"}));
    let a = t.wait_reason("a", "Synced", "PendingStop");
    assert_eq!((&a["status"]["drift"][0]["field"], &a["status"]["drift"][0]["action"]), (&json!("machineType"), &json!("NeedsStop")));
    t.wait_event("a", "DriftDetected");
    t.sim.patch(&id, &json!({"machineType": "C5"}));
    let a = t.wait_ready("a");
    assert!(a["status"].get("drift").is_none(), "{a:#}");
    t.end();
}

#[test]
fn a_machine_destroyed_behind_its_back_is_recreated_once() {
    let t = Test::with("vanish", Setup::SETTLING);
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let first = t.machine_id("a");
    t.sim.destroy(&first);
    t.wait_until("a", "the machine is missed", |a| a.to_string().contains("MachineNotFound"));
    t.wait_until("a", "another machine", |a| a["status"]["machineId"].as_str().is_some_and(|id| id != first));
    t.wait_ready("a");
    assert_eq!(t.wait_event("a", "MachineVanished").len(), 1);
    t.idle(3);
    assert_eq!(t.sim.calls("POST /machines"), 2);
    t.end();
}
