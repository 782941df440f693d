//! Refusals, as the Status that the server answers with.

use serde_json::{Value, json};

use super::Reply;
use super::routes::Kind;

/// An answer's status and body.
pub(super) type Outcome = Result<(u16, Value), Refusal>;

/// What is wrong with a field.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Status(Value),
    /// The path is not served at all.
    NoRoute,
}

impl Refusal {
    fn new(code: u16, reason: &str, message: impl Into<String>, details: Option<Value>) -> Self {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message.into(), "reason": reason, "code": code,
        });
        if let Some(details) = details {
            status["details"] = details;
        }
        Self::Status(status)
    }

    pub(super) fn no_route() -> Self {
        Self::NoRoute
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", Some(json!({})))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, None)
    }

    pub(super) fn unsupported_media_type(content_type: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
             application/merge-patch+json, application/apply-patch+yaml (not {content_type:?})"
        );
        Self::new(415, "UnsupportedMediaType", message, None)
    }

    pub(super) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{} {name:?} is forbidden: {why}", kind.qualified()), Some(kind.details(name)))
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.qualified()), Some(kind.details(name)))
    }

    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.qualified()), Some(kind.details(name)))
    }

    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified());
        Self::new(409, "Conflict", message, Some(kind.details(name)))
    }

    /// The version that the write is based on is not the present one.
    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    pub(super) fn other_uid(kind: &Kind, name: &str, asked: &str, live: &str) -> Self {
        Self::conflict(kind, name, &format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {live}"))
    }

    /// The UID or version in a deletion's precondition is not that of the object. Says the kind, not the resource.
    pub(super) fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let mut details = kind.details(name);
        details["kind"] = kind.name.clone().into();
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified_kind());
        Self::new(409, "Conflict", message, Some(details))
    }

    /// What the server does not take for the client's mistake.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message, None)
    }

    pub(super) fn invalid_options(field: &str, message: &str) -> Self {
        let cause = Cause { reason: "FieldValueRequired", field: field.to_owned(), message: message.to_owned() };
        let details = json!({"group": "meta.k8s.io", "kind": "PatchOptions", "causes": causes(&[cause])});
        Self::new(422, "Invalid", format!("PatchOptions.meta.k8s.io \"\" is invalid: {field}: {message}"), Some(details))
    }

    /// Fields that other managers own, in an apply without force.
    pub(super) fn owned_by_others(conflicts: &[Cause]) -> Self {
        let count = conflicts.len();
        let list: Vec<String> = conflicts.iter().map(|c| format!("{}: {}", c.message, c.field)).collect();
        let message = format!("Apply failed with {count} conflict{}: {}", if count == 1 { "" } else { "s" }, list.join("\n"));
        Self::new(409, "Conflict", message, Some(json!({"causes": causes(conflicts)})))
    }

    pub(super) fn invalid(kind: &Kind, name: &str, found: &[Cause]) -> Self {
        let list: Vec<String> = found.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let list = if let [one] = list.as_slice() { one.clone() } else { format!("[{}]", list.join(", ")) };
        let message = format!("{} {name:?} is invalid: {list}", kind.qualified_kind());
        let mut details = kind.details(name);
        details["kind"] = kind.name.clone().into();
        details["causes"] = causes(found);
        Self::new(422, "Invalid", message, Some(details))
    }

    /// A JSON patch that cannot be applied. The server does not say which operation it was.
    pub(super) fn patch_failed() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request", Some(json!({})))
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message, None)
    }

    pub(super) fn status(self) -> Value {
        match self {
            Self::Status(status) => status,
            Self::NoRoute => Value::Null,
        }
    }

    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Status(status) => {
                let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
                Reply::Answer { status: code, body: status.to_string().into_bytes() }
            }
            Self::NoRoute => Reply::Answer { status: 404, body: b"404 page not found\n".to_vec() },
        }
    }
}

fn causes(found: &[Cause]) -> Value {
    found.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect()
}
