//! All machines, in the order of their creation. None is ever taken out, so a position stays what it was.
//!
//! Before each change a copy of everything is kept, for stale lists. With ten thousand machines that must cost next to nothing: the copy
//! shares all that does not change.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::machine::Machine;

/// How many machines are copied where one of them changes.
const CHUNK: usize = 32;

/// The machines.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    /// All but the last are full.
    chunks: Vec<Arc<Vec<Machine>>>,
}

impl Machines {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn push(&mut self, machine: Machine) {
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(machine),
            None => self.chunks.push(Arc::new(vec![machine])),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Machine> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn get(&self, at: usize) -> Option<&Machine> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// The positions of those that are so.
    pub(super) fn positions(&self, are: impl Fn(&Machine) -> bool) -> Vec<usize> {
        self.iter().enumerate().filter(|(_, machine)| are(machine)).map(|(at, _)| at).collect()
    }
}

impl Index<usize> for Machines {
    type Output = Machine;

    fn index(&self, at: usize) -> &Machine {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl IndexMut<usize> for Machines {
    fn index_mut(&mut self, at: usize) -> &mut Machine {
        &mut Arc::make_mut(&mut self.chunks[at / CHUNK])[at % CHUNK]
    }
}

impl Serialize for Machines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Machines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut machines = Self::default();
        Vec::deserialize(deserializer)?.into_iter().for_each(|machine| machines.push(machine));
        Ok(machines)
    }
}
