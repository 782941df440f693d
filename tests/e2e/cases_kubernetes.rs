//! What the operator stands on: the API that the simulation has in memory is like the real one, and the operator gets along with that.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::harness::{ControlPlane, Test, block_on, condition_of};
use super::kubernetes::{self, Kubernetes};
use super::kubernetes_suite;

#[test]
fn the_kubernetes_that_the_simulation_runs_on_is_like_the_real_one() {
    let client = ControlPlane::shared().client();
    block_on(kubernetes_suite::run(&client, &format!("kubernetes-{}", std::process::id())));
}

#[test]
fn random_writes_have_the_same_effect_in_memory_and_on_the_real_server() {
    let real = ControlPlane::shared().client();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u32>);
    let mut kubernetes = Kubernetes::new(1);
    kubernetes.install(&paperspace_operator::crd::crd());
    let kubernetes = Arc::new(Mutex::new(kubernetes));
    let difference = block_on(async {
        let memory = kubernetes::client(kubernetes, Arc::new(jiff::Timestamp::now));
        let namespace = format!("random-{}", std::process::id());
        kubernetes_suite::random::difference(&memory, &real, &namespace, seed.into(), 300).await
    });
    println!("SEED={seed}");
    assert!(difference.is_none(), "in memory | on the server: {}", difference.unwrap_or_default());
}

#[test]
fn what_others_wrote_into_the_status_does_not_stay() {
    let t = Test::new("status-by-hand");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.sim.patch(&id, &json!({"machineType": "C4"}));
    let mut status = t.wait_reason("a", "Synced", "PendingStop")["status"].take();

    // Half of what the operator is about to take back becomes somebody else's.
    t.operator.kill9();
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["message"] = "by hand".into();
    }
    status["drift"][0]["observed"] = "by hand".into();
    let more = json!({"field": "by hand", "action": "Report", "since": "2026-01-01T00:00:00Z"});
    status["drift"].as_array_mut().unwrap().push(more);
    let patch = json!({"status": {"conditions": status["conditions"], "drift": status["drift"]}}).to_string();
    t.kubectl(&["patch", "psm", "a", "--subresource=status", "--type=merge", "--patch", &patch]);
    t.sim.patch(&id, &json!({"machineType": "C5"}));
    t.operator.start();

    let settled = |a: &Value| a["status"].get("drift").is_none() && condition_of(a, "Reconciling").is_none();
    let a = t.wait_until("a", "nothing is left of it", settled);
    assert!(!a["status"].to_string().contains("by hand"), "{a:#}");
    t.end();
}
