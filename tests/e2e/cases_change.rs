//! Changes of the spec: at any time, only while the machine is off, and those that Paperspace refuses.

use serde_json::{Value, json};

use super::harness::Test;

const UPDATE: &str = "PUT /machines/{id}";
const STOP: &str = "PATCH /machines/{id}/stop";

#[test]
fn what_can_be_changed_at_any_time_is_changed_on_the_running_machine() {
    let t = Test::new("change");
    t.apply(&t.machine("a", json!({"powerState": "Manual", "autoShutdown": {"timeoutHours": 8}})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    assert_eq!(t.sim.machine(&id)["autoShutdownTimeout"], 8);

    t.patch_spec("a", json!({"autoShutdown": {"timeoutHours": 4, "force": true}, "machineName": "renamed"}));
    t.wait_ready("a");
    let machine = t.sim.machine(&id);
    let shutdown = [&machine["autoShutdownEnabled"], &machine["autoShutdownTimeout"], &machine["autoShutdownForce"]];
    assert_eq!(shutdown, [&json!(true), &json!(4), &json!(true)]);
    assert!(machine["name"].as_str().unwrap().starts_with("renamed-"), "{}", machine["name"]);
    let notes = t.wait_event("a", "Updated");
    assert!(notes[0].contains("8h") && notes[0].contains("4h, force") && notes[0].contains("renamed"), "{notes:?}");

    t.patch_spec("a", json!({"autoShutdown": null, "autoSnapshot": {"frequency": "Daily", "keep": 3}}));
    t.wait_ready("a");
    let machine = t.sim.machine(&id);
    let fields = [&machine["autoShutdownEnabled"], &machine["autoSnapshotFrequency"], &machine["autoSnapshotSaveCount"]];
    assert_eq!(fields, [&json!(false), &json!("daily"), &json!(3)]);
    assert_eq!(machine["state"], "ready");
    t.end();
}

#[test]
fn a_machine_moves_to_a_private_network_that_the_spec_names() {
    let t = Test::new("change-network");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    let network = t.sim.as_user("POST", "/private-networks", &json!({"name": "n", "region": "ny2"}))["id"].clone();
    t.patch_spec("a", json!({"networkId": network}));
    t.wait_ready("a");
    assert_eq!(t.sim.machine(&id)["networkId"], network);
    t.wait_until("a", "its status says so", |a| a["status"]["networkId"] == network);
    assert_eq!(t.sim.calls(UPDATE), 1);
    t.end();
}

#[test]
fn type_and_disk_wait_for_a_stop() {
    let t = Test::new("resize-waits");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    t.patch_spec("a", json!({"machineType": "C6", "diskSizeGB": 100}));
    let a = t.wait_reason("a", "Synced", "PendingStop");
    let drift: Vec<[&Value; 3]> =
        a["status"]["drift"].as_array().unwrap().iter().map(|d| [&d["field"], &d["observed"], &d["desired"]]).collect();
    assert_eq!(json!(drift), json!([["machineType", "C5", "C6"], ["diskSizeGB", "50", "100"]]));
    t.wait_reason("a", "Ready", "Running");
    t.idle(3);
    assert_eq!(t.sim.calls(UPDATE) + t.sim.calls(STOP), 0, "a running machine is left alone");

    t.patch_spec("a", json!({"powerState": "Stopped"}));
    let a = t.wait_ready("a");
    assert!(a["status"].get("drift").is_none(), "{a:#}");
    t.patch_spec("a", json!({"powerState": "Running"}));
    t.wait_ready("a");
    let machine = t.sim.machine(&t.machine_id("a"));
    assert_eq!([&machine["state"], &machine["machineType"], &machine["diskSize"]], [&json!("ready"), &json!("C6"), &json!(100)]);
    assert_eq!(t.sim.calls(UPDATE), 1);
    t.end();
}

#[test]
fn with_stop_and_start_the_machine_is_stopped_changed_and_brought_back() {
    let t = Test::new("resize-at-once");
    t.apply(&t.machine("a", json!({"resizePolicy": "StopAndStart"})));
    t.apply(&t.machine("manual", json!({"resizePolicy": "StopAndStart", "powerState": "Manual"})));
    t.wait_ready("a");
    t.wait_ready("manual");
    t.patch_spec("a", json!({"machineType": "C6"}));
    t.patch_spec("manual", json!({"diskSizeGB": 100}));
    for (name, field, value) in [("a", "machineType", json!("C6")), ("manual", "diskSize", json!(100))] {
        t.wait_until(name, "the operation is done", |r| r["status"]["operation"]["state"] == "Done");
        t.wait_ready(name);
        let machine = t.sim.machine(&t.machine_id(name));
        assert_eq!([&machine["state"], &machine[field]], [&json!("ready"), &value], "{name}");
    }
    assert_eq!((t.sim.calls(UPDATE), t.sim.calls(STOP)), (2, 2));
    t.end();
}

#[test]
fn a_resize_that_paperspace_refuses_is_reported_and_the_machine_comes_back() {
    let t = Test::new("resize-refused");
    t.apply(&t.machine("a", json!({"resizePolicy": "StopAndStart", "powerState": "Manual"})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.patch_spec("a", json!({"machineType": "C99"}));
    t.wait_reason("a", "Stalled", "UpdateRejected");
    t.wait_machine(&id, "up again", |machine| machine["state"] == "ready");
    t.wait_reason("a", "Ready", "Running");
    let a = t.wait_reason("a", "Synced", "UpdateRejected");
    assert!(a.to_string().contains("Machine type C99 does not exist"), "Paperspace's own words:\n{a:#}");
    t.wait_event("a", "UpdateRejected");
    t.idle(3);
    assert_eq!((t.sim.calls(UPDATE), t.sim.calls(STOP)), (1, 1), "it is not stopped for it again");

    t.patch_spec("a", json!({"machineType": "C5"}));
    t.wait_ready("a");
    t.end();
}

#[test]
fn a_change_from_a_cpu_type_to_a_gpu_type_is_said_to_be_impossible_before_the_machine_is_stopped_for_it() {
    let t = Test::new("resize-never");
    t.apply(&t.machine("a", json!({"resizePolicy": "StopAndStart"})));
    t.wait_ready("a");
    t.patch_spec("a", json!({"machineType": "P4000"}));
    let a = t.wait_reason("a", "Stalled", "Unmendable");
    assert!(a.to_string().contains("machineType: C5 -> P4000"), "{a:#}");
    t.wait_reason("a", "Ready", "Running");
    t.idle(3);
    assert_eq!(t.sim.calls(UPDATE) + t.sim.calls(STOP), 0);
    t.patch_spec("a", json!({"machineType": "C5"}));
    t.wait_ready("a");
    t.end();
}
