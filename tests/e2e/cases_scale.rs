//! Many resources, and operators that are killed or stopped at any moment.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{PATIENCE, Setup, Test, wait_for};

fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

#[test]
fn thirty_resources_at_once_get_thirty_machines_for_few_calls() {
    // The longest fence, 10 s: thirty creates at once on a busy machine have outlived one of five.
    let t = Test::with("thirty", Setup { settle: "120s", ..Setup::USUAL });
    let names: Vec<String> = (0..30).map(|n| format!("m{n}")).collect();
    t.apply(&list(names.iter().map(|name| t.machine(name, json!({}))).collect()));
    wait_for("30 machines", PATIENCE, || (t.sim.machines().len() >= 30).then_some(()));
    for name in &names {
        t.wait_ready(name);
    }
    let calls = t.sim.truth()["calls"].clone();
    println!("calls until 30 machines were ready: {calls}");
    let total: u64 = calls.as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!((t.sim.calls("POST /machines"), t.sim.machines().len()), (30, 30));
    assert!(total < 30 * 20, "{total} calls: {calls}");

    t.kubectl(&["delete", "psm", "--all", "--wait=false"]);
    for name in &names {
        t.wait_gone(name);
    }
    assert!(t.sim.machines().is_empty());
    assert_eq!(t.sim.writes(), json!({"POST /machines": 30, "DELETE /machines/{id}": 30}));
    let calls = t.sim.truth()["calls"].clone();
    println!("calls until they were gone: {calls}");
    t.end();
}

#[test]
fn a_create_that_was_written_down_does_not_queue_behind_those_that_wait_for_their_turn_in_the_budget() {
    // At five calls a second it takes more than the fence, 5 s, until all have had theirs.
    let t = Test::with("patient", Setup { flags: &["--api-rate", "5", "--api-burst", "5"], ..Setup::USUAL });
    let names: Vec<String> = (0..60).map(|n| format!("m{n}")).collect();
    t.apply(&list(names.iter().map(|name| t.machine(name, json!({}))).collect()));
    wait_for("60 machines", PATIENCE, || (t.sim.machines().len() >= 60).then_some(()));
    for name in &names {
        let bound = t.wait_until(name, "a bound machine", |object| object["status"]["creation"]["outcome"] == "Bound");
        assert_eq!(bound["status"]["creation"]["attempt"], 1, "{name}");
    }
    t.end();
}

#[test]
fn an_operator_killed_at_any_moment_of_a_create_makes_one_machine_and_no_other() {
    let t = Test::with("killed-create", Setup::SETTLING);
    let again = |name: &str| {
        t.operator.kill9();
        t.operator.start();
        t.wait_ready(name);
        assert_eq!(t.get(name).unwrap()["status"]["creation"]["outcome"], "Bound");
    };
    let post = |fault: Value| {
        let mut all = json!({"method": "POST", "route": "/machines", "count": 1});
        all.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        t.sim.fault(&all);
    };

    t.apply(&t.machine("finalizer", json!({})));
    t.wait_until("finalizer", "a finalizer", |object| object["metadata"]["finalizers"].is_array());
    again("finalizer");

    // The request is under way for 800 ms, and its effect comes after the operator's end.
    post(json!({"kind": "delay", "delayMs": 800}));
    t.apply(&t.machine("asked", json!({})));
    wait_for("the request", PATIENCE, || (t.operator.log().matches("step=\"create\"").count() >= 2).then_some(()));
    again("asked");

    post(json!({"kind": "lose-reply"}));
    t.apply(&t.machine("unanswered", json!({})));
    wait_for("the request", PATIENCE, || (t.sim.calls("POST /machines") >= 3).then_some(()));
    again("unanswered");

    t.apply(&t.machine("provisioning", json!({})));
    t.machine_id("provisioning");
    again("provisioning");

    assert_eq!((t.sim.calls("POST /machines"), t.sim.machines().len()), (4, 4));
    t.end();
}

#[test]
fn an_operator_killed_over_and_over_leaves_one_machine_for_each_resource_and_then_none() {
    let t = Test::with("killed-often", Setup::SETTLING);
    let names: Vec<String> = (0..8).map(|n| format!("m{n}")).collect();
    t.apply(&list(names.iter().map(|name| t.machine(name, json!({}))).collect()));
    // Moments at which it is killed, in milliseconds after its start: there is nothing to wait for, any moment is as good.
    let kill = || {
        for moment in [250, 400, 550, 700, 900, 1200] {
            std::thread::sleep(Duration::from_millis(moment));
            t.operator.kill9();
            t.operator.start();
        }
    };
    kill();
    for name in &names {
        t.wait_ready(name);
    }
    assert_eq!(t.sim.machines().len(), 8);
    t.kubectl(&["delete", "psm", "--all", "--wait=false"]);
    kill();
    for name in &names {
        t.wait_gone(name);
    }
    assert!(t.sim.machines().is_empty());
    t.end();
}

#[test]
fn an_operator_killed_while_it_destroys_a_machine_goes_on_with_it() {
    let t = Test::with("killed-delete", Setup::SETTLING);
    for (name, fault) in [("sent", "delay"), ("unanswered", "lose-reply")] {
        t.apply(&t.machine(name, json!({})));
        t.wait_ready(name);
        let asked = || t.operator.log().matches("step=\"delete\"").count();
        let before = asked();
        t.sim.fault(&json!({"kind": fault, "delayMs": 800, "method": "DELETE", "count": 1}));
        t.delete(name);
        wait_for("the request", PATIENCE, || (asked() > before).then_some(()));
        t.operator.kill9();
        t.operator.start();
        t.wait_gone(name);
        assert!(t.sim.machines().is_empty(), "{name}");
    }
    t.end();
}

#[test]
fn an_operator_told_to_stop_finishes_the_create_that_it_has_begun() {
    let t = Test::with("graceful", Setup { settle: "30s", ..Setup::default() });
    t.sim.fault(&json!({"kind": "delay", "delayMs": 2000, "method": "POST", "route": "/machines", "count": 1}));
    t.apply(&t.machine("a", json!({})));
    wait_for("the request", PATIENCE, || t.operator.log().contains("step=\"create\"").then_some(()));
    t.operator.stop();
    assert_eq!(t.sim.machines().len(), 1, "it waited for the answer");
    t.operator.start();
    let creation = t.wait_ready("a")["status"]["creation"].clone();
    assert_eq!((&creation["attempt"], &creation["outcome"]), (&json!(1), &json!("Bound")));
    assert_eq!(t.sim.calls("POST /machines"), 1);
    t.end();
}
