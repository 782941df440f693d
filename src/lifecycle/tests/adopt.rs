//! Taking over a machine that exists.

use super::cloud::{Fault, machine};
use super::world::{MARK, World, open, secs};
use crate::crd::{
    Adopt, AutoSnapshot, DeletionPolicy, ManagementPolicy, OnDifference, PaperspaceMachineSpec, PowerState, SnapshotFrequency,
};
use crate::lifecycle::observe::KeySource;
use crate::lifecycle::step::StepKind;
use crate::paperspace::types::MachineState;

impl World {
    /// A resource that is to take over `psx`, which is on and named `mine`.
    pub(super) fn adopting(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> Self {
        let mut world = Self::new(|s| {
            s.template_id = None;
            s.adopt = Some(Adopt { machine_id: "psx".to_owned(), replace_mark: None, on_difference: OnDifference::Hold });
            change(s);
        });
        world.cloud.machines.push(machine("psx", "mine"));
        world
    }
}

pub(super) fn adopt(spec: &mut PaperspaceMachineSpec) -> &mut Adopt {
    spec.adopt.as_mut().unwrap()
}

#[test]
fn an_equal_machine_is_claimed_by_the_mark_on_its_name() {
    let mut world = World::adopting(|_| ());
    world.run();
    assert_eq!(world.machine().name, format!("mine-{MARK}"));
    assert_eq!(world.steps, [StepKind::AddFinalizer, StepKind::Update, StepKind::Annotate]);
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    assert_eq!((world.said("Adopted"), world.said("Started"), world.status().creation), (1, 0, None));
    assert_eq!(world.status().deletion_policy, Some(DeletionPolicy::Retain));
}

#[test]
fn a_different_machine_is_held_and_not_written_to() {
    let mut world = World::adopting(|s| s.disk_size_gb = 100);
    world.run_for(secs(300));
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
    assert!(world.conditions().contains("Synced=False/AdoptedDiffers Stalled=True/AdoptedDiffers"), "{}", world.conditions());
    assert_eq!((world.status().drift[0].field.as_str(), world.said("AdoptedDiffers")), ("diskSizeGB", 1));
    world.edit(|s| s.disk_size_gb = 50);
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    assert!(world.status().drift.is_empty());
}

#[test]
fn power_counts_as_a_difference() {
    let mut world = World::adopting(|_| ());
    world.machine().state = MachineState::Off;
    world.run_for(secs(120));
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
    assert_eq!(world.status().drift[0].field, "powerState");
    world.edit(|s| s.power_state = PowerState::Manual);
    world.run();
    assert_eq!(world.conditions(), "Ready=True/ManualOff Synced=True/Synced");
}

#[test]
fn apply_mends_the_differences_after_the_claim() {
    let mut world = World::adopting(|s| {
        adopt(s).on_difference = OnDifference::Apply;
        s.auto_snapshot = Some(AutoSnapshot { frequency: SnapshotFrequency::Daily, keep: 2 });
    });
    world.run();
    assert!(world.machine().auto_snapshot_enabled);
    assert_eq!(world.count(StepKind::Update), 2);
    assert_eq!(world.machine().name, format!("mine-{MARK}"));
}

#[test]
fn what_can_never_be_mended_is_held_under_apply_too() {
    let mut world = World::adopting(|s| {
        adopt(s).on_difference = OnDifference::Apply;
        s.region = "CA1".to_owned();
    });
    world.run_for(secs(120));
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
    assert!(world.conditions().contains("AdoptedDiffers"));
}

#[test]
fn another_resources_machine_is_not_taken() {
    let mut world = World::adopting(|_| ());
    world.machine().name = "mine-aaaaaaaaaaaa".to_owned();
    world.run_for(secs(120));
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
    assert!(world.conditions().contains("Stalled=True/OwnedElsewhere"), "{}", world.conditions());
    assert!(world.status().condition("Ready").unwrap().message.contains("adopt.replaceMark: aaaaaaaaaaaa"));
}

#[test]
fn the_named_mark_is_replaced() {
    let mut world = World::adopting(|s| adopt(s).replace_mark = Some("aaaaaaaaaaaa".to_owned()));
    world.machine().name = "mine-aaaaaaaaaaaa".to_owned();
    world.run();
    assert_eq!(world.machine().name, format!("mine-{MARK}"));
}

#[test]
fn a_machine_name_in_the_spec_is_applied_with_the_claim() {
    let mut world = World::adopting(|s| {
        adopt(s).on_difference = OnDifference::Apply;
        s.machine_name = Some("theirs".to_owned());
    });
    world.run();
    assert_eq!(world.machine().name, format!("theirs-{MARK}"));
    let mut held = World::adopting(|s| s.machine_name = Some("theirs".to_owned()));
    held.run_for(secs(60));
    assert_eq!(held.status().drift[0].field, "machineName");
    let mut equal = World::adopting(|s| s.machine_name = Some("mine".to_owned()));
    equal.run();
    assert_eq!(equal.machine().name, format!("mine-{MARK}"));
}

#[test]
fn a_claim_that_does_not_take_is_not_repeated_hot() {
    let mut world = World::adopting(|_| ());
    for _ in 0..3 {
        world.fault(StepKind::Update, Fault::Ignore);
    }
    world.run_for(secs(60));
    assert!(world.count(StepKind::Update) <= 3, "{:?}", world.steps);
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn a_lost_reply_of_the_claim_does_no_harm() {
    let mut world = World::adopting(|_| ());
    world.fault(StepKind::Update, Fault::LoseReply);
    world.run();
    assert_eq!((world.count(StepKind::Update), world.said("Adopted")), (1, 1));
}

#[test]
fn a_missing_machine_is_waited_for() {
    let mut world = World::adopting(|_| ());
    world.cloud.machines.clear();
    world.run_for(secs(300));
    assert_eq!((world.steps.as_slice(), world.said("MachineMissing")), (&[StepKind::AddFinalizer][..], 1));
    world.cloud.machines.push(machine("psx", "mine"));
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn suspend_claims_nothing_and_polls_nothing() {
    let mut world = World::adopting(|s| s.suspend = true);
    world.run();
    assert_eq!(world.steps, []);
    assert!(world.now < secs(110), "quiet at once");
    assert!(world.conditions().starts_with("Ready=True/Running"), "and seen: {}", world.conditions());
    world.edit(|s| s.suspend = false);
    world.run();
    assert_eq!(world.said("Adopted"), 1);
}

#[test]
fn the_operators_key_adopts_only_where_that_is_allowed() {
    let mut world = World::adopting(|_| ());
    world.settings.adopt_with_default_key = false;
    world.run();
    assert!(world.conditions().contains("Stalled=True/DefaultKeyNotAllowed"), "{}", world.conditions());
    assert_eq!(world.machine().name, "mine");
}

#[test]
fn the_operators_key_shows_no_machine_where_it_may_not_adopt() {
    let mut world = World::adopting(|s| s.management_policy = ManagementPolicy::Observe);
    world.settings.adopt_with_default_key = false;
    world.run();
    assert!(world.conditions().contains("Stalled=True/DefaultKeyNotAllowed"), "{}", world.conditions());
    assert_eq!(world.status().public_ip, None, "nothing of the machine is told");
}

#[test]
fn observing_never_writes_and_has_no_finalizer() {
    let mut world = World::adopting(|s| {
        s.management_policy = ManagementPolicy::Observe;
        s.disk_size_gb = 500;
    });
    world.machine().name = "mine-aaaaaaaaaaaa".to_owned();
    world.run();
    assert_eq!((world.steps.len(), world.conditions().as_str()), (0, "Ready=True/Running Synced=True/Observed"));
    assert_eq!(world.status().deletion_policy, Some(DeletionPolicy::Retain));
    world.machine().state = MachineState::Off;
    world.run();
    assert!(world.steps.is_empty(), "{}", world.conditions());
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Observed", "nobody will start it");
    world.delete();
    assert!(!world.exists);
}

#[test]
fn deleting_an_adopting_resource_keeps_the_machine_by_default() {
    let mut world = World::adopting(|_| ());
    world.run();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn with_the_policy_delete_an_adopted_machine_is_destroyed() {
    let mut world = World::adopting(|s| s.deletion_policy = Some(DeletionPolicy::Delete));
    world.run();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 0));
}

#[test]
fn a_machine_that_was_not_claimed_yet_is_never_destroyed() {
    let mut world = World::adopting(|s| {
        s.deletion_policy = Some(DeletionPolicy::Delete);
        s.disk_size_gb = 100;
    });
    world.run_for(secs(60));
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn an_adopted_machine_that_was_taken_over_is_left_alone() {
    let mut world = World::adopting(|s| s.deletion_policy = Some(DeletionPolicy::Delete));
    world.run();
    world.machine().name = "mine-bbbbbbbbbbbb".to_owned();
    world.step();
    assert!(world.conditions().contains("OwnershipLost"), "{}", world.conditions());
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn the_first_look_at_the_wrong_team_binds_to_no_account() {
    let mut world = World::adopting(|_| ());
    let kept = std::mem::take(&mut world.cloud.machines);
    world.access.insert(KeySource::Own, open("te2"));
    world.run_for(secs(60));
    assert_eq!(world.status().account, None);
    world.cloud.machines = kept;
    world.access.insert(KeySource::Own, open("te1"));
    world.run();
    assert_eq!(world.status().account.unwrap().team, "te1");
}
