//! Paperspace, small: machines that take their time, events, addresses, and faults to order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::estate::Estate;
use crate::lifecycle::diff::static_address;
use crate::lifecycle::step::{Outcome, Step, StepKind};
use crate::paperspace::Error;
use crate::paperspace::types::{CreateMachine, EventState, Machine, MachineEvent, MachineState, PublicIp, PublicIpType, UpdateMachine};

/// What the next step of a kind meets.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It happens; the reply is lost.
    LoseReply,
    /// It does not happen, and that cannot be told.
    Drop,
    /// It happens this much later; the reply is lost.
    Late(Duration),
    /// It is refused.
    Refuse(u16, &'static str),
    /// It is accepted, and nothing comes of it.
    Ignore,
}

pub(super) const T0: &str = "2026-01-01T00:00:00Z";

/// A moment of the world's wall clock.
pub(super) fn wall(at: Duration) -> Timestamp {
    T0.parse::<Timestamp>().unwrap() + at
}

pub(super) fn rejected(status: u16, message: &str) -> Error {
    let code = if status == 404 { "NOT_FOUND" } else { "BAD_REQUEST" };
    Error::Rejected { route: "test", status, code: code.to_owned(), message: message.to_owned(), from_api: true, retry_after: None }
}

pub(super) fn transport(maybe_sent: bool) -> Error {
    Error::Transport { route: "test", maybe_sent, message: "connection reset".to_owned() }
}

/// A machine of the tests' usual spec, on.
pub(super) fn machine(id: &str, name: &str) -> Machine {
    Machine {
        id: id.to_owned(),
        name: name.to_owned(),
        state: MachineState::Ready,
        os: "Ubuntu".to_owned(),
        machine_type: "A4000".to_owned(),
        agent_type: "LinuxHeadless".to_owned(),
        cpus: 8.0,
        ram: 45 << 30,
        storage_total: 50 << 30,
        accelerators: vec![],
        region: "East Coast (NY2)".to_owned(),
        private_ip: Some("10.0.0.1".to_owned()),
        network_id: Some("n1".to_owned()),
        public_ip: Some("1.2.3.4".to_owned()),
        public_ip_type: PublicIpType::Dynamic,
        auto_shutdown_enabled: false,
        auto_shutdown_timeout: None,
        auto_shutdown_force: None,
        auto_snapshot_enabled: false,
        auto_snapshot_frequency: None,
        auto_snapshot_save_count: None,
        updates_pending: false,
        restore_point_enabled: false,
        restore_point_frequency: None,
        restore_point_snapshot_id: None,
        usage_rate: Some(0.76),
        storage_rate: None,
        dt_created: wall(Duration::ZERO),
        dt_deleted: None,
    }
}

/// An event of a machine.
pub(super) fn event(id: &str, name: &str, at: Duration, finished: Option<Duration>) -> MachineEvent {
    MachineEvent {
        id: id.to_owned(),
        name: name.to_owned(),
        state: if finished.is_some() { EventState::Done } else { EventState::New },
        machine_id: None,
        dt_created: wall(at),
        dt_started: None,
        dt_finished: finished.map(wall),
        error: None,
    }
}

#[derive(Default)]
pub(super) struct Cloud {
    pub(super) now: Duration,
    pub(super) machines: Vec<Machine>,
    /// Newest first.
    pub(super) events: BTreeMap<String, Vec<MachineEvent>>,
    pub(super) addresses: BTreeSet<String>,
    /// What becomes of a machine, and when: `None` is its end.
    pub(super) becoming: BTreeMap<String, Vec<(Duration, Option<MachineState>)>>,
    pub(super) late: Vec<(Duration, Step)>,
    pub(super) faults: BTreeMap<StepKind, Vec<Fault>>,
    /// A machine that is being destroyed has a deletion time while it is still shown.
    pub(super) shows_deleted: bool,
    /// What requests made, the destroyed included.
    pub(super) born: BTreeSet<String>,
    /// Starts end with the machine off again.
    pub(super) no_capacity: bool,
    /// A machine that is being stopped goes on saying that it is on until it is off.
    pub(super) lingers: bool,
    /// Changes of type and disk are accepted, and their event ends in an error.
    pub(super) upgrades_fail: bool,
    pub(super) next: u32,
    /// What machines were asked for with.
    pub(super) bodies: Vec<CreateMachine>,
    /// What there is besides machines.
    pub(super) estate: Estate,
}

impl Cloud {
    /// One with this estate and no machines.
    pub(super) fn with(estate: Estate) -> Self {
        Self { estate, ..Self::default() }
    }

    pub(super) fn tick(&mut self, now: Duration) {
        self.now = now;
        let late: Vec<_> = self.late.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, step) in late {
            let _ = self.act(&step);
        }
        let ids: Vec<String> = self.becoming.keys().cloned().collect();
        for id in ids {
            let due: Vec<_> = self.becoming.get_mut(&id).unwrap().extract_if(.., |(at, _)| *at <= now).collect();
            for (at, state) in due {
                for event in self.events.entry(id.clone()).or_default().iter_mut().filter(|e| e.dt_finished.is_none()) {
                    event.dt_finished = Some(wall(at));
                    event.state = EventState::Done;
                }
                if let Some(state) = state {
                    self.get_mut(&id).into_iter().for_each(|m| m.state = state.clone());
                } else {
                    self.machines.retain(|m| m.id != id);
                    self.estate.unassign(&id);
                }
                self.estate_follows();
            }
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Machine> {
        self.machines.iter().find(|m| m.id == id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|m| m.id == id)
    }

    /// Queues an event.
    pub(super) fn note(&mut self, id: &str, name: &str, finished: Option<Duration>) {
        self.next += 1;
        let event = event(&format!("ev{}", self.next), name, self.now, finished);
        self.events.entry(id.to_owned()).or_default().insert(0, event);
    }

    /// Nothing that was begun ends.
    pub(super) fn keep_showing(&mut self) {
        self.becoming.clear();
    }

    fn becomes(&mut self, id: &str, after: u64, state: Option<MachineState>) {
        let at = self.now + Duration::from_secs(after);
        self.becoming.entry(id.to_owned()).or_default().push((at, state));
    }

    fn create(&mut self, body: &CreateMachine) -> Machine {
        self.next += 1;
        let id = format!("ps{}", self.next);
        self.bodies.push(body.clone());
        let static_ip = body.public_ip_type == Some(PublicIpType::Static);
        let ip = format!("9.9.9.{}", self.next);
        let mut new = machine(&id, &body.name);
        new.state = MachineState::Provisioning;
        new.machine_type.clone_from(&body.machine_type);
        new.storage_total = u64::from(body.disk_size) << 30;
        new.public_ip_type = body.public_ip_type.clone().unwrap_or(PublicIpType::None);
        new.public_ip = static_ip.then(|| ip.clone()).or_else(|| Some("5.5.5.5".to_owned()));
        new.dt_created = wall(self.now);
        new.network_id = body.network_id.clone().or(new.network_id);
        new.auto_shutdown_enabled = body.auto_shutdown_enabled == Some(true);
        new.auto_shutdown_timeout = body.auto_shutdown_timeout.map(f64::from);
        new.auto_shutdown_force = body.auto_shutdown_force;
        new.auto_snapshot_enabled = body.auto_snapshot_enabled == Some(true);
        new.auto_snapshot_frequency.clone_from(&body.auto_snapshot_frequency);
        new.auto_snapshot_save_count = body.auto_snapshot_save_count.map(f64::from);
        new.restore_point_enabled = body.restore_point_enabled == Some(true);
        if static_ip {
            self.addresses.insert(ip);
        }
        if let Some(script) = &body.startup_script_id {
            self.estate.assign(script, &id);
        }
        self.machines.push(new.clone());
        self.estate.accessors.insert(id.clone(), body.accessor_ids.clone());
        self.born.insert(id.clone());
        self.note(&id, "create", None);
        let end = if body.start_on_create == Some(true) && !self.no_capacity { MachineState::Ready } else { MachineState::Off };
        self.becomes(&id, 30, Some(end));
        new
    }

    /// All of the team's static addresses: those that were asked for with a machine, and its own.
    pub(super) fn public_ips(&self) -> Vec<PublicIp> {
        let has = |ip: &str| self.machines.iter().find(|m| static_address(m) == Some(ip)).map(|m| m.id.clone());
        let row = |ip: &String| PublicIp { ip: ip.clone(), region: "ny2".to_owned(), assigned_machine_id: has(ip) };
        self.addresses.iter().map(row).chain(self.estate.public_ips.iter().cloned()).collect()
    }

    fn team_has(&self, ip: &str) -> bool {
        self.public_ips().iter().any(|row| row.ip == ip)
    }

    /// The address goes from whichever machine has it to this one.
    fn assigned(&mut self, ip: &str, to: Option<&str>) {
        for machine in self.machines.iter_mut().filter(|m| static_address(m) == Some(ip)) {
            (machine.public_ip, machine.public_ip_type) = (None, PublicIpType::None);
        }
        if let Some(machine) = to.and_then(|id| self.get_mut(id)) {
            (machine.public_ip, machine.public_ip_type) = (Some(ip.to_owned()), PublicIpType::Static);
        }
        self.estate_follows();
    }

    /// An address of the team's own is assigned to the machine that shows it.
    fn estate_follows(&mut self) {
        let machines = &self.machines;
        let has = |ip: &str| machines.iter().find(|m| static_address(m) == Some(ip)).map(|m| m.id.clone());
        for row in &mut self.estate.public_ips {
            let elsewhere =
                row.assigned_machine_id.as_ref().is_some_and(|id| machines.iter().all(|m| m.id != *id) && id.starts_with("other"));
            if !elsewhere {
                row.assigned_machine_id = has(&row.ip);
            }
        }
    }

    /// What the next step of this kind meets, where Kubernetes is asked.
    pub(super) fn fails(&mut self, kind: StepKind) -> Option<Error> {
        let faults = self.faults.entry(kind).or_default();
        (!faults.is_empty()).then(|| faults.remove(0)).map(|_| transport(false))
    }

    /// Does what a step asks, as far as no fault is in its way.
    pub(super) fn call(&mut self, step: &Step) -> Result<Outcome, Error> {
        let faults = self.faults.entry(step.kind()).or_default();
        match (!faults.is_empty()).then(|| faults.remove(0)) {
            None => self.act(step),
            Some(Fault::LoseReply) => self.act(step).and(Err(transport(true))),
            Some(Fault::Drop) => Err(transport(true)),
            Some(Fault::Late(after)) => {
                if matches!(step, Step::Create { .. } | Step::CreateScript { .. }) {
                    self.late.push((self.now + after, step.clone()));
                }
                Err(transport(true))
            }
            Some(Fault::Refuse(status, message)) => Err(rejected(status, message)),
            Some(Fault::Ignore) => Ok(self.machines.first().cloned().map_or(Outcome::Done, |m| Outcome::Machine(Box::new(m)))),
        }
    }

    fn act(&mut self, step: &Step) -> Result<Outcome, Error> {
        if let Some(result) = self.estate.act(step, self.now) {
            if let (Step::AssignIp { ip, machine }, Ok(_)) = (step, &result) {
                self.assigned(ip, machine.as_deref());
            }
            return result;
        }
        let (id, name, via, end) = match step {
            Step::Create { body, .. } => return Ok(Outcome::Machine(Box::new(self.create(body)))),
            Step::ReleaseIp { ip } if self.team_has(ip) => {
                self.assigned(ip, None);
                self.addresses.remove(ip);
                self.estate.public_ips.retain(|row| row.ip != *ip);
                return Ok(Outcome::Done);
            }
            Step::ReleaseIp { .. } => return Err(rejected(404, "no such address")),
            Step::Update { id, body, .. } => return self.update(id, body),
            Step::Start { id } | Step::Restart { id, off: true, .. } => {
                let end = if self.no_capacity { MachineState::Off } else { MachineState::Ready };
                (id, "start", Some(MachineState::Starting), Some(end))
            }
            Step::Stop { id } => (id, "stop", Some(MachineState::Stopping), Some(MachineState::Off)),
            Step::Restart { id, .. } => (id, "restart", Some(MachineState::Restarting), Some(MachineState::Ready)),
            Step::Delete { id } => (id, "deactivate", None, None),
            other => panic!("not a call: {other:?}"),
        };
        let (now, shows_deleted, lingers) = (wall(self.now), self.shows_deleted, self.lingers);
        let Some(machine) = self.get_mut(id) else { return Err(rejected(404, "no such machine")) };
        if let Some(via) = via.filter(|via| !(lingers && *via == MachineState::Stopping)) {
            machine.state = via;
        }
        if shows_deleted && end.is_none() {
            machine.dt_deleted = Some(now);
        }
        let machine = machine.clone();
        self.note(id, name, None);
        self.becomes(id, 20, end);
        Ok(Outcome::Machine(Box::new(machine)))
    }

    fn update(&mut self, id: &str, body: &UpdateMachine) -> Result<Outcome, Error> {
        let ip = format!("8.8.8.{}", self.addresses.len() + 1);
        let Some(machine) = self.machines.iter_mut().find(|m| m.id == id) else { return Err(rejected(404, "no such machine")) };
        if (body.machine_type.is_some() || body.disk_size.is_some()) && machine.state != MachineState::Off {
            return Err(rejected(400, "the machine must be off"));
        }
        if self.upgrades_fail && (body.machine_type.is_some() || body.disk_size.is_some()) {
            let machine = self.get(id).cloned();
            self.note(id, "vm-upgrade", Some(self.now));
            let event = &mut self.events.get_mut(id).unwrap()[0];
            (event.state, event.error) = (EventState::Error, Some("no host has room".to_owned()));
            return Ok(Outcome::Machine(Box::new(machine.unwrap())));
        }
        if let Some(name) = &body.name {
            machine.name.clone_from(name);
        }
        if let Some(kind) = &body.machine_type {
            machine.machine_type.clone_from(kind);
        }
        if let Some(gb) = body.disk_size {
            machine.storage_total = u64::from(gb) << 30;
        }
        if let Some(network) = &body.network_id {
            machine.network_id = Some(network.clone());
        }
        if let Some(enabled) = body.auto_shutdown_enabled {
            machine.auto_shutdown_enabled = enabled;
            machine.auto_shutdown_timeout = body.auto_shutdown_timeout.map(f64::from);
            machine.auto_shutdown_force = body.auto_shutdown_force;
        }
        if let Some(enabled) = body.auto_snapshot_enabled {
            machine.auto_snapshot_enabled = enabled;
            machine.auto_snapshot_frequency.clone_from(&body.auto_snapshot_frequency);
            machine.auto_snapshot_save_count = body.auto_snapshot_save_count.map(f64::from);
        }
        if let Some(enabled) = body.restore_point_enabled {
            machine.restore_point_enabled = enabled;
            machine.restore_point_snapshot_id.clone_from(&body.restore_point_snapshot_id);
        }
        let answer = match &body.public_ip_type {
            Some(kind) => {
                machine.public_ip_type = kind.clone();
                machine.public_ip = (*kind != PublicIpType::None).then(|| ip.clone());
                (*kind == PublicIpType::Static).then_some(ip)
            }
            None => None,
        };
        let machine = machine.clone();
        self.addresses.extend(answer);
        self.estate_follows();
        Ok(Outcome::Machine(Box::new(machine)))
    }
}
