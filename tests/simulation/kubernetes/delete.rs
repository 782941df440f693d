//! DELETE: at once, or when the last finalizer is off.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::controllers::DEFINITIONS;
use super::errors::{Outcome, Refusal};
use super::routes::{Kind, Target};
use super::store::Stored;
use super::{Kubernetes, Request, patch, seconds};

impl Kubernetes {
    pub(super) fn delete(&mut self, now: Timestamp, target: &Target, request: &Request) -> Outcome {
        let (kind, name) = (target.kind.clone(), target.name());
        let options: Value = if request.body.is_empty() { Value::Null } else { patch::json(&request.body)? };
        let Some(stored) = self.store.get(&target.key()) else { return Err(Refusal::not_found(&kind, name)) };
        let (wanted, live) = (&options["preconditions"], &stored.object["metadata"]);
        if let (Some(wanted), Some(live)) = (wanted["uid"].as_str(), live["uid"].as_str())
            && wanted != live
        {
            let why = format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({live}). \
                 The object might have been deleted and then recreated"
            );
            return Err(Refusal::precondition(&kind, name, &why));
        }
        if let (Some(wanted), Some(live)) = (wanted["resourceVersion"].as_str(), live["resourceVersion"].as_str())
            && wanted != live
        {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({live}). \
                 The object might have been modified"
            );
            return Err(Refusal::precondition(&kind, name, &why));
        }
        let uid = live["uid"].clone();
        let object = self.delete_object(now, &kind, &target.key());
        let mut details = kind.details(name);
        details["uid"] = uid;
        let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok((200, object.unwrap_or(done)))
    }

    /// The object, where it stays for now.
    pub(super) fn delete_object(&mut self, now: Timestamp, kind: &Kind, key: &str) -> Option<Value> {
        let stored = self.store.get(key)?.clone();
        // Held by the controllers that clear what is in them.
        let held = ["namespaces", DEFINITIONS].contains(&kind.plural.as_str());
        if !held && stored.object["metadata"].get("finalizers").is_none() {
            self.store.remove(key);
            return None;
        }
        if stored.ends() {
            return Some(stored.object);
        }
        let mut object = stored.object.clone();
        let metadata = &mut object["metadata"];
        metadata["deletionTimestamp"] = seconds(now).into();
        metadata["deletionGracePeriodSeconds"] = 0.into();
        if let Some(generation) = metadata["generation"].as_i64() {
            metadata["generation"] = (generation + 1).into();
        }
        match kind.plural.as_str() {
            "namespaces" => object["status"]["phase"] = "Terminating".into(),
            DEFINITIONS => {
                object["metadata"]["finalizers"] = json!(["customresourcecleanup.apiextensions.k8s.io"]);
                let condition = json!({
                    "type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress",
                    "message": "CustomResource deletion is in progress",
                });
                object["status"]["conditions"].as_array_mut().expect("conditions").push(condition);
            }
            _ => {}
        }
        Some(self.store.put(key.to_owned(), Stored { object, reads_otherwise: false, ..stored }))
    }
}
