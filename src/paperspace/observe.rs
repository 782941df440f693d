//! What each call tells those who count calls.

use std::time::Duration;

use super::Priority;

/// One finished call. All fields are bounded, so that they can be labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// `GET`.
    pub method: &'static str,
    /// The path's template, `/machines/{id}`.
    pub route: &'static str,
    /// `ok`, or [`Error::kind`](super::Error::kind).
    pub outcome: &'static str,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// From sending to the last byte of the reply.
    pub duration: Duration,
    /// How long the call waited for its budget before.
    pub waited: Duration,
    /// As what it waited.
    pub priority: Priority,
}

/// Hears of every call of a client. Must be quick: the call waits for it.
pub trait CallObserver: Send + Sync {
    /// A call ended.
    fn observe(&self, call: &CallRecord);

    /// The API does not answer any more for an account, or does again.
    fn breaker(&self, open: bool) {
        let _ = open;
    }
}

impl<F: Fn(&CallRecord) + Send + Sync> CallObserver for F {
    fn observe(&self, call: &CallRecord) {
        self(call);
    }
}
