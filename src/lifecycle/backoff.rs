//! How long to wait before trying again. Deterministic: the jitter comes from the resource's uid, so that a fleet does not move in step.

use std::time::Duration;

/// After an error that passes by itself (API, network, Kubernetes): 1 s doubling to 5 min.
pub fn after_failures(failures: u32, uid: &str) -> Duration {
    jittered(curve(failures, Duration::from_secs(1), Duration::from_mins(5)), uid)
}

/// After Paperspace refused something that only another spec or another answer can change: 1 min doubling to 30 min.
pub fn after_refusals(refusals: u32, uid: &str) -> Duration {
    jittered(curve(refusals, Duration::from_mins(1), Duration::from_mins(30)), uid)
}

/// Before another start of a machine that fell back to `off` this many times in a row: 1 min doubling to 30 min.
pub fn before_start(falls: u32) -> Duration {
    curve(falls, Duration::from_mins(1), Duration::from_mins(30))
}

/// Before sending again what was accepted and did not show: 10 s doubling to 5 min.
pub fn before_repeat(sent: u32) -> Duration {
    curve(sent, Duration::from_secs(10), Duration::from_mins(5))
}

/// Spreads an interval by up to a fifth.
pub fn jittered(base: Duration, uid: &str) -> Duration {
    base + base.mul_f64(0.2 * fraction(uid))
}

/// A number from 0 to 1 that is the resource's own.
pub fn fraction(uid: &str) -> f64 {
    // FNV-1a: stable across versions of the standard library, unlike its hasher.
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// `first`, doubled for each further count, at most `last`. A count of 0 waits as one of 1 does.
fn curve(count: u32, first: Duration, last: Duration) -> Duration {
    first.saturating_mul(1_u32 << count.saturating_sub(1).min(16)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_cap_and_stay_there() {
        let waits: Vec<u64> = (1..=12).map(|n| before_start(n).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1800, 1800, 1800, 1800, 1800, 1800, 1800]);
        assert_eq!(curve(u32::MAX, Duration::from_secs(1), Duration::from_mins(5)), Duration::from_mins(5));
    }

    #[test]
    fn jitter_is_the_objects_own_and_at_most_a_fifth() {
        let base = Duration::from_secs(100);
        let all: std::collections::BTreeSet<Duration> = (0..50).map(|n| jittered(base, &format!("uid-{n}"))).collect();
        assert!(all.len() > 40, "spread over {} values", all.len());
        assert!(all.iter().all(|d| *d >= base && *d <= Duration::from_mins(2)));
        assert_eq!(jittered(base, "a"), jittered(base, "a"));
    }
}
