//! Chance with a seed.

/// A generator of numbers: the same seed gives the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The seed of a case: its own, or what `E2E_SEED` says. It is printed.
    pub(crate) fn of(case: &str, own: u64) -> Self {
        let seed = std::env::var("E2E_SEED").ok().filter(|text| !text.is_empty());
        let seed = seed.map_or(own, |text| text.parse().unwrap_or_else(|_| panic!("E2E_SEED={text} is not a number")));
        println!("{case}: E2E_SEED={seed}");
        Self(seed)
    }

    /// Another one, which does not disturb this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Any number (SplitMix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0 to `n`, without `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True with this probability, given in percent.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).expect("an index")]
    }
}
