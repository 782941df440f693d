//! How the machine is reached, published in a ConfigMap: with the operator's own rights, on a real server.

use serde_json::{Value, json};

use super::harness::{PATIENCE, Test, wait_for};

/// The ConfigMap as it is; null if there is none.
fn config_map(t: &Test, name: &str) -> Value {
    t.try_kubectl(&["get", "configmap", name, "-o", "json"]).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

#[track_caller]
fn wait_data(t: &Test, name: &str, data: &Value) {
    wait_for(&format!("{name} says {data}"), PATIENCE, || (config_map(t, name)["data"] == *data).then_some(()));
}

/// What is to be published of a machine.
fn of_machine(t: &Test, id: &str) -> Value {
    let machine = t.sim.machine(id);
    json!({"host": machine["publicIp"], "privateIp": machine["privateIp"], "user": "paperspace", "machineId": id})
}

#[test]
fn it_is_kept_up_to_date_and_goes_with_the_resource() {
    let t = Test::new("connection");
    let to = |name: &str| json!({"publicIp": {"type": "Dynamic"}, "writeConnectionTo": {"configMapName": name}});
    t.apply(&t.machine("a", to("train")));
    t.wait_ready("a");
    let id = t.machine_id("a");
    wait_data(&t, "train", &of_machine(&t, &id));
    let owner = &config_map(&t, "train")["metadata"]["ownerReferences"][0];
    assert_eq!([&owner["name"], &owner["kind"], &owner["controller"]], [&json!("a"), &json!("PaperspaceMachine"), &json!(true)]);

    // Its address changes.
    t.patch_spec("a", json!({"publicIp": {"type": "Static"}}));
    t.wait_ready("a");
    wait_data(&t, "train", &of_machine(&t, &id));
    // Somebody edits it, somebody deletes it.
    t.kubectl(&["patch", "configmap", "train", "--type", "merge", "-p", r#"{"data": {"host": "elsewhere"}}"#]);
    wait_data(&t, "train", &of_machine(&t, &id));
    t.kubectl(&["delete", "configmap", "train"]);
    wait_data(&t, "train", &of_machine(&t, &id));
    t.idle(2);
    let version = config_map(&t, "train")["metadata"]["resourceVersion"].clone();
    t.idle(3);
    assert_eq!(config_map(&t, "train")["metadata"]["resourceVersion"], version, "nothing is written while nothing changes");

    // It moves with its name, goes with its field, and does both under suspend.
    t.patch_spec("a", json!({"suspend": true, "writeConnectionTo": {"configMapName": "other"}}));
    wait_data(&t, "other", &of_machine(&t, &id));
    wait_data(&t, "train", &Value::Null);
    t.patch_spec("a", json!({"writeConnectionTo": null}));
    wait_data(&t, "other", &Value::Null);
    t.patch_spec("a", json!({"suspend": false, "writeConnectionTo": {"configMapName": "last"}}));
    wait_data(&t, "last", &of_machine(&t, &id));
    t.delete("a");
    t.wait_gone("a");
    if t.plane.servers().contains(&"kube-controller-manager") {
        wait_data(&t, "last", &Value::Null);
    }
    t.end();
}

#[test]
fn somebody_elses_is_never_touched() {
    let t = Test::new("connection-taken");
    t.kubectl(&["create", "configmap", "taken", "--from-literal=theirs=yes"]);
    t.apply(&t.machine("a", json!({"writeConnectionTo": {"configMapName": "taken"}})));
    t.wait_reason("a", "Stalled", "ConnectionNotWritten");
    t.wait_reason("a", "Ready", "Running");
    t.wait_event("a", "ConnectionNotWritten");
    let version = config_map(&t, "taken")["metadata"]["resourceVersion"].clone();
    t.idle(3);
    t.patch_spec("a", json!({"writeConnectionTo": null}));
    t.wait_ready("a");
    let map = config_map(&t, "taken");
    assert_eq!((&map["data"], &map["metadata"]["resourceVersion"]), (&json!({"theirs": "yes"}), &version));

    // Where it has gone, the watch says so.
    t.patch_spec("a", json!({"writeConnectionTo": {"configMapName": "taken"}}));
    t.wait_reason("a", "Stalled", "ConnectionNotWritten");
    t.kubectl(&["delete", "configmap", "taken"]);
    t.wait_ready("a");
    wait_data(&t, "taken", &of_machine(&t, &t.machine_id("a")));
    t.end();
}

#[test]
fn an_observed_machine_is_published_too() {
    let t = Test::new("connection-observed");
    let id = t.sim.create_machine(&json!({"name": "theirs"}));
    t.apply(&t.secret("own", "k1"));
    t.wait_machine(&id, "on", |m| m["state"] == "ready" && !m["publicIp"].is_null());
    let spec = json!({"managementPolicy": "Observe", "credentialsRef": {"name": "own"}, "writeConnectionTo": {"configMapName": "theirs"}});
    t.apply(&t.adopting("a", &id, spec));
    t.wait_ready("a");
    wait_data(&t, "theirs", &of_machine(&t, &id));
    assert_eq!(t.sim.writes(), json!({}));
    t.kubectl(&["delete", "psm", "a", "--timeout=30s"]);
    t.stays(&id);
    t.end();
}

#[test]
fn a_write_that_the_server_refuses_stands_in_the_way_of_nothing_else() {
    let t = Test::new("connection-refused");
    t.apply(&t.machine("a", json!({"writeConnectionTo": {"configMapName": "a"}})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    wait_data(&t, "a", &of_machine(&t, &id));
    t.kubectl(&["patch", "configmap", "a", "--type", "merge", "-p", r#"{"immutable": true}"#]);
    t.patch_spec("a", json!({"publicIp": {"type": "Static"}, "machineName": "renamed"}));
    let a = t.wait_reason("a", "Stalled", "ConnectionNotWritten");
    assert!(a.to_string().contains("immutable"), "the server's words:\n{a:#}");
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "Stopped");
    t.wait_machine(&id, "renamed", |m| m["name"].as_str().unwrap().starts_with("renamed-"));
    t.kubectl(&["delete", "configmap", "a"]);
    t.wait_ready("a");
    wait_data(&t, "a", &of_machine(&t, &id));
    t.end();
}
