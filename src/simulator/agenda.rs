//! What will happen, and when: the steps of each operation on a machine.
//!
//! Calls plan steps and are answered at once; [`World::advance`] takes the steps when their time has come. Nothing else changes a
//! machine's state by itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::choices;
use super::machine::{EventState, IpType, State};
use super::timing;
use super::world::World;

/// One thing that will happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Planned {
    at: Timestamp,
    /// Order among steps of one moment.
    seq: u64,
    /// The machine (or script) that it is about.
    pub(super) what: String,
    /// The event that it belongs to.
    pub(super) event: Option<String>,
    step: Step,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// The event is in progress.
    Begin,
    /// The event is done; nothing else changes.
    Finish,
    /// Creation is complete.
    Provisioned,
    /// A queued start finds capacity, or not.
    PowerUp,
    /// A start that found no capacity gives up.
    GiveUp,
    /// `serviceready`.
    ServicesUp,
    /// `ready`.
    Up,
    /// A dynamic address appears.
    Address,
    /// Auto-shutdown's time is over.
    AutoShutdown,
    /// `stopping`.
    PowerDown,
    /// `off`.
    Down,
    /// `restarting`.
    Restarting,
    /// `upgrading`.
    Upgrading,
    /// `off` again, with this type and disk.
    Upgraded { machine_type: String, disk_size: f64 },
    /// On another network.
    Migrated { network: String },
    /// The API does not know it any more.
    Gone,
    /// The API does not know the script any more.
    ScriptGone,
}

impl Step {
    /// Whether it is part of powering up or down: one such operation at a time.
    fn is_power(&self) -> bool {
        !matches!(
            self,
            Self::Begin | Self::Finish | Self::Migrated { .. } | Self::Gone | Self::ScriptGone | Self::Address | Self::AutoShutdown
        )
    }
}

impl World {
    /// Plans a step this many seconds ahead.
    pub(super) fn plan(&mut self, seconds: f64, what: &str, event: Option<&str>, step: Step) {
        let at = self.now.checked_add(self.span(seconds)).unwrap_or(Timestamp::MAX);
        let seq = self.next_seq();
        self.agenda.push(Planned { at, seq, what: what.to_owned(), event: event.map(str::to_owned), step });
    }

    /// When the next thing happens by itself.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.agenda.iter().map(|p| p.at).min()
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let looks_back = self.faults.look_back().is_some();
        while let Some(next) = self.take_due(now) {
            self.now = self.now.max(next.at);
            let before = looks_back.then(|| self.stock.clone());
            self.take(&next);
            if let Some(before) = before {
                self.remember(before);
            }
        }
        // Never backwards, whatever a wall clock does.
        self.now = self.now.max(now);
    }

    fn take_due(&mut self, now: Timestamp) -> Option<Planned> {
        let (index, _) = self.agenda.iter().enumerate().filter(|(_, p)| p.at <= now).min_by_key(|(_, p)| (p.at, p.seq))?;
        Some(self.agenda.swap_remove(index))
    }

    /// Drops what is planned for a machine, events and all.
    pub(super) fn cancel_all(&mut self, machine: &str) {
        self.cancel(machine, |_| true);
    }

    /// Drops the start, stop or restart that is under way, with what would follow from it.
    pub(super) fn cancel_power(&mut self, machine: &str) {
        let event = self.power_event(machine);
        self.cancel(machine, |p| {
            p.step.is_power() || matches!(p.step, Step::Address | Step::AutoShutdown) || (p.event.is_some() && p.event == event)
        });
    }

    /// Drops a planned auto-shutdown.
    pub(super) fn cancel_auto_shutdown(&mut self, machine: &str) {
        self.cancel(machine, |p| p.step == Step::AutoShutdown);
    }

    fn cancel(&mut self, machine: &str, which: impl Fn(&Planned) -> bool) {
        let (gone, kept) = std::mem::take(&mut self.agenda).into_iter().partition(|p| p.what == machine && which(p));
        self.agenda = kept;
        for planned in gone {
            if let Some(event) = planned.event {
                self.close_event(&event, EventState::Cancelled, true);
            }
        }
    }

    /// The event of the power operation that is under way.
    pub(super) fn power_event(&self, machine: &str) -> Option<String> {
        self.agenda.iter().find(|p| p.what == machine && p.step.is_power()).and_then(|p| p.event.clone())
    }

    /// Whether the machine is on its way to another network.
    pub(super) fn is_migrating(&self, machine: &str) -> bool {
        self.agenda.iter().any(|p| p.what == machine && matches!(p.step, Step::Migrated { .. }))
    }

    fn take(&mut self, planned: &Planned) {
        let event = planned.event.as_deref().unwrap_or_default();
        match &planned.step {
            Step::Begin => return self.begin_event(event),
            Step::Finish => return self.close_event(event, EventState::Done, true),
            Step::ScriptGone => return self.script_gone(&planned.what),
            _ => {}
        }
        let Some(at) = self.position(&planned.what).filter(|at| self.stock.machines[*at].exists) else { return };
        self.take_machine_step(at, &planned.what, event, &planned.step);
        self.stock.machines[at].dt_modified = self.now;
    }

    fn take_machine_step(&mut self, at: usize, id: &str, event: &str, step: &Step) {
        match step {
            Step::Provisioned => {
                self.close_event(event, EventState::Done, true);
                self.finish_provisioning(at);
                self.take_initial_snapshot(at);
                self.stock.machines[at].state = State::Off;
                if self.stock.machines[at].start_on_create {
                    self.begin_start(at);
                }
            }
            Step::PowerUp => self.power_up(at, id, event),
            Step::GiveUp => self.close_event(event, EventState::Error, choices::NO_CAPACITY_EVENT_FINISHES),
            Step::ServicesUp => self.stock.machines[at].state = State::ServiceReady,
            Step::Up => {
                self.close_event(event, EventState::Done, true);
                let machine = &mut self.stock.machines[at];
                machine.state = State::Ready;
                // A restart that came between a start and its address has dropped the plan for it.
                let lacks_address = machine.public_ip_type == IpType::Dynamic && machine.public_ip.is_none();
                if lacks_address && !self.agenda.iter().any(|p| p.what == id && p.step == Step::Address) {
                    self.plan(timing::DYNAMIC_ADDRESS - timing::START, id, None, Step::Address);
                }
                self.plan_auto_shutdown(at);
            }
            Step::Address => {
                let machine = &self.stock.machines[at];
                if machine.public_ip_type == IpType::Dynamic && machine.public_ip.is_none() {
                    let address = self.new_public_address();
                    self.stock.machines[at].public_ip = Some(address);
                }
            }
            Step::AutoShutdown => {
                if self.stock.machines[at].state.is_up() {
                    self.begin_stop(at);
                }
            }
            Step::PowerDown => self.stock.machines[at].state = State::Stopping,
            Step::Down => {
                self.close_event(event, EventState::Done, true);
                self.set_off(at);
            }
            Step::Restarting => {
                let machine = &mut self.stock.machines[at];
                machine.state = State::Restarting;
                if machine.public_ip_type == IpType::Dynamic && !choices::RESTART_KEEPS_DYNAMIC_ADDRESS {
                    machine.public_ip = None;
                    self.plan(timing::DYNAMIC_ADDRESS, id, None, Step::Address);
                }
            }
            Step::Upgrading => self.stock.machines[at].state = State::Upgrading,
            Step::Upgraded { machine_type, disk_size } => {
                self.close_event(event, EventState::Done, true);
                let machine = &mut self.stock.machines[at];
                machine.state = State::Off;
                machine.machine_type.clone_from(machine_type);
                machine.disk_size = *disk_size;
            }
            Step::Migrated { network } => {
                self.close_event(event, EventState::Done, true);
                self.join_network(at, network.clone());
            }
            Step::Gone => {
                self.close_event(event, EventState::Done, true);
                self.destroy(at);
            }
            Step::Begin | Step::Finish | Step::ScriptGone => {}
        }
    }

    fn power_up(&mut self, at: usize, id: &str, event: &str) {
        let machine = &mut self.stock.machines[at];
        if self.faults.starves(&machine.machine_type, &machine.region, &mut self.rng) {
            return self.plan(timing::NO_CAPACITY - timing::START_LINGERS, id, Some(event), Step::GiveUp);
        }
        machine.state = State::Starting;
        let dynamic = machine.public_ip_type == IpType::Dynamic;
        self.plan(timing::SERVICES_UP - timing::START_LINGERS, id, Some(event), Step::ServicesUp);
        self.plan(timing::START - timing::START_LINGERS, id, Some(event), Step::Up);
        if dynamic {
            self.plan(timing::DYNAMIC_ADDRESS - timing::START_LINGERS, id, None, Step::Address);
        }
    }
}
