//! Where a machine differs from its spec, field by field, and how each difference can be mended.
//!
//! Template, startup script, NVLink and the other creation-only settings cannot be read back, so they are not here.

use crate::crd::{PaperspaceMachine, PaperspaceMachineStatus};
use crate::paperspace::types::{Machine, PublicIpType, UpdateMachine};

use super::desired;
use super::names::region_code;

/// How a difference can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// By an update at any time.
    InPlace,
    /// By a request of its own at any time.
    Apart,
    /// By an update while the machine is off.
    AfterStop,
    /// Not at all.
    Never,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field of the spec.
    pub field: &'static str,
    /// What the spec says.
    pub desired: String,
    /// What Paperspace has.
    pub observed: String,
    /// How it can be mended.
    pub mend: Mend,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} -> {}", self.field, self.observed, self.desired)
    }
}

/// All differences, in a fixed order. Not to be asked while the machine is provisioning: it then shows placeholders.
pub fn diff(object: &PaperspaceMachine, status: &PaperspaceMachineStatus, cluster_id: Option<&str>, machine: &Machine) -> Vec<Difference> {
    let spec = &object.spec;
    let applied = status.applied.clone().unwrap_or_default();
    // On a machine that the operator created these are off unless asked for; on an adopted one they are looked at once they were set.
    let created = spec.adopt.is_none();
    let mut all = Vec::new();
    let mut compare = |field, desired: String, observed: String, mend| {
        if desired != observed {
            all.push(Difference { field, desired, observed, mend });
        }
    };
    compare("machineName", desired::full_name(object, cluster_id, &machine.name), machine.name.clone(), Mend::InPlace);
    if !spec.machine_type.eq_ignore_ascii_case(&machine.machine_type) {
        let other_kind = !machine.machine_type.is_empty() && has_gpu(&spec.machine_type) != has_gpu(&machine.machine_type);
        let mend = if other_kind { Mend::Never } else { Mend::AfterStop };
        compare("machineType", spec.machine_type.clone(), machine.machine_type.clone(), mend);
    }
    compare("region", region_code(&spec.region), region_code(&machine.region), Mend::Never);
    if let Some(observed) = observed_disk_gb(machine) {
        let wanted = desired::disk_gb(spec);
        let mend = if observed > wanted { Mend::Never } else { Mend::AfterStop };
        compare("diskSizeGB", wanted.to_string(), observed.to_string(), mend);
    }
    if let Some(network) = desired::network_id(spec, status) {
        compare("networkId", network, shown(machine.network_id.as_deref()), Mend::InPlace);
    }
    if let Some(address) = desired::named_address(spec) {
        compare("publicIp", format!("static {address}"), observed_address(machine), Mend::Apart);
    } else if let Some(ip) = &spec.public_ip {
        compare("publicIp", desired::public_ip_type(ip.kind).to_string(), machine.public_ip_type.to_string(), Mend::InPlace);
    }
    if created || applied.auto_shutdown || spec.auto_shutdown.is_some() {
        compare("autoShutdown", desired_shutdown(object), observed_shutdown(machine), Mend::InPlace);
    }
    if created || applied.auto_snapshot || spec.auto_snapshot.is_some() {
        compare("autoSnapshot", desired_snapshot(object), observed_snapshot(machine), Mend::InPlace);
    }
    if created || applied.restore_point || spec.restore_point.is_some() {
        compare("restorePoint", desired_restore(object, machine), observed_restore(machine), Mend::InPlace);
    }
    all
}

/// The update that mends these differences. A field that Paperspace takes only in two steps gets its first one: the next look brings the
/// second.
pub fn update(object: &PaperspaceMachine, machine: &Machine, differences: &[&Difference]) -> UpdateMachine {
    let spec = &object.spec;
    let mut body = UpdateMachine::default();
    for difference in differences {
        match difference.field {
            "machineName" => body.name = Some(difference.desired.clone()),
            "machineType" => body.machine_type = Some(spec.machine_type.clone()),
            "diskSizeGB" => body.disk_size = Some(desired::disk_gb(spec)),
            "networkId" => body.network_id = Some(difference.desired.clone()),
            // One of the team's own is not asked for: that would allocate another.
            "publicIp" if desired::named_address(spec).is_none() => {
                body.public_ip_type = spec.public_ip.as_ref().map(|ip| desired::public_ip_type(ip.kind));
            }
            "autoShutdown" => match &spec.auto_shutdown {
                // Changing it on a machine that has it enabled may not take: disable first (documented by the Terraform provider).
                Some(shutdown) if !machine.auto_shutdown_enabled => {
                    body.auto_shutdown_enabled = Some(true);
                    body.auto_shutdown_timeout = Some(desired::unsigned(shutdown.timeout_hours));
                    body.auto_shutdown_force = Some(shutdown.force);
                }
                _ => body.auto_shutdown_enabled = Some(false),
            },
            "autoSnapshot" => {
                body.auto_snapshot_enabled = Some(spec.auto_snapshot.is_some());
                body.auto_snapshot_frequency = spec.auto_snapshot.as_ref().map(|s| desired::frequency(s.frequency));
                body.auto_snapshot_save_count = spec.auto_snapshot.as_ref().map(|s| desired::unsigned(s.keep));
            }
            "restorePoint" => {
                body.restore_point_enabled = Some(spec.restore_point.is_some());
                body.restore_point_frequency =
                    spec.restore_point.as_ref().map(|_| crate::paperspace::types::RestorePointFrequency::Shutdown);
                body.restore_point_snapshot_id = spec.restore_point.as_ref().and_then(|r| r.snapshot_id.clone());
            }
            // A difference that is never mended is in no update.
            _ => {}
        }
    }
    body
}

/// The disk in GB, or nothing where the machine does not say. Paperspace's "50 GB" reads back as 50 GiB in bytes; a disk that is a little
/// off is the same disk (the exact figure of every size is not documented).
pub(super) fn observed_disk_gb(machine: &Machine) -> Option<u32> {
    const GIB: u64 = 1 << 30;
    const SIZES: [u64; 10] = [50, 100, 250, 500, 1000, 2000, 4000, 8000, 12_000, 16_000];
    if machine.storage_total == 0 {
        return None;
    }
    let bytes = machine.storage_total;
    let close = |size: &&u64| bytes.abs_diff(**size * GIB) < **size * GIB / 50 || bytes == **size * 1_000_000_000;
    let gb = SIZES.iter().find(close).copied().unwrap_or(bytes.saturating_add(GIB / 2) / GIB);
    u32::try_from(gb).ok()
}

/// Whether a machine of this type has a GPU. Those without are C1 to C10; a machine never changes from the one kind to the other.
fn has_gpu(machine_type: &str) -> bool {
    let number = machine_type.strip_prefix(['C', 'c']).unwrap_or_default();
    !(matches!(number.len(), 1 | 2) && number.bytes().all(|b| b.is_ascii_digit()))
}

fn observed_address(machine: &Machine) -> String {
    match static_address(machine) {
        Some(address) => format!("static {address}"),
        None => machine.public_ip_type.to_string(),
    }
}

/// The machine's static address.
pub fn static_address(machine: &Machine) -> Option<&str> {
    machine.public_ip.as_deref().filter(|_| machine.public_ip_type == PublicIpType::Static)
}

fn desired_shutdown(object: &PaperspaceMachine) -> String {
    object.spec.auto_shutdown.as_ref().map_or_else(off, |s| shutdown(f64::from(s.timeout_hours), s.force))
}

fn observed_shutdown(machine: &Machine) -> String {
    if !machine.auto_shutdown_enabled {
        return off();
    }
    shutdown(machine.auto_shutdown_timeout.unwrap_or_default(), machine.auto_shutdown_force.unwrap_or_default())
}

fn shutdown(hours: f64, force: bool) -> String {
    format!("{hours}h{}", if force { ", force" } else { "" })
}

fn desired_snapshot(object: &PaperspaceMachine) -> String {
    object.spec.auto_snapshot.as_ref().map_or_else(off, |s| format!("{}, keep {}", desired::frequency(s.frequency), s.keep))
}

fn observed_snapshot(machine: &Machine) -> String {
    if !machine.auto_snapshot_enabled {
        return off();
    }
    let frequency = machine.auto_snapshot_frequency.as_ref().map_or("unknown", |f| f.as_str());
    format!("{frequency}, keep {}", machine.auto_snapshot_save_count.unwrap_or_default())
}

/// Without a snapshot of its own the spec means whichever the machine has: the initial one.
fn desired_restore(object: &PaperspaceMachine, machine: &Machine) -> String {
    object.spec.restore_point.as_ref().map_or_else(off, |r| match &r.snapshot_id {
        Some(id) => format!("shutdown, snapshot {id}"),
        None => restore(machine.restore_point_snapshot_id.as_deref()),
    })
}

fn observed_restore(machine: &Machine) -> String {
    if !machine.restore_point_enabled {
        return off();
    }
    restore(machine.restore_point_snapshot_id.as_deref())
}

fn restore(snapshot: Option<&str>) -> String {
    snapshot.map_or_else(|| "shutdown".to_owned(), |id| format!("shutdown, snapshot {id}"))
}

fn off() -> String {
    "off".to_owned()
}

fn shown(value: Option<&str>) -> String {
    value.unwrap_or("none").to_owned()
}

/// Whether an address is due on a machine that is on.
pub fn address_due(machine: &Machine) -> bool {
    matches!(machine.public_ip_type, PublicIpType::Static | PublicIpType::Dynamic)
}
