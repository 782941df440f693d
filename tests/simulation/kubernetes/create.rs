//! POST, and an apply of what is not there.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::apply::{self, Manager, Managers, Operation, Scope};
use super::check::check;
use super::controllers::DEFINITIONS;
use super::errors::{Cause, Outcome, Refusal};
use super::routes::{Kind, Target};
use super::store::Stored;
use super::update::{bare, tidy};
use super::{Kubernetes, Request, patch, schema, seconds, store};

impl Kubernetes {
    pub(super) fn create(&mut self, now: Timestamp, target: &Target, request: &Request) -> Outcome {
        let mut object: Value = patch::json(&request.body)?;
        let metadata = &mut object["metadata"];
        if metadata["name"].is_null()
            && let Some(prefix) = metadata["generateName"].as_str().map(str::to_owned)
        {
            metadata["name"] = format!("{prefix}{}", &self.uid()[..5]).into();
        }
        self.create_object(now, target, object, Operation::Update)
    }

    pub(super) fn create_object(&mut self, now: Timestamp, target: &Target, mut object: Value, operation: Operation) -> Outcome {
        let kind = target.kind.clone();
        let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else {
            let message = "Required value: name or generateName is required".to_owned();
            return Err(Refusal::invalid(&kind, "", &[Cause { reason: "FieldValueRequired", field: "metadata.name".to_owned(), message }]));
        };
        same_place(&kind, target, &object)?;
        self.room_for(&kind, target, &name)?;
        let key = store::key(&kind.plural, &target.namespace, &name);
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            return Err(Refusal::internal("resourceVersion should not be set on objects to be created"));
        }
        let api_version = kind.api_version();
        patch::without_nulls(&mut object);
        if kind.namespaced {
            object["metadata"]["namespace"] = target.namespace.clone().into();
        }
        if kind.plural == "secrets" {
            complete_secret(&mut object);
        }
        let time = seconds(now);
        let mut managers = Managers::default();
        let me = manager(target, operation);
        let ignored: &[&str] = if kind.status { &["status"] } else { &[] };
        let scope = Scope { schema: &kind.schema, ignored, api_version: &api_version, time: &time };
        let nothing = json!({"apiVersion": api_version, "kind": kind.name});
        object = bare(&object);
        if operation == Operation::Apply {
            object = apply::applied(&nothing, &object, &mut managers, &me, true, &scope)?;
        }
        tidy(&mut object);
        schema::read(&mut object, &kind.schema);
        if operation == Operation::Update {
            // Unlike an applier, a writer owns the defaults too.
            apply::updated(&nothing, &object, &mut managers, &me, &scope);
        }
        if kind.status {
            // Not written on creation, but for its default.
            object.as_object_mut().map(|fields| fields.remove("status"));
            schema::read(&mut object, &kind.schema);
        }
        let metadata = &mut object["metadata"];
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "generation"] {
            metadata.as_object_mut().map(|fields| fields.remove(field));
        }
        metadata["uid"] = self.uid().into();
        metadata["creationTimestamp"] = time.into();
        if kind.custom {
            metadata["generation"] = 1.into();
        }
        if kind.plural == "namespaces" {
            object["status"] = json!({"phase": "Active"});
        }
        check(&kind, &name, None, &object, self.rules)?;
        if self.store.get(&key).is_some() {
            return Err(Refusal::already_exists(&kind, &name));
        }
        object["metadata"]["managedFields"] = apply::managed_fields(&managers, &api_version);
        Ok((201, self.store.put(key, Stored { object, managers, reads_otherwise: kind.status })))
    }

    /// Whether something new may come to be there.
    fn room_for(&self, kind: &Kind, target: &Target, name: &str) -> Result<(), Refusal> {
        let ends = |object: &Value| object["metadata"].get("deletionTimestamp").is_some();
        if kind.namespaced {
            let namespace = self.object("namespaces", "", &target.namespace);
            match namespace {
                None => return Err(Refusal::not_found(&self.kinds["namespaces"], &target.namespace)),
                Some(object) if ends(&object) => {
                    let why = format!("unable to create new content in namespace {} because it is being terminated", target.namespace);
                    return Err(Refusal::forbidden(kind, name, &why));
                }
                Some(_) => {}
            }
        }
        match self.object(DEFINITIONS, "", &kind.qualified()) {
            Some(object) if ends(&object) => {
                Err(Refusal::forbidden(kind, name, "create not allowed while custom resource definition is terminating"))
            }
            _ => Ok(()),
        }
    }
}

/// An object says of itself what the path says.
pub(super) fn same_place(kind: &Kind, target: &Target, object: &Value) -> Result<(), Refusal> {
    let says = |what: &str, wanted: &str, got: &Value| match got.as_str() {
        Some(got) if got != wanted && !got.is_empty() => Err(Refusal::bad_request(format!(
            "the {what} of the provided object does not match the {what} of the request: {got:?}, not {wanted:?}"
        ))),
        _ => Ok(()),
    };
    says("kind", &kind.name, &object["kind"])?;
    says("API version", &kind.api_version(), &object["apiVersion"])?;
    if kind.namespaced {
        says("namespace", &target.namespace, &object["metadata"]["namespace"])?;
    }
    match &target.name {
        Some(name) => says("name", name, &object["metadata"]["name"]),
        None => Ok(()),
    }
}

pub(super) fn manager(target: &Target, operation: Operation) -> Manager {
    Manager { name: target.param("fieldManager").unwrap_or("unknown").to_owned(), operation, status: target.status }
}

/// With a type, and without `stringData`, which is for writing only.
pub(super) fn complete_secret(object: &mut Value) {
    if object["type"].is_null() {
        object["type"] = "Opaque".into();
    }
    let Some(texts) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) else { return };
    for (key, text) in texts.as_object().into_iter().flatten() {
        let bytes = k8s_openapi::ByteString(text.as_str().unwrap_or_default().as_bytes().to_vec());
        object["data"][key] = serde_json::to_value(bytes).expect("text");
    }
}
