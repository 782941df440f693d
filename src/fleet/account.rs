//! One account: its list, its budget, and who is woken by a change.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::destroyed::Destroys;
use super::interest::{Interest, Wake};
use super::listing::{Listing, Listings};
use super::snapshot::{Changes, Snapshot};
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{ListView, MachineLook, Quota};
use crate::paperspace::types::Machine;
use crate::paperspace::{Client, Error};

/// One account.
pub struct Account {
    /// The team's id.
    pub team: String,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    transition: Duration,
    per_machine: bool,
    /// When the last look at one machine began that was answered.
    looked: Mutex<Duration>,
    machines: Listing<Arc<Snapshot>>,
    /// The keys that opened this team, the last used first.
    clients: Mutex<Vec<Client>>,
    /// By the resource's uid.
    interests: Mutex<HashMap<String, Interest>>,
    asked: Mutex<Asked>,
    wake: Box<dyn Fn(Wake) + Send + Sync>,
    /// What else the account has, as far as somebody asked.
    pub listings: Listings,
    /// How many machines it may have, as the last session said.
    max_machines: Mutex<Option<usize>>,
    /// Who wants something of an API that does not answer.
    waiting: Mutex<BTreeSet<Wake>>,
    pub(super) destroys: Destroys,
}

/// Which machines were asked for lately.
#[derive(Default)]
struct Asked {
    last: HashMap<String, Duration>,
    /// Every time that one was asked for, in order.
    times: VecDeque<(Duration, String)>,
}

impl Asked {
    /// How many were asked for in this time, with this one.
    fn with(&mut self, id: &str, now: Duration, within: Duration) -> usize {
        self.last.insert(id.to_owned(), now);
        self.times.push_back((now, id.to_owned()));
        while let Some((at, id)) = self.times.pop_front_if(|(at, _)| now.saturating_sub(*at) > within) {
            if self.last.get(&id) == Some(&at) {
                self.last.remove(&id);
            }
        }
        self.last.len()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
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
            machines: Listing::default(),
            clients: Mutex::default(),
            interests: Mutex::default(),
            asked: Mutex::default(),
            wake: Box::new(wake),
            listings: Listings::default(),
            max_machines: Mutex::default(),
            waiting: Mutex::default(),
            destroys: Destroys::default(),
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
        self.machines.last(Duration::ZERO)
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
        let late = self.snapshot().filter(|s| interest.is_contradicted(s)).map(|_| interest.wake.clone());
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
        let mut made = None;
        let told = &mut made;
        let read = |began| async move {
            let before = self.snapshot();
            let kept = |machine| before.as_ref().and_then(|s| s.kept(&machine)).unwrap_or_else(|| Arc::new(machine));
            let snapshot = Arc::new(Snapshot::new(began, client.list_machines_as(kept).await?));
            // The first list is news only to those who have seen something else.
            *told = Some(before.as_ref().map(|before| snapshot.changed_since(before)).unwrap_or_default());
            Ok(snapshot)
        };
        let snapshot = self.machines.read(|| self.now(), begun_after, read).await?;
        if let Some(changes) = made {
            self.tell(&changes);
        }
        Ok(snapshot)
    }

    fn tell(&self, changes: &Changes) {
        let mut interests = lock(&self.interests);
        // Perhaps another by now, whose changes are told next: what agrees with a list must do so with the last one.
        let Some(snapshot) = self.snapshot() else { return };
        let concerned = interests.values_mut().filter_map(|i| i.is_concerned(changes, &snapshot).then(|| i.wake.clone()));
        let concerned: BTreeSet<Wake> = concerned.collect();
        drop(interests);
        concerned.into_iter().for_each(&self.wake);
    }

    /// What a list says to one resource.
    pub fn view(snapshot: &Snapshot, mark: &Mark, ids: &[&str]) -> ListView {
        let mut machines = snapshot.marked(mark);
        for id in ids {
            if let Some(machine) = snapshot.machine(id).filter(|m| !machines.iter().any(|known| known.id == m.id)) {
                machines.push(Machine::clone(machine));
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
        let row = |s: &Snapshot| {
            let machine = s.machine(id).map(|machine| Machine::clone(machine))?;
            Some(MachineLook { began: s.began, direct: false, machine: Some(machine) })
        };
        let known = self.machines.last(begun_after).and_then(|s| row(&s));
        // Who is content with any list asks for nothing. Who needs a young one counts, also where there is one: what it spared counts too.
        let many = (known.is_none() || !begun_after.is_zero()) && self.many_asked(id);
        if let Some(look) = known {
            return Ok(look);
        }
        if many {
            let snapshot = self.list(client, begun_after).await?;
            if let Some(look) = row(&snapshot) {
                return Ok(look);
            }
        }
        self.get(client, id).await
    }

    /// Whether so many machines are looked at one by one that a list costs less.
    fn many_asked(&self, id: &str) -> bool {
        lock(&self.asked).with(id, (self.now)(), self.transition) > self.snapshot().map_or(1, |s| s.pages())
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
        clients.insert(0, client.clone());
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

    /// The resource is woken when the API answers again.
    pub fn waits_for_an_answer(&self, wake: Wake) {
        lock(&self.waiting).insert(wake);
    }

    /// The API answers again. Those who are woken share their looks, and wait for the budget.
    pub(super) fn resume(&self) {
        std::mem::take(&mut *lock(&self.waiting)).into_iter().for_each(&self.wake);
    }

    /// All resources of the account.
    pub(super) fn everyone(&self) -> BTreeSet<Wake> {
        lock(&self.interests).values().map(|i| i.wake.clone()).collect()
    }

    /// Wakes a resource.
    pub(super) fn waker(&self) -> &(dyn Fn(Wake) + Send + Sync) {
        &self.wake
    }

    /// The machine of each resource that has one, as the last list shows it, with the resource's namespace.
    pub fn each_machine(&self, mut told: impl FnMut(&str, &Machine)) {
        let Some(snapshot) = self.snapshot() else { return };
        for interest in lock(&self.interests).values() {
            if let Some(machine) = interest.machine.as_ref().and_then(|id| snapshot.machine(id)) {
                told(&interest.wake.namespace, machine);
            }
        }
    }

    /// How many machines the account has, and how many resources look at it.
    pub fn counts(&self) -> (usize, usize) {
        (self.snapshot().map_or(0, |s| s.len()), lock(&self.interests).len())
    }

    /// The machines with this mark in the last list.
    pub fn marked(&self, mark: &Mark) -> Vec<Machine> {
        self.snapshot().map(|s| s.marked(mark)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_asked_for_lately_is_counted_once_and_not_for_longer() {
        let mut asked = Asked::default();
        let mut at = |id, second| asked.with(id, Duration::from_secs(second), Duration::from_secs(5));
        assert_eq!([at("a", 0), at("b", 1), at("a", 4)], [1, 2, 2]);
        assert_eq!(at("c", 6), 3, "b is five seconds old, and a was asked for again");
        assert_eq!(at("c", 7), 2, "b is older");
        assert_eq!(at("c", 10), 1);
        assert_eq!((asked.last.len(), asked.times.len()), (1, 3), "nothing is kept for ever");
    }
}
