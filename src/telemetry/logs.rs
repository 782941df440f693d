//! The filter of the logs, as it is changed while the program runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::info;

use super::LogFilter;
use super::level::Levels;

/// Which logs are written. Clones are of the same.
#[derive(Clone)]
pub struct Logs {
    levels: Arc<Mutex<Levels>>,
    apply: Arc<dyn Fn(&LogFilter) + Send + Sync>,
    changed: Arc<Notify>,
}

impl Logs {
    /// `apply` makes a filter the one in force, which this one is already.
    pub(super) fn new(usual: LogFilter, apply: impl Fn(&LogFilter) + Send + Sync + 'static) -> Self {
        Self { levels: Arc::new(Mutex::new(Levels::new(usual))), apply: Arc::new(apply), changed: Arc::default() }
    }

    /// What is in force, for people.
    pub fn describe(&self) -> String {
        self.lock().describe(Instant::now())
    }

    /// Another filter, for a while or until the next change.
    pub fn ask(&self, filter: LogFilter, lasts: Option<Duration>) {
        let mut levels = self.lock();
        let before = levels.in_force().clone();
        levels.ask(filter, lasts, Instant::now());
        self.put(&before, levels.in_force(), lasts);
        self.changed.notify_one();
    }

    /// Puts the filter of the start back whenever it is due; for ever.
    pub async fn put_back(&self) {
        loop {
            let until = self.lock().until();
            let due = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {
                    let mut levels = self.lock();
                    let before = levels.in_force().clone();
                    if levels.expire(Instant::now()) {
                        self.put(&before, levels.in_force(), None);
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }

    /// That it changes is told by whichever of the two filters lets it through.
    fn put(&self, before: &LogFilter, now: &LogFilter, lasts: Option<Duration>) {
        let lasts = lasts.map(|lasts| humantime::format_duration(lasts).to_string());
        let tell = || info!(%before, %now, lasts, "another log filter");
        if before.shows_info() {
            tell();
        }
        (self.apply)(now);
        if !before.shows_info() {
            tell();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
