//! Static addresses that the operator allocated: known as such, and released.

use super::addresses::{Asked, OWN, applied, has, ip, named, owns_both, row, world};
use super::change::address;
use super::cloud::Fault;
use super::world::{World, secs};
use crate::crd::{PublicIpKind, PublicIpSpec, ReclaimPolicy};
use crate::lifecycle::step::StepKind;
use crate::paperspace::types::PublicIpType;

#[test]
fn a_static_address_is_recorded_when_the_operator_allocated_it() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.public_ip = address(PublicIpKind::Static));
    world.run();
    let ip = world.machine().public_ip.clone();
    assert_eq!(world.status().applied.unwrap().allocated_ip, ip);
    world.edit(|s| s.public_ip = address(PublicIpKind::Dynamic));
    world.run();
    assert!(world.cloud.addresses.is_empty());
    assert_eq!((world.said("AddressReleased"), world.status().applied), (1, None));
}

#[test]
fn a_static_address_that_is_not_wanted_any_more_when_it_is_first_seen_is_released_all_the_same() {
    let lost: [fn(&mut World); 3] = [
        |_| (),
        // Somebody else writes to the object meanwhile.
        |world| world.conflicts = 1,
        |world| world.fault(StepKind::Update, Fault::LoseReply),
    ];
    for lose in lost {
        let mut world = World::running(|_| ());
        world.edit(|s| s.public_ip = address(PublicIpKind::Static));
        world.run_until(StepKind::Update);
        world.edit(|s| s.public_ip = address(PublicIpKind::None));
        // Another process goes on with it.
        world.crash();
        lose(&mut world);
        world.run();
        assert_eq!((world.machine().public_ip_type.clone(), world.cloud.addresses.len()), (PublicIpType::None, 0));
        assert_eq!(world.status().applied, None);
    }
}

#[test]
fn a_static_address_that_was_there_is_not_the_operators() {
    let mut world = World::running(|_| ());
    world.machine().public_ip_type = PublicIpType::Static;
    world.cloud.addresses.insert("1.2.3.4".to_owned());
    world.edit(|s| s.public_ip = address(PublicIpKind::Static));
    world.run();
    assert_eq!(world.status().applied, None);
    world.edit(|s| s.public_ip = address(PublicIpKind::None));
    world.run();
    assert!(world.cloud.addresses.contains("1.2.3.4"));
}

#[test]
fn a_static_address_that_is_to_be_kept_stays_and_that_is_said() {
    let mut world = World::running(|s| {
        s.public_ip = Some(PublicIpSpec { kind: PublicIpKind::Static, reclaim_policy: Some(ReclaimPolicy::Retain), address: None });
    });
    world.run();
    world.edit(|s| s.public_ip = address(PublicIpKind::None));
    world.run();
    assert_eq!((world.cloud.addresses.len(), world.said("Retained"), world.count(StepKind::ReleaseIp)), (1, 1, 0));
}

#[test]
fn a_static_address_that_was_taken_away_is_released_before_another_is_asked_for() {
    let mut world = World::running(|s| s.public_ip = address(PublicIpKind::Static));
    world.machine().public_ip_type = PublicIpType::Dynamic;
    world.machine().public_ip = Some("5.5.5.5".to_owned());
    world.run();
    let ip = world.machine().public_ip.clone();
    assert_eq!((world.cloud.addresses.len(), world.status().applied.unwrap().allocated_ip), (1, ip));
}

#[test]
fn an_allocated_address_that_the_spec_names_is_the_teams_from_then_on() {
    let mut world = world(|s| s.public_ip = ip(Asked::Static));
    world.run();
    let ip = applied(&world).allocated_ip.unwrap();
    world.edit(|s| s.public_ip = named(&ip));
    world.run();
    assert_eq!((applied(&world).allocated_ip, applied(&world).named_ip), (None, Some(ip.clone())));
    world.edit(|s| s.public_ip = self::ip(Asked::None));
    world.run();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.addresses.contains(&ip), "{:?}", world.steps);
    assert_eq!(world.count(StepKind::ReleaseIp), 0);
}

#[test]
fn it_is_the_teams_too_where_the_resource_goes_before_that_was_noted() {
    let mut world = world(|s| s.public_ip = ip(Asked::Static));
    world.run();
    let ip = applied(&world).allocated_ip.unwrap();
    world.edit(|s| s.public_ip = named(&ip));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.addresses.contains(&ip), "{:?}", world.steps);
}

#[test]
fn an_address_is_not_given_while_an_allocation_may_still_come() {
    let mut world = world(|_| ());
    world.run();
    world.sleep(secs(400));
    world.fault(StepKind::Update, Fault::Drop);
    world.edit(|s| s.public_ip = ip(Asked::Static));
    world.run_until(StepKind::Update);
    world.crash();
    world.now = secs(50);
    world.edit(|s| s.public_ip = ip(Asked::Own));
    world.run_for(secs(100));
    assert_eq!(world.count(StepKind::AssignIp), 0);
    // Here it comes, late.
    let machine = world.machine();
    (machine.public_ip, machine.public_ip_type) = (Some("8.8.8.8".to_owned()), PublicIpType::Static);
    world.cloud.addresses.insert("8.8.8.8".to_owned());
    world.run();
    assert_eq!(has(&world).as_deref(), Some(OWN));
    assert!(world.cloud.addresses.is_empty(), "the one that came is released");
    owns_both(&world);
}

#[test]
fn none_is_asked_for_while_a_named_one_may_still_come() {
    let mut world = world(|_| ());
    world.run();
    world.fault(StepKind::AssignIp, Fault::Drop);
    world.edit(|s| s.public_ip = ip(Asked::Own));
    world.run_until(StepKind::AssignIp);
    world.edit(|s| s.public_ip = ip(Asked::Static));
    world.run_for(secs(100));
    assert_eq!(world.count(StepKind::Update), 0);
    // Here it comes, late.
    let machine = world.machine();
    (machine.public_ip, machine.public_ip_type) = (Some(OWN.to_owned()), PublicIpType::Static);
    world.cloud.estate.public_ips[0].assigned_machine_id = Some(world.id());
    world.run();
    assert_eq!((has(&world).as_deref(), applied(&world).allocated_ip), (Some(OWN), None));
    world.edit(|s| s.public_ip = ip(Asked::Dynamic));
    world.run();
    owns_both(&world);
}

#[test]
fn an_address_that_came_after_the_spec_had_changed_again_is_not_taken_for_the_operators() {
    // Somebody gives the named address to the machine by hand, while the outcome of an allocation is not known.
    let mut world = world(|_| ());
    world.run();
    world.fault(StepKind::Update, Fault::Drop);
    world.edit(|s| s.public_ip = ip(Asked::Static));
    world.run_until(StepKind::Update);
    world.edit(|s| s.public_ip = ip(Asked::Own));
    world.step();
    let machine = world.machine();
    (machine.public_ip, machine.public_ip_type) = (Some(OWN.to_owned()), PublicIpType::Static);
    world.cloud.estate.public_ips[0].assigned_machine_id = Some(world.id());
    world.edit(|s| s.public_ip = ip(Asked::Dynamic));
    world.run();
    assert_eq!(world.count(StepKind::ReleaseIp), 0);
    owns_both(&world);
}

#[test]
fn an_allocated_address_is_released_only_once_the_named_one_is_there() {
    let mut world = world(|s| s.public_ip = ip(Asked::Static));
    world.run();
    world.forget_log();
    world.edit(|s| s.public_ip = ip(Asked::Own));
    world.run();
    assert_eq!(world.steps, [StepKind::AssignIp, StepKind::ReleaseIp]);
    let mut world = self::world(|s| s.public_ip = ip(Asked::Static));
    world.run();
    world.edit(|s| s.public_ip = Some(PublicIpSpec { reclaim_policy: Some(ReclaimPolicy::Retain), ..ip(Asked::Own).unwrap() }));
    world.run();
    assert_eq!((world.cloud.addresses.len(), world.said("Retained"), world.count(StepKind::ReleaseIp)), (1, 1, 0));
}

#[test]
fn an_allocated_address_that_another_machine_has_by_now_is_not_released() {
    for (other, released) in [(Some("other1"), false), (None, true)] {
        let mut world = world(|s| s.public_ip = ip(Asked::Static));
        world.run();
        let ip = applied(&world).allocated_ip.unwrap();
        // Somebody moves it at the console.
        let machine = world.machine();
        (machine.public_ip, machine.public_ip_type) = (None, PublicIpType::None);
        world.cloud.addresses.remove(&ip);
        world.cloud.estate.public_ips.push(row(&ip, other));
        if let Some(other) = other {
            let mut machine = super::cloud::machine(other, "somebody else's");
            (machine.public_ip, machine.public_ip_type) = (Some(ip.clone()), PublicIpType::Static);
            world.cloud.machines.push(machine);
        }
        world.edit(|s| s.public_ip = self::ip(Asked::Dynamic));
        world.run();
        assert_eq!(world.cloud.estate.public_ips.iter().any(|row| row.ip == ip), !released, "{other:?}");
        assert_eq!(world.said("AddressNotReleased"), usize::from(!released));
        assert_eq!(applied(&world).allocated_ip, None);
    }
}
