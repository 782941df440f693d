//! Who may use the machine, where requests are refused, lost, late or without effect.

use super::accessors::{SYNCED, foreign, ids, named};
use super::cloud::Fault;
use super::world::{World, api_down, secs};
use crate::lifecycle::accessors::UNHEARD;
use crate::lifecycle::step::StepKind;

#[test]
fn a_refusal_is_told_and_keeps_nobody_else_waiting_for_ever() {
    let mut world = World::running(|s| s.accessors = ids(&[]));
    for _ in 0..3 {
        world.fault(StepKind::AddAccessor, Fault::Refuse(400, "not this one"));
    }
    world.edit(|s| s.accessors = ids(&["u1", "u2"]));
    world.live(secs(10));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/UpdateRejected Stalled=True/UpdateRejected");
    assert_eq!((world.count(StepKind::AddAccessor), world.said("UpdateRejected")), (1, 1));
    world.live(secs(3600));
    assert_eq!((world.people(), world.count(StepKind::AddAccessor)), (vec!["u1".to_owned(), "u2".to_owned()], 5));
    assert_eq!(world.conditions(), SYNCED);
}

#[test]
fn one_who_is_refused_for_ever_does_not_keep_the_others_out() {
    let mut world = World::running(|s| s.accessors = ids(&[]));
    world.cloud.estate.refuses.insert("u1".to_owned());
    world.edit(|s| s.accessors = ids(&["u1", "u2", "u3"]));
    world.live(secs(1200));
    assert_eq!(world.people(), ["u2", "u3"]);
    assert!(world.conditions().contains("Synced=False/UpdateRejected"), "{}", world.conditions());
}

#[test]
fn a_lost_reply_forgets_nobody() {
    for fault in [Fault::LoseReply, Fault::Drop] {
        let mut world = World::running(|s| s.accessors = ids(&[]));
        world.fault(StepKind::AddAccessor, fault.clone());
        world.edit(|s| s.accessors = ids(&["u1"]));
        world.run_until(StepKind::AddAccessor);
        world.crash();
        world.edit(|s| s.accessors = None);
        world.live(secs(900));
        assert_eq!((world.people(), world.added()), (vec![], vec![]), "{fault:?}");
        assert!(world.count(StepKind::RemoveAccessor) <= 1, "{fault:?}");
    }
}

#[test]
fn somebody_whom_a_late_request_lets_in_after_all_is_shown_out_again() {
    let mut world = World::running(|s| s.accessors = ids(&[]));
    world.fault(StepKind::AddAccessor, Fault::Drop);
    world.edit(|s| s.accessors = ids(&["u1"]));
    world.run_until(StepKind::AddAccessor);
    world.edit(|s| s.accessors = None);
    for _ in 0..2 {
        world.live(secs(50));
        world.crash();
        assert_eq!(world.added(), ["u1"], "they are not there, and may still come");
    }
    world.admit("u1");
    world.live(secs(900));
    assert_eq!((world.people(), world.added()), (vec![], vec![]));
}

#[test]
fn somebody_who_was_shown_out_and_whom_others_let_in_again_stays() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.live(secs(200));
    world.edit(|s| s.accessors = ids(&[]));
    world.live(secs(1));
    assert_eq!((world.people(), world.added()), (vec![], vec![]), "no request can be on its way: forgotten at once");
    world.admit("u1");
    world.live(secs(1200));
    assert_eq!((world.people(), world.drift()), (vec!["u1".to_owned()], foreign("ann@example.com")));
}

#[test]
fn nobody_is_let_in_who_was_not_written_down_even_if_the_write_meets_another() {
    let mut world = World::running(|s| s.accessors = ids(&[]));
    world.edit(|s| s.accessors = ids(&["u1"]));
    world.conflicts = 3;
    for _ in 0..6 {
        if !world.people().is_empty() {
            break;
        }
        world.step();
        assert!(world.people().is_empty() || world.added() == ["u1"]);
    }
    assert_eq!(world.people(), ["u1"]);
}

#[test]
fn what_is_accepted_and_does_not_show_is_left_after_a_while() {
    for (exact, kind) in [(false, StepKind::AddAccessor), (true, StepKind::RemoveAccessor)] {
        let mut world = World::running(|s| s.accessors = named(&[], &[], exact));
        for _ in 0..50 {
            world.fault(kind, Fault::Ignore);
        }
        if exact {
            world.admit("u2");
        }
        world.edit(|s| s.accessors = named(if exact { &[] } else { &["u2"] }, &[], exact));
        world.live(secs(30));
        assert!(world.conditions().contains("Synced=False/Applying"), "{}", world.conditions());
        world.live(secs(7200));
        assert_eq!((world.count(kind), world.conditions().as_str()), (UNHEARD as usize, SYNCED), "{kind:?}");
        let bob = "bob@example.com".to_owned();
        let (desired, observed) = if exact { (String::new(), bob) } else { (bob, String::new()) };
        assert_eq!((world.drift(), world.said("DriftDetected")), (vec![("accessors".to_owned(), desired, observed)], 1));
    }
}

#[test]
fn a_look_that_fails_stops_nothing_else_and_changes_nothing_that_was_known() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.admit("u2");
    world.live(secs(1200));
    let before = world.status();
    world.facts.accessors = Some(Err(api_down()));
    world.forget_log();
    world.crash();
    world.live(secs(1200));
    assert_eq!((world.status_writes, world.said.len(), world.status()), (0, 0, before));
    world.edit(|s| s.power_state = crate::crd::PowerState::Stopped);
    world.run_until(StepKind::Stop);
    world.live(secs(120));
    assert!(world.conditions().contains("Synced=Unknown/ApiUnavailable"), "{}", world.conditions());
    world.facts.accessors = None;
    world.live(secs(120));
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
}
