//! Anything that Paperspace may answer, or not.

use std::time::Duration;

use jiff::Timestamp;

use super::super::world::NAME;
use super::anything::{around, team};
use crate::crd::*;
use crate::lifecycle::desired;
use crate::lifecycle::observe::Access;
use crate::paperspace::budget::Cause;
use crate::paperspace::types::{
    EventState, Machine, MachineEvent, MachineState, PublicIp, PublicIpType, RestorePointFrequency, SnapshotFrequency as Wire,
};
use crate::paperspace::{Error, Silence};
use crate::properties::Dice;

/// A static address that the team had before.
pub(super) const OWN: &str = "7.7.7.7";

/// The same on Paperspace, free.
pub(super) fn own_address() -> PublicIp {
    PublicIp { ip: OWN.to_owned(), region: "ny2".to_owned(), assigned_machine_id: None }
}

pub(super) fn machine(d: &mut Dice, id: String, now: Timestamp) -> Machine {
    let numbers = [0.0, 8.0, 1.5, -1.0, f64::MAX, f64::NAN, f64::INFINITY];
    Machine {
        id,
        name: d.word(&[NAME, NAME, NAME, NAME, NAME, "renamed", "other-aaaaaaaaaaaa", "ml-train-prod-3f9c2a7b51de"]),
        state: state(d),
        os: d.text(),
        machine_type: d.word(&["A4000", "C5"]),
        agent_type: if d.one_in(2) { d.text() } else { d.word(&["LinuxDesktop", "WindowsDesktop", "LinuxHeadless"]) },
        cpus: d.pick(&numbers),
        ram: d.pick(&[45 << 30, 0, 1, u64::MAX]),
        storage_total: d.pick(&[50 << 30, 50 << 30, 100 << 30, 50_000_000_000, 77 << 30, 0, 1, u64::MAX]),
        accelerators: d.several(2, |d| crate::paperspace::types::Accelerator { name: d.text(), memory: 1, count: d.pick(&numbers) }),
        region: d.word(&["East Coast (NY2)", "ny2", "West Coast (CA1)", "NY2 ("]),
        private_ip: d.maybe(|d| d.word(&["10.0.0.1"])),
        network_id: d.maybe(|d| d.word(&["n1", "n2"])),
        public_ip: d.maybe(|d| d.word(&["9.9.9.9", "5.5.5.5", OWN])),
        public_ip_type: match d.below(12) {
            11 => PublicIpType::Unknown(d.text()),
            n => [PublicIpType::Dynamic, PublicIpType::Static, PublicIpType::None][n % 3].clone(),
        },
        auto_shutdown_enabled: d.one_in(2),
        auto_shutdown_timeout: d.maybe(|d| d.pick(&numbers)),
        auto_shutdown_force: d.maybe(|d| d.one_in(2)),
        auto_snapshot_enabled: d.one_in(2),
        auto_snapshot_frequency: d.maybe(|d| d.pick(&[Wire::Daily, Wire::Hourly, Wire::Unknown("yearly".to_owned())])),
        auto_snapshot_save_count: d.maybe(|d| d.pick(&numbers)),
        updates_pending: d.one_in(2),
        restore_point_enabled: d.one_in(2),
        restore_point_frequency: d.maybe(|_| RestorePointFrequency::Shutdown),
        restore_point_snapshot_id: d.maybe(|d| d.word(&["sn1", "sn2"])),
        usage_rate: d.maybe(|d| d.pick(&numbers)),
        storage_rate: None,
        dt_created: around(d, now),
        dt_deleted: if d.one_in(8) { Some(around(d, now)) } else { None },
    }
}

/// A machine that is what the object asks for, as far as Paperspace says what a machine is.
pub(super) fn agreeing(d: &mut Dice, object: &PaperspaceMachine, mut machine: Machine) -> Machine {
    let spec = &object.spec;
    machine.name = desired::full_name(object, None, &machine.name);
    machine.machine_type = if d.one_in(2) { spec.machine_type.to_ascii_lowercase() } else { spec.machine_type.clone() };
    machine.region = match d.below(3) {
        0 => format!("Somewhere ({})", spec.region),
        1 => spec.region.to_ascii_lowercase(),
        _ => spec.region.clone(),
    };
    let gb = u64::from(desired::disk_gb(spec));
    machine.storage_total = if d.one_in(8) { 0 } else { gb << 30 };
    machine.network_id = spec.network_id.clone().or(machine.network_id);
    if let Some(ip) = &spec.public_ip {
        machine.public_ip_type = desired::public_ip_type(ip.kind);
    }
    if let Some(address) = desired::named_address(spec) {
        machine.public_ip = Some(address.to_owned());
    }
    machine.auto_shutdown_enabled = spec.auto_shutdown.is_some();
    machine.auto_shutdown_timeout = spec.auto_shutdown.as_ref().map(|s| f64::from(s.timeout_hours));
    machine.auto_shutdown_force = spec.auto_shutdown.as_ref().map(|s| s.force);
    machine.auto_snapshot_enabled = spec.auto_snapshot.is_some();
    machine.auto_snapshot_frequency = spec.auto_snapshot.as_ref().map(|s| desired::frequency(s.frequency));
    machine.auto_snapshot_save_count = spec.auto_snapshot.as_ref().map(|s| f64::from(s.keep));
    machine.restore_point_enabled = spec.restore_point.is_some();
    machine.restore_point_snapshot_id =
        spec.restore_point.as_ref().and_then(|r| r.snapshot_id.clone()).or(machine.restore_point_snapshot_id);
    machine
}

pub(super) fn state(d: &mut Dice) -> MachineState {
    match d.below(14) {
        13 => MachineState::Unknown(d.text()),
        n => [
            MachineState::Ready,
            MachineState::Off,
            MachineState::Ready,
            MachineState::Off,
            MachineState::Starting,
            MachineState::Stopping,
            MachineState::Restarting,
            MachineState::ServiceReady,
            MachineState::Upgrading,
            MachineState::Provisioning,
        ][n % 10]
            .clone(),
    }
}

pub(super) fn event(d: &mut Dice, now: Timestamp) -> MachineEvent {
    MachineEvent {
        id: d.word(&["ev1", "ev2", "ev3"]),
        name: d.word(&[
            "create",
            "start",
            "stop",
            "restart",
            "vm-upgrade",
            "bill-sessions",
            "snapshot-create",
            "deactivate",
            "vm-shutdown-force",
        ]),
        state: match d.below(10) {
            9 => EventState::Unknown(d.text()),
            n => [EventState::Done, EventState::New, EventState::InProgress, EventState::Error, EventState::Cancelled][n % 5].clone(),
        },
        machine_id: None,
        dt_created: around(d, now),
        dt_started: d.maybe(|d| around(d, now)),
        dt_finished: d.maybe(|d| around(d, now)),
        error: d.maybe(Dice::text),
    }
}

/// An error of any kind.
pub(super) fn error(d: &mut Dice) -> Error {
    const STATUSES: [u16; 18] = [400, 401, 402, 403, 404, 405, 408, 409, 412, 418, 422, 425, 429, 499, 500, 502, 503, 0];
    match d.below(8) {
        7 => Error::Kubernetes { message: d.text() },
        6 => Error::NotSent { route: "r", silence: silence(d) },
        0 => Error::Transport { route: "r", maybe_sent: d.one_in(2), message: d.text() },
        1 => Error::BadPayload { route: "r", path: d.text(), message: d.text() },
        _ => Error::Rejected {
            route: "r",
            status: d.pick(&STATUSES),
            code: d.word(&["NOT_FOUND", ""]),
            message: d.text(),
            from_api: !d.one_in(3),
            retry_after: d.maybe(|d| Duration::from_secs(d.pick(&[0, 1, 90, 3600]))),
        },
    }
}

pub(super) fn silence(d: &mut Dice) -> Silence {
    Silence {
        cause: d.pick(&[Cause::Unavailable, Cause::RateLimited]),
        why: d.text(),
        lasted: Duration::from_secs(d.pick(&[0, 11, 40, 4000])),
        retry_after: Duration::from_secs(d.pick(&[0, 5, 3600])),
    }
}

pub(super) fn access(d: &mut Dice) -> Access {
    match d.below(40) {
        34 => Access::Missing(d.text()),
        35 => Access::NotLabelled(d.text()),
        36 => Access::NotAllowed(d.text()),
        37 => Access::Rejected,
        38 => Access::Unknown(error(d)),
        39 => Access::Open { team: team(d), admin: false },
        _ => Access::Open { team: team(d), admin: true },
    }
}
