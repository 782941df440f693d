//! Deleting: whose machine it is.

use std::time::Duration;

use super::cloud::{machine, wall};
use super::delete::address;
use super::world::{NAME, World, secs};
use crate::crd::{ADDRESS_OF_MACHINE, FINALIZER};
use crate::lifecycle::step::StepKind;

#[test]
fn duplicates_that_attempts_made_are_destroyed_with_it() {
    let mut world = World::running(|_| ());
    let mut twin = machine("pstwin", NAME);
    twin.dt_created = world.machine().dt_created;
    world.cloud.machines.push(twin);
    world.run_for(secs(60));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn a_copy_made_in_the_console_is_reported_and_not_touched() {
    let mut world = World::running(|_| ());
    world.sleep(secs(3600));
    let mut copy = machine("pscopy", NAME);
    copy.dt_created = wall(world.now);
    world.cloud.machines.push(copy);
    world.delete();
    world.run();
    assert!(!world.exists);
    assert_eq!(world.machine().id, "pscopy");
    let note = &world.said.iter().find(|e| e.reason == "Deleted").unwrap().note;
    assert!(note.contains("left alone: pscopy"), "{note}");
}

#[test]
fn a_machine_that_was_taken_over_is_left_alone() {
    let mut world = World::running(|_| ());
    world.machine().name = "other-aaaaaaaaaaaa".to_owned();
    world.delete();
    world.run();
    assert!(!world.exists);
    assert_eq!((world.cloud.machines.len(), world.steps.clone()), (1, vec![StepKind::RemoveFinalizer]));
    assert!(world.said.iter().any(|e| e.note.contains("carries another resource's mark and stays")), "{:?}", world.said);
    let mut world = World::running(|s| s.public_ip = address(None));
    world.machine().name = "other-aaaaaaaaaaaa".to_owned();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.addresses.len()), (false, 1), "nor is its address taken from it");
}

#[test]
fn a_machine_that_was_listed_as_ours_and_is_not_any_more_is_left_alone() {
    let mut world = World::running(|_| ());
    let id = world.id();
    // It had the mark when a list showed it, and was not found then.
    world.cloud.machines.push(machine("aaa", "somebody-aaaaaaaaaaaa"));
    world.memory.missing.insert("aaa".to_owned(), world.now);
    world.facts.crd_terminating = Some(false);
    world.delete();
    assert_eq!(world.pass().step, crate::lifecycle::step::Step::Delete { id });
}

#[test]
fn a_machine_whose_mark_was_lost_is_destroyed_all_the_same() {
    let mut world = World::running(|_| ());
    world.machine().name = "renamed".to_owned();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn a_copy_of_a_resource_does_not_destroy_the_originals_machine() {
    let mut world = World::running(|_| ());
    world.object.metadata.uid = Some("bbbbbbbb-51de-4c1a-9f00-000000000001".to_owned());
    world.machine().name = "renamed".to_owned();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn a_restored_object_goes_without_destroying() {
    let mut world = World::new(|_| ());
    world.cloud.machines.push(machine("psold", "ml-train-aaaaaaaaaaaa"));
    world.object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    world.annotate(ADDRESS_OF_MACHINE, "te1/psold/aaaaaaaaaaaa");
    world.run();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn only_what_an_attempt_can_have_made_is_ours() {
    let mut world = World::running(|_| ());
    let creation = world.status().creation.unwrap();
    let (first, closed) = (creation.first_started_at.0, creation.closed_at.clone().unwrap().0);
    let at = |when| {
        let mut one = machine("ps", NAME);
        one.dt_created = when;
        one
    };
    let ours = |m: &crate::paperspace::types::Machine| crate::lifecycle::destroy::made_by(Some(&creation), secs(180), m);
    let minute = Duration::from_mins(1);
    assert!(ours(&at(first - minute)) && ours(&at(first)) && ours(&at(closed + secs(180))));
    assert!(!ours(&at(first - minute - secs(1))) && !ours(&at(closed + secs(181))));
    assert!(!crate::lifecycle::destroy::made_by(None, secs(180), &at(first)), "without memory nothing");
    assert_eq!(world.machine().name, NAME);
}
