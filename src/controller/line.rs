//! The [`Backlog`] as a stream that the controller takes from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use super::backlog::{Backlog, Turn};
use super::seen::Seen;
use super::watch::Listed;
use crate::fleet::Wake;

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

    /// A pass over it begins, and sees whatever it waits for. True if it waited, or it is its turn.
    pub(super) fn begins(&self, key: &ObjectRef<Seen>) -> bool {
        self.backlog().begins(key)
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

/// The line of each controller, by the namespace that it watches; `None` is all of them.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<Option<String>, Line>>>);

impl Lines {
    /// A controller begins.
    pub(super) fn open(&self, namespace: Option<String>, line: Line) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace, line);
    }

    /// Something that the resource depends on has changed.
    pub(super) fn add(&self, wake: &Wake) {
        if let Some(line) = self.of(&wake.namespace) {
            line.add(ObjectRef::new(&wake.name).within(&wake.namespace), Turn::Woken);
        }
    }

    /// A pass over the resource begins, and sees whatever it waits for. True if it waited, or it is its turn.
    pub(super) fn begins(&self, namespace: &str, name: &str) -> bool {
        self.of(namespace).is_some_and(|line| line.begins(&ObjectRef::new(name).within(namespace)))
    }

    fn of(&self, namespace: &str) -> Option<Line> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(&Some(namespace.to_owned())).or_else(|| lines.get(&None)).cloned()
    }
}
