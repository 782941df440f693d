//! The API's error bodies.

use serde_json::{Value, json};

/// A request that the API refuses: what is sent instead of a result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// What is wrong with which field of a body or query.
    pub(super) issues: Vec<Issue>,
    /// The code, where it is not the status's own.
    code: Option<&'static str>,
}

/// One fault of a body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Issue {
    pub(super) field: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), issues: Vec::new(), code: None }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, format!("{what} not found"))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized")
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "You do not have permission to do this.")
    }

    /// Text that is not JSON.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self { code: Some("PARSE_ERROR"), ..Self::new(400, message) }
    }

    /// A body or query that does not follow its schema.
    pub(super) fn invalid(issues: Vec<Issue>) -> Self {
        Self { issues, ..Self::new(400, "Input validation failed") }
    }

    pub(super) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![Issue { field: field.to_owned(), message: message.into() }])
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "code": self.code.unwrap_or_else(|| code(self.status)), "message": self.message });
        if !self.issues.is_empty() {
            body["issues"] =
                self.issues.iter().map(|issue| json!({ "path": [issue.field], "message": issue.message })).collect::<Vec<_>>().into();
        }
        body
    }
}

/// The code that goes with a status.
pub(super) fn code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_SUPPORTED",
        408 => "TIMEOUT",
        409 => "CONFLICT",
        412 => "PRECONDITION_FAILED",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        429 => "TOO_MANY_REQUESTS",
        499 => "CLIENT_CLOSED_REQUEST",
        400..=499 => "BAD_REQUEST",
        _ => "INTERNAL_SERVER_ERROR",
    }
}
