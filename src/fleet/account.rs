//! One account: its list, its budget, and who is woken by a change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::snapshot::Snapshot;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{ListView, MachineLook};
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

#[derive(Default)]
struct Interests {
    /// By the resource's uid.
    resources: HashMap<String, (Wake, Mark, Option<String>)>,
    /// The uid, by machine id.
    machines: HashMap<String, String>,
    /// The uid, by mark.
    marks: BTreeMap<Mark, String>,
}

/// One account.
pub struct Account {
    /// The team's id.
    pub team: String,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    transition: Duration,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// Held while listing: whoever waits for it takes the list that was made meanwhile.
    listing: tokio::sync::Mutex<()>,
    failure: Mutex<Option<(Duration, Error)>>,
    /// The keys that opened this team, the last used first.
    clients: Mutex<Vec<Client>>,
    interests: Mutex<Interests>,
    /// Which machines were asked for lately, and when.
    asked: Mutex<HashMap<String, Duration>>,
    wake: Box<dyn Fn(Wake) + Send + Sync>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    /// An account of which nothing is known yet. `now` is the time since the process started.
    pub fn new(
        team: String,
        transition: Duration,
        now: impl Fn() -> Duration + Send + Sync + 'static,
        wake: impl Fn(Wake) + Send + Sync + 'static,
    ) -> Self {
        Self {
            team,
            now: Box::new(now),
            transition,
            snapshot: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            failure: Mutex::default(),
            clients: Mutex::default(),
            interests: Mutex::default(),
            asked: Mutex::default(),
            wake: Box::new(wake),
        }
    }

    /// The last complete list.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        lock(&self.snapshot).clone()
    }

    /// How long ago the account was last read as a whole, or the process started.
    pub fn unobserved_for(&self) -> Duration {
        (self.now)().saturating_sub(self.snapshot().map_or(Duration::ZERO, |s| s.began))
    }

    /// A resource and its machine, to be woken from now on.
    pub fn interest(&self, uid: &str, wake: Wake, mark: Mark, machine: Option<String>) {
        let mut interests = lock(&self.interests);
        if interests.resources.get(uid).is_some_and(|(_, _, known)| *known == machine) {
            return;
        }
        if let Some(id) = &machine {
            interests.machines.insert(id.clone(), uid.to_owned());
        }
        interests.marks.insert(mark.clone(), uid.to_owned());
        interests.resources.insert(uid.to_owned(), (wake, mark, machine));
    }

    /// The resource is gone.
    pub fn forget(&self, uid: &str) {
        let mut interests = lock(&self.interests);
        if let Some((_, mark, machine)) = interests.resources.remove(uid) {
            interests.marks.remove(&mark);
            if let Some(id) = machine.filter(|id| interests.machines.get(id).is_some_and(|u| u == uid)) {
                interests.machines.remove(&id);
            }
        }
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
        // The first list is news to nobody: every resource is looked at when it is first seen.
        if let Some(before) = before {
            let (ids, marks) = snapshot.changed_since(&before);
            for wake in self.affected(&ids, &marks) {
                (self.wake)(wake);
            }
        }
        snapshot
    }

    fn affected(&self, ids: &BTreeSet<String>, marks: &BTreeSet<Mark>) -> BTreeSet<Wake> {
        let interests = lock(&self.interests);
        let by_id = ids.iter().filter_map(|id| interests.machines.get(id));
        let by_mark = marks.iter().filter_map(|mark| interests.marks.get(mark));
        by_id.chain(by_mark).filter_map(|uid| interests.resources.get(uid)).map(|(wake, _, _)| wake.clone()).collect()
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
        let row = |s: &Snapshot| s.machine(id).cloned().map(|machine| MachineLook { began: s.began, machine: Some(machine) });
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
        match client.machine(id).await {
            Ok(machine) => Ok(MachineLook { began, machine: Some(machine) }),
            Err(error) if error.is_not_found() => Ok(MachineLook { began, machine: None }),
            Err(error) => Err(error),
        }
    }

    /// Remembers a key that opens this team, for polling.
    pub fn seen_client(&self, client: &Client) {
        let mut clients = lock(&self.clients);
        clients.retain(|c| !c.same_key(client));
        clients.insert(0, client.clone().with_read_priority(Priority::Idle));
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
        lock(&self.interests).resources.values().map(|(wake, _, _)| wake.clone()).collect()
    }

    /// How many machines the account has, and how many resources look at it.
    pub fn counts(&self) -> (usize, usize) {
        (self.snapshot().map_or(0, |s| s.len()), lock(&self.interests).resources.len())
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
            let client = lock(&self.clients).first().cloned();
            let Some(client) = client.filter(|_| !lock(&self.interests).resources.is_empty()) else { continue };
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
