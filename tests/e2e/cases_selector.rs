//! Resources that the operator is told to leave to others.

use serde_json::json;

use super::harness::{PATIENCE, Setup, Test, wait_for};

#[test]
fn what_loses_its_label_keeps_its_machine_until_it_is_served_again() {
    let t = Test::with("selector", Setup { flags: &["--watch-selector", "team in (ml,research),!paused"], ..Setup::USUAL });
    let label = |name: &str, label: &str| t.kubectl(&["label", "psm", name, "--overwrite", label]);
    let labelled = |name: &str, labels: serde_json::Value| {
        let mut object = t.machine(name, json!({}));
        object["metadata"]["labels"] = labels;
        t.apply(&object);
    };
    labelled("a", json!({"team": "ml"}));
    labelled("b", json!({"team": "web"}));
    t.wait_ready("a");
    let id = t.machine_id("a");

    label("a", "paused=");
    t.delete("a");
    // Those that are served show that the operator is at work.
    labelled("c", json!({"team": "research"}));
    t.wait_ready("c");
    t.idle(5);
    t.operator.kill9();
    t.operator.start();
    t.idle(5);
    let a = t.get("a").unwrap();
    assert!(a["metadata"]["deletionTimestamp"].is_string() && a["metadata"]["finalizers"].is_array(), "{a:#}");
    assert!(t.get("b").unwrap().get("status").is_none_or(|status| status["creation"].is_null()));
    assert!(t.sim.machines().iter().any(|machine| machine["id"] == id.as_str()));
    assert_eq!((t.sim.machines().len(), t.sim.calls("DELETE /machines/{id}")), (2, 0));

    label("a", "paused-");
    t.wait_gone("a");
    wait_for("its machine's end", PATIENCE, || (t.sim.machines().len() == 1).then_some(()));
    label("b", "team=ml");
    t.wait_ready("b");
    t.end();
}
