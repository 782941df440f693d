//! The order of work where there is much of it at once: after a start every resource waits for a pass, and when a list shows ten thousand
//! changes as many do. All in the controller's queue, they would stand before what a user does next. So they wait here, and only some of them
//! are in the queue at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Something that the resource depends on has changed.
    Woken,
    /// It is there, and nothing is known to have changed.
    Listed,
}

/// What waits for a place in the queue. Each waits once, whatever asks for it.
#[derive(Debug)]
pub(super) struct Backlog<K> {
    /// How many may be in the queue or at work at a time.
    places: usize,
    /// In the order in which they came, by turn.
    waiting: BTreeMap<(Turn, u64), K>,
    at: HashMap<K, (Turn, u64)>,
    under_way: HashSet<K>,
    came: u64,
}

impl<K: Clone + Eq + Hash> Backlog<K> {
    /// Nothing waits.
    pub(super) fn new(places: usize) -> Self {
        Self { places, waiting: BTreeMap::new(), at: HashMap::new(), under_way: HashSet::new(), came: 0 }
    }

    /// One more asks for a pass. A pass that is under way may have begun before the reason for this one.
    pub(super) fn add(&mut self, key: K, turn: Turn) {
        match self.at.get(&key) {
            Some((before, _)) if *before <= turn => return,
            Some(before) => drop(self.waiting.remove(before)),
            None => {}
        }
        self.came += 1;
        let at = (turn, self.came);
        self.waiting.insert(at, key.clone());
        self.at.insert(key, at);
    }

    /// It goes to the queue by itself, or is gone. True if it waited.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let waited = self.at.remove(key).and_then(|at| self.waiting.remove(&at)).is_some();
        if self.at.is_empty() {
            // It grows to all resources after a start, and is small ever after.
            self.at = HashMap::new();
        }
        waited
    }

    /// A pass over it begins, and sees whatever it waits for. True if it waited, or it is its turn.
    pub(super) fn begins(&mut self, key: &K) -> bool {
        self.remove(key) || self.under_way.contains(key)
    }

    /// The next one that may go to the queue.
    pub(super) fn next(&mut self) -> Option<K> {
        if self.under_way.len() >= self.places {
            return None;
        }
        let key = self.waiting.first_key_value()?.1.clone();
        self.remove(&key);
        self.under_way.insert(key.clone());
        Some(key)
    }

    /// A pass over it is through, or there was nothing to pass over. True if that made a place.
    pub(super) fn done(&mut self, key: &K) -> bool {
        self.under_way.remove(key)
    }

    /// Who waits, in order of turn.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> impl Iterator<Item = &K> {
        self.waiting.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(backlog: &mut Backlog<u32>) -> Vec<u32> {
        std::iter::from_fn(|| backlog.next()).collect()
    }

    #[test]
    fn no_more_are_under_way_than_there_are_places_and_none_is_lost() {
        let mut backlog = Backlog::new(3);
        (0..10).for_each(|key| backlog.add(key, Turn::Listed));
        let mut seen = Vec::new();
        let mut under_way = all(&mut backlog);
        while let Some(key) = under_way.pop() {
            assert!(under_way.len() < 3);
            assert!(backlog.done(&key) && !backlog.done(&key));
            seen.push(key);
            under_way.extend(all(&mut backlog));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn they_go_in_the_order_in_which_they_came_and_the_woken_first() {
        let mut backlog = Backlog::new(9);
        for key in [5, 1, 4] {
            backlog.add(key, Turn::Listed);
        }
        backlog.add(7, Turn::Woken);
        backlog.add(4, Turn::Woken);
        backlog.add(4, Turn::Listed);
        backlog.add(5, Turn::Listed);
        assert_eq!(all(&mut backlog), [7, 4, 5, 1]);
    }

    #[test]
    fn what_went_another_way_does_not_come_again() {
        let mut backlog = Backlog::new(1);
        (0..3).for_each(|key| backlog.add(key, Turn::Listed));
        backlog.remove(&0);
        backlog.remove(&9);
        assert_eq!(all(&mut backlog), [1]);
        assert!(!backlog.done(&0));
        assert!(backlog.done(&1));
        assert_eq!(all(&mut backlog), [2]);
    }

    #[test]
    fn a_pass_that_begins_sees_what_was_waited_for_and_knows_that_it_was() {
        let mut backlog = Backlog::new(1);
        assert!(!backlog.begins(&1));
        backlog.add(1, Turn::Woken);
        backlog.add(2, Turn::Woken);
        assert!(backlog.begins(&1), "it waited");
        assert!(!backlog.begins(&1), "once");
        assert_eq!(all(&mut backlog), [2]);
        assert!(backlog.begins(&2), "it is its turn");
        assert!(backlog.done(&2) && !backlog.begins(&2));
    }

    #[test]
    fn what_is_asked_for_while_its_pass_is_under_way_gets_another() {
        let mut backlog = Backlog::new(2);
        backlog.add(1, Turn::Woken);
        assert_eq!(all(&mut backlog), [1]);
        backlog.add(1, Turn::Woken);
        assert_eq!(all(&mut backlog), [1]);
    }
}
