//! What all resources of an account share: whoever needs it fresher than it is reads it anew, once for everybody who waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::snapshot::Snapshot;
use crate::lifecycle::observe::{Answer, Listed};
use crate::paperspace::Error;
use crate::paperspace::types::{self, CustomTemplate, OsTemplate, PrivateNetwork, PublicIp, StartupScript, TeamUser};

/// A complete list, however it is kept.
pub trait Complete: Clone {
    /// When the list began.
    fn began(&self) -> Duration;
}

impl<T> Complete for Listed<T> {
    fn began(&self) -> Duration {
        self.began
    }
}

impl Complete for Arc<Snapshot> {
    fn began(&self) -> Duration {
        self.began
    }
}

/// One shared list.
pub struct Listing<L> {
    last: Mutex<Option<L>>,
    /// Held while listing: whoever waits for it takes the list that was made meanwhile.
    reading: tokio::sync::Mutex<()>,
    failure: Mutex<Option<(Duration, Error)>>,
}

impl<L> Default for Listing<L> {
    fn default() -> Self {
        Self { last: Mutex::default(), reading: tokio::sync::Mutex::default(), failure: Mutex::default() }
    }
}

impl<L: Complete> Listing<L> {
    /// The last complete list, if it began at this moment or later.
    pub fn last(&self, begun_after: Duration) -> Option<L> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|list| list.began() >= begun_after)
    }

    /// A complete list begun at this moment or later. Unless there is one, it is read now: `read` is told when.
    pub async fn read<F: Future<Output = Answer<L>>>(
        &self,
        now: impl Fn() -> Duration,
        begun_after: Duration,
        read: impl FnOnce(Duration) -> F,
    ) -> Answer<L> {
        if let Some(list) = self.last(begun_after) {
            return Ok(list);
        }
        let arrived = now();
        let _reading = self.reading.lock().await;
        if let Some(list) = self.last(begun_after) {
            return Ok(list);
        }
        // Whoever waited while a list failed shares the failure instead of failing again in turn.
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, error)) = failure.filter(|(began, _)| *began >= arrived) {
            return Err(error);
        }
        let began = now();
        let read = read(began).await;
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = read.as_ref().err().map(|error| (began, error.clone()));
        let list = read?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(list.clone());
        Ok(list)
    }
}

impl<T> Listing<Listed<T>> {
    /// The same of rows that are kept as they are.
    pub async fn get(
        &self,
        now: impl Fn() -> Duration,
        begun_after: Duration,
        rows: impl Future<Output = Result<Vec<T>, Error>>,
    ) -> Answer<Listed<T>> {
        self.read(now, begun_after, |began| async move { Ok(Listed { began, items: Arc::new(rows.await?) }) }).await
    }
}

/// What an account has besides machines.
#[derive(Default)]
pub struct Listings {
    /// Paperspace's own templates.
    pub os_templates: Listing<Listed<OsTemplate>>,
    /// The team's templates.
    pub custom_templates: Listing<Listed<CustomTemplate>>,
    /// The team's private networks.
    pub networks: Listing<Listed<PrivateNetwork>>,
    /// The team's users.
    pub users: Listing<Listed<TeamUser>>,
    /// The team's static addresses.
    pub public_ips: Listing<Listed<PublicIp>>,
    /// The team's startup scripts.
    pub scripts: Listing<Listed<StartupScript>>,
    /// The snapshots of all of the team's machines.
    pub snapshots: Listing<Listed<types::Snapshot>>,
}
