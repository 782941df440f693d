//! How often an account's API may be called: one token bucket for all keys, resources and tasks of the account.
//!
//! The API documents neither a limit nor headers, so the bucket is the operator's own promise, and a 429 silences the whole account.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::rate::Rate;

/// The first pause after a 429 that names none; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Where doubling ends.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Who goes first when calls have to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What changes something.
    Mutation,
    /// A read that something waits for.
    #[default]
    Lookup,
    /// A poll that could as well be later.
    Idle,
}

/// The right to one call, to be spent by it.
#[must_use = "a token that is not spent on a call is lost to the account"]
#[derive(Debug)]
pub struct Permit {
    granted: Instant,
    waited: Duration,
}

impl Permit {
    /// How long it took to get.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// When it was given.
    pub(super) fn granted(&self) -> Instant {
        self.granted
    }
}

/// The token bucket of one account.
pub struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
    lanes: [Lane; 3],
    pause: Mutex<Pause>,
    /// What one token takes to grow.
    period: Duration,
}

/// Those of one priority that wait: in order, and only the first of them asks the bucket.
#[derive(Default)]
struct Lane {
    waiting: AtomicUsize,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    /// When the pause was ordered: what was sent before says nothing about whether it helped.
    since: Option<Instant>,
    next: Option<Duration>,
}

impl Budget {
    /// A full bucket: `burst` calls at once, `per_second` in the long run.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::of(Rate::new(per_second, burst))
    }

    /// A full bucket.
    pub fn of(rate: Rate) -> Self {
        // None only for a period of nothing, which no rate has.
        let quota = Quota::with_period(rate.period).unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(rate.burst);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, TokioClock(Instant::now())),
            lanes: Default::default(),
            pause: Mutex::default(),
            period: quota.replenish_interval(),
        }
    }

    /// Waits for a token with the highest priority.
    pub async fn acquire(&self) -> Permit {
        self.acquire_as(Priority::Mutation).await
    }

    /// Waits for a token: for the end of a pause, for those of a higher priority, for those who asked before. Dropping the future
    /// gives the place up and costs no token.
    pub async fn acquire_as(&self, priority: Priority) -> Permit {
        let asked = Instant::now();
        let (higher, lane) = match priority {
            Priority::Mutation => (&self.lanes[..0], &self.lanes[0]),
            Priority::Lookup => (&self.lanes[..1], &self.lanes[1]),
            Priority::Idle => (&self.lanes[..2], &self.lanes[2]),
        };
        let _place = Place::take(&lane.waiting);
        let _turn = lane.turn.lock().await;
        loop {
            if let Some(rest) = self.paused_for() {
                tokio::time::sleep(rest).await;
                continue;
            }
            if higher.iter().any(|lane| lane.waiting.load(Ordering::Acquire) > 0) {
                // They take the next token; look again when there could be one more.
                tokio::time::sleep(self.period).await;
                continue;
            }
            match self.limiter.check() {
                Ok(()) => {
                    let granted = Instant::now();
                    return Permit { granted, waited: granted - asked };
                }
                Err(not_until) => tokio::time::sleep(not_until.wait_time_from(self.limiter.clock().now())).await,
            }
        }
    }

    /// How long nothing will be sent because the API asked for it; `None` when it did not.
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.pause.lock().unwrap_or_else(PoisonError::into_inner).until?;
        let rest = until.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }

    /// Sends nothing before `until`; an earlier end than the present one changes nothing.
    pub fn pause_until(&self, until: Instant) {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        pause.until = Some(pause.until.map_or(until, |present| present.max(until)));
    }

    /// A call that was sent at `sent` got a 429.
    pub(super) fn rate_limited(&self, sent: Instant, retry_after: Option<Duration>) {
        let wait = {
            let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            let own_pause = pause.since.is_some_and(|since| sent <= since);
            match retry_after {
                // Of several calls in flight together, the first to fail has set the pause already.
                None if own_pause => return,
                None => {
                    let wait = pause.next.unwrap_or(FIRST_PAUSE);
                    pause.next = Some((wait * 2).min(LONGEST_PAUSE));
                    pause.since = Some(Instant::now());
                    wait
                }
                Some(wait) => {
                    pause.since = Some(Instant::now());
                    wait
                }
            }
        };
        self.pause_until(Instant::now() + wait);
    }

    /// A call that was sent at `sent` succeeded: the next back-off begins small again, unless the call is older than the last 429.
    pub(super) fn succeeded(&self, sent: Instant) {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        if pause.since.is_none_or(|since| sent > since) {
            pause.next = None;
        }
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("period", &self.period).field("paused_for", &self.paused_for()).finish_non_exhaustive()
    }
}

/// Counts one waiter of a lane for as long as it lives.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tokio's time, as that of the waiting is: tests in virtual time then need no real time.
#[derive(Clone, Copy, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn budget(per_second: u32, burst: u32) -> Arc<Budget> {
        Arc::new(Budget::new(NonZeroU32::new(per_second).unwrap(), NonZeroU32::new(burst).unwrap()))
    }

    /// How long `future` takes, in whole milliseconds.
    async fn time<T>(future: impl Future<Output = T>) -> u128 {
        let begin = Instant::now();
        future.await;
        begin.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let budget = budget(5, 10);
        let begin = Instant::now();
        for _ in 0..10 {
            let _ = budget.acquire().await;
        }
        assert!(begin.elapsed() < SECOND / 100, "{:?}", begin.elapsed());
        for _ in 0..50 {
            let _ = budget.acquire().await;
        }
        let took = begin.elapsed();
        assert!(took >= SECOND * 99 / 10 && took <= SECOND * 11, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_pauses_everyone() {
        let budget = budget(100, 100);
        assert_eq!(budget.paused_for(), None);
        budget.rate_limited(Instant::now(), Some(SECOND * 7));
        assert_eq!(budget.paused_for(), Some(SECOND * 7));
        // A shorter one does not end a longer one.
        budget.rate_limited(Instant::now(), Some(SECOND));
        let (one, other) = tokio::join!(time(budget.acquire()), time(budget.acquire_as(Priority::Idle)));
        assert!((7000..7100).contains(&one) && (7000..7100).contains(&other), "{one} {other}");
        assert_eq!(budget.paused_for(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn without_retry_after_the_pause_doubles_up_to_a_minute_until_a_success() {
        let budget = budget(100, 100);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let sent = budget.acquire().await.granted();
            tokio::time::advance(SECOND / 10).await;
            budget.rate_limited(sent, None);
            assert_eq!(budget.paused_for(), Some(SECOND * seconds));
            // Those that were in flight with it change nothing.
            budget.rate_limited(sent, None);
            budget.succeeded(sent);
            assert_eq!(budget.paused_for(), Some(SECOND * seconds));
        }
        let sent = budget.acquire().await.granted();
        budget.succeeded(sent);
        budget.rate_limited(sent, None);
        assert_eq!(budget.paused_for(), Some(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn mutations_go_before_lookups_before_polls() {
        let budget = budget(1, 1);
        let _ = budget.acquire().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let calls = [Priority::Idle, Priority::Lookup, Priority::Idle, Priority::Mutation, Priority::Lookup, Priority::Mutation];
        let mut tasks = Vec::new();
        for priority in calls {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _ = budget.acquire_as(priority).await;
                order.lock().unwrap().push(priority);
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let mut sorted = calls.to_vec();
        sorted.sort();
        assert_eq!(*order.lock().unwrap(), sorted);
    }

    #[tokio::test(start_paused = true)]
    async fn giving_up_costs_no_token_and_no_place() {
        let budget = budget(1, 1);
        let _ = budget.acquire().await;
        for _ in 0..20 {
            assert!(tokio::time::timeout(SECOND / 100, budget.acquire()).await.is_err());
        }
        let took = time(budget.acquire_as(Priority::Idle)).await;
        assert!((700..1100).contains(&took), "{took}");
    }
}
