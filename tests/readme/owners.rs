//! Who has which machine, in which cluster, and what was asked of Paperspace.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::World;

/// The ids of the machines that exist.
pub(crate) fn machines(world: &World) -> BTreeSet<String> {
    let there = world.machines().into_iter().filter(|machine| machine["exists"] == true && machine["dtDeleted"].is_null());
    there.map(|machine| machine["id"].as_str().unwrap().to_owned()).collect()
}

/// How often each route was called that changes something.
pub(crate) fn changes(world: &World) -> Value {
    let mut calls = world.truth()["calls"].take();
    calls.as_object_mut().unwrap().retain(|route, _| !route.starts_with("GET ") && !route.contains("_sim"));
    calls
}

pub(crate) fn new_calls(before: &Value, after: &Value) -> Vec<String> {
    after.as_object().unwrap().iter().filter(|(route, n)| before[route.as_str()] != **n).map(|(route, _)| route.clone()).collect()
}

/// Nothing was created, destroyed, started or stopped.
pub(crate) fn only_names_were_changed(sent: &[String], heading: &str) {
    assert_eq!(sent, ["PUT /machines/{id}"], "{heading}");
}

/// None where there is no definition.
pub(crate) fn resources(world: &World, cluster: &str) -> Vec<Value> {
    let all = world.run(&format!("kubectl --context {cluster} get psm --all-namespaces -o json 2>/dev/null || echo '{{\"items\": []}}'"));
    serde_json::from_str::<Value>(&all).unwrap()["items"].as_array().unwrap().clone()
}

fn mark(resource: &Value) -> String {
    resource["metadata"]["uid"].as_str().unwrap().chars().filter(|c| *c != '-').take(12).collect()
}

/// Each machine carries the mark of a resource in one of the clusters, and while the new one has resources for them the old one is stopped.
pub(crate) fn one_owner_each(world: &World, ids: &BTreeSet<String>) {
    let (old, new) = (resources(world, "old"), resources(world, "new"));
    let marks: Vec<String> = old.iter().chain(&new).map(mark).collect();
    for machine in world.machines().iter().filter(|machine| ids.contains(machine["id"].as_str().unwrap())) {
        let name = machine["name"].as_str().unwrap();
        assert_eq!(marks.iter().filter(|mark| name.ends_with(&format!("-{mark}"))).count(), 1, "the owners of {name}");
    }
    if !old.is_empty() && !new.is_empty() {
        world.run("kubectl --context old --namespace paperspace-operator get configmap paperspace-operator-stop");
    }
}

fn reason(resource: &Value, condition: &str) -> String {
    let conditions = resource["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter(|c| c["type"] == condition).map(|c| c["reason"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn wait_for_reason(world: &World, cluster: &str, name: &str, condition: &str, wanted: &str) {
    world.wait(&format!("{name}: {condition} {wanted}"), || {
        resources(world, cluster).iter().any(|r| r["metadata"]["name"] == name && reason(r, condition) == wanted)
    });
}

/// Each resource is ready and has a machine that carries its mark, and each machine has a resource.
pub(crate) fn each_has_its_machine(world: &World, cluster: &str, ids: &BTreeSet<String>) {
    let all = world.machines();
    let mut had = BTreeSet::new();
    for resource in resources(world, cluster) {
        let (name, id) = (&resource["metadata"]["name"], resource["status"]["machineId"].as_str().unwrap_or_default());
        let machine = all.iter().find(|machine| machine["id"] == id).unwrap_or_else(|| panic!("{name} has no machine"));
        assert!(machine["name"].as_str().unwrap().ends_with(&format!("-{}", mark(&resource))), "{name}: {machine}");
        assert!(!reason(&resource, "Ready").is_empty() && reason(&resource, "Stalled").is_empty(), "{resource}");
        assert!(had.insert(id.to_owned()), "{name}: {id} has two resources");
    }
    assert_eq!(had, *ids, "each machine has a resource");
}
