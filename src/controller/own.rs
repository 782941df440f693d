//! Changes of resources that are the operator's own: the pass that makes one knows what follows from it, so that the watch need not ask for
//! another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;

use super::seen::{Seen, gist};
use crate::crd::{ADDRESS_OF_MACHINE, FINALIZER, PaperspaceMachine};
use crate::lifecycle::step::{Decision, Requeue, Step};

/// By uid: what the watch has still to tell of what this process wrote, in the order of the writes.
#[derive(Clone, Default)]
pub(super) struct Own(Arc<Mutex<HashMap<String, Vec<u64>>>>);

impl Own {
    /// A write is about to be sent that leaves the object so. What waits for nothing but a change is to be told of it: the write is one.
    pub(super) fn writes(&self, object: &PaperspaceMachine, decision: &Decision) {
        if decision.requeue == Requeue::OnChange {
            return;
        }
        let mut after = object.metadata.clone();
        let mut status = object.status.as_ref();
        match &decision.step {
            Step::AddFinalizer => after.finalizers.get_or_insert_default().push(FINALIZER.to_owned()),
            Step::Annotate { address } => {
                after.annotations.get_or_insert_default().insert(ADDRESS_OF_MACHINE.to_owned(), address.clone());
            }
            Step::RemoveFinalizer => return,
            _ => status = Some(&decision.status),
        }
        let gist_after = gist(&after, status);
        if gist_after != gist(&object.metadata, object.status.as_ref()) {
            self.lock().entry(object.uid().unwrap_or_default()).or_default().push(gist_after);
        }
    }

    /// Whether the resource is as one of these writes left it. Each, and those before it, are told once.
    pub(super) fn is_told_by(&self, seen: &Seen) -> bool {
        let mut own = self.lock();
        let Some(writes) = own.get_mut(seen.uid()) else { return false };
        let Some(at) = writes.iter().rposition(|gist| *gist == seen.gist()) else { return false };
        writes.drain(..=at);
        if writes.is_empty() {
            own.remove(seen.uid());
        }
        true
    }

    /// The resource is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
