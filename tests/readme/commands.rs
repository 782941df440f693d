//! The commands of the README, run in the order in which they stand there. `make …` is looked at elsewhere.

use super::kubelet::NAMESPACE;
use super::readme;
use super::world::World;

#[test]
fn the_commands_work_in_their_order() {
    let world = World::new(&["cluster"]);
    let mut shown = String::new();
    for block in world.read(&readme()) {
        if block.is_run() && !block.text.starts_with("make ") {
            shown = world.run(&block.text);
        } else if block.language == "text" && block.text.starts_with("NAME ") {
            // What the README shows of a table has the columns of the real one.
            let header = |text: &str| {
                text.lines().find(|l| l.starts_with("NAME ")).map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            };
            assert_eq!(header(&block.text), header(&shown));
        }
    }
    everything_was_done(&world);
}

/// The machines of the README exist, and each was asked for once.
fn everything_was_done(world: &World) {
    let truth = world.truth();
    let machines = truth["machines"].as_array().unwrap();
    for base in ["default-workstation-", "default-own-key-", "default-published-"] {
        let of_base = machines.iter().filter(|m| m["name"].as_str().unwrap().starts_with(base) && m["exists"] == true).count();
        assert_eq!(of_base, 1, "{base}: {machines:?}");
    }
    assert_eq!((machines.len(), &truth["calls"]["POST /machines"]), (3, &3.into()));
    let restarts = truth["events"].as_array().unwrap().iter().filter(|event| event["name"] == "restart").count();
    assert_eq!(restarts, 1, "the annotation was set once");
    assert_eq!(world.pods("cluster").0, 2, "the Deployment of {NAMESPACE}");
}
