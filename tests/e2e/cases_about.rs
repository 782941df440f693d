//! Snapshots, restore points, desktops: what is set, and what the status says of them.

use serde_json::json;

use super::harness::Test;

const DESKTOP: &str = "GET /machines/{id}/desktop";
const SNAPSHOTS: &str = "GET /snapshots";

#[test]
fn a_desktop_is_in_the_status_while_the_machine_is_on_and_its_password_nowhere() {
    let t = Test::new("desktop");
    t.apply(&t.machine("plain", json!({})));
    t.apply(&t.machine("a", json!({"templateId": "tz0ireoj"})));
    t.wait_ready("plain");
    t.wait_ready("a");
    let a = t.wait_until("a", "its desktop", |a| a["status"]["desktop"].is_object());
    let host = t.sim.machine(&t.machine_id("a"))["publicIp"].clone();
    assert_eq!(a["status"]["desktop"], json!({"protocol": "VNC", "host": host, "port": 5900}));
    assert_eq!([&a["status"]["os"], &a["status"]["agentType"]], [&json!("Ubuntu 20.04 Desktop"), &json!("LinuxDesktop")]);
    t.idle(3);
    assert_eq!(t.sim.calls(DESKTOP), 1, "once, and not for a machine without a desktop");
    assert!(t.get("plain").unwrap()["status"].get("desktop").is_none());

    t.patch_spec("a", json!({"powerState": "Stopped"}));
    let a = t.wait_ready("a");
    assert!(a["status"].get("desktop").is_none(), "{a:#}");
    t.patch_spec("a", json!({"powerState": "Running"}));
    t.wait_ready("a");
    t.wait_until("a", "its desktop again", |a| a["status"]["desktop"].is_object());
    let told = format!("{:?}{:?}{}", t.all(), t.all_events(), t.operator.log());
    assert!(!told.contains("not-to-be-shown"), "the password is somewhere");
    t.end();
}

#[test]
fn snapshots_are_counted_and_a_restore_point_names_one_that_is_there() {
    let t = Test::new("snapshots");
    t.apply(&t.machine("a", json!({"takeInitialSnapshot": true, "restorePoint": {}})));
    let a = t.wait_ready("a");
    let id = t.machine_id("a");
    let all = t.sim.truth()["snapshots"].take();
    let first = all.as_array().unwrap().iter().find(|s| s["machineId"] == id.as_str()).unwrap()["id"].clone();
    assert_eq!(a["status"]["snapshots"], json!({"count": 1, "newestId": first}));
    assert_eq!(t.sim.machine(&id)["restorePointSnapshotId"], first);

    // Another one is seen when somebody asks for a look, else within ten minutes.
    let second = t.sim.as_user("POST", "/snapshots", &json!({"name": "by hand", "machineId": id}))["data"]["id"].clone();
    t.kubectl(&["annotate", "psm", "a", "paperspace-operator.dev/reconcile-requested-at=now"]);
    let newest = json!({"count": 2, "newestId": second});
    t.wait_until("a", "the second", |a| a["status"]["snapshots"] == newest);
    let lists = t.sim.calls(SNAPSHOTS);
    t.idle(3);
    assert_eq!(t.sim.calls(SNAPSHOTS), lists);

    t.patch_spec("a", json!({"restorePoint": {"snapshotId": "nosuch"}}));
    let a = t.wait_reason("a", "Stalled", "UpdateRejected");
    assert!(a.to_string().contains("Snapshot"), "{a:#}");
    t.patch_spec("a", json!({"restorePoint": {"snapshotId": second}, "autoSnapshot": {"frequency": "Daily", "keep": 2}}));
    t.wait_ready("a");
    let machine = t.sim.machine(&id);
    assert_eq!([&machine["restorePointSnapshotId"], &machine["autoSnapshotFrequency"]], [&second, &json!("daily")]);
    t.patch_spec("a", json!({"restorePoint": null, "autoSnapshot": null}));
    t.wait_ready("a");
    let machine = t.sim.machine(&id);
    assert_eq!([&machine["restorePointEnabled"], &machine["autoSnapshotEnabled"]], [&json!(false), &json!(false)]);
    t.end();
}
