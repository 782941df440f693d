//! The status: what the operator may write, so that a write that goes wrong is refused and not stored.

use serde_json::{Value, json};

use super::{Case, accept, machine, object, refuse};

const T: &str = "2024-04-30T15:51:24Z";

pub(super) fn cases() -> Vec<Case> {
    let mut all = vec![accept("status:type", "everything", status(full()))];
    lists(&mut all);
    choices(&mut all);
    required(&mut all);
    for case in &mut all {
        case.old = Some(machine(json!({})));
        case.to_status = true;
    }
    all
}

fn status(status: Value) -> Value {
    object(json!({"status": status}))
}

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": "Running", "message": "", "lastTransitionTime": T, "observedGeneration": 3})
}

fn drift(field: &str) -> Value {
    json!({"field": field, "desired": "C7", "observed": "C5", "since": T, "action": "NeedsStop"})
}

/// Every field.
fn full() -> Value {
    json!({
        "observedGeneration": 3,
        "account": {"endpoint": "https://api.paperspace.com/v1", "team": "te1"},
        "machineId": "ps1", "machineName": "default-case-3f9c2a7b51de", "state": "ready", "powerState": "Running", "deletionPolicy": "Delete",
        "conditions": [condition("Ready"), condition("Synced")],
        "creation": {
            "id": "a", "attempt": 1, "account": "te1", "firstStartedAt": T, "startedAt": T, "closedAt": T, "outcome": "Bound", "message": "",
        },
        "adoptedAt": T,
        "operation": {"id": "b", "name": "Restart", "state": "Done", "requestedAt": T, "generation": 3, "lastEventSeen": "e", "error": ""},
        "resizeRefused": {"generation": 3, "message": "no"},
        "publicIp": "203.0.113.7", "privateIp": "10.1.2.3", "networkId": "n1",
        "hardware": {"cpus": 4, "memory": "8Gi", "storage": "50Gi", "accelerators": ["1x Quadro P4000"]},
        "hourlyRateUSD": "0.51",
        "drift": [drift("machineType"), drift("diskSizeGB")],
        "handledRestartAt": "now", "handledReconcileAt": "now", "startedAt": T, "stoppedAt": T,
        "applied": {
            "startupScriptId": "sc1", "autoShutdown": true, "autoSnapshot": true, "restorePoint": true, "staticIpRequested": true,
            "allocatedIp": "203.0.113.7", "namedIp": "203.0.113.8", "retainIp": true, "accessors": ["u1"], "connection": "c",
        },
        "resolved": {"templateId": "t1", "networkName": "lab", "networkId": "n1"},
        "ownedScript": {
            "scriptId": "sc1", "hash": "0123456789abcdef", "source": {"kind": "ConfigMap", "uid": "u", "resourceVersion": "1"},
            "creation": {
                "id": "a", "attempt": 1, "account": "te1", "firstStartedAt": T, "startedAt": T, "closedAt": T, "outcome": "Bound", "message": "",
            },
        },
        "os": "Ubuntu 22.04", "agentType": "LinuxDesktop", "updatesPending": true,
        "desktop": {"protocol": "VNC", "host": "203.0.113.7", "port": 5900}, "snapshots": {"count": 2, "newestId": "sl1"},
    })
}

fn lists(all: &mut Vec<Case>) {
    let many = |count: usize, item: &dyn Fn(String) -> Value| -> Value { (0..count).map(|i| item(format!("Item{i}"))).collect() };
    let rows: [(&str, usize, &dyn Fn(usize) -> Value); 4] = [
        ("status.applied.accessors", 128, &|n| json!({"applied": {"accessors": many(n, &|name| name.into())}})),
        ("status.conditions", 16, &|n| json!({"conditions": many(n, &|name| condition(&name))})),
        ("status.drift", 32, &|n| json!({"drift": many(n, &|name| drift(&name))})),
        (
            "status.hardware.accelerators",
            16,
            &|n| json!({"hardware": {"cpus": 1, "memory": "1Gi", "storage": "50Gi", "accelerators": many(n, &|name| name.into())}}),
        ),
    ];
    for (field, most, set) in rows {
        let covers = format!("{field}:maxItems");
        all.push(accept(&covers, "as many as there may be", status(set(most))));
        all.push(refuse(&covers, "more", status(set(most + 1)), &format!("must have at most {most} items")));
    }
    for (field, one, other) in [("conditions", condition("Ready"), condition("Synced")), ("drift", drift("region"), drift("machineType"))] {
        let covers = format!("status.{field}:x-kubernetes-list-map-keys");
        all.push(accept(&covers, "two", status(json!({field: [one, other]}))));
        all.push(refuse(&covers, "one twice", status(json!({field: [one, one]})), "Duplicate value"));
    }
}

fn choices(all: &mut Vec<Case>) {
    let rows: [(&str, &[&str]); 6] = [
        ("ownedScript.creation.outcome", &["Open", "Bound", "Refused", "Expired"]),
        ("deletionPolicy", &["Delete", "Retain"]),
        ("creation.outcome", &["Open", "Bound", "Refused", "Expired"]),
        ("operation.name", &["Restart", "Resize", "Destroy"]),
        ("operation.state", &["Open", "Accepted", "Done", "Refused", "Uncertain"]),
        ("drift[].action", &["Correct", "NeedsStop", "Report"]),
    ];
    for (field, words) in rows {
        let covers = format!("status.{field}:enum");
        let set = |word: &str| {
            let mut full = full();
            let pointer = format!("/{}", field.replace("[]", "/0").replace('.', "/"));
            *full.pointer_mut(&pointer).expect(field) = word.into();
            status(full)
        };
        all.extend(words.iter().map(|word| accept(&covers, word, set(word))));
        all.push(refuse(&covers, "another", set("Other"), "supported values"));
    }
}

/// Each required field left out on its own.
fn required(all: &mut Vec<Case>) {
    let rows: [(&str, &[&str]); 11] = [
        ("ownedScript.creation", &["id", "attempt", "account", "firstStartedAt", "startedAt", "outcome"]),
        ("ownedScript.source", &["kind"]),
        ("desktop", &["protocol", "host", "port"]),
        ("snapshots", &["count"]),
        ("account", &["endpoint", "team"]),
        ("conditions[]", &["type", "status", "reason", "message", "lastTransitionTime"]),
        ("creation", &["id", "attempt", "account", "firstStartedAt", "startedAt", "outcome"]),
        ("operation", &["id", "name", "state", "requestedAt"]),
        ("resizeRefused", &["message"]),
        ("hardware", &["cpus", "memory", "storage"]),
        ("drift[]", &["field", "since", "action"]),
    ];
    for (parent, fields) in rows {
        let covers = format!("status.{parent}:required");
        all.push(accept(&covers, "all given", status(full())));
        for field in fields {
            let mut full = full();
            let pointer = format!("/{}", parent.replace("[]", "/0").replace('.', "/"));
            full.pointer_mut(&pointer).and_then(Value::as_object_mut).expect(parent).remove(*field);
            all.push(refuse(&format!("{covers}.{field}"), "left out", status(full), "Required value"));
        }
    }
}
