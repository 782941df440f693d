//! Everything that the simulated service knows, and its passing of time.
//!
//! Pure: no clock, no IO. Each call brings the time; what was due until then happens first, in order.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::agenda::Planned;
use super::arrivals::Arrivals;
use super::catalog;
use super::choices;
use super::errors::Refusal;
use super::faults::Faults;
use super::keys::{KeySpec, Role};
use super::machine::{Event, EventState, Machine};
use super::machines::Machines;
use super::resources::{CustomTemplate, Network, PublicIp, Script, Snapshot};
use super::rng::Rng;

/// A team: what a key opens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Team {
    pub(super) id: String,
    pub(super) number: usize,
    pub(super) max_machines: u64,
    /// Types of [`choices::NEEDS_APPROVAL`] that it may use.
    pub(super) approved: Vec<String>,
    /// What is in the way of creating and starting machines, in words for the customer.
    #[serde(default)]
    pub(super) standing: Option<String>,
    /// By region. They are in no list and `GET /private-networks/{id}` does not know them.
    pub(super) default_networks: BTreeMap<String, String>,
    pub(super) dt_created: Timestamp,
}

/// A user; each belongs to one team.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) email: String,
    pub(super) team: String,
    pub(super) role: Role,
    pub(super) dt_created: Timestamp,
}

/// What lists are made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stock {
    pub(super) machines: Machines,
    pub(super) public_ips: Vec<PublicIp>,
    pub(super) scripts: Vec<Script>,
    pub(super) networks: Vec<Network>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) templates: Vec<CustomTemplate>,
}

/// The service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct World {
    pub(super) now: Timestamp,
    /// How many times faster than life the durations are.
    #[serde(skip, default = "real_time")]
    pub(super) scale: f64,
    pub(super) rng: Rng,
    seq: u64,
    pub(super) teams: Vec<Team>,
    pub(super) users: Vec<User>,
    /// Key to user id.
    keys: BTreeMap<String, String>,
    pub(super) stock: Stock,
    /// Older stocks, for stale lists; the last is the one before the last change.
    #[serde(skip)]
    pub(super) history: Vec<(Timestamp, Stock)>,
    pub(super) events: Vec<Event>,
    pub(super) agenda: Vec<Planned>,
    #[serde(skip)]
    pub(super) faults: Faults,
    pub(super) calls: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(super) arrivals: Arrivals,
    /// The positions of the machines by id.
    #[serde(skip)]
    pub(super) places: HashMap<String, usize>,
}

fn real_time() -> f64 {
    1.0
}

/// How stale a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    BeforeLastChange,
    /// Milliseconds.
    Ago(u64),
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Caller {
    pub(super) team: String,
    pub(super) user: String,
    pub(super) is_member: bool,
}

impl Caller {
    /// Refuses members.
    pub(super) fn admin(&self) -> Result<(), Refusal> {
        if self.is_member { Err(Refusal::forbidden()) } else { Ok(()) }
    }

    /// Refuses members where the team's own things cannot be read by them.
    pub(super) fn reader(&self) -> Result<(), Refusal> {
        if choices::MEMBER_READS_TEAM { Ok(()) } else { self.admin() }
    }
}

impl World {
    pub(super) fn new(now: Timestamp, seed: u64) -> Self {
        Self {
            now,
            scale: real_time(),
            rng: Rng::new(seed),
            seq: 0,
            teams: Vec::new(),
            users: Vec::new(),
            keys: BTreeMap::new(),
            stock: Stock::default(),
            history: Vec::new(),
            events: Vec::new(),
            agenda: Vec::new(),
            faults: Faults::default(),
            calls: BTreeMap::new(),
            arrivals: Arrivals::default(),
            places: HashMap::new(),
        }
    }

    /// Accepts exactly these keys from now on. A key that was known keeps its user, a new one makes one.
    pub(super) fn set_keys(&mut self, specs: &[KeySpec]) {
        let old = std::mem::take(&mut self.keys);
        for spec in specs {
            self.ensure_team(&spec.team);
            let known = old.get(&spec.key).and_then(|id| self.users.iter_mut().find(|u| u.id == *id && u.team == spec.team));
            let id = if let Some(user) = known {
                user.role = spec.role;
                user.id.clone()
            } else {
                self.add_user(&spec.team, spec.role)
            };
            self.keys.insert(spec.key.clone(), id);
        }
    }

    pub(super) fn ensure_team(&mut self, id: &str) {
        if self.teams.iter().any(|t| t.id == id) {
            return;
        }
        let default_networks = catalog::REGIONS.iter().map(|r| (r.code.to_owned(), self.rng.id("n"))).collect();
        self.teams.push(Team {
            id: id.to_owned(),
            number: self.teams.len() + 1,
            max_machines: choices::MAX_MACHINES,
            approved: Vec::new(),
            standing: None,
            default_networks,
            dt_created: self.now,
        });
    }

    /// A new user of a team, by id.
    pub(super) fn add_user(&mut self, team: &str, role: Role) -> String {
        let seq = self.next_seq();
        let id = self.rng.id("u");
        let email = format!("{id}@example.com");
        self.users.push(User { seq, id: id.clone(), email, team: team.to_owned(), role, dt_created: self.now });
        id
    }

    /// Who has this key.
    pub(super) fn caller(&self, key: &str) -> Option<Caller> {
        let user = self.users.iter().find(|u| Some(&u.id) == self.keys.get(key))?;
        Some(Caller { team: user.team.clone(), user: user.id.clone(), is_member: user.role == Role::Member })
    }

    pub(super) fn team(&self, id: &str) -> Option<&Team> {
        self.teams.iter().find(|t| t.id == id)
    }

    pub(super) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// A duration of the simulated service.
    pub(super) fn span(&self, seconds: f64) -> SignedDuration {
        SignedDuration::try_from_secs_f64(seconds / self.scale).unwrap_or(SignedDuration::MAX)
    }

    /// Whether the caller sees the machine.
    pub(super) fn sees(caller: &Caller, machine: &Machine) -> bool {
        machine.exists
            && machine.team == caller.team
            && (!caller.is_member || machine.accessors.iter().any(|a| a.user_id == caller.user && a.dt_deleted.is_none()))
    }

    /// The position of a machine, also of one that is gone.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The position of a machine that the caller sees.
    pub(super) fn find(&self, caller: &Caller, id: &str) -> Result<usize, Refusal> {
        let found = self.position(id).filter(|at| Self::sees(caller, &self.stock.machines[*at]));
        found.ok_or_else(|| Refusal::not_found("Machine"))
    }

    /// The position of a machine that the caller sees and may change.
    pub(super) fn find_to_change(&self, caller: &Caller, id: &str) -> Result<usize, Refusal> {
        let at = self.find(caller, id)?;
        if !choices::MEMBER_MAY_CHANGE_ASSIGNED {
            caller.admin()?;
        }
        Ok(at)
    }

    /// A new event about a machine; its id.
    pub(super) fn open_event(&mut self, team: &str, machine: Option<&str>, name: &str) -> String {
        let (seq, id) = (self.next_seq(), self.rng.uuid());
        self.events.push(Event {
            seq,
            id: id.clone(),
            team: team.to_owned(),
            machine_id: machine.map(str::to_owned),
            name: name.to_owned(),
            state: EventState::New,
            dt_created: self.now,
            dt_started: None,
            dt_finished: None,
            error: None,
        });
        id
    }

    pub(super) fn event(&self, id: &str) -> Option<&Event> {
        self.events.iter().rev().find(|e| e.id == id)
    }

    fn event_mut(&mut self, id: &str) -> Option<&mut Event> {
        self.events.iter_mut().rev().find(|e| e.id == id)
    }

    pub(super) fn begin_event(&mut self, id: &str) {
        let now = self.now;
        if let Some(event) = self.event_mut(id).filter(|e| e.state == EventState::New) {
            event.state = EventState::InProgress;
            event.dt_started = Some(now);
        }
    }

    pub(super) fn close_event(&mut self, id: &str, state: EventState, finished: bool) {
        let now = self.now;
        if let Some(event) = self.event_mut(id).filter(|e| e.state.is_unfinished()) {
            event.state = state;
            event.dt_started = event.dt_started.or(Some(now));
            event.dt_finished = finished.then_some(now);
        }
    }

    /// Remembers the stock as it was, now that it has changed.
    pub(super) fn remember(&mut self, stock: Stock) {
        match self.faults.look_back() {
            // The one before the last change is enough.
            None => self.history.clear(),
            Some(back) => {
                let horizon = self.long_ago(back);
                let keep_from = self.history.iter().position(|(until, _)| *until > horizon).unwrap_or(self.history.len());
                self.history.drain(..keep_from);
            }
        }
        self.history.push((self.now, stock));
    }

    /// The stock as a stale list shows it.
    pub(super) fn stale_stock(&self, stale: Stale) -> &Stock {
        let old = match stale {
            Stale::BeforeLastChange => self.history.last(),
            Stale::Ago(back) => {
                let then = self.long_ago(back);
                self.history.iter().find(|(until, _)| *until > then)
            }
        };
        old.map_or(&self.stock, |(_, stock)| stock)
    }

    fn long_ago(&self, millis: u64) -> Timestamp {
        let back = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
        self.now.checked_sub(back).unwrap_or(Timestamp::MIN)
    }
}
