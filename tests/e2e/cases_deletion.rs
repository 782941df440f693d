//! Ends that are not a plain `kubectl delete`: of a namespace, of the CRD, of what was copied, taken over or doubled.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, Setup, Test, block_on, fixed, free_address, holds_for, mark, wait_for};

const OWN: Setup = Setup { own_key: None, ..Setup::USUAL };

fn namespace_is_gone(t: &Test) {
    wait_for("the namespace's end", PATIENCE, || t.plane.try_kubectl(&["get", "namespace", &t.namespace]).is_err().then_some(()));
}

/// A resource with a key of its own, ready.
fn keyed(t: &Test, name: &str) {
    t.apply(&t.secret("paperspace", "k1"));
    t.apply(&t.machine(name, json!({"credentialsRef": {"name": "paperspace"}})));
    t.wait_ready(name);
}

#[test]
fn deleting_a_namespace_with_the_secret_in_it_destroys_the_machine_and_ends() {
    let t = Test::with("gone-namespace", OWN);
    keyed(&t, "a");
    t.plane.kubectl(&["delete", "namespace", &t.namespace, "--wait=false"]);
    namespace_is_gone(&t);
    assert!(t.sim.machines().is_empty());
    t.end();
}

#[test]
fn a_namespace_whose_key_nobody_knows_any_more_ends_once_the_operator_has_one_of_the_team() {
    let mut t = Test::with("stuck-namespace", Setup { keys: &["k2=te2", "k3=te1"], ..OWN });
    keyed(&t, "a");
    t.operator.kill9();
    t.plane.kubectl(&["delete", "namespace", &t.namespace, "--wait=false"]);
    wait_for("the Secret's end", PATIENCE, || t.try_kubectl(&["get", "secret", "paperspace"]).is_err().then_some(()));
    let with_key = |t: &mut Test, key: Option<&str>| {
        t.operator.environment.retain(|(name, _)| name != "PAPERSPACE_API_KEY");
        t.operator.environment.extend(key.map(|key| ("PAPERSPACE_API_KEY".to_owned(), key.to_owned())));
        t.operator.restart();
    };
    // No key, then one of another team: neither is enough, and both say what is.
    for key in [None, Some("k2")] {
        with_key(&mut t, key);
        t.wait_reason("a", "Ready", "CredentialsMissing");
        let message = t.condition("a", "Ready").2;
        assert!(message.contains("a key of team te1") && message.contains("deletionPolicy: Retain"), "{message}");
        holds_for(Duration::from_secs(3), "it waits", || t.get("a").is_some() && t.sim.machines().len() == 1);
    }
    assert!(t.try_apply(&t.secret("paperspace", "k1"), &[]).is_err_and(|error| error.contains("being terminated")));
    with_key(&mut t, Some("k3"));
    namespace_is_gone(&t);
    assert!(t.sim.machines().is_empty());
    t.end();
}

#[test]
fn a_deletion_without_a_key_goes_on_when_the_key_is_given_back_and_keeps_the_machine_on_request() {
    let t = Test::with("key-back", OWN);
    keyed(&t, "a");
    keyed(&t, "b");
    let id = t.machine_id("b");
    t.operator.stop();
    t.kubectl(&["delete", "secret", "paperspace"]);
    t.operator.start();
    for name in ["a", "b"] {
        t.delete(name);
        t.wait_reason(name, "Ready", "CredentialsMissing");
        t.wait_note(name, "CredentialsMissing", "a key of team te1");
    }
    t.patch_spec("b", json!({"deletionPolicy": "Retain"}));
    t.wait_gone("b");
    t.wait_note("b", "Retained", &id);
    t.stays(&id);
    assert_eq!(t.sim.machines().len(), 2);
    t.apply(&t.secret("paperspace", "k1"));
    t.wait_gone("a");
    t.end();
}

#[test]
fn resources_with_one_machine_name_get_a_machine_each() {
    let t = Test::new("one-name");
    for name in ["a", "b"] {
        t.apply(&t.machine(name, json!({"machineName": "train"})));
    }
    for name in ["a", "b"] {
        t.wait_ready(name);
        assert_eq!(t.sim.machine(&t.machine_id(name))["name"], format!("train-{}", mark(&t.get(name).unwrap())));
    }
    assert_ne!(t.machine_id("a"), t.machine_id("b"));
    t.delete("a");
    t.wait_gone("a");
    assert_eq!(t.sim.machines().len(), 1);
    t.end();
}

#[test]
fn an_exported_resource_applied_anew_makes_no_second_machine_and_can_take_its_machine_back() {
    let elsewhere = fixed(format!("exported-elsewhere-{}", std::process::id()));
    let t = Test::with(
        "exported",
        Setup { flags: &*Vec::leak(vec!["--allow-adopt-with-default-key", "--watch-namespace", elsewhere]), ..Setup::SETTLING },
    );
    t.plane.kubectl(&["create", "namespace", elsewhere]);
    t.apply(&t.machine("a", json!({})));
    let id = t.machine_id("a");
    t.wait_ready("a");
    t.wait_until("a", "the annotation", |object| !object["metadata"]["annotations"]["paperspace-operator.dev/machine"].is_null());
    let mut export: Value = serde_json::from_str(&t.kubectl(&["get", "psm", "a", "-o", "json"])).unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        export["metadata"].as_object_mut().unwrap().remove(field);
    }

    // A copy beside it.
    let mut copy = export.clone();
    copy["metadata"]["namespace"] = elsewhere.into();
    t.plane.kubectl(&["apply", "-f", write(&copy).path().to_str().unwrap()]);
    let there = |path: &str| t.plane.kubectl(&["-n", elsewhere, "get", "psm", "a", "-o", &format!("jsonpath={path}")]);
    wait_for("the copy to be stalled", PATIENCE, || {
        (there("{.status.conditions[?(@.type==\"Stalled\")].reason}") == "Restored").then_some(())
    });
    let message = there("{.status.conditions[?(@.type==\"Ready\")].message}");
    assert!(message.contains(&format!("machineId: {id}")) && message.contains(&mark(&t.get("a").unwrap())), "{message}");
    t.plane.kubectl(&["delete", "namespace", elsewhere]);
    assert_eq!(t.sim.machines().len(), 1, "a copy's end touches nothing");

    // Restored from a backup, after a deletion that kept the machine.
    let old = mark(&t.get("a").unwrap());
    t.patch_spec("a", json!({"deletionPolicy": "Retain"}));
    t.delete("a");
    t.wait_gone("a");
    t.apply(&export);
    t.wait_reason("a", "Ready", "Restored");
    t.wait_event("a", "Restored");
    // Nobody looks at Paperspace meanwhile: there is no resource with a machine.
    holds_for(Duration::from_secs(3), "nothing is made", || t.sim.writes() == json!({"POST /machines": 1}));

    // The way on that the message shows.
    t.delete("a");
    t.wait_gone("a");
    export["spec"]["adopt"] = json!({"machineId": id, "replaceMark": old});
    t.apply(&export);
    t.wait_ready("a");
    t.wait_event("a", "Adopted");
    assert_eq!(t.machine_id("a"), id);
    assert!(t.sim.machine(&id)["name"].as_str().unwrap().ends_with(&mark(&t.get("a").unwrap())));
    assert_eq!(t.sim.calls("POST /machines"), 1);
    t.end();
}

fn write(object: &Value) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, object).unwrap();
    file
}

#[test]
fn a_machine_that_was_taken_over_is_left_to_its_new_owner() {
    let t = Test::new("taken-away");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.sim.patch(&id, &json!({"name": "theirs-0123456789ab"}));
    t.wait_reason("a", "Ready", "OwnershipLost");
    t.wait_event("a", "OwnershipLost");
    assert!(t.condition("a", "Ready").2.contains("0123456789ab"));
    let writes = t.sim.writes();
    t.patch_spec("a", json!({"powerState": "Stopped", "machineName": "mine"}));
    t.idle(3);
    t.delete("a");
    t.wait_gone("a");
    t.wait_note("a", "Deleted", "another resource's mark");
    assert_eq!((t.sim.writes(), &t.sim.machine(&id)["name"]), (writes, &json!("theirs-0123456789ab")));
    t.stays(&id);
    t.end();
}

#[test]
fn copies_of_a_machine_are_reported_and_only_those_that_an_attempt_can_have_made_go_with_it() {
    let t = Test::new("copies");
    t.apply(&t.machine("a", json!({})));
    let creation = t.wait_ready("a")["status"]["creation"].clone();
    let name = t.get("a").unwrap()["status"]["machineName"].as_str().unwrap().to_owned();
    let copy = |created: Value| {
        let id = t.sim.create_machine(&json!({"name": name}));
        t.sim.patch(&id, &json!({"state": "ready", "dtCreated": created}));
        id
    };
    let doubled = copy(creation["startedAt"].clone());
    let later = copy(json!("2035-01-01T00:00:00Z"));
    let earlier = copy(json!("2020-01-01T00:00:00Z"));
    t.wait_reason("a", "Synced", "Duplicate");
    t.wait_event("a", "Duplicate");
    t.wait_until("a", "all copies", |_| [&doubled, &later, &earlier].iter().all(|id| t.condition("a", "Synced").2.contains(*id)));
    t.idle(3);
    assert_eq!((t.sim.machines().len(), t.sim.calls("DELETE /machines/{id}")), (4, 0));
    t.delete("a");
    t.wait_gone("a");
    let note = &t.wait_event("a", "Deleted")[0];
    assert!(note.contains("left alone") && note.contains(&later) && note.contains(&earlier), "{note}");
    assert_eq!(t.sim.calls("DELETE /machines/{id}"), 2);
    t.stays(&later);
    t.stays(&earlier);
    t.end();
}

#[test]
fn the_crd_is_waited_for_and_its_end_takes_no_machine_with_it() {
    // It takes all resources of a cluster.
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own("crd")));
    plane.kubectl(&["delete", "-k", "deploy/crd"]);
    let address = free_address();
    let flags = &*Vec::leak(vec!["--log", "debug", "--listen", address]);
    let t = Test::with("crd", Setup { plane: Some(plane), flags, ..Setup::USUAL });
    let probe = |path: &str| block_on(async { Some(reqwest::get(format!("http://{address}/{path}")).await.ok()?.status().as_u16()) });
    wait_for("the probes", PATIENCE, || probe("readyz"));
    assert_eq!((probe("livez"), probe("readyz"), probe("metrics")), (Some(200), Some(503), Some(200)));
    wait_for("the message", PATIENCE, || t.operator.log().contains("kubectl apply -k deploy/crd").then_some(()));
    plane.kubectl(&["apply", "--validate=false", "-k", "deploy/crd"]);
    wait_for("ready", PATIENCE, || (probe("readyz") == Some(200)).then_some(()));
    for name in ["a", "b"] {
        t.apply(&t.machine(name, json!({})));
    }
    for name in ["a", "b"] {
        t.wait_ready(name);
    }
    let id = t.machine_id("a");

    plane.kubectl(&["delete", "crd", "paperspacemachines.paperspace-operator.dev", "--wait=false"]);
    for name in ["a", "b"] {
        t.wait_reason(name, "Stalled", "DeletionHeld");
        t.wait_note(name, "DeletionHeld", "deletionPolicy");
    }
    t.idle(3);
    assert_eq!((t.sim.machines().len(), t.sim.writes()), (2, json!({"POST /machines": 2})));
    // The way on, as the message says it.
    for name in ["a", "b"] {
        let id = t.machine_id(name);
        let message = t.condition(name, "Stalled").2;
        let line = message.split("kubectl ").nth(1).unwrap().split(". To destroy").next().unwrap();
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        plane.kubectl(&words);
        t.stays(&id);
    }
    let crd = ["get", "crd", "paperspacemachines.paperspace-operator.dev"];
    wait_for("the CRD's end", PATIENCE, || plane.try_kubectl(&crd).is_err().then_some(()));
    assert_eq!(t.sim.writes(), json!({"POST /machines": 2}));
    assert_eq!(t.sim.machine(&id)["state"], "ready");

    // And it can come back.
    plane.install_crd();
    wait_for("the kind", PATIENCE, || t.try_apply(&t.machine("c", json!({})), &[]).ok());
    t.wait_ready("c");
    assert_eq!(probe("readyz"), Some(200));
    t.end();
    plane.stop();
}
