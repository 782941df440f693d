//! The operations guide: its commands are run in the order in which they stand there, in two clusters that share one simulated Paperspace,
//! and what may not have happened to the machines has not.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::markdown::Block;
use super::owners::{
    changes, each_has_its_machine, machines, new_calls, one_owner_each, only_names_were_changed, resources, wait_for_reason,
};
use super::world::{KEY, World};
use super::{readme, text};

pub(crate) const GUIDE: &str = "docs/operations.md";
const TEAM_RESOURCES: &str = r"
apiVersion: paperspace-operator.dev/v1alpha1
kind: PaperspaceMachine
metadata: {name: trainer}
spec: {machineType: C5, templateId: t0nspur5, region: NY2, diskSizeGB: 50, credentialsRef: {name: paperspace}}
---
apiVersion: paperspace-operator.dev/v1alpha1
kind: PaperspaceMachine
metadata: {name: scratch}
spec: {machineType: C5, templateId: t0nspur5, region: NY2, diskSizeGB: 50}
";

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
            eprintln!("{:3} s: {heading}", began.elapsed().as_secs());
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
            "Restore" | "A whole account" => {
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
            _ => assert!(sent.is_empty(), "{heading}: {sent:?}"),
        }
    }
}

fn apply(world: &World, manifests: &str) {
    std::fs::write(world.work.join("resources.yaml"), manifests).unwrap();
    world
        .run("kubectl --namespace ml apply -f resources.yaml && kubectl --namespace ml wait --for=condition=Synced psm --all --timeout=3m");
}
