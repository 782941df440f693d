//! What holds of every pass: idle fleets write nothing, failures back off, conditions do not flap, events come once.

use super::cloud::{rejected, wall};
use super::world::{World, api_down, secs};
use crate::crd::{RECONCILE_REQUESTED, ResizePolicy};
use crate::lifecycle::observe::{Moment, Question};
use crate::lifecycle::step::{Requeue, Step, StepKind};
use crate::paperspace::Error;

fn after(world: &mut World) -> std::time::Duration {
    match world.pass().requeue {
        Requeue::After(after) => after,
        Requeue::OnChange => panic!("on change: {}", world.conditions()),
    }
}

#[test]
fn an_idle_resource_writes_nothing_and_reads_the_list() {
    let mut world = World::running(|_| ());
    world.sleep(secs(300));
    world.looks.unobserved_for = secs(29);
    for _ in 0..20 {
        world.step();
        world.sleep(secs(30));
    }
    assert_eq!((world.status_writes, world.steps.len(), world.said.len()), (0, 0, 0));
    assert!(world.asked.iter().all(|q| matches!(q, Question::Access { .. } | Question::Machine { .. })), "{:?}", world.asked);
}

#[test]
fn what_was_seen_is_not_taken_back_by_a_list_that_began_before() {
    let mut world = World::running(|_| ());
    let seen = world.now;
    world.sleep(secs(3));
    world.asked.clear();
    world.annotate("example.com/note", "1");
    world.step();
    let Some(Question::Machine { begun_after, .. }) = world.asked.iter().find(|q| matches!(q, Question::Machine { .. })) else {
        panic!("{:?}", world.asked)
    };
    assert!((seen.saturating_sub(secs(1))..=seen).contains(begun_after), "{begun_after:?}, seen at {seen:?}");
}

#[test]
fn what_waits_writes_nothing_either() {
    let mut world = World::running(|_| ());
    world.edit(|s| (s.machine_type, s.resize_policy) = ("A5000".to_owned(), ResizePolicy::WhenStopped));
    world.step();
    world.forget_log();
    for _ in 0..10 {
        world.sleep(secs(30));
        world.step();
    }
    assert_eq!((world.status_writes, world.steps.len(), world.said.len()), (0, 0, 0));
}

#[test]
fn the_idle_keep_their_conditions_while_the_api_is_down() {
    let mut world = World::running(|_| ());
    world.looks.down = Some(api_down());
    world.annotate("example.com/note", "1");
    for _ in 0..5 {
        world.step();
        world.sleep(secs(10));
    }
    assert_eq!((world.status_writes, world.conditions().as_str()), (0, "Ready=True/Running Synced=True/Synced"));
}

#[test]
fn an_idle_resource_waits_for_changes_alone_while_its_account_is_read() {
    let mut world = World::running(|_| ());
    world.sleep(secs(1000));
    world.looks.unobserved_for = secs(30);
    assert_eq!(world.pass().requeue, Requeue::OnChange);
    world.looks.unobserved_for = secs(400);
    let wait = after(&mut world);
    assert!((secs(200)..=secs(260)).contains(&wait), "it is read no more: {wait:?}");
}

#[test]
fn one_that_is_not_as_it_should_be_looks_again_whatever_its_account_tells() {
    let mut world = World::running(|_| ());
    world.edit(|s| (s.machine_type, s.resize_policy) = ("A5000".to_owned(), ResizePolicy::WhenStopped));
    world.step();
    world.sleep(secs(1000));
    world.looks.unobserved_for = secs(30);
    let wait = after(&mut world);
    assert!(wait <= secs(630), "{wait:?}");
}

#[test]
fn unread_for_ten_minutes_it_is_not_observed_and_stays_so_until_it_is_seen() {
    let mut world = World::running(|_| ());
    world.sleep(secs(1000));
    world.looks.unobserved_for = secs(700);
    world.looks.down = Some(api_down());
    world.step();
    assert!(world.conditions().starts_with("Ready=Unknown/NotObserved Synced=Unknown/NotObserved"), "{}", world.conditions());
    let writes = world.status_writes;
    for _ in 0..10 {
        world.looks.unobserved_for += secs(30);
        world.sleep(secs(30));
        world.step();
    }
    assert_eq!(world.status_writes, writes, "{}", world.conditions());
    world.looks.down = None;
    world.looks.unobserved_for = secs(1);
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn an_idle_resource_that_cannot_be_read_says_so_after_ten_minutes_and_not_before() {
    let mut world = World::running(|_| ());
    world.looks.down = Some(api_down());
    // Longer than this world has been there: there is no list to answer from.
    world.looks.unobserved_for = secs(500);
    world.step();
    assert_eq!((world.memory.failed_looks, world.conditions().as_str()), (1, "Ready=True/Running Synced=True/Synced"));
    world.looks.unobserved_for = secs(700);
    world.step();
    assert!(world.conditions().starts_with("Ready=Unknown/NotObserved"), "{}", world.conditions());
    world.step();
    assert!(world.conditions().starts_with("Ready=Unknown/NotObserved"), "{}", world.conditions());
    world.edit(|s| s.machine_type = "C5".to_owned());
    world.step();
    assert!(world.conditions().contains("Reconciling=True/ApiUnavailable"), "now there is something to do: {}", world.conditions());
}

#[test]
fn what_is_as_it_should_be_is_read_from_the_list_and_the_rest_is_looked_at() {
    let freshness = |world: &mut World| {
        world.asked.clear();
        let began = world.now;
        world.step();
        let question =
            world.asked.iter().find_map(|q| if let Question::Machine { begun_after, .. } = q { Some(*begun_after) } else { None });
        (question.unwrap(), began)
    };
    let mut world = World::running(|_| ());
    world.annotate(RECONCILE_REQUESTED, "1");
    world.annotate(crate::crd::RESTART_REQUESTED, "1");
    world.run();
    world.crash();
    assert_eq!(freshness(&mut world).0, secs(0), "idle, with all requests handled");
    world.edit(|s| s.machine_type = "A5000".to_owned());
    let (asked, began) = freshness(&mut world);
    assert_eq!(asked, began - secs(5), "changed");
    let (asked, began) = freshness(&mut world);
    assert_eq!(asked, began - secs(5), "ready, and not synced");
    let mut world = World::running(|_| ());
    world.machine().public_ip = None;
    world.step();
    let (asked, began) = freshness(&mut world);
    assert_eq!(asked, began - secs(5), "synced, and not ready");
    let mut world = World::running(|_| ());
    world.annotate(crate::crd::RESTART_REQUESTED, "2");
    let (asked, began) = freshness(&mut world);
    assert_eq!(asked, began - secs(5), "asked to restart");
}

#[test]
fn hardware_that_is_not_told_is_not_forgotten() {
    let mut world = World::running(|_| ());
    (world.machine().ram, world.machine().cpus) = (0, 1.0);
    world.step();
    assert_eq!(world.status().hardware.unwrap().cpus, 8);
}

#[test]
fn what_has_something_to_do_says_that_the_api_is_down() {
    let mut world = World::running(|_| ());
    world.looks.unobserved_for = secs(30);
    world.looks.down = Some(api_down());
    world.edit(|s| s.machine_type = "C5".to_owned());
    world.step();
    assert!(world.conditions().contains("Reconciling=True/ApiUnavailable"), "{}", world.conditions());
    world.run_for(secs(100));
    assert_eq!(world.said("ApiUnavailable"), 1);
}

#[test]
fn looks_that_fail_back_off_though_others_succeed() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.crash();
    world.looks.down = Some(api_down());
    let waits: Vec<u64> = (0..5).map(|_| after(&mut world).as_secs()).collect();
    assert!(waits.windows(2).all(|w| w[0] < w[1]), "{waits:?}");
    world.looks.down = None;
    world.step();
    assert_eq!(world.memory.failed_looks, 0);
}

#[test]
fn waits_are_the_resources_own() {
    let mut world = World::new(|_| ());
    world.access.insert(crate::lifecycle::observe::KeySource::Own, crate::lifecycle::observe::Access::Unknown(api_down()));
    assert_eq!(after(&mut world), crate::lifecycle::backoff::after_failures(1, super::world::UID));
}

#[test]
fn a_retry_after_of_nothing_is_no_invitation_to_hammer() {
    let mut world = World::new(|_| ());
    world.step();
    let Error::Rejected { route, code, message, from_api, .. } = rejected(429, "slow down") else { panic!() };
    for (asked, least, most) in [(0, 1, 2), (90, 90, 90)] {
        world.memory.failed_looks = 0;
        world.looks.down = Some(Error::Rejected {
            route,
            status: 429,
            code: code.clone(),
            message: message.clone(),
            from_api,
            retry_after: Some(secs(asked)),
        });
        let wait = after(&mut world);
        assert!((secs(least)..=secs(most)).contains(&wait), "{wait:?}");
    }
    assert!(world.conditions().contains("RateLimited"), "{}", world.conditions());
}

#[test]
fn what_was_asked_about_is_looked_at_now() {
    let mut world = World::running(|_| ());
    world.annotate(RECONCILE_REQUESTED, "now");
    let began = world.now;
    world.step();
    assert!(world.asked.iter().any(|q| matches!(q, Question::Machine { begun_after, .. } if *begun_after >= began)));
    assert_eq!(world.status().handled_reconcile_at.as_deref(), Some("now"));
    world.forget_log();
    world.step();
    assert_eq!(world.status_writes, 0);
}

#[test]
fn events_come_with_the_status_that_tells_them() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::Create);
    world.run_until(StepKind::Annotate);
    world.run();
    assert_eq!(world.said("Started"), 1);
    let mut world = World::running(|_| ());
    world.object.metadata.annotations = None;
    world.cloud.machines[0].state = crate::paperspace::types::MachineState::Off;
    world.run();
    assert_eq!((world.said("Stopped"), world.count(StepKind::Annotate)), (1, 1));
}

#[test]
fn a_managed_resource_gets_its_finalizer_back() {
    let mut world = World::running(|_| ());
    world.object.metadata.finalizers = None;
    world.run();
    assert_eq!(world.steps, [StepKind::AddFinalizer]);
}

#[test]
fn duplicates_are_reported_once_and_cleared() {
    let mut world = World::running(|_| ());
    let mut twin = world.machine().clone();
    twin.id = "pstwin".to_owned();
    world.cloud.machines.push(twin);
    for _ in 0..4 {
        world.step();
        world.sleep(secs(30));
    }
    assert_eq!((world.said("Duplicate"), world.steps.len()), (1, 0));
    world.cloud.machines.pop();
    world.step();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn what_paperspace_calls_a_machine_is_shown_without_what_deceives_and_cut() {
    let mut world = World::running(|_| ());
    world.machine().name = format!("\u{202e}evil\n{}", "x".repeat(5000));
    world.machine().state = crate::paperspace::types::MachineState::Unknown("me\u{200b}lting".to_owned());
    world.step();
    let status = world.status();
    let name = status.machine_name.clone().unwrap();
    assert!(name.starts_with("evil xxx") && name.len() <= 1024, "{name}");
    assert_eq!(status.state.as_deref(), Some("melting"));
    let drift = status.drift.first().unwrap();
    assert_eq!((drift.field.as_str(), drift.observed.as_str()), ("machineName", name.as_str()));
    assert!(status.conditions.iter().all(|c| c.message.len() <= 1024 && !c.message.contains('\u{202e}')), "{:#?}", status.conditions);
    world.step();
    assert_eq!(world.status_writes, 1, "and does not come and go");
}

#[test]
fn transition_times_move_only_with_the_status() {
    let mut world = World::running(|_| ());
    let at = |w: &World| w.status().condition("Ready").unwrap().last_transition_time.clone();
    let before = at(&world);
    world.sleep(secs(100));
    world.edit(|s| s.machine_name = Some("x".to_owned()));
    world.run();
    assert_eq!(at(&world), before);
    assert_eq!(world.status().observed_generation, Some(2));
}

#[test]
fn decide_is_a_function() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.machine_name = Some("x".to_owned()));
    let (memory, now, nonce) = (world.memory.clone(), world.now, world.decide().status);
    world.memory = memory;
    world.now = now;
    assert_eq!(world.decide().status, nonce);
}

#[test]
fn the_longer_of_two_clocks_counts() {
    let at = |w: u64, m: u64| Moment { wall: wall(secs(w)), mono: secs(m) };
    assert_eq!(at(10, 3).at_most_since(&at(0, 0)), secs(10), "a machine that slept");
    assert_eq!(at(1, 8).at_most_since(&at(0, 0)), secs(8), "a wall clock that was set");
    assert_eq!(at(0, 5).at_most_since(&at(9, 0)), secs(5), "set back");
}

#[test]
fn a_crash_at_any_pass_of_a_life_leaves_one_machine_and_then_none() {
    for n in 0..16 {
        let mut world = World::new(|_| ());
        for _ in 0..n {
            if let Requeue::After(after) = world.pass().requeue {
                world.sleep(after.min(secs(10)));
            }
        }
        world.crash();
        world.run();
        assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1), "crash after {n}");
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced", "crash after {n}");
        world.delete();
        world.run();
        assert!(!world.exists && world.cloud.machines.is_empty(), "crash after {n}");
    }
}

#[test]
fn a_deletion_at_any_pass_of_a_life_leaves_nothing() {
    for n in 0..16 {
        let mut world = World::new(|_| ());
        for _ in 0..n {
            if let Requeue::After(after) = world.pass().requeue {
                world.sleep(after.min(secs(10)));
            }
        }
        world.delete();
        world.run();
        assert!(!world.exists && world.cloud.machines.is_empty(), "deleted after {n}: {:?}", world.steps);
    }
}

#[test]
fn a_conflict_at_any_pass_changes_nothing_in_the_end() {
    for n in 0..12 {
        let mut world = World::new(|_| ());
        for _ in 0..n {
            if let Requeue::After(after) = world.pass().requeue {
                world.sleep(after);
            }
        }
        world.conflicts = 1;
        world.run();
        assert_eq!((world.cloud.machines.len(), world.count(StepKind::Create)), (1, 1), "conflict after {n}");
    }
}

#[test]
fn every_step_has_its_word_and_only_requests_change_paperspace() {
    let steps = [
        (Step::Nothing, "nothing", false),
        (Step::AddFinalizer, "add-finalizer", false),
        (Step::RemoveFinalizer, "remove-finalizer", false),
        (Step::Annotate { address: String::new() }, "annotate", false),
        (Step::WriteAhead { id: String::new(), create: true }, "write-ahead", false),
        (Step::Start { id: String::new() }, "start", true),
        (Step::Stop { id: String::new() }, "stop", true),
        (Step::ReleaseIp { ip: String::new() }, "release-ip", true),
        (Step::Delete { id: String::new() }, "delete", true),
    ];
    for (step, word, mutates) in steps {
        assert_eq!((step.kind().as_str(), step.mutates_paperspace()), (word, mutates));
        assert_eq!(step.exactly_once(), None);
    }
}
