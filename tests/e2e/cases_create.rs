//! From `kubectl apply` to a machine.

use serde_json::json;

use super::harness::Test;

#[test]
fn a_machine_comes_up_and_kubectl_shows_it() {
    let t = Test::new("create");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let (table, described) = (t.kubectl(&["get", "psm", "a"]), t.kubectl(&["describe", "psm", "a"]));
    println!("{table}\n{described}");
    let machine = t.sim.machine(&t.machine_id("a"));
    let address = machine["publicIp"].as_str().expect("an address");
    for word in ["C5", "NY2", "Running", "True", address, "0.08"] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    for event in ["Creating", "Created", "Started"] {
        assert_eq!(t.wait_event("a", event).len(), 1, "{event}");
    }
    assert_eq!((&machine["state"], &machine["machineType"], &machine["templateId"]), (&json!("ready"), &json!("C5"), &json!("t0nspur5")));
    t.delete("a");
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    assert_eq!(t.sim.calls("POST /machines"), 1);
    assert_eq!(t.wait_event("a", "Deleted").len(), 1);
    t.end();
}

#[test]
fn a_machine_that_is_to_be_stopped_is_created_off_and_never_started() {
    let t = Test::new("create-stopped");
    t.apply(&t.machine("a", json!({"powerState": "Stopped"})));
    t.wait_ready("a");
    t.wait_reason("a", "Ready", "Stopped");
    t.idle(3);
    let machine = t.sim.machine(&t.machine_id("a"));
    assert_eq!((&machine["state"], &machine["startOnCreate"]), (&json!("off"), &json!(false)));
    assert_eq!(t.sim.writes(), json!({"POST /machines": 1}));
    t.end();
}

#[test]
fn a_manual_machine_is_started_once_and_then_left_off() {
    let t = Test::new("create-manual");
    t.apply(&t.machine("a", json!({"powerState": "Manual"})));
    t.wait_ready("a");
    t.wait_reason("a", "Ready", "Running");
    t.sim.patch(&t.machine_id("a"), &json!({"state": "off"}));
    t.wait_reason("a", "Ready", "ManualOff");
    t.idle(3);
    assert_eq!(t.sim.writes(), json!({"POST /machines": 1}));
    t.end();
}

#[test]
fn a_ready_machine_causes_no_write_to_either_side() {
    let t = Test::new("create-idle");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    // The last write of the status may come after Ready.
    t.idle(2);
    let before = (t.get("a"), t.sim.writes());
    t.idle(4);
    assert_eq!(before, (t.get("a"), t.sim.writes()));
    t.end();
}
