//! Seeded randomness that can be saved with the state: the same seed and the same calls give the same ids.
//!
//! Not for secrets.

use serde::{Deserialize, Serialize};

/// `SplitMix64`: one word of state, which is all there is to save.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for none.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// `prefix` and ten lower-case letters and digits, as the API's ids look.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let tail = (0..10).map(|_| char::from(ALPHABET[self.below(ALPHABET.len())]));
        prefix.chars().chain(tail).collect()
    }

    /// A UUID, version 4.
    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        assert_eq!(a.id("ps"), b.id("ps"));
        assert_eq!(a.uuid(), b.uuid());
        assert_ne!(Rng::new(8).id("ps"), Rng::new(7).id("ps"));
    }

    #[test]
    fn ids_look_like_the_apis() {
        let mut rng = Rng::new(0);
        assert_eq!(rng.id("ps").len(), 12);
        let uuid = rng.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(!rng.chance(0.0));
        assert!(rng.chance(1.0));
    }
}
