//! Start, stop, restart and the end of a machine.

use super::agenda::Step;
use super::choices;
use super::errors::Refusal;
use super::machine::{EventState, IpType, State};
use super::timing;
use super::world::World;

/// Hours to seconds.
const HOUR: f64 = 3600.0;

impl World {
    /// `PATCH /machines/{id}/start`; the event.
    pub(super) fn start(&mut self, at: usize) -> Result<String, Refusal> {
        if let Some(busy) = self.doing(at) {
            return Err(choices::busy(busy));
        }
        match self.stock.machines[at].state {
            State::Off => {
                self.check_standing(&self.stock.machines[at].team)?;
                Ok(self.begin_start(at))
            }
            _ if choices::START_WHEN_UP_IS_OK => Ok(self.nothing_to_do(at, "start")),
            _ => Err(choices::busy("running")),
        }
    }

    /// `PATCH /machines/{id}/stop`; the event.
    pub(super) fn stop(&mut self, at: usize) -> Result<String, Refusal> {
        match self.doing(at) {
            Some("starting" | "restarting") if choices::STOP_ENDS_A_START => {}
            Some(busy) => return Err(choices::busy(busy)),
            None => {}
        }
        let is_starting = self.power_event(&self.stock.machines[at].id).is_some();
        match self.stock.machines[at].state {
            State::Off if !is_starting && choices::STOP_WHEN_OFF_IS_OK => Ok(self.nothing_to_do(at, "stop")),
            State::Off if !is_starting => Err(choices::busy("off")),
            _ => Ok(self.begin_stop(at)),
        }
    }

    /// `PATCH /machines/{id}/restart`; the event.
    pub(super) fn restart(&mut self, at: usize) -> Result<String, Refusal> {
        match self.doing(at) {
            Some("restarting") if choices::RESTART_WHILE_RESTARTING_IS_OK => {}
            Some(busy) => return Err(choices::busy(busy)),
            None if self.stock.machines[at].state == State::Off => return Err(choices::restart_when_off()),
            None => {}
        }
        let (team, id) = self.whose(at);
        self.cancel_power(&id);
        let event = self.open_event(&team, Some(&id), "restart");
        self.plan(timing::EVENT_BEGINS, &id, Some(&event), Step::Begin);
        self.plan(timing::RESTART_LINGERS, &id, Some(&event), Step::Restarting);
        self.plan(timing::RESTART, &id, Some(&event), Step::Up);
        Ok(event)
    }

    /// `DELETE /machines/{id}`; the event.
    pub(super) fn delete(&mut self, at: usize) -> Result<String, Refusal> {
        let machine = &self.stock.machines[at];
        if let Some(event) = &machine.deactivation {
            return if choices::SECOND_DELETE_IS_OK { Ok(event.clone()) } else { Err(Refusal::not_found("Machine")) };
        }
        if machine.state != State::Off && !choices::DELETE_WHEN_ON_IS_OK {
            return Err(choices::not_off());
        }
        let (team, id) = self.whose(at);
        self.cancel_all(&id);
        let event = self.open_event(&team, Some(&id), "deactivate");
        let machine = &mut self.stock.machines[at];
        machine.deactivation = Some(event.clone());
        machine.dt_deleted = choices::DELETED_SHOWS_DATE.then_some(self.now);
        machine.dt_modified = self.now;
        self.plan(timing::EVENT_BEGINS, &id, Some(&event), Step::Begin);
        self.plan(timing::DELETE, &id, Some(&event), Step::Gone);
        Ok(event)
    }

    /// What keeps the machine busy, as the API's message names it.
    pub(super) fn doing(&self, at: usize) -> Option<&'static str> {
        let machine = &self.stock.machines[at];
        if machine.deactivation.is_some() {
            return Some("being deleted");
        }
        match machine.state {
            State::Provisioning => return Some("provisioning"),
            State::Starting => return Some("starting"),
            State::Stopping => return Some("stopping"),
            State::Restarting => return Some("restarting"),
            State::Upgrading => return Some("upgrading"),
            State::Off | State::ServiceReady | State::Ready => {}
        }
        // Accepted, not yet to be seen in the state.
        let event = self.power_event(&machine.id)?;
        match self.event(&event)?.name.as_str() {
            "start" => Some("starting"),
            "stop" => Some("stopping"),
            "restart" => Some("restarting"),
            _ => Some("upgrading"),
        }
    }

    pub(super) fn begin_start(&mut self, at: usize) -> String {
        let (team, id) = self.whose(at);
        let event = self.open_event(&team, Some(&id), "start");
        self.plan(timing::EVENT_BEGINS, &id, Some(&event), Step::Begin);
        self.plan(timing::START_LINGERS, &id, Some(&event), Step::PowerUp);
        event
    }

    pub(super) fn begin_stop(&mut self, at: usize) -> String {
        let (team, id) = self.whose(at);
        self.cancel_power(&id);
        let event = self.open_event(&team, Some(&id), "stop");
        self.plan(timing::EVENT_BEGINS, &id, Some(&event), Step::Begin);
        self.plan(timing::STOP_LINGERS, &id, Some(&event), Step::PowerDown);
        self.plan(timing::STOP, &id, Some(&event), Step::Down);
        event
    }

    /// An event that is done at once, for a call that changes nothing.
    fn nothing_to_do(&mut self, at: usize, name: &str) -> String {
        let (team, id) = self.whose(at);
        let event = self.open_event(&team, Some(&id), name);
        self.close_event(&event, EventState::Done, true);
        event
    }

    /// The clock of auto-shutdown begins now, if the machine has one.
    pub(super) fn plan_auto_shutdown(&mut self, at: usize) {
        let machine = &self.stock.machines[at];
        let id = machine.id.clone();
        let hours = machine.auto_shutdown_timeout.filter(|_| machine.auto_shutdown_enabled);
        self.cancel_auto_shutdown(&id);
        if let Some(hours) = hours {
            self.plan(hours * HOUR, &id, None, Step::AutoShutdown);
        }
    }

    pub(super) fn set_off(&mut self, at: usize) {
        let machine = &mut self.stock.machines[at];
        machine.state = State::Off;
        if machine.public_ip_type == IpType::Dynamic {
            machine.public_ip = None;
        }
    }

    /// The machine is gone; its snapshots too, its static address stays with the team.
    pub(super) fn destroy(&mut self, at: usize) {
        let (_, id) = self.whose(at);
        self.cancel_all(&id);
        let machine = &mut self.stock.machines[at];
        machine.exists = false;
        machine.state = State::Off;
        machine.dt_deleted = machine.dt_deleted.or(Some(self.now));
        for ip in self.stock.public_ips.iter_mut().filter(|ip| ip.assigned_machine_id.as_ref() == Some(&id)) {
            ip.assigned_machine_id = None;
        }
        for script in &mut self.stock.scripts {
            script.assigned_machine_ids.retain(|m| *m != id);
        }
        for snapshot in self.stock.snapshots.iter_mut().filter(|s| s.machine_id == id) {
            snapshot.exists = false;
        }
    }

    /// Team and id of the machine at a position.
    pub(super) fn whose(&self, at: usize) -> (String, String) {
        let machine = &self.stock.machines[at];
        (machine.team.clone(), machine.id.clone())
    }
}
