//! A machine that is not found any more.

use super::cloud::machine;
use super::world::{NAME, World, api_down, open, secs};
use crate::crd::{ManagementPolicy, PublicIpKind, PublicIpSpec, ReclaimPolicy};
use crate::lifecycle::observe::{KeySource, Question};
use crate::lifecycle::step::StepKind;

/// Until the absence is noticed: nothing wakes the tests' world by itself.
fn vanish(world: &mut World) {
    world.cloud.machines.clear();
    world.step();
}

#[test]
fn a_machine_that_is_gone_for_good_is_made_anew() {
    let mut world = World::running(|_| ());
    let (old, began) = (world.id(), world.now);
    vanish(&mut world);
    assert_eq!(world.conditions(), "Ready=Unknown/MachineNotFound Synced=Unknown/MachineNotFound Reconciling=True/MachineNotFound");
    world.run_until(StepKind::Create);
    assert!(world.now - began > secs(180));
    world.run();
    assert_ne!(world.id(), old);
    assert_eq!((world.cloud.machines.len(), world.said("MachineVanished")), (1, 1));
    assert_eq!(world.status().creation.unwrap().attempt, 2);
    assert!(world.asked.contains(&Question::Access { key: KeySource::Own, reread: true }));
}

#[test]
fn absence_is_proved_by_two_lists_begun_after_all_that_and_one_after_the_other() {
    let mut world = World::running(|_| ());
    vanish(&mut world);
    let settled = world.memory.missing[&world.id()] + secs(180);
    world.run_for(secs(179));
    world.sleep(secs(2));
    world.asked.clear();
    world.step();
    let lists: Vec<_> =
        world.asked.iter().filter_map(|q| if let Question::List { begun_after } = q { Some(*begun_after) } else { None }).collect();
    let first = world.memory.evidence.as_ref().unwrap().lists[0];
    let next = std::time::Duration::from_nanos(1);
    assert_eq!(lists, [settled + next, first + next]);
    assert_eq!(world.said("MachineVanished"), 1);
}

#[test]
fn the_account_of_a_machine_that_is_gone_is_known_though_the_status_lost_it() {
    let mut world = World::running(|_| ());
    world.edit_status(|s| (s.account, s.creation) = (None, None));
    vanish(&mut world);
    world.run_for(secs(600));
    assert_eq!((world.said("MachineVanished"), world.status().account.unwrap().team.as_str()), (1, "te1"));
}

#[test]
fn one_404_is_no_proof() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.machine_name = None);
    world.looks.lagging_gets = 1;
    world.run();
    assert_eq!((world.count(StepKind::Create), world.conditions().as_str()), (0, "Ready=True/Running Synced=True/Synced"));
}

#[test]
fn a_200_in_between_starts_again() {
    let mut world = World::running(|_| ());
    let kept = world.cloud.machines.clone();
    vanish(&mut world);
    world.run_for(secs(170));
    world.cloud.machines.clone_from(&kept);
    world.run_for(secs(6));
    world.cloud.machines.clear();
    world.annotate(crate::crd::RECONCILE_REQUESTED, "now");
    let again = world.now;
    world.run_until(StepKind::WriteAhead);
    assert!(world.now - again > secs(175), "{:?}", world.now - again);
}

#[test]
fn while_a_list_shows_it_it_is_not_gone() {
    for name in [NAME, "renamed"] {
        let mut world = World::running(|_| ());
        world.machine().name = name.to_owned();
        world.looks.ghosts = world.cloud.machines.clone();
        vanish(&mut world);
        world.run_for(secs(600));
        assert_eq!((world.count(StepKind::WriteAhead), world.said("MachineVanished"), world.status().machine_id.is_some()), (0, 0, true));
        world.looks.ghosts.clear();
        world.run();
        assert_eq!(world.cloud.machines.len(), 1);
    }
}

#[test]
fn a_key_of_another_team_sees_nothing_vanish() {
    let mut world = World::running(|_| ());
    vanish(&mut world);
    world.access.insert(KeySource::Own, open("te2"));
    world.run_for(secs(900));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("Stalled=True/AccountMismatch"), "{}", world.conditions());
}

#[test]
fn an_api_that_is_down_sees_nothing_vanish() {
    let mut world = World::running(|_| ());
    vanish(&mut world);
    world.looks.down = Some(api_down());
    world.run_for(secs(900));
    assert_eq!(world.steps, []);
}

#[test]
fn another_machine_with_the_mark_is_bound_instead_of_a_new_one() {
    let mut world = World::running(|_| ());
    let mut twin = machine("pstwin", NAME);
    twin.dt_created = world.machine().dt_created;
    vanish(&mut world);
    world.cloud.machines.push(twin);
    world.run();
    assert_eq!((world.id().as_str(), world.count(StepKind::Create)), ("pstwin", 0));
}

#[test]
fn an_adopted_machine_is_not_made_anew() {
    let mut world = World::adopting(|_| ());
    world.run();
    world.forget_log();
    vanish(&mut world);
    world.run_for(secs(900));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("Stalled=True/MachineMissing"), "{}", world.conditions());
    assert_eq!(world.said("MachineMissing"), 1);
}

#[test]
fn a_suspended_one_waits_with_the_new_machine() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.suspend = true);
    vanish(&mut world);
    world.run_for(secs(900));
    assert_eq!(world.steps, []);
    let status = world.status();
    assert!(status.condition("Ready").unwrap().message.contains("spec.suspend"));
    world.edit(|s| s.suspend = false);
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn an_observed_one_is_only_reported() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.management_policy = ManagementPolicy::Observe);
    world.run();
    world.forget_log();
    vanish(&mut world);
    world.run_for(secs(900));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("MachineMissing"), "{}", world.conditions());
}

#[test]
fn the_address_of_the_old_machine_is_released_before_the_new_one_gets_its_own() {
    for (policy, left) in [(None, 1), (Some(ReclaimPolicy::Retain), 2)] {
        let mut world =
            World::running(|s| s.public_ip = Some(PublicIpSpec { kind: PublicIpKind::Static, reclaim_policy: policy, address: None }));
        vanish(&mut world);
        world.run();
        assert_eq!(world.cloud.addresses.len(), left);
        let current = world.machine().public_ip.clone();
        assert_eq!(world.status().applied.unwrap().allocated_ip, current);
    }
}

#[test]
fn a_crash_while_making_sure_only_costs_time() {
    let mut world = World::running(|_| ());
    vanish(&mut world);
    world.run_for(secs(170));
    world.crash();
    let crashed = world.now;
    world.run_until(StepKind::WriteAhead);
    assert!(world.now - crashed > secs(180));
}
