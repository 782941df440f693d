//! The [`Backlog`] as a stream that the controller takes from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use super::backlog::{Backlog, Turn};
use super::seen::Seen;
use super::watch::Listed;

/// Where resources wait for a pass that nobody has asked for just now.
#[derive(Clone)]
pub(super) struct Line {
    backlog: Arc<Mutex<Backlog<ObjectRef<Seen>>>>,
    moved: Arc<Notify>,
}

impl Line {
    /// For a controller that works on so many at a time: some places stay free for those who do not wait.
    pub(super) fn new(concurrency: u16) -> Self {
        let places = usize::from(concurrency - concurrency / 4);
        Self { backlog: Arc::new(Mutex::new(Backlog::new(places))), moved: Arc::default() }
    }

    /// One more that waits.
    pub(super) fn add(&self, key: ObjectRef<Seen>, turn: Turn) {
        self.backlog().add(key, turn);
        self.moved.notify_one();
    }

    /// It need not wait, or is gone.
    pub(super) fn remove(&self, key: &ObjectRef<Seen>) {
        self.backlog().remove(key);
    }

    /// A pass over it is through, or it was not there any more.
    pub(super) fn done(&self, key: &ObjectRef<Seen>) {
        if self.backlog().done(key) {
            self.moved.notify_one();
        }
    }

    /// Those whose turn it is, as places become free, once everything is listed: what is not settled is at work by then. To be taken once.
    pub(super) fn turns(self, listed: Listed) -> impl Stream<Item = ObjectRef<Seen>> + Send + 'static {
        futures::stream::unfold((self, listed), |(line, listed)| async {
            listed.wait().await;
            loop {
                let next = line.backlog().next();
                if let Some(key) = next {
                    return Some((key, (line, listed)));
                }
                line.moved.notified().await;
            }
        })
    }

    /// Who waits, in order of turn.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<String> {
        self.backlog().waiting().map(|key| key.name.clone()).collect()
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog<ObjectRef<Seen>>> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
