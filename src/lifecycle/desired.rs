//! What the spec asks for, in Paperspace's terms.

use crate::crd::{PaperspaceMachine, PaperspaceMachineSpec, PaperspaceMachineStatus, PowerState, PublicIpKind, SnapshotFrequency};
use crate::paperspace::types::{CreateMachine, PublicIpType, RestorePointFrequency, SnapshotFrequency as WireFrequency};

use super::names::{self, Mark};

/// The body of the one request that creates the machine, with what names in the spec mean, and what was made before, from `status`. `None`
/// without a template: such a spec adopts.
pub fn creation(object: &PaperspaceMachine, status: &PaperspaceMachineStatus, cluster_id: Option<&str>) -> Option<CreateMachine> {
    let spec = &object.spec;
    let shutdown = spec.auto_shutdown.as_ref();
    let snapshot = spec.auto_snapshot.as_ref();
    Some(CreateMachine {
        name: names::machine_name(&base_name(object), cluster_id, &mark(object)),
        machine_type: spec.machine_type.clone(),
        template_id: template_id(spec, status)?,
        disk_size: disk_gb(spec),
        region: spec.region.to_ascii_lowercase(),
        network_id: network_id(spec, status),
        // Said explicitly: the API's own default is `none`, the console's is `dynamic`. An address that the team owns is given later.
        public_ip_type: Some(match &spec.public_ip {
            Some(ip) if named_address(spec).is_none() => public_ip_type(ip.kind),
            _ => PublicIpType::Dynamic,
        }),
        auto_snapshot_enabled: Some(snapshot.is_some()),
        auto_snapshot_frequency: snapshot.map(|s| frequency(s.frequency)),
        auto_snapshot_save_count: snapshot.map(|s| unsigned(s.keep)),
        auto_shutdown_enabled: Some(shutdown.is_some()),
        auto_shutdown_timeout: shutdown.map(|s| unsigned(s.timeout_hours)),
        auto_shutdown_force: shutdown.map(|s| s.force),
        take_initial_snapshot: Some(spec.take_initial_snapshot),
        // With a snapshot of its own the restore point is set by an update: creation knows only the initial snapshot.
        restore_point_enabled: Some(spec.restore_point.as_ref().is_some_and(|r| r.snapshot_id.is_none())),
        restore_point_frequency: spec.restore_point.as_ref().filter(|r| r.snapshot_id.is_none()).map(|_| RestorePointFrequency::Shutdown),
        startup_script_id: status.applied.as_ref().and_then(|a| a.startup_script_id.clone()),
        email_password: Some(spec.email_password),
        start_on_create: Some(spec.power_state != PowerState::Stopped),
        enable_nvlink: Some(spec.enable_nvlink),
        accessor_ids: status.applied.as_ref().map(|a| a.accessors.clone()).unwrap_or_default(),
    })
}

/// The template, by whichever name.
pub fn template_id(spec: &PaperspaceMachineSpec, status: &PaperspaceMachineStatus) -> Option<String> {
    spec.template_id.clone().or_else(|| status.resolved.as_ref().and_then(|r| r.template_id.clone()))
}

/// The private network, by whichever name; a name that has not been looked up yet means none so far.
pub fn network_id(spec: &PaperspaceMachineSpec, status: &PaperspaceMachineStatus) -> Option<String> {
    let resolved = status.resolved.as_ref().filter(|r| r.network_name.is_some() && r.network_name == spec.network_name);
    spec.network_id.clone().or_else(|| resolved.and_then(|r| r.network_id.clone()))
}

/// The static address of the team's own that the machine is to have.
pub fn named_address(spec: &PaperspaceMachineSpec) -> Option<&str> {
    spec.public_ip.as_ref().filter(|ip| ip.kind == PublicIpKind::Static)?.address.as_deref()
}

/// The resource's mark.
pub fn mark(object: &PaperspaceMachine) -> Mark {
    Mark::of_uid(object.metadata.uid.as_deref().unwrap_or_default())
}

/// The name without mark that the spec asks for.
pub fn base_name(object: &PaperspaceMachine) -> String {
    object.spec.machine_name.clone().unwrap_or_else(|| {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        names::default_base(namespace, object.metadata.name.as_deref().unwrap_or_default())
    })
}

/// The whole name that the machine should have, which for an adopted machine without `machineName` depends on the one it has.
pub fn full_name(object: &PaperspaceMachine, cluster_id: Option<&str>, observed: &str) -> String {
    let keeps_its_name = object.spec.adopt.is_some() && object.spec.machine_name.is_none();
    if !keeps_its_name {
        return names::machine_name(&base_name(object), cluster_id, &mark(object));
    }
    if names::Mark::of_name(observed).as_ref() == Some(&mark(object)) {
        return observed.to_owned();
    }
    names::machine_name(names::base_of(observed, cluster_id), cluster_id, &mark(object))
}

/// GB of disk.
pub fn disk_gb(spec: &PaperspaceMachineSpec) -> u32 {
    unsigned(spec.disk_size_gb)
}

/// The schema allows only positive numbers.
pub fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// Paperspace's word.
pub fn public_ip_type(kind: PublicIpKind) -> PublicIpType {
    match kind {
        PublicIpKind::None => PublicIpType::None,
        PublicIpKind::Dynamic => PublicIpType::Dynamic,
        PublicIpKind::Static => PublicIpType::Static,
    }
}

/// Paperspace's word.
pub fn frequency(frequency: SnapshotFrequency) -> WireFrequency {
    match frequency {
        SnapshotFrequency::Hourly => WireFrequency::Hourly,
        SnapshotFrequency::Daily => WireFrequency::Daily,
        SnapshotFrequency::Weekly => WireFrequency::Weekly,
        SnapshotFrequency::Monthly => WireFrequency::Monthly,
    }
}
