//! One complete list, and what changed since the one before.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::lifecycle::names::Mark;
use crate::paperspace::types::Machine;

/// How many rows a page has.
const PAGE: usize = 120;

/// The machines of an account.
///
/// Each is kept once, whoever looks at it and however many lists show it unchanged.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When the list began, since the process started.
    pub began: Duration,
    /// By id.
    machines: Vec<Arc<Machine>>,
    /// The places of those whose name carries a mark, by the mark.
    marked: Vec<usize>,
}

/// The machines that came, went or changed from one list to the next.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Their ids.
    pub ids: BTreeSet<String>,
    /// The marks that their names carry or carried.
    pub marks: BTreeSet<Mark>,
}

impl Snapshot {
    /// Of a complete list. Machines that are listed as deleted are left out.
    pub fn new<M: Into<Arc<Machine>>>(began: Duration, machines: impl IntoIterator<Item = M>) -> Self {
        let mut machines: Vec<Arc<Machine>> = machines.into_iter().map(Into::into).filter(|m| m.dt_deleted.is_none()).collect();
        machines.sort_by(|a, b| a.id.cmp(&b.id));
        machines.shrink_to_fit();
        let mut marked: Vec<usize> = (0..machines.len()).filter(|place| Mark::in_name(&machines[*place].name).is_some()).collect();
        marked.sort_by_key(|place| (Mark::in_name(&machines[*place].name), *place));
        marked.shrink_to_fit();
        Self { began, machines, marked }
    }

    /// One machine.
    pub fn machine(&self, id: &str) -> Option<&Arc<Machine>> {
        let place = self.machines.binary_search_by(|m| m.id.as_str().cmp(id)).ok()?;
        self.machines.get(place)
    }

    /// This machine as it is kept already, where it is the same.
    pub fn kept(&self, machine: &Machine) -> Option<Arc<Machine>> {
        self.machine(&machine.id).filter(|known| ***known == *machine).cloned()
    }

    /// All machines.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> + Clone {
        self.machines.iter().map(AsRef::as_ref)
    }

    /// The machines with this mark.
    pub fn marked(&self, mark: &Mark) -> Vec<Machine> {
        let mark_of = |place: &usize| Mark::in_name(&self.machines[*place].name);
        let first = self.marked.partition_point(|place| mark_of(place) < Some(mark.as_str()));
        let with_it = self.marked[first..].iter().take_while(|place| mark_of(place) == Some(mark.as_str()));
        with_it.map(|place| Machine::clone(&self.machines[*place])).collect()
    }

    /// How many calls the list took.
    pub fn pages(&self) -> usize {
        self.machines.len().div_ceil(PAGE).max(1)
    }

    /// How many machines there are.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// What changed since `before`.
    pub fn changed_since(&self, before: &Self) -> Changes {
        let mut changes = Changes::default();
        let (mut new, mut old) = (self.machines.iter().peekable(), before.machines.iter().peekable());
        loop {
            let order = match (new.peek(), old.peek()) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(new), Some(old)) => new.id.cmp(&old.id),
            };
            let new = if order.is_le() { new.next() } else { None };
            let old = if order.is_ge() { old.next() } else { None };
            if !is_same(new, old) {
                for machine in new.into_iter().chain(old) {
                    changes.ids.insert(machine.id.clone());
                    changes.marks.extend(Mark::of_name(&machine.name));
                }
            }
        }
    }
}

/// Whether both looks show the same. What is kept once need not be compared.
pub(super) fn is_same(one: Option<&Arc<Machine>>, other: Option<&Arc<Machine>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (one, other) => one.is_none() && other.is_none(),
    }
}
