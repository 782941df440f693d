//! Deleting: what stays, whose key is used, and what becomes of addresses.

use super::cloud::Fault;
use super::world::{MARK, World, api_down, open, secs};
use crate::crd::{DeletionPolicy, ManagementPolicy, PublicIpKind, PublicIpSpec, ReclaimPolicy};
use crate::lifecycle::observe::{Access, KeySource, Question};
use crate::lifecycle::step::StepKind;

fn address(reclaim_policy: Option<ReclaimPolicy>) -> Option<PublicIpSpec> {
    Some(PublicIpSpec { kind: PublicIpKind::Static, reclaim_policy, address: None })
}

#[test]
fn retain_keeps_the_machine_and_names_it() {
    let mut world = World::running(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    let id = world.id();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len(), world.steps.clone()), (false, 1, vec![StepKind::RemoveFinalizer]));
    assert!(world.said.iter().any(|e| e.reason == "Retained" && e.note.contains(&id)));
}

#[test]
fn retain_waits_for_an_open_attempt_to_name_what_stays() {
    let mut world = World::new(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    world.fault(StepKind::Create, Fault::Late(secs(100)));
    world.run_until(StepKind::Create);
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
    let id = world.machine().id.clone();
    assert!(world.said.iter().any(|e| e.reason == "Retained" && e.note.contains(&id)), "{:?}", world.said);
}

#[test]
fn retain_without_any_key_lets_go_and_says_what_may_appear() {
    let mut world = World::new(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
    world.fault(StepKind::Create, Fault::Drop);
    world.run_until(StepKind::Create);
    world.access.clear();
    world.delete();
    world.run();
    assert!(!world.exists);
    assert!(world.said.iter().any(|e| e.reason == "Retained" && e.note.contains(MARK)), "{:?}", world.said);
}

#[test]
fn retain_waits_while_the_api_cannot_be_asked() {
    for source in [KeySource::Own, KeySource::Remembered] {
        let mut world = World::new(|s| s.deletion_policy = Some(DeletionPolicy::Retain));
        world.fault(StepKind::Create, Fault::Drop);
        world.run_until(StepKind::Create);
        world.access.clear();
        world.access.insert(source, Access::Unknown(api_down()));
        world.delete();
        world.run_for(secs(600));
        assert!(world.exists, "{source:?}");
        assert!(world.conditions().contains("ApiUnavailable"), "{}", world.conditions());
        world.access.insert(source, open("te1"));
        world.run();
        assert!(!world.exists);
    }
}

#[test]
fn an_observing_resource_that_still_has_a_finalizer_destroys_nothing() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.management_policy = ManagementPolicy::Observe);
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.machines.len()), (false, 1));
}

#[test]
fn the_key_last_seen_is_used_when_the_secret_went_first() {
    let mut world = World::running(|_| ());
    world.access = [(KeySource::Remembered, open("te1"))].into();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
    assert!(world.asked.contains(&Question::Access { key: KeySource::Remembered, reread: true }));
}

#[test]
fn the_operators_key_is_used_if_it_opens_the_same_team() {
    let mut world = World::running(|_| ());
    world.access = [(KeySource::Operator, open("te1"))].into();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
    let mut world = World::running(|_| ());
    world.access = [(KeySource::Operator, open("te2"))].into();
    world.delete();
    world.run_for(secs(400));
    assert!(world.exists && world.cloud.machines.len() == 1);
    let message = world.status().condition("Stalled").unwrap().message.clone();
    assert!(message.contains("a key of team te1") && message.contains("Retain"), "{message}");
    assert_eq!(world.said("CredentialsMissing"), 1);
}

#[test]
fn a_key_of_another_team_sees_no_absence() {
    let mut world = World::running(|_| ());
    world.access.insert(KeySource::Own, open("te2"));
    world.delete();
    world.run_for(secs(900));
    assert!(world.exists && world.cloud.machines.len() == 1);
    assert!(world.conditions().contains("Stalled=True/AccountMismatch"), "{}", world.conditions());
}

#[test]
fn an_api_that_is_down_holds_the_finalizer() {
    let mut world = World::running(|_| ());
    world.looks.down = Some(api_down());
    world.delete();
    world.run_for(secs(1200));
    assert!(world.exists && world.conditions().contains("ApiUnavailable"), "{}", world.conditions());
    assert_eq!(world.said("ApiUnavailable"), 1);
    world.looks.down = None;
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
}

#[test]
fn an_address_that_the_operator_allocated_is_released_first() {
    let mut world = World::running(|s| s.public_ip = address(None));
    assert_eq!(world.cloud.addresses.len(), 1);
    world.delete();
    world.run();
    assert_eq!(world.steps, [StepKind::ReleaseIp, StepKind::Delete, StepKind::RemoveFinalizer]);
    assert!(!world.exists && world.cloud.addresses.is_empty());
}

#[test]
fn an_address_of_a_machine_that_was_never_bound_is_released_too() {
    let mut world = World::new(|s| s.public_ip = address(None));
    world.run_until(StepKind::Create);
    world.crash();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.addresses.is_empty());
}

#[test]
fn an_address_is_released_when_its_machine_is_gone_already() {
    let mut world = World::running(|s| s.public_ip = address(None));
    world.cloud.machines.clear();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.addresses.is_empty());
}

#[test]
fn a_retained_address_stays() {
    let mut world = World::running(|s| s.public_ip = address(Some(ReclaimPolicy::Retain)));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.addresses.len() == 1);
    assert_eq!((world.count(StepKind::ReleaseIp), world.said("Retained")), (0, 1));
}

#[test]
fn what_was_to_be_retained_when_it_was_asked_for_is_retained() {
    let mut world = World::new(|s| s.public_ip = address(Some(ReclaimPolicy::Retain)));
    world.run_until(StepKind::Create);
    world.edit(|s| s.public_ip = None);
    world.run();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.addresses.len(), world.count(StepKind::ReleaseIp)), (false, 1, 0));
}

#[test]
fn an_address_that_cannot_be_released_keeps_no_machine_running() {
    let mut world = World::running(|s| s.public_ip = address(None));
    world.fault(StepKind::ReleaseIp, Fault::Refuse(400, "in use"));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty());
    assert_eq!(world.said("AddressNotReleased"), 1);
}

#[test]
fn an_address_that_came_long_after_a_request_for_one_failed_is_the_users() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::Update, Fault::Refuse(400, "no address left"));
    world.edit(|s| s.public_ip = address(None));
    world.run_for(secs(10));
    assert!(world.status().applied.unwrap().static_ip_requested);
    world.edit(|s| s.public_ip = None);
    world.run_for(secs(60));
    assert!(world.status().applied.unwrap().static_ip_requested, "it may still come");
    world.sleep(secs(180));
    world.step();
    assert_eq!(world.status().applied, None);
    world.cloud.addresses.insert("7.7.7.7".to_owned());
    let machine = world.machine();
    (machine.public_ip_type, machine.public_ip) = (crate::paperspace::types::PublicIpType::Static, Some("7.7.7.7".to_owned()));
    world.step();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.cloud.addresses.len(), world.count(StepKind::ReleaseIp)), (false, 1, 0));
}

#[test]
fn an_address_that_the_user_brought_is_not_released() {
    for asked in [None, address(None)] {
        let mut world = World::running(|s| {
            s.public_ip = asked;
            s.startup_script = Some(crate::crd::StartupScript { script_id: Some("sc1".to_owned()), ..Default::default() });
        });
        world.cloud.addresses.insert("7.7.7.7".to_owned());
        let machine = world.machine();
        machine.public_ip_type = crate::paperspace::types::PublicIpType::Static;
        machine.public_ip = Some("7.7.7.7".to_owned());
        world.run_for(secs(60));
        world.delete();
        world.run();
        assert!(!world.exists && world.cloud.addresses.contains("7.7.7.7"));
        assert_eq!(world.cloud.addresses.len(), 1, "its own is");
    }
}
