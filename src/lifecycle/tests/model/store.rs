//! Memories and statuses by number: equal ones have the same, so that a world is a handful of numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::canon;
use super::memo::Memo;
use super::rules::Bounds;
use super::world::Numbered;
use crate::crd::PaperspaceMachineStatus;
use crate::lifecycle::memory::Memory;

/// All memories and statuses that a run came across.
pub(super) struct Store {
    bounds: Bounds,
    memories: Mutex<Table<Memory>>,
    statuses: Mutex<Table<PaperspaceMachineStatus>>,
    kept: Memo<(u32, u16, u16), Numbered>,
}

struct Table<T> {
    numbers: HashMap<String, Numbered>,
    values: Vec<Arc<Known<T>>>,
}

/// A value, and what became of it when that was last asked.
struct Known<T> {
    value: T,
    ticked: OnceLock<Numbered>,
    slept: OnceLock<Numbered>,
    unchained: OnceLock<Numbered>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T> Table<T> {
    fn number(&mut self, key: String, value: T, (nonces, machines, open): (u16, u8, bool)) -> Numbered {
        *self.numbers.entry(key).or_insert_with(|| {
            let known = Known { value, ticked: OnceLock::new(), slept: OnceLock::new(), unchained: OnceLock::new() };
            self.values.push(Arc::new(known));
            Numbered { number: u32::try_from(self.values.len() - 1).unwrap(), nonces, machines, open }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, memories: Mutex::default(), statuses: Mutex::default(), kept: Memo::default() }
    }

    /// The number of this memory, once what means nothing is taken out of it.
    pub(super) fn memory(&self, memory: Memory) -> Numbered {
        let memory = canon::memory(&self.bounds, memory);
        let key = format!("{memory:?}");
        let names = (canon::nonces_of_memory(&memory), canon::machines_of_memory(&memory), false);
        lock(&self.memories).number(key, memory, names)
    }

    /// The number of this status, once what means nothing is taken out of it.
    pub(super) fn status(&self, status: &PaperspaceMachineStatus) -> Numbered {
        let status = canon::status(&self.bounds, status);
        let key = format!("{status:?}");
        let names = (canon::nonces_of_status(&status), canon::machines_of_status(&status), canon::is_open(&status));
        lock(&self.statuses).number(key, status, names)
    }

    pub(super) fn remembered(&self, of: Numbered) -> Memory {
        self.known(of).value.clone()
    }

    pub(super) fn standing(&self, of: Numbered) -> PaperspaceMachineStatus {
        lock(&self.statuses).values[of.number as usize].value.clone()
    }

    fn known(&self, of: Numbered) -> Arc<Known<Memory>> {
        lock(&self.memories).values[of.number as usize].clone()
    }

    /// The memory a tick later.
    pub(super) fn memory_ticked(&self, of: Numbered) -> Numbered {
        let known = self.known(of);
        *known.ticked.get_or_init(|| self.memory(canon::later(known.value.clone(), true)))
    }

    /// The memory after a tick during which the monotonic clock stood still.
    pub(super) fn memory_slept(&self, of: Numbered) -> Numbered {
        let known = self.known(of);
        *known.slept.get_or_init(|| self.memory(canon::later(known.value.clone(), false)))
    }

    /// The memory, once somebody else has written to the object.
    pub(super) fn memory_unchained(&self, of: Numbered) -> Numbered {
        let known = self.known(of);
        *known.unchained.get_or_init(|| self.edit(of, |m| m.chain = None))
    }

    /// The status a tick later.
    pub(super) fn status_ticked(&self, of: Numbered) -> Numbered {
        let known = lock(&self.statuses).values[of.number as usize].clone();
        *known.ticked.get_or_init(|| self.status(&canon::status_later(known.value.clone())))
    }

    /// The memory without what nothing comes of any more, by the attempts that stand somewhere and those of them that are open.
    pub(super) fn memory_kept(&self, of: Numbered, nonces: u16, open: u16) -> Numbered {
        self.kept.get(&(of.number, nonces & of.nonces, open & of.nonces), || self.memory(canon::keep(self.remembered(of), nonces, open)))
    }

    pub(super) fn edit(&self, of: Numbered, change: impl FnOnce(&mut Memory)) -> Numbered {
        let mut memory = self.remembered(of);
        change(&mut memory);
        self.memory(memory)
    }

    /// How many memories and statuses there are.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (lock(&self.memories).values.len(), lock(&self.statuses).values.len())
    }
}
