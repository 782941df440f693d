//! Which machines of an account were destroyed within the last hour, and a place among them for one more.
//!
//! Paperspace's own events say so, whoever destroyed them, so that nothing is forgotten over a restart or between shards. What this
//! process sends counts from the moment before it is sent.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::account::{Account, lock};
use super::listing::{Complete, Listing};
use crate::lifecycle::limit::{Destroyed, HOUR};
use crate::lifecycle::observe::Moment;
use crate::paperspace::types::MachineEvent;
use crate::paperspace::{Client, Error};

/// What destroying a machine is called among the events. The documentation lists the word without saying what it stands for.
const EVENT: &str = "deactivate";

/// How late an event may show in the list, and how far the API's clock may be behind: so much of what was read is read again.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// What an account knows of it.
#[derive(Default)]
pub(super) struct Destroys {
    listing: Listing<Read>,
    /// What this process sent, by machine. It stays for an hour, also where the list has it by then.
    sent: Mutex<BTreeMap<String, Timestamp>>,
}

/// A list, and how far it goes.
#[derive(Clone, Default)]
struct Read {
    destroyed: Destroyed,
    through: Timestamp,
}

impl Complete for Read {
    fn began(&self) -> Duration {
        self.destroyed.began
    }
}

impl Account {
    /// What was destroyed within the last hour, by a list that began after this moment, and by this process.
    pub async fn destroyed(&self, client: &Client, begun_after: Duration, wall: Timestamp) -> Result<Destroyed, Error> {
        let read = |began| async move {
            let known = self.destroys.listing.last(Duration::ZERO).unwrap_or_default();
            let since = ago(wall, HOUR).max(ago(known.through, LATE));
            let events = client.machine_events_since(since).await?;
            let mut at = known.destroyed.at;
            at.retain(|_, at| wall.duration_since(*at) < HOUR);
            for MachineEvent { machine_id, dt_created, .. } in events.into_iter().filter(|event| event.name == EVENT) {
                let at = at.entry(machine_id.unwrap_or_default()).or_insert(dt_created);
                *at = dt_created.max(*at);
            }
            Ok(Read { destroyed: Destroyed { began, at }, through: wall })
        };
        let Read { mut destroyed, .. } = self.destroys.listing.read(|| self.now(), begun_after, read).await?;
        for (id, sent) in &*lock(&self.destroys.sent) {
            destroyed.at.entry(id.clone()).or_insert(*sent);
        }
        Ok(destroyed)
    }

    /// Takes a place for the destruction of this machine, if there is one: of two that were decided on at the same time, one may be too many.
    pub fn may_destroy(&self, id: &str, most: Option<u32>, now: Moment) -> bool {
        let Some(most) = most else { return true };
        let mut destroyed = self.destroys.listing.last(Duration::ZERO).unwrap_or_default().destroyed;
        let mut sent = lock(&self.destroys.sent);
        sent.retain(|_, at| now.wall.duration_since(*at) < HOUR);
        destroyed.at.extend(sent.iter().map(|(id, at)| (id.clone(), *at)));
        let free = most > 0 && destroyed.next_at(id, most, now.wall).is_none();
        if free {
            sent.insert(id.to_owned(), now.wall);
        }
        free
    }

    /// Paperspace did certainly not destroy it: its place is free again.
    pub fn did_not_destroy(&self, id: &str) {
        lock(&self.destroys.sent).remove(id);
    }
}

fn ago(moment: Timestamp, duration: SignedDuration) -> Timestamp {
    moment.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}
