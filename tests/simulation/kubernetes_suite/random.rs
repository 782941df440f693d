//! Two APIs given the same random writes: what one answers and tells its watches, the other does too.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use kube::api::PatchParams;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::api::{Answer, Api, name_of, version};

/// One write. `stale`: based on what was read before the last write, where it is based on anything.
#[derive(Clone, Debug)]
enum Write {
    Create { name: &'static str, fields: Value },
    Merge { name: &'static str, patch: Value },
    MergeStatus { name: &'static str, status: Value },
    Put { name: &'static str, patch: Value, stale: bool },
    PutStatus { name: &'static str, status: Value, stale: bool },
    Finalizers { name: &'static str, finalizers: Value, stale: bool },
    WholeStatus { name: &'static str, status: Value, stale: bool },
    Apply { name: &'static str, manager: &'static str, force: bool, fields: Value },
    ApplyStatus { name: &'static str, manager: &'static str, force: bool, status: Value, tied: bool, stale: bool },
    Delete { name: &'static str, tied: bool, stale: bool },
}

/// What one of the APIs knows: the last two versions of each object.
struct Side {
    api: Api,
    known: BTreeMap<&'static str, [Value; 2]>,
}

impl Side {
    fn base(&self, name: &str, stale: bool) -> Value {
        self.known
            .get(name)
            .map_or_else(|| self.api.machine(name, json!({"metadata": {"resourceVersion": "1"}})), |k| k[usize::from(stale)].clone())
    }

    async fn run(&mut self, write: &Write) -> Answer {
        let api = &self.api;
        let with = |base: &Value, patch: &Value| {
            let mut object = base.clone();
            json_patch::merge(&mut object, patch);
            object
        };
        let tests = |base: &Value, path: &str, value: &Value| {
            json!([
                {"op": "test", "path": "/metadata/uid", "value": base["metadata"]["uid"]},
                {"op": "test", "path": "/metadata/resourceVersion", "value": base["metadata"]["resourceVersion"]},
                {"op": "add", "path": path, "value": value},
            ])
        };
        let params = |manager: &str, force: bool| if force { PatchParams::apply(manager).force() } else { PatchParams::apply(manager) };
        match write {
            Write::Create { name, fields } => api.post(&api.path(), &api.machine(name, fields.clone())).await,
            Write::Merge { name, patch } => api.merge(name, patch.clone()).await,
            Write::MergeStatus { name, status } => api.merge_status(name, status.clone()).await,
            Write::Put { name, patch, stale } => api.put(&with(&self.base(name, *stale), patch)).await,
            Write::PutStatus { name, status, stale } => api.put_status(&with(&self.base(name, *stale), &json!({"status": status}))).await,
            Write::Finalizers { name, finalizers, stale } => {
                api.json_patch(name, tests(&self.base(name, *stale), "/metadata/finalizers", finalizers)).await
            }
            Write::WholeStatus { name, status, stale } => {
                api.json_patch_status(name, tests(&self.base(name, *stale), "/status", status)).await
            }
            Write::Apply { name, manager, force, fields } => api.apply(&params(manager, *force), &api.machine(name, fields.clone())).await,
            Write::ApplyStatus { name, manager, force, status, tied, stale } => {
                let metadata =
                    if *tied { json!({"resourceVersion": self.base(name, *stale)["metadata"]["resourceVersion"]}) } else { json!({}) };
                api.apply_status_as(&params(manager, *force), name, metadata, status.clone()).await
            }
            Write::Delete { name, tied, stale } => {
                let base = &self.base(name, *stale)["metadata"];
                let preconditions = if *tied { json!({"uid": base["uid"], "resourceVersion": base["resourceVersion"]}) } else { json!({}) };
                api.delete_with(name, json!({"preconditions": preconditions})).await
            }
        }
    }

    /// Remembers the object, and whether its version is another than before.
    async fn look(&mut self, name: &'static str) -> Value {
        let now = self.api.find(name).await;
        let Ok(now) = now else { return Value::Null };
        let before = self.known.get(name).map_or_else(|| now.clone(), |k| k[0].clone());
        let another = version(&now) != version(&before);
        let mut shown = comparable(&now);
        shown["another version"] = another.into();
        if another || !self.known.contains_key(name) {
            self.known.insert(name, [now, before]);
        }
        shown
    }
}

/// An object or Status without what differs between two servers anyway.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "creationTimestamp", "namespace"] {
            metadata.remove(field);
        }
        if let Some(at) = metadata.get_mut("deletionTimestamp") {
            *at = "set".into();
        }
        // Their order depends on the second in which they were written.
        if let Some(all) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            for entry in all.iter_mut().filter_map(Value::as_object_mut) {
                entry.remove("time");
            }
            all.sort_by_key(Value::to_string);
        }
    }
    if let Some(details) = object.get_mut("details").and_then(Value::as_object_mut) {
        details.remove("uid");
    }
    object
}

/// The refusal's code and reason, and the fields that it is about.
fn answered(answer: &Answer) -> Value {
    match answer {
        Ok(object) => comparable(object),
        Err(status) => {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            // Rules that a faulty object is not given to.
            let mut causes: Vec<_> =
                causes.filter(|cause| cause.field != "<nil>").map(|cause| format!("{}: {}", cause.field, cause.reason)).collect();
            causes.sort();
            causes.dedup();
            json!({"code": status.code, "reason": status.reason, "causes": causes})
        }
    }
}

fn random(rng: &mut StdRng) -> Write {
    let name = *["a", "b"].choose(rng).unwrap();
    let manager = *["paperspace-operator", "other"].choose(rng).unwrap();
    let (force, tied, stale) = (rng.random_bool(0.7), rng.random_bool(0.3), rng.random_bool(0.2));
    match rng.random_range(0..22) {
        0..3 => Write::Create { name, fields: fields(rng) },
        3..6 => Write::Merge { name, patch: fields(rng) },
        6..8 => Write::MergeStatus { name, status: status(rng) },
        8 => Write::Put { name, patch: fields(rng), stale },
        9 => Write::PutStatus { name, status: status(rng), stale },
        10..12 => Write::Finalizers { name, finalizers: finalizers(rng), stale },
        12..14 => Write::WholeStatus { name, status: status(rng), stale },
        14..16 => Write::Apply { name, manager, force, fields: applicable(fields(rng)) },
        16..21 => Write::ApplyStatus { name, manager, force, status: status(rng), tied, stale },
        _ => Write::Delete { name, tied, stale },
    }
}

fn finalizers(rng: &mut StdRng) -> Value {
    [json!([]), json!(["example.dev/x"]), json!(["example.dev/y", "example.dev/x"])].choose(rng).unwrap().clone()
}

/// Without what nobody relies on: an applied null becomes an empty text, and where an apply names metadata that is empty, the real server
/// takes it as news once a second.
fn applicable(mut fields: Value) -> Value {
    if let Some(annotations) = fields.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|_, value| !value.is_null());
    }
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty);
    if let Some(metadata) = fields["metadata"].as_object_mut() {
        metadata.retain(|_, value| !empty(value));
    }
    fields
}

/// Some of what a user may write, now and then something invalid.
fn fields(rng: &mut StdRng) -> Value {
    let mut fields = json!({"metadata": {}, "spec": {}});
    let choices = [
        ("metadata", "annotations", vec![json!({"x": "1"}), json!({"x": "2", "y": "1"}), json!({}), json!({"x": null})]),
        ("metadata", "labels", vec![json!({"x": "1"}), Value::Null]),
        ("metadata", "finalizers", vec![json!([]), json!(["example.dev/x"]), json!(["example.dev/y"])]),
        ("spec", "diskSizeGB", vec![json!(50), json!(60), json!(10), json!("x")]),
        ("spec", "deletionPolicy", vec![json!("Retain"), json!("Delete"), Value::Null, json!("Keep")]),
        ("spec", "suspend", vec![json!(true), json!(false), Value::Null]),
        ("spec", "credentialsRef", vec![json!({"name": "s"}), json!({"name": "s", "key": "k"}), Value::Null, json!({"key": "k"})]),
        ("spec", "unknown", vec![json!(1)]),
    ];
    for (part, field, values) in choices {
        if rng.random_bool(0.25) && (field != "unknown" || rng.random_bool(0.2)) {
            fields[part][field] = values.choose(rng).unwrap().clone();
        }
    }
    fields
}

fn status(rng: &mut StdRng) -> Value {
    let condition = |rng: &mut StdRng, kind: &str| {
        let status = *["True", "False"].choose(rng).unwrap();
        json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let mut status = json!({});
    let texts = [json!("1"), json!("2")];
    for field in ["machineId", "state"] {
        if rng.random_bool(0.5) {
            status[field] = texts.choose(rng).unwrap().clone();
        }
    }
    if rng.random_bool(0.5) {
        status["observedGeneration"] = rng.random_range(1..3).into();
    }
    if rng.random_bool(0.5) {
        status["hardware"] = json!({"cpus": rng.random_range(1..3), "memory": "1Gi", "storage": "1Gi"});
        if rng.random_bool(0.3) {
            status["hardware"]["accelerators"] = json!(["a"]);
        }
    }
    if rng.random_bool(0.3) {
        status["operation"] = json!({"id": texts.choose(rng), "name": "Restart", "state": "Open", "requestedAt": "2026-01-01T00:00:00Z"});
    }
    let kinds = ["Ready", "Synced", "Stalled"].choose_multiple(rng, 3).copied().collect::<Vec<_>>();
    if rng.random_bool(0.7) {
        let count = rng.random_range(0..3);
        status["conditions"] = kinds.iter().take(count).map(|kind| condition(rng, kind)).collect();
    }
    status
}

/// Where two values differ.
fn compared(path: &str, one: &Value, other: &Value) -> String {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let of = |name| compared(&format!("{path}/{name}"), a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
            names.into_iter().map(of).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().map(|(n, (a, b))| compared(&format!("{path}/{n}"), a, b)).collect()
        }
        _ if one == other => String::new(),
        _ => format!("{path}: {one} | {other}\n"),
    }
}

/// The first difference, with the writes that lead to it.
pub(crate) async fn difference(one: &Client, other: &Client, namespace: &str, seed: u64, writes: usize) -> Option<String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut sides = [one, other].map(|client| Side { api: Api::new(client, namespace), known: BTreeMap::new() });
    let mut watches = Vec::new();
    for side in &sides {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        side.api.post("/api/v1/namespaces", &object).await.expect("a namespace");
        let list = side.api.list("").await;
        watches.push(side.api.watch(&version(&list), "").await);
    }
    let mut done = Vec::new();
    for n in 0..writes {
        let write = random(&mut rng);
        done.push(write.clone());
        let mut effects = Vec::new();
        for side in &mut sides {
            let answer = answered(&side.run(&write).await);
            effects.push(json!({"answer": answer, "a": side.look("a").await, "b": side.look("b").await}));
        }
        if effects[0] != effects[1] {
            let tail: Vec<String> = done.iter().rev().take(12).rev().map(|write| format!("{write:?}")).collect();
            return Some(format!("seed {seed}, write {n}:\n{}\n{}", tail.join("\n"), compared("", &effects[0], &effects[1])));
        }
    }
    // A last event on both, up to which they must have told the same.
    for side in &sides {
        side.api.create("last", json!({})).await;
    }
    loop {
        let (a, b) = (watches[0].object().await, watches[1].object().await);
        let told = [&a, &b].map(|(event, object)| json!({"event": event, "object": comparable(object)}));
        if told[0] != told[1] {
            return Some(format!("seed {seed}, told:\n{}", compared("", &told[0], &told[1])));
        }
        if name_of(&a.1) == "last" {
            return None;
        }
    }
}
