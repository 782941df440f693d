//! How the machine is reached, in a ConfigMap.

use std::collections::BTreeMap;

use super::cloud::Fault;
use super::world::{World, api_down, secs};
use crate::crd::{ManagementPolicy, PaperspaceMachineSpec, WriteConnectionTo};
use crate::lifecycle::observe::ConfigMapLook;
use crate::lifecycle::step::StepKind;

fn to(name: &str) -> Option<WriteConnectionTo> {
    Some(WriteConnectionTo { config_map_name: name.to_owned() })
}

fn world(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> World {
    World::running(|s| {
        s.write_connection_to = to("train");
        change(s);
    })
}

/// The data of the resource's own ConfigMap.
fn data(world: &World, name: &str) -> Option<BTreeMap<String, String>> {
    match world.cloud.estate.config_maps.get(name) {
        Some(ConfigMapLook::Ours { data }) => Some(data.clone()),
        _ => None,
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn it_says_how_the_machine_is_reached() {
    let world = world(|_| ());
    let id = world.id();
    let expected = map(&[("host", "5.5.5.5"), ("privateIp", "10.0.0.1"), ("user", "paperspace"), ("machineId", &id)]);
    assert_eq!(data(&world, "train"), Some(expected));
    assert_eq!(world.status().applied.unwrap().connection.as_deref(), Some("train"));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn what_there_is_not_has_no_key() {
    let mut world = world(|_| ());
    let machine = world.machine();
    (machine.public_ip, machine.agent_type) = (None, "WindowsDesktop".to_owned());
    world.run_for(secs(30));
    let id = world.id();
    assert_eq!(data(&world, "train"), Some(map(&[("privateIp", "10.0.0.1"), ("machineId", &id)])));
}

#[test]
fn it_follows_the_machine_and_is_written_only_when_something_changed() {
    let mut world = world(|_| ());
    world.machine().public_ip = Some("5.5.5.9".to_owned());
    world.run();
    assert_eq!((data(&world, "train").unwrap()["host"].as_str(), world.count(StepKind::WriteConfigMap)), ("5.5.5.9", 1));
    world.forget_log();
    for _ in 0..20 {
        world.sleep(secs(60));
        world.step();
    }
    assert_eq!((world.steps.len(), world.status_writes), (0, 0));
}

#[test]
fn a_list_that_lags_is_not_published() {
    let mut world = world(|_| ());
    let mut past = world.machine().clone();
    past.public_ip = Some("5.5.5.1".to_owned());
    world.looks.lagging_rows = vec![past];
    world.sleep(secs(60));
    world.step();
    assert_eq!(world.steps, []);
}

#[test]
fn it_is_restored_when_somebody_edits_or_deletes_it() {
    let mut world = world(|_| ());
    let before = data(&world, "train");
    world.cloud.estate.config_maps.insert("train".to_owned(), ConfigMapLook::Ours { data: map(&[("host", "evil")]) });
    world.run();
    assert_eq!(data(&world, "train"), before);
    world.cloud.estate.config_maps.clear();
    world.run();
    assert_eq!(data(&world, "train"), before);
}

#[test]
fn it_goes_with_its_field_and_moves_with_its_name() {
    let mut world = world(|_| ());
    world.edit(|s| s.write_connection_to = to("other"));
    world.run();
    assert_eq!((data(&world, "train"), data(&world, "other").is_some()), (None, true));
    world.edit(|s| s.write_connection_to = None);
    world.run();
    assert!(world.cloud.estate.config_maps.is_empty());
    assert_eq!(world.status().applied, None);
}

#[test]
fn whichever_pass_the_operator_dies_after_nothing_is_left_of_it() {
    for dies_after in 0..6 {
        let mut world = World::running(|_| ());
        world.edit(|s| s.write_connection_to = to("train"));
        for _ in 0..dies_after {
            world.conflicts = 1;
            world.step();
            world.sleep(secs(1));
        }
        world.crash();
        world.edit(|s| s.write_connection_to = None);
        world.run();
        assert!(world.cloud.estate.config_maps.is_empty(), "after {dies_after}: {:?}", world.steps);
    }
}

#[test]
fn somebody_elses_is_reported_and_never_touched() {
    let mut world = World::running(|_| ());
    world.cloud.estate.config_maps.insert("train".to_owned(), ConfigMapLook::Anothers);
    world.edit(|s| (s.write_connection_to, s.machine_name) = (to("train"), Some("renamed".to_owned())));
    world.run_for(secs(600));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/ConnectionNotWritten Stalled=True/ConnectionNotWritten");
    assert_eq!((world.count(StepKind::WriteConfigMap), world.said("ConnectionNotWritten")), (0, 1));
    assert!(world.machine().name.starts_with("renamed-"), "nothing else waits for it");
    world.edit(|s| s.write_connection_to = None);
    world.run();
    assert_eq!(world.cloud.estate.config_maps.get("train"), Some(&ConfigMapLook::Anothers));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    // When it has gone, the name is free.
    world.edit(|s| s.write_connection_to = to("train"));
    world.run();
    world.cloud.estate.config_maps.clear();
    world.run();
    assert!(data(&world, "train").is_some());
}

#[test]
fn what_became_somebody_elses_is_not_removed() {
    let mut world = world(|_| ());
    world.cloud.estate.config_maps.insert("train".to_owned(), ConfigMapLook::Anothers);
    world.edit(|s| s.write_connection_to = None);
    world.run();
    assert_eq!(world.cloud.estate.config_maps.get("train"), Some(&ConfigMapLook::Anothers));
    assert_eq!((world.count(StepKind::DeleteConfigMap), world.status().applied), (0, None));
}

#[test]
fn it_is_written_where_paperspace_is_only_read() {
    for change in
        [|s: &mut PaperspaceMachineSpec| s.suspend = true, |s: &mut PaperspaceMachineSpec| s.management_policy = ManagementPolicy::Observe]
    {
        let mut world = World::running(change_nothing);
        world.edit(|s| {
            change(s);
            s.write_connection_to = to("train");
        });
        world.run();
        assert!(data(&world, "train").is_some(), "{:?}", world.steps);
        world.edit(|s| s.write_connection_to = None);
        world.run();
        assert_eq!(data(&world, "train"), None);
    }
}

fn change_nothing(_: &mut PaperspaceMachineSpec) {}

#[test]
fn a_cluster_that_does_not_answer_or_refuses_stands_in_the_way_of_nothing_else() {
    for refuse in [
        |world: &mut World| {
            world.cloud.estate.config_maps.insert("train".to_owned(), ConfigMapLook::Unknown(api_down()));
        },
        |world: &mut World| (0..99).for_each(|_| world.fault(StepKind::WriteConfigMap, Fault::Drop)),
    ] {
        let mut world = World::running(|_| ());
        refuse(&mut world);
        world.edit(|s| {
            (s.write_connection_to, s.machine_name, s.power_state) =
                (to("train"), Some("renamed".to_owned()), crate::crd::PowerState::Stopped);
        });
        world.run_for(secs(300));
        assert!(world.machine().name.starts_with("renamed-"), "{:?}", world.steps);
        assert!(world.conditions().contains("Ready=True/Stopped Synced=False/ConnectionNotWritten"), "{}", world.conditions());
        assert!(world.count(StepKind::WriteConfigMap) < 12, "{:?}", world.steps);
        world.cloud.faults.clear();
        world.cloud.estate.config_maps.clear();
        world.run();
        assert!(data(&world, "train").is_some());
        assert_eq!(world.conditions(), "Ready=True/Stopped Synced=True/Synced");
    }
}

#[test]
fn another_machine_is_published_in_its_place() {
    let mut world = world(|_| ());
    let first = world.id();
    world.cloud.machines.clear();
    world.run();
    assert_ne!(data(&world, "train").unwrap()["machineId"], first);
    assert_eq!(data(&world, "train").unwrap()["machineId"], world.id());
}

#[test]
fn under_an_address_of_text_it_stays_text() {
    let mut world = world(|_| ());
    world.machine().public_ip = Some("5.5.5.5\n\u{202e}evil".to_owned());
    world.run_for(secs(30));
    let host = &data(&world, "train").unwrap()["host"];
    assert_eq!(*host, crate::paperspace::clean_text(host));
}
