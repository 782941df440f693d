//! Whose turn it is, when calls have to wait for their budget.

use std::collections::VecDeque;

use super::Priority;

/// How many tokens go to others while a class waits: after that the next one is its. Of eight tokens one is a look-up's, of sixteen one a
/// poll's, whoever else waits.
const PASSED_OVER: [u32; 3] = [u32::MAX, 7, 14];

/// Those who wait, by class and in the order in which they came. The highest class goes first, except that none is passed over for ever: a
/// steady stream of changes would else hide for ever that a machine has vanished.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    waiting: [VecDeque<u64>; 3],
    /// How many tokens went to others since the class has waited or last had one.
    passed: [u32; 3],
}

impl Turns {
    /// Takes a place at the end of its class.
    pub(super) fn join(&mut self, id: u64, priority: Priority) {
        self.waiting[priority as usize].push_back(id);
    }

    /// Gives the place up.
    pub(super) fn leave(&mut self, id: u64) {
        for class in 0..self.waiting.len() {
            self.waiting[class].retain(|waits| *waits != id);
            self.forget_if_empty(class);
        }
    }

    /// Who gets the next token.
    pub(super) fn next(&self) -> Option<u64> {
        self.waiting[self.class()?].front().copied()
    }

    /// Gives the next token away.
    pub(super) fn give(&mut self) -> Option<u64> {
        let class = self.class()?;
        let id = self.waiting[class].pop_front();
        for other in 0..self.waiting.len() {
            if other == class {
                self.passed[other] = 0;
            } else if !self.waiting[other].is_empty() {
                self.passed[other] = self.passed[other].saturating_add(1);
            }
        }
        self.forget_if_empty(class);
        id
    }

    /// All who wait.
    pub(super) fn all(&self) -> impl Iterator<Item = u64> {
        self.waiting.iter().flatten().copied()
    }

    fn class(&self) -> Option<usize> {
        let waits = |class: &usize| !self.waiting[*class].is_empty();
        let due = (0..self.waiting.len()).filter(waits).find(|class| self.passed[*class] >= PASSED_OVER[*class]);
        due.or_else(|| (0..self.waiting.len()).find(waits))
    }

    fn forget_if_empty(&mut self, class: usize) {
        if self.waiting[class].is_empty() {
            self.passed[class] = 0;
        }
    }
}
