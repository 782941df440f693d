//! What belongs to no resource, and what does: whoever reads the list may destroy what is on it.

use serde_json::{Value, json};

use super::cloud::machine;
use super::world::{MARK, NAME, UID};
use crate::crd::PaperspaceMachine;
use crate::lifecycle::orphans::{self, Kind, Living, Orphan, Why};
use crate::paperspace::types::{Machine, MachineState, PublicIp, StartupScript};

const OTHER: &str = "aaaaaaaaaaaa";

/// A resource whose uid gives [`MARK`].
fn resource(spec: &Value, status: &Value) -> PaperspaceMachine {
    let mut object = json!({
        "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
        "metadata": {"name": "train", "namespace": "ml", "uid": UID},
        "spec": {"machineType": "C5", "region": "NY2", "diskSizeGB": 50}, "status": status,
    });
    object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

fn living() -> Living {
    Living::of([&resource(&json!({}), &json!({"machineId": "psmine", "conditions": []}))])
}

fn script(id: &str, name: &str, over: &Value) -> StartupScript {
    let mut script = json!({"id": id, "name": name, "assignedMachineIds": [], "dtCreated": "2026-01-01T00:00:00Z"});
    script.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    serde_json::from_value(script).unwrap()
}

fn address(ip: &str, machine: Option<&str>) -> PublicIp {
    PublicIp { ip: ip.to_owned(), region: "Europe (AMS1)".to_owned(), assigned_machine_id: machine.map(str::to_owned) }
}

fn shown(orphans: &[Orphan]) -> Vec<(&str, Why)> {
    orphans.iter().map(|o| (o.id.as_str(), o.why)).collect()
}

fn of_machines(machines: &[Machine], living: &Living, cluster_id: Option<&str>) -> Vec<(String, Why)> {
    let orphans = orphans::machines(machines, living, cluster_id);
    shown(&orphans).into_iter().map(|(id, why)| (id.to_owned(), why)).collect()
}

#[test]
fn a_machine_belongs_by_its_id_by_the_id_to_adopt_or_by_its_mark() {
    let adopting = resource(&json!({"adopt": {"machineId": "psadopted"}}), &json!(null));
    let living = Living::of([&resource(&json!({}), &json!({"machineId": "psmine"})), &adopting]);
    let all = [machine("psmine", "renamed"), machine("psadopted", "by hand"), machine("psx", NAME), machine("psy", "by hand")];
    assert_eq!(of_machines(&all, &living, None), [("psy".to_owned(), Why::Unmarked)]);
    assert_eq!(of_machines(&all, &Living::default(), None).len(), 4, "without resources nothing belongs");
}

/// After a restore of the whole cluster every machine would be on the list.
#[test]
fn the_machine_of_a_resource_that_was_restored_waits_for_it() {
    let mut restored = resource(&json!({}), &json!(null));
    let annotation = (crate::crd::ADDRESS_OF_MACHINE.to_owned(), format!("te1/psold/{OTHER}"));
    restored.metadata.annotations = Some([annotation].into());
    let living = Living::of([&restored]);
    let name = format!("train-{OTHER}");
    assert_eq!(of_machines(&[machine("psold", "renamed"), machine("psx", &name)], &living, None), []);
    assert_eq!(shown(&orphans::scripts(&[script("sc1", &name, &json!({}))], &living, None)), []);
    restored.metadata.annotations = Some([(crate::crd::ADDRESS_OF_MACHINE.to_owned(), "nonsense".to_owned())].into());
    assert_eq!(of_machines(&[machine("psold", &name)], &Living::of([&restored]), None).len(), 1);
}

#[test]
fn one_that_is_deleted_is_no_orphan() {
    let mut gone = machine("ps1", "by hand");
    gone.dt_deleted = Some(gone.dt_created);
    assert_eq!(of_machines(&[gone], &living(), None), []);
}

#[test]
fn what_another_cluster_made_is_told_apart_where_this_one_has_an_id() {
    let all = [
        machine("ps1", "by hand"),
        machine("ps2", &format!("a-{OTHER}")),
        machine("ps3", &format!("a-prod-{OTHER}")),
        machine("ps4", &format!("a-test-{OTHER}")),
        machine("ps5", &format!("prod-{OTHER}")),
        machine("ps6", &format!("a-prod-{MARK}")),
    ];
    let with = |cluster| of_machines(&all, &living(), cluster).into_iter().map(|(_, why)| why).collect::<Vec<_>>();
    // In the order of the names: a-aaaa, a-prod, a-test, by hand, prod.
    assert_eq!(with(Some("prod")), [Why::OtherCluster, Why::Marked, Why::OtherCluster, Why::Unmarked, Why::OtherCluster]);
    assert_eq!(with(None), [Why::Marked, Why::Marked, Why::Marked, Why::Unmarked, Why::Marked]);
}

#[test]
fn only_scripts_that_end_in_a_mark_are_an_operators_and_those_in_use_belong() {
    let uses = resource(
        &json!({"startupScript": {"scriptId": "scnamed"}}),
        &json!({"machineId": "psmine", "applied": {"startupScriptId": "scapplied"}, "ownedScript": {"scriptId": "scowned"}}),
    );
    let orphan = format!("old-{OTHER}");
    let all = [
        script("scuser", "setup", &json!({})),
        script("scmine", &format!("train-{MARK}"), &json!({})),
        script("scnamed", &orphan, &json!({})),
        script("scapplied", &orphan, &json!({})),
        script("scowned", &orphan, &json!({})),
        script("scassigned", &orphan, &json!({"assignedMachineIds": ["psx", "psmine"]})),
        script("scdeleted", &orphan, &json!({"dtDeleted": "2026-01-02T00:00:00Z"})),
        script("scelsewhere", &orphan, &json!({"assignedMachineIds": ["psx"]})),
        script("scold", &orphan, &json!({})),
    ];
    let found = orphans::scripts(&all, &Living::of([&uses]), None);
    assert_eq!(shown(&found), [("scelsewhere", Why::Marked), ("scold", Why::Marked)]);
    assert!(found.iter().all(|o| o.kind == Kind::Script && o.hourly_rate.is_none()));
    assert_eq!(orphans::scripts(&all, &Living::of([&uses]), Some("prod"))[0].why, Why::OtherCluster);
}

#[test]
fn an_address_belongs_to_its_machine_or_to_the_resource_that_names_it_or_had_it_allocated() {
    let named = json!({"publicIp": {"type": "Static", "address": "9.0.0.5"}});
    let keeps = resource(&named, &json!({"applied": {"allocatedIp": "9.0.0.1"}}));
    let mut with_address = machine("ps1", "by hand");
    with_address.public_ip = Some("9.0.0.2".to_owned());
    let all = [
        address("9.0.0.1", None),
        address("9.0.0.2", None),
        address("9.0.0.3", Some("psx")),
        address("9.0.0.4", None),
        address("9.0.0.5", None),
    ];
    let found = orphans::addresses(&all, [&with_address], &Living::of([&keeps]));
    assert_eq!(shown(&found), [("9.0.0.4", Why::Unassigned)]);
    assert_eq!(found[0].region.as_deref(), Some("AMS1"));
}

#[test]
fn the_order_is_that_of_names_then_ids_whatever_the_lists_say() {
    let mut all = [machine("ps3", "a"), machine("ps1", "b"), machine("ps2", "a")];
    let first = of_machines(&all, &Living::default(), None);
    assert_eq!(first.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["ps2", "ps3", "ps1"]);
    all.reverse();
    assert_eq!(of_machines(&all, &Living::default(), None), first);
}

#[test]
fn the_rates_are_paperspaces_own_and_those_of_machines_that_are_off_are_said_apart() {
    let rated = |id: &str, rate: Option<f64>, state: MachineState| Machine { usage_rate: rate, state, ..machine(id, "by hand") };
    let all = [
        rated("ps1", Some(0.51), MachineState::Ready),
        rated("ps2", Some(0.76), MachineState::Off),
        rated("ps3", None, MachineState::Ready),
        rated("ps4", Some(f64::NAN), MachineState::Off),
    ];
    let (all, off) = orphans::hourly_rates(&orphans::machines(&all, &Living::default(), None));
    assert!((all - 1.27).abs() < 1e-9 && (off - 0.76).abs() < 1e-9, "{all} {off}");
    assert_eq!(orphans::hourly_rates(&[]), (0.0, 0.0));
}

#[test]
fn what_two_looks_saw_lives() {
    let mut both = Living::default();
    both.extend(living());
    both.extend(Living::of([&resource(&json!({"adopt": {"machineId": "ps2"}}), &json!(null))]));
    assert_eq!(of_machines(&[machine("psmine", "x"), machine("ps2", "x"), machine("ps3", NAME)], &both, None), []);
}
