//! The bounds of a run, and the rules that can be left out of it.

use std::time::Duration;

use super::world::{FAULTS, Fault};

/// One tick of the world. With the settle that the bounds give, fence and time-out are what `Settings` makes of it.
pub(super) const TICK: Duration = Duration::from_secs(15);

/// The size of a world: times in ticks, and how often each thing may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) name: &'static str,
    pub(super) operators: usize,
    /// The settle, in ticks.
    pub(super) settle: u8,
    /// For how long a create is waited for.
    pub(super) patience: u8,
    /// How much later a create may still be done once nobody waits for it.
    pub(super) late: u8,
    /// How old what a list shows may be.
    pub(super) lag: u8,
    /// For how long an operator may freeze between decision and request.
    pub(super) freeze: u8,
    /// Destroyed machines are still shown, as deleted.
    pub(super) tombstones: bool,
    /// An operator is the same as the other: worlds that differ by their order alone are one. Not where a script names them.
    pub(super) symmetric: bool,
    pub(super) faults: [u8; FAULTS],
    pub(super) without: Option<Without>,
}

impl Bounds {
    /// Two operators, nothing goes wrong.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            operators: 2,
            settle: 4,
            patience: 1,
            late: 1,
            lag: 1,
            freeze: 0,
            tombstones: false,
            symmetric: true,
            faults: [0; FAULTS],
            without: None,
        }
    }

    /// This may happen so often.
    pub(super) const fn with(mut self, fault: Fault, times: u8) -> Self {
        self.faults[fault as usize] = times;
        self
    }

    /// The same world without one rule.
    pub(super) const fn without(mut self, rule: Without) -> Self {
        self.without = Some(rule);
        self
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults[fault as usize] > 0
    }

    pub(super) fn lacks(&self, rule: Without) -> bool {
        self.without == Some(rule)
    }
}

/// The rules, each as what is done where it is left out. The core has no switches: the shell lies to it about what the rule relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// The fence counts from the acknowledgement of the write-ahead.
    FenceFromBefore,
    /// There is no fence.
    Fence,
}
