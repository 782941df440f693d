//! Type and disk: whatever fails on the way, the machine comes back to the power that it had.

use super::cloud::Fault;
use super::world::{World, secs};
use crate::crd::{OperationState, PowerState, ResizePolicy};
use crate::lifecycle::step::{Requeue, StepKind};
use crate::paperspace::types::MachineState;

/// A machine that is on and is stopped to be resized.
fn at_once(power: PowerState) -> World {
    let mut world = World::running(|s| (s.resize_policy, s.power_state) = (ResizePolicy::StopAndStart, power));
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world
}

fn passes(world: &mut World, count: u32) {
    for _ in 0..count {
        if let Requeue::After(after) = world.pass().requeue {
            world.sleep(after.min(secs(10)));
        }
    }
}

/// The machine is as it was before, with this type.
fn is_back(world: &mut World, machine_type: &str, what: &str) {
    let (state, is) = (world.machine().state.clone(), world.machine().machine_type.clone());
    assert_eq!((state, is.as_str()), (MachineState::Ready, machine_type), "{what}: {:?} {}", world.steps, world.conditions());
    let operation = world.status().operation.unwrap();
    assert!(matches!(operation.state, OperationState::Done | OperationState::Refused), "{what}: {operation:?}");
}

/// What may go wrong once.
fn mishaps() -> Vec<(StepKind, Fault)> {
    let mut all = Vec::new();
    for kind in [StepKind::Stop, StepKind::Resize, StepKind::Start] {
        let faults = [Fault::Drop, Fault::LoseReply, Fault::Ignore, Fault::Refuse(409, "busy"), Fault::Refuse(500, "?")];
        all.extend(faults.map(|fault| (kind, fault)));
    }
    all.push((StepKind::Stop, Fault::Refuse(400, "no")));
    all.push((StepKind::Start, Fault::Refuse(400, "no")));
    all
}

#[test]
fn it_comes_back_whatever_goes_wrong_and_wherever_the_operator_dies() {
    for (kind, fault) in mishaps() {
        for power in [PowerState::Running, PowerState::Manual] {
            for lingers in [false, true] {
                for dies_after in 0..16 {
                    let mut world = at_once(power);
                    world.cloud.lingers = lingers;
                    world.fault(kind, fault.clone());
                    passes(&mut world, dies_after);
                    world.crash();
                    world.run();
                    let what = format!("{kind:?} {fault:?} {power:?} {lingers}, crash after {dies_after}");
                    is_back(&mut world, "A5000", &what);
                    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced", "{what}");
                }
            }
        }
    }
}

#[test]
fn what_is_refused_is_refused_wherever_the_operator_dies_and_the_machine_is_not_stopped_for_it_again() {
    for dies_after in 0..20 {
        let mut world = at_once(PowerState::Manual);
        for _ in 0..3 {
            world.fault(StepKind::Resize, Fault::Refuse(400, "not in this group"));
        }
        passes(&mut world, dies_after);
        world.crash();
        world.run();
        is_back(&mut world, "A4000", &format!("crash after {dies_after}"));
        world.sleep(secs(4000));
        world.run();
        assert_eq!(world.count(StepKind::Stop), 1, "crash after {dies_after}: {:?}", world.steps);
        assert_eq!(world.said("UpdateRejected"), 1, "crash after {dies_after}");
    }
}

#[test]
fn a_change_that_never_comes_about_is_given_up_and_the_machine_comes_back() {
    type Never = (&'static str, fn(&mut World));
    let never: [Never; 4] = [
        ("accepts this change and does not make it", |w| (0..99).for_each(|_| w.fault(StepKind::Resize, Fault::Ignore))),
        ("fails to make it: no host has room", |w| w.cloud.upgrades_fail = true),
        ("busy", |w| (0..99).for_each(|_| w.fault(StepKind::Resize, Fault::Refuse(409, "busy")))),
        ("connection reset", |w| (0..99).for_each(|_| w.fault(StepKind::Resize, Fault::Drop))),
    ];
    for (why, spoil) in never {
        for power in [PowerState::Running, PowerState::Manual] {
            let mut world = at_once(power);
            spoil(&mut world);
            world.run_until(StepKind::Stop);
            let began = world.now;
            world.run_until(StepKind::Start);
            assert!(world.now - began < secs(600), "{why}: {:?}", world.now - began);
            world.run();
            is_back(&mut world, "A4000", why);
            let message = world.status().condition("Synced").unwrap().message.clone();
            assert!(message.contains(why), "{message}");
            assert!((4..10).contains(&world.count(StepKind::Resize)), "{why}: {:?}", world.steps);
            // Another spec is tried anew, and in full.
            (world.cloud.upgrades_fail, world.cloud.faults) = (false, [].into());
            world.fault(StepKind::Resize, Fault::Ignore);
            world.edit(|s| s.disk_size_gb = 100);
            world.run();
            is_back(&mut world, "A5000", why);
            assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
        }
    }
}

#[test]
fn a_machine_that_is_to_be_off_is_resized_when_that_comes_about_however_late() {
    let mut world = World::running(|s| s.power_state = PowerState::Stopped);
    world.cloud.upgrades_fail = true;
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.run_for(secs(3000));
    assert!(world.conditions().contains("Synced=False/UpdateRejected"), "{}", world.conditions());
    assert!(world.count(StepKind::Resize) < 20, "{:?}", world.steps);
    world.cloud.upgrades_fail = false;
    world.run();
    assert_eq!(
        (world.cloud.machines[0].machine_type.as_str(), world.conditions().as_str()),
        ("A5000", "Ready=True/Stopped Synced=True/Synced")
    );
}

#[test]
fn a_stop_that_is_refused_is_reported_and_the_machine_stays_on() {
    let mut world = at_once(PowerState::Manual);
    for _ in 0..9 {
        world.fault(StepKind::Stop, Fault::Refuse(400, "no"));
    }
    world.run_for(secs(600));
    assert!(world.conditions().contains("Synced=False/UpdateRejected Stalled=True/UpdateRejected"), "{}", world.conditions());
    assert_eq!((world.machine().state.clone(), world.count(StepKind::Resize)), (MachineState::Ready, 0));
    world.edit(|s| s.machine_type = "A4000".to_owned());
    world.run();
    is_back(&mut world, "A4000", "taken back");
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn what_somebody_else_stopped_is_resized_and_left_as_they_left_it() {
    let mut world = World::running(|s| (s.resize_policy, s.power_state) = (ResizePolicy::StopAndStart, PowerState::Manual));
    world.machine().state = MachineState::Off;
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.run();
    assert_eq!((world.machine().state.clone(), world.machine().machine_type.as_str()), (MachineState::Off, "A5000"));
    assert_eq!((world.steps.as_slice(), world.status().operation), (&[StepKind::Resize][..], None));
    // And what they stopped just when it was to be stopped comes back, as it was on.
    let mut world = at_once(PowerState::Manual);
    world.step();
    let id = world.id();
    world.cloud.note(&id, "stop", Some(world.now));
    world.machine().state = MachineState::Off;
    world.run();
    is_back(&mut world, "A5000", "stopped by somebody else");
}

#[test]
fn taken_back_at_any_moment_the_machine_comes_back() {
    for lingers in [false, true] {
        for fault in [None, Some(Fault::LoseReply), Some(Fault::Drop)] {
            for passes in 0..14 {
                let mut world = at_once(PowerState::Manual);
                world.cloud.lingers = lingers;
                if let Some(fault) = &fault {
                    world.fault(StepKind::Stop, fault.clone());
                }
                self::passes(&mut world, passes);
                world.edit(|s| s.machine_type = "A4000".to_owned());
                world.run();
                let what = format!("{lingers} {fault:?} after {passes}");
                assert_eq!(world.cloud.machines[0].state, MachineState::Ready, "{what}: {:?}", world.steps);
                assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced", "{what}");
                // A stop of the user's own, long after, is left alone.
                world.sleep(secs(600));
                world.run();
                let id = world.id();
                world.cloud.note(&id, "stop", Some(world.now));
                world.machine().state = MachineState::Off;
                world.run();
                assert_eq!(world.cloud.machines[0].state, MachineState::Off, "{what}: {:?}", world.steps);
            }
        }
    }
}

#[test]
fn a_stop_that_comes_late_is_still_made_good() {
    let mut world = at_once(PowerState::Manual);
    world.fault(StepKind::Stop, Fault::Drop);
    world.run_until(StepKind::Stop);
    world.edit(|s| s.machine_type = "A4000".to_owned());
    world.run_for(secs(60));
    // Here the lost request arrives.
    let id = world.id();
    world.cloud.note(&id, "stop", Some(world.now));
    world.machine().state = MachineState::Off;
    world.run();
    assert_eq!(world.cloud.machines[0].state, MachineState::Ready, "{:?}", world.steps);
}

#[test]
fn where_it_may_not_be_stopped_for_it_any_more_it_waits_for_a_stop() {
    for passes in 0..3 {
        let mut world = at_once(PowerState::Manual);
        world.cloud.lingers = true;
        self::passes(&mut world, passes);
        world.edit(|s| s.resize_policy = ResizePolicy::WhenStopped);
        world.run_for(secs(1200));
        assert_eq!(world.cloud.machines[0].state, MachineState::Ready, "after {passes}: {:?}", world.steps);
        if world.count(StepKind::Stop) > 0 {
            is_back(&mut world, "A5000", "it was off already");
            continue;
        }
        assert!(world.conditions().contains("Synced=False/PendingStop"), "{}", world.conditions());
        let id = world.id();
        world.cloud.note(&id, "stop", Some(world.now));
        world.machine().state = MachineState::Off;
        world.run();
        let is = (world.machine().state.clone(), world.machine().machine_type.clone());
        assert_eq!(is, (MachineState::Off, "A5000".to_owned()), "after {passes}: the user stopped it");
    }
}

#[test]
fn suspended_in_the_middle_it_waits_and_comes_back_when_that_is_over() {
    for passes in 0..14 {
        let mut world = at_once(PowerState::Manual);
        self::passes(&mut world, passes);
        world.edit(|s| s.suspend = true);
        let steps = world.steps.len();
        world.run_for(secs(300));
        assert_eq!(world.steps.len(), steps, "after {passes}");
        world.edit(|s| s.suspend = false);
        world.run();
        is_back(&mut world, "A5000", &format!("after {passes}"));
    }
}

#[test]
fn the_power_asked_for_in_the_middle_is_the_one_that_it_comes_to() {
    for (before, after) in [
        (PowerState::Running, PowerState::Stopped),
        (PowerState::Manual, PowerState::Stopped),
        (PowerState::Manual, PowerState::Running),
        (PowerState::Running, PowerState::Manual),
    ] {
        for passes in 0..14 {
            for refused in [false, true] {
                let mut world = at_once(before);
                if refused {
                    world.fault(StepKind::Resize, Fault::Refuse(400, "no"));
                    world.fault(StepKind::Resize, Fault::Refuse(400, "no"));
                }
                self::passes(&mut world, passes);
                world.edit(|s| s.power_state = after);
                world.run();
                let what = format!("{before:?} -> {after:?} after {passes}, {refused}: {:?} {}", world.steps, world.conditions());
                let state = if after == PowerState::Stopped { MachineState::Off } else { MachineState::Ready };
                assert_eq!(world.cloud.machines[0].state, state, "{what}");
                let resizing = world.status().operation.is_some_and(|o| matches!(o.state, OperationState::Open));
                assert!(!resizing, "{what}");
            }
        }
    }
}

#[test]
fn without_capacity_its_start_is_tried_until_there_is_some() {
    for power in [PowerState::Running, PowerState::Manual] {
        let mut world = at_once(power);
        world.run_until(StepKind::Stop);
        world.cloud.no_capacity = true;
        world.run_for(secs(1800));
        assert!(world.conditions().contains("Ready=False/OutOfCapacity"), "{power:?}: {}", world.conditions());
        world.cloud.no_capacity = false;
        world.run_until(StepKind::Start);
        world.run();
        is_back(&mut world, "A5000", &format!("{power:?}"));
    }
}

#[test]
fn from_a_gpu_to_none_or_back_it_is_not_even_stopped() {
    let mut world = World::running(|s| s.resize_policy = ResizePolicy::StopAndStart);
    world.edit(|s| s.machine_type = "C7".to_owned());
    world.run_for(secs(600));
    assert_eq!(world.steps, []);
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/Unmendable Stalled=True/Unmendable");
    let message = world.status().condition("Synced").unwrap().message.clone();
    assert!(message.contains("machineType: A4000 -> C7") && message.contains("create another one"), "{message}");
    world.edit(|s| s.machine_type = "A4000".to_owned());
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn a_crash_at_any_pass_of_a_resize_brings_it_back_on() {
    for n in 0..14 {
        let mut world = World::running(|s| (s.resize_policy, s.power_state) = (ResizePolicy::StopAndStart, PowerState::Manual));
        world.edit(|s| s.machine_type = "A5000".to_owned());
        for _ in 0..n {
            if let crate::lifecycle::step::Requeue::After(after) = world.pass().requeue {
                world.sleep(after.min(secs(10)));
            }
        }
        world.crash();
        world.run();
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced", "crash after {n}");
        assert_eq!(world.machine().machine_type, "A5000");
    }
}

#[test]
fn a_refused_resize_brings_the_machine_back_and_does_not_stop_it_again() {
    for power in [PowerState::Running, PowerState::Manual] {
        let mut world = World::running(|s| (s.resize_policy, s.power_state) = (ResizePolicy::StopAndStart, power));
        world.fault(StepKind::Resize, Fault::Refuse(400, "not in this group"));
        world.edit(|s| s.machine_type = "P4000".to_owned());
        world.run();
        assert_eq!(world.steps, [StepKind::Stop, StepKind::Resize, StepKind::Start], "{power:?}");
        assert_eq!(world.conditions(), "Ready=True/Running Synced=False/UpdateRejected Stalled=True/UpdateRejected");
        world.crash();
        world.annotate(crate::crd::RESTART_REQUESTED, "one");
        world.run();
        assert_eq!(world.count(StepKind::Stop), 1, "not for a restart either");
        world.edit(|s| s.machine_type = "A5000".to_owned());
        world.run();
        assert_eq!(world.machine().machine_type, "A5000");
        assert_eq!(world.status().resize_refused, None);
    }
}

#[test]
fn another_size_is_tried_though_one_was_refused() {
    let mut world = World::running(|s| s.resize_policy = ResizePolicy::StopAndStart);
    world.fault(StepKind::Resize, Fault::Refuse(400, "not in this group"));
    world.edit(|s| s.machine_type = "P4000".to_owned());
    world.run_until(StepKind::Resize);
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.run();
    assert_eq!(world.status().resize_refused, None);
    assert_eq!(world.machine().machine_type, "A5000");
}

#[test]
fn a_resize_that_is_taken_back_starts_the_machine_again() {
    let mut world = World::running(|s| (s.resize_policy, s.power_state) = (ResizePolicy::StopAndStart, PowerState::Manual));
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world.run_until(StepKind::Stop);
    world.edit(|s| s.machine_type = "A4000".to_owned());
    world.run();
    assert_eq!((world.count(StepKind::Resize), world.machine().state.clone()), (0, MachineState::Ready));
}
