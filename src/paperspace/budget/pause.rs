//! The silence that the API asks for with a 429, and how an account begins again after it.

use std::time::Duration;

/// The first pause after a 429 that names none; doubled by each further one.
const FIRST: Duration = Duration::from_secs(1);
/// Where doubling ends.
const LONGEST: Duration = Duration::from_mins(1);
/// For how long the first call after a pause is waited for: longer than a call may take.
const PROBE: Duration = Duration::from_secs(35);

/// A 429 silences the whole account: for as long as it says, else for 1 s, doubled by each further one up to a minute. After that one call
/// is sent, and only when that was not answered with 429 the others follow, at the rate and without a burst.
///
/// A wish for less than a second is taken for none: obeyed to the letter it would let every call run into the next 429. A wish for more than
/// an hour has been cut when the reply was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Pause {
    until: Duration,
    /// When it was ordered: what was sent before says nothing about whether it helped.
    since: Option<Duration>,
    /// How long the next one is, where the API does not say.
    next: Option<Duration>,
    begins_again: BeginsAgain,
}

/// How far the account is in beginning again.
#[derive(Clone, Copy, Debug, Default)]
enum BeginsAgain {
    #[default]
    No,
    /// The next call is to be alone.
    Due,
    /// It was given its token; the others wait for what comes of it, until then at the latest.
    With { id: u64, by: Duration },
}

impl Pause {
    /// Until when nothing is sent, if it is.
    pub(super) fn until(&self, now: Duration) -> Option<Duration> {
        (now < self.until).then_some(self.until)
    }

    /// When it was ordered.
    pub(super) fn since(&self) -> Duration {
        self.since.unwrap_or_default()
    }

    /// Until when the next call waits: for the end of the pause, or for what comes of the first call after it.
    pub(super) fn holds(&self, now: Duration) -> Option<Duration> {
        let by = match self.begins_again {
            BeginsAgain::With { by, .. } => by,
            BeginsAgain::No | BeginsAgain::Due => Duration::ZERO,
        };
        Some(self.until.max(by)).filter(|until| now < *until)
    }

    /// A token is given to this call.
    pub(super) fn gave(&mut self, id: u64, now: Duration) {
        if !matches!(self.begins_again, BeginsAgain::No) {
            self.begins_again = BeginsAgain::With { id, by: now + PROBE };
        }
    }

    /// The call is not made.
    pub(super) fn give_back(&mut self, id: u64) {
        if matches!(self.begins_again, BeginsAgain::With { id: first, .. } if first == id) {
            self.begins_again = BeginsAgain::Due;
        }
    }

    /// A call that was sent at `sent` got a 429. Whether the pause is another one now.
    pub(super) fn ordered(&mut self, sent: Duration, now: Duration, retry_after: Option<Duration>) -> bool {
        // Of several calls in flight together, the first to fail has set the pause already.
        let known = self.since.is_some_and(|since| sent <= since);
        let wait = match retry_after.filter(|wait| *wait >= FIRST) {
            Some(wait) => wait,
            None if known => return false,
            None => {
                let wait = self.next.unwrap_or(FIRST);
                self.next = Some((wait * 2).min(LONGEST));
                wait
            }
        };
        self.since = Some(now);
        self.until = self.until.max(now + wait);
        self.begins_again = BeginsAgain::Due;
        true
    }

    /// Something else than a 429 came of a call. Whether that was the one that begins again, so that the others may follow.
    pub(super) fn answered(&mut self, id: u64, sent: Duration, well: bool) -> bool {
        if well && self.since.is_none_or(|since| sent > since) {
            self.next = None;
        }
        let first = matches!(self.begins_again, BeginsAgain::With { id: first, .. } if first == id);
        if first {
            self.begins_again = BeginsAgain::No;
        }
        first
    }
}
