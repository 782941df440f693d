//! One complete list, and what changed since the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::lifecycle::names::Mark;
use crate::paperspace::types::Machine;

/// How many rows a page has.
const PAGE: usize = 120;

/// The machines of an account.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When the list began, since the process started.
    pub began: Duration,
    machines: BTreeMap<String, Machine>,
    marks: BTreeMap<Mark, Vec<String>>,
}

impl Snapshot {
    /// Of a complete list. Machines that are listed as deleted are left out.
    pub fn new(began: Duration, machines: Vec<Machine>) -> Self {
        let mut marks: BTreeMap<Mark, Vec<String>> = BTreeMap::new();
        let machines: BTreeMap<String, Machine> =
            machines.into_iter().filter(|m| m.dt_deleted.is_none()).map(|m| (m.id.clone(), m)).collect();
        for machine in machines.values() {
            if let Some(mark) = Mark::of_name(&machine.name) {
                marks.entry(mark).or_default().push(machine.id.clone());
            }
        }
        Self { began, machines, marks }
    }

    /// One machine.
    pub fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.get(id)
    }

    /// All machines.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> + Clone {
        self.machines.values()
    }

    /// The machines with this mark.
    pub fn marked(&self, mark: &Mark) -> Vec<Machine> {
        self.marks.get(mark).into_iter().flatten().filter_map(|id| self.machines.get(id)).cloned().collect()
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

    /// The ids and marks of the machines that came, went or changed since `before`.
    pub fn changed_since(&self, before: &Self) -> (BTreeSet<String>, BTreeSet<Mark>) {
        let ids: BTreeSet<&String> = self.machines.keys().chain(before.machines.keys()).collect();
        let changed: BTreeSet<String> = ids.into_iter().filter(|id| self.machines.get(*id) != before.machines.get(*id)).cloned().collect();
        let both = changed.iter().flat_map(|id| [self.machines.get(id), before.machines.get(id)]).flatten();
        let marks = both.filter_map(|m| Mark::of_name(&m.name)).collect();
        (changed, marks)
    }
}
