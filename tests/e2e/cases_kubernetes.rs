//! The behaviours that the API in memory is held to, asked of the real server.

use super::harness::{ControlPlane, block_on};
use super::kubernetes_suite;

#[test]
fn the_kubernetes_that_the_simulation_runs_on_is_like_the_real_one() {
    let client = ControlPlane::shared().client();
    block_on(kubernetes_suite::run(&client, &format!("kubernetes-{}", std::process::id())));
}
