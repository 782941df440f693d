//! Paperspace misbehaves: lost replies, refusals, outages, no capacity, throttling, lists that lag.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{PATIENCE, Setup, Test, condition_of, fixed, holds_for, mark, wait_for};

/// The machines that carry the resource's mark.
fn marked(t: &Test, name: &str) -> Vec<Value> {
    let mark = mark(&t.get(name).unwrap());
    t.sim.machines().into_iter().filter(|m| m["name"].as_str().unwrap().ends_with(&mark)).collect()
}

#[test]
fn a_create_whose_reply_is_lost_makes_one_machine_in_one_attempt() {
    let t = Test::new("lost-reply");
    for (name, fault) in [
        ("broken", json!({})),
        ("timeout", json!({"status": 408})),
        ("gateway", json!({"status": 504, "text": "<html>504 Gateway Time-out</html>"})),
        ("unreadable", json!({"status": 200, "text": "<html>welcome</html>"})),
    ] {
        let mut all = json!({"kind": "lose-reply", "method": "POST", "route": "/machines", "count": 1});
        all.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        t.sim.fault(&all);
        t.apply(&t.machine(name, json!({})));
        t.machine_id(name);
    }
    for name in ["broken", "timeout", "gateway", "unreadable"] {
        let creation = t.wait_ready(name)["status"]["creation"].clone();
        assert_eq!((&creation["attempt"], &creation["outcome"]), (&json!(1), &json!("Bound")), "{name}");
        assert_eq!(marked(&t, name).len(), 1, "{name}");
    }
    assert_eq!(t.sim.calls("POST /machines"), 4);
    t.end();
}

#[test]
fn a_create_that_may_have_been_lost_on_its_way_is_made_again_only_after_it_settled() {
    let t = Test::with("dropped", Setup::SETTLING);
    t.sim.fault(&json!({"kind": "drop", "method": "POST", "route": "/machines", "count": 1}));
    t.apply(&t.machine("a", json!({})));
    let open = t.wait_until("a", "an open attempt", |object| object["status"]["creation"]["outcome"] == "Open");
    let ready = t.wait_ready("a");
    let (first, second) = (&open["status"]["creation"], &ready["status"]["creation"]);
    // An attempt that a slow machine wrote down too long before is not sent, and settles too.
    assert!(second["attempt"].as_i64() >= Some(2), "{second}");
    assert_eq!(second["outcome"], "Bound");
    assert_ne!(first["id"], second["id"]);
    let moment = |creation: &Value| creation["startedAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let between = moment(second).duration_since(moment(first)).as_secs();
    assert!(between >= 6, "the second attempt came {between} s after the first, within --create-settle");
    assert_eq!(t.sim.calls("POST /machines"), 2);
    t.end();
}

#[test]
fn a_refused_create_says_why_costs_nothing_and_goes_on_when_the_spec_is_corrected() {
    let t = Test::new("refused");
    t.apply(&t.machine("full", json!({})));
    t.wait_ready("full");
    let team = |change: Value| t.sim.call("POST", "teams/te1", Some(&change));
    let refused = [
        ("template", json!({"templateId": "tnowhere"}), "CreateRejected", "Template tnowhere was not found."),
        (
            "region",
            json!({"machineType": "RTX5000", "region": "AMS1"}),
            "MachineTypeNotInRegion",
            "Machine type RTX5000 is not available in ams1.",
        ),
        ("approval", json!({"machineType": "H100"}), "MachineTypeNotApproved", "Your team needs approval to use H100."),
    ];
    for (name, spec, ..) in &refused {
        t.apply(&t.machine(name, spec.clone()));
    }
    for (name, _, reason, message) in &refused {
        t.wait_reason(name, "Ready", reason);
        says_rejected(&t, name, reason, message);
    }
    team(json!({"maxMachines": 1}));
    t.apply(&t.machine("quota", json!({})));
    t.wait_reason("quota", "Ready", "QuotaReached");
    says_rejected(&t, "quota", "QuotaReached", "Your team has reached its limit of 1 machines.");
    let (_, _, text) = t.condition("quota", "Ready");
    assert!(text.contains("may have 1 machines and has 1"), "the number was asked anew: {text}");
    // What must not happen has no end to wait for: a back-off of a minute shows nothing in five seconds.
    holds_for(Duration::from_secs(5), "one call for each refusal", || t.sim.calls("POST /machines") == 5);
    assert_eq!(t.sim.machines().len(), 1);

    team(json!({"maxMachines": 9}));
    for name in ["region", "approval", "quota"] {
        t.patch_spec(name, json!({"machineType": "C4"}));
    }
    // A template cannot be changed: that is another resource.
    t.delete("template");
    t.wait_gone("template");
    t.apply(&t.machine("template", json!({})));
    for name in ["template", "region", "approval", "quota"] {
        t.wait_ready(name);
        assert!(condition_of(&t.get(name).unwrap(), "Stalled").is_none(), "{name}");
    }
    assert_eq!(t.sim.calls("POST /machines"), 9);
    t.end();
}

#[track_caller]
fn says_rejected(t: &Test, name: &str, why: &str, message: &str) {
    let (status, _, text) = t.condition(name, "Ready");
    assert!(status == "False" && text.contains(message), "{name}: {status} {text}");
    let (status, reason, _) = t.condition(name, "Stalled");
    assert_eq!((status.as_str(), reason.as_str()), ("True", why), "{name}");
    assert!(t.get(name).unwrap()["status"]["machineId"].is_null(), "{name}");
    assert!(t.wait_event(name, why).iter().all(|note| note.contains(message)), "{name}");
}

#[test]
fn without_capacity_the_machine_is_kept_and_started_again_when_there_is_some() {
    let t = Test::new("no-capacity");
    t.sim.fault(&json!({"kind": "no-capacity", "machineType": "C5", "region": "NY2"}));
    t.apply(&t.machine("a", json!({})));
    let id = t.machine_id("a");
    t.wait_reason("a", "Ready", "OutOfCapacity");
    let (_, _, message) = t.condition("a", "Ready");
    assert!(message.contains("C5") && message.contains("Another machineType or region"), "{message}");
    assert_eq!(t.condition("a", "Reconciling").0, "True");
    t.wait_event("a", "OutOfCapacity");
    t.sim.clear_faults();
    // The next start comes a minute after the last.
    wait_for("a start", 2 * PATIENCE, || (t.sim.calls("PATCH /machines/{id}/start") > 0).then_some(()));
    t.wait_ready("a");
    assert_eq!(t.machine_id("a"), id);
    assert_eq!(t.sim.writes(), json!({"POST /machines": 1, "PATCH /machines/{id}/start": 1}));
    assert_eq!(t.events("a", "OutOfCapacity").len(), 1);
    t.end();
}

#[test]
fn while_the_api_breaks_connections_only_resources_with_something_to_do_say_so() {
    let t = Test::with("api-breaks", Setup::SETTLING);
    for name in ["idle", "busy"] {
        t.apply(&t.machine(name, json!({})));
    }
    for name in ["idle", "busy"] {
        t.wait_ready(name);
    }
    t.idle(2);
    let before = t.get("idle");
    t.sim.fault(&json!({"kind": "drop"}));
    t.patch_spec("busy", json!({"powerState": "Stopped"}));
    t.apply(&t.machine("new", json!({})));
    // Without a machine it is certainly not ready.
    for (name, ready) in [("busy", "Unknown"), ("new", "False")] {
        t.wait_reason(name, "Ready", "PaperspaceUnavailable");
        assert_eq!(t.condition(name, "Ready").0, ready, "{name}");
    }
    let told = || ["idle", "busy", "new"].map(|name| t.events(name, "PaperspaceUnavailable").len()).iter().sum::<usize>();
    assert_eq!(told(), 1, "once for the account");
    assert_eq!(t.get("idle"), before, "what has nothing to do keeps its conditions");
    t.sim.clear_faults();
    for name in ["busy", "new"] {
        t.wait_ready(name);
    }
    t.wait_reason("busy", "Ready", "Stopped");
    assert_eq!(t.get("idle"), before);
    assert_eq!(t.sim.machines().len(), 3);
    t.end();
}

#[test]
fn an_api_that_nobody_answers_at_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let flags = &*Vec::leak(vec!["--state", fixed(dir.path().join("state.json").display().to_string())]);
    let t = Test::with("api-gone", Setup { simulator_flags: flags, ..Setup::default() });
    t.apply(&t.machine("idle", json!({})));
    t.apply(&t.machine("deleted", json!({})));
    for name in ["idle", "deleted"] {
        t.wait_ready(name);
    }
    t.sim.down();
    t.apply(&t.machine("new", json!({})));
    t.delete("deleted");
    for name in ["new", "deleted"] {
        t.wait_reason(name, "Ready", "PaperspaceUnavailable");
    }
    t.operator.kill9();
    t.operator.start();
    // One that has just started knows nothing, and concludes nothing.
    let lasting = |name: &str| t.condition(name, "Ready").1;
    holds_for(Duration::from_secs(3), "conditions that stay", || {
        lasting("idle") == "Running" && [lasting("new"), lasting("deleted")].iter().all(|r| r.ends_with("Unavailable"))
    });
    t.sim.up();
    t.wait_gone("deleted");
    t.wait_ready("new");
    t.wait_ready("idle");
    assert_eq!((t.sim.calls("POST /machines"), t.sim.machines().len()), (3, 2));
    t.end();
}

#[test]
fn an_api_that_asks_to_slow_down_is_left_alone_for_that_long() {
    let t = Test::new("slow-down");
    t.sim.fault(&json!({"kind": "error", "status": 429, "retryAfter": 4}));
    t.apply(&t.machine("a", json!({})));
    t.wait_reason("a", "Ready", "RateLimited");
    let all = || t.sim.truth()["calls"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    let before = all();
    holds_for(Duration::from_millis(2500), "hardly a call", || all() <= before + 1);
    t.sim.clear_faults();
    t.wait_ready("a");

    // A create that is told so has not happened: it is made again, without waiting for it to settle.
    t.sim.fault(&json!({"kind": "error", "status": 429, "retryAfter": 1, "method": "POST", "route": "/machines", "count": 1}));
    t.apply(&t.machine("b", json!({})));
    let creation = t.wait_ready("b")["status"]["creation"].clone();
    assert_eq!((&creation["attempt"], &creation["outcome"]), (&json!(2), &json!("Bound")));
    assert_eq!((t.sim.calls("POST /machines"), t.sim.machines().len()), (3, 2));
    t.end();
}

#[test]
fn through_stale_lists_shifted_pages_and_broken_connections_each_resource_has_one_machine_and_then_none() {
    let t = Test::with("muddle", Setup { simulator_flags: &["--seed", "7"], ..Setup::SETTLING });
    let faults = || {
        t.sim.fault(&json!({"kind": "stale-list", "route": "/machines", "delayMs": 1500, "probability": 0.4}));
        t.sim.fault(&json!({"kind": "shift-page", "route": "/machines", "probability": 0.4}));
        t.sim.fault(&json!({"kind": "lose-reply", "method": "POST", "probability": 0.5}));
        t.sim.fault(&json!({"kind": "lose-reply", "method": "DELETE", "probability": 0.5}));
        t.sim.fault(&json!({"kind": "drop", "probability": 0.05}));
        t.sim.fault(&json!({"kind": "error", "status": 503, "probability": 0.05}));
    };
    let names: Vec<String> = (0..6).map(|n| format!("m{n}")).collect();
    faults();
    for name in &names {
        t.apply(&t.machine(name, json!({})));
    }
    for name in &names {
        t.wait_ready(name);
    }
    for name in &names {
        assert_eq!(marked(&t, name).len(), 1, "{name}");
    }
    t.kubectl(&["delete", "psm", "--all", "--wait=false"]);
    for name in &names {
        t.wait_gone(name);
    }
    assert!(t.sim.machines().is_empty());
    t.end();
}
