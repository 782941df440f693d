//! What keeps the operator from doing harm: the emergency stop, the dry run, the limit of destroys.

use serde_json::{Value, json};

use super::harness::{PATIENCE, Setup, Test, fixed, wait_for};

const STOP: &str = "paperspace-operator-stop";

/// How many calls there were that change something.
fn changes(t: &Test) -> u64 {
    let calls = t.sim.truth()["calls"].clone();
    let changing = calls.as_object().unwrap().iter().filter(|(route, _)| !route.starts_with("GET "));
    changing.map(|(_, n)| n.as_u64().unwrap()).sum()
}

fn synced(t: &Test, name: &str, reason: &str) -> String {
    let object = t.wait_reason(name, "Synced", reason);
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|c| c["type"] == "Synced").unwrap()["message"].as_str().unwrap().to_owned()
}

/// Stopped by a ConfigMap in a namespace that is this case's alone. Whoever is new when the operator is restarted has to settle first.
fn stoppable(name: &str, flags: &[&'static str]) -> Test {
    let mut all = vec!["--lease-namespace", fixed(format!("{name}-{}", std::process::id()))];
    all.extend(flags);
    Test::with(name, Setup { flags: Box::leak(all.into_boxed_slice()), ..Setup::SETTLING })
}

#[test]
fn one_config_map_stops_the_operator_and_its_end_lets_it_go_on() {
    let t = stoppable("emergency-stop", &[]);
    for name in ["a", "b"] {
        t.apply(&t.machine(name, json!({})));
        t.wait_ready(name);
    }
    t.kubectl(&["create", "configmap", STOP]);
    wait_for("the operator's word", PATIENCE, || t.operator.log().contains("emergency stop: ConfigMap").then_some(()));
    let before = changes(&t);
    t.apply(&t.machine("c", json!({})));
    t.delete("a");
    t.patch_spec("b", json!({"powerState": "Stopped"}));
    let message = synced(&t, "c", "EmergencyStop");
    for part in ["Not done: creating a C5", &format!("kubectl delete configmap {STOP} -n {}", t.namespace)] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(synced(&t, "b", "EmergencyStop").ends_with(&format!("Not done: stopping machine {}", t.machine_id("b"))));
    t.wait_until("a", "it waits", |a| a["status"]["conditions"].to_string().contains("EmergencyStop"));
    t.wait_event("a", "EmergencyStop");
    t.operator.kill9();
    t.operator.start();
    t.idle(3);
    assert_eq!((changes(&t), t.sim.machines().len()), (before, 2));

    t.kubectl(&["delete", "configmap", STOP]);
    t.wait_gone("a");
    t.wait_ready("c");
    t.wait_until("b", "it is off", |b| b["status"]["powerState"] == "Stopped");
    t.end();
}

#[test]
fn a_dry_run_writes_nothing_to_paperspace_and_says_what_it_would() {
    let t = Test::with("dry-run", Setup { flags: &["--dry-run"], ..Setup::SETTLING });
    let found = t.sim.create_machine(&json!({"name": "by-hand"}));
    t.apply(&t.machine("a", json!({})));
    t.apply(&t.secret("own", "k1"));
    t.apply(&t.adopting("b", &found, json!({"machineType": "C7", "credentialsRef": {"name": "own"}})));
    assert!(synced(&t, "a", "DryRun").contains("Not done: creating a C5"));
    t.wait_note("a", "DryRun", "Not done: creating a C5");
    t.wait_reason("b", "Synced", "AdoptedDiffers");
    t.delete("a");
    t.wait_gone("a");
    assert_eq!(changes(&t), 0);
    t.end();
}

#[test]
fn over_the_limit_destroys_wait_and_a_higher_one_lets_them_go() {
    let mut t = Test::with("destroys", Setup { flags: &["--max-destroys-per-hour", "1"], ..Setup::USUAL });
    for name in ["a", "b", "c"] {
        t.apply(&t.machine(name, json!({})));
        t.wait_ready(name);
    }
    for name in ["a", "b", "c"] {
        t.delete(name);
    }
    let waiting = || -> Vec<Value> {
        let held = |object: &Value| object["status"]["conditions"].to_string().contains("DestroysLimited");
        t.all().into_iter().filter(held).collect()
    };
    wait_for("two wait, one is gone", PATIENCE, || (waiting().len() == 2 && t.all().len() == 2).then_some(()));
    let name = waiting()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    t.wait_note(&name, "DestroysLimited", "--max-destroys-per-hour");
    t.operator.restart();
    t.idle(3);
    assert_eq!((t.sim.machines().len(), t.sim.calls("DELETE /machines/{id}")), (2, 1), "a restart forgets nothing");

    let higher = t.another_operator("higher", &["--max-destroys-per-hour", "2"]);
    t.operator.stop();
    t.operator = higher;
    t.operator.start();
    wait_for("one more is gone", PATIENCE, || (t.all().len() == 1).then_some(()));
    t.idle(3);
    assert_eq!(t.sim.calls("DELETE /machines/{id}"), 2);
    let unlimited = t.another_operator("unlimited", &["--max-destroys-per-hour", "unlimited"]);
    t.operator.stop();
    t.operator = unlimited;
    t.operator.start();
    wait_for("all are gone", PATIENCE, || t.all().is_empty().then_some(()));
    t.end();
}
