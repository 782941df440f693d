//! Every transition, with its time.

use serde_json::{Value, json};

use super::{Lab, seen};

#[test]
fn create_starts_the_machine() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({}));
    let expected = [(0, "provisioning"), (37, "off"), (40, "starting"), (61, "serviceready"), (67, "ready")];
    assert_eq!(lab.states(&path, 120), seen(&expected));
    assert_eq!(lab.events(&path), ["create: done", "start: done"]);
}

#[test]
fn create_without_start_ends_off() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({"startOnCreate": false}));
    assert_eq!(lab.states(&path, 120), seen(&[(0, "provisioning"), (37, "off")]));
    assert_eq!(lab.events(&path), ["create: done"]);
}

#[test]
fn events_go_through_their_states() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({}));
    assert_eq!(lab.events(&path), ["create: new"]);
    lab.wait(1.0);
    assert_eq!(lab.events(&path), ["create: in progress"]);
    lab.wait(36.0);
    assert_eq!(lab.events(&path), ["create: done", "start: new"]);
    let id = lab.get(&format!("/machine-events?machineId={}", super::id_of(&path)))["items"][1]["id"].clone();
    let event = lab.get(&format!("/machine-events/{}", id.as_str().unwrap()));
    assert_eq!(event["dtCreated"], "2025-03-01T00:00:00.000Z");
    assert_eq!(event["dtStarted"], "2025-03-01T00:00:01.000Z");
    assert_eq!(event["dtFinished"], "2025-03-01T00:00:37.000Z");
    assert!(lab.is_gone("/machine-events/00000000-0000-4000-8000-000000000000"));
}

#[test]
fn placeholders_until_provisioned() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({"machineType": "P4000", "startOnCreate": false}));
    let early = lab.get(&path);
    assert_eq!((&early["cpus"], &early["ram"], &early["storageTotal"]), (&json!(1), &json!("0"), &json!("0")));
    assert_eq!((&early["privateIp"], &early["networkId"], &early["publicIp"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(early["region"], "East Coast (NY2)");
    assert_eq!(early["accelerators"], json!([{"name": "Quadro P4000", "memory": "8589934592", "count": 1}]));
    lab.wait(37.0);
    let late = lab.get(&path);
    assert_eq!((&late["cpus"], &late["ram"], &late["storageTotal"]), (&json!(8), &json!("32212254720"), &json!("53687091200")));
    assert!(late["privateIp"].is_string() && late["networkId"].is_string());
    assert_eq!(late["usageRate"], 0.51);
}

#[test]
fn a_stop_lingers_and_takes_a_minute() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({}));
    let reply = lab.patch(&format!("{path}/stop"));
    assert_eq!((&reply["event"]["name"], &reply["event"]["state"]), (&json!("stop"), &json!("new")));
    assert_eq!(lab.states(&path, 90), seen(&[(0, "ready"), (2, "stopping"), (60, "off")]));
    assert_eq!(lab.events(&path).last().unwrap(), "stop: done");
}

#[test]
fn a_start_lingers_in_off() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    lab.patch(&format!("{path}/start"));
    assert_eq!(lab.states(&path, 60), seen(&[(0, "off"), (3, "starting"), (24, "serviceready"), (30, "ready")]));
}

#[test]
fn a_restart_lingers_in_ready() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({}));
    lab.patch(&format!("{path}/restart"));
    lab.wait(4.0);
    assert_eq!(lab.state(&path), "ready");
    assert_eq!(lab.refused("PATCH", &format!("{path}/start"), &Value::Null).1, "This machine is currently restarting.");
    assert_eq!(lab.states(&path, 90), seen(&[(0, "ready"), (1, "restarting"), (71, "ready")]));
    assert_eq!(lab.events(&path).last().unwrap(), "restart: done");
}

#[test]
fn a_pending_start_has_the_known_text() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    lab.patch(&format!("{path}/start"));
    for _ in 0..2 {
        let (_, message) = lab.refused("PATCH", &format!("{path}/start"), &Value::Null);
        assert_eq!(message, "This machine is currently starting.");
        lab.wait(10.0);
    }
}

#[test]
fn what_is_already_so_is_done_at_once() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    assert_eq!(lab.patch(&format!("{path}/stop"))["event"]["state"], "done");
    lab.patch(&format!("{path}/start"));
    lab.wait(31.0);
    assert_eq!(lab.patch(&format!("{path}/start"))["event"]["state"], "done");
    assert_eq!(lab.states(&path, 90), seen(&[(0, "ready")]));
}

#[test]
fn a_stop_ends_a_start() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    lab.patch(&format!("{path}/start"));
    lab.wait(10.0);
    lab.patch(&format!("{path}/stop"));
    assert_eq!(lab.states(&path, 120), seen(&[(0, "starting"), (2, "stopping"), (60, "off")]));
    assert_eq!(lab.events(&path), ["create: done", "start: cancelled", "stop: done"]);
}

#[test]
fn a_stop_ends_a_start_that_is_still_off() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    lab.patch(&format!("{path}/start"));
    lab.patch(&format!("{path}/stop"));
    lab.wait(120.0);
    assert_eq!(lab.state(&path), "off");
    assert_eq!(lab.events(&path), ["create: done", "start: cancelled", "stop: done"]);
}

#[test]
fn one_operation_at_a_time() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({}));
    for verb in ["start", "stop", "restart"] {
        let refusal = lab.refused("PATCH", &format!("{path}/{verb}"), &Value::Null);
        assert_eq!(refusal, (409, "This machine is currently provisioning.".to_owned()));
    }
    lab.wait(75.0);
    lab.patch(&format!("{path}/stop"));
    for verb in ["start", "stop", "restart"] {
        let (_, message) = lab.refused("PATCH", &format!("{path}/{verb}"), &Value::Null);
        assert_eq!(message, "This machine is currently stopping.");
    }
    lab.wait(61.0);
    assert_eq!(lab.refused("PATCH", &format!("{path}/restart"), &Value::Null).0, 400);
}

#[test]
fn a_restart_can_be_repeated() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({}));
    lab.patch(&format!("{path}/restart"));
    lab.wait(20.0);
    lab.patch(&format!("{path}/restart"));
    lab.wait(80.0);
    assert_eq!(lab.state(&path), "ready");
    assert_eq!(lab.events(&path)[2..], ["restart: cancelled", "restart: done"]);
}

#[test]
fn deletion_is_visible_for_a_while() {
    let mut lab = Lab::new();
    for state in ["off", "ready", "provisioning"] {
        let path = match state {
            "off" => lab.create_off(&json!({})),
            "ready" => lab.create_ready(&json!({})),
            _ => lab.create(&json!({})),
        };
        let reply = lab.delete(&path);
        assert_eq!(reply["event"]["name"], "deactivate");
        assert_eq!(reply["data"]["state"], state);
        assert!(reply["data"]["dtDeleted"].is_string());
        assert_eq!(lab.delete(&path)["event"]["id"], reply["event"]["id"]);
        assert_eq!(lab.refused("PATCH", &format!("{path}/start"), &Value::Null).0, 409);
        assert_eq!(lab.refused("PUT", &path, &json!({"name": "n"})).0, 409);
        lab.wait(24.0);
        assert_eq!(lab.state(&path), state);
        lab.wait(1.0);
        assert!(lab.is_gone(&path));
        assert_eq!(lab.refused("DELETE", &path, &Value::Null).0, 404);
        assert_eq!(lab.get("/machines")["items"], json!([]));
        assert_eq!(lab.events(&path).last().unwrap(), "deactivate: done");
        lab.wait(200.0);
        let truth = lab.truth();
        let machine = truth["machines"].as_array().unwrap().last().unwrap();
        assert_eq!((&machine["exists"], machine["dtDeleted"].is_string()), (&json!(false), true));
    }
}

#[test]
fn auto_shutdown_stops_the_machine() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({"autoShutdownEnabled": "true", "autoShutdownTimeout": "6"}));
    assert_eq!((&lab.get(&path)["autoShutdownEnabled"], &lab.get(&path)["autoShutdownTimeout"]), (&json!(true), &json!(6)));
    lab.wait(6.0 * 3600.0 - 20.0);
    assert_eq!(lab.state(&path), "ready");
    lab.wait(20.0);
    assert_eq!(lab.state(&path), "stopping");
    lab.wait(60.0);
    assert_eq!(lab.state(&path), "off");
    assert_eq!(lab.events(&path).last().unwrap(), "stop: done");
    // Each start begins its own count.
    lab.patch(&format!("{path}/start"));
    lab.wait(3.0 * 3600.0);
    lab.patch(&format!("{path}/restart"));
    lab.wait(4.0 * 3600.0);
    assert_eq!(lab.state(&path), "ready");
    lab.wait(3.0 * 3600.0);
    assert_eq!(lab.state(&path), "off");
}

#[test]
fn the_scale_shortens_durations_and_not_timestamps() {
    let mut lab = Lab::scaled(60.0);
    let path = lab.create(&json!({"autoShutdownEnabled": true, "autoShutdownTimeout": 1}));
    lab.wait(2.0);
    let machine = lab.get(&path);
    assert_eq!((&machine["state"], &machine["dtCreated"]), (&json!("ready"), &json!("2025-03-01T00:00:00.000Z")));
    assert_eq!(lab.truth()["now"], "2025-03-01T00:00:02.000Z");
    lab.wait(63.0);
    assert_eq!(lab.state(&path), "off");
}

#[test]
fn time_never_runs_backwards() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({}));
    lab.wait(-3600.0);
    assert_eq!(lab.state(&path), "ready");
    assert!(lab.patch(&format!("{path}/stop"))["event"]["dtCreated"].as_str() > Some("2025-03-01T00:01:00"));
}

#[test]
fn the_next_event_is_known_in_advance() {
    let mut lab = Lab::new();
    assert_eq!(lab.sim.next_due(), None);
    let path = lab.create(&json!({}));
    while let Some(due) = lab.sim.next_due() {
        lab.now = due;
        lab.get(&path);
    }
    assert_eq!(lab.state(&path), "ready");
}
