//! Taking over a machine where another may have been created before.

use super::adopt::adopt;
use super::cloud::{Fault, machine};
use super::world::{MARK, World, secs};
use crate::crd::{
    Adopt, CreationOutcome, DeletionPolicy, ManagementPolicy, OnDifference, PaperspaceMachineSpec, PaperspaceMachineStatus, PowerState,
};
use crate::lifecycle::step::StepKind;

/// A resource whose create is in flight for 100 s more and whose status was wiped, and which then was told to adopt `psx`.
fn wiped_and_told_to_adopt(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> World {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(100)));
    world.run_until(StepKind::Create);
    let mut other = machine("psx", "mine");
    other.dt_created -= secs(86_400);
    world.cloud.machines.push(other);
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.edit(|s| {
        s.adopt = Some(Adopt { machine_id: "psx".to_owned(), replace_mark: None, on_difference: OnDifference::Hold });
        change(s);
    });
    world
}

fn ids(world: &World) -> Vec<&str> {
    world.cloud.machines.iter().map(|m| m.id.as_str()).collect()
}

#[test]
fn what_may_have_been_created_before_is_found_out_before_another_machine_is_claimed() {
    let mut world = wiped_and_told_to_adopt(|_| ());
    world.run();
    assert_eq!((world.id().as_str(), world.cloud.machines.len()), ("psx", 2));
    assert_eq!(world.status().creation.unwrap().outcome, CreationOutcome::Bound);
    assert!(world.conditions().contains("Stalled=True/Duplicate"), "{}", world.conditions());
}

#[test]
fn what_was_created_before_the_machine_was_adopted_is_destroyed_with_it_or_named() {
    let mut world = wiped_and_told_to_adopt(|s| s.deletion_policy = Some(DeletionPolicy::Delete));
    world.run();
    world.delete();
    world.run();
    assert_eq!((world.exists, ids(&world)), (false, vec![]));
    let mut world = wiped_and_told_to_adopt(|_| ());
    world.run();
    let all: Vec<String> = ids(&world).iter().map(|&id| id.to_owned()).collect();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 2));
    let note = &world.said.iter().find(|e| e.reason == "Retained").unwrap().note;
    assert!(all.iter().all(|id| note.contains(id)), "{note}");
}

#[test]
fn a_deletion_before_the_claim_destroys_what_was_created_and_not_what_was_to_be_adopted() {
    for wait in [0, 1, 50, 150, 400] {
        let mut world = wiped_and_told_to_adopt(|s| {
            s.deletion_policy = Some(DeletionPolicy::Delete);
            s.disk_size_gb = 100;
        });
        world.run_for(secs(wait));
        world.delete();
        world.run();
        world.sleep(secs(400));
        assert_eq!((world.exists, ids(&world)), (false, vec!["psx"]), "after {wait}: {:?}", world.steps);
    }
}

#[test]
fn observing_another_machine_forgets_none_that_was_created() {
    let mut world = wiped_and_told_to_adopt(|s| s.management_policy = ManagementPolicy::Observe);
    world.run();
    assert!(world.now > secs(199), "the finalizer went before anyone could know");
    assert_eq!((world.count(StepKind::RemoveFinalizer), world.said("Created")), (1, 1));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Observed");
}

#[test]
fn one_that_adopted_from_the_start_has_created_nothing() {
    let mut world = World::adopting(|_| ());
    world.cloud.machines.clear();
    world.run_for(secs(60));
    world.crash();
    let began = world.now;
    world.run_for(secs(60));
    world.delete();
    world.run();
    assert!(!world.exists && world.now - began < secs(70), "{:?}", world.now - began);
    let mut world = World::adopting(|_| ());
    world.run();
    world.crash();
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.step();
    assert_eq!(world.said("Adopted"), 2, "found again by its mark");
}

#[test]
fn a_copy_may_adopt_the_machine_of_the_original_at_once() {
    let mut world = World::adopting(|s| adopt(s).replace_mark = Some("aaaaaaaaaaaa".to_owned()));
    world.machine().name = "mine-aaaaaaaaaaaa".to_owned();
    world.annotate(crate::crd::ADDRESS_OF_MACHINE, "te1/psx/aaaaaaaaaaaa");
    world.run_for(secs(60));
    assert_eq!((world.machine().name.clone(), world.status().creation), (format!("mine-{MARK}"), None));
}

#[test]
fn what_was_adopted_is_not_taken_for_what_was_created() {
    let mut world = World::adopting(|_| ());
    world.run();
    world.edit(|s| s.power_state = PowerState::Manual);
    world.crash();
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.run();
    assert_eq!(world.status().creation.unwrap().outcome, CreationOutcome::Expired);
    assert_eq!((world.said("Created"), world.said("Adopted"), world.id().as_str()), (0, 2, "psx"));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn a_machine_that_was_only_observed_is_not_destroyed_with_what_was_created() {
    let mut world = wiped_and_told_to_adopt(|s| {
        (s.management_policy, s.deletion_policy, s.disk_size_gb) = (ManagementPolicy::Observe, Some(DeletionPolicy::Delete), 100);
    });
    world.run();
    let observed = world.cloud.machines.iter().position(|m| m.id == "psx").unwrap();
    let observed = world.cloud.machines.remove(observed);
    world.step();
    assert!(world.memory.missing.contains_key("psx"), "{:?}", world.memory.missing);
    world.cloud.machines.push(observed);
    world.edit(|s| s.management_policy = ManagementPolicy::Manage);
    world.step();
    world.delete();
    world.run();
    assert_eq!((world.exists, ids(&world)), (false, vec!["psx"]));
}

#[test]
fn what_proves_that_nothing_was_created_is_weighed() {
    let placeholder = |world: &mut World| {
        world.run_for(secs(60));
        world.status().creation.is_some()
    };
    let address = crate::crd::ADDRESS_OF_MACHINE;
    let mut had = World::adopting(|_| ());
    had.annotate(address, &format!("te1/psold/{MARK}"));
    assert!(placeholder(&mut had), "an address of its own names another machine");
    let mut copy = World::adopting(|_| ());
    copy.annotate(address, "te1/psold/aaaaaaaaaaaa");
    assert!(!placeholder(&mut copy), "that one was another resource's");
    for policy in [ManagementPolicy::Manage, ManagementPolicy::Observe] {
        let mut edited = World::adopting(|s| s.management_policy = policy);
        edited.object.metadata.generation = Some(3);
        assert!(!placeholder(&mut edited), "there was no finalizer until this process added it");
        edited.object.metadata.finalizers = Some(vec![crate::crd::FINALIZER.to_owned()]);
        edited.crash();
        assert!(!placeholder(&mut edited), "its machine is in the status");
        edited.edit_status(|s| s.machine_id = None);
        edited.object.metadata.finalizers = Some(vec![crate::crd::FINALIZER.to_owned()]);
        let claimed = edited.status().adopted_at.is_some();
        assert_eq!(placeholder(&mut edited), !claimed, "neither finalizer nor spec are as they were made");
    }
    let mut held = World::adopting(|s| (s.deletion_policy, s.disk_size_gb) = (Some(DeletionPolicy::Delete), 100));
    held.object.metadata.generation = Some(3);
    held.run_for(secs(30));
    held.crash();
    held.delete();
    held.step();
    assert!(!held.exists && held.cloud.machines.len() == 1, "what was held back is let go at once");
}
