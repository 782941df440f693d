//! Listing an account again and again, of nobody's asking.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::account::Account;
use super::interest::Wake;
use crate::lifecycle::backoff;
use crate::paperspace::Priority;

/// When a whole account has not been read for this long, its resources have to say so.
const OUTAGE: Duration = Duration::from_mins(10);

/// How soon a list is tried again that was not sent.
const SOONEST: Duration = Duration::from_secs(1);

/// By how much two lists may be further apart, or closer together, than they are on average.
const SPREAD: f64 = 0.1;

/// How far apart an account's lists are: accounts, and operators that started together, are not to list in step.
pub(super) struct Beat {
    interval: Duration,
    /// Its own for each account and process.
    seed: String,
    count: u32,
}

impl Beat {
    pub(super) fn new(interval: Duration, seed: String) -> Self {
        Self { interval, seed, count: 0 }
    }

    /// Before the first list: any part of the interval.
    pub(super) fn first(&self) -> Duration {
        self.interval.mul_f64(backoff::fraction(&format!("{}/before the first", self.seed)))
    }

    /// To the next list: of each two one is as much longer as the other is shorter, so that the calls of an hour stay what they are.
    pub(super) fn next(&mut self) -> Duration {
        let more = SPREAD * backoff::fraction(&format!("{}/{}/to the next", self.count / 2, self.seed));
        self.count = self.count.wrapping_add(1);
        self.interval.mul_f64(if self.count % 2 == 1 { 1.0 + more } else { 1.0 - more })
    }
}

impl Account {
    /// Lists the account every interval, until stopped: sooner lists, made for somebody, count.
    pub(super) async fn poll(self: Arc<Self>, mut beat: Beat, stop: CancellationToken) {
        let mut told = false;
        let mut due = beat.first();
        let mut next = due;
        while stop.run_until_cancelled(tokio::time::sleep(next)).await.is_some() {
            let age = self.unobserved_for();
            if age < due {
                next = due.saturating_sub(age);
                continue;
            }
            due = beat.next();
            next = due;
            let Some(client) = self.polling_client() else {
                self.tell_of_outage(&mut told);
                continue;
            };
            // What somebody waits for goes first, but not for ever: also what is idle has to be seen. Once begun, the list is a look-up like
            // others: somebody may wait for it by now.
            let turn = tokio::time::timeout(due, client.budget().acquire_as(Priority::Idle));
            let Some(turn) = stop.run_until_cancelled(turn).await else { return };
            // While nothing is sent, the list says so.
            let client = if let Ok(Ok(permit)) = turn { client.spending(permit) } else { client };
            match self.list(&client, self.now()).await {
                Ok(snapshot) => {
                    next = due.saturating_sub(self.unobserved_for());
                    debug!(team = self.team, machines = snapshot.len(), "listed");
                    if std::mem::take(&mut told) {
                        info!(team = self.team, "the account can be read again");
                        self.wake(self.everyone());
                    }
                }
                Err(error) => {
                    warn!(team = self.team, %error, "the account could not be listed");
                    // The poll is the look that finds out whether the API answers again.
                    if let Some(silence) = error.silence() {
                        next = silence.retry_after.clamp(SOONEST, due.max(SOONEST));
                    }
                    if error.is_unauthorized() {
                        // The next pass that uses it asks anew what it opens.
                        self.drop_client(&client);
                        self.wake(self.everyone());
                    }
                    self.tell_of_outage(&mut told);
                }
            }
        }
    }

    /// Wakes all resources of an account that has not been read for long, once.
    fn tell_of_outage(&self, told: &mut bool) {
        let everyone = self.everyone();
        if self.unobserved_for() >= OUTAGE && !everyone.is_empty() && !std::mem::replace(told, true) {
            self.wake(everyone);
        }
    }

    fn wake(&self, resources: BTreeSet<Wake>) {
        resources.into_iter().for_each(self.waker());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_accounts_and_operators_fall_apart_and_an_hour_has_as_many_as_without() {
        let interval = Duration::from_secs(30);
        let times = |seed: &str| {
            let mut beat = Beat::new(interval, seed.to_owned());
            let first = beat.first();
            assert!(first <= interval);
            let gaps: Vec<Duration> = (0..120).map(|_| beat.next()).collect();
            assert!(gaps.iter().all(|gap| *gap >= interval.mul_f64(0.9) && *gap <= interval.mul_f64(1.1)), "{gaps:?}");
            let hour = gaps.iter().sum::<Duration>();
            assert!(hour.abs_diff(Duration::from_hours(1)) < Duration::from_millis(1), "{hour:?}");
            assert!(gaps.iter().map(Duration::as_millis).collect::<BTreeSet<_>>().len() > 100, "{gaps:?}");
            first
        };
        let firsts: BTreeSet<u128> = ["te1/a", "te1/b", "te2/a", "te2/b"]
            .into_iter()
            .flat_map(|team| (0..25).map(move |n| times(&format!("{team}{n}")).as_millis()))
            .collect();
        assert!(firsts.len() > 95, "{firsts:?}");
        let (low, high) = (firsts.first().unwrap_or(&0), firsts.last().unwrap_or(&0));
        assert!(*low < 3000 && *high > 27_000, "all over the interval: {firsts:?}");
        assert_eq!(times("te1/a"), times("te1/a"));
    }
}
