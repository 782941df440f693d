//! Creating exactly once, where the status was lost, or the object is a copy of one that has a machine.

use super::cloud::{Fault, wall};
use super::world::{UID, World, secs};
use crate::crd::{ADDRESS_OF_MACHINE, CreationOutcome, FINALIZER, ManagementPolicy};
use crate::lifecycle::step::StepKind;

#[test]
fn a_finalizer_without_memory_is_settled_before_anything_is_made() {
    let mut world = World::new(|_| ());
    world.object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    let began = world.now;
    world.step();
    let creation = world.status().creation.unwrap();
    assert_eq!((creation.outcome, world.count(StepKind::WriteAhead)), (CreationOutcome::Open, 0));
    assert_eq!(creation.first_started_at.0, wall(secs(0)), "since the object's creation");
    world.run_until(StepKind::Create);
    assert!(world.now - began > secs(180));
}

#[test]
fn a_wiped_status_finds_its_machine_again() {
    let mut world = World::running(|_| ());
    let id = world.id();
    world.edit_status(|s| *s = crate::crd::PaperspaceMachineStatus::default());
    world.run();
    assert_eq!((world.id(), world.count(StepKind::Create)), (id, 0));
}

#[test]
fn a_wiped_status_while_the_request_is_in_flight_makes_no_second_machine() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(60)));
    world.run_until(StepKind::Create);
    world.edit_status(|s| *s = crate::crd::PaperspaceMachineStatus::default());
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1));
}

#[test]
fn a_lost_machine_id_is_settled_like_lost_memory() {
    let mut world = World::running(|_| ());
    world.edit_status(|s| s.machine_id = None);
    world.looks.hidden_lists = 1;
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 0));
    assert_eq!(world.status().creation.unwrap().attempt, 2);
}

#[test]
fn a_finalizer_added_again_proves_nothing_to_a_resource_that_had_a_machine() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.management_policy = ManagementPolicy::Observe);
    world.run();
    world.edit_status(|s| *s = crate::crd::PaperspaceMachineStatus::default());
    world.edit(|s| s.management_policy = ManagementPolicy::Manage);
    world.looks.hidden_lists = 1;
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 0));
}

#[test]
fn somebody_elses_write_breaks_the_proof_that_nothing_was_tried() {
    let mut world = World::new(|_| ());
    world.step();
    world.annotate("example.com/note", "1");
    world.step();
    assert_eq!(world.status().creation.unwrap().outcome, CreationOutcome::Open);
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
}

#[test]
fn a_restored_object_creates_nothing_and_says_how_to_go_on() {
    let mut world = World::new(|_| ());
    world.annotate(ADDRESS_OF_MACHINE, "te1/psold/aaaaaaaaaaaa");
    world.run();
    assert_eq!(world.conditions(), "Ready=False/Restored Synced=False/Restored Stalled=True/Restored");
    let message = &world.status().conditions[0].message;
    assert!(message.contains("machineId: psold") && message.contains("replaceMark: aaaaaaaaaaaa"), "{message}");
    assert_eq!((world.steps.len(), world.said("Restored")), (0, 1));
    world.object.metadata.annotations = None;
    world.run();
    assert_eq!(world.cloud.machines.len(), 1, "without the annotation it is a new one");
}

#[test]
fn a_restored_object_with_its_status_does_not_touch_the_others_machine() {
    let mut world = World::running(|_| ());
    world.object.metadata.uid = Some("bbbbbbbb-51de-4c1a-9f00-000000000001".to_owned());
    world.run();
    assert_eq!(world.conditions(), "Ready=False/OwnershipLost Synced=False/OwnershipLost Stalled=True/OwnershipLost");
    let message = world.status().condition("Stalled").unwrap().message.clone();
    assert!(message.contains("with its status: delete it"), "{message}");
    world.machine().name = "renamed".to_owned();
    world.run();
    assert_eq!(world.conditions(), "Ready=False/Restored Synced=False/Restored Stalled=True/Restored");
    assert_eq!(world.steps, []);
    assert_ne!(world.object.metadata.uid.as_deref(), Some(UID));
}

#[test]
fn a_restored_object_with_its_status_gets_no_machine_in_place_of_the_others_that_is_gone() {
    let mut world = World::running(|_| ());
    world.object.metadata.uid = Some("bbbbbbbb-51de-4c1a-9f00-000000000001".to_owned());
    world.cloud.machines.clear();
    world.run_for(secs(600));
    assert_eq!(world.conditions(), "Ready=False/Restored Synced=False/Restored Stalled=True/Restored");
    assert_eq!((world.steps.as_slice(), world.said("MachineVanished")), ([].as_slice(), 0));
    world.object.metadata.annotations = None;
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1), "without the annotation it is a new one");
}

#[test]
fn an_address_of_another_that_came_after_an_attempt_holds_nothing_up() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Refuse(429, "slow down"));
    world.run_until(StepKind::Create);
    world.step();
    world.annotate(ADDRESS_OF_MACHINE, "te1/psold/aaaaaaaaaaaa");
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}
