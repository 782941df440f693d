//! Anything that a decision can be made from: sensible things often enough to come far, and everything else.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::super::world::{ENDPOINT, MARK, NAME, UID};
use super::answers::OWN;
use crate::crd::reason::Reason;
use crate::crd::*;
use crate::lifecycle::desired;
use crate::lifecycle::observe::Settings;
use crate::lifecycle::script_text::ScriptText;
use crate::properties::Dice;

pub(super) const IDS: [&str; 3] = ["ps1", "ps2", "psx"];
/// Ids of attempts and operations, the present pass's among them.
pub(super) const NONCES: [&str; 3] = ["n1", "n2", "now"];

pub(super) fn team(d: &mut Dice) -> String {
    if d.one_in(24) { d.word(&["te2"]) } else { "te1".to_owned() }
}

pub(super) fn id(d: &mut Dice) -> String {
    d.word(&IDS)
}

/// A moment of the wall clock around `now`: close by, long ago, in the future, or at an end of time.
pub(super) fn around(d: &mut Dice, now: Timestamp) -> Timestamp {
    const SECONDS: [i64; 14] = [0, 1, -1, -5, -9, -11, -31, -61, -179, -181, -86_400, 3, 200, 86_400];
    match d.below(20) {
        18 => Timestamp::MIN,
        19 => Timestamp::MAX,
        _ => now.checked_add(SignedDuration::from_secs(d.pick(&SECONDS))).unwrap_or(now),
    }
}

pub(super) fn at(d: &mut Dice, now: Timestamp) -> Time {
    status::time(around(d, now))
}

pub(super) fn spec(d: &mut Dice) -> PaperspaceMachineSpec {
    PaperspaceMachineSpec {
        machine_type: d.word(&["A4000", "a4000", "C5", "H100x8"]),
        template_id: if d.one_in(8) { None } else { Some(d.word(&["tmpl"])) },
        template: d.maybe(|d| match d.below(2) {
            0 => TemplateName { os_label: Some(d.word(&["Ubuntu 22.04", "ubuntu 22.04"])), custom_name: None },
            _ => TemplateName { os_label: None, custom_name: Some(d.word(&["mine", "yours"])) },
        }),
        region: d.word(&["NY2", "NY2", "CA1"]),
        disk_size_gb: d.pick(&[50, 50, 100, 77, 16_000, 0, -1, i32::MIN, i32::MAX]),
        machine_name: d.maybe(|d| d.word(&["train", "a b.c_d", "other-aaaaaaaaaaaa"])),
        power_state: d.pick(&[PowerState::Running, PowerState::Stopped, PowerState::Manual]),
        resize_policy: d.pick(&[ResizePolicy::WhenStopped, ResizePolicy::StopAndStart]),
        network_id: d.maybe(|d| d.word(&["n1", "n2"])),
        network_name: d.maybe(|d| d.word(&["lab", "office"])),
        public_ip: d.maybe(|d| PublicIpSpec {
            kind: d.pick(&[PublicIpKind::Static, PublicIpKind::Static, PublicIpKind::Dynamic, PublicIpKind::None]),
            address: d.maybe(|d| d.word(&[OWN, OWN, OWN, "9.9.9.9"])),
            reclaim_policy: d.maybe(|d| d.pick(&[ReclaimPolicy::Release, ReclaimPolicy::Retain])),
        }),
        auto_shutdown: d.maybe(|d| AutoShutdown { timeout_hours: d.pick(&[8, 1, 168, 0, i32::MIN]), force: d.one_in(2) }),
        auto_snapshot: d.maybe(|d| AutoSnapshot {
            frequency: d.pick(&[
                SnapshotFrequency::Daily,
                SnapshotFrequency::Hourly,
                SnapshotFrequency::Weekly,
                SnapshotFrequency::Monthly,
            ]),
            keep: d.pick(&[1, 10, -5]),
        }),
        restore_point: d
            .maybe(|d| RestorePoint { frequency: RestoreFrequency::Shutdown, snapshot_id: d.maybe(|d| d.word(&["sn1", "sn2"])) }),
        take_initial_snapshot: d.one_in(2),
        enable_nvlink: d.one_in(4),
        email_password: d.one_in(2),
        startup_script: d.maybe(startup_script),
        accessors: if d.one_in(3) { Some(accessors(d)) } else { None },
        write_connection_to: if d.one_in(8) { Some(WriteConnectionTo { config_map_name: d.word(&["one", "two"]) }) } else { None },
        credentials_ref: d.maybe(|d| CredentialsRef { name: d.word(&["key"]), key: "apiKey".to_owned() }),
        adopt: if d.one_in(4) { Some(adopt(d)) } else { None },
        management_policy: if d.one_in(6) { ManagementPolicy::Observe } else { ManagementPolicy::Manage },
        deletion_policy: d.pick(&[None, None, Some(DeletionPolicy::Delete), Some(DeletionPolicy::Retain)]),
        deletion_protection: d.one_in(8),
        suspend: d.one_in(8),
    }
}

fn startup_script(d: &mut Dice) -> StartupScript {
    let key_ref = |d: &mut Dice| Some(KeyRef { name: d.word(&["m"]), key: d.word(&["k"]) });
    let mut script = StartupScript { run_once: d.one_in(3), ..StartupScript::default() };
    match d.below(4) {
        0 => (script.script_id, script.run_once) = (Some(d.word(&["sc1", "sc2"])), false),
        1 => script.inline = Some(d.word(&["echo one", "echo two"])),
        2 => script.config_map_key_ref = key_ref(d),
        _ => script.secret_key_ref = key_ref(d),
    }
    script
}

fn owned_script(d: &mut Dice, now: Timestamp) -> OwnedScript {
    OwnedScript {
        script_id: d.maybe(|d| d.word(&["sc1", "sc2"])),
        creation: if d.one_in(12) { None } else { Some(creation(d, now)) },
        source: d.maybe(|d| ScriptSource {
            kind: d.word(&["ConfigMap", "PaperspaceMachine"]),
            uid: None,
            resource_version: d.maybe(Dice::text),
        }),
        hash: d.maybe(|d| ScriptText::new(d.word(&["echo one", "echo two"])).hash(d.one_in(2))),
    }
}

/// A spec that the schema allows.
pub(super) fn valid_spec(d: &mut Dice) -> PaperspaceMachineSpec {
    let mut spec = spec(d);
    spec.machine_type = d.pick(&["A4000", "a4000", "C5"]).to_owned();
    spec.template_id = Some("tmpl".to_owned()).filter(|_| spec.adopt.is_none() && spec.template.is_none() || d.one_in(2));
    if let Some(template) = &mut spec.template {
        let (os_label, custom_name) = d.pick(&[(Some("Ubuntu 22.04"), None), (None, Some("mine"))]);
        *template = TemplateName { os_label: os_label.map(str::to_owned), custom_name: custom_name.map(str::to_owned) };
    }
    if spec.template_id.is_some() || spec.adopt.is_some() {
        spec.template = None;
    }
    spec.region = d.pick(&["NY2", "NY2", "NY2", "CA1"]).to_owned();
    spec.disk_size_gb = d.pick(&[50, 50, 100, 77, 16_000]);
    spec.machine_name = d.maybe(|d| d.pick(&["train", "a b.c_d", "other-aaaaaaaaaaaa"]).to_owned());
    spec.network_id = d.maybe(|d| d.pick(&["n1", "n2"]).to_owned());
    spec.network_name = spec.network_name.filter(|_| spec.network_id.is_none());
    if let Some(network) = &mut spec.network_name {
        *network = d.pick(&["lab", "office"]).to_owned();
    }
    if let Some(people) = &mut spec.accessors {
        people.user_ids = d.several(2, |d| d.pick(&["u1", "u2", "u3"]).to_owned());
        people.emails = d.several(1, |d| d.pick(&["ann@example.com", "BOB@example.com"]).to_owned());
    }
    if let Some(ip) = &mut spec.public_ip {
        // The one that the worlds' teams own.
        ip.address = d.maybe(|_| OWN.to_owned()).filter(|_| ip.kind == PublicIpKind::Static);
        ip.reclaim_policy = ip.reclaim_policy.filter(|_| ip.kind == PublicIpKind::Static);
    }
    if let Some(shutdown) = &mut spec.auto_shutdown {
        shutdown.timeout_hours = d.pick(&[8, 1, 168]);
    }
    if let Some(snapshot) = &mut spec.auto_snapshot {
        snapshot.keep = d.pick(&[1, 10]);
    }
    spec
}

pub(super) fn user_id(d: &mut Dice) -> String {
    d.word(&["u1", "u2", "u3"])
}

fn accessors(d: &mut Dice) -> Accessors {
    let emails = |d: &mut Dice| d.word(&["ann@example.com", "BOB@example.com", "eve@example.com"]);
    Accessors { user_ids: d.several(2, user_id), emails: d.several(2, emails), exact: d.one_in(3) }
}

fn adopt(d: &mut Dice) -> Adopt {
    Adopt {
        machine_id: id(d),
        replace_mark: d.maybe(|d| d.word(&["aaaaaaaaaaaa", MARK])),
        on_difference: d.pick(&[OnDifference::Apply, OnDifference::Hold]),
    }
}

pub(super) fn object(d: &mut Dice, now: Timestamp) -> PaperspaceMachine {
    let mut object = PaperspaceMachine::new(&d.word(&["train"]), spec(d));
    let meta = &mut object.metadata;
    meta.namespace = Some(d.word(&["ml"]));
    meta.uid = Some(UID.to_owned());
    meta.generation = d.pick(&[Some(1), Some(2), Some(3), None, Some(i64::MIN), Some(i64::MAX)]);
    meta.resource_version = Some(d.pick(&["7", "8"]).to_owned());
    meta.creation_timestamp = if d.one_in(8) { None } else { Some(at(d, now)) };
    meta.finalizers = if d.one_in(4) { d.maybe(|d| vec![d.text()]) } else { Some(vec!["else/where".to_owned(), FINALIZER.to_owned()]) };
    meta.deletion_timestamp = if d.one_in(3) { Some(at(d, now)) } else { None };
    let mut annotations = BTreeMap::new();
    for (name, values) in [
        (ADDRESS_OF_MACHINE, &["te1/ps1/3f9c2a7b51de", "te1/ps1/3f9c2a7b51de", "te1/psx/3f9c2a7b51de", "te1/psx/aaaaaaaaaaaa"][..]),
        (RESTART_REQUESTED, &["one", "two"]),
        (RECONCILE_REQUESTED, &["one", "two"]),
    ] {
        if d.one_in(2) {
            annotations.insert(name.to_owned(), d.word(values));
        }
    }
    object.status = if d.one_in(8) { None } else { Some(self::status(d, now)) };
    let script = object.spec.startup_script.as_ref().and_then(|s| s.script_id.clone());
    if let Some(status) = object.status.as_mut().filter(|_| !d.one_in(4)) {
        let applied = status.applied.get_or_insert_default();
        applied.startup_script_id = script;
        applied.connection = object.spec.write_connection_to.as_ref().map(|to| to.config_map_name.clone());
        if let Some(named) = desired::named_address(&object.spec) {
            (applied.named_ip, applied.allocated_ip, applied.static_ip_requested) = (Some(named.to_owned()), None, false);
        }
    }
    if let (Some(status), Some(people)) = (object.status.as_mut().filter(|_| !d.one_in(3)), &object.spec.accessors) {
        status.applied.get_or_insert_default().accessors.clone_from(&people.user_ids);
    }
    if let Some(id) = object.status.as_ref().and_then(|s| s.machine_id.as_ref()).filter(|_| !d.one_in(4)) {
        annotations.insert(ADDRESS_OF_MACHINE.to_owned(), format!("te1/{id}/{MARK}"));
    }
    object.metadata.annotations = Some(annotations).filter(|a| !a.is_empty());
    object
}

pub(super) fn condition(d: &mut Dice, kind: &str, now: Timestamp) -> Condition {
    let reason = d.pick(Reason::ALL);
    Condition {
        type_: kind.to_owned(),
        status: d.pick(&["True", "False", "Unknown"]).to_owned(),
        reason: reason.as_str().to_owned(),
        message: d.text(),
        observed_generation: d.pick(&[Some(1), Some(2), None]),
        last_transition_time: at(d, now),
    }
}

pub(super) fn creation(d: &mut Dice, now: Timestamp) -> Creation {
    Creation {
        id: d.word(&NONCES),
        attempt: d.pick(&[1, 2, 0, -1, i32::MAX]),
        account: team(d),
        first_started_at: at(d, now),
        started_at: at(d, now),
        closed_at: d.maybe(|d| at(d, now)),
        outcome: d.pick(&[CreationOutcome::Bound, CreationOutcome::Open, CreationOutcome::Refused, CreationOutcome::Expired]),
        reason: d.maybe(|d| d.word(&["QuotaReached", "CreateRejected"])),
        message: d.maybe(Dice::text),
    }
}

pub(super) fn operation(d: &mut Dice, now: Timestamp) -> Operation {
    Operation {
        id: d.word(&NONCES),
        name: d.pick(&[OperationName::Restart, OperationName::Resize, OperationName::Destroy]),
        state: d.pick(&[
            OperationState::Open,
            OperationState::Accepted,
            OperationState::Done,
            OperationState::Refused,
            OperationState::Uncertain,
        ]),
        requested_at: at(d, now),
        generation: d.pick(&[Some(1), Some(2), None]),
        last_event_seen: d.maybe(|d| d.word(&["ev1", "ev2"])),
        error: d.maybe(Dice::text),
    }
}

pub(super) fn applied(d: &mut Dice) -> Applied {
    Applied {
        startup_script_id: d.maybe(|d| d.word(&["sc1", "sc2"])),
        auto_shutdown: d.one_in(2),
        auto_snapshot: d.one_in(2),
        restore_point: d.one_in(2),
        static_ip_requested: d.one_in(2),
        allocated_ip: d.maybe(|d| d.word(&["9.9.9.9"])),
        named_ip: d.maybe(|d| d.word(&["7.7.7.7", "9.9.9.9"])),
        retain_ip: d.one_in(4),
        accessors: d.several(3, user_id),
        connection: d.maybe(|d| d.word(&["one", "two"])),
    }
}

fn status(d: &mut Dice, now: Timestamp) -> PaperspaceMachineStatus {
    let mut conditions = Vec::new();
    for kind in ["Ready", "Synced", d.pick(&["Reconciling", "Stalled"]), "Suspended"] {
        if d.one_in(2) {
            conditions.push(condition(d, kind, now));
        }
    }
    let mut status = PaperspaceMachineStatus {
        observed_generation: d.pick(&[Some(1), Some(2), Some(-1), None]),
        account: d.maybe(|d| Account { endpoint: if d.one_in(24) { "https://other.test/v1" } else { ENDPOINT }.to_owned(), team: team(d) }),
        machine_id: if d.one_in(3) { None } else { Some(id(d)) },
        machine_name: d.maybe(|d| d.word(&[NAME])),
        state: d.maybe(|d| d.word(&["ready", "off", "provisioning"])),
        power_state: None,
        deletion_policy: None,
        conditions,
        creation: if d.one_in(8) { None } else { Some(creation(d, now)) },
        adopted_at: d.maybe(|d| at(d, now)),
        operation: d.maybe(|d| operation(d, now)),
        resize_refused: d.maybe(|d| ResizeRefused { generation: d.pick(&[Some(1), None]), message: d.text() }),
        resolved: d.maybe(|d| Resolved {
            template_id: d.maybe(|d| d.word(&["tmpl"])),
            network_name: d.maybe(|d| d.word(&["lab", "office"])),
            network_id: d.maybe(|d| d.word(&["n1", "n2"])),
        }),
        owned_script: if d.one_in(3) { Some(owned_script(d, now)) } else { None },
        os: d.maybe(Dice::text),
        agent_type: d.maybe(Dice::text),
        updates_pending: d.one_in(2),
        desktop: d.maybe(|d| Desktop { protocol: "VNC".to_owned(), host: d.text(), port: 5900 }),
        snapshots: d.maybe(|d| Snapshots { count: 1, newest_id: d.maybe(Dice::text) }),
        public_ip: d.maybe(Dice::text),
        private_ip: None,
        network_id: None,
        hardware: None,
        hourly_rate_usd: None,
        drift: d.several(2, |d| Drift {
            field: d.word(&["machineName", "machineType"]),
            desired: d.text(),
            observed: d.text(),
            since: at(d, now),
            action: DriftAction::Correct,
        }),
        handled_restart_at: d.maybe(|d| d.word(&["one", "two"])),
        handled_reconcile_at: d.maybe(|d| d.word(&["one", "two"])),
        started_at: d.maybe(|d| at(d, now)),
        stopped_at: d.maybe(|d| at(d, now)),
        applied: d.maybe(applied),
    };
    // As the operator wrote it.
    crate::lifecycle::shown::clean(&mut status);
    status
}

pub(super) fn settings(d: &mut Dice) -> Settings {
    Settings {
        endpoint: ENDPOINT.to_owned(),
        cluster_id: d.maybe(|d| d.word(&["prod", ""])),
        settle: d.pick(&[Duration::from_mins(3), Duration::from_millis(100), Duration::from_hours(24)]),
        transition: d.pick(&[Duration::from_secs(5), Duration::from_millis(100), Duration::from_hours(24)]),
        adopt_with_default_key: d.one_in(2),
        max_destroys: d.pick(&[None, Some(0), Some(1), Some(20)]),
    }
}
