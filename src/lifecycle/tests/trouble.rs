//! What keeps Paperspace from creating and starting machines, told apart.

use super::cloud::Fault;
use super::world::{World, secs};
use crate::lifecycle::observe::{Question, Quota};
use crate::lifecycle::step::StepKind;
use crate::paperspace::types::{AccountStanding, MachineState};

fn bad(message: &str) -> Option<AccountStanding> {
    let messages = vec![message.to_owned()];
    Some(AccountStanding { is_in_good_standing: false, is_admin_locked: false, has_payment_method: false, messages })
}

fn refused(status: u16, message: &'static str, change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(|_| ());
    change(&mut world);
    world.fault(StepKind::Create, Fault::Refuse(status, message));
    world.run_for(secs(20));
    world
}

fn ready(world: &World) -> (String, String) {
    let ready = world.status().condition("Ready").cloned().unwrap();
    (ready.reason, ready.message)
}

type Set = fn(&mut World);

#[test]
fn each_kind_of_refusal_has_a_reason_and_says_what_to_do_and_what_paperspace_says() {
    let full = |w: &mut World| w.quota = Quota { machines: 5, max: Some(5) };
    let standing = |w: &mut World| w.cloud.estate.standing = bad("Add a payment method.");
    let starved = |w: &mut World| w.looks.unavailable = true;
    let elsewhere = |w: &mut World| {
        w.looks.unavailable = true;
        w.edit(|s| (s.machine_type, s.region) = ("H100".to_owned(), "CA1".to_owned()));
    };
    let rows: [(u16, &str, Set, &str, &[&str]); 9] = [
        (403, "no", full, "QuotaReached", &["may have 5 machines", "destroy one"]),
        (403, "You have reached the limit of 9 machines", |_| (), "QuotaReached", &["destroy one"]),
        (403, "no", standing, "AccountNotInGoodStanding", &["Add a payment method.", "billing"]),
        (402, "Payment required", |_| (), "AccountNotInGoodStanding", &["billing"]),
        (403, "A4000 needs approval", |_| (), "MachineTypeNotApproved", &["A4000", "approval", "console"]),
        (403, "no", starved, "OutOfCapacity", &["A4000", "NY2", "tried again"]),
        (403, "no", elsewhere, "MachineTypeNotInRegion", &["CA1 does not have H100", "NY2"]),
        (400, "Machine type A4000 is not available in ny2.", |_| (), "MachineTypeNotInRegion", &["A4000", "NY2"]),
        (400, "diskSize: too odd", full, "CreateRejected", &["diskSize: too odd"]),
    ];
    for (status, message, set, reason, says) in rows {
        let world = refused(status, message, set);
        let (is, text) = ready(&world);
        assert_eq!(is, reason, "{message}: {text}");
        assert!(says.iter().all(|part| text.contains(part)) && text.contains(message), "{text}");
        let status = world.status().creation.unwrap();
        assert_eq!((status.reason.as_deref(), status.message.as_deref()), (Some(reason), Some(text.as_str())));
        assert_eq!(world.count(StepKind::Create), 1, "{message}");
    }
}

#[test]
fn the_reason_survives_a_restart_and_a_new_spec_is_tried_at_once() {
    let mut world = refused(403, "A4000 needs approval", |_| ());
    world.crash();
    world.run_for(secs(20));
    assert_eq!(ready(&world).0, "MachineTypeNotApproved");
    assert_eq!(world.count(StepKind::Create), 1);
    world.edit(|s| s.machine_type = "C5".to_owned());
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn under_a_quota_it_is_tried_again_once_there_are_fewer_machines() {
    let mut world = refused(403, "no", |w| w.quota = Quota { machines: 5, max: Some(5) });
    for _ in 0..5 {
        world.fault(StepKind::Create, Fault::Refuse(403, "no"));
    }
    world.run_for(secs(1800));
    let hot = world.count(StepKind::Create);
    assert!(hot <= 6, "{hot} in half an hour");
    world.cloud.faults.clear();
    world.quota.machines = 4;
    world.run_for(secs(65));
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn the_account_is_asked_about_only_after_a_refusal_that_says_nothing() {
    let world = refused(400, "diskSize: too odd", |_| ());
    assert!(!world.asked.iter().any(|q| matches!(q, Question::Standing | Question::Availability)), "{:?}", world.asked);
    let mut world = World::new(|_| ());
    world.run();
    assert!(!world.asked.iter().any(|q| matches!(q, Question::Standing | Question::Availability)), "{:?}", world.asked);
}

#[test]
fn one_of_several_that_wait_gets_the_room_and_the_others_go_on_waiting_for_the_next() {
    let mut world = refused(403, "limit of 5 machines", |w| w.quota = Quota { machines: 5, max: Some(5) });
    (0..30).for_each(|_| world.fault(StepKind::Create, Fault::Refuse(403, "limit of 5 machines")));
    world.run_for(secs(1800));
    // One goes, and another resource is quicker: our list was older than that.
    world.quota.machines = 4;
    world.run_until(StepKind::Create);
    world.quota.machines = 5;
    world.run_for(secs(600));
    assert_eq!(ready(&world).0, "QuotaReached");
    world.cloud.faults.clear();
    world.quota.machines = 4;
    world.run_for(secs(65));
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn how_many_machines_there_may_be_is_asked_anew_when_one_is_refused() {
    for message in ["limit of 5 machines", "no"] {
        let mut world = refused(403, message, |w| w.quota = Quota { machines: 1, max: Some(5) });
        let reread = |w: &World| w.asked.iter().filter(|q| matches!(q, Question::Access { reread: true, .. })).count();
        assert_eq!(reread(&world), 1, "{message}");
        world.step();
        assert_eq!(reread(&world), 1, "{message}");
    }
}

#[test]
fn a_start_that_is_refused_for_the_type_or_the_capacity_says_so() {
    for (message, expected) in [
        ("There is no capacity for A4000 now", "OutOfCapacity"),
        ("A4000 needs approval", "MachineTypeNotApproved"),
        ("Machine type A4000 is not available in ny2.", "MachineTypeNotInRegion"),
    ] {
        let mut world = World::running(|_| ());
        world.machine().state = MachineState::Off;
        world.fault(StepKind::Start, Fault::Refuse(400, message));
        world.run_for(secs(20));
        let (reason, text) = ready(&world);
        assert_eq!(reason, expected, "{text}");
        assert!(text.contains(message), "{text}");
        assert_eq!(world.count(StepKind::Start), 1);
        world.run_for(secs(120));
        assert_eq!(ready(&world).0, "Running");
    }
}

#[test]
fn a_start_that_is_refused_for_the_account_says_so() {
    for (status, message, standing) in [(402, "Payment required", None), (403, "no", bad("Your card has expired."))] {
        let mut world = World::running(|_| ());
        world.machine().state = MachineState::Off;
        world.cloud.estate.standing = standing.clone();
        world.fault(StepKind::Start, Fault::Refuse(status, message));
        world.run_for(secs(20));
        let (reason, text) = ready(&world);
        assert_eq!(reason, "AccountNotInGoodStanding", "{text}");
        assert!(text.contains(message) && text.contains(standing.map_or("billing", |_| "Your card has expired.")), "{text}");
        world.run_for(secs(120));
        assert_eq!(ready(&world).0, "Running");
    }
}
