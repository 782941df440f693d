//! Startup scripts that the operator makes: from a text, a `ConfigMap` and a Secret; changed, exchanged, and removed with the resource.

use serde_json::{Value, json};

use super::harness::{PATIENCE, Setup, Test, wait_for};

const CREATE: &str = "POST /startup-scripts";
const UPDATE: &str = "PUT /startup-scripts/{id}";
const DELETE: &str = "DELETE /startup-scripts/{id}";

/// The scripts that are there.
fn scripts(t: &Test) -> Vec<Value> {
    let Value::Array(all) = t.sim.truth()["startupScripts"].take() else { panic!("no startup scripts in the truth") };
    all.into_iter().filter(|s| s["exists"] == true && s["dtDeleted"].is_null()).collect()
}

/// What the resource's machine runs at its start: null, or a script.
fn runs(t: &Test, name: &str) -> Value {
    let id = t.sim.machine(&t.machine_id(name))["startupScriptId"].clone();
    scripts(t).into_iter().find(|s| s["id"] == id).unwrap_or_default()
}

/// Waits until the machine runs this text.
#[track_caller]
fn wait_runs(t: &Test, name: &str, text: &str) -> Value {
    wait_for(&format!("{name} runs {text}"), PATIENCE, || Some(runs(t, name)).filter(|s| s["script"] == text))
}

/// A `ConfigMap` or Secret with a script, to be applied.
fn source(t: &Test, kind: &str, label: Option<&str>, text: &str) -> Value {
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let labels = label.map_or(json!({}), |label| json!({"paperspace-operator.dev/use": label}));
    json!({
        "apiVersion": "v1", "kind": kind, field: {"boot": text},
        "metadata": {"name": "scripts", "namespace": t.namespace, "labels": labels},
    })
}

#[test]
fn an_inline_script_is_there_at_the_first_boot_follows_its_text_and_goes() {
    let t = Test::new("script-inline");
    t.apply(&t.machine("a", json!({"startupScript": {"inline": "echo one"}})));
    t.wait_ready("a");
    let script = runs(&t, "a");
    assert_eq!([&script["script"], &script["isRunOnce"]], [&json!("echo one"), &json!(false)]);
    assert_eq!(t.sim.calls("POST /startup-scripts/{id}/assign"), 0, "the machine was created with it");
    t.patch_spec("a", json!({"startupScript": {"inline": "echo two", "runOnce": true}}));
    assert_eq!(wait_runs(&t, "a", "echo two")["isRunOnce"], true);
    t.wait_ready("a");
    t.wait_note("a", "Updated", "startup script");
    t.idle(3);
    assert_eq!((t.sim.calls(CREATE), t.sim.calls(UPDATE)), (1, 1));

    t.patch_spec("a", json!({"startupScript": null}));
    wait_for("the script's end", PATIENCE, || scripts(&t).is_empty().then_some(()));
    assert_eq!(runs(&t, "a"), Value::Null);
    t.wait_until("a", "it is forgotten", |a| a["status"].get("ownedScript").is_none());
    t.patch_spec("a", json!({"startupScript": {"inline": "echo three"}}));
    wait_runs(&t, "a", "echo three");
    t.delete("a");
    t.wait_gone("a");
    assert_eq!((scripts(&t).len(), t.sim.calls(DELETE)), (0, 2));
    t.end();
}

#[test]
fn a_config_map_is_waited_for_and_followed() {
    let t = Test::new("script-map");
    t.apply(&t.machine("a", json!({"startupScript": {"configMapKeyRef": {"name": "scripts", "key": "boot"}}})));
    t.wait_reason("a", "Ready", "ScriptSourceMissing");
    let message = t.condition("a", "Ready").2;
    assert!(message.contains("kubectl create configmap scripts"), "{message}");
    t.wait_event("a", "ScriptSourceMissing");
    assert_eq!((t.sim.calls(CREATE), t.sim.calls("POST /machines")), (0, 0));
    t.apply(&source(&t, "ConfigMap", None, "echo one"));
    t.wait_ready("a");
    wait_runs(&t, "a", "echo one");
    t.apply(&source(&t, "ConfigMap", None, "echo two"));
    wait_runs(&t, "a", "echo two");
    t.kubectl(&["delete", "configmap", "scripts"]);
    t.wait_reason("a", "Synced", "ScriptSourceMissing");
    t.wait_reason("a", "Ready", "Running");
    assert_eq!(runs(&t, "a")["script"], "echo two", "what the machine has stays");
    t.apply(&source(&t, "ConfigMap", None, "echo three"));
    wait_runs(&t, "a", "echo three");
    t.wait_ready("a");
    assert_eq!((t.sim.calls(CREATE), t.sim.calls(UPDATE)), (1, 2));
    t.delete("a");
    t.wait_gone("a");
    t.end();
}

#[test]
fn a_secret_has_to_be_labelled_and_its_text_is_shown_nowhere() {
    let t = Test::new("script-secret");
    let secret = "curl -H hunter2-of-the-script";
    let spec = json!({"startupScript": {"secretKeyRef": {"name": "scripts", "key": "boot"}, "runOnce": true}});
    t.apply(&source(&t, "Secret", None, secret));
    t.apply(&t.machine("a", spec));
    t.wait_reason("a", "Ready", "SecretNotLabelled");
    let message = t.condition("a", "Ready").2;
    let line = format!("kubectl label secret scripts -n {} paperspace-operator.dev/use=script", t.namespace);
    assert!(message.contains(&line), "{message}");
    // A label for another use is none.
    t.kubectl(&["label", "secret", "scripts", "paperspace-operator.dev/use=credentials"]);
    t.idle(3);
    t.wait_reason("a", "Ready", "SecretNotLabelled");
    t.kubectl(&["label", "--overwrite", "secret", "scripts", "paperspace-operator.dev/use=script"]);
    t.wait_ready("a");
    wait_runs(&t, "a", secret);

    // Also where Paperspace refuses it and says it back.
    t.sim.fault(&json!({"kind": "error", "method": "PUT", "route": "/startup-scripts/{id}", "status": 400, "count": 1}));
    t.apply(&source(&t, "Secret", Some("script"), "curl -H hunter2-again"));
    t.wait_reason("a", "Synced", "UpdateRejected");
    t.apply(&source(&t, "Secret", Some("script"), "curl -H hunter2-at-last"));
    wait_runs(&t, "a", "curl -H hunter2-at-last");
    t.wait_ready("a");
    let shown = t.kubectl(&["get", "psm", "a", "-o", "yaml"]) + &format!("{:?}", t.all_events());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!t.operator.log().contains("hunter2"), "the log shows it");
    t.delete("a");
    t.wait_gone("a");
    assert!(!t.operator.log().contains("hunter2"), "the log shows it");
    t.end();
}

#[test]
fn a_script_of_somebody_elses_takes_the_place_and_is_never_changed() {
    let t = Test::new("script-by-id");
    let mine = t.sim.as_user("POST", "/startup-scripts", &json!({"name": "mine-aaaaaaaaaaaa", "script": "echo mine"}))["id"].clone();
    t.apply(&t.machine("a", json!({"startupScript": {"inline": "echo one"}})));
    t.wait_ready("a");
    t.patch_spec("a", json!({"startupScript": {"inline": null, "scriptId": mine}}));
    wait_runs(&t, "a", "echo mine");
    t.wait_until("a", "its own is gone", |a| a["status"].get("ownedScript").is_none());
    assert_eq!(scripts(&t).len(), 1);
    t.wait_ready("a");
    t.delete("a");
    t.wait_gone("a");
    assert_eq!((scripts(&t)[0]["script"].clone(), t.sim.calls(UPDATE)), (json!("echo mine"), 0));
    t.sim.as_user("DELETE", &format!("/startup-scripts/{}", mine.as_str().unwrap()), &json!({}));
    t.end();
}

#[test]
fn a_machine_that_stays_keeps_its_script() {
    let t = Test::new("script-stays");
    t.apply(&t.machine("a", json!({"startupScript": {"inline": "echo one"}, "deletionPolicy": "Retain"})));
    t.wait_ready("a");
    let (id, script) = (t.machine_id("a"), runs(&t, "a")["id"].clone());
    t.delete("a");
    t.wait_gone("a");
    t.stays(&id);
    t.wait_note("a", "Retained", script.as_str().unwrap());
    assert_eq!(scripts(&t).len(), 1);
    assert_eq!(t.sim.machine(&id)["startupScriptId"], script);
    t.end();
}

#[test]
fn a_killed_operator_leaves_one_script_and_then_none() {
    let t = Test::with("script-killed", Setup::SETTLING);
    t.sim.fault(&json!({"kind": "lose-reply", "method": "POST", "route": "/startup-scripts", "count": 1}));
    t.apply(&t.machine("a", json!({"startupScript": {"inline": "echo one"}})));
    wait_for("the script", PATIENCE, || (scripts(&t).len() == 1).then_some(()));
    t.operator.kill9();
    t.operator.start();
    t.wait_ready("a");
    assert_eq!((scripts(&t).len(), runs(&t, "a")["script"].clone()), (1, json!("echo one")));
    t.delete("a");
    t.wait_gone("a");
    assert!(scripts(&t).is_empty());
    t.end();
}
