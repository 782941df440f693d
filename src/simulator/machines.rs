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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::simulator::{Request, Simulator};

    #[test]
    fn an_old_copy_keeps_what_it_had_and_shares_the_rest() {
        let mut sim = Simulator::new(jiff::Timestamp::UNIX_EPOCH, 0, 1.0, &[]);
        let body = br#"{"name": "a", "machineType": "C5", "templateId": "t0nspur5", "diskSize": 50, "region": "ny2"}"#;
        let path = "/_sim/machines".to_owned();
        sim.handle(jiff::Timestamp::UNIX_EPOCH, &Request { method: "POST".to_owned(), path, body: body.to_vec(), ..Request::default() });
        let one = sim.world.stock.machines[0].clone();
        let mut machines = Machines::default();
        (0..=CHUNK * 3).for_each(|_| machines.push(one.clone()));
        let old = machines.clone();
        machines[CHUNK].name = "changed".to_owned();
        machines.push(one);
        assert_eq!((old.len(), machines.len()), (CHUNK * 3 + 1, CHUNK * 3 + 2));
        assert_eq!(machines.positions(|m| m.name == "changed"), [CHUNK]);
        assert!(old.positions(|m| m.name == "changed").is_empty() && old.get(CHUNK * 3 + 1).is_none());
        let shared = (0..3).filter(|chunk| Arc::ptr_eq(&old.chunks[*chunk], &machines.chunks[*chunk]));
        assert_eq!(shared.collect::<Vec<_>>(), [0, 2]);
        let again: Machines = serde_json::from_value(serde_json::to_value(&machines).unwrap()).unwrap();
        assert!(again.iter().eq(machines.iter()));
    }
}
