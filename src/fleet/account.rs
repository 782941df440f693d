//! One account: its list, its budget, and who is woken by a change.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::listing::Listings;
use super::snapshot::Snapshot;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{ListView, MachineLook, Quota};
use crate::paperspace::types::Machine;
use crate::paperspace::{Client, Error, Priority};

/// When a whole account has not been read for this long, its resources have to say so.
const OUTAGE: Duration = Duration::from_mins(10);

/// A resource that wants to hear of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wake {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What a resource wants to hear of.
#[derive(Clone, Debug)]
pub struct Interest {
    /// The resource.
    pub wake: Wake,
    /// Machines that carry its mark.
    pub mark: Mark,
    /// Its machine.
    pub machine: Option<String>,
    /// What that was last seen to be. A list that says otherwise is news, also where the list before said the same.
    pub seen: Option<MachineLook>,
}

impl Interest {
    /// Whether this list is younger than what the resource knows of its machine, and says something else.
    fn contradicted_by(&self, snapshot: &Snapshot) -> bool {
        let (Some(id), Some(seen)) = (&self.machine, &self.seen) else { return false };
        seen.began < snapshot.began && seen.machine.as_ref() != snapshot.machine(id)
    }
}

/// One account.
pub struct Account {
    /// The team's id.
    pub team: String,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    transition: Duration,
    per_machine: bool,
    /// When the last look at one machine began that was answered.
    looked: Mutex<Duration>,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// Held while listing: whoever waits for it takes the list that was made meanwhile.
    listing: tokio::sync::Mutex<()>,
    failure: Mutex<Option<(Duration, Error)>>,
    /// The keys that opened this team, the last used first.
    clients: Mutex<Vec<Client>>,
    /// By the resource's uid.
    interests: Mutex<HashMap<String, Interest>>,
    /// Which machines were asked for lately, and when.
    asked: Mutex<HashMap<String, Duration>>,
    wake: Box<dyn Fn(Wake) + Send + Sync>,
    /// What else the account has, as far as somebody asked.
    pub listings: Listings,
    /// How many machines it may have, as the last session said.
    max_machines: Mutex<Option<usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    /// An account of which nothing is known yet. `now` is the time since the process started.
    pub fn new(
        team: String,
        transition: Duration,
        per_machine: bool,
        now: impl Fn() -> Duration + Send + Sync + 'static,
        wake: impl Fn(Wake) + Send + Sync + 'static,
    ) -> Self {
        Self {
            team,
            now: Box::new(now),
            transition,
            per_machine,
            looked: Mutex::default(),
            snapshot: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            failure: Mutex::default(),
            clients: Mutex::default(),
            interests: Mutex::default(),
            asked: Mutex::default(),
            wake: Box::new(wake),
            listings: Listings::default(),
            max_machines: Mutex::default(),
        }
    }

    /// The time since the process started.
    pub fn now(&self) -> Duration {
        (self.now)()
    }

    /// How many machines there are and may be.
    pub fn quota(&self) -> Quota {
        Quota { machines: self.snapshot().map_or(0, |s| s.len()), max: *lock(&self.max_machines) }
    }

    /// A session said how many machines the team may have.
    pub fn allows(&self, machines: Option<usize>) {
        *lock(&self.max_machines) = machines;
    }

    /// The last complete list.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        lock(&self.snapshot).clone()
    }

    /// The same where the account is listed regularly: else it may be of any age.
    pub fn polled(&self) -> Option<Arc<Snapshot>> {
        self.snapshot().filter(|_| !self.per_machine)
    }

    /// How long ago the account was last read as a whole (where its machines are looked at one by one: any of them), or the process started.
    pub fn unobserved_for(&self) -> Duration {
        let looked = if self.per_machine { *lock(&self.looked) } else { Duration::ZERO };
        (self.now)().saturating_sub(self.snapshot().map_or(looked, |s| s.began.max(looked)))
    }

    /// A resource and its machine, to be woken from now on: at once, if a list is known that says something else than it has seen.
    pub fn interest(&self, uid: &str, mut interest: Interest) {
        let mut interests = lock(&self.interests);
        if let Some(before) = interests.get(uid).filter(|before| interest.seen.is_none() && before.machine == interest.machine) {
            interest.seen.clone_from(&before.seen);
        }
        let late = self.snapshot().filter(|s| interest.contradicted_by(s)).map(|_| interest.wake.clone());
        interests.insert(uid.to_owned(), interest);
        drop(interests);
        if let Some(wake) = late {
            (self.wake)(wake);
        }
    }

    /// The resource is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.interests).remove(uid);
    }

    /// A complete list begun after this moment, made with this key unless somebody else just made one.
    pub async fn list(&self, client: &Client, begun_after: Duration) -> Result<Arc<Snapshot>, Error> {
        if let Some(snapshot) = self.snapshot().filter(|s| s.began >= begun_after) {
            return Ok(snapshot);
        }
        let arrived = (self.now)();
        let _listing = self.listing.lock().await;
        if let Some(snapshot) = self.snapshot().filter(|s| s.began >= begun_after) {
            return Ok(snapshot);
        }
        // Whoever waited while a list failed shares the failure instead of failing again in turn.
        if let Some((_, error)) = lock(&self.failure).clone().filter(|(began, _)| *began >= arrived) {
            return Err(error);
        }
        let began = (self.now)();
        match client.list_machines().await {
            Ok(machines) => Ok(self.store(Snapshot::new(began, machines))),
            Err(error) => {
                *lock(&self.failure) = Some((began, error.clone()));
                Err(error)
            }
        }
    }

    fn store(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        let before = lock(&self.snapshot).replace(snapshot.clone());
        *lock(&self.failure) = None;
        // The first list is news only to those who have seen something else.
        let (ids, marks) = before.map(|before| snapshot.changed_since(&before)).unwrap_or_default();
        let concerned =
            |i: &Interest| i.machine.as_ref().is_some_and(|id| ids.contains(id)) || marks.contains(&i.mark) || i.contradicted_by(&snapshot);
        let concerned: BTreeSet<Wake> = lock(&self.interests).values().filter(|i| concerned(i)).map(|i| i.wake.clone()).collect();
        concerned.into_iter().for_each(&self.wake);
        snapshot
    }

    /// What a list says to one resource.
    pub fn view(snapshot: &Snapshot, mark: &Mark, ids: &[&str]) -> ListView {
        let mut machines = snapshot.marked(mark);
        for id in ids {
            if let Some(machine) = snapshot.machine(id).filter(|m| !machines.iter().any(|known| known.id == m.id)) {
                machines.push(machine.clone());
            }
        }
        ListView { began: snapshot.began, machines }
    }

    /// One machine, looked at after this moment: from the last list, from a new one where many are asked for, else by a GET. That it is not
    /// there is said only by a GET.
    pub async fn machine(&self, client: &Client, id: &str, begun_after: Duration) -> Result<MachineLook, Error> {
        if self.per_machine {
            return self.get(client, id).await;
        }
        let row =
            |s: &Snapshot| s.machine(id).cloned().map(|machine| MachineLook { began: s.began, direct: false, machine: Some(machine) });
        if let Some(look) = self.snapshot().filter(|s| s.began >= begun_after).and_then(|s| row(&s)) {
            return Ok(look);
        }
        if self.many_asked(id) {
            let snapshot = self.list(client, begun_after).await?;
            if let Some(look) = row(&snapshot) {
                return Ok(look);
            }
        }
        self.get(client, id).await
    }

    /// Whether so many machines are looked at one by one that a list costs less.
    fn many_asked(&self, id: &str) -> bool {
        let now = (self.now)();
        let mut asked = lock(&self.asked);
        asked.retain(|_, at| now.saturating_sub(*at) <= self.transition);
        asked.insert(id.to_owned(), now);
        asked.len() > self.snapshot().map_or(1, |s| s.pages())
    }

    /// One machine by a direct GET.
    pub async fn get(&self, client: &Client, id: &str) -> Result<MachineLook, Error> {
        let began = (self.now)();
        let machine = match client.machine(id).await {
            Ok(machine) => Some(machine),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let mut looked = lock(&self.looked);
        *looked = began.max(*looked);
        Ok(MachineLook { began, direct: true, machine })
    }

    /// Remembers a key that opens this team, for polling.
    pub fn seen_client(&self, client: &Client) {
        let mut clients = lock(&self.clients);
        clients.retain(|c| !c.same_key(client));
        clients.insert(0, client.clone().with_read_priority(Priority::Idle));
    }

    /// The key that the account is read with of nobody's asking: one of an admin, and only while resources look at the account.
    pub(super) fn polling_client(&self) -> Option<Client> {
        let client = lock(&self.clients).first().cloned();
        client.filter(|_| !lock(&self.interests).is_empty())
    }

    /// Forgets a key that is not accepted any more.
    pub fn drop_client(&self, client: &Client) {
        lock(&self.clients).retain(|c| !c.same_key(client));
    }

    /// Whether this key was seen to open the team and nothing spoke against it since.
    pub fn trusts(&self, client: &Client) -> bool {
        lock(&self.clients).iter().any(|c| c.same_key(client))
    }

    /// All resources of the account.
    fn everyone(&self) -> BTreeSet<Wake> {
        lock(&self.interests).values().map(|i| i.wake.clone()).collect()
    }

    /// How many machines the account has, and how many resources look at it.
    pub fn counts(&self) -> (usize, usize) {
        (self.snapshot().map_or(0, |s| s.len()), lock(&self.interests).len())
    }

    /// Lists the account every interval, until stopped: sooner lists, made for somebody, count.
    pub async fn poll(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        let mut told = false;
        let mut next = interval;
        while stop.run_until_cancelled(tokio::time::sleep(next)).await.is_some() {
            let age = self.unobserved_for();
            if age < interval {
                next = interval.saturating_sub(age);
                continue;
            }
            next = interval;
            let Some(client) = self.polling_client() else { continue };
            match self.list(&client, (self.now)()).await {
                Ok(snapshot) => {
                    next = interval.saturating_sub(self.unobserved_for());
                    debug!(team = self.team, machines = snapshot.len(), "listed");
                    if std::mem::take(&mut told) {
                        info!(team = self.team, "the account can be read again");
                        self.everyone().into_iter().for_each(&self.wake);
                    }
                }
                Err(error) => {
                    warn!(team = self.team, %error, "the account could not be listed");
                    if error.is_unauthorized() {
                        // The next pass that uses it asks anew what it opens.
                        self.drop_client(&client);
                        self.everyone().into_iter().for_each(&self.wake);
                    }
                    if self.unobserved_for() >= OUTAGE && !std::mem::replace(&mut told, true) {
                        self.everyone().into_iter().for_each(&self.wake);
                    }
                }
            }
        }
    }

    /// The machines with this mark in the last list.
    pub fn marked(&self, mark: &Mark) -> Vec<Machine> {
        self.snapshot().map(|s| s.marked(mark)).unwrap_or_default()
    }
}
