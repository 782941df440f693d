//! What can go wrong in a call, told apart by what it proves.

use std::time::Duration;

use super::budget::Silence;

/// A failed call.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// No usable HTTP reply: connection, TLS, time-out, a redirect, a body that broke off or was too large.
    #[error("{route}: {message}")]
    Transport {
        /// The call, `POST /machines`.
        route: &'static str,
        /// Whether the request may have reached the API: false only if no connection was ever made.
        maybe_sent: bool,
        /// What the HTTP library says, without the URL's query.
        message: String,
    },
    /// An HTTP status other than 200, or a 200 that carries the API's error object.
    #[error("{route}: {message} ({code}, HTTP {status})")]
    Rejected {
        /// The call.
        route: &'static str,
        /// The HTTP status.
        status: u16,
        /// The API's word, `NOT_FOUND`; empty when the body was not the API's error object.
        code: String,
        /// The API's text, cleaned and cut, with those of `issues`.
        message: String,
        /// Whether the body was the API's own error object: a proxy's page proves nothing.
        from_api: bool,
        /// How long the API asks to wait.
        retry_after: Option<Duration>,
    },
    /// Not Paperspace: what a call needs of Kubernetes (a Secret, labels of a namespace) could not be had. To a decision it is one more answer
    /// that did not come.
    #[error("Kubernetes API: {message}")]
    Kubernetes {
        /// What was tried, and what Kubernetes says.
        message: String,
    },
    /// 200 with a body that is not what the API documents.
    #[error("{route}: unreadable reply at {path}: {message}")]
    BadPayload {
        /// The call.
        route: &'static str,
        /// The JSON path of the field.
        path: String,
        /// What was wrong with it.
        message: String,
    },
    /// Not sent, because nothing is for a while: the account was asked to slow down for longer, or the API does not answer.
    #[error("{route}: {silence}")]
    NotSent {
        /// The call.
        route: &'static str,
        /// Why.
        silence: Silence,
    },
}

impl Error {
    /// The API's own 404: a proxy's 404 or a wrong base path says nothing about a machine.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { status: 404, from_api: true, .. })
    }

    /// The key was not accepted.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Rejected { status: 401, .. })
    }

    /// Whether this proves that nothing was done: only then is a create known to have failed (see the creation protocol in
    /// [`crate::lifecycle`]). A time-out (408), a conflict (409), 425, 499, any status not listed and any 5xx prove nothing.
    pub fn proves_nothing_done(&self) -> bool {
        match self {
            Self::Transport { maybe_sent, .. } => !maybe_sent,
            Self::Rejected { status, from_api, .. } => *from_api && matches!(status, 400..=405 | 412 | 413 | 415 | 422 | 429),
            Self::BadPayload { .. } => false,
            Self::Kubernetes { .. } | Self::NotSent { .. } => true,
        }
    }

    /// Whether the API understood the request and will go on refusing it until something else changes.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Rejected { status, from_api: true, .. } if (400..500).contains(status) && !matches!(status, 401 | 408 | 409 | 425 | 429 | 499))
    }

    /// How long the API asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { retry_after, .. } => *retry_after,
            Self::NotSent { silence, .. } => Some(silence.retry_after),
            _ => None,
        }
    }

    /// Why nothing is sent, where that is the error.
    pub fn silence(&self) -> Option<&Silence> {
        match self {
            Self::NotSent { silence, .. } => Some(silence),
            _ => None,
        }
    }

    /// A bounded word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transport { .. } => "transport",
            Self::Rejected { status: 401 | 403, .. } => "unauthorized",
            Self::Rejected { status: 404, .. } => "not_found",
            Self::Rejected { status: 429, .. } => "rate_limited",
            Self::Rejected { status, .. } if *status >= 500 => "server",
            Self::Rejected { .. } => "rejected",
            Self::Kubernetes { .. } => "kubernetes",
            Self::BadPayload { .. } => "bad_payload",
            Self::NotSent { .. } => "not_sent",
        }
    }
}
