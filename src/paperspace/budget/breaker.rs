//! What keeps an account from calling an API that does not answer.

use std::time::Duration;

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// The first pause; doubled by each look that fails.
const FIRST: Duration = Duration::from_secs(5);
/// Where doubling ends.
const LONGEST: Duration = Duration::from_mins(5);
/// For how long a look that is to decide is waited for: longer than a call may take.
const PROBE: Duration = Duration::from_secs(35);

/// Closed, open, or open with one look on its way (half-open).
///
/// What counts as a failure: no usable reply (connection, TLS, time-out, a redirect, a body that broke off) and any 5xx. Everything else is an
/// answer: any 4xx, 429 too, which has a pause of its own, and a 200 whose body cannot be read. An answer ends the row. Five failures in a
/// row open it; a share in a window would add nothing, since of calls of which most fail five soon do so in a row.
///
/// While it is open nothing is sent. After the pause one look is: never a change, least of all a create, whose fate would then be unknown. Its
/// answer closes the breaker, its failure doubles the pause, 5 s to 5 min, and up to a fifth more, so that accounts do not move in step. A
/// breaker that opens again within five minutes goes on where it was.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    state: State,
    /// The account's own part of the fifth, 0 to 1.
    jitter: f64,
    /// When it was last closed, and how long its pause was then.
    before: Option<(Duration, Duration)>,
    /// Who told of the last opening, to tell of its end; and how long that lasted.
    told: Option<(String, Option<Duration>)>,
}

#[derive(Clone, Debug)]
enum State {
    Closed { failures: u32, first: Duration },
    Open { since: Duration, why: String, pause: Duration, until: Duration, probe: Option<(u64, Duration)>, told: bool },
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Closed,
}

/// What there is to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It opened: why.
    Opened(String),
    /// It closed, after so long.
    Closed(Duration),
}

impl Breaker {
    pub(super) fn new(jitter: f64) -> Self {
        Self { state: State::Closed { failures: 0, first: Duration::ZERO }, jitter, before: None, told: None }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Since when nothing was answered, why, and when a look is tried next, while it is open.
    pub(super) fn open(&self) -> Option<(Duration, &str, Duration)> {
        match &self.state {
            State::Open { since, why, until, probe, .. } => Some((*since, why, probe.map_or(*until, |(_, by)| by.max(*until)))),
            State::Closed { .. } => None,
        }
    }

    /// Whether a call may get a token, or be sent if it has one.
    pub(super) fn allows(&self, id: u64, reads: bool, now: Duration) -> bool {
        match &self.state {
            State::Closed { .. } => true,
            State::Open { probe: Some((probe, by)), .. } if now < *by => *probe == id,
            State::Open { until, .. } => reads && now >= *until,
        }
    }

    /// A token is given to this call.
    pub(super) fn gave(&mut self, id: u64, now: Duration) {
        if let State::Open { probe, .. } = &mut self.state {
            *probe = Some((id, now + PROBE));
        }
    }

    /// The call is not made.
    pub(super) fn give_back(&mut self, id: u64) {
        if let State::Open { probe, .. } = &mut self.state {
            *probe = probe.filter(|(probe, _)| *probe != id);
        }
    }

    /// A call failed as described above.
    pub(super) fn failed(&mut self, id: u64, sent: Duration, now: Duration, why: &str, retry_after: Option<Duration>) -> Option<Change> {
        let wished = retry_after.unwrap_or_default().min(LONGEST);
        match &mut self.state {
            // What was sent before it closed says nothing of the time after.
            State::Closed { .. } if self.before.is_some_and(|(closed, _)| sent < closed) => None,
            State::Closed { failures, first } => {
                if *failures == 0 {
                    *first = now;
                }
                *failures += 1;
                if *failures < FAILURES {
                    return None;
                }
                let since = *first;
                let pause = match self.before.filter(|(closed, _)| now < *closed + LONGEST) {
                    Some((_, pause)) => (pause * 2).min(LONGEST),
                    None => FIRST,
                };
                let until = now + self.jittered(pause.max(wished));
                self.state = State::Open { since, why: why.to_owned(), pause, until, probe: None, told: false };
                self.told = None;
                Some(Change::Opened)
            }
            State::Open { probe, pause, .. } => {
                if probe.is_none_or(|(probe, _)| probe != id) {
                    return None;
                }
                *pause = (*pause * 2).min(LONGEST);
                let wait = (*pause).max(wished);
                let until = now + self.jittered(wait);
                if let State::Open { until: end, probe, .. } = &mut self.state {
                    (*end, *probe) = (until, None);
                }
                None
            }
        }
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, id: u64, now: Duration) -> Option<Change> {
        match &mut self.state {
            State::Closed { failures, .. } => {
                *failures = 0;
                None
            }
            State::Open { probe: Some((probe, _)), since, pause, .. } if *probe == id => {
                self.before = Some((now, *pause));
                self.told.iter_mut().for_each(|(_, lasted)| *lasted = Some(now.saturating_sub(*since)));
                self.state = State::Closed { failures: 0, first: Duration::ZERO };
                Some(Change::Closed)
            }
            State::Open { .. } => None,
        }
    }

    /// What `who` should tell: of each opening the first who asks, and of its end the same.
    pub(super) fn news(&mut self, who: &str) -> Option<News> {
        match &mut self.state {
            State::Open { told, why, .. } if !*told => {
                *told = true;
                self.told = Some((who.to_owned(), None));
                Some(News::Opened(why.clone()))
            }
            State::Open { .. } => None,
            State::Closed { .. } => {
                let (_, lasted) = self.told.take_if(|(told, lasted)| told == who && lasted.is_some())?;
                lasted.map(News::Closed)
            }
        }
    }

    fn jittered(&self, pause: Duration) -> Duration {
        pause + pause.mul_f64(0.2 * self.jitter)
    }
}
