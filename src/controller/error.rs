//! Why a pass failed. What Paperspace says is no failure of a pass: it is part of what the next decision is made from.

use std::time::Duration;

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kubernetes refused something or did not answer.
    #[error("{what}: {source}")]
    Kubernetes {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// Kubernetes did not answer in time.
    #[error("{what}: no answer from the Kubernetes API within {}s", .after.as_secs())]
    Timeout {
        /// What was tried.
        what: &'static str,
        /// For how long.
        after: Duration,
    },
    /// The object cannot be read by this version of the operator. Nothing is done with it.
    #[error("the object cannot be read: {0}. Nothing is done with it until it can")]
    Unreadable(String),
    /// The core went on asking.
    #[error("the decision asked {0} questions without coming to an end")]
    NoDecision(usize),
}

impl Error {
    /// Every word that [`Self::kind`] has.
    pub const KINDS: [&str; 6] =
        ["kubernetes_forbidden", "kubernetes_refused", "kubernetes_unreachable", "kubernetes_timeout", "unreadable_object", "no_decision"];

    /// Whether Kubernetes says that the operator may not do that.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Kubernetes { source, .. } if matches!(source.as_ref(), kube::Error::Api(status) if status.is_forbidden()))
    }

    /// A bounded word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kubernetes { .. } if self.is_forbidden() => "kubernetes_forbidden",
            Self::Kubernetes { source, .. } => match source.as_ref() {
                kube::Error::Api(_) => "kubernetes_refused",
                _ => "kubernetes_unreachable",
            },
            Self::Timeout { .. } => "kubernetes_timeout",
            Self::Unreadable(_) => "unreadable_object",
            Self::NoDecision(_) => "no_decision",
        }
    }
}
