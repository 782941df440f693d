//! Public addresses: every change of kind, and addresses that the team owns already.

use super::cloud::{Fault, rejected};
use super::world::{World, secs};
use crate::crd::{Applied, DeletionPolicy, PaperspaceMachineSpec, PowerState, PublicIpKind, PublicIpSpec};
use crate::lifecycle::diff::static_address;
use crate::lifecycle::observe::{Listing, Question};
use crate::lifecycle::step::{Step, StepKind};
use crate::paperspace::types::{PublicIp, PublicIpType};

pub(super) const OWN: &str = "7.7.7.7";
pub(super) const ANOTHER: &str = "7.7.7.8";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Asked {
    None,
    Dynamic,
    Static,
    Own,
}

const ALL: [Asked; 4] = [Asked::None, Asked::Dynamic, Asked::Static, Asked::Own];

pub(super) fn ip(asked: Asked) -> Option<PublicIpSpec> {
    let (kind, address) = match asked {
        Asked::None => (PublicIpKind::None, None),
        Asked::Dynamic => (PublicIpKind::Dynamic, None),
        Asked::Static => (PublicIpKind::Static, None),
        Asked::Own => (PublicIpKind::Static, Some(OWN.to_owned())),
    };
    Some(PublicIpSpec { kind, address, reclaim_policy: None })
}

pub(super) fn named(address: &str) -> Option<PublicIpSpec> {
    Some(PublicIpSpec { kind: PublicIpKind::Static, address: Some(address.to_owned()), reclaim_policy: None })
}

pub(super) fn row(ip: &str, machine: Option<&str>) -> PublicIp {
    PublicIp { ip: ip.to_owned(), region: "East Coast (NY2)".to_owned(), assigned_machine_id: machine.map(str::to_owned) }
}

/// A world in which the team owns two addresses that nobody uses.
pub(super) fn world(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> World {
    let mut world = World::new(change);
    world.cloud.estate.public_ips = vec![row(OWN, None), row(ANOTHER, None)];
    world
}

pub(super) fn applied(world: &World) -> Applied {
    world.status().applied.unwrap_or_default()
}

/// The machine's static address.
pub(super) fn has(world: &World) -> Option<String> {
    static_address(&world.cloud.machines[0]).map(str::to_owned)
}

pub(super) fn owns_both(world: &World) {
    let rows: Vec<&str> = world.cloud.estate.public_ips.iter().map(|row| row.ip.as_str()).collect();
    assert_eq!(rows, [OWN, ANOTHER], "an address of the team's own is gone: {:?}", world.steps);
}

/// What the machine has, what the operator allocated, and what it knows of that.
fn is(world: &mut World, asked: Asked, from: Asked, what: &str) {
    let (machine, allocated) = (world.machine().clone(), world.cloud.addresses.clone());
    let has = static_address(&machine).map(str::to_owned);
    let kind = match asked {
        Asked::None => PublicIpType::None,
        Asked::Dynamic => PublicIpType::Dynamic,
        Asked::Static | Asked::Own => PublicIpType::Static,
    };
    assert_eq!(machine.public_ip_type, kind, "{what}");
    // Who asks for any static address keeps the one that is there.
    let own = asked == Asked::Own || (asked, from) == (Asked::Static, Asked::Own);
    assert_eq!(has.as_deref() == Some(OWN), own, "{what}: {has:?}");
    let expected = has.clone().filter(|_| asked == Asked::Static && !own);
    assert_eq!(allocated.into_iter().collect::<Vec<_>>(), expected.clone().into_iter().collect::<Vec<_>>(), "{what}: left over");
    assert_eq!(applied(world).allocated_ip, expected, "{what}");
    owns_both(world);
    let ready = if world.object.spec.power_state == PowerState::Stopped { "Stopped" } else { "Running" };
    assert_eq!(world.conditions(), format!("Ready=True/{ready} Synced=True/Synced"), "{what}");
}

#[test]
fn every_change_of_kind_is_made_and_nothing_is_left_over() {
    for power in [PowerState::Running, PowerState::Stopped] {
        for from in ALL {
            for to in ALL {
                let what = format!("{power:?}: {from:?} -> {to:?}");
                let mut world = world(|s| (s.public_ip, s.power_state) = (ip(from), power));
                world.run();
                is(&mut world, from, from, &format!("{what}, at first"));
                world.edit(|s| s.public_ip = ip(to));
                world.run();
                is(&mut world, to, from, &what);
                world.sleep(secs(400));
                world.forget_log();
                for _ in 0..3 {
                    world.step();
                }
                assert_eq!((world.steps.len(), world.said.len()), (0, 0), "{what}: {:?}", world.steps);
                world.delete();
                world.run();
                assert!(!world.exists && world.cloud.machines.is_empty() && world.cloud.addresses.is_empty(), "{what}, deleted");
                owns_both(&world);
            }
        }
    }
}

#[test]
fn whatever_goes_wrong_in_a_change_of_kind_the_teams_own_address_stays() {
    let kinds = [StepKind::Update, StepKind::AssignIp, StepKind::ReleaseIp, StepKind::UnassignIp];
    let faults = [Fault::LoseReply, Fault::Drop, Fault::Refuse(500, "?"), Fault::Ignore];
    for (from, to) in ALL.into_iter().flat_map(|from| ALL.map(|to| (from, to))) {
        for kind in kinds {
            for fault in &faults {
                for crash in [false, true] {
                    let mut world = world(|s| s.public_ip = ip(from));
                    world.run();
                    world.fault(kind, fault.clone());
                    world.edit(|s| s.public_ip = ip(to));
                    for _ in 0..4 {
                        world.step();
                        world.sleep(secs(1));
                    }
                    if crash {
                        world.crash();
                    }
                    world.run();
                    let what = format!("{from:?} -> {to:?}, {kind:?} {fault:?} {crash}");
                    // An API that says that it released an address and did not is not asked again.
                    if kind == StepKind::ReleaseIp && matches!(fault, Fault::Ignore) {
                        world.cloud.addresses.clear();
                        world.cloud.addresses.extend(applied(&world).allocated_ip);
                    }
                    is(&mut world, to, from, &what);
                }
            }
        }
    }
}

#[test]
fn a_machine_is_created_with_a_dynamic_address_and_gets_the_teams_own_then() {
    let mut world = world(|s| s.public_ip = ip(Asked::Own));
    world.run_until(StepKind::Create);
    assert_eq!(world.machine().public_ip_type, PublicIpType::Dynamic);
    world.run();
    assert_eq!((has(&world).as_deref(), world.count(StepKind::AssignIp)), (Some(OWN), 1));
    assert_eq!(applied(&world), Applied { named_ip: Some(OWN.to_owned()), ..Applied::default() });
}

#[test]
fn nothing_is_created_while_the_address_cannot_be_had() {
    let other_region = PublicIp { region: "ca1".to_owned(), ..row(OWN, None) };
    for (rows, why) in [
        (vec![row(ANOTHER, None)], "is not the team's; free in NY2: 7.7.7.8"),
        (vec![], "the team has no free address in NY2"),
        (vec![other_region], "is in CA1, the machine in NY2"),
        (vec![row(OWN, Some("other1"))], "machine other1 has static address 7.7.7.7"),
    ] {
        let mut world = World::new(|s| s.public_ip = ip(Asked::Own));
        world.cloud.estate.public_ips = rows;
        world.run_for(secs(300));
        assert!(world.cloud.machines.is_empty() && world.count(StepKind::WriteAhead) == 0, "{why}");
        assert!(world.conditions().contains("Stalled=True/AddressUnavailable"), "{}", world.conditions());
        let message = world.status().condition("Ready").unwrap().message.clone();
        assert!(message.contains(why), "{message}");
        assert_eq!(world.said("AddressUnavailable"), 1);
        let lists = world.asked.iter().filter(|q| matches!(q, Question::Listing { of: Listing::PublicIps, .. })).count();
        assert!(lists <= 6, "{lists} lists in five minutes");
        world.cloud.estate.public_ips = vec![row(OWN, None)];
        world.run();
        assert_eq!(has(&world).as_deref(), Some(OWN));
    }
}

#[test]
fn free_addresses_are_named_and_not_all_of_them() {
    let mut world = World::new(|s| s.public_ip = ip(Asked::Own));
    world.cloud.estate.public_ips = (1..=20).map(|n| row(&format!("8.8.0.{n}"), None)).collect();
    world.run_for(secs(30));
    let message = world.status().condition("Ready").unwrap().message.clone();
    assert!(message.contains("8.8.0.8 and 12 more") && !message.contains("8.8.0.9"), "{message}");
}

#[test]
fn on_a_living_machine_an_address_that_cannot_be_had_stops_nothing_else() {
    let mut world = world(|_| ());
    world.run();
    world.cloud.estate.public_ips[0].assigned_machine_id = Some("other1".to_owned());
    world.edit(|s| (s.public_ip, s.machine_name, s.power_state) = (ip(Asked::Own), Some("renamed".to_owned()), PowerState::Stopped));
    world.run_for(secs(300));
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=False/AddressUnavailable Stalled=True/AddressUnavailable");
    assert!(world.machine().name.starts_with("renamed-"));
    assert_eq!((world.count(StepKind::AssignIp), world.cloud.estate.public_ips[0].assigned_machine_id.as_deref()), (0, Some("other1")));
    world.cloud.estate.public_ips[0].assigned_machine_id = None;
    world.run();
    assert_eq!(has(&world).as_deref(), Some(OWN));
}

#[test]
fn addresses_that_cannot_be_read_stop_nothing_else() {
    let mut world = world(|_| ());
    world.run();
    world.looks.no_addresses = Some(rejected(500, "?"));
    world.edit(|s| (s.public_ip, s.power_state) = (ip(Asked::Own), PowerState::Stopped));
    world.run_for(secs(300));
    assert_eq!((world.status().state.as_deref(), world.count(StepKind::AssignIp)), (Some("off"), 0));
    assert!(world.conditions().contains("Synced=Unknown/ApiUnavailable"), "{}", world.conditions());
    world.looks.no_addresses = None;
    world.run();
    assert_eq!(has(&world).as_deref(), Some(OWN));
}

#[test]
fn what_was_moved_to_another_machine_is_not_taken_back() {
    let mut world = world(|s| s.public_ip = ip(Asked::Own));
    world.run();
    let machine = world.machine();
    (machine.public_ip, machine.public_ip_type) = (None, PublicIpType::None);
    world.cloud.estate.public_ips[0].assigned_machine_id = Some("other1".to_owned());
    world.forget_log();
    world.run_for(secs(600));
    assert_eq!(world.steps, []);
    assert!(world.conditions().contains("Synced=False/AddressUnavailable"), "{}", world.conditions());
    world.delete();
    world.run();
    assert!(!world.exists && world.count(StepKind::UnassignIp) == 0, "{:?}", world.steps);
    assert_eq!(world.cloud.estate.public_ips[0].assigned_machine_id.as_deref(), Some("other1"));
}

#[test]
fn what_was_taken_away_and_is_free_is_given_again() {
    let mut world = world(|s| s.public_ip = ip(Asked::Own));
    world.run();
    let machine = world.machine();
    (machine.public_ip, machine.public_ip_type) = (None, PublicIpType::None);
    world.cloud.estate.public_ips[0].assigned_machine_id = None;
    world.forget_log();
    world.run();
    assert_eq!((world.steps.as_slice(), world.said("DriftCorrected")), (&[StepKind::AssignIp][..], 1));
}

#[test]
fn one_of_the_teams_own_is_replaced_by_another() {
    let mut world = world(|s| s.public_ip = named(OWN));
    world.run();
    world.edit(|s| s.public_ip = named(ANOTHER));
    world.run();
    assert_eq!((has(&world).as_deref(), world.count(StepKind::ReleaseIp)), (Some(ANOTHER), 0));
    owns_both(&world);
}

#[test]
fn before_the_machine_goes_its_address_is_taken_off_and_not_released() {
    let mut world = world(|s| s.public_ip = ip(Asked::Own));
    world.run();
    world.forget_log();
    world.delete();
    world.run();
    assert_eq!(world.steps, [StepKind::UnassignIp, StepKind::Delete, StepKind::RemoveFinalizer]);
    owns_both(&world);
}

#[test]
fn a_refusal_to_take_it_off_keeps_no_machine() {
    for fault in [Fault::Refuse(400, "no"), Fault::Refuse(404, "no such address"), Fault::LoseReply, Fault::Ignore] {
        let mut world = world(|s| s.public_ip = ip(Asked::Own));
        world.run();
        world.fault(StepKind::UnassignIp, fault.clone());
        world.delete();
        world.run();
        assert!(!world.exists && world.cloud.machines.is_empty(), "{fault:?}: {:?}", world.steps);
        owns_both(&world);
    }
    let mut world = world(|s| s.public_ip = ip(Asked::Own));
    world.run();
    world.looks.no_addresses = Some(rejected(403, "no"));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.machines.is_empty(), "{:?}", world.steps);
}

#[test]
fn a_machine_that_stays_keeps_its_address() {
    let mut world = world(|s| (s.public_ip, s.deletion_policy) = (ip(Asked::Own), Some(DeletionPolicy::Retain)));
    world.run();
    world.delete();
    world.run();
    assert_eq!((world.exists, has(&world).as_deref(), world.count(StepKind::UnassignIp)), (false, Some(OWN), 0));
}

#[test]
fn a_refused_assignment_is_shown_and_tried_again_when_the_spec_changes() {
    let mut world = world(|_| ());
    world.run();
    world.fault(StepKind::AssignIp, Fault::Refuse(400, "The machine must be on"));
    world.edit(|s| s.public_ip = ip(Asked::Own));
    world.run_for(secs(30));
    assert!(world.conditions().contains("Stalled=True/UpdateRejected"), "{}", world.conditions());
    assert_eq!(world.count(StepKind::AssignIp), 1);
    world.edit(|s| s.public_ip = named(ANOTHER));
    world.run();
    assert_eq!(has(&world).as_deref(), Some(ANOTHER));
}

#[test]
fn what_is_accepted_and_not_done_is_repeated_slowly_and_reported() {
    let mut world = world(|_| ());
    world.run();
    for _ in 0..20 {
        world.fault(StepKind::AssignIp, Fault::Ignore);
    }
    world.edit(|s| s.public_ip = ip(Asked::Own));
    world.run_for(secs(600));
    assert!((4..8).contains(&world.count(StepKind::AssignIp)), "{:?}", world.steps);
    assert!(world.conditions().contains("Stalled=True/UpdateRejected"), "{}", world.conditions());
    world.cloud.faults.clear();
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn whose_it_is_is_written_down_before_it_is_given() {
    let mut world = world(|s| s.public_ip = ip(Asked::Static));
    world.run();
    world.edit(|s| s.public_ip = ip(Asked::Own));
    loop {
        let decision = world.pass();
        if let Step::AssignIp { ip, machine } = &decision.step {
            assert_eq!((ip.as_str(), machine.clone()), (OWN, Some(world.id())));
            break;
        }
        let named = world.object.status.as_ref().and_then(|s| s.applied.as_ref()?.named_ip.clone());
        assert_eq!(named.as_deref(), Some(OWN), "written by the pass before");
    }
}

#[test]
fn nothing_is_given_where_paperspace_is_only_read() {
    let mut world = world(|_| ());
    world.run();
    world.forget_log();
    world.edit(|s| (s.public_ip, s.suspend) = (ip(Asked::Own), true));
    world.run_for(secs(600));
    assert_eq!(world.steps, []);
    world.edit(|s| s.suspend = false);
    world.run();
    assert_eq!(has(&world).as_deref(), Some(OWN));
}
