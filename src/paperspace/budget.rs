//! How often an account's API may be called, and whether: one budget for all keys, resources and tasks of the account.
//!
//! The API documents neither a limit nor headers, so the rate is the operator's own promise, and a 429 silences the whole account.
//!
//! | file | what |
//! |---|---|
//! | `bucket` | how many calls in which time |
//! | `turns` | who goes first when calls have to wait |
//! | `pause` | what a 429 orders, and how it goes on after that |
//! | `breaker` | an API that does not answer is left alone |
//! | `rule` | the four together, as one value; here it gets a clock, a lock and those who wait |

mod breaker;
mod bucket;
mod pause;
#[cfg(test)]
mod properties;
mod rule;
mod silence;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
mod turns;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub(super) use breaker::Change;
pub use breaker::News;
pub(super) use rule::Came;
use rule::{Asked, Rule};
pub use silence::{Cause, Silence};

use super::rate::Rate;

/// Who goes first when calls have to wait, as long as nobody waits for ever: see `turns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// What changes something.
    Mutation,
    /// A read that something waits for.
    #[default]
    Lookup,
    /// A poll that could as well be later.
    Idle,
}

impl Priority {
    /// A bounded word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mutation => "mutation",
            Self::Lookup => "lookup",
            Self::Idle => "idle",
        }
    }
}

/// The budget of one account.
pub struct Budget {
    shared: Arc<Shared>,
    /// Called when the API answers again.
    answers_again: Option<Box<dyn Fn() + Send + Sync>>,
}

struct Shared {
    began: Instant,
    state: Mutex<State>,
}

struct State {
    rule: Rule,
    /// How those who wait are told to ask again.
    bells: HashMap<u64, Arc<Notify>>,
}

impl State {
    fn ring_next(&self) {
        self.rule.next().and_then(|id| self.bells.get(&id)).into_iter().for_each(|bell| bell.notify_one());
    }

    fn ring_all(&self) {
        self.rule.waiting().filter_map(|id| self.bells.get(&id)).for_each(|bell| bell.notify_one());
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one call. Dropped without having been spent on one, it goes back.
#[must_use = "a permit is there to be spent on a call"]
pub struct Permit {
    shared: Arc<Shared>,
    id: u64,
    priority: Priority,
    waited: Duration,
    spent: bool,
}

impl Permit {
    /// How long it took to get.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// What it was got as.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// Its call is sent now, which counts from here; or is not, because the API has stopped answering since.
    pub(super) fn spend(mut self) -> Result<Sent, Silence> {
        let at = self.shared.now();
        let mut state = self.shared.state();
        state.rule.send(self.id, at)?;
        self.spent = true;
        // One token fewer is put aside.
        state.ring_next();
        Ok(Sent { id: self.id, at })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.spent {
            let mut state = self.shared.state();
            state.rule.give_back(self.id);
            state.ring_next();
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("priority", &self.priority).field("waited", &self.waited).finish_non_exhaustive()
    }
}

/// A call on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    id: u64,
    at: Duration,
}

impl Budget {
    /// A full bucket: `burst` calls at once, `per_second` in the long run.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::of(Rate::new(per_second, burst))
    }

    /// A full bucket.
    pub fn of(rate: Rate) -> Self {
        Self::with_jitter(rate, 0.0)
    }

    /// The same, whose pauses when nobody answers are its own: `jitter` is from 0 to 1.
    pub fn with_jitter(rate: Rate, jitter: f64) -> Self {
        let state = State { rule: Rule::new(rate, jitter), bells: HashMap::new() };
        Self { shared: Arc::new(Shared { began: Instant::now(), state: Mutex::new(state) }), answers_again: None }
    }

    /// The same, which calls this when the API answers after a time in which it did not.
    #[must_use]
    pub fn when_it_answers_again(mut self, call: impl Fn() + Send + Sync + 'static) -> Self {
        self.answers_again = Some(Box::new(call));
        self
    }

    /// Waits for a token for a change.
    pub async fn acquire(&self) -> Result<Permit, Silence> {
        self.acquire_as(Priority::Mutation).await
    }

    /// Waits for a token, a short pause included. An error at once where there will be none for a while: while the API does not answer, and
    /// through a longer pause. Dropping the future gives the place up and costs no token.
    pub async fn acquire_as(&self, priority: Priority) -> Result<Permit, Silence> {
        let asked = self.shared.now();
        let place = Place::take(&self.shared, priority);
        loop {
            let answer = {
                let (mut state, now) = (self.shared.state(), self.shared.now());
                let answer = state.rule.ask(place.id, priority, now);
                if answer == Asked::Granted {
                    state.ring_next();
                }
                answer
            };
            let until = match answer {
                Asked::Granted => {
                    let waited = self.shared.now().saturating_sub(asked);
                    return Ok(Permit { shared: self.shared.clone(), id: place.id, priority, waited, spent: false });
                }
                Asked::Refused(silence) => return Err(silence),
                Asked::WaitForOthers => {
                    place.bell.notified().await;
                    continue;
                }
                Asked::Wait(until) => until,
            };
            let _ = tokio::time::timeout_at(self.shared.began + until, place.bell.notified()).await;
        }
    }

    /// How long nothing will be sent because the API asked for it; `None` when it did not.
    pub fn paused_for(&self) -> Option<Duration> {
        self.shared.state().rule.paused_for(self.shared.now())
    }

    /// Why nothing is sent, or nothing but a look that is to find out whether something may be.
    pub fn silence(&self) -> Option<Silence> {
        self.shared.state().rule.silence(self.shared.now())
    }

    /// Whether the API does not answer.
    pub fn is_open(&self) -> bool {
        self.shared.state().rule.is_open()
    }

    /// What `who` should tell people: of each time without answers the first who asks, and of its end the same.
    pub fn news(&self, who: &str) -> Option<News> {
        self.shared.state().rule.news(who)
    }

    /// A call of this account was made before it was known to be this one's.
    pub(crate) fn owe(&self) {
        self.shared.state().rule.owe(self.shared.now());
    }

    /// What came of a call.
    pub(super) fn came(&self, sent: Sent, came: Came) -> Option<Change> {
        let change = {
            let (mut state, now) = (self.shared.state(), self.shared.now());
            let (news, change) = state.rule.came(sent.id, sent.at, now, came);
            if news {
                state.ring_all();
            }
            change
        };
        if let (Some(Change::Closed), Some(call)) = (change, &self.answers_again) {
            call();
        }
        change
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("silence", &self.silence()).finish_non_exhaustive()
    }
}

/// A place among those who wait, for as long as it lives.
struct Place<'a> {
    shared: &'a Shared,
    id: u64,
    bell: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Shared, priority: Priority) -> Self {
        let bell = Arc::new(Notify::new());
        let mut state = shared.state();
        let id = state.rule.join(priority);
        state.bells.insert(id, bell.clone());
        drop(state);
        Self { shared, id, bell }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.bells.remove(&self.id);
        state.rule.leave(self.id);
        state.ring_next();
    }
}
