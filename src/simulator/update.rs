//! `PUT /machines/{id}`.

use super::agenda::Step;
use super::catalog;
use super::choices;
use super::create::{IP_TYPES, RESTORE_FREQUENCIES, SNAPSHOT_FREQUENCIES, check_auto_shutdown};
use super::errors::Refusal;
use super::machine::{IpType, Machine, State};
use super::requests::{Field, Fields, Kind, optional};
use super::timing;
use super::world::World;

/// The body's fields.
pub(super) const BODY: &[Field] = &[
    optional("name", Kind::Text(1)),
    optional("machineType", Kind::Text(0)),
    optional("diskSize", Kind::Positive),
    optional("networkId", Kind::Text(0)),
    optional("publicIpType", IP_TYPES),
    optional("autoSnapshotEnabled", Kind::Bool),
    optional("autoSnapshotFrequency", SNAPSHOT_FREQUENCIES),
    optional("autoSnapshotSaveCount", Kind::Number),
    optional("autoShutdownEnabled", Kind::Bool),
    optional("autoShutdownTimeout", Kind::Number),
    optional("autoShutdownForce", Kind::Bool),
    optional("restorePointEnabled", Kind::Bool),
    optional("restorePointFrequency", RESTORE_FREQUENCIES),
    optional("restorePointSnapshotId", Kind::Text(0)),
];

impl World {
    /// Changes a machine; the event, if work was queued. Refused, nothing has changed.
    pub(super) fn update(&mut self, at: usize, body: &Fields) -> Result<Option<String>, Refusal> {
        if self.stock.machines[at].deactivation.is_some() {
            return Err(choices::busy("being deleted"));
        }
        let size = self.new_size(at, body)?;
        let network = self.new_network_of(at, body)?;
        check_auto_shutdown(body.number("autoShutdownTimeout"))?;
        let snapshot = body.text("restorePointSnapshotId");
        let (team, id) = self.whose(at);
        if let Some(snapshot) = snapshot
            && !self.stock.snapshots.iter().any(|s| s.id == snapshot && s.machine_id == id && s.exists)
        {
            return Err(Refusal::not_found("Snapshot"));
        }

        let machine = &mut self.stock.machines[at];
        machine.dt_modified = self.now;
        apply_in_place(machine, body);
        if apply_auto_shutdown(machine, body) && machine.state.is_up() {
            self.plan_auto_shutdown(at);
        }
        if let Some(kind) = body.text("publicIpType") {
            self.set_ip_type(at, IpType::parse(kind));
        }
        let mut event = None;
        if let Some(network) = network {
            event = Some(self.queue(&team, &id, "vm-migrate", timing::MIGRATE, Step::Migrated { network }));
        }
        if let Some((machine_type, disk_size)) = size {
            let upgrade = self.queue(&team, &id, "vm-upgrade", timing::UPGRADE, Step::Upgraded { machine_type, disk_size });
            self.plan(timing::UPGRADE_LINGERS, &id, Some(&upgrade), Step::Upgrading);
            event = Some(upgrade);
        }
        Ok(event)
    }

    /// Moves a machine to a new network of its team and region: at once while it is being created, else as queued work.
    pub(super) fn migrate(&mut self, at: usize, network: &str) {
        let (team, id) = self.whose(at);
        if self.stock.machines[at].provisioned {
            self.queue(&team, &id, "vm-migrate", timing::MIGRATE, Step::Migrated { network: network.to_owned() });
        } else {
            self.stock.machines[at].wanted_network_id = Some(network.to_owned());
        }
    }

    fn queue(&mut self, team: &str, id: &str, name: &str, seconds: f64, step: Step) -> String {
        let event = self.open_event(team, Some(id), name);
        self.plan(timing::EVENT_BEGINS, id, Some(&event), Step::Begin);
        self.plan(seconds, id, Some(&event), step);
        event
    }

    /// The type and disk to change to, if they change.
    fn new_size(&self, at: usize, body: &Fields) -> Result<Option<(String, f64)>, Refusal> {
        let machine = &self.stock.machines[at];
        let label = body.text("machineType").unwrap_or(&machine.machine_type);
        let disk = body.number("diskSize").unwrap_or(machine.disk_size);
        let asked = body.text("machineType").is_some() || body.number("diskSize").is_some();
        let same = label == machine.machine_type && (disk - machine.disk_size).abs() < f64::EPSILON;
        if !asked || (same && choices::SAME_VALUE_IS_NO_CHANGE) {
            return Ok(None);
        }
        let new = self.check_type(&machine.team, label, &machine.region)?;
        if catalog::machine_type(&machine.machine_type).is_some_and(|old| old.group != new.group) {
            return Err(Refusal::field("machineType", format!("{} cannot be changed to {label}", machine.machine_type)));
        }
        if disk < machine.disk_size {
            return Err(Refusal::field("diskSize", "The disk cannot be made smaller"));
        }
        if machine.state != State::Off {
            return Err(choices::not_off());
        }
        if let Some(busy) = self.doing(at) {
            return Err(choices::busy(busy));
        }
        Ok(Some((label.to_owned(), disk)))
    }

    /// The network to move to, if there is one.
    fn new_network_of(&self, at: usize, body: &Fields) -> Result<Option<String>, Refusal> {
        let machine = &self.stock.machines[at];
        let Some(id) = body.text("networkId") else { return Ok(None) };
        // Also when the machine is on it: default networks cannot be named.
        let network = self.stock.networks.iter().find(|n| n.id == id && n.team == machine.team && n.exists);
        let Some(network) = network.filter(|_| !self.is_default_network(&machine.team, &machine.region, id)) else {
            return Err(Refusal::not_found("Network"));
        };
        if network.region != machine.region {
            return Err(Refusal::field("networkId", "The network is in another region"));
        }
        if machine.network_id.as_deref() == Some(id) && choices::SAME_VALUE_IS_NO_CHANGE {
            return Ok(None);
        }
        if self.is_migrating(&machine.id) {
            return Err(choices::busy("migrating"));
        }
        if machine.state == State::Provisioning {
            return Err(choices::busy("provisioning"));
        }
        Ok(Some(id.to_owned()))
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn apply_in_place(machine: &mut Machine, body: &Fields) {
    set(&mut machine.name, body.owned("name"));
    set(&mut machine.auto_snapshot_enabled, body.bool("autoSnapshotEnabled"));
    set(&mut machine.auto_snapshot_frequency, body.owned("autoSnapshotFrequency").map(Some));
    set(&mut machine.auto_snapshot_save_count, body.number("autoSnapshotSaveCount").map(Some));
    set(&mut machine.restore_point_enabled, body.bool("restorePointEnabled"));
    set(&mut machine.restore_point_frequency, body.owned("restorePointFrequency").map(Some));
    set(&mut machine.restore_point_snapshot_id, body.owned("restorePointSnapshotId").map(Some));
}

/// Whether anything changed.
fn apply_auto_shutdown(machine: &mut Machine, body: &Fields) -> bool {
    let (timeout, force) = (body.number("autoShutdownTimeout"), body.bool("autoShutdownForce"));
    match (machine.auto_shutdown_enabled, body.bool("autoShutdownEnabled")) {
        (was, Some(false)) => {
            machine.auto_shutdown_enabled = false;
            machine.auto_shutdown_timeout = None;
            machine.auto_shutdown_force = None;
            was
        }
        (false, Some(true)) => {
            machine.auto_shutdown_enabled = true;
            machine.auto_shutdown_timeout = Some(timeout.unwrap_or(choices::AUTO_SHUTDOWN_HOURS));
            machine.auto_shutdown_force = Some(force.unwrap_or(false));
            true
        }
        (true, _) if choices::AUTO_SHUTDOWN_CHANGE_IS_IGNORED => false,
        (true, _) => {
            set(&mut machine.auto_shutdown_timeout, timeout.map(Some));
            set(&mut machine.auto_shutdown_force, force.map(Some));
            true
        }
        // Values for something that is off are kept nowhere.
        (false, None) => false,
    }
}
