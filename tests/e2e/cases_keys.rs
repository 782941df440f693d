//! Whose key: missing, unlabelled, wrong, of another team, of a member, rotated, the operator's own and who may use it. That none is ever
//! shown is in [`super::cases_secrets`].

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Setup, Test, fixed, holds_for};

/// A case whose resources have only keys of their own.
const OWN: Setup = Setup { own_key: None, ..Setup::USUAL };

fn with_key(t: &Test, name: &str, over: Value) -> Value {
    let mut spec = json!({"credentialsRef": {"name": "paperspace"}});
    spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    t.machine(name, spec)
}

/// The first kubectl line in a message that contains `word`, run as it stands but for the key.
#[track_caller]
fn run_line(t: &Test, message: &str, word: &str, key: &str) {
    let lines = message.split("kubectl ").skip(1).map(|line| line.split(", then ").next().unwrap().trim().replace("<API key>", key));
    let line = lines.into_iter().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no line with {word} in {message}"));
    t.plane.kubectl(&line.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_rejected_key_is_said_and_the_right_one_is_used_at_once() {
    let t = Test::with("key-wrong", Setup { keys: &["k3=te1"], ..OWN });
    t.apply(&t.secret("paperspace", "typo"));
    t.apply(&with_key(&t, "a", json!({})));
    t.wait_reason("a", "Ready", "CredentialsRejected");
    assert_eq!(t.condition("a", "Stalled").0, "True");
    t.wait_event("a", "CredentialsRejected");
    t.apply(&t.secret("paperspace", "k1"));
    t.wait_ready("a");
    // Revoked while in use.
    t.sim.fault(&json!({"kind": "revoke-key", "key": "k1"}));
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "CredentialsRejected");
    t.apply(&t.secret("paperspace", "k3"));
    t.wait_reason("a", "Ready", "Stopped");
    assert_eq!(t.sim.calls("POST /machines"), 1);
    t.end();
}

#[test]
fn a_missing_and_an_unlabelled_secret_are_mended_by_the_lines_in_the_message() {
    let t = Test::with("key-missing", OWN);
    t.apply(&with_key(&t, "a", json!({})));
    t.wait_reason("a", "Ready", "CredentialsMissing");
    assert_eq!(t.condition("a", "Reconciling").0, "True", "something that passes, at first");
    t.wait_event("a", "CredentialsMissing");
    let message = t.condition("a", "Ready").2;
    run_line(&t, &message, "create secret", "k1");

    // One that the operator may not read yet is not read, even though it is named.
    t.apply(&with_key(&t, "b", json!({})));
    t.wait_reason("b", "Ready", "SecretNotLabelled");
    t.wait_event("b", "SecretNotLabelled");
    assert_eq!(t.condition("b", "Stalled").0, "True");
    assert!(t.sim.truth()["calls"].as_object().unwrap().is_empty());
    let unlabelled = t.condition("b", "Ready").2;
    run_line(&t, &unlabelled, "label secret", "");
    t.wait_ready("a");
    t.wait_ready("b");

    // Without a value under the key that is asked for.
    t.apply(&t.machine("c", json!({"credentialsRef": {"name": "paperspace", "key": "other"}})));
    t.wait_reason("c", "Ready", "CredentialsMissing");
    assert!(t.condition("c", "Ready").2.contains("\"other\""));
    t.patch_spec("c", json!({"credentialsRef": {"key": "apiKey"}}));
    t.wait_ready("c");
    t.end();
}

#[test]
fn with_another_teams_or_a_members_key_nothing_is_recreated_changed_or_let_go() {
    let t = Test::with("key-other", Setup { keys: &["k2=te2", "m1=te1:member"], settle: Setup::SETTLING.settle, ..OWN });
    t.apply(&t.secret("paperspace", "k1"));
    for name in ["kept", "vanished", "deleted"] {
        t.apply(&with_key(&t, name, json!({})));
    }
    let ids = ["kept", "vanished", "deleted"].map(|name| {
        t.wait_ready(name);
        t.machine_id(name)
    });
    let writes = t.sim.writes();

    t.apply(&t.secret("paperspace", "k2"));
    t.patch_spec("kept", json!({"powerState": "Stopped"}));
    t.sim.destroy(&ids[1]);
    t.delete("deleted");
    for (key, reason) in [("k2", "AccountMismatch"), ("m1", "CredentialsNotAdmin")] {
        t.apply(&t.secret("paperspace", key));
        for name in ["kept", "vanished", "deleted"] {
            t.wait_reason(name, if name == "deleted" { "Stalled" } else { "Ready" }, reason);
            t.wait_event(name, reason);
        }
        // Longer than it takes to be sure that a machine has vanished.
        holds_for(Duration::from_secs(8), "nothing is done", || t.sim.writes() == writes && t.get("deleted").is_some());
        for (name, id) in ["kept", "vanished", "deleted"].iter().zip(&ids) {
            assert_eq!(t.machine_id(name), *id);
        }
    }
    // A new resource makes nothing with a member's key either.
    t.apply(&with_key(&t, "new", json!({})));
    t.wait_reason("new", "Ready", "CredentialsNotAdmin");

    t.apply(&t.secret("paperspace", "k1"));
    t.wait_gone("deleted");
    t.wait_reason("kept", "Ready", "Stopped");
    t.wait_event("vanished", "MachineVanished");
    t.wait_ready("vanished");
    t.wait_ready("new");
    assert_ne!(t.machine_id("vanished"), ids[1]);
    assert_eq!(t.sim.calls("POST /machines"), 5);
    t.end();
}

#[test]
fn the_operators_key_is_for_the_namespaces_that_were_named() {
    let labels = fixed("e2e/paperspace=yes,e2e/tier!=dev");
    let t = Test::with("key-allowed", Setup { flags: &*Vec::leak(vec!["--default-key-namespaces", labels]), ..Setup::USUAL });
    t.apply(&t.machine("a", json!({})));
    t.apply(&t.machine("b", json!({})));
    for name in ["a", "b"] {
        t.wait_reason(name, "Ready", "DefaultKeyNotAllowed");
        assert!(t.condition(name, "Ready").2.contains("spec.credentialsRef"));
        assert_eq!(t.condition(name, "Stalled").0, "True");
    }
    assert!(t.sim.truth()["calls"].as_object().unwrap().is_empty());
    t.apply(&t.secret("own", "k1"));
    t.patch_spec("a", json!({"credentialsRef": {"name": "own"}}));
    t.wait_ready("a");
    t.plane.kubectl(&["label", "namespace", &t.namespace, "e2e/paperspace=yes"]);
    t.kubectl(&["annotate", "psm", "b", "paperspace-operator.dev/reconcile-requested-at=now"]);
    t.wait_ready("b");
    t.end();
}

#[test]
fn the_operators_key_file_is_read_again_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    // As in a mounted Secret: a link to a file that is never changed itself.
    let rotate = |key: &str| {
        fs::write(dir.path().join(key), key).unwrap();
        std::os::unix::fs::symlink(dir.path().join(key), dir.path().join("next")).unwrap();
        fs::rename(dir.path().join("next"), dir.path().join("apiKey")).unwrap();
    };
    rotate("typo");
    let flags = &*Vec::leak(vec!["--api-key-file", fixed(dir.path().join("apiKey").display().to_string())]);
    let t = Test::with("key-file", Setup { flags, keys: &["ka=te1", "kb=te1", "kc=te1"], ..OWN });
    t.apply(&t.machine("a", json!({})));
    t.wait_reason("a", "Ready", "CredentialsRejected");
    rotate("ka");
    t.wait_ready("a");
    let id = t.machine_id("a");
    rotate("kb");
    t.sim.fault(&json!({"kind": "revoke-key", "key": "ka"}));
    t.apply(&t.machine("b", json!({})));
    t.wait_ready("b");
    t.sim.patch(&id, &json!({"state": "off"}));
    t.wait_event("a", "Starting");
    t.wait_ready("a");
    // Gone: that is said, and nothing else happens.
    fs::remove_file(dir.path().join("apiKey")).unwrap();
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "CredentialsMissing");
    rotate("kb2");
    t.wait_reason("a", "Ready", "CredentialsRejected");
    rotate("kc");
    t.wait_reason("a", "Ready", "Stopped");
    assert_eq!(t.sim.calls("POST /machines"), 2);
    t.end();
}

#[test]
fn the_operators_key_adopts_only_where_that_was_allowed() {
    let mut t = Test::new("key-adopt");
    let (mine, own) = (t.sim.create_machine(&json!({"name": "theirs"})), t.sim.create_machine(&json!({"name": "own"})));
    for id in [&mine, &own] {
        t.sim.patch(id, &json!({"state": "ready"}));
    }
    t.apply(&t.adopting("default", &mine, json!({})));
    t.wait_reason("default", "Ready", "DefaultKeyNotAllowed");
    assert!(t.condition("default", "Ready").2.contains("--allow-adopt-with-default-key"));
    t.apply(&t.secret("own", "k1"));
    t.apply(&t.adopting("own", &own, json!({"credentialsRef": {"name": "own"}})));
    t.wait_ready("own");
    assert_eq!(t.sim.writes(), json!({"PUT /machines/{id}": 1}));
    assert_eq!(t.sim.machine(&mine)["name"], "theirs");

    t.operator.arguments.push("--allow-adopt-with-default-key".to_owned());
    t.operator.restart();
    t.wait_ready("default");
    t.wait_event("default", "Adopted");
    assert_eq!(t.sim.writes(), json!({"PUT /machines/{id}": 2}));
    t.end();
}
