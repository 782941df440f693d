//! What all passes share.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::Reporter;
use secrecy::SecretString;
use tokio::time::Instant;

use super::awaited::Awaited;
use super::brake::Brake;
use super::credentials::{Credentials, LabelledSecrets};
use super::line::Lines;
use super::objects::Objects;
use super::own::Own;
use super::served::Served;
use super::sources::Sources;
use super::tally::Tally;
use crate::fleet::Keys;
use crate::lifecycle::memory::Memory;
use crate::lifecycle::observe::{Moment, Settings};
use crate::metrics::Metrics;
use crate::paperspace::{Permit, Transport};

/// What all passes share.
pub struct Context {
    /// Kubernetes.
    pub objects: Objects,
    /// Keys by resource.
    pub(super) credentials: Credentials,
    /// Startup scripts by resource.
    pub(super) sources: Sources,
    /// The Secrets that both may use.
    pub(super) secrets: LabelledSecrets,
    /// Keys and accounts.
    pub keys: Arc<Keys>,
    /// Which resources are served.
    pub(super) served: Served,
    /// Settings of the decisions.
    pub settings: Settings,
    /// Whether anything may be written to Paperspace.
    pub(super) brake: Brake,
    /// Whose Kubernetes events these are.
    pub reporter: Reporter,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Resources that are not as they should be.
    pub(super) tally: Tally,
    /// The clocks.
    pub clock: Clock,
    /// Random ids for attempts and operations.
    pub nonce: Nonce,
    /// Who waits for a pass.
    pub(super) lines: Lines,
    /// What the watch need not tell.
    pub(super) own: Own,
    pub(super) slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// What this process keeps of one resource between passes.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) memory: Memory,
    /// The place in the budget for the create that was written down.
    pub(super) permit: Option<Permit>,
    /// The key that was last used for the resource: for its deletion, should its Secret go first.
    pub(super) last_key: Option<SecretString>,
    /// What the last pass left to happen to the machine.
    pub(super) awaited: Option<Box<Awaited>>,
    /// The machine that the resource was last known to have, to be said in logs.
    pub(super) machine: Option<Box<str>>,
    /// Passes that failed in a row.
    pub(super) failures: u32,
}

impl Context {
    /// What is kept of this resource. The controller never runs two passes over one resource at once.
    pub(super) fn slot(&self, uid: &str) -> Arc<tokio::sync::Mutex<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(uid.to_owned()).or_default().clone()
    }

    /// The resource is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.own.forget(uid);
        self.tally.forget(uid);
        for account in self.keys.all_accounts() {
            account.forget(uid);
        }
    }

    /// Forgets the resources that are not among these: those that went without a finalizer leave no other trace.
    pub(super) fn keep_only(&self, living: &HashSet<String>) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // A pass that runs knows better.
        let idle = slots.iter().filter(|(_, slot)| Arc::strong_count(slot) == 1);
        let gone: Vec<String> = idle.map(|(uid, _)| uid).filter(|uid| !living.contains(*uid)).cloned().collect();
        drop(slots);
        for uid in gone {
            self.forget(&uid);
        }
    }

    /// Publishes an event; one that cannot be published is logged, and nothing else.
    pub(super) async fn publish(&self, event: &kube::runtime::events::Event, about: &ObjectReference) {
        if let Err(error) = self.objects.publish(&self.reporter, event, about).await {
            tracing::warn!(%error, reason = event.reason, "an event could not be published");
        }
    }
}

/// A new random id each time.
pub type Nonce = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that is not the operator's own: in production the real world, in tests a simulated one.
pub struct Outside {
    /// Kubernetes.
    pub kubernetes: kube::Client,
    /// What carries calls to Paperspace.
    pub paperspace: Arc<dyn Transport>,
    /// The clocks.
    pub clock: Clock,
    /// Chance.
    pub nonce: Nonce,
    /// The namespace of the operator's own objects.
    pub namespace: String,
}

/// The clocks, read here and nowhere else.
#[derive(Clone)]
pub struct Clock {
    /// Tokio's, as that of all waiting is: tests pass it without waiting.
    started: Instant,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Clock {
    /// The process starts now.
    pub fn start() -> Self {
        Self::with_wall(Timestamp::now)
    }

    /// The process starts now, under another wall clock.
    pub fn with_wall(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { started: Instant::now(), wall: Arc::new(wall) }
    }

    /// Both clocks.
    pub fn now(&self) -> Moment {
        Moment { wall: (self.wall)(), mono: self.mono() }
    }

    /// Since the process started.
    pub fn mono(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is added to it counts ten thousand times.
    #[test]
    fn what_is_kept_of_a_resource_between_passes_is_small_and_begins_with_nothing() {
        let mut slot = None;
        let allocated = allocation_counter::measure(|| slot = Some(Slot::default())).bytes_total;
        assert_eq!(allocated, 0);
        assert!(size_of::<Slot>() <= 1104, "{} bytes", size_of::<Slot>());
        assert!(slot.is_some_and(|slot| slot.memory == Memory::default()));
    }
}
