//! Only so many machines of an account are destroyed within an hour; the others wait, and say so.

use std::time::Duration;

use jiff::SignedDuration;

use super::cloud::wall;
use super::world::{World, secs};
use crate::crd::DeletionPolicy;
use crate::lifecycle::limit::Destroyed;
use crate::lifecycle::observe::Question;
use crate::lifecycle::step::{Requeue, StepKind};

/// A resource that is being deleted, whose account may lose two machines an hour and lost these, so many minutes ago.
fn deleting(destroyed: &[(&str, i64)]) -> World {
    let mut world = World::running(|_| ());
    world.settings.max_destroys = Some(2);
    let now = wall(world.now);
    world.looks.destroyed = destroyed.iter().map(|(id, minutes)| ((*id).to_owned(), now - SignedDuration::from_mins(*minutes))).collect();
    world.delete();
    world
}

#[test]
fn below_the_limit_it_is_destroyed_at_once() {
    let mut world = deleting(&[("a", 10), ("b", 61)]);
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
    assert!(world.asked.iter().any(|q| matches!(q, Question::Destroyed { .. })));
}

#[test]
fn over_it_it_waits_until_one_is_an_hour_old_and_says_so_once() {
    let mut world = deleting(&[("a", 10), ("b", 40), ("c", 50)]);
    world.run_for(secs(19 * 60));
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Delete), world.said("DestroysLimited")), (1, 0, 1));
    assert_eq!(world.status_writes, 1, "waiting writes nothing");
    assert!(world.conditions().contains("Reconciling=True/DestroysLimited"), "{}", world.conditions());
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty(), "c and b are older than an hour by then");
}

#[test]
fn the_message_says_how_to_go_on() {
    let mut world = deleting(&[("a", 10), ("b", 20)]);
    world.step();
    let note = world.said.iter().find(|e| e.reason == "DestroysLimited").map(|e| e.note.clone()).unwrap();
    assert!(world.said.iter().any(|e| e.warning), "{:?}", world.said);
    for part in ["2 machines", "--max-destroys-per-hour", "unlimited", "kubectl patch psm train -n ml"] {
        assert!(note.contains(part), "{part}: {note}");
    }
    assert!(!note.contains('\n') && !note.contains("  "), "{note:?}");
}

#[test]
fn many_that_wait_do_not_ask_often() {
    let mut world = deleting(&[("a", 1), ("b", 2)]);
    match world.pass().requeue {
        Requeue::After(after) => assert!((secs(300)..=secs(360)).contains(&after), "{after:?}"),
        Requeue::OnChange => panic!("it would wait for ever"),
    }
}

#[test]
fn none_is_none_and_unlimited_does_not_even_ask() {
    let mut world = deleting(&[]);
    world.settings.max_destroys = Some(0);
    world.run();
    assert_eq!((world.cloud.machines.len(), world.said("DestroysLimited")), (1, 1));
    assert!(world.conditions().contains("Stalled=True/DestroysLimited"), "{}", world.conditions());

    let mut world = deleting(&[("a", 1), ("b", 2)]);
    world.settings.max_destroys = None;
    world.run();
    assert!(!world.exists && !world.asked.iter().any(|q| matches!(q, Question::Destroyed { .. })));
}

#[test]
fn who_keeps_the_machine_need_not_wait() {
    let mut world = deleting(&[("a", 1), ("b", 2)]);
    world.step();
    world.edit(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn what_was_destroyed_before_and_is_still_there_is_destroyed_again() {
    let mut world = deleting(&[("a", 10)]);
    let id = world.id();
    world.looks.destroyed.insert(id, wall(world.now));
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn the_next_may_go_when_few_enough_are_left_of_the_hour() {
    let now = wall(secs(10_000));
    let at = |minutes: &[i64]| Destroyed {
        began: Duration::ZERO,
        at: minutes.iter().map(|m| (format!("m{m}"), now - SignedDuration::from_mins(*m))).collect(),
    };
    let next = |minutes: &[i64], most| at(minutes).next_at("another", most, now).map(|next| next.duration_since(now).as_mins());
    assert_eq!(next(&[], 1), None);
    assert_eq!(next(&[10], 1), Some(50));
    assert_eq!(next(&[60], 1), None, "an hour old");
    assert_eq!(next(&[10, 20, 30], 3), Some(30), "the oldest leaves first");
    assert_eq!(next(&[10, 20, 30], 2), Some(40), "two have to leave");
    assert_eq!(next(&[10, 20, 30], 4), None);
    assert_eq!(next(&[10], 0), Some(50), "never: asked again, and refused by the caller");
    assert_eq!(at(&[10]).next_at("m10", 1, now), None, "the same machine");
}
