//! Changes and drift.

use super::cloud::Fault;
use super::world::{World, secs};
use crate::crd::{
    AutoShutdown, AutoSnapshot, DriftAction, OperationState, PowerState, PublicIpKind, PublicIpSpec, ResizePolicy, RestorePoint,
    SnapshotFrequency, StartupScript,
};
use crate::lifecycle::step::{Step, StepKind};
use crate::paperspace::types::{Machine, MachineState, PublicIpType};

pub(super) fn address(kind: PublicIpKind) -> Option<PublicIpSpec> {
    Some(PublicIpSpec { kind, reclaim_policy: None, address: None })
}

fn snapshots(keep: i32) -> Option<AutoSnapshot> {
    Some(AutoSnapshot { frequency: SnapshotFrequency::Daily, keep })
}

#[test]
fn a_change_of_the_spec_is_applied_with_one_update() {
    let mut world = World::running(|_| ());
    world.edit(|s| {
        s.auto_snapshot = snapshots(2);
        s.machine_name = Some("renamed".to_owned());
        s.network_id = Some("n2".to_owned());
    });
    world.run();
    assert_eq!((world.steps.as_slice(), world.said("Updated")), (&[StepKind::Update][..], 1));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    let machine = world.machine();
    assert_eq!((machine.auto_snapshot_save_count, machine.network_id.as_deref()), (Some(2.0), Some("n2")));
    assert!(machine.name.starts_with("renamed-"));
}

#[test]
fn drift_is_told_mended_and_told_again() {
    let mut world = World::running(|s| s.auto_snapshot = snapshots(2));
    world.machine().auto_snapshot_enabled = false;
    world.step();
    assert_eq!((world.said("DriftDetected"), world.said("DriftCorrected")), (1, 1));
    let drift = &world.status().drift[0];
    assert_eq!((drift.field.as_str(), drift.desired.as_str(), drift.observed.as_str()), ("autoSnapshot", "daily, keep 2", "off"));
    assert_eq!(drift.action, DriftAction::Correct);
    world.run();
    assert!(world.status().drift.is_empty());
    assert_eq!((world.said("DriftDetected"), world.count(StepKind::Update)), (1, 1));
}

#[test]
fn what_drifts_later_is_told_alone() {
    let mut world = World::running(|s| s.auto_snapshot = snapshots(2));
    world.fault(StepKind::Update, Fault::Refuse(400, "no"));
    world.machine().name = "renamed".to_owned();
    world.step();
    world.machine().auto_snapshot_enabled = false;
    world.step();
    let told: Vec<&str> = world.said.iter().filter(|e| e.reason == "DriftDetected").map(|e| e.note.as_str()).collect();
    assert!(told.len() == 1 && told[0].contains("machineName"), "{told:?}");
    world.edit_status(|s| s.conditions.iter_mut().filter(|c| c.type_ == "Synced").for_each(|c| c.reason = "Drifted".to_owned()));
    world.edit_status(|s| s.drift.retain(|d| d.field == "machineName"));
    world.step();
    let told = &world.said.iter().rfind(|e| e.reason == "DriftDetected").unwrap().note;
    assert!(told.contains("autoSnapshot") && !told.contains("machineName"), "{told}");
}

#[test]
fn a_lost_mark_is_drift() {
    let mut world = World::running(|_| ());
    world.machine().name = "renamed".to_owned();
    world.run();
    assert_eq!(world.machine().name, super::world::NAME);
}

#[test]
fn drift_keeps_its_date() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::Update, Fault::Refuse(400, "no"));
    world.machine().name = "renamed".to_owned();
    world.run_for(secs(5));
    let since = world.status().drift[0].since.clone();
    world.run_for(secs(30));
    assert_eq!(world.status().drift[0].since, since);
    assert_eq!(world.said("DriftDetected"), 1);
}

#[test]
fn a_refused_update_is_shown_and_tried_again_when_the_spec_changes() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::Update, Fault::Refuse(400, "no such network"));
    world.edit(|s| s.network_id = Some("nx".to_owned()));
    world.run_for(secs(30));
    assert!(world.conditions().contains("Synced=False/UpdateRejected Stalled=True/UpdateRejected"), "{}", world.conditions());
    assert_eq!((world.count(StepKind::Update), world.said("UpdateRejected")), (1, 1));
    world.edit(|s| s.network_id = Some("n2".to_owned()));
    world.run_for(secs(5));
    assert_eq!(world.machine().network_id.as_deref(), Some("n2"));
}

#[test]
fn an_update_that_is_accepted_and_not_made_is_repeated_slowly_and_reported() {
    let mut world = World::running(|_| ());
    for _ in 0..20 {
        world.fault(StepKind::Update, Fault::Ignore);
    }
    world.edit(|s| s.network_id = Some("n2".to_owned()));
    world.run_for(secs(600));
    assert!((4..8).contains(&world.count(StepKind::Update)), "{:?}", world.steps);
    let mut slow = World::running(|_| ());
    slow.fault(StepKind::Update, Fault::Ignore);
    slow.edit(|s| s.network_id = Some("n2".to_owned()));
    slow.run_for(secs(9));
    assert_eq!(slow.count(StepKind::Update), 1);
    assert!(world.conditions().contains("Stalled=True/UpdateRejected"), "{}", world.conditions());
    assert_eq!((world.said("Updated"), world.said("UpdateRejected")), (1, 1));
    world.cloud.faults.clear();
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn auto_shutdown_is_changed_by_disabling_it_first() {
    let shutdown = |hours| Some(AutoShutdown { timeout_hours: hours, force: false });
    let mut world = World::running(|s| (s.power_state, s.auto_shutdown) = (PowerState::Manual, shutdown(8)));
    world.machine().auto_shutdown_enabled = true;
    world.machine().auto_shutdown_timeout = Some(8.0);
    world.edit(|s| s.auto_shutdown = shutdown(24));
    world.run_for(secs(2));
    assert_eq!((world.count(StepKind::Update), world.machine().auto_shutdown_timeout), (2, Some(24.0)));
    assert_eq!(world.said("Updated"), 2, "each step is told");
}

#[test]
fn the_second_step_of_auto_shutdown_is_not_repeated_hot() {
    let shutdown = Some(AutoShutdown { timeout_hours: 24, force: false });
    let mut world = World::running(|s| s.power_state = PowerState::Manual);
    for _ in 0..9 {
        world.fault(StepKind::Update, Fault::Ignore);
    }
    world.edit(|s| s.auto_shutdown = shutdown);
    world.run_for(secs(60));
    assert!(world.count(StepKind::Update) <= 4, "{:?}", world.steps);
}

#[test]
fn what_is_off_unless_asked_for_is_turned_off() {
    let mut world = World::running(|_| ());
    world.machine().auto_snapshot_enabled = true;
    world.machine().restore_point_enabled = true;
    world.run();
    assert!(!world.machine().auto_snapshot_enabled && !world.machine().restore_point_enabled);
}

#[test]
fn on_an_adopted_machine_it_is_left_until_it_was_set_once() {
    let enable = |world: &mut World, on| {
        let machine = world.machine();
        (machine.auto_shutdown_enabled, machine.auto_snapshot_enabled, machine.restore_point_enabled) = (on, on, on);
    };
    let enabled = |world: &mut World| {
        let machine = world.machine();
        [machine.auto_shutdown_enabled, machine.auto_snapshot_enabled, machine.restore_point_enabled]
    };
    let mut world = World::adopting(|s| s.power_state = PowerState::Manual);
    enable(&mut world, true);
    world.run();
    assert_eq!(enabled(&mut world), [true; 3]);
    assert_eq!(world.status().applied, None, "what was there is not this resource's");
    world.edit(|s| {
        s.auto_shutdown = Some(AutoShutdown { timeout_hours: 8, force: false });
        s.auto_snapshot = snapshots(3);
        s.restore_point = Some(RestorePoint { frequency: crate::crd::RestoreFrequency::Shutdown, snapshot_id: None });
    });
    world.run();
    let applied = world.status().applied.unwrap();
    assert!(applied.auto_shutdown && applied.auto_snapshot && applied.restore_point);
    world.edit(|s| (s.auto_shutdown, s.auto_snapshot, s.restore_point) = (None, None, None));
    world.run();
    assert_eq!(enabled(&mut world), [false; 3], "a field that was applied and is removed is turned off");
    assert_eq!(world.status().applied, None);
    enable(&mut world, true);
    world.run();
    assert_eq!(enabled(&mut world), [true; 3], "and then it is the user's again");
}

#[test]
fn a_change_of_the_spec_that_waits_is_no_drift() {
    let mut world = World::running(|_| ());
    world.machine().state = MachineState::Starting;
    world.edit(|s| s.machine_name = Some("x".to_owned()));
    for _ in 0..3 {
        world.step();
        assert!(world.conditions().contains("Synced=False/Applying"), "{}", world.conditions());
    }
    assert_eq!(world.said("DriftDetected"), 0);
}

#[test]
fn what_cannot_be_mended_is_said_without_what_can() {
    let mut world = World::running(|_| ());
    world.machine().storage_total = 100 << 30;
    world.machine().name = "renamed".to_owned();
    world.step();
    let message = world.status().condition("Synced").unwrap().message.clone();
    assert!(message.contains("diskSizeGB: 100 -> 50") && !message.contains("machineName"), "{message}");
}

#[test]
fn a_resize_that_goes_on_says_so_and_waits_for_nobody() {
    let mut world = World::running(|s| s.resize_policy = ResizePolicy::StopAndStart);
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.step();
    assert!(world.conditions().contains("Synced=False/Applying"), "{}", world.conditions());
    let mut world = World::running(|s| s.power_state = PowerState::Stopped);
    let id = world.id();
    world.cloud.note(&id, "vm-migrate", None);
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.step();
    assert!(world.conditions().contains("Synced=False/Applying"), "{}", world.conditions());
}

#[test]
fn a_first_update_waits_for_nothing_that_is_under_way() {
    let mut world = World::running(|_| ());
    let id = world.id();
    world.cloud.note(&id, "vm-migrate", None);
    world.edit(|s| s.machine_name = Some("x".to_owned()));
    world.step();
    assert_eq!(world.count(StepKind::Update), 1);
}

#[test]
fn an_address_is_kept_while_the_machine_has_it() {
    let mut world = World::running(|s| s.public_ip = address(PublicIpKind::Static));
    world.fault(StepKind::Update, Fault::Refuse(400, "no"));
    world.edit(|s| s.public_ip = address(PublicIpKind::Dynamic));
    world.run_for(secs(30));
    assert_eq!((world.count(StepKind::ReleaseIp), world.cloud.addresses.len()), (0, 1));
    world.edit(|s| s.public_ip = None);
    world.machine().public_ip_type = PublicIpType::Dynamic;
    world.run_for(secs(30));
    assert_eq!(world.count(StepKind::ReleaseIp), 0, "what is not compared is not given back");
}

#[test]
fn a_resize_waits_for_a_stop_by_default() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.run();
    assert_eq!(world.steps, []);
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/PendingStop");
    assert_eq!(world.status().drift[0].action, DriftAction::NeedsStop);
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run();
    assert_eq!((world.count(StepKind::Resize), world.machine().machine_type.as_str()), (1, "A5000"));
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
}

#[test]
fn stop_and_start_brings_it_back_on() {
    for power in [PowerState::Running, PowerState::Manual] {
        let mut world = World::running(|s| (s.resize_policy, s.power_state) = (ResizePolicy::StopAndStart, power));
        world.edit(|s| s.disk_size_gb = 100);
        world.run();
        assert_eq!(world.steps, [StepKind::Stop, StepKind::Resize, StepKind::Start], "{power:?}");
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
        assert_eq!(world.status().operation.unwrap().state, OperationState::Done);
    }
}

#[test]
fn a_resize_that_does_not_take_is_repeated_slowly() {
    let mut world = World::running(|s| s.power_state = PowerState::Stopped);
    for _ in 0..3 {
        world.fault(StepKind::Resize, Fault::Ignore);
    }
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.run_for(secs(60));
    assert!(world.count(StepKind::Resize) <= 3, "{:?}", world.steps);
    assert_eq!(world.said("Updated"), 1);
}

#[test]
fn what_can_never_be_changed_is_reported() {
    let mut world = World::running(|_| ());
    world.machine().storage_total = 100 << 30;
    world.step();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/Unmendable Stalled=True/Unmendable");
    assert_eq!(world.status().drift[0].action, DriftAction::Report);
    assert_eq!(world.steps, []);
}

#[test]
fn nothing_is_compared_while_provisioning() {
    let mut world = World::running(|_| ());
    world.machine().state = MachineState::Provisioning;
    world.machine().storage_total = 0;
    world.machine().machine_type = "?".to_owned();
    world.step();
    assert!(world.status().drift.is_empty() && world.steps.is_empty());
}

#[test]
fn nothing_is_sent_while_the_machine_is_between_states() {
    let mut world = World::running(|_| ());
    world.machine().state = MachineState::Stopping;
    world.edit(|s| s.network_id = Some("n2".to_owned()));
    world.step();
    assert_eq!(world.steps, []);
    world.machine().state = MachineState::Ready;
    world.run();
    assert_eq!(world.machine().network_id.as_deref(), Some("n2"));
}

#[test]
fn a_startup_script_is_assigned_replaced_and_unassigned() {
    let script = |id: &str| Some(StartupScript { script_id: Some(id.to_owned()), ..Default::default() });
    let mut world = World::new(|s| s.startup_script = script("one"));
    world.run();
    assert_eq!(world.count(StepKind::AssignScript), 0, "it was sent with the creation");
    world.forget_log();
    world.edit(|s| s.startup_script = script("two"));
    world.run();
    assert_eq!(world.steps, [StepKind::UnassignScript, StepKind::AssignScript]);
    world.edit(|s| s.startup_script = None);
    world.run();
    assert_eq!((world.count(StepKind::UnassignScript), world.status().applied), (2, None));
}

#[test]
fn a_refused_script_does_not_stand_in_the_way_of_power() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::AssignScript, Fault::Refuse(404, "no such script"));
    world.edit(|s| {
        (s.startup_script, s.power_state) =
            (Some(StartupScript { script_id: Some("x".to_owned()), ..Default::default() }), PowerState::Stopped);
    });
    world.run_for(secs(59));
    assert_eq!(world.machine().state, MachineState::Off);
    assert!(world.conditions().contains("Synced=False/UpdateRejected"), "{}", world.conditions());
}

#[test]
fn a_restore_point_with_a_snapshot_is_set_after_creation() {
    let mut world = World::new(|s| {
        s.restore_point = Some(RestorePoint { frequency: crate::crd::RestoreFrequency::Shutdown, snapshot_id: Some("sn1".to_owned()) });
    });
    world.run();
    assert_eq!((world.machine().restore_point_enabled, world.machine().restore_point_snapshot_id.as_deref()), (true, Some("sn1")));
}

#[test]
fn an_observed_machine_is_not_compared() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.management_policy = crate::crd::ManagementPolicy::Observe);
    world.machine().machine_type = "C5".to_owned();
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Observed");
    assert!(world.status().drift.is_empty());
    assert_eq!(world.steps, [StepKind::RemoveFinalizer], "what is observed goes without asking");
}

#[test]
fn a_list_that_lags_changes_nothing_and_warns_of_nothing() {
    let mut world = World::running(|s| s.public_ip = address(PublicIpKind::Static));
    let addresses = world.cloud.addresses.clone();
    assert_eq!((addresses.len(), world.status().applied.and_then(|a| a.allocated_ip).is_some()), (1, true));
    let machine = world.machine().clone();
    let before = world.status();
    for past in [
        Machine { public_ip_type: PublicIpType::Dynamic, public_ip: None, ..machine.clone() },
        Machine { name: "renamed".to_owned(), ..machine.clone() },
        Machine { storage_total: machine.storage_total / 2, ..machine.clone() },
        Machine { state: MachineState::Off, ..machine.clone() },
    ] {
        world.looks.lagging_rows = vec![past];
        world.sleep(secs(60));
        world.step();
    }
    assert_eq!((world.steps.len(), world.said.len()), (0, 0), "{:?} {:?}", world.steps, world.said);
    assert_eq!((world.status(), &world.cloud.addresses), (before, &addresses));
}

#[test]
fn a_change_is_decided_on_a_fresh_look() {
    let mut world = World::running(|_| ());
    world.sleep(secs(300));
    world.looks.unobserved_for = secs(60);
    world.machine().name = "renamed".to_owned();
    world.asked.clear();
    let began = world.now;
    let decision = world.pass();
    assert!(matches!(decision.step, Step::Update { .. }));
    assert!(
        world
            .asked
            .iter()
            .any(|q| matches!(q, crate::lifecycle::observe::Question::Direct { begun_after, .. } if *begun_after + secs(5) >= began))
    );
}
