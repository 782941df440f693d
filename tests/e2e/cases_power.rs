//! Stop, start, restart.

use serde_json::json;

use super::harness::{PATIENCE, Test, wait_for};

const START: &str = "PATCH /machines/{id}/start";
const STOP: &str = "PATCH /machines/{id}/stop";
const RESTART: &str = "PATCH /machines/{id}/restart";
const ASK: &str = "paperspace-operator.dev/restart-requested-at";

#[test]
fn a_machine_is_stopped_and_started_as_the_spec_says() {
    let t = Test::new("power");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "Stopped");
    let id = t.machine_id("a");
    assert_eq!(t.sim.machine(&id)["state"], "off");
    t.patch_spec("a", json!({"powerState": "Running"}));
    t.wait_reason("a", "Ready", "Running");
    assert_eq!(t.sim.machine(&id)["state"], "ready");
    for event in ["Stopping", "Stopped", "Starting"] {
        assert_eq!(t.wait_event("a", event).len(), 1, "{event}");
    }
    assert_eq!((t.sim.calls(STOP), t.sim.calls(START)), (1, 1));
    t.end();
}

#[test]
fn a_running_machine_that_someone_stopped_is_started_again() {
    let t = Test::new("power-kept");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.sim.patch(&id, &json!({"state": "off"}));
    t.wait_machine(&id, "up again", |machine| machine["state"] == "ready");
    t.wait_reason("a", "Ready", "Running");
    assert_eq!(t.sim.calls(START), 1);
    t.end();
}

#[test]
fn a_restart_happens_once_for_each_value_of_the_annotation() {
    let t = Test::new("restart");
    let ask = |value: &str| t.kubectl(&["annotate", "psm", "a", "--overwrite", &format!("{ASK}={value}")]);
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    ask("one");
    t.wait_event("a", "Restarted");
    t.wait_machine(&id, "restarting", |machine| machine["state"] == "restarting");
    t.wait_until("a", "the request is handled", |a| a["status"]["handledRestartAt"] == "one");
    t.wait_machine(&id, "up again", |machine| machine["state"] == "ready");
    t.wait_ready("a");

    ask("one");
    t.idle(3);
    assert_eq!(t.sim.calls(RESTART), 1, "the same value again");
    t.operator.kill9();
    t.operator.start();
    t.idle(3);
    assert_eq!(t.sim.calls(RESTART), 1, "the operator anew");
    ask("two");
    // It is written down before it is sent.
    wait_for("another value's restart", PATIENCE, || (t.sim.calls(RESTART) > 1).then_some(()));
    t.wait_machine(&id, "up again", |machine| machine["state"] == "ready");
    t.wait_ready("a");
    assert_eq!(t.sim.calls(RESTART), 2, "another value");
    t.end();
}
