//! With `--dry-run` and under the emergency stop nothing is done, and what would be done is said.

use super::world::{World, secs};
use crate::crd::{DeletionPolicy, PowerState};
use crate::lifecycle::restraint::Restraint;
use crate::lifecycle::step::StepKind;

fn stopped() -> Option<Restraint> {
    Some(Restraint::Stopped("emergency stop".into()))
}

/// What the condition says that is not done.
fn not_done(world: &World) -> String {
    let synced = world.status().condition("Synced").cloned().unwrap();
    synced.message.split_once("Not done: ").map(|(_, what)| what.to_owned()).unwrap_or_default()
}

#[test]
fn no_machine_is_created_nor_an_attempt_written_down() {
    let mut world = World::new(|_| ());
    world.restraint = Some(Restraint::DryRun);
    world.run();
    assert_eq!(world.cloud.machines.len(), 0);
    assert!(world.status().creation.is_none());
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
    assert_eq!(not_done(&world), "creating a A4000 with 50 GB in NY2 named ml-train-3f9c2a7b51de");
    assert_eq!(world.conditions(), "Ready=False/DryRun Synced=False/DryRun Stalled=True/DryRun");
    assert_eq!((world.said("DryRun"), world.said.iter().filter(|e| e.warning).count()), (1, 0), "{:?}", world.said);
}

#[test]
fn it_is_done_when_the_restraint_is_gone() {
    let mut world = World::new(|_| ());
    world.restraint = stopped();
    world.run();
    world.restraint = None;
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
    assert!(world.conditions().starts_with("Ready=True/Running Synced=True/Synced"), "{}", world.conditions());
}

#[test]
fn what_is_well_says_nothing_of_it() {
    let mut world = World::running(|_| ());
    world.restraint = stopped();
    world.run();
    assert_eq!((world.status_writes, world.said.len()), (0, 0));
}

#[test]
fn a_machine_that_would_be_stopped_is_said_to_be_what_it_is() {
    let mut world = World::running(|_| ());
    world.restraint = stopped();
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run();
    assert_eq!(world.count(StepKind::Stop), 0);
    assert_eq!(not_done(&world), format!("stopping machine {}", world.id()));
    assert_eq!(world.said("EmergencyStop"), 1);
    assert!(world.conditions().contains("Synced=False/EmergencyStop Stalled=True/EmergencyStop"), "{}", world.conditions());
    assert!(!world.conditions().contains("Stopping"), "{}", world.conditions());
}

#[test]
fn each_new_thing_that_is_not_done_is_told_once() {
    let mut world = World::running(|_| ());
    world.restraint = Some(Restraint::DryRun);
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run();
    world.run();
    assert_eq!(world.said("DryRun"), 1);
    world.edit(|s| {
        s.power_state = PowerState::Running;
        s.machine_name = Some("another".to_owned());
    });
    world.run();
    assert_eq!(world.said("DryRun"), 2);
    assert!(not_done(&world).contains("\"name\":\"another-3f9c2a7b51de\""), "{}", not_done(&world));
    assert_eq!(world.machine().name, super::world::NAME);
}

#[test]
fn no_machine_is_destroyed_and_the_resource_waits() {
    let mut world = World::running(|_| ());
    world.restraint = stopped();
    world.delete();
    world.run_for(secs(3600));
    assert_eq!((world.exists, world.cloud.machines.len(), world.said("EmergencyStop")), (true, 1, 1));
    assert!(world.conditions().contains("Stalled=True/EmergencyStop"), "{}", world.conditions());
    world.restraint = None;
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn who_keeps_the_machine_is_let_go() {
    let mut world = World::running(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    world.restraint = stopped();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn an_attempt_that_was_written_down_is_not_sent_and_settled_later() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.restraint = stopped();
    world.step();
    assert_eq!(world.count(StepKind::Create), 0);
    assert!(not_done(&world).starts_with("creating a A4000"), "{}", not_done(&world));
    world.sleep(secs(60));
    world.restraint = None;
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1));
    assert_eq!(world.status().creation.unwrap().attempt, 2, "the first is too old to be sent");
}
