//! PUT and PATCH: what is asked for, and what comes of it.

use jiff::Timestamp;
use serde_json::Value;

use super::apply::{self, Operation, Scope};
use super::check::{Rules, check};
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
            tidy(&mut new);
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
        // What an apply leaves empty is stored so.
        let reads_otherwise = tidy(&mut object);
        let rules = if target.status && self.rules == Rules::All { Rules::OfStatus } else { self.rules };
        check(&kind, target.name(), Some(&live), &object, rules)?;
        if object == live && apply::same_owners(&managers, &stored.managers) && stored.reads_otherwise == reads_otherwise {
            return Ok((200, stored.object));
        }
        object["metadata"]["managedFields"] = apply::managed_fields(&managers, &api_version);
        if stored.ends() && object["metadata"].get("finalizers").is_none() {
            self.store.remove(&key);
            return Ok((200, object));
        }
        Ok((200, self.store.put(key, Stored { object, managers, reads_otherwise })))
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

/// Empty metadata is absent. Says whether there was some.
pub(super) fn tidy(object: &mut Value) -> bool {
    let Some(metadata) = object["metadata"].as_object_mut() else { return false };
    let before = metadata.len();
    metadata.retain(|_, value| {
        !(value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty) || *value == "")
    });
    metadata.len() != before
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

impl Stored {
    pub(super) fn ends(&self) -> bool {
        self.object["metadata"].get("deletionTimestamp").is_some()
    }
}
