//! A token bucket as a value: when the next call may be sent.
//!
//! Counted as the generic cell rate algorithm does, with two things that a limiter off the shelf does not have. A token is put aside when it
//! is given and spent when its call is sent, which for a create is some milliseconds later: so the promise holds for the moments of sending,
//! and a token that is given back costs nothing. And the bucket can be emptied, for an account that begins again slowly.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::paperspace::Rate;

/// For how long a token is put aside: longer than any fence, after which its call is not sent any more.
const PUT_ASIDE: Duration = Duration::from_secs(15);

/// In any time `w` at most `burst + w / period` calls are sent. Times are since some beginning.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// What one token takes to grow.
    period: Duration,
    burst: u32,
    /// When the bucket would be full again.
    full: Duration,
    /// The tokens that are given and not yet spent, and when they were given.
    aside: BTreeMap<u64, Duration>,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate) -> Self {
        Self { period: rate.period, burst: rate.burst.get(), full: Duration::ZERO, aside: BTreeMap::new() }
    }

    /// When there is a token that nobody has, or was. `None` while all that fit are put aside.
    pub(super) fn ready(&mut self, now: Duration) -> Option<Duration> {
        self.aside.retain(|_, given| now < *given + PUT_ASIDE);
        let others = u32::try_from(self.aside.len()).unwrap_or(u32::MAX);
        let spare = self.burst.checked_sub(others)?.checked_sub(1)?;
        Some(self.full.saturating_sub(self.period * spare))
    }

    /// When a token that was put aside is given up at the latest.
    pub(super) fn frees(&self) -> Option<Duration> {
        self.aside.values().min().map(|given| *given + PUT_ASIDE)
    }

    /// Puts a token aside, which has to be there.
    pub(super) fn put_aside(&mut self, id: u64, now: Duration) {
        self.aside.insert(id, now);
    }

    /// Its call is not made.
    pub(super) fn give_back(&mut self, id: u64) {
        self.aside.remove(&id);
    }

    /// Its call is sent.
    pub(super) fn spend(&mut self, id: u64, now: Duration) {
        self.aside.remove(&id);
        self.owe(now);
    }

    /// A call was sent without a token of this bucket: those that follow wait for it.
    pub(super) fn owe(&mut self, now: Duration) {
        self.full = self.full.max(now) + self.period;
    }

    /// Nothing is left: from now on calls are made at the rate, and a burst has to grow again.
    pub(super) fn empty(&mut self, now: Duration) {
        self.full = self.full.max(now + self.period * self.burst);
    }
}
