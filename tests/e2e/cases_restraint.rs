//! Observe and suspend: Paperspace is read and not written to.

use serde_json::json;

use super::harness::{Test, condition_of};

#[test]
fn observe_writes_nothing_and_leaves_the_machine_alone() {
    let t = Test::new("observe");
    let id = t.sim.create_machine(&json!({"name": "theirs"}));
    let observe = json!({"managementPolicy": "Observe", "machineType": "C9", "powerState": "Manual", "credentialsRef": {"name": "own"}});
    t.apply(&t.secret("own", "k1"));
    t.apply(&t.adopting("a", &id, observe));
    t.wait_ready("a");
    let a = t.wait_reason("a", "Synced", "Observed");
    assert!(a["metadata"].get("finalizers").is_none(), "{a:#}");
    assert_eq!(a["status"]["machineId"], json!(id));
    t.sim.patch(&id, &json!({"state": "off", "autoShutdownEnabled": true}));
    t.wait_until("a", "its status follows", |a| a["status"]["state"] == "off");
    t.idle(3);
    t.kubectl(&["delete", "psm", "a", "--timeout=30s"]);
    assert_eq!(t.sim.writes(), json!({}));
    assert_eq!(t.sim.machine(&id)["name"], "theirs");
    t.stays(&id);
    t.end();
}

#[test]
fn suspend_writes_nothing_until_it_is_taken_back() {
    let t = Test::new("suspend");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.patch_spec("a", json!({"suspend": true}));
    t.wait_reason("a", "Suspended", "Suspended");
    let writes = t.sim.writes();
    t.sim.patch(&id, &json!({"name": "mine now", "state": "off"}));
    t.patch_spec("a", json!({"autoSnapshot": {"frequency": "Weekly"}}));
    let a = t.wait_until("a", "its status follows", |a| a["status"]["state"] == "off");
    assert!(condition_of(&a, "Reconciling").is_none(), "{a:#}");
    t.idle(3);
    assert_eq!(t.sim.writes(), writes);

    t.patch_spec("a", json!({"suspend": false}));
    let a = t.wait_ready("a");
    assert!(condition_of(&a, "Suspended").is_none(), "{a:#}");
    let machine = t.sim.machine(&id);
    assert_eq!([&machine["state"], &machine["autoSnapshotFrequency"]], [&json!("ready"), &json!("weekly")]);
    assert_ne!(machine["name"], "mine now");
    t.end();
}

#[test]
fn what_is_suspended_from_the_start_gets_its_machine_when_it_is_no_longer() {
    let t = Test::new("suspend-first");
    t.apply(&t.machine("a", json!({"suspend": true})));
    t.wait_reason("a", "Ready", "NotCreated");
    t.idle(3);
    assert_eq!(t.sim.writes(), json!({}));
    t.patch_spec("a", json!({"suspend": false}));
    t.wait_ready("a");
    t.end();
}
