//! The parts that are functions of values: differences, updates, requests, power.

use super::cloud::{event, machine, wall};
use super::world::{NAME, UID, World, secs, spec};
use crate::crd::{
    AutoShutdown, AutoSnapshot, DeletionPolicy, ManagementPolicy, PaperspaceMachine, PaperspaceMachineSpec, PowerState, PublicIpKind,
    PublicIpSpec, RestoreFrequency, RestorePoint, SnapshotFrequency, StartupScript,
};
use crate::lifecycle::decide::deletion_policy;
use crate::lifecycle::desired;
use crate::lifecycle::diff::{Mend, diff, update};
use crate::lifecycle::power::falls;
use crate::paperspace::types::{CreateMachine, Machine, PublicIpType, RestorePointFrequency, UpdateMachine};

fn object(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> PaperspaceMachine {
    let mut spec = spec();
    change(&mut spec);
    let mut object = PaperspaceMachine::new("train", spec);
    object.metadata.namespace = Some("ml".to_owned());
    object.metadata.uid = Some(UID.to_owned());
    object
}

fn differences(
    spec: impl FnOnce(&mut PaperspaceMachineSpec),
    observed: impl FnOnce(&mut Machine),
) -> Vec<(&'static str, String, String, Mend)> {
    let mut machine = machine("ps", NAME);
    observed(&mut machine);
    let all = diff(&object(spec), &crate::crd::PaperspaceMachineStatus::default(), None, &machine);
    all.into_iter().map(|d| (d.field, d.observed, d.desired, d.mend)).collect()
}

fn one(all: &[(&'static str, String, String, Mend)]) -> String {
    assert_eq!(all.len(), 1, "{all:?}");
    format!("{}: {} -> {} ({:?})", all[0].0, all[0].1, all[0].2, all[0].3)
}

fn snapshot(keep: i32) -> Option<AutoSnapshot> {
    Some(AutoSnapshot { frequency: SnapshotFrequency::Weekly, keep })
}

fn restore(snapshot_id: Option<&str>) -> Option<RestorePoint> {
    Some(RestorePoint { frequency: RestoreFrequency::Shutdown, snapshot_id: snapshot_id.map(str::to_owned) })
}

#[test]
fn an_equal_machine_differs_in_nothing_however_it_is_spelt() {
    assert_eq!(differences(|_| (), |_| ()), []);
    assert_eq!(differences(|s| s.machine_type = "a4000".to_owned(), |_| ()), []);
    assert_eq!(differences(|s| s.region = "NY2".to_owned(), |m| m.region = "ny2".to_owned()), []);
    for bytes in [50 << 30, 50_000_000_000, (50 << 30) - (1 << 28)] {
        assert_eq!(differences(|_| (), |m| m.storage_total = bytes), [], "{bytes}");
    }
    assert_eq!(differences(|s| s.disk_size_gb = 100, |m| m.storage_total = 0), [], "not said");
}

#[test]
fn each_field_says_how_it_can_be_mended() {
    let shown = |s: fn(&mut PaperspaceMachineSpec), m: fn(&mut Machine)| one(&differences(s, m));
    assert_eq!(shown(|_| (), |m| m.name = "x".to_owned()), format!("machineName: x -> {NAME} (InPlace)"));
    assert_eq!(shown(|s| s.machine_type = "A5000".to_owned(), |_| ()), "machineType: A4000 -> A5000 (AfterStop)");
    assert_eq!(shown(|s| s.machine_type = "C5".to_owned(), |_| ()), "machineType: A4000 -> C5 (Never)");
    assert_eq!(shown(|_| (), |m| m.machine_type = "C10".to_owned()), "machineType: C10 -> A4000 (Never)");
    assert_eq!(shown(|s| s.machine_type = "C7".to_owned(), |m| m.machine_type = "c5".to_owned()), "machineType: c5 -> C7 (AfterStop)");
    assert_eq!(shown(|s| s.machine_type = "GPU+".to_owned(), |_| ()), "machineType: A4000 -> GPU+ (AfterStop)");
    assert_eq!(shown(|_| (), |m| m.machine_type = String::new()), "machineType:  -> A4000 (AfterStop)");
    assert_eq!(shown(|s| s.region = "CA1".to_owned(), |_| ()), "region: NY2 -> CA1 (Never)");
    assert_eq!(shown(|s| s.disk_size_gb = 100, |_| ()), "diskSizeGB: 50 -> 100 (AfterStop)");
    assert_eq!(shown(|_| (), |m| m.storage_total = 250 << 30), "diskSizeGB: 250 -> 50 (Never)");
    assert_eq!(shown(|s| s.network_id = Some("n2".to_owned()), |m| m.network_id = None), "networkId: none -> n2 (InPlace)");
    assert_eq!(
        shown(|s| s.public_ip = Some(PublicIpSpec { kind: PublicIpKind::None, reclaim_policy: None, address: None }), |_| ()),
        "publicIp: dynamic -> none (InPlace)"
    );
    let own = |s: &mut PaperspaceMachineSpec| {
        s.public_ip = Some(PublicIpSpec { kind: PublicIpKind::Static, reclaim_policy: None, address: Some("7.7.7.7".to_owned()) });
    };
    assert_eq!(shown(own, |_| ()), "publicIp: dynamic -> static 7.7.7.7 (Apart)");
    assert_eq!(
        shown(own, |m| (m.public_ip_type, m.public_ip) = (PublicIpType::Static, Some("7.7.7.8".to_owned()))),
        "publicIp: static 7.7.7.8 -> static 7.7.7.7 (Apart)"
    );
    assert_eq!(differences(own, |m| (m.public_ip_type, m.public_ip) = (PublicIpType::Static, Some("7.7.7.7".to_owned()))), []);
    assert_eq!(
        shown(|s| s.auto_shutdown = Some(AutoShutdown { timeout_hours: 8, force: true }), |_| ()),
        "autoShutdown: off -> 8h, force (InPlace)"
    );
    assert_eq!(shown(|s| s.auto_snapshot = snapshot(3), |_| ()), "autoSnapshot: off -> weekly, keep 3 (InPlace)");
    assert_eq!(shown(|s| s.restore_point = restore(Some("sn1")), |_| ()), "restorePoint: off -> shutdown, snapshot sn1 (InPlace)");
    assert_eq!(shown(|s| s.restore_point = restore(None), |_| ()), "restorePoint: off -> shutdown (InPlace)");
    let other = |m: &mut Machine| (m.restore_point_enabled, m.restore_point_snapshot_id) = (true, Some("sn2".to_owned()));
    assert_eq!(
        shown(|s| s.restore_point = restore(Some("sn1")), other),
        "restorePoint: shutdown, snapshot sn2 -> shutdown, snapshot sn1 (InPlace)"
    );
    assert_eq!(differences(|s| s.restore_point = restore(Some("sn2")), other), []);
}

#[test]
fn what_the_spec_does_not_name_is_not_compared() {
    let changed = |m: &mut Machine| {
        m.network_id = Some("other".to_owned());
        m.public_ip_type = PublicIpType::None;
    };
    assert_eq!(differences(|_| (), changed), []);
    let initial = |m: &mut Machine| {
        m.restore_point_enabled = true;
        m.restore_point_snapshot_id = Some("initial".to_owned());
    };
    assert_eq!(differences(|s| s.restore_point = restore(None), initial), [], "whichever snapshot it has");
}

#[test]
fn a_disk_of_no_usual_size_is_rounded() {
    assert_eq!(one(&differences(|s| s.disk_size_gb = 100, |m| m.storage_total = 77 << 30)), "diskSizeGB: 77 -> 100 (AfterStop)");
    assert_eq!(one(&differences(|s| s.disk_size_gb = 77, |_| ())), "diskSizeGB: 50 -> 77 (AfterStop)");
    assert_eq!(differences(|_| (), |m| m.storage_total = u64::MAX), [], "more than there is");
    let half = 1 << 29;
    for (bytes, shown) in [
        (51 << 30, Some("51")),
        ((51 << 30) - 1, None),
        ((49 << 30) + 1, None),
        (49 << 30, Some("49")),
        (100_000_000_000, Some("100")),
        ((77 << 30) + half, Some("78")),
        ((77 << 30) + half - 1, Some("77")),
    ] {
        let observed = differences(|_| (), |m| m.storage_total = bytes).first().map(|d| d.1.clone());
        assert_eq!(observed.as_deref(), shown, "{bytes}");
    }
}

#[test]
fn an_update_carries_exactly_what_differs() {
    let object = object(|s| {
        s.network_id = Some("n2".to_owned());
        s.machine_type = "A5000".to_owned();
    });
    let machine = machine("ps", NAME);
    let all = diff(&object, &crate::crd::PaperspaceMachineStatus::default(), None, &machine);
    let in_place: Vec<_> = all.iter().filter(|d| d.mend == Mend::InPlace).collect();
    assert_eq!(update(&object, &machine, &in_place), UpdateMachine { network_id: Some("n2".to_owned()), ..UpdateMachine::default() });
    let off: Vec<_> = all.iter().filter(|d| d.mend == Mend::AfterStop).collect();
    assert_eq!(update(&object, &machine, &off), UpdateMachine { machine_type: Some("A5000".to_owned()), ..UpdateMachine::default() });
    assert_eq!(update(&object, &machine, &[]), UpdateMachine::default());
}

#[test]
fn what_is_turned_off_is_sent_as_off_alone() {
    let mut machine = machine("ps", NAME);
    (machine.auto_shutdown_enabled, machine.auto_shutdown_timeout) = (true, Some(8.0));
    (machine.auto_snapshot_enabled, machine.restore_point_enabled) = (true, true);
    let object = object(|_| ());
    let all = diff(&object, &crate::crd::PaperspaceMachineStatus::default(), None, &machine);
    let body = update(&object, &machine, &all.iter().collect::<Vec<_>>());
    let off = UpdateMachine {
        auto_shutdown_enabled: Some(false),
        auto_snapshot_enabled: Some(false),
        restore_point_enabled: Some(false),
        ..UpdateMachine::default()
    };
    assert_eq!(body, off);
}

#[test]
fn a_restore_point_is_sent_whole() {
    let object = object(|s| s.restore_point = restore(Some("sn1")));
    let machine = machine("ps", NAME);
    let all = diff(&object, &crate::crd::PaperspaceMachineStatus::default(), None, &machine);
    let body = update(&object, &machine, &all.iter().collect::<Vec<_>>());
    assert_eq!(
        (body.restore_point_enabled, body.restore_point_frequency, body.restore_point_snapshot_id.as_deref()),
        (Some(true), Some(RestorePointFrequency::Shutdown), Some("sn1"))
    );
}

#[test]
fn the_request_that_creates_says_everything_explicitly() {
    let body = desired::creation(&object(|_| ()), &crate::crd::PaperspaceMachineStatus::default(), Some("prod")).unwrap();
    let expected = CreateMachine {
        name: "ml-train-prod-3f9c2a7b51de".to_owned(),
        machine_type: "A4000".to_owned(),
        template_id: "tmpl".to_owned(),
        disk_size: 50,
        region: "ny2".to_owned(),
        public_ip_type: Some(PublicIpType::Dynamic),
        auto_snapshot_enabled: Some(false),
        auto_shutdown_enabled: Some(false),
        take_initial_snapshot: Some(false),
        restore_point_enabled: Some(false),
        email_password: Some(false),
        start_on_create: Some(true),
        enable_nvlink: Some(false),
        ..CreateMachine::default()
    };
    assert_eq!(body, expected);
    assert_eq!(desired::creation(&object(|s| s.template_id = None), &crate::crd::PaperspaceMachineStatus::default(), None), None);
}

#[test]
fn the_request_that_creates_carries_the_spec() {
    let applied = crate::crd::Applied { startup_script_id: Some("sc1".to_owned()), ..Default::default() };
    let written = crate::crd::PaperspaceMachineStatus { applied: Some(applied), ..Default::default() };
    let body = desired::creation(
        &object(|s| {
            s.power_state = PowerState::Stopped;
            s.auto_shutdown = Some(AutoShutdown { timeout_hours: 8, force: true });
            s.auto_snapshot = snapshot(3);
            s.startup_script = Some(StartupScript { script_id: Some("sc1".to_owned()), ..Default::default() });
            s.restore_point = restore(None);
            s.take_initial_snapshot = true;
            s.network_id = Some("n2".to_owned());
        }),
        &written,
        None,
    )
    .unwrap();
    assert_eq!((body.start_on_create, body.auto_shutdown_timeout, body.auto_snapshot_save_count), (Some(false), Some(8), Some(3)));
    assert_eq!((body.restore_point_enabled, body.restore_point_frequency), (Some(true), Some(RestorePointFrequency::Shutdown)));
    assert_eq!((body.startup_script_id.as_deref(), body.network_id.as_deref()), (Some("sc1"), Some("n2")));
    let own = desired::creation(&object(|s| s.restore_point = restore(Some("sn1"))), &written, None).unwrap();
    assert_eq!(own.restore_point_enabled, Some(false), "set by an update, with its snapshot");
}

#[test]
fn an_adopted_machine_keeps_its_name_and_gets_the_mark() {
    let adopting = object(|s| {
        s.adopt =
            Some(crate::crd::Adopt { machine_id: "ps".to_owned(), replace_mark: None, on_difference: crate::crd::OnDifference::Hold });
    });
    for (observed, wanted) in [
        ("mine", "mine-3f9c2a7b51de"),
        ("mine-aaaaaaaaaaaa", "mine-3f9c2a7b51de"),
        ("mine-3f9c2a7b51de", "mine-3f9c2a7b51de"),
        ("other-prod-3f9c2a7b51de", "other-prod-3f9c2a7b51de"),
    ] {
        assert_eq!(desired::full_name(&adopting, None, observed), wanted);
    }
    assert_eq!(desired::full_name(&object(|_| ()), None, "anything"), NAME);
}

#[test]
fn the_effective_deletion_policy() {
    let adopted = |s: &mut PaperspaceMachineSpec| {
        s.adopt = Some(crate::crd::Adopt { machine_id: "x".to_owned(), replace_mark: None, on_difference: crate::crd::OnDifference::Hold });
    };
    assert_eq!(deletion_policy(&object(|_| ()).spec), DeletionPolicy::Delete);
    assert_eq!(deletion_policy(&object(adopted).spec), DeletionPolicy::Retain);
    assert_eq!(deletion_policy(&object(|s| s.deletion_policy = Some(DeletionPolicy::Retain)).spec), DeletionPolicy::Retain);
    let explicit = object(|s| {
        adopted(s);
        s.deletion_policy = Some(DeletionPolicy::Delete);
    });
    assert_eq!(deletion_policy(&explicit.spec), DeletionPolicy::Delete);
    let observing = object(|s| (s.management_policy, s.deletion_policy) = (ManagementPolicy::Observe, Some(DeletionPolicy::Delete)));
    assert_eq!(deletion_policy(&observing.spec), DeletionPolicy::Retain);
}

#[test]
fn starts_in_a_row_that_did_not_last_are_counted() {
    let at = secs;
    let done = |id: &str, name: &str, t: u64| event(id, name, at(t), Some(at(t + 5)));
    let count = |events: &[_], up: Option<u64>| falls(events, up.map(|t| wall(at(t)))).map(|(n, last)| (n, last.id.clone()));
    assert_eq!(count(&[], None), None);
    assert_eq!(count(&[done("a", "create", 0)], None), Some((0, "a".to_owned())), "only created");
    let fell = [done("c", "start", 200), done("b", "start", 100), done("a", "create", 0)];
    assert_eq!(count(&fell, None), Some((2, "c".to_owned())));
    assert_eq!(count(&fell, Some(150)), Some((2, "c".to_owned())), "up before the last start");
    assert_eq!(count(&fell, Some(210)), None, "seen up since");
    assert_eq!(count(&fell, Some(200)), None, "in the same second: the status keeps no smaller ones");
    assert_eq!(count(&[done("d", "stop", 300), fell[0].clone()], None), None, "it was stopped");
    assert_eq!(count(&[done("d", "bill-sessions", 300), fell[0].clone()], None), Some((1, "c".to_owned())));
    assert_eq!(count(&[fell[0].clone(), done("s", "stop", 150), fell[1].clone()], None), Some((1, "c".to_owned())));
}

#[test]
fn what_is_seen_of_a_machine_is_in_the_status() {
    let world = World::running(|_| ());
    let status = world.status();
    assert_eq!((status.state.as_deref(), status.power_state.as_deref()), (Some("ready"), Some("Running")));
    assert_eq!((status.public_ip.as_deref(), status.private_ip.as_deref()), (Some("5.5.5.5"), Some("10.0.0.1")));
    assert_eq!(status.hourly_rate_usd.as_deref(), Some("0.76"));
    assert_eq!((status.os.as_deref(), status.agent_type.as_deref()), (Some("Ubuntu"), Some("LinuxHeadless")));
    assert_eq!((status.updates_pending, status.desktop, status.snapshots), (false, None, None));
    let hardware = status.hardware.unwrap();
    assert_eq!((hardware.cpus, hardware.memory.as_str(), hardware.storage.as_str()), (8, "45Gi", "50Gi"));
    assert!(status.started_at.is_some());
    assert_eq!(status.account.unwrap().team, "te1");
}
