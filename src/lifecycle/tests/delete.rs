//! Deleting: nothing is left behind, nothing is destroyed that nobody asked for.

use super::cloud::{Fault, machine, wall};
use super::world::{NAME, World, secs};
use crate::crd::{DeletionPolicy, FINALIZER, PaperspaceMachineStatus, PublicIpKind, PublicIpSpec, ReclaimPolicy};
use crate::lifecycle::observe::{KeySource, Question};
use crate::lifecycle::step::StepKind;

pub(super) fn address(reclaim_policy: Option<ReclaimPolicy>) -> Option<PublicIpSpec> {
    Some(PublicIpSpec { kind: PublicIpKind::Static, reclaim_policy, address: None })
}

#[test]
fn the_machine_is_destroyed_before_the_finalizer_goes() {
    let mut world = World::running(|_| ());
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
    assert_eq!(world.steps, [StepKind::Delete, StepKind::RemoveFinalizer]);
    assert_eq!((world.said("Deleting"), world.said("Deleted")), (1, 1));
    let deleted = world.object.metadata.deletion_timestamp.as_ref().unwrap().0;
    assert!(wall(world.now).duration_since(deleted) < jiff::SignedDuration::from_mins(1), "a 404 for what was destroyed needs no waiting");
}

#[test]
fn the_crd_is_read_before_each_destroy_and_the_session_before_the_finalizer_goes() {
    let mut world = World::running(|_| ());
    world.delete();
    world.run_until(StepKind::Delete);
    assert!(world.asked.contains(&Question::CrdTerminating));
    world.asked.clear();
    world.run();
    assert!(world.asked.contains(&Question::Access { key: KeySource::Own, reread: true }));
    assert!(world.asked.iter().filter(|q| matches!(q, Question::List { .. })).count() >= 2);
}

#[test]
fn a_crd_that_goes_takes_no_machine_with_it() {
    let mut world = World::running(|_| ());
    world.looks.crd_terminating = true;
    world.delete();
    world.run_for(secs(300));
    assert_eq!((world.cloud.machines.len(), world.steps.len(), world.said("DeletionHeld")), (1, 0, 1));
    assert!(world.conditions().contains("Stalled=True/DeletionHeld"), "{}", world.conditions());
    world.looks.crd_terminating = false;
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn protection_holds_and_names_the_way_on() {
    use crate::lifecycle::step::Requeue;
    let mut gone = World::running(|_| ());
    gone.looks.crd_terminating = true;
    gone.delete();
    assert_eq!(gone.pass().requeue, Requeue::After(secs(60)), "nothing wakes what the CRD holds");
    let mut world = World::running(|s| s.deletion_protection = true);
    world.delete();
    assert_eq!(world.pass().requeue, Requeue::OnChange);
    world.run_for(secs(600));
    let status = world.status();
    let stalled = status.condition("Stalled").unwrap();
    assert_eq!((stalled.reason.as_str(), world.said("DeletionProtected")), ("DeletionProtected", 1));
    assert!(stalled.message.contains("kubectl patch psm train -n ml"), "{}", stalled.message);
    world.edit(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    world.run();
    assert!(!world.exists && world.cloud.machines.len() == 1);
}

#[test]
fn suspend_holds_a_deletion_unless_the_machine_is_retained() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.suspend = true);
    world.delete();
    world.run_for(secs(600));
    assert!(world.exists && world.conditions().contains("DeletionHeld"), "{}", world.conditions());
    world.edit(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    world.run();
    assert!(!world.exists && world.cloud.machines.len() == 1);
}

#[test]
fn a_resource_for_which_nothing_was_tried_goes_at_once() {
    let mut world = World::new(|_| ());
    world.step();
    world.delete();
    world.object.metadata.resource_version = world.memory.chain.clone();
    let began = world.now;
    world.run();
    assert!(!world.exists && world.now - began < secs(1));
}

#[test]
fn without_memory_the_finalizer_is_held_for_the_settling_time() {
    let mut world = World::new(|_| ());
    world.object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    world.delete();
    let began = world.now;
    world.run();
    assert!(!world.exists && world.now - began > secs(180));
}

#[test]
fn an_open_attempt_is_waited_for_and_its_late_machine_destroyed() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(120)));
    world.run_until(StepKind::Create);
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
    assert_eq!(world.count(StepKind::Delete), 1);
}

#[test]
fn a_found_machine_does_not_shorten_the_hold() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(120)));
    world.cloud.machines.clear();
    world.run_until(StepKind::Create);
    let mut early = machine("psearly", NAME);
    early.dt_created = wall(world.now);
    world.cloud.machines.push(early);
    world.delete();
    world.run();
    assert!(world.cloud.machines.is_empty());
    assert_eq!(world.count(StepKind::Delete), 2, "the one that was there and the one that came later");
}

#[test]
fn a_machine_that_an_attempt_just_made_is_destroyed_though_it_was_never_bound() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.delete();
    world.crash();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn one_list_that_misses_the_machine_lets_nothing_go() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(179)));
    world.run_until(StepKind::Create);
    world.delete();
    world.run_for(secs(179));
    world.looks.hidden_lists = 1;
    world.run();
    assert!(world.cloud.machines.is_empty());
}

#[test]
fn a_404_for_a_machine_that_nobody_destroyed_is_waited_out() {
    let mut world = World::running(|_| ());
    world.delete();
    world.looks.lagging_gets = 3;
    world.run();
    assert!(world.cloud.machines.is_empty(), "{:?}", world.steps);
    let mut world = World::running(|_| ());
    world.cloud.machines.clear();
    world.delete();
    let began = world.now;
    world.run();
    assert!(!world.exists && world.now - began > secs(180));
    assert_eq!(world.count(StepKind::Delete), 0);
    // Another operation that Paperspace accepted is no destruction.
    let mut world = World::running(|_| ());
    world.annotate(crate::crd::RESTART_REQUESTED, "one");
    world.run();
    world.crash();
    world.delete();
    world.looks.lagging_gets = 2;
    let began = world.now;
    world.step();
    assert!(world.memory.missing.contains_key(&world.id()), "{:?}", world.memory);
    world.cloud.machines.clear();
    world.run();
    assert!(!world.exists && world.now - began > secs(180));
}

#[test]
fn a_404_for_an_unbound_machine_that_a_list_shows_is_waited_out_too() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.crash();
    world.looks.lagging_gets = 1;
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn a_refused_destruction_is_shown_and_repeated() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::Delete, Fault::Refuse(400, "not now"));
    world.delete();
    world.run_for(secs(30));
    assert!(world.conditions().contains("Stalled=True/UpdateRejected"), "{}", world.conditions());
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn a_destruction_that_fails_after_it_was_accepted_is_repeated() {
    for crash in [false, true] {
        let mut world = World::running(|_| ());
        world.fault(StepKind::Delete, Fault::Ignore);
        world.delete();
        world.run_until(StepKind::Delete);
        if crash {
            world.crash();
        }
        world.run_for(secs(100));
        assert_eq!(world.count(StepKind::Delete), 1, "not hot");
        world.asked.clear();
        world.run_until(StepKind::Delete);
        assert!(!world.asked.iter().any(|q| matches!(q, Question::List { .. })), "what GET shows is there");
        world.run();
        assert!(!world.exists && world.cloud.machines.is_empty(), "crash {crash}");
        assert_eq!(world.count(StepKind::Delete), 2);
    }
}

#[test]
fn a_machine_that_was_made_only_just_now_is_not_gone_because_it_is_not_found() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Annotate);
    world.delete();
    world.run_until(StepKind::Delete);
    // Reads lag behind: they know nothing of the machine yet. And its destruction fails later.
    (world.looks.lagging_gets, world.looks.hidden_lists) = (1, 2);
    world.cloud.keep_showing();
    world.step();
    assert!(world.exists, "{:?}", world.steps);
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty(), "{:?}", world.steps);
}

#[test]
fn a_machine_that_is_shown_as_deleted_is_waited_for_until_it_is_not_shown_any_more() {
    let mut world = World::running(|_| ());
    world.cloud.shows_deleted = true;
    world.delete();
    world.run_until(StepKind::Delete);
    world.run_until(StepKind::RemoveFinalizer);
    assert!(world.cloud.machines.is_empty(), "the finalizer went while GET still answered 200");
}

#[test]
fn a_machine_that_is_shown_as_deleted_for_ever_holds_the_finalizer_for_the_settling_time_only() {
    let mut world = World::running(|_| ());
    world.cloud.shows_deleted = true;
    world.delete();
    world.run_until(StepKind::Delete);
    world.cloud.keep_showing();
    let asked = world.now;
    world.run_until(StepKind::RemoveFinalizer);
    assert!(world.now.saturating_sub(asked) >= secs(180));
    assert_eq!(world.count(StepKind::Delete), 1);
}

#[test]
fn a_restart_of_the_operator_does_not_begin_that_wait_anew() {
    let mut world = World::running(|_| ());
    world.cloud.shows_deleted = true;
    world.delete();
    world.run_until(StepKind::Delete);
    world.cloud.keep_showing();
    world.sleep(secs(200));
    world.crash();
    let crashed = world.now;
    world.run_until(StepKind::RemoveFinalizer);
    assert!(world.now.saturating_sub(crashed) < secs(60));
}

#[test]
fn a_machine_that_somebody_else_destroyed_is_not_destroyed_again() {
    let mut world = World::running(|_| ());
    world.machine().dt_deleted = Some(wall(secs(1)));
    world.delete();
    let began = world.now;
    world.run();
    assert_eq!((world.exists, world.count(StepKind::Delete)), (false, 0));
    assert!(world.now - began >= secs(180), "nobody here asked for it: it is waited out");
}

#[test]
fn a_lost_reply_of_the_destruction_does_no_harm() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::Delete, Fault::LoseReply);
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn a_status_wiped_during_deletion_is_settled_and_still_destroys() {
    let mut world = World::running(|_| ());
    world.delete();
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn a_crash_at_any_pass_of_a_deletion_leaves_nothing_behind() {
    for n in 0..12 {
        let mut world = World::running(|s| s.public_ip = address(None));
        world.delete();
        for _ in 0..n {
            let decision = world.pass();
            if let crate::lifecycle::step::Requeue::After(after) = decision.requeue {
                world.sleep(after);
            }
        }
        world.crash();
        world.run();
        assert!(!world.exists && world.cloud.machines.is_empty() && world.cloud.addresses.is_empty(), "crash after {n}");
    }
}

#[test]
fn without_a_finalizer_there_is_nothing_to_do() {
    let mut world = World::running(|_| ());
    world.object.metadata.finalizers = None;
    world.object.metadata.deletion_timestamp = Some(crate::crd::status::time(wall(world.now)));
    let decision = world.pass();
    assert_eq!((decision.step, decision.status), (crate::lifecycle::step::Step::Nothing, world.status()));
}
