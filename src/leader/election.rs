//! Who of several may act: decided from values, as client-go's leader election does it.
//!
//! A record on the server names a holder, who writes it anew again and again. Another takes it over, by the version that it has seen, once
//! it has seen no change for as long as the record says. No clock is compared with another one: each measures by its own how long
//! something has lasted. The holder stops earlier than others may begin: its time counts from the moment *before* it sent what was
//! then confirmed, theirs from the moment *after* they have seen that.
//!
//! Several may have the same identity, and then hold it together.

use std::time::Duration;

use crate::lifecycle::observe::Moment;

/// How patient all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For how long a record must have been seen unchanged before it may be taken over.
    pub duration: Duration,
    /// How long the holder goes on without a confirmation.
    pub deadline: Duration,
    /// How often the record is looked at, and at most written.
    pub retry: Duration,
}

impl Timing {
    /// Whether the holder can keep its lease and stops before others begin; else what is to be different.
    pub fn check(self) -> Result<Self, String> {
        let Self { duration, deadline, retry } = self;
        if duration < Duration::from_secs(1) {
            return Err("--lease-duration: allowed is at least 1s".to_owned());
        }
        if duration <= deadline {
            return Err("--lease-duration: allowed is more than --renew-deadline".to_owned());
        }
        if deadline <= retry.mul_f64(1.2) {
            return Err("--renew-deadline: allowed is more than 1.2 times --retry-period".to_owned());
        }
        Ok(self)
    }
}

/// What the server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Empty: it was given back.
    pub holder: String,
    /// How long it must be seen unchanged.
    pub duration: Duration,
    /// Which writing of it this is.
    pub version: String,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask the server for the record.
    Look,
    /// Write the record with this identity, over the version that was seen last, or make it where there was none.
    Write,
    /// Nothing for so long.
    Wait(Duration),
    /// It was held and is not any more. This is final.
    Lost(Loss),
}

/// How it was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was not confirmed in time.
    Late,
    /// Another one has it.
    Taken(String),
}

/// One candidate for one record.
#[derive(Clone, Debug)]
pub struct Election {
    me: String,
    timing: Timing,
    seen: Option<Seen>,
    /// Whether something may be decided on what was seen.
    fresh: bool,
    /// When to look again.
    due: Duration,
    /// Before that moment it was certainly held.
    since: Option<Moment>,
}

#[derive(Clone, Debug)]
struct Seen {
    record: Option<Record>,
    /// When it had been seen for the first time.
    first: Duration,
    /// When that was asked which last found it so: what comes after it was written later.
    asked: Moment,
}

impl Election {
    /// Nothing is known yet.
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, seen: None, fresh: false, due: Duration::ZERO, since: None }
    }

    /// From when on, by the last confirmation, it is held for [`Timing::deadline`].
    pub fn since(&self) -> Option<Moment> {
        self.since
    }

    /// Who has it, as far as it is known.
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.record.as_ref().map(|record| record.holder.as_str())
    }

    /// The version that a write is to replace; none: it is to be made.
    pub fn version(&self) -> Option<&str> {
        self.seen.as_ref()?.record.as_ref().map(|record| record.version.as_str())
    }

    /// How much longer it is held; nothing where it is not.
    pub fn rest(&self, now: &Moment) -> Option<Duration> {
        let rest = self.timing.deadline.saturating_sub(now.at_most_since(&self.since?));
        (!rest.is_zero()).then_some(rest)
    }

    /// What to do now.
    pub fn next(&mut self, now: &Moment) -> Next {
        if self.since.is_some() && self.rest(now).is_none() {
            return Next::Lost(Loss::Late);
        }
        if now.mono < self.due {
            let due = self.due.saturating_sub(now.mono);
            return Next::Wait(self.rest(now).map_or(due, |rest| due.min(rest)));
        }
        let Some(seen) = self.seen.as_ref().filter(|_| self.fresh) else { return Next::Look };
        let held = self.since.is_some();
        let unchanged = now.mono.saturating_sub(seen.first);
        let patience = match &seen.record {
            Some(record) if record.holder == self.me => self.timing.retry * u32::from(held),
            Some(record) if record.holder.is_empty() => Duration::ZERO,
            Some(record) if held => return Next::Lost(Loss::Taken(record.holder.clone())),
            Some(record) => record.duration,
            // Removed by hand, perhaps: its holder may not know yet.
            None if !held => self.timing.duration,
            None => Duration::ZERO,
        };
        if unchanged >= patience {
            return Next::Write;
        }
        self.rest_until(now.mono + self.timing.retry.min(patience.saturating_sub(unchanged)));
        self.next(now)
    }

    /// The server was asked at `asked`, and the answer came at `received`.
    pub fn saw(&mut self, asked: Moment, received: &Moment, record: Option<Record>) {
        self.fresh = true;
        // That there is none has no version: between two looks that are far apart there may have been one.
        let since_then = |before: &Seen| record.is_some() || received.mono.saturating_sub(before.asked.mono) < self.timing.duration;
        if let Some(before) = self.seen.as_mut().filter(|before| before.record == record && since_then(before)) {
            before.asked = asked;
            return;
        }
        // One of the same identity has written it, after it had last been found different.
        let mine = record.as_ref().is_some_and(|record| record.holder == self.me);
        if let Some(before) = self.seen.as_ref().filter(|_| mine) {
            let asked = before.asked;
            self.confirmed(asked);
        }
        self.seen = Some(Seen { record, first: received.mono, asked });
    }

    /// The record that was sent at `sent` is the server's; that was known at `received`.
    pub fn wrote(&mut self, sent: Moment, received: &Moment, version: String) {
        let record = Record { holder: self.me.clone(), duration: self.timing.duration, version };
        self.seen = Some(Seen { record: Some(record), first: received.mono, asked: sent });
        self.confirmed(sent);
        self.rest_until(received.mono + self.timing.retry);
    }

    /// Another one wrote first, so that nothing was written.
    pub fn conflicted(&mut self) {
        self.fresh = false;
    }

    /// No answer, or a useless one: what was sent may have been done.
    pub fn failed(&mut self, now: &Moment) {
        self.rest_until(now.mono + self.timing.retry);
    }

    fn rest_until(&mut self, due: Duration) {
        self.fresh = false;
        self.due = due;
    }

    fn confirmed(&mut self, moment: Moment) {
        if self.since.is_none_or(|since| since.mono < moment.mono) {
            self.since = Some(moment);
        }
    }
}
