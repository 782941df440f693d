//! What is worth knowing of a machine: snapshots and desktop. None of it stands in the way of anything.

use super::cloud::{Fault, rejected};
use super::world::{World, secs};
use crate::crd::{
    AutoSnapshot, ManagementPolicy, PaperspaceMachineSpec, PowerState, RestoreFrequency, RestorePoint, SnapshotFrequency, Snapshots,
};
use crate::lifecycle::observe::{Listing, Question};
use crate::lifecycle::step::StepKind;
use crate::paperspace::types::{Desktop, MachineState, RemoteDesktop, Snapshot};

fn daily(keep: i32) -> Option<AutoSnapshot> {
    Some(AutoSnapshot { frequency: SnapshotFrequency::Daily, keep })
}

fn point(id: Option<&str>) -> Option<RestorePoint> {
    Some(RestorePoint { frequency: RestoreFrequency::Shutdown, snapshot_id: id.map(str::to_owned) })
}

fn snapshot(id: &str, machine: &str) -> Snapshot {
    Snapshot { id: id.to_owned(), name: "a".to_owned(), machine_id: machine.to_owned(), is_auto_snapshot: false }
}

fn asked(world: &World, is: impl Fn(&Question) -> bool) -> usize {
    world.asked.iter().filter(|q| is(q)).count()
}

fn lists(world: &World) -> usize {
    asked(world, |q| matches!(q, Question::Listing { of: Listing::Snapshots, .. }))
}

fn desktops(world: &World) -> usize {
    asked(world, |q| matches!(q, Question::Desktop { .. }))
}

#[test]
fn each_change_of_automatic_snapshots_is_made() {
    let weekly = Some(AutoSnapshot { frequency: SnapshotFrequency::Weekly, keep: 2 });
    let all = [None, daily(2), daily(3), weekly];
    for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from.clone(), to.clone()))) {
        let mut world = World::running(|s| s.auto_snapshot.clone_from(&from));
        world.edit(|s| s.auto_snapshot.clone_from(&to));
        world.run();
        let machine = world.machine();
        let has = machine.auto_snapshot_enabled.then(|| (machine.auto_snapshot_frequency.clone(), machine.auto_snapshot_save_count));
        let wanted = to.as_ref().map(|s| (Some(crate::lifecycle::desired::frequency(s.frequency)), Some(f64::from(s.keep))));
        assert_eq!(has, wanted, "{from:?} -> {to:?}");
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
        assert_eq!(world.count(StepKind::Update), usize::from(from != to), "{from:?} -> {to:?}");
    }
}

#[test]
fn each_change_of_the_restore_point_is_made() {
    let all = [None, point(None), point(Some("sn1")), point(Some("sn2"))];
    for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from.clone(), to.clone()))) {
        let mut world = World::running(|s| s.restore_point.clone_from(&from));
        world.edit(|s| s.restore_point.clone_from(&to));
        world.run();
        let machine = world.machine();
        assert_eq!(machine.restore_point_enabled, to.is_some(), "{from:?} -> {to:?}");
        if let Some(id) = to.as_ref().and_then(|r| r.snapshot_id.as_ref()) {
            assert_eq!(machine.restore_point_snapshot_id.as_ref(), Some(id), "{from:?} -> {to:?}");
        }
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced", "{from:?} -> {to:?}");
    }
}

#[test]
fn a_snapshot_that_is_not_there_is_reported_and_does_not_stand_in_the_way_of_power() {
    let mut world = World::running(|_| ());
    for _ in 0..9 {
        world.fault(StepKind::Update, Fault::Refuse(404, "Snapshot was not found"));
    }
    world.edit(|s| (s.restore_point, s.power_state) = (point(Some("nosuch")), PowerState::Stopped));
    world.run_for(secs(300));
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=False/UpdateRejected Stalled=True/UpdateRejected");
    assert!(world.status().condition("Synced").unwrap().message.contains("Snapshot was not found"));
    assert!(world.count(StepKind::Update) <= 4, "{:?}", world.steps);
}

#[test]
fn snapshots_are_counted_where_the_spec_asks_for_any() {
    for asks in [true, false] {
        let mut world = World::running(|s| s.auto_snapshot = daily(2).filter(|_| asks));
        let id = world.id();
        world.cloud.estate.snapshots = vec![snapshot("s1", &id), snapshot("s2", "other"), snapshot("s3", &id), snapshot("s4", "other")];
        world.asked.clear();
        world.sleep(secs(601));
        world.step();
        assert_eq!(world.status().snapshots, asks.then(|| Snapshots { count: 2, newest_id: Some("s3".to_owned()) }));
        assert_eq!(lists(&world), usize::from(asks));
    }
    for asks in
        [|s: &mut PaperspaceMachineSpec| s.restore_point = point(None), |s: &mut PaperspaceMachineSpec| s.take_initial_snapshot = true]
    {
        let world = World::running(asks);
        assert_eq!(world.status().snapshots, Some(Snapshots { count: 0, newest_id: None }));
    }
    let mut world = World::running(|s| s.auto_snapshot = daily(2));
    world.edit(|s| s.auto_snapshot = None);
    world.run();
    assert_eq!(world.status().snapshots, None);
}

#[test]
fn they_are_looked_at_every_ten_minutes_and_nothing_is_written_while_they_are_the_same() {
    let mut world = World::running(|s| s.auto_snapshot = daily(2));
    let id = world.id();
    world.cloud.estate.snapshots = vec![snapshot("s1", &id)];
    world.sleep(secs(700));
    world.step();
    world.forget_log();
    let began = world.now;
    while world.now < began + secs(3600) {
        world.step();
        world.sleep(secs(20));
    }
    // The world asks anew in each pass: what counts is how old an answer would do.
    let old_enough = asked(&world, |q| matches!(q, Question::Listing { begun_after, .. } if *begun_after + secs(600) > began + secs(3600)));
    assert_eq!((old_enough, world.status_writes, world.steps.len()), (0, 0, 0));
}

#[test]
fn snapshots_that_cannot_be_listed_are_not_asked_for_hot_and_stop_nothing() {
    let mut world = World::running(|s| s.auto_snapshot = daily(2));
    let id = world.id();
    world.cloud.estate.snapshots = vec![snapshot("s1", &id)];
    world.sleep(secs(700));
    world.step();
    world.looks.no_snapshots = Some(rejected(500, "?"));
    world.forget_log();
    world.edit(|s| s.power_state = PowerState::Stopped);
    for _ in 0..20 {
        world.step();
        world.sleep(secs(5));
    }
    assert_eq!(world.machine().state, MachineState::Off);
    assert!(lists(&world) <= 3, "{} lists in 100 s", lists(&world));
    assert_eq!(world.status().snapshots, Some(Snapshots { count: 1, newest_id: Some("s1".to_owned()) }), "what was known stays");
    assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
}

fn place(host: &str, port: u16) -> Option<RemoteDesktop> {
    Some(RemoteDesktop { hostname: host.to_owned(), port })
}

/// A machine with a desktop that has just come up.
fn with_desktop(agent_type: &str, desktop: Option<Desktop>) -> World {
    let mut world = World::running(|_| ());
    world.machine().agent_type = agent_type.to_owned();
    world.cloud.estate.desktop = desktop;
    world.asked.clear();
    world.run();
    world
}

#[test]
fn how_a_desktop_is_reached_is_in_the_status_while_the_machine_is_on() {
    let vnc = Desktop { vnc: place("vnc.example.com", 5901), windows: None };
    let mut world = with_desktop("LinuxDesktop", Some(vnc));
    let shown = |world: &World| world.status().desktop.map(|d| format!("{} {}:{}", d.protocol, d.host, d.port));
    assert_eq!((shown(&world).as_deref(), desktops(&world)), (Some("VNC vnc.example.com:5901"), 1));
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.run();
    assert_eq!(shown(&world), None);
    world.edit(|s| s.power_state = PowerState::Running);
    world.asked.clear();
    world.run();
    assert_eq!((shown(&world).as_deref(), desktops(&world)), (Some("VNC vnc.example.com:5901"), 1), "asked when it is ready again");
    let rdp = Desktop { vnc: None, windows: place("rdp.example.com", 3389) };
    assert_eq!(shown(&with_desktop("WindowsDesktop", Some(rdp))).as_deref(), Some("RDP rdp.example.com:3389"));
}

#[test]
fn it_is_asked_again_when_the_address_changes_and_not_before() {
    let mut world = with_desktop("LinuxDesktop", Some(Desktop { vnc: place("a", 5901), windows: None }));
    world.asked.clear();
    for _ in 0..10 {
        world.sleep(secs(700));
        world.step();
    }
    assert_eq!(desktops(&world), 0);
    // Another process does not ask either: the status says it.
    world.crash();
    world.step();
    assert_eq!(desktops(&world), 0);
    world.cloud.estate.desktop = Some(Desktop { vnc: place("b", 5901), windows: None });
    world.machine().public_ip = Some("5.5.5.6".to_owned());
    world.run();
    assert_eq!((world.status().desktop.unwrap().host.as_str(), desktops(&world)), ("b", 1));
}

#[test]
fn it_is_asked_once_where_the_address_comes_later() {
    let mut world = with_desktop("LinuxDesktop", None);
    world.machine().public_ip = None;
    world.asked.clear();
    world.run_for(secs(30));
    assert_eq!(desktops(&world), 0);
    world.machine().public_ip = Some("5.5.5.7".to_owned());
    world.run_for(secs(30));
    assert_eq!(desktops(&world), 1);
}

#[test]
fn a_refusal_says_nothing_and_is_not_repeated_hot() {
    let mut world = with_desktop("LinuxDesktop", None);
    assert_eq!((world.conditions().as_str(), world.status().desktop.clone()), ("Ready=True/Running Synced=True/Synced", None));
    for _ in 0..30 {
        world.step();
        world.sleep(secs(5));
    }
    assert_eq!((desktops(&world), world.status_writes), (1, 1));
    world.sleep(secs(600));
    world.step();
    assert_eq!(desktops(&world), 2);
}

#[test]
fn machines_without_a_desktop_cost_no_call() {
    let world = with_desktop("LinuxHeadless", Some(Desktop { vnc: place("a", 1), windows: None }));
    assert_eq!((desktops(&world), world.status().desktop), (0, None));
}

#[test]
fn what_is_only_observed_is_known_as_well() {
    let mut world = with_desktop("LinuxDesktop", Some(Desktop { vnc: place("a", 5901), windows: None }));
    world.edit(|s| (s.management_policy, s.auto_snapshot) = (ManagementPolicy::Observe, daily(1)));
    world.run();
    assert!(world.status().desktop.is_some() && world.status().snapshots.is_some());
    assert_eq!(world.status().agent_type.as_deref(), Some("LinuxDesktop"));
}

#[test]
fn the_password_of_a_desktop_is_not_even_read() {
    let reply = r#"{"vnc": {"hostname": "h", "port": 5900, "password": "not-to-be-shown"}, "password": "not-to-be-shown"}"#;
    let desktop: Desktop = serde_json::from_str(reply).unwrap();
    assert_eq!(format!("{desktop:?}").matches("not-to-be-shown").count(), 0);
    assert!(!include_str!("../../paperspace/types/machine.rs").contains("password:"), "a field for it");
}
