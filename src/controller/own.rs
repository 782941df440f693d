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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lifecycle::memory::Memory;
    use serde_json::json;

    fn resource(finalizers: &[&str], annotations: &serde_json::Value, machine: Option<&str>) -> PaperspaceMachine {
        serde_json::from_value(json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {"name": "m", "namespace": "a", "uid": "u1", "generation": 1, "finalizers": finalizers, "annotations": annotations},
            "spec": {"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 50},
            "status": {"machineId": machine},
        }))
        .unwrap()
    }

    fn seen(object: &PaperspaceMachine) -> Seen {
        serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap()
    }

    fn decided(step: Step, object: &PaperspaceMachine, requeue: Requeue) -> Decision {
        let status = object.status.clone().unwrap_or_default();
        Decision { step, status, events: Vec::new(), memory: Memory::default(), requeue, same_for: None }
    }

    const SOON: Requeue = Requeue::After(Duration::from_secs(5));

    #[test]
    fn each_own_write_is_known_when_it_is_told_also_where_only_the_last_is() {
        let new = resource(&["another"], &json!({}), None);
        let held = resource(&["another", FINALIZER], &json!({}), None);
        let bound = resource(&["another", FINALIZER], &json!({}), Some("ps1"));
        let annotated = resource(&["another", FINALIZER], &json!({ADDRESS_OF_MACHINE: "te1/ps1/0"}), Some("ps1"));
        let writes = || {
            let own = Own::default();
            own.writes(&new, &decided(Step::AddFinalizer, &new, SOON));
            own.writes(&held, &decided(Step::Nothing, &bound, SOON));
            own.writes(&bound, &decided(Step::Annotate { address: "te1/ps1/0".to_owned() }, &bound, SOON));
            own
        };
        let told = writes();
        assert!([&held, &bound, &annotated].into_iter().all(|object| told.is_told_by(&seen(object))));
        assert!(told.lock().is_empty() && !told.is_told_by(&seen(&annotated)), "each is told once");
        let last = writes();
        assert!(last.is_told_by(&seen(&annotated)) && last.lock().is_empty());
    }

    #[test]
    fn what_another_changes_is_not_own_nor_is_a_write_that_waits_for_a_change() {
        let new = resource(&[], &json!({}), None);
        let own = Own::default();
        own.writes(&new, &decided(Step::AddFinalizer, &new, SOON));
        let asked = resource(&[FINALIZER], &json!({"paperspace-operator.dev/reconcile-requested-at": "1"}), None);
        assert!(!own.is_told_by(&seen(&asked)));
        let waits = Own::default();
        waits.writes(&new, &decided(Step::AddFinalizer, &new, Requeue::OnChange));
        assert!(!waits.is_told_by(&seen(&resource(&[FINALIZER], &json!({}), None))));
    }
}
