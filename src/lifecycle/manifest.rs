//! The resource that equals a machine that exists: what [`super::diff`] compares, read the other way round.
//!
//! Applied, it takes the machine over without changing more of it than its name, which gets the mark.

use serde_json::json;

use crate::crd::{
    Adopt, AutoShutdown, AutoSnapshot, OnDifference, PaperspaceMachine, PaperspaceMachineSpec, PowerState, PublicIpKind, PublicIpSpec,
    RestoreFrequency, RestorePoint, SnapshotFrequency,
};
use crate::paperspace::types::{Machine, MachineState, PublicIpType, SnapshotFrequency as WireFrequency};

use super::diff::observed_disk_gb;
use super::names::{self, Mark};

/// Longest name that is made; every place where a resource's name is used takes it.
const NAME_LENGTH: usize = 63;

/// What a machine is as a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The resource, with a name and without a namespace.
    pub object: PaperspaceMachine,
    /// What the resource does not say of the machine, each in a sentence. On an adopted machine that stays as it is.
    pub left_out: Vec<String>,
}

/// The resource that equals the machine, or why none does. `private_network`: whether the machine's network is one of the team's own, not
/// the region's default one.
pub fn manifest(machine: &Machine, private_network: bool) -> Result<Manifest, Vec<String>> {
    let mut left_out = Vec::new();
    let mut spec = required(machine)?;
    spec.adopt = Some(Adopt {
        machine_id: machine.id.clone(),
        replace_mark: Mark::of_name(&machine.name).map(|mark| mark.to_string()),
        on_difference: OnDifference::Hold,
    });
    // Nothing is started or stopped by adopting.
    spec.power_state = PowerState::Manual;
    let mut or_leave_out = |what: Result<(), String>| left_out.extend(what.err());
    or_leave_out(network(machine, private_network).map(|id| spec.network_id = id));
    or_leave_out(public_ip(machine).map(|ip| spec.public_ip = Some(ip)));
    or_leave_out(auto_shutdown(machine).map(|shutdown| spec.auto_shutdown = shutdown));
    or_leave_out(auto_snapshot(machine).map(|snapshot| spec.auto_snapshot = snapshot));
    or_leave_out(restore_point(machine).map(|point| {
        // The schema wants a snapshot to go back to; on a machine that exists nothing is taken.
        spec.take_initial_snapshot = point.as_ref().is_some_and(|p| p.snapshot_id.is_none());
        spec.restore_point = point;
    }));
    Ok(Manifest { object: PaperspaceMachine::new(&resource_name(machine, &[]), spec), left_out })
}

/// What a resource cannot be without.
fn required(machine: &Machine) -> Result<PaperspaceMachineSpec, Vec<String>> {
    let mut wrong = Vec::new();
    if machine.dt_deleted.is_some() {
        wrong.push("it is being destroyed".to_owned());
    }
    if machine.state == MachineState::Provisioning {
        wrong.push("Paperspace is still creating it, and does not yet say what it is: ask again when that is done".to_owned());
        return Err(wrong);
    }
    if !is_id(&machine.id) {
        wrong.push(format!("its id {:?} is none that adopt.machineId takes", machine.id));
    }
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '-');
    let of_label = machine.machine_type.starts_with(|c: char| c.is_ascii_alphanumeric()) && machine.machine_type.chars().all(label);
    if !of_label || machine.machine_type.len() > 32 {
        wrong.push(format!("its type {:?} is none that machineType takes", machine.machine_type));
    }
    let region = names::region_code(&machine.region);
    let (letters, digits) = region.split_at(region.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(region.len()));
    if !((2..=4).contains(&letters.len()) && (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())) {
        wrong.push(format!("its region {:?} is none that region takes", machine.region));
    }
    let disk = observed_disk_gb(machine);
    match disk {
        Some(50..=16_000) => {}
        Some(gb) => wrong.push(format!("its disk of {gb} GB is none that diskSizeGB takes: 50 to 16000")),
        None => wrong.push("Paperspace does not say how large its disk is".to_owned()),
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // From JSON, so that all other fields are what an object without them has.
    serde_json::from_value(json!({"machineType": machine.machine_type, "region": region, "diskSizeGB": disk}))
        .map_err(|error| vec![error.to_string()])
}

/// Ids of the API: what every field of the resource that holds one takes.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn network(machine: &Machine, private: bool) -> Result<Option<String>, String> {
    match machine.network_id.clone().filter(|_| private) {
        Some(id) if !is_id(&id) => Err(format!("networkId: {id:?} is none that it takes")),
        id => Ok(id),
    }
}

fn public_ip(machine: &Machine) -> Result<PublicIpSpec, String> {
    let kind = match &machine.public_ip_type {
        PublicIpType::None => PublicIpKind::None,
        PublicIpType::Dynamic => PublicIpKind::Dynamic,
        PublicIpType::Static => PublicIpKind::Static,
        PublicIpType::Unknown(word) => return Err(format!("publicIp: a type {word:?} is not known")),
    };
    // From JSON, as above.
    serde_json::from_value(json!({"type": kind})).map_err(|error| format!("publicIp: {error}"))
}

fn auto_shutdown(machine: &Machine) -> Result<Option<AutoShutdown>, String> {
    if !machine.auto_shutdown_enabled {
        return Ok(None);
    }
    let hours = machine.auto_shutdown_timeout;
    let timeout_hours = hours
        .and_then(|h| whole(h, 1, 168))
        .ok_or_else(|| format!("autoShutdown: a time of {} hours is none that timeoutHours takes: 1 to 168", shown(hours)))?;
    Ok(Some(AutoShutdown { timeout_hours, force: machine.auto_shutdown_force.unwrap_or_default() }))
}

fn auto_snapshot(machine: &Machine) -> Result<Option<AutoSnapshot>, String> {
    if !machine.auto_snapshot_enabled {
        return Ok(None);
    }
    let frequency = match &machine.auto_snapshot_frequency {
        Some(WireFrequency::Hourly) => SnapshotFrequency::Hourly,
        Some(WireFrequency::Daily) => SnapshotFrequency::Daily,
        Some(WireFrequency::Weekly) => SnapshotFrequency::Weekly,
        Some(WireFrequency::Monthly) => SnapshotFrequency::Monthly,
        Some(WireFrequency::Unknown(word)) => return Err(format!("autoSnapshot: a frequency {word:?} is not known")),
        None => return Err("autoSnapshot: Paperspace does not say how often".to_owned()),
    };
    let count = machine.auto_snapshot_save_count;
    let keep = count.and_then(|n| whole(n, 1, 10));
    let keep = keep.ok_or_else(|| format!("autoSnapshot: a count of {} is none that keep takes: 1 to 10", shown(count)))?;
    Ok(Some(AutoSnapshot { frequency, keep }))
}

fn restore_point(machine: &Machine) -> Result<Option<RestorePoint>, String> {
    if !machine.restore_point_enabled {
        return Ok(None);
    }
    match machine.restore_point_snapshot_id.clone() {
        Some(id) if !is_id(&id) => Err(format!("restorePoint: {id:?} is no id that snapshotId takes")),
        snapshot_id => Ok(Some(RestorePoint { frequency: RestoreFrequency::Shutdown, snapshot_id })),
    }
}

/// A whole number in these bounds.
fn whole(number: f64, least: i32, most: i32) -> Option<i32> {
    (least..=most).find(|n| (f64::from(*n) - number).abs() < f64::EPSILON)
}

fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "none".to_owned(), |n| n.to_string())
}

/// A name for the machine's resource: the machine's own without mark, made one that Kubernetes takes. Where another machine would get the same
/// one, each has its id added.
pub fn resource_name(machine: &Machine, others: &[Machine]) -> String {
    let name = plain_name(machine);
    if others.iter().any(|other| other.id != machine.id && other.dt_deleted.is_none() && plain_name(other) == name) {
        let id = dns_label(&machine.id);
        return format!("{}-{id}", cut(&name, (NAME_LENGTH - 1).saturating_sub(id.len()))).trim_start_matches('-').to_owned();
    }
    name
}

fn plain_name(machine: &Machine) -> String {
    let name = dns_label(names::base_of(&machine.name, None));
    if name.is_empty() { dns_label(&machine.id) } else { name }
}

/// Lower case letters, digits and single dashes between them.
fn dns_label(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    cut(&words.collect::<Vec<_>>().join("-").to_ascii_lowercase(), NAME_LENGTH).to_owned()
}

fn cut(name: &str, length: usize) -> &str {
    name[..name.len().min(length)].trim_end_matches('-')
}
