//! PUT and PATCH: what is asked for, and what comes of it.

use jiff::Timestamp;
use kube::core::cel::Validator;
use serde_json::Value;

use super::apply::{self, Operation, Scope};
use super::create::{complete_secret, manager, same_place};
use super::errors::{Cause, Outcome, Refusal};
use super::patch::{self, Write};
use super::routes::{Kind, Target};
use super::store::Stored;
use super::{Kubernetes, Request, schema, seconds};

impl Kubernetes {
    pub(super) fn update(&mut self, now: Timestamp, target: &Target, request: &Request) -> Outcome {
        let kind = target.kind.clone();
        let write = Write::of(request, target)?;
        let key = target.key();
        let Some(stored) = self.store.get(&key).cloned() else { return self.update_nothing(now, target, write) };
        let live = bare(&stored.object);
        let (api_version, time) = (kind.api_version(), seconds(now));
        let ignored: &[&str] = match (target.status, kind.status) {
            (true, _) => &["metadata", "spec"],
            (false, true) => &["status"],
            (false, false) => &[],
        };
        let scope = Scope { schema: &kind.schema, ignored, api_version: &api_version, time: &time };
        let mut managers = stored.managers.clone();
        let asked = if let Write::Apply { config, force } = &write {
            let me = manager(target, Operation::Apply);
            same_place(&kind, target, config)?;
            let mut new = apply::applied(&live, config, &mut managers, &me, *force, &scope)?;
            schema::read(&mut new, &kind.schema);
            new
        } else {
            let mut new = bare(&write.from(&live)?);
            patch::without_nulls(&mut new);
            if kind.plural == "secrets" {
                complete_secret(&mut new);
            }
            schema::read(&mut new, &kind.schema);
            same_place(&kind, target, &new)?;
            if let Write::Replace(_) = write {
                same_uid(&kind, target.name(), &live, &new)?;
            }
            apply::updated(&live, &new, &mut managers, &manager(target, Operation::Update), &scope);
            new
        };
        same_version(&kind, target.name(), &live, &asked)?;
        let mut object = if target.status { with_status_of(&live, &asked) } else { with_servers_fields_of(&live, asked, &kind) };
        tidy(&mut object);
        check_metadata(&kind, target.name(), &live, &object)?;
        check(&kind, target.name(), Some(&live), &object)?;
        if object["metadata"].get("deletionTimestamp").is_some() && object["metadata"].get("finalizers").is_none() {
            self.store.remove(&key);
            return Ok((200, object));
        }
        if object == live && apply::same_owners(&managers, &stored.managers) && !stored.lacks_defaults {
            return Ok((200, stored.object));
        }
        object["metadata"]["managedFields"] = apply::managed_fields(&managers, &api_version);
        Ok((200, self.store.put(key, Stored { object, managers, lacks_defaults: false })))
    }

    fn update_nothing(&mut self, now: Timestamp, target: &Target, write: Write) -> Outcome {
        match write {
            Write::Apply { config, .. } if !target.status && config["metadata"]["uid"].is_string() => {
                let uid = config["metadata"]["uid"].as_str().unwrap_or_default();
                let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                Err(Refusal::conflict(&target.kind, target.name(), &why))
            }
            Write::Apply { config, .. } if !target.status => self.create_object(now, target, config, Operation::Apply),
            _ => Err(Refusal::not_found(&target.kind, target.name())),
        }
    }
}

/// An object without what only describes who wrote it.
pub(super) fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// Empty metadata is absent.
pub(super) fn tidy(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| {
            !(value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty) || *value == "")
        });
    }
}

fn same_uid(kind: &Kind, name: &str, live: &Value, asked: &Value) -> Result<(), Refusal> {
    let (live, asked) = (&live["metadata"]["uid"], &asked["metadata"]["uid"]);
    match (live.as_str(), asked.as_str()) {
        (Some(live), Some(asked)) if live != asked => Err(Refusal::other_uid(kind, name, asked, live)),
        _ => Ok(()),
    }
}

fn same_version(kind: &Kind, name: &str, live: &Value, asked: &Value) -> Result<(), Refusal> {
    match asked["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty()) {
        Some(version) if live["metadata"]["resourceVersion"] != version => Err(Refusal::modified(kind, name)),
        None if kind.custom => {
            let message = "Invalid value: 0: must be specified for an update".to_owned();
            let cause = Cause { reason: "FieldValueInvalid", field: "metadata.resourceVersion".to_owned(), message };
            Err(Refusal::invalid(kind, name, &[cause]))
        }
        _ => Ok(()),
    }
}

/// The live object with another status.
fn with_status_of(live: &Value, asked: &Value) -> Value {
    let mut object = live.clone();
    match asked.get("status") {
        Some(status) => object["status"] = status.clone(),
        None => drop(object.as_object_mut().map(|fields| fields.remove("status"))),
    }
    object
}

/// What is asked for, but for what is not the writer's to say.
fn with_servers_fields_of(live: &Value, asked: Value, kind: &Kind) -> Value {
    let mut object = if kind.status { with_status_of(&asked, live) } else { asked };
    for field in ["resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
        match live["metadata"].get(field) {
            Some(value) => object["metadata"][field] = value.clone(),
            None => drop(object["metadata"].as_object_mut().map(|fields| fields.remove(field))),
        }
    }
    for (field, value) in [("apiVersion", &live["apiVersion"]), ("kind", &live["kind"])] {
        object[field] = value.clone();
    }
    for field in ["uid", "name", "namespace"] {
        if object["metadata"][field].is_null() {
            object["metadata"][field] = live["metadata"][field].clone();
        }
    }
    patch::without_nulls(&mut object["metadata"]);
    let content = |object: &Value| {
        let mut object = object.clone();
        object.as_object_mut().map(|fields| fields.remove("metadata"));
        object
    };
    if kind.custom && content(live) != content(&object) {
        object["metadata"]["generation"] = (live["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
    object
}

fn check_metadata(kind: &Kind, name: &str, live: &Value, object: &Value) -> Result<(), Refusal> {
    let (old, new) = (&live["metadata"], &object["metadata"]);
    let mut found = Vec::new();
    if old["uid"] != new["uid"] {
        let message = format!("Invalid value: {}: field is immutable", new["uid"]);
        found.push(Cause { reason: "FieldValueInvalid", field: "metadata.uid".to_owned(), message });
    }
    let finalizers = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let added: Vec<String> = finalizers(new).iter().filter(|one| !finalizers(old).contains(one)).map(Value::to_string).collect();
    if old.get("deletionTimestamp").is_some() && !added.is_empty() {
        let list = added.join(", ");
        let message =
            format!("Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}");
        found.push(Cause { reason: "FieldValueForbidden", field: "metadata.finalizers".to_owned(), message });
    }
    if found.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, name, &found)) }
}

/// What the schema and its rules say of it. Unlike the real server this refuses also what was wrong before and did not change.
pub(super) fn check(kind: &Kind, name: &str, live: Option<&Value>, object: &Value) -> Result<(), Refusal> {
    let mut found = Vec::new();
    schema::faults(object, &kind.schema, "", &mut found);
    if kind.plural == "events" && object["note"].as_str().is_some_and(|note| note.len() > 1024) {
        let message = "Invalid value: \"\": can have at most 1024 characters".to_owned();
        found.push(Cause { reason: "FieldValueInvalid", field: "note".to_owned(), message });
    }
    // What has the wrong shape is not given to the rules.
    if let (true, Some(rules)) = (found.is_empty(), &kind.rules) {
        let errors = Validator::new().validate_compiled(rules, object, live).err();
        found.extend(errors.into_iter().flatten().map(|error| Cause {
            reason: "FieldValueInvalid",
            field: error.field_path.trim_start_matches('.').to_owned(),
            message: format!("Invalid value: {}", error.message),
        }));
    }
    if found.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, name, &found)) }
}

impl Stored {
    pub(super) fn ends(&self) -> bool {
        self.object["metadata"].get("deletionTimestamp").is_some()
    }
}
