//! What every log line and every trace of a reconcile says: which object it is about, and which machine.

use tracing::field::{Empty, display};
use tracing::{Span, error_span};

use super::error::Error;

/// The span of one reconcile. The machine is said as soon as it is known, and once: text logs would repeat it.
pub(super) struct ReconcileSpan {
    span: Span,
    machine: Option<String>,
}

impl ReconcileSpan {
    /// Of the level `error`, so that it is there with whatever is logged. The name is not called `name`: in JSON that is the span's.
    pub(super) fn new(namespace: &str, object: &str, uid: &str) -> Self {
        let span = error_span!("reconcile", namespace, object, uid, machine = Empty, otel.status_description = Empty);
        Self { span, machine: None }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The machine that the object has, as far as anybody knows.
    pub(super) fn has(&mut self, machine: Option<&str>) {
        let Some(machine) = machine.filter(|machine| self.machine.as_deref() != Some(machine)) else { return };
        self.span.record("machine", machine);
        self.machine = Some(machine.to_owned());
    }

    /// It ended so. In a trace it is marked as failed.
    pub(super) fn failed(&self, error: &Error) {
        self.span.record("otel.status_description", display(error));
    }
}
