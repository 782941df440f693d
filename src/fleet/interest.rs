//! Who is to be woken by what.

use std::sync::Arc;
use std::time::Duration;

use super::snapshot::{Changes, Snapshot, is_same};
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::MachineLook;
use crate::paperspace::types::Machine;

/// A resource that wants to hear of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wake {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What a resource wants to hear of.
#[derive(Clone, Debug)]
pub struct Interest {
    /// The resource.
    pub wake: Wake,
    /// Machines that carry its mark.
    pub mark: Mark,
    /// Its machine.
    pub machine: Option<String>,
    /// What that was last seen to be. A list that says otherwise is news, also where the list before said the same.
    pub seen: Option<Seen>,
}

/// What a machine was last seen to be.
#[derive(Clone, Debug)]
pub struct Seen {
    began: Duration,
    machine: Option<Arc<Machine>>,
    /// The last list that this was compared with says the same.
    agrees: bool,
}

impl From<MachineLook> for Seen {
    fn from(look: MachineLook) -> Self {
        Self { began: look.began, machine: look.machine.map(Arc::new), agrees: false }
    }
}

impl Interest {
    /// Whether the last list says something that the resource wants to hear. What agreed with the list before needs a look only where that
    /// changed.
    pub(super) fn is_concerned(&mut self, changes: &Changes, snapshot: &Snapshot) -> bool {
        let news = self.machine.as_ref().is_some_and(|id| changes.ids.contains(id)) || changes.marks.contains(&self.mark);
        let agreed = self.seen.as_ref().is_none_or(|seen| seen.agrees);
        // Also where it is news: whether they agree is known of the last list.
        let contradicted = (news || !agreed) && self.is_contradicted(snapshot);
        news || contradicted
    }

    /// Whether the last list is younger than what the resource knows of its machine, and says something else. What both say is kept once.
    pub(super) fn is_contradicted(&mut self, snapshot: &Snapshot) -> bool {
        let (Some(id), Some(seen)) = (&self.machine, &mut self.seen) else { return false };
        let row = snapshot.machine(id);
        seen.agrees = is_same(seen.machine.as_ref(), row);
        if seen.agrees {
            seen.machine = row.cloned();
        }
        !seen.agrees && seen.began < snapshot.began
    }
}
