//! The whole rule of a budget as a value: who may call when. No clock, no waiting; times are since some beginning.

use std::time::Duration;

use super::Priority;
use super::breaker::{Breaker, Change, News};
use super::bucket::Bucket;
use super::pause::Pause;
use super::silence::{Cause, Silence};
use super::turns::Turns;
use crate::paperspace::Rate;

/// A silence that lasts no longer is waited for; over a longer one the caller has better things to do.
const WAITED_FOR: Duration = Duration::from_secs(5);

/// What becomes of somebody who asks for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is given.
    Granted,
    /// There will be none for a while.
    Refused(Silence),
    /// Ask again then, or when told to.
    Wait(Duration),
    /// It is somebody else's turn: ask again when told to.
    WaitForOthers,
}

/// What came of a call, as far as it matters to others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Came<'a> {
    /// A reply that is a success.
    Well,
    /// Another answer.
    Answered,
    /// 429.
    RateLimited(Option<Duration>),
    /// See [`Breaker`].
    Failed(&'a str, Option<Duration>),
}

/// Bucket, turns, pause and breaker of one account.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    bucket: Bucket,
    turns: Turns,
    pause: Pause,
    breaker: Breaker,
    last: u64,
}

impl Rule {
    pub(super) fn new(rate: Rate, jitter: f64) -> Self {
        Self { bucket: Bucket::new(rate), turns: Turns::default(), pause: Pause::default(), breaker: Breaker::new(jitter), last: 0 }
    }

    /// Somebody wants to call.
    pub(super) fn join(&mut self, priority: Priority) -> u64 {
        self.last += 1;
        self.turns.join(self.last, priority);
        self.last
    }

    /// And does not any more.
    pub(super) fn leave(&mut self, id: u64) {
        self.turns.leave(id);
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<u64> {
        self.turns.next()
    }

    /// All who wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u64> {
        self.turns.all()
    }

    /// May this one call?
    pub(super) fn ask(&mut self, id: u64, priority: Priority, now: Duration) -> Asked {
        let reads = priority != Priority::Mutation;
        if let Some(silence) = self.silence(now).filter(|_| !(self.breaker.allows(id, reads, now) && self.short_pause(now))) {
            return Asked::Refused(silence);
        }
        if self.turns.next() != Some(id) {
            return Asked::WaitForOthers;
        }
        if let Some(until) = self.pause.holds(now) {
            return Asked::Wait(until);
        }
        match self.bucket.ready(now) {
            Some(at) if at <= now => {
                self.turns.give();
                self.bucket.put_aside(id, now);
                self.pause.gave(id, now);
                self.breaker.gave(id, now);
                Asked::Granted
            }
            Some(at) => Asked::Wait(at),
            // Those who have theirs spend it or give it back, and the next one is told.
            None => Asked::Wait(self.bucket.frees().unwrap_or(now)),
        }
    }

    /// Why nothing is sent, or no change, if so.
    pub(super) fn silence(&self, now: Duration) -> Option<Silence> {
        if let Some((since, why, until)) = self.breaker.open() {
            let (lasted, retry_after) = (now.saturating_sub(since), until.saturating_sub(now));
            return Some(Silence { cause: Cause::Unavailable, why: why.to_owned(), lasted, retry_after });
        }
        let until = self.pause.until(now).filter(|_| !self.short_pause(now))?;
        let (lasted, retry_after) = (now.saturating_sub(self.pause.since()), until.saturating_sub(now));
        Some(Silence { cause: Cause::RateLimited, why: String::new(), lasted, retry_after })
    }

    fn short_pause(&self, now: Duration) -> bool {
        self.pause.until(now).is_none_or(|until| until <= now + WAITED_FOR)
    }

    /// How long nothing is sent because the API asked for it.
    pub(super) fn paused_for(&self, now: Duration) -> Option<Duration> {
        self.pause.until(now).map(|until| until.saturating_sub(now))
    }

    /// The call is being sent, unless the breaker has opened since its token was given. A pause that began since does not hold it up.
    pub(super) fn send(&mut self, id: u64, now: Duration) -> Result<(), Silence> {
        if let Some(silence) = self.silence(now).filter(|_| !self.breaker.allows(id, false, now)) {
            self.give_back(id);
            return Err(silence);
        }
        self.bucket.spend(id, now);
        Ok(())
    }

    /// The call is not made.
    pub(super) fn give_back(&mut self, id: u64) {
        self.bucket.give_back(id);
        self.pause.give_back(id);
        self.breaker.give_back(id);
    }

    /// A call of this account was charged to nobody.
    pub(super) fn owe(&mut self, now: Duration) {
        self.bucket.owe(now);
    }

    /// What came of a call that was sent at `sent`. Whether those who wait have to ask again, and what changed.
    pub(super) fn came(&mut self, id: u64, sent: Duration, now: Duration, came: Came) -> (bool, Option<Change>) {
        let slower = match came {
            Came::RateLimited(retry_after) => self.pause.ordered(sent, now, retry_after),
            Came::Well => self.pause.answered(id, sent, true),
            Came::Answered | Came::Failed(..) => self.pause.answered(id, sent, false),
        };
        let change = match came {
            Came::Failed(why, retry_after) => self.breaker.failed(id, sent, now, why, retry_after),
            Came::Well | Came::Answered | Came::RateLimited(_) => self.breaker.answered(id, now),
        };
        if slower || change == Some(Change::Closed) {
            self.bucket.empty(now);
        }
        (slower || change.is_some(), change)
    }

    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    pub(super) fn news(&mut self, who: &str) -> Option<News> {
        self.breaker.news(who)
    }
}
