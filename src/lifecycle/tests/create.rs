//! Creating exactly once.

use super::cloud::{Fault, machine, wall};
use super::world::{MARK, NAME, World, secs};
use crate::crd::{
    ADDRESS_OF_MACHINE, CreationOutcome, ManagementPolicy, PowerState, PublicIpKind, PublicIpSpec, RECONCILE_REQUESTED, RESTART_REQUESTED,
};
use crate::lifecycle::observe::Question;
use crate::lifecycle::step::{Step, StepKind};

#[test]
fn a_new_resource_gets_its_machine_in_five_steps() {
    let mut world = World::new(|_| ());
    world.run();
    assert_eq!(world.steps, [StepKind::AddFinalizer, StepKind::WriteAhead, StepKind::Create, StepKind::Annotate]);
    assert_eq!(world.cloud.machines[0].name, NAME);
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    let creation = world.status().creation.unwrap();
    assert_eq!((creation.outcome, creation.attempt, creation.account.as_str()), (CreationOutcome::Bound, 1, "te1"));
    assert_eq!(world.object.metadata.annotations.as_ref().unwrap()[ADDRESS_OF_MACHINE], format!("te1/{}/{MARK}", world.id()));
    assert_eq!((world.said("Creating"), world.said("Created"), world.said("Started")), (1, 1, 1));
    // With the finalizer, the write-ahead and the annotation: each machine of a large fleet costs as much.
    assert!(world.status_writes <= 3, "{} writes of the status: bound, seen coming up, ready", world.status_writes);
}

#[test]
fn a_stopped_one_is_created_off_and_stays_so() {
    let mut world = World::new(|s| s.power_state = PowerState::Stopped);
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
    assert_eq!((world.count(StepKind::Start), world.said("Stopped")), (0, 0), "it was never on");
}

#[test]
fn nothing_is_done_before_the_finalizer_is_there() {
    let mut world = World::new(|_| ());
    let decision = world.pass();
    assert_eq!(decision.step, Step::AddFinalizer);
    assert_eq!(decision.status.observed_generation, Some(-1), "the object does not count as seen");
}

#[test]
fn no_attempt_without_a_fresh_list() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    let began = world.asked.iter().find_map(|q| match q {
        Question::List { begun_after } => Some(*begun_after),
        _ => None,
    });
    assert!(world.now - began.unwrap() <= secs(6), "{began:?}");
}

#[test]
fn a_machine_that_has_the_mark_is_bound_instead() {
    let mut off = World::new(|s| s.power_state = PowerState::Stopped);
    off.cloud.machines.push(machine("ps9", NAME));
    off.machine().state = crate::paperspace::types::MachineState::Off;
    off.run();
    assert_eq!((off.id().as_str(), off.said("Stopped")), ("ps9", 0), "what was before is not this resource's story");
    let mut world = World::new(|_| ());
    world.cloud.machines.push(machine("ps9", NAME));
    world.run();
    assert_eq!((world.id().as_str(), world.count(StepKind::Create)), ("ps9", 0));
}

#[test]
fn of_several_the_oldest_is_bound_and_the_rest_reported() {
    let mut world = World::new(|_| ());
    for (id, age) in [("psyoung", 50), ("psold", 10)] {
        let mut one = machine(id, NAME);
        one.dt_created = wall(secs(age));
        world.cloud.machines.push(one);
    }
    world.run();
    assert_eq!(world.id(), "psold");
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/Duplicate Stalled=True/Duplicate");
    assert_eq!((world.cloud.machines.len(), world.said("Duplicate")), (2, 1));
}

#[test]
fn a_deleted_row_is_no_machine() {
    let mut world = World::new(|_| ());
    let mut row = machine("psgone", NAME);
    row.dt_deleted = Some(wall(secs(1)));
    world.cloud.machines.push(row);
    world.run();
    assert_ne!(world.id(), "psgone");
}

#[test]
fn a_listed_machine_that_get_does_not_find_is_not_bound() {
    let mut world = World::new(|_| ());
    world.looks.ghosts.push(machine("psghost", NAME));
    world.run_for(secs(60));
    assert_eq!((world.status().machine_id, world.count(StepKind::Create)), (None, 0));
    world.looks.ghosts.clear();
    world.run();
    assert_ne!(world.id(), "psghost");
}

#[test]
fn a_lost_reply_leads_to_the_same_machine() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::LoseReply);
    world.run();
    assert_eq!((world.count(StepKind::Create), world.cloud.machines.len()), (1, 1));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    assert!(world.now < secs(160), "it is found long before it is settled: {:?}", world.now);
}

#[test]
fn a_request_that_never_arrived_is_repeated_only_after_the_settling_time() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Drop);
    world.run_until(StepKind::Create);
    let sent = world.now;
    world.run_until(StepKind::Create);
    assert!(world.now - sent > secs(180), "{:?}", world.now - sent);
    world.run();
    assert_eq!((world.cloud.machines.len(), world.status().creation.unwrap().attempt), (1, 2));
}

#[test]
fn an_attempt_expires_after_two_lists_of_its_own() {
    let since = |w: &World| w.memory.attempt.as_ref().unwrap().since;
    for (key, off) in [("attempt n2", 0), ("machine ps1", 0), ("attempt n2", 1)] {
        let mut world = World::new(|_| ());
        world.fault(StepKind::Create, Fault::Drop);
        world.run_until(StepKind::Create);
        world.step();
        let id = world.status().creation.unwrap().id;
        let settled = since(&world) + secs(180);
        world.sleep(secs(180));
        // What another thing was proved with, or another time, does not count here.
        let key = if key.starts_with("attempt") { format!("attempt {id}") } else { key.to_owned() };
        let proved = off == 0 && key == format!("attempt {id}");
        let lists = vec![settled + secs(1), settled + secs(2)];
        world.memory.evidence = Some(crate::lifecycle::memory::Evidence { key, since: settled - secs(off), lists });
        world.asked.clear();
        world.step();
        let lists = world.asked.iter().filter(|q| matches!(q, Question::List { .. })).count();
        assert_eq!((lists, world.status().creation.unwrap().outcome), (if proved { 1 } else { 2 }, CreationOutcome::Expired));
    }
}

#[test]
fn a_request_that_arrives_late_makes_the_only_machine() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(150)));
    world.run();
    assert_eq!((world.count(StepKind::Create), world.cloud.machines.len()), (1, 1));
}

#[test]
fn one_list_that_misses_the_machine_makes_no_second() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Late(secs(179)));
    world.run_until(StepKind::Create);
    world.run_for(secs(178));
    world.looks.hidden_lists = 1;
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn a_crash_between_write_ahead_and_request_costs_time_and_no_machine() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.crash();
    let crashed = world.now;
    world.run_until(StepKind::Create);
    assert!(world.now - crashed > secs(180));
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1));
}

#[test]
fn a_crash_after_the_request_finds_the_machine() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.crash();
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1));
}

#[test]
fn a_slow_acknowledgement_closes_the_fence() {
    let mut world = World::new(|_| ());
    world.slow_write = secs(11);
    world.run_until(StepKind::WriteAhead);
    let decision = world.pass();
    assert_eq!(decision.step, Step::Nothing, "too late to send");
    world.slow_write = secs(0);
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn the_fence_is_closed_at_its_end() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    for (early, step) in [(0, StepKind::Nothing), (1, StepKind::Create)] {
        // One question is asked before, which takes 20 ms.
        let decided = world.now + std::time::Duration::from_millis(20);
        let sent = decided - world.settings.fence() + std::time::Duration::from_nanos(early);
        world.memory.write_ahead.as_mut().unwrap().sent = crate::lifecycle::observe::Moment { wall: wall(sent), mono: sent };
        let decision = world.decide();
        assert_eq!(decision.step.kind(), step, "{early} ns before the end");
    }
}

#[test]
fn the_list_before_an_attempt_is_begun_after_the_last_one_was_seen_closed() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Refuse(429, "slow down"));
    world.run_until(StepKind::Create);
    let sent = world.now;
    world.step();
    world.asked.clear();
    world.run_until(StepKind::WriteAhead);
    let closed = world.memory.attempt.as_ref().unwrap().since;
    assert!(closed > sent, "seen open before, and closed only since");
    assert!(world.now - closed < secs(5), "the fresh list would be older");
    let asked = world.asked.iter().find_map(|q| if let Question::List { begun_after } = q { Some(*begun_after) } else { None });
    assert_eq!(asked, Some(closed + std::time::Duration::from_nanos(1)));
}

#[test]
fn one_write_ahead_allows_one_request() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    let decision = world.decide();
    assert_eq!(decision.step.kind(), StepKind::Create);
    assert_eq!(decision.memory.write_ahead, None, "whatever becomes of this pass");
}

#[test]
fn what_is_asked_for_is_written_down_though_the_spec_changed_after_the_write_ahead() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.edit(|s| s.public_ip = Some(PublicIpSpec { kind: PublicIpKind::Static, reclaim_policy: None, address: None }));
    world.fault(StepKind::Create, Fault::LoseReply);
    world.run();
    let address = world.machine().public_ip.clone();
    assert_eq!((world.count(StepKind::Create), world.status().applied.unwrap().allocated_ip), (1, address));
}

#[test]
fn the_fence_and_the_time_out_scale_with_the_settling_time() {
    let mut world = World::new(|_| ());
    assert_eq!((world.settings.fence(), world.settings.create_timeout()), (secs(10), secs(30)));
    world.settings.settle = secs(12);
    assert_eq!((world.settings.fence(), world.settings.create_timeout()), (secs(1), secs(2)));
}

#[test]
fn a_refusal_is_shown_and_not_repeated_hot() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Refuse(400, "no such template"));
    world.run_until(StepKind::Create);
    world.run_for(secs(30));
    assert_eq!(world.conditions(), "Ready=False/CreateRejected Synced=False/CreateRejected Stalled=True/CreateRejected");
    assert_eq!((world.count(StepKind::Create), world.said("CreateRejected")), (1, 1));
    world.run();
    assert_eq!(world.cloud.machines.len(), 1, "tried again after the back-off");
}

#[test]
fn a_refusal_is_remembered_over_a_restart_of_the_operator() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Refuse(422, "no"));
    world.run_until(StepKind::Create);
    world.run_for(secs(5));
    world.crash();
    world.run_for(secs(30));
    assert_eq!(world.count(StepKind::Create), 1);
    assert!(world.conditions().contains("Stalled=True/CreateRejected"), "{}", world.conditions());
}

#[test]
fn a_corrected_spec_is_tried_at_once() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Refuse(400, "no such type"));
    world.run_until(StepKind::Create);
    world.run_for(secs(5));
    let edited = world.now;
    world.edit(|s| s.machine_type = "C5".to_owned());
    world.run_until(StepKind::Create);
    assert!(world.now - edited < secs(5));
    world.run();
    assert_eq!(world.machine().machine_type, "C5");
}

#[test]
fn codes_that_prove_nothing_leave_the_attempt_open() {
    for status in [408, 409, 425, 499, 418, 500, 502, 503] {
        let mut world = World::new(|_| ());
        world.fault(StepKind::Create, Fault::Refuse(status, "?"));
        world.run_until(StepKind::Create);
        world.step();
        assert_eq!(world.status().creation.unwrap().outcome, CreationOutcome::Open, "{status}");
    }
    for status in [400, 401, 402, 403, 404, 405, 412, 413, 415, 422, 429] {
        let mut world = World::new(|_| ());
        world.fault(StepKind::Create, Fault::Refuse(status, "?"));
        world.run_until(StepKind::Create);
        world.step();
        assert_eq!(world.status().creation.unwrap().outcome, CreationOutcome::Refused, "{status}");
    }
}

#[test]
fn requests_made_before_there_was_a_machine_are_handled() {
    let mut world = World::new(|_| ());
    world.annotate(RESTART_REQUESTED, "1");
    world.annotate(RECONCILE_REQUESTED, "2");
    world.run();
    assert_eq!(world.count(StepKind::Restart), 0);
    assert_eq!(world.status().handled_reconcile_at.as_deref(), Some("2"));
}

#[test]
fn suspend_keeps_a_machine_from_being_created_and_an_attempt_from_being_sent() {
    let mut world = World::new(|s| s.suspend = true);
    world.run();
    assert_eq!(world.conditions(), "Ready=False/NotCreated Synced=False/NotCreated Suspended=True/Suspended");
    assert_eq!((world.steps.as_slice(), world.status().creation), (&[][..], None));
    for made in [false, true] {
        let mut world = if made { World::running(|_| ()) } else { World::new(|_| ()) };
        if !made {
            world.run_until(StepKind::WriteAhead);
        }
        world.object.metadata.finalizers = None;
        world.edit(|s| s.suspend = true);
        world.run_for(secs(400));
        let outcome = if made { CreationOutcome::Bound } else { CreationOutcome::Expired };
        assert_eq!(world.status().creation.unwrap().outcome, outcome, "what was begun is found out");
        assert_eq!(world.conditions().starts_with("Ready=True/Running"), made, "{}", world.conditions());
    }
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.edit(|s| s.suspend = true);
    world.run();
    assert_eq!((world.count(StepKind::Create), world.status().creation.unwrap().outcome), (0, CreationOutcome::Expired));
    world.edit(|s| s.suspend = false);
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn observe_does_not_send_what_was_written_ahead() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.edit(|s| s.management_policy = ManagementPolicy::Observe);
    world.run();
    assert_eq!((world.count(StepKind::Create), world.count(StepKind::RemoveFinalizer)), (0, 1));
    assert!(world.conditions().contains("MachineMissing"), "{}", world.conditions());
    assert!(world.now > secs(280), "the finalizer stays until the attempt is settled");
}

#[test]
fn without_a_template_nothing_is_begun() {
    let mut world = World::new(|s| s.template_id = None);
    world.run();
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
    assert!(world.conditions().contains("Stalled=True/CreateRejected"));
}

#[test]
fn the_budget_may_run_out_and_come_back() {
    let mut world = World::new(|_| ());
    world.fault(StepKind::Create, Fault::Refuse(429, "slow down"));
    world.run_until(StepKind::Create);
    world.step();
    assert!(world.conditions().contains("Reconciling=True/RateLimited"), "{}", world.conditions());
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn a_conflicting_write_costs_a_retry_and_no_memory() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.conflicts = 2;
    world.run();
    assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}
