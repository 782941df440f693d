//! A list that all resources of an account share: whoever needs it fresher than it is makes it anew, once for everybody who waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::lifecycle::observe::{Answer, Listed};
use crate::paperspace::Error;
use crate::paperspace::types::{CustomTemplate, OsTemplate, PrivateNetwork, PublicIp, Snapshot, StartupScript, TeamUser};

/// One shared list.
pub struct Listing<T> {
    last: Mutex<Option<Listed<T>>>,
    /// Held while listing: whoever waits for it takes the list that was made meanwhile.
    reading: tokio::sync::Mutex<()>,
    failure: Mutex<Option<(Duration, Error)>>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { last: Mutex::default(), reading: tokio::sync::Mutex::default(), failure: Mutex::default() }
    }
}

impl<T> Listing<T> {
    /// The last complete list, if it began at this moment or later.
    pub fn last(&self, begun_after: Duration) -> Option<Listed<T>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|l| l.began >= begun_after)
    }

    /// A complete list begun at this moment or later, read now unless there is one.
    pub async fn get(
        &self,
        now: impl Fn() -> Duration,
        begun_after: Duration,
        read: impl Future<Output = Result<Vec<T>, Error>>,
    ) -> Answer<Listed<T>> {
        if let Some(listed) = self.last(begun_after) {
            return Ok(listed);
        }
        let arrived = now();
        let _reading = self.reading.lock().await;
        if let Some(listed) = self.last(begun_after) {
            return Ok(listed);
        }
        // Whoever waited while a list failed shares the failure instead of failing again in turn.
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, error)) = failure.filter(|(began, _)| *began >= arrived) {
            return Err(error);
        }
        let began = now();
        let read = read.await;
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = read.as_ref().err().map(|error| (began, error.clone()));
        let listed = Listed { began, items: Arc::new(read?) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed.clone());
        Ok(listed)
    }
}

/// What an account has besides machines.
#[derive(Default)]
pub struct Listings {
    /// Paperspace's own templates.
    pub os_templates: Listing<OsTemplate>,
    /// The team's templates.
    pub custom_templates: Listing<CustomTemplate>,
    /// The team's private networks.
    pub networks: Listing<PrivateNetwork>,
    /// The team's users.
    pub users: Listing<TeamUser>,
    /// The team's static addresses.
    pub public_ips: Listing<PublicIp>,
    /// The team's startup scripts.
    pub scripts: Listing<StartupScript>,
    /// The snapshots of all of the team's machines.
    pub snapshots: Listing<Snapshot>,
}
