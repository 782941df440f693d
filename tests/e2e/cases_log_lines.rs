//! Each line of a reconcile says which object it is about, and which machine as soon as there is one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::harness::{Setup, Test};

/// Lives of several machines, with a failed call in each.
fn live(t: &Test) -> Vec<(String, String)> {
    let names = ["a", "b", "c"];
    for name in names {
        t.apply(&t.machine(name, json!({})));
    }
    let mut machines = Vec::new();
    for name in names {
        t.wait_ready(name);
        machines.push((name.to_owned(), t.machine_id(name)));
    }
    t.sim.fault(&json!({"kind": "error", "method": "PATCH", "status": 503, "count": 3}));
    for name in names {
        t.patch_spec(name, json!({"powerState": "Stopped"}));
    }
    for name in names {
        t.wait_reason(name, "Ready", "Stopped");
    }
    t.delete("c");
    t.wait_gone("c");
    machines
}

#[test]
fn in_json() {
    let t = Test::with("lines-json", Setup { flags: &["--log", "debug", "--log-format", "json"], ..Setup::USUAL });
    let machines: BTreeMap<String, String> = live(&t).into_iter().collect();
    let log = t.operator.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let mut seen: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in &lines {
        for field in ["timestamp", "level", "target"] {
            assert!(line[field].is_string(), "{line}");
        }
        let Some(span) = line["spans"].as_array().and_then(|spans| spans.iter().find(|span| span["name"] == "reconcile")) else { continue };
        let object = span["object"].as_str().unwrap_or_else(|| panic!("{line}"));
        assert_eq!(span["namespace"], t.namespace.as_str(), "{line}");
        assert!(span["uid"].is_string(), "{line}");
        let (with, without) = seen.entry(object).or_default();
        if span.get("machine").is_some() {
            assert_eq!(span["machine"], machines[object].as_str(), "{line}");
            *with += 1;
        } else {
            assert_eq!(*with, 0, "the machine was known: {line}");
            *without += 1;
        }
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.values().all(|(with, without)| *with > 2 && *without > 0), "{seen:?}");
    // The call that made the machine came back with it.
    for (message, about) in [("called", "POST"), ("call failed", "PATCH")] {
        let found = lines.iter().filter(|line| line["message"] == message && line["method"] == about);
        assert!(found.clone().count() >= 3 && found.clone().all(|line| line["span"]["object"].is_string()), "{message}");
    }
    t.end();
}

#[test]
fn in_text() {
    let t = Test::with("lines-text", Setup { flags: &["--log", "debug"], ..Setup::USUAL });
    let machines = live(&t);
    let log = t.operator.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("reconcile{")).collect();
    let start = format!("reconcile{{namespace=\"{}\" object=\"", t.namespace);
    assert!(lines.iter().all(|line| line.contains(&start)), "{lines:?}");
    for (name, id) in machines {
        let mut of_object =
            lines.iter().filter(|line| line.contains(&format!("{start}{name}\""))).skip_while(|line| !line.contains("machine="));
        assert!(of_object.clone().count() > 2, "{name}");
        let once = |line: &&str| line.contains(&format!("machine=\"{id}\"")) && line.matches("machine=").count() == 1;
        assert!(of_object.all(once), "{name}");
    }
    t.end();
}
