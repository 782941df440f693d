//! Power: kept on, kept off, left alone.

use super::cloud::{Fault, rejected};
use super::world::{World, secs};
use crate::crd::{PowerState, PublicIpKind, PublicIpSpec};
use crate::lifecycle::step::{Outcome, Requeue, Step, StepKind};
use crate::paperspace::types::{EventState, MachineState};

#[test]
fn running_starts_a_machine_that_was_found_off() {
    let mut world = World::running(|_| ());
    let id = world.id();
    world.cloud.note(&id, "stop", Some(world.now));
    world.machine().state = MachineState::Off;
    world.run();
    assert_eq!((world.count(StepKind::Start), world.machine().state.clone()), (1, MachineState::Ready));
    assert_eq!((world.said("Stopped"), world.said("Starting"), world.said("Started")), (1, 1, 1));
}

#[test]
fn a_machine_that_shut_itself_down_is_started_at_once() {
    let mut world = World::running(|_| ());
    world.machine().state = MachineState::Off;
    let began = world.now;
    world.run_until(StepKind::Start);
    assert!(world.now - began < secs(2));
}

#[test]
fn that_it_was_up_is_not_forgotten_where_its_start_took_less_than_a_second() {
    let mut world = World::running(|_| ());
    let up = world.status().started_at.unwrap().0;
    for event in world.cloud.events.values_mut().flatten() {
        event.dt_created = up + jiff::SignedDuration::from_millis(400);
    }
    world.machine().state = MachineState::Off;
    let began = world.now;
    world.run_until(StepKind::Start);
    assert!(world.now - began < secs(2), "{:?}", world.now - began);
}

#[test]
fn stopped_stops_it_once() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run();
    assert_eq!(world.steps, [StepKind::Stop]);
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
    assert!(world.status().stopped_at.is_some());
    assert_eq!((world.said("Stopping"), world.said("Stopped")), (1, 1));
}

#[test]
fn manual_leaves_it_as_it_is() {
    let mut world = World::running(|s| s.power_state = PowerState::Manual);
    world.machine().state = MachineState::Off;
    world.run();
    assert_eq!((world.steps.len(), world.conditions().as_str()), (0, "Ready=True/ManualOff Synced=True/Synced"));
    world.machine().state = MachineState::Ready;
    world.run();
    assert_eq!((world.steps.len(), world.conditions().as_str()), (0, "Ready=True/Running Synced=True/Synced"));
}

#[test]
fn without_capacity_starts_are_retried_ever_more_slowly() {
    let mut world = World::new(|_| ());
    world.cloud.no_capacity = true;
    world.run_until(StepKind::Start);
    let first = world.now;
    world.run_until(StepKind::Start);
    let second = world.now;
    world.run_until(StepKind::Start);
    assert!(second - first >= secs(60), "{:?}", second - first);
    assert!(world.now - second >= secs(120), "{:?}", world.now - second);
    assert!(world.conditions().contains("Reconciling=True/Starting"), "{}", world.conditions());
    world.run_for(secs(60));
    assert!(world.conditions().contains("Ready=False/OutOfCapacity"), "{}", world.conditions());
    assert!(world.said("OutOfCapacity") >= 1);
    world.cloud.no_capacity = false;
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn a_wait_for_capacity_writes_one_status() {
    let mut world = World::new(|_| ());
    world.cloud.no_capacity = true;
    world.run_until(StepKind::Start);
    world.run_for(secs(40));
    let writes = world.status_writes;
    for _ in 0..5 {
        world.sleep(secs(3));
        world.step();
    }
    assert_eq!(world.status_writes, writes, "{}", world.conditions());
}

#[test]
fn capacity_is_asked_for_before_a_start_is_repeated() {
    let mut world = World::new(|_| ());
    world.cloud.no_capacity = true;
    world.run_until(StepKind::Start);
    world.looks.unavailable = true;
    world.run_for(secs(900));
    assert_eq!(world.count(StepKind::Start), 1);
    world.looks.unavailable = false;
    world.cloud.no_capacity = false;
    world.run();
    assert_eq!(world.machine().state, MachineState::Ready);
}

#[test]
fn a_clock_of_paperspace_that_is_ahead_does_not_keep_a_machine_off() {
    let mut world = World::new(|s| s.power_state = PowerState::Stopped);
    world.run();
    let id = world.id();
    for event in world.cloud.events.get_mut(&id).unwrap() {
        event.dt_created += secs(7200);
        event.dt_finished = event.dt_finished.map(|at| at + secs(7200));
    }
    world.edit(|s| s.power_state = PowerState::Running);
    world.run_for(secs(120));
    assert_eq!(world.machine().state, MachineState::Ready);
}

#[test]
fn nothing_is_sent_while_a_start_or_stop_is_unfinished() {
    let mut world = World::running(|_| ());
    let id = world.id();
    world.cloud.note(&id, "start", None);
    world.machine().state = MachineState::Off;
    world.run_for(secs(60));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("Ready=False/Starting"), "{}", world.conditions());
}

#[test]
fn snapshots_and_bills_do_not_stand_in_the_way() {
    let mut world = World::running(|_| ());
    let id = world.id();
    for name in ["snapshot-create", "bill-sessions", "template-create"] {
        world.cloud.note(&id, name, None);
    }
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run_until(StepKind::Stop);
}

#[test]
fn a_failed_event_is_a_finished_one() {
    let mut world = World::running(|_| ());
    let id = world.id();
    world.cloud.note(&id, "stop", None);
    world.cloud.events.get_mut(&id).unwrap()[0].state = EventState::Error;
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run_until(StepKind::Stop);
}

#[test]
fn currently_starting_is_success() {
    let step = Step::Start { id: "ps".to_owned() };
    let failed = |message| Outcome::of_call(&step, Err(rejected(400, message)));
    assert_eq!(failed("This machine is currently starting."), Outcome::Done);
    assert!(matches!(failed("no"), Outcome::Failed(_)));
}

#[test]
fn a_start_that_is_accepted_and_ignored_is_not_repeated_hot() {
    let mut world = World::running(|_| ());
    for _ in 0..4 {
        world.fault(StepKind::Start, Fault::Ignore);
    }
    world.machine().state = MachineState::Off;
    world.run_for(secs(60));
    assert!(world.count(StepKind::Start) <= 3, "{:?}", world.steps);
    world.run();
    assert_eq!(world.machine().state, MachineState::Ready);
}

#[test]
fn a_refused_start_is_shown() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::Start, Fault::Refuse(402, "no payment method"));
    world.machine().state = MachineState::Off;
    world.run_for(secs(20));
    assert!(
        world.conditions().contains("Ready=False/AccountNotInGoodStanding") && world.conditions().contains("Stalled=True"),
        "{}",
        world.conditions()
    );
    world.run();
    assert_eq!(world.machine().state, MachineState::Ready);
}

#[test]
fn an_unknown_state_is_waited_out() {
    let mut world = World::running(|_| ());
    world.machine().state = MachineState::Unknown("melting".to_owned());
    world.run_for(secs(60));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("Ready=Unknown/UnknownState"), "{}", world.conditions());
    assert_eq!(world.status().power_state.as_deref(), Some("Unknown"));
}

#[test]
fn every_state_has_a_reason_and_a_word() {
    let table = [
        (MachineState::Starting, "Starting", "Starting"),
        (MachineState::ServiceReady, "Starting", "Starting"),
        (MachineState::Stopping, "Stopping", "Stopping"),
        (MachineState::Restarting, "Restarting", "Restarting"),
        (MachineState::Upgrading, "Upgrading", "Upgrading"),
        (MachineState::Provisioning, "Provisioning", "Provisioning"),
    ];
    for (state, reason, word) in table {
        let mut world = World::running(|_| ());
        world.machine().state = state.clone();
        world.step();
        assert!(world.conditions().starts_with(&format!("Ready=False/{reason}")), "{state}: {}", world.conditions());
        assert_eq!(world.status().power_state.as_deref(), Some(word));
        assert_eq!(world.steps, []);
    }
}

#[test]
fn ready_waits_for_the_address_that_is_due() {
    for (kind, ready) in [(PublicIpKind::Dynamic, false), (PublicIpKind::None, true)] {
        let mut world = World::new(|s| s.public_ip = Some(PublicIpSpec { kind, reclaim_policy: None, address: None }));
        world.run();
        world.machine().public_ip = None;
        world.step();
        assert_eq!(world.conditions().starts_with("Ready=True"), ready, "{}", world.conditions());
    }
}

#[test]
fn a_machine_that_is_created_and_its_start_awaited_gets_no_second_start() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.sleep(secs(31));
    world.machine().state = MachineState::Off;
    world.run_for(secs(5));
    assert_eq!(world.count(StepKind::Start), 0);
    assert!(world.conditions().contains("Ready=False/Starting"), "{}", world.conditions());
}

#[test]
fn that_a_new_machine_is_off_for_a_moment_before_it_comes_up_is_not_written() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Annotate);
    world.sleep(secs(31));
    world.machine().state = MachineState::Off;
    let (id, now) = (world.id(), world.now);
    world.cloud.events.get_mut(&id).unwrap().insert(0, super::cloud::event("ev99", "start", now, None));
    let writes = world.status_writes;
    world.step();
    assert_eq!((world.status_writes, world.count(StepKind::Start)), (writes, 0));
    world.sleep(secs(11));
    world.step();
    assert_eq!((world.status_writes, world.count(StepKind::Start)), (writes + 1, 0), "a start that lasts is told");
    assert!(world.conditions().contains("Ready=False/Starting"), "{}", world.conditions());
}

#[test]
fn how_far_a_machine_is_on_its_way_up_is_not_written_unless_it_stays_there() {
    let starting = || {
        let mut world = World::running(|_| ());
        world.machine().state = MachineState::Starting;
        world.step();
        assert_eq!(world.status().state.as_deref(), Some("starting"));
        world.machine().state = MachineState::ServiceReady;
        world.sleep(secs(5));
        world
    };
    let mut world = starting();
    let writes = world.status_writes;
    let quiet = world.pass();
    assert_eq!((quiet.requeue, quiet.same_for), (Requeue::After(secs(5)), Some(secs(30))));
    world.sleep(secs(29));
    world.step();
    assert_eq!(world.status_writes, writes);
    world.sleep(secs(1));
    world.step();
    assert_eq!((world.status_writes, world.status().state.as_deref()), (writes + 1, Some("serviceready")));

    let mut renamed = starting();
    renamed.machine().os = "Another".to_owned();
    renamed.step();
    assert_eq!(renamed.status().state.as_deref(), Some("serviceready"), "what else is new is written, and this with it");
}

#[test]
fn what_moves_is_passed_over_when_it_is_different_and_else_every_minute() {
    for state in [MachineState::Provisioning, MachineState::Starting, MachineState::Stopping, MachineState::Upgrading] {
        let mut world = World::running(|_| ());
        world.machine().state = state.clone();
        let decision = world.pass();
        assert_eq!((decision.requeue, decision.same_for), (Requeue::After(secs(5)), Some(secs(60))), "{state}");
    }
    let mut off = World::running(|_| ());
    off.machine().state = MachineState::Off;
    let started = off.pass();
    assert_eq!((started.step.kind(), started.same_for), (StepKind::Start, None), "what becomes of a start shows in events, too");
}

#[test]
fn under_manual_the_first_start_is_awaited_too() {
    let mut world = World::new(|s| s.power_state = PowerState::Manual);
    world.run_until(StepKind::Create);
    world.sleep(secs(31));
    world.machine().state = MachineState::Off;
    world.run_for(secs(5));
    assert!(world.conditions().contains("Ready=False/Starting"), "{}", world.conditions());
    world.run();
    assert_eq!(world.conditions(), "Ready=True/ManualOff Synced=True/Synced");
    assert_eq!(world.count(StepKind::Start), 0);
}

#[test]
fn suspend_and_power_leave_each_other_alone() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.suspend = true);
    world.machine().state = MachineState::Off;
    world.run_for(secs(60));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("Suspended=True") && !world.conditions().contains("Reconciling"), "{}", world.conditions());
}

#[test]
fn what_may_not_be_stopped_is_not_said_to_be_stopping() {
    let mut world = World::running(|_| ());
    world.edit(|s| (s.suspend, s.power_state) = (true, PowerState::Stopped));
    world.step();
    assert!(world.conditions().starts_with("Ready=True/Running"), "{}", world.conditions());
    let mut world = World::running(|_| ());
    world.edit(|s| (s.machine_name, s.power_state) = (Some("x".to_owned()), PowerState::Stopped));
    world.step();
    assert_eq!(world.steps, [StepKind::Update]);
    assert!(world.conditions().starts_with("Ready=False/Stopping"), "it will be: {}", world.conditions());
}

#[test]
fn what_worked_is_not_held_against_the_next_start_or_stop() {
    let table = [(PowerState::Running, MachineState::Off, StepKind::Start), (PowerState::Stopped, MachineState::Ready, StepKind::Stop)];
    for (wanted, found, step) in table {
        let mut world = World::running(|s| s.power_state = wanted);
        let asked_for = world.machine().state.clone();
        for _ in 0..3 {
            world.machine().state = found.clone();
            let began = world.now;
            world.run_until(step);
            assert!(world.now - began < secs(2), "{step:?} after {:?}", world.now - began);
            // It is done at once, and seen.
            world.cloud.keep_showing();
            world.cloud.events.clear();
            world.machine().state = asked_for.clone();
            world.step();
        }
    }
}

#[test]
fn under_manual_a_machine_that_was_on_before_is_off_whatever_goes_on() {
    let mut world = World::running(|s| s.power_state = PowerState::Manual);
    let id = world.id();
    world.cloud.note(&id, "vm-migrate", None);
    world.machine().state = MachineState::Off;
    world.step();
    assert!(world.conditions().starts_with("Ready=True/ManualOff"), "{}", world.conditions());
}

#[test]
fn what_is_off_and_may_not_be_started_is_left_to_the_list_and_what_moves_is_watched() {
    for (state, soon) in [(MachineState::Off, false), (MachineState::Starting, true)] {
        let mut world = World::running(|_| ());
        world.edit(|s| s.suspend = true);
        world.machine().state = state.clone();
        let requeue = world.pass().requeue;
        assert_eq!(requeue == Requeue::After(secs(5)), soon, "{state}: {requeue:?}");
    }
}
