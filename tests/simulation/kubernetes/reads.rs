//! GET and LIST.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::errors::{Outcome, Refusal};
use super::routes::Target;
use super::selectors::Selector;
use super::{Kubernetes, watch};

impl Kubernetes {
    pub(super) fn get(&self, target: &Target) -> Outcome {
        match self.store.get(&target.key()) {
            Some(stored) => Ok((200, stored.object.clone())),
            None => Err(Refusal::not_found(&target.kind, target.name())),
        }
    }

    pub(super) fn list(&self, target: &Target) -> Outcome {
        let selector = Selector::of(target)?;
        let (version, after) = match target.param("continue") {
            Some(token) => {
                let (version, after) = token.split_once('.').ok_or_else(|| Refusal::bad_request("continue key is not valid"))?;
                (number("continue", version)?, Some(after))
            }
            None => match (target.param("resourceVersion"), target.param("resourceVersionMatch")) {
                (Some(exact), Some("Exact")) => (number("resourceVersion", exact)?, None),
                // Not older than some version: the newest is right for all of them.
                _ => (self.store.version(), None),
            },
        };
        let prefix = target.prefix();
        let objects = self.store.at(version, &prefix).ok_or_else(|| match after {
            None => watch::too_old(version, self.store.compacted()),
            Some(_) => Refusal::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter."),
        })?;
        let limit = target.param("limit").map(|limit| number("limit", limit)).transpose()?.unwrap_or(0);
        let (items, more) = page(&objects, after, usize::try_from(limit).unwrap_or(usize::MAX), &selector);
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if let Some(last) = more {
            metadata["continue"] = format!("{version}.{last}").into();
        }
        let kind = format!("{}List", target.kind.name);
        Ok((200, json!({"kind": kind, "apiVersion": target.kind.api_version(), "metadata": metadata, "items": items})))
    }
}

/// Up to `limit` objects (0: all) after a key, and the last key where there are more.
fn page(objects: &BTreeMap<String, Value>, after: Option<&str>, limit: usize, selector: &Selector) -> (Vec<Value>, Option<String>) {
    let rest = objects.iter().filter(|(key, object)| after.is_none_or(|after| key.as_str() > after) && selector.matches(object));
    let mut items = Vec::new();
    let mut last = None;
    for (key, object) in rest {
        if limit > 0 && items.len() == limit {
            return (items, last);
        }
        items.push(object.clone());
        last = Some(key.clone());
    }
    (items, None)
}

fn number(what: &str, text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::bad_request(format!("invalid {what}: {text:?}")))
}

/// The metadata alone, of an object or of a list's items.
pub(super) fn metadata_only(body: Value) -> Value {
    let partial = |kind: &str, body: &Value| json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]});
    match body["items"].as_array() {
        _ if body["kind"] == "Status" => body,
        None => partial("PartialObjectMetadata", &body),
        Some(items) => {
            let mut list = partial("PartialObjectMetadataList", &body);
            list["items"] = items.iter().map(|item| partial("PartialObjectMetadata", item)).collect();
            list
        }
    }
}
