//! Promises that hold of anything: the runner of the property tests, and the dice that their generators throw.
//!
//! Every run throws the same dice, so that none fails by chance, and a failure prints its seed and the smallest case that was found.
//! `PROPTEST_CASES=100000 cargo test --lib properties` throws more of them, `PROPTEST_RNG_SEED=7` others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// What is thrown unless the environment says otherwise.
const SEED: u64 = 20_260_101;

/// Shows that `promise` holds of what `make` makes of any dice.
pub(crate) fn check<T: Debug>(cases: u32, make: impl Fn(&mut Dice) -> T, promise: impl Fn(T) -> Result<(), String>) {
    let asked = Config::default();
    let seed = if let RngSeed::Fixed(seed) = asked.rng_seed { seed } else { SEED };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: asked.max_shrink_iters.min(4000),
        max_shrink_time: 15_000,
        ..asked
    };
    let rolls = proptest::collection::vec(proptest::num::u32::ANY, 0..600).prop_map(|rolls| make(&mut Dice::new(rolls)));
    let held = TestRunner::new(config).run(&rolls, |value| promise(value).map_err(TestCaseError::fail));
    if let Err(TestError::Fail(why, value)) = held {
        panic!("{why}\n{value:#?}\nthe same again: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    }
    held.unwrap();
}

/// A choice after another. One that was not thrown is 0, and 0 is the plainest: a failing case shrinks to what matters in it.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    rolls: std::vec::IntoIter<u32>,
}

impl Dice {
    pub(crate) fn new(rolls: Vec<u32>) -> Self {
        Self { rolls: rolls.into_iter() }
    }

    pub(crate) fn roll(&mut self) -> u32 {
        self.rolls.next().unwrap_or_default()
    }

    /// Dice of their own, for what is chosen later.
    pub(crate) fn split(&mut self, rolls: usize) -> Self {
        Self::new(self.rolls.by_ref().take(rolls).collect())
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.roll() as usize % bound
    }

    /// Rarely true, the more so the greater `n`.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll() % 2 == 1).then(|| some(self))
    }

    pub(crate) fn several<T>(&mut self, most: usize, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| one(self)).collect()
    }

    /// One of these words, or now and then any text.
    pub(crate) fn word(&mut self, words: &[&str]) -> String {
        if self.one_in(24) { self.text() } else { self.pick(words).to_owned() }
    }

    /// Any text: of every width, with what turns or hides text, now and then long.
    pub(crate) fn text(&mut self) -> String {
        const CHARS: [char; 22] = [
            'a', '0', 'F', '-', '/', '.', ' ', '(', ')', '"', '\\', 'é', '大', '🚀', '\n', '\0', '\u{1b}', '\u{9b}', '\u{202e}',
            '\u{2066}', '\u{200b}', '\u{2028}',
        ];
        let some: String = (0..self.below(12)).map(|_| if self.one_in(4) { self.any_char() } else { self.pick(&CHARS) }).collect();
        if self.one_in(6) { some.repeat(1 + self.below(400)) } else { some }
    }

    fn any_char(&mut self) -> char {
        char::from_u32(self.roll() % 0x11_0000).unwrap_or('\u{fffd}')
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}

#[test]
#[should_panic(expected = "PROPTEST_RNG_SEED=")]
fn a_promise_that_is_broken_says_so_with_its_seed() {
    check(256, Dice::text, |text| if text.contains('é') { Err("an é".to_owned()) } else { Ok(()) });
}

#[test]
fn the_same_dice_are_thrown_each_time() {
    let thrown = || {
        let all = std::cell::RefCell::new(Vec::new());
        check(20, Dice::text, |text| {
            all.borrow_mut().push(text);
            Ok(())
        });
        all.into_inner()
    };
    let (first, second) = (thrown(), thrown());
    assert_eq!(first, second);
    assert!(first.iter().collect::<std::collections::BTreeSet<_>>().len() > 5, "{first:?}");
}
