//! Restarts: at most once for each value of the annotation.

use super::cloud::Fault;
use super::world::{World, secs};
use crate::crd::{OperationState, PowerState, RESTART_REQUESTED, ResizePolicy};
use crate::lifecycle::step::StepKind;
use crate::paperspace::types::MachineState;

fn asked(change: impl FnOnce(&mut crate::crd::PaperspaceMachineSpec)) -> World {
    let mut world = World::running(change);
    world.annotate(RESTART_REQUESTED, "one");
    world
}

fn state(world: &World) -> OperationState {
    world.status().operation.unwrap().state
}

#[test]
fn it_is_written_ahead_sent_once_and_closed() {
    let mut world = asked(|_| ());
    world.run();
    assert_eq!(world.steps, [StepKind::WriteAhead, StepKind::Restart]);
    assert_eq!((state(&world), world.said("Restarted")), (OperationState::Accepted, 1));
    assert_eq!(world.status().handled_restart_at.as_deref(), Some("one"));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    world.run();
    assert_eq!(world.count(StepKind::Restart), 1);
}

#[test]
fn a_lost_reply_is_resolved_by_the_machines_events() {
    let mut world = asked(|_| ());
    world.fault(StepKind::Restart, Fault::LoseReply);
    world.run();
    assert_eq!((world.count(StepKind::Restart), state(&world)), (1, OperationState::Accepted));
}

#[test]
fn what_stays_unclear_is_reported_and_not_repeated() {
    let mut world = asked(|_| ());
    world.fault(StepKind::Restart, Fault::Drop);
    let began = world.now;
    world.run();
    assert!(world.now - began > secs(180));
    assert_eq!((world.count(StepKind::Restart), state(&world), world.said("RestartUncertain")), (1, OperationState::Uncertain, 1));
}

#[test]
fn a_refusal_is_told_and_another_value_asks_again() {
    let mut world = asked(|_| ());
    world.fault(StepKind::Restart, Fault::Refuse(400, "no"));
    world.run();
    assert_eq!((state(&world), world.said("UpdateRejected")), (OperationState::Refused, 1));
    assert!(world.status().operation.unwrap().error.is_some_and(|e| e.contains("no (BAD_REQUEST")), "what Paperspace said");
    world.annotate(RESTART_REQUESTED, "two");
    world.run();
    assert_eq!((world.count(StepKind::Restart), state(&world)), (2, OperationState::Accepted));
}

#[test]
fn a_crash_before_the_request_restarts_nothing() {
    let mut world = asked(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.crash();
    world.run();
    assert_eq!((world.count(StepKind::Restart), state(&world)), (0, OperationState::Uncertain));
}

#[test]
fn a_value_that_comes_while_one_is_under_way_is_not_swallowed() {
    let mut world = asked(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.annotate(RESTART_REQUESTED, "two");
    world.run();
    assert_eq!(world.count(StepKind::Restart), 2);
    assert_eq!(world.status().handled_restart_at.as_deref(), Some("two"));
}

#[test]
fn of_a_machine_that_is_to_be_off_it_is_skipped_and_said() {
    let mut world = asked(|s| s.power_state = PowerState::Stopped);
    world.run();
    assert_eq!((world.steps.len(), world.said("RestartSkipped")), (0, 1));
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
}

#[test]
fn manual_starts_a_machine_that_is_off() {
    let mut world = World::running(|s| s.power_state = PowerState::Manual);
    world.machine().state = MachineState::Off;
    world.run();
    world.annotate(RESTART_REQUESTED, "one");
    world.run();
    assert_eq!((world.count(StepKind::Restart), world.machine().state.clone()), (1, MachineState::Ready));
}

#[test]
fn it_waits_until_nothing_else_is_under_way() {
    let mut world = asked(|_| ());
    let id = world.id();
    world.cloud.note(&id, "vm-migrate", None);
    world.run_for(secs(60));
    assert_eq!(world.steps, []);
    world.cloud.events.get_mut(&id).unwrap()[0].dt_finished = Some(super::cloud::wall(world.now));
    world.run();
    assert_eq!(world.count(StepKind::Restart), 1);
}

#[test]
fn suspend_holds_it_back() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.suspend = true);
    world.annotate(RESTART_REQUESTED, "one");
    world.run();
    assert_eq!(world.steps, []);
    world.edit(|s| s.suspend = false);
    world.run();
    assert_eq!(world.count(StepKind::Restart), 1);
}

#[test]
fn a_resize_waits_until_the_restart_is_resolved() {
    for until in [StepKind::WriteAhead, StepKind::Restart] {
        let mut world = asked(|s| s.resize_policy = ResizePolicy::StopAndStart);
        world.run_until(until);
        world.edit(|s| s.machine_type = "A5000".to_owned());
        world.run();
        assert_eq!((world.said("Restarted"), world.count(StepKind::Restart), world.machine().machine_type.as_str()), (1, 1, "A5000"));
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    }
}

#[test]
fn it_is_sent_at_once_or_not_at_all() {
    let mut world = asked(|_| ());
    let began = world.now;
    world.run_until(StepKind::Restart);
    assert!(world.now - began < secs(2));
    let mut world = asked(|_| ());
    world.slow_write = secs(11);
    world.run();
    assert_eq!((world.count(StepKind::Restart), state(&world)), (0, OperationState::Uncertain), "the fence was closed");
    let mut world = asked(|_| ());
    world.run_until(StepKind::WriteAhead);
    for (early, step) in [(0, StepKind::Nothing), (1, StepKind::Restart)] {
        // Three questions are asked before, which takes 60 ms.
        let decided = world.now + std::time::Duration::from_millis(60);
        let sent = decided - world.settings.fence() + std::time::Duration::from_nanos(early);
        let wall = super::cloud::wall(sent);
        world.memory.write_ahead.as_mut().unwrap().sent = crate::lifecycle::observe::Moment { wall, mono: sent };
        assert_eq!(world.decide().step.kind(), step, "{early} ns before the end");
    }
}

#[test]
fn it_waits_until_the_machine_is_on() {
    for found in [MachineState::Off, MachineState::Starting] {
        let mut world = asked(|_| ());
        world.machine().state = found.clone();
        world.step();
        assert_eq!(world.count(StepKind::WriteAhead), 0, "{found}");
        world.machine().state = MachineState::Ready;
        world.run();
        assert_eq!(world.count(StepKind::Restart), 1, "{found}");
    }
}

#[test]
fn it_waits_until_a_resize_is_done() {
    let mut world = World::running(|s| s.resize_policy = ResizePolicy::StopAndStart);
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.fault(StepKind::Stop, Fault::Ignore);
    world.run_until(StepKind::Stop);
    world.annotate(RESTART_REQUESTED, "one");
    world.run_for(secs(9));
    assert_eq!((world.machine().state.clone(), world.count(StepKind::WriteAhead)), (MachineState::Ready, 0));
    world.run();
    assert_eq!((world.count(StepKind::Resize), world.count(StepKind::Restart)), (1, 1));
}

#[test]
fn only_what_is_restarting_is_said_to_be() {
    for (fault, ready) in [(None, "Ready=False/Restarting"), (Some(Fault::Refuse(400, "no")), "Ready=True/Running")] {
        let mut world = asked(|_| ());
        if let Some(fault) = fault {
            world.fault(StepKind::Restart, fault);
        }
        world.run_until(StepKind::Restart);
        world.step();
        assert!(world.conditions().starts_with(ready), "{}", world.conditions());
    }
}

#[test]
fn a_machine_that_is_on_is_restarted_and_one_that_is_off_is_started() {
    let sent = |state: MachineState| {
        let mut world = World::running(|s| s.power_state = PowerState::Manual);
        world.machine().state = state;
        world.step();
        world.annotate(RESTART_REQUESTED, "one");
        world.run_until(StepKind::WriteAhead);
        world.decide().step
    };
    assert!(matches!(sent(MachineState::Ready), crate::lifecycle::step::Step::Restart { off: false, .. }));
    assert!(matches!(sent(MachineState::Off), crate::lifecycle::step::Step::Restart { off: true, .. }));
}
