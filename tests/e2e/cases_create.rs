//! From `kubectl apply` to a machine.

use serde_json::json;

use super::harness::Test;

#[test]
fn a_machine_comes_up_and_kubectl_shows_it() {
    let t = Test::new("create");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let (table, described) = (t.kubectl(&["get", "psm", "a"]), t.kubectl(&["describe", "psm", "a"]));
    println!("{table}\n{described}");
    for column in ["C5", "NY2", "Running"] {
        assert!(table.contains(column), "{column} is missing in\n{table}");
    }
    t.wait_event("a", "Created");
    t.delete("a");
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    assert_eq!(t.sim.calls("POST /machines"), 1);
    t.end();
}
