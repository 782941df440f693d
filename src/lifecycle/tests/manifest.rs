//! The resource that equals a machine: what it says, what it leaves out, and what cannot be one. That it equals it, for any machine, is
//! tested beside the schema, in `tests/crd`.

use super::cloud::machine;
use super::world::{MARK, NAME};
use crate::crd::{OnDifference, PowerState, PublicIpKind};
use crate::lifecycle::manifest::{Manifest, manifest, resource_name};
use crate::paperspace::types::{Machine, MachineState, PublicIpType, SnapshotFrequency};

const GIB: u64 = 1 << 30;

fn by_hand(change: impl FnOnce(&mut Machine)) -> Machine {
    let mut machine = machine("psvv2ew1gd4s", "by hand");
    (machine.region, machine.network_id) = ("East Coast (NY2)".to_owned(), Some("nwhoe4ox".to_owned()));
    machine.storage_total = 250 * GIB;
    change(&mut machine);
    machine
}

fn of(change: impl FnOnce(&mut Machine)) -> Manifest {
    manifest(&by_hand(change), true).unwrap()
}

fn wrong(change: impl FnOnce(&mut Machine)) -> String {
    manifest(&by_hand(change), true).unwrap_err().join("; ")
}

#[test]
fn adopting_holds_starts_and_stops_nothing_and_names_the_machine() {
    let Manifest { object, left_out } = of(|m| m.public_ip_type = PublicIpType::Static);
    let (spec, adopt) = (&object.spec, object.spec.adopt.as_ref().unwrap());
    assert_eq!((adopt.machine_id.as_str(), &adopt.replace_mark, adopt.on_difference), ("psvv2ew1gd4s", &None, OnDifference::Hold));
    assert_eq!((spec.power_state, spec.region.as_str(), spec.disk_size_gb), (PowerState::Manual, "NY2", 250));
    assert_eq!(spec.public_ip.as_ref().unwrap().kind, PublicIpKind::Static);
    assert!(spec.machine_name.is_none() && spec.deletion_policy.is_none() && spec.email_password && object.status.is_none());
    assert_eq!((object.metadata.name.as_deref(), left_out), (Some("by-hand"), Vec::new()));
}

#[test]
fn a_mark_is_the_one_to_replace_and_no_part_of_the_resources_name() {
    let object = of(|m| NAME.clone_into(&mut m.name)).object;
    assert_eq!(object.spec.adopt.unwrap().replace_mark.as_deref(), Some(MARK));
    assert_eq!(object.metadata.name.as_deref(), Some("ml-train"));
}

#[test]
fn only_a_private_network_is_named() {
    let machine = by_hand(|_| {});
    assert_eq!(manifest(&machine, true).unwrap().object.spec.network_id.as_deref(), Some("nwhoe4ox"));
    assert_eq!(manifest(&machine, false).unwrap().object.spec.network_id, None);
}

#[test]
fn what_no_resource_can_be_without_is_refused_each_with_a_sentence() {
    type Change = fn(&mut Machine);
    let cases: [(&str, Change); 9] = [
        ("40 GB", |m| m.storage_total = 40 * GIB),
        ("20000 GB", |m| m.storage_total = 20_000 * GIB),
        ("how large its disk is", |m| m.storage_total = 0),
        ("still creating it", |m| m.state = MachineState::Provisioning),
        ("being destroyed", |m| m.dt_deleted = Some(m.dt_created)),
        ("its type \"\"", |m| m.machine_type = String::new()),
        ("its type \"+x\"", |m| m.machine_type = "+x".to_owned()),
        ("its region \"Somewhere\"", |m| m.region = "Somewhere".to_owned()),
        ("its id \"ps-1\"", |m| m.id = "ps-1".to_owned()),
    ];
    for (sentence, change) in cases {
        let said = wrong(change);
        assert!(said.contains(sentence), "{sentence:?} is not in {said}");
    }
    let both = wrong(|m| (m.storage_total, m.region) = (40 * GIB, String::new()));
    assert!(both.contains("40 GB") && both.contains("region"), "{both}");
}

#[test]
fn what_a_resource_need_not_say_is_left_out_with_a_sentence_and_the_rest_stays() {
    let odd = of(|m| {
        (m.auto_shutdown_enabled, m.auto_shutdown_timeout) = (true, Some(1.5));
        (m.auto_snapshot_enabled, m.auto_snapshot_save_count) = (true, Some(11.0));
        m.auto_snapshot_frequency = Some(SnapshotFrequency::Daily);
        (m.restore_point_enabled, m.restore_point_snapshot_id) = (true, Some("a b".to_owned()));
        m.public_ip_type = PublicIpType::Unknown("carrier-grade".to_owned());
        m.network_id = Some("n-1".to_owned());
    });
    let spec = &odd.object.spec;
    assert!(spec.auto_shutdown.is_none() && spec.auto_snapshot.is_none() && spec.restore_point.is_none());
    assert!(spec.public_ip.is_none() && spec.network_id.is_none());
    let said = odd.left_out.join("\n");
    for part in ["1.5 hours", "a count of 11", "\"a b\"", "\"carrier-grade\"", "\"n-1\""] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    for (frequency, part) in [(None, "how often"), (Some(SnapshotFrequency::Unknown("yearly".to_owned())), "\"yearly\"")] {
        let said = of(|m| (m.auto_snapshot_enabled, m.auto_snapshot_frequency) = (true, frequency)).left_out.join("\n");
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_restore_point_without_a_snapshot_is_the_initial_ones() {
    let spec = of(|m| (m.restore_point_enabled, m.restore_point_snapshot_id) = (true, None)).object.spec;
    assert_eq!((spec.restore_point.unwrap().snapshot_id, spec.take_initial_snapshot), (None, true));
    let spec = of(|m| (m.restore_point_enabled, m.restore_point_snapshot_id) = (true, Some("sl1".to_owned()))).object.spec;
    assert_eq!((spec.restore_point.unwrap().snapshot_id.as_deref(), spec.take_initial_snapshot), (Some("sl1"), false));
}

#[test]
fn any_name_becomes_one_that_kubernetes_takes() {
    for (name, expected) in [
        ("train", "train"),
        ("Größe 大 7", "gr-e-7"),
        ("--a__b..c--", "a-b-c"),
        ("大", "psvv2ew1gd4s"),
        ("", "psvv2ew1gd4s"),
        (&"x".repeat(62).as_str().to_owned()[..], &"x".repeat(62)),
        (&format!("{} y", "x".repeat(62)), &"x".repeat(62)),
    ] {
        assert_eq!(resource_name(&by_hand(|m| name.clone_into(&mut m.name)), &[]), expected, "{name:?}");
    }
}

#[test]
fn machines_of_one_name_get_names_of_their_own_whichever_is_asked_about_first() {
    let named = |id: &str, name: &str| by_hand(|m| (m.id, m.name) = (id.to_owned(), name.to_owned()));
    let all = [named("ps1", "Train"), named("ps2", &format!("train-{MARK}")), named("ps3", "other")];
    let given: Vec<String> = all.iter().map(|machine| resource_name(machine, &all)).collect();
    assert_eq!(given, ["train-ps1", "train-ps2", "other"]);
    let long = "y".repeat(63);
    let twins = [named("ps1", &long), named("ps2", &long)];
    let name = resource_name(&twins[0], &twins);
    assert!(name.len() == 63 && name.ends_with("y-ps1"), "{name}");
}
