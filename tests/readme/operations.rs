//! The operations guide: its commands are run in the order in which they stand there, in two clusters that share one simulated Paperspace,
//! and what may not have happened to the machines has not. What the guide says of alerts and figures is what there is.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::markdown::{Block, code, prose};
use super::world::{KEY, World};
use super::{readme, text};

const GUIDE: &str = "docs/operations.md";
const TEAM_RESOURCES: &str = r#"
apiVersion: paperspace-operator.dev/v1alpha1
kind: PaperspaceMachine
metadata: {name: trainer}
spec: {machineType: C5, templateId: t0nspur5, region: NY2, diskSizeGB: 50, credentialsRef: {name: paperspace}}
---
apiVersion: paperspace-operator.dev/v1alpha1
kind: PaperspaceMachine
metadata: {name: scratch}
spec: {machineType: C5, templateId: t0nspur5, region: NY2, diskSizeGB: 50}
"#;

#[test]
fn the_commands_of_the_operations_guide_work_in_their_order_and_every_machine_stays() {
    let mut world = World::new(&["old", "new"]);
    // `kustomization.yaml` is the README's.
    world.read(&readme());
    let blocks: Vec<Block> = world.read(&text(GUIDE)).into_iter().filter(Block::is_run).collect();
    let (mut story, began) = (Story::default(), Instant::now());
    for (at, block) in blocks.iter().enumerate() {
        let heading = block.heading.as_str();
        let of_section = |other: Option<&Block>| other.is_some_and(|other| other.heading == heading);
        let first = at == 0 || !of_section(blocks.get(at - 1));
        let last = !of_section(blocks.get(at + 1));
        if first {
            println!("{:3} s: {heading}", began.elapsed().as_secs());
            story.before(&mut world, heading);
        }
        let shown = world.run(&block.text);
        story.after_block(&world, block, &shown);
        if last {
            story.after(&world, heading);
        }
    }
    assert!(story.sections.len() >= 11, "{:?}", story.sections);
}

/// What happens between the commands.
#[derive(Default)]
struct Story {
    sections: BTreeSet<String>,
    /// Machines that exist, by id, and calls that change something, when the section began.
    machines: BTreeSet<String>,
    changes: Value,
}

impl Story {
    fn before(&mut self, world: &mut World, heading: &str) {
        assert!(self.sections.insert(heading.to_owned()), "{heading} is there twice");
        match heading {
            "Upgrade" => drop(world.run("sed -i 's/newTag: .*/newTag: 0.2.0/' kustomization.yaml")),
            "A whole account" => drop(world.made_by_hand(&[("on", true), ("Off", false)])),
            "Restore" => world.start_cluster("old"),
            // Beside those that were restored, one that was never adopted.
            "Move to another cluster" => {
                let one = TEAM_RESOURCES.replace("trainer", "fresh").replace("scratch", "fresher");
                apply(world, &one);
            }
            _ => {}
        }
        (self.machines, self.changes) = (machines(world), changes(world));
    }

    fn after_block(&self, world: &World, block: &Block, shown: &str) {
        let is = |heading: &str, word: &str| block.heading == heading && block.text.contains(word);
        if is("Emergency", "create configmap") {
            // Somebody wants a change meanwhile: the next block shows it.
            world.run(r#"kubectl --namespace ml patch psm scratch --type merge -p '{"spec": {"powerState": "Stopped"}}'"#);
            wait_for_reason(world, "old", "scratch", "Synced", "EmergencyStop");
        }
        if is("Emergency", "get psm") {
            assert!(shown.contains("Not done: stopping machine"), "{shown}");
            assert_eq!(changes(world), self.changes, "the stop is on");
            world.run(r#"kubectl --namespace ml patch psm scratch --type merge -p '{"spec": {"powerState": "Running"}}'"#);
        }
        if is("Restore", "get psm") {
            assert!(!shown.contains("Not done: creating"), "{shown}");
            let names = shown.matches("Not done: changing machine").count();
            assert_eq!(names, self.machines.len(), "each machine is to be claimed: {shown}");
            assert_eq!(changes(world), self.changes, "the stop is on");
        }
        if block.heading == "Move to another cluster" {
            one_owner_each(world, &self.machines);
        }
        if is("Restore", "orphans") {
            assert!(shown.contains("total: 0 machines"), "each machine has a resource that waits for it: {shown}");
        }
    }

    fn after(&self, world: &World, heading: &str) {
        let (now, changed) = (machines(world), changes(world));
        assert_eq!(now, self.machines, "{heading}: the machines that there are");
        let sent = new_calls(&self.changes, &changed);
        match heading {
            "Install" => {
                assert_eq!(world.pods("old").0, 2, "one works, one stands by");
                world.run("kubectl create namespace ml");
                world.run("kubectl --namespace ml create secret generic paperspace --from-file=apiKey=paperspace.key");
                world.run("kubectl --namespace ml label secret paperspace paperspace-operator.dev/use=credentials");
                apply(world, TEAM_RESOURCES);
                assert_eq!(machines(world).len(), 2);
            }
            "Rotate keys" => {
                // Who had not yet got the new one would show it now.
                world.simulate("faults", &json!({"kind": "revoke-key", "key": KEY}));
                for (name, state) in [("trainer", "Stopped"), ("scratch", "Stopped"), ("trainer", "Running"), ("scratch", "Running")] {
                    let patch = json!({"spec": {"powerState": state}});
                    world.run(&format!("kubectl --namespace ml patch psm {name} --type merge -p '{patch}'"));
                    world.run(&format!(
                        "kubectl --namespace ml wait --for=jsonpath='{{.status.powerState}}'={state} psm/{name} --timeout=3m"
                    ));
                }
                let events = world.run("kubectl --namespace ml get events --output jsonpath='{.items[*].reason}'");
                assert!(!events.contains("CredentialsRejected"), "{events}");
                assert!(sent.is_empty(), "by the rotation: {sent:?}");
            }
            "Restore" => {
                only_names_were_changed(&sent, heading);
                each_has_its_machine(world, "old", &now);
            }
            "Move to another cluster" => {
                only_names_were_changed(&sent, heading);
                each_has_its_machine(world, "new", &now);
                assert!(resources(world, "old").is_empty());
                world.wait("no pod in the old cluster", || world.pods("old").0 == 0);
            }
            "Leave" => {
                assert!(sent.is_empty(), "{sent:?}");
                world.wait("no pod", || world.pods("new").0 == 0);
                let left = world.run("kubectl get namespaces,clusterroles,clusterrolebindings,crds -o name");
                let ours = |name: &&str| name.contains("/paperspace-operator") || name.contains("/paperspacemachines.");
                assert_eq!(left.lines().filter(ours).collect::<Vec<_>>(), Vec::<&str>::new());
            }
            // It ended as it had begun.
            "Emergency" => assert!(sent.iter().all(|call| call.ends_with("/stop") || call.ends_with("/start")), "{sent:?}"),
            "A whole account" => {
                only_names_were_changed(&sent, heading);
                each_has_its_machine(world, "old", &now);
            }
            _ => assert!(sent.is_empty(), "{heading}: {sent:?}"),
        }
    }
}

fn apply(world: &World, manifests: &str) {
    std::fs::write(world.work.join("resources.yaml"), manifests).unwrap();
    world
        .run("kubectl --namespace ml apply -f resources.yaml && kubectl --namespace ml wait --for=condition=Synced psm --all --timeout=3m");
}

/// The ids of the machines that exist.
fn machines(world: &World) -> BTreeSet<String> {
    let there = world.machines().into_iter().filter(|machine| machine["exists"] == true && machine["dtDeleted"].is_null());
    there.map(|machine| machine["id"].as_str().unwrap().to_owned()).collect()
}

/// How often each route was called that changes something.
fn changes(world: &World) -> Value {
    let mut calls = world.truth()["calls"].take();
    calls.as_object_mut().unwrap().retain(|route, _| !route.starts_with("GET ") && !route.contains("_sim"));
    calls
}

fn new_calls(before: &Value, after: &Value) -> Vec<String> {
    after.as_object().unwrap().iter().filter(|(route, n)| before[route.as_str()] != **n).map(|(route, _)| route.clone()).collect()
}

/// Nothing was created, destroyed, started or stopped.
fn only_names_were_changed(sent: &[String], heading: &str) {
    assert_eq!(sent, ["PUT /machines/{id}"], "{heading}");
}

/// None where there is no definition.
fn resources(world: &World, cluster: &str) -> Vec<Value> {
    let all = world.run(&format!("kubectl --context {cluster} get psm --all-namespaces -o json 2>/dev/null || echo '{{\"items\": []}}'"));
    serde_json::from_str::<Value>(&all).unwrap()["items"].as_array().unwrap().clone()
}

fn mark(resource: &Value) -> String {
    resource["metadata"]["uid"].as_str().unwrap().chars().filter(|c| *c != '-').take(12).collect()
}

/// Each machine carries the mark of a resource in one of the clusters, and while the new one has resources for them the old one is stopped.
fn one_owner_each(world: &World, ids: &BTreeSet<String>) {
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

fn wait_for_reason(world: &World, cluster: &str, name: &str, condition: &str, wanted: &str) {
    world.wait(&format!("{name}: {condition} {wanted}"), || {
        resources(world, cluster).iter().any(|r| r["metadata"]["name"] == name && reason(r, condition) == wanted)
    });
}

/// Each resource is ready and has a machine that carries its mark, and each machine has a resource.
fn each_has_its_machine(world: &World, cluster: &str, ids: &BTreeSet<String>) {
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

#[test]
fn each_alert_has_its_row_and_each_row_its_alert() {
    let rules: Value = serde_saphyr::from_str(&text("deploy/monitoring/prometheus-rule.yaml")).unwrap();
    let rules = rules["spec"]["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let guide = prose(&text(GUIDE));
    let mut alerts = BTreeSet::new();
    for rule in rules {
        assert_eq!(rule["annotations"]["runbook"], "docs/operations.md, Alerts", "{rule}");
        alerts.insert(rule["alert"].as_str().unwrap());
    }
    let rows = super::markdown::first_column(&guide, "alert");
    let told: BTreeSet<&str> = rows.iter().flat_map(|cell| code(cell)).collect();
    assert_eq!((told, rows.len()), (alerts.clone(), alerts.len()));
    for row in guide.lines().filter(|line| line.starts_with("| `Paperspace")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

/// The card is written anew by measuring; its first, third and fifth column are of the operator as it is.
#[test]
fn what_it_costs_is_what_was_measured() {
    let (guide, card) = (text(GUIDE), text("tests/bench/README.md"));
    let row = |text: &str, begins: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("| {begins} |"))).unwrap_or_else(|| panic!("no row {begins}"));
        line.trim_matches('|').split('|').skip(1).map(|cell| cell.split(" (").next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    for (told, measured) in [
        ("API calls an hour, idle", "API calls an hour"),
        ("Kubernetes writes an hour, idle", "Kubernetes writes an hour (leases)"),
        ("memory", "memory (its peak so far)"),
    ] {
        let measured: Vec<String> = row(&card, measured).into_iter().step_by(2).collect();
        assert_eq!(row(&guide, told), measured, "{told}");
    }
}
