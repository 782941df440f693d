//! Objects as they are on the wire.
//!
//! Deliberately not the client's types: 64-bit integers are JSON strings although the `OpenAPI` document says integer, regions
//! have their long name although the document's example is short, and a machine has placeholders until it is provisioned.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::catalog::{self, GIB, MachineType, OsTemplate};
use super::machine::{Accessor, Event, Machine};
use super::resources::{CustomTemplate, Network, PublicIp, Script, Snapshot};
use super::world::{Team, User, World};

/// Milliseconds and `Z`, always.
pub(super) fn time(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn maybe(t: Option<Timestamp>) -> Value {
    t.map_or(Value::Null, |t| time(t).into())
}

fn long_region(code: &str) -> &str {
    catalog::region(code).map_or(code, |r| r.long)
}

/// A 64-bit integer, as a string.
fn int64(n: f64) -> Value {
    format!("{n:.0}").into()
}

/// What the API shows of a disk that was never used.
const STORAGE_USED: f64 = 110_080.0;

pub(super) fn machine(m: &Machine) -> Value {
    let spec = catalog::machine_type(&m.machine_type);
    let (cpus, ram, total, used) = match &spec {
        Some(spec) if m.provisioned => (spec.cpus, spec.ram_gb * GIB, m.disk_size * GIB, STORAGE_USED),
        _ => (1, 0.0, 0.0, 0.0),
    };
    json!({
        "id": m.id,
        "name": m.name,
        "state": m.state.as_str(),
        "os": m.os,
        "machineType": m.machine_type,
        "agentType": m.agent_type,
        "cpus": cpus,
        "ram": int64(ram),
        "storageTotal": int64(total),
        "storageUsed": int64(used),
        "accelerators": spec.as_ref().map_or_else(|| json!([]), accelerators),
        "region": long_region(&m.region),
        "privateIp": m.private_ip,
        "networkId": m.network_id,
        "publicIp": m.public_ip,
        "publicIpType": m.public_ip_type.as_str(),
        "autoShutdownEnabled": m.auto_shutdown_enabled,
        "autoShutdownTimeout": m.auto_shutdown_timeout.map(number),
        "autoShutdownForce": m.auto_shutdown_force,
        "autoSnapshotEnabled": m.auto_snapshot_enabled,
        "autoSnapshotFrequency": m.auto_snapshot_frequency,
        "autoSnapshotSaveCount": m.auto_snapshot_save_count.map(number),
        "updatesPending": m.updates_pending,
        "restorePointEnabled": m.restore_point_enabled,
        "restorePointFrequency": m.restore_point_frequency,
        "restorePointSnapshotId": m.restore_point_snapshot_id,
        "usageRate": spec.map_or(0.0, |s| s.price),
        "storageRate": catalog::storage_rate(m.disk_size),
        "dtCreated": time(m.dt_created),
        "dtModified": time(m.dt_modified),
        "dtDeleted": maybe(m.dt_deleted),
        "reservation": null,
    })
}

fn accelerators(spec: &MachineType) -> Value {
    let list = spec.gpu.map(|(name, memory)| json!({ "name": name, "memory": int64(memory * GIB), "count": spec.count }));
    list.into_iter().collect()
}

/// A whole number without a fraction, as JavaScript writes it.
pub(super) fn number(n: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if n.fract() == 0.0 && n.abs() < 1e15 { (n as i64).into() } else { n.into() }
}

pub(super) fn event(e: &Event) -> Value {
    json!({
        "id": e.id,
        "name": e.name,
        "state": e.state.as_str(),
        "machineId": e.machine_id,
        "dtCreated": time(e.dt_created),
        "dtStarted": maybe(e.dt_started),
        "dtFinished": maybe(e.dt_finished),
        "error": e.error,
    })
}

/// `assignedMachineId` is left out where there is none.
pub(super) fn public_ip(p: &PublicIp) -> Value {
    let mut body = json!({ "ip": p.ip, "region": long_region(&p.region), "dtCreated": time(p.dt_created) });
    if let Some(machine) = &p.assigned_machine_id {
        body["assignedMachineId"] = machine.clone().into();
    }
    body
}

/// Without the script's text.
pub(super) fn script(s: &Script) -> Value {
    json!({
        "id": s.id,
        "name": s.name,
        "description": null,
        "isEnabled": s.is_enabled,
        "isRunOnce": s.is_run_once,
        "assignedMachineIds": s.assigned_machine_ids,
        "dtCreated": time(s.dt_created),
        "dtDeleted": maybe(s.dt_deleted),
    })
}

pub(super) fn network(n: &Network) -> Value {
    json!({
        "id": n.id,
        "name": n.name,
        "region": long_region(&n.region),
        "network": n.network,
        "netmask": "255.255.255.0",
        "dtCreated": time(n.dt_created),
        "dtDeleted": null,
    })
}

pub(super) fn snapshot(s: &Snapshot) -> Value {
    json!({ "id": s.id, "name": s.name, "machineId": s.machine_id, "isAutoSnapshot": s.is_auto_snapshot })
}

fn available(labels: impl Iterator<Item = String>) -> Value {
    labels.map(|label| json!({ "machineTypeLabel": label, "isAvailable": true })).collect()
}

pub(super) fn os_template(t: &OsTemplate) -> Value {
    json!({
        "id": t.id,
        "name": t.name,
        "agentType": t.agent_type,
        "operatingSystemLabel": t.os,
        "defaultSizeGb": t.default_size_gb,
        "availableMachineTypes": available(t.machine_types()),
        "dtCreated": "2023-04-05T16:22:12.000Z",
    })
}

pub(super) fn custom_template(t: &CustomTemplate) -> Value {
    let base = catalog::OS_TEMPLATES.iter().find(|base| base.id == t.base_template_id);
    let labels = base.into_iter().flat_map(OsTemplate::machine_types);
    let offered = |label: &String| catalog::machine_type(label).is_some_and(|spec| spec.is_offered_in(&t.region));
    json!({
        "id": t.id,
        "name": t.name,
        "agentType": t.agent_type,
        "operatingSystemLabel": t.os,
        "region": long_region(&t.region),
        "defaultSizeGb": number(t.size_gb),
        "availableMachineTypes": available(labels.filter(offered)),
        "parentMachineId": t.parent_machine_id,
        "dtCreated": time(t.dt_created),
        "dtDeleted": null,
    })
}

/// A user as accessors and team lists show one.
pub(super) fn person(u: &User) -> Value {
    json!({ "id": u.id, "email": u.email, "firstName": null, "lastName": null, "publicProfileImageUrl": null })
}

pub(super) fn accessor(a: &Accessor, user: &User) -> Value {
    json!({ "user": person(user), "dtDeleted": maybe(a.dt_deleted) })
}

pub(super) fn team_user(u: &User) -> Value {
    use super::keys::Role;
    let mut user = person(u);
    user["lastActive"] = Value::Null;
    json!({
        "isAdmin": u.role != Role::Member,
        "isOwner": u.role == Role::Owner,
        "dtConfirmed": time(u.dt_created),
        "user": user,
    })
}

/// `GET /auth/session`.
pub(super) fn session(u: &User, t: &Team) -> Value {
    use super::keys::Role;
    let created = time(u.dt_created);
    json!({
        "user": {
            "id": u.id,
            "email": u.email,
            "firstName": null,
            "lastName": null,
            "dtCreated": created,
            "dtConfirmed": created,
            "teamMemberships": [{
                "team": {
                    "id": t.id,
                    "name": t.id,
                    "namespace": t.id,
                    "publicProfileImageUrl": null,
                    "isUserTeam": false,
                    "dtCreated": time(t.dt_created),
                },
                "isOwner": u.role == Role::Owner,
                "isAdmin": u.role != Role::Member,
            }],
            "isPhoneVerified": true,
            "isPasswordAuthEnabled": true,
            "isQrCodeBasedMfaEnabled": false,
            "isQrCodeBasedMfaConfirmed": false,
            "analyticsId": u.seq,
            "metadata": {},
        },
        "team": {
            "id": t.id,
            "namespace": t.id,
            "isPrivate": false,
            "maxMachines": t.max_machines,
            "analyticsId": t.number,
        },
    })
}

impl World {
    /// The reply of most calls on machines.
    pub(super) fn machine_and_event(&self, at: usize, event: Option<&str>) -> Value {
        let mut body = json!({ "data": machine(&self.stock.machines[at]) });
        if let Some(found) = event.and_then(|id| self.event(id)) {
            body["event"] = self::event(found);
        }
        body
    }
}
