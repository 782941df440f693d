//! Which resources are this operator's, where several share the work.
//!
//! A resource belongs to the shard that its uid gives it to: nothing is written down, and nobody is asked. It is done as by
//! kube-state-metrics: FNV-1a of the uid, then jump consistent hashing (Lamping and Veach, 2014), which moves only what has to move when
//! the number of shards changes. All versions of the operator have to agree on it; the known answers below are for that.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// The most shards there may be.
const MOST: u16 = 1000;

/// One of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    count: NonZeroU16,
}

impl Shard {
    /// How many there are.
    pub fn count(&self) -> NonZeroU16 {
        self.count
    }

    /// Which of them this is, counted from 0 as the pods of a StatefulSet are.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Whether the resource with this uid is this shard's: it is that of exactly one of them.
    pub fn serves(&self, uid: &str) -> bool {
        jump(fnv1a(uid.as_bytes()), self.count) == self.index
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `parse` alone would take "+1".
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let parsed = text.split_once('/').and_then(|(index, count)| Some((number(index)?, NonZeroU16::new(number(count)?)?)));
        match parsed {
            Some((index, count)) if index < count.get() && count.get() <= MOST => Ok(Self { index, count }),
            _ => Err(format!("allowed are I/N with 0 <= I < N <= {MOST}, such as 0/3")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bucket of `key` among `buckets`: of each further bucket, an equal part of every earlier one moves into it, and nothing else moves.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "31 bits, and buckets of 16: a double holds both, and what is beyond them ends the loop"
)]
fn jump(mut key: u64, buckets: NonZeroU16) -> u16 {
    let (mut bucket, mut next) = (0, 0);
    while next < i64::from(buckets.get()) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1_i64 << 31) as f64 / ((key >> 33) + 1) as f64)) as i64;
    }
    bucket as u16
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::properties::{Dice, check};

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    /// The one that serves it, which must be the only one.
    fn server(uid: &str, count: u16) -> u16 {
        let serving: Vec<u16> = (0..count).filter(|index| shard(&format!("{index}/{count}")).serves(uid)).collect();
        let [one] = serving[..] else { panic!("{uid} is served by {serving:?} of {count}") };
        one
    }

    fn uid(dice: &mut Dice) -> String {
        let mut part = || dice.roll();
        let (a, b, c, d) = (part(), part(), part(), part());
        format!("{a:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{d:08x}", b >> 16, b & 0xfff, 0x8000 | (c >> 16 & 0x3fff), c & 0xffff)
    }

    /// Uids that look like those of a real server.
    fn many() -> impl Iterator<Item = String> {
        (0..30_000_u32).map(|n| {
            uid(&mut Dice::new((0..4).map(|k| u32::try_from(fnv1a(&[n.to_le_bytes(), [k; 4]].concat()) >> 32).unwrap()).collect()))
        })
    }

    /// Of FNV-1a from its authors' test vectors, of jump hashing as the reference code in C++ gives them.
    #[test]
    fn the_hashes_are_those_that_others_compute() {
        for (text, hash) in [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)] {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text:?}");
        }
        let buckets = |key: u64| (1..20).map(|n| jump(key, NonZeroU16::new(n).unwrap())).collect::<Vec<_>>();
        assert_eq!(buckets(0), [0; 19]);
        assert_eq!(buckets(1), [0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17]);
        assert_eq!(buckets(0xdead_beef), [0, 1, 2, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 16, 16, 16]);
        assert_eq!(buckets(0x0ddc_0ffe_ebad_f00d), [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 15, 15, 15, 15]);
    }

    /// Two versions of the operator that run at once must agree: these answers are for ever.
    #[test]
    fn a_uid_is_given_to_the_same_shard_by_every_version() {
        let answers = [3, 10, 1000].map(|count| {
            ["3f9c2a7b-51de-4c0a-9b1f-2f6f0f7d9a11", "00000000-0000-0000-0000-000000000000", "uid"].map(|uid| server(uid, count))
        });
        assert_eq!(answers, [[1, 1, 2], [6, 1, 6], [158, 211, 90]]);
    }

    #[test]
    fn each_uid_is_served_by_exactly_one_shard_whatever_their_number() {
        check(
            300,
            |dice| (uid(dice), 1 + u16::try_from(dice.below(1000)).unwrap()),
            |(uid, count)| {
                server(&uid, count);
                Ok(())
            },
        );
    }

    #[test]
    fn the_shards_have_equal_parts() {
        for count in [2_u16, 3, 7, 30] {
            let mut served = vec![0_usize; usize::from(count)];
            many().for_each(|uid| served[usize::from(server(&uid, count))] += 1);
            let fair = many().count() / usize::from(count);
            assert!(served.iter().all(|n| n.abs_diff(fair) < fair / 8), "{count}: {served:?}");
        }
    }

    #[test]
    fn one_shard_more_takes_its_part_from_all_others_and_nothing_else_moves() {
        for count in [1_u16, 2, 3, 9] {
            let moved: Vec<(u16, u16)> =
                many().map(|uid| (server(&uid, count), server(&uid, count + 1))).filter(|(before, after)| before != after).collect();
            assert!(moved.iter().all(|(_, after)| *after == count), "to the new one only");
            let fair = many().count() / usize::from(count + 1);
            assert!(moved.len().abs_diff(fair) < fair / 8, "from {count}: {} of {}", moved.len(), many().count());
        }
    }

    #[test]
    fn a_shard_is_written_as_index_and_count() {
        for good in ["0/1", "0/3", "2/3", "999/1000"] {
            assert_eq!(shard(good).to_string(), good);
        }
        for bad in
            ["", "1", "/", "1/", "/3", "3/3", "1/0", "0/1001", "-1/3", "+1/3", "1/3/3", " 1/3", "a/3", "$(POD_INDEX)/3", "0x1/3", "70000/3"]
        {
            assert!(bad.parse::<Shard>().unwrap_err().contains("0 <= I < N <= 1000"), "{bad:?}");
        }
    }
}
