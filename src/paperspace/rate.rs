//! How often an account may be called, before it is a bucket.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

/// Calls in the long run, and how many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What one call takes to be allowed. Not calls a second: a part of a slow rate is less than one.
    pub(super) period: Duration,
    pub(super) burst: NonZeroU32,
}

impl Rate {
    /// So many calls a second, and so many at once.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::part(per_second, burst, NonZeroU16::MIN)
    }

    /// The part of each of `count` processes that share the rate. Together they call no more often than one would; at once they may make
    /// one call each, however small the burst.
    pub fn part(per_second: NonZeroU32, burst: NonZeroU32, count: NonZeroU16) -> Self {
        const SECOND: u64 = 1_000_000_000;
        // Rounded up: the parts must not add up to more.
        let period = (SECOND * u64::from(count.get())).div_ceil(u64::from(per_second.get()));
        Self {
            period: Duration::from_nanos(period),
            burst: NonZeroU32::new(burst.get() / u32::from(count.get())).unwrap_or(NonZeroU32::MIN),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_rate_add_up_to_no_more_than_the_rate() {
        for (per_second, burst) in [(1, 1), (5, 10), (7, 3), (1000, 1000)] {
            for count in [1, 2, 3, 7, 100, 1000] {
                let (rate, most) = (NonZeroU32::new(per_second).unwrap(), NonZeroU32::new(burst).unwrap());
                let part = Rate::part(rate, most, NonZeroU16::new(count).unwrap());
                let calls_in_an_hour = 3_600_000_000_000 / part.period.as_nanos() * u128::from(count);
                assert!(calls_in_an_hour <= u128::from(per_second) * 3600, "{per_second}/s by {count}: {part:?}");
                assert!(calls_in_an_hour >= u128::from(per_second) * 3600 - u128::from(count), "{per_second}/s by {count}: {part:?}");
                assert!(part.burst.get() * u32::from(count) <= burst.max(u32::from(count)), "{burst} by {count}: {part:?}");
            }
        }
        assert_eq!(Rate::part(NonZeroU32::MIN, NonZeroU32::MIN, NonZeroU16::MIN), Rate::new(NonZeroU32::MIN, NonZeroU32::MIN));
    }
}
