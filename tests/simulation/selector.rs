//! Resources that the operator is told to leave to others.

use std::time::Duration;

use serde_json::{Value, json};

use super::process::start_measured;
use super::user::User;
use super::world::{World, simulate};

const SEED: u64 = 12;

async fn label(user: &User, name: &str, team: &Value) {
    user.patch(name, &json!({"metadata": {"labels": {"team": team}}})).await;
}

fn finalizers(user: &User, name: &str) -> usize {
    user.get(name).unwrap()["metadata"]["finalizers"].as_array().map_or(0, Vec::len)
}

#[test]
fn what_leaves_the_selector_keeps_its_machine_and_its_finalizer_and_what_comes_back_is_served_again() {
    simulate(async {
        let world = World::new(SEED, None, &["--watch-selector", "team=ml"]);
        let user = User::new(&world);
        let (_operator, metrics) = start_measured(&world, 0);
        user.create("a", &json!({})).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert!(world.machines().is_empty() && user.get("a").unwrap()["status"]["observedGeneration"] == -1, "nobody's so far");
        label(&user, "a", &json!("ml")).await;
        user.until_settled("a").await.unwrap();
        let id = user.machine_id("a").unwrap();

        // What is kept of it between passes is forgotten meanwhile.
        label(&user, "a", &json!("web")).await;
        let before = world.truth()["calls"].clone();
        user.edit("a", json!({"machineType": "C4", "powerState": "Stopped"})).await;
        tokio::time::sleep(Duration::from_mins(30)).await;
        user.delete("a").await;
        tokio::time::sleep(Duration::from_mins(30)).await;
        let machines = world.machines();
        assert_eq!((machines.len(), &machines[0]["id"], &machines[0]["state"]), (1, &json!(id), &json!("ready")));
        assert_eq!(finalizers(&user, "a"), 1);
        for route in ["POST /machines", "DELETE /machines/{id}", "PUT /machines/{id}", "PATCH /machines/{id}/stop"] {
            assert_eq!(world.truth()["calls"][route], before[route], "{route}");
        }
        assert!(!metrics().contains("paperspace_operator_orphans{"), "it cannot know");

        label(&user, "a", &json!("ml")).await;
        user.until_gone("a").await.unwrap();
        assert!(world.machines().is_empty());
    });
}
