//! Several operators over the same resources: shards, a change of their number, and leases that are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paperspace_operator::shard::Shard;
use serde_json::{Value, json};

use super::harness::{Operator, PATIENCE, Setup, Test, holds_for, wait_for};

/// Short, for waiting; long, for a busy machine.
const PATIENT: [&str; 6] = ["--lease-duration", "8s", "--renew-deadline", "6s", "--retry-period", "500ms"];

/// A case that starts its operators itself, in whose namespace they may have leases.
pub(super) fn several(name: &str, setup: Setup) -> Test {
    let t = Test::with(name, Setup { stopped: true, ..setup });
    t.kubectl(&["create", "role", "leases", "--verb=get,create,update", "--resource=leases.coordination.k8s.io"]);
    t.kubectl(&["create", "rolebinding", "leases", "--role=leases", "--serviceaccount=paperspace-operator:paperspace-operator"]);
    t
}

/// Another operator that runs for a lease, not yet started.
pub(super) fn candidate(t: &Test, name: &str, flags: &[&str]) -> Operator {
    let namespace = ["--lease-namespace", &t.namespace, "--log", "info,paperspace_operator=debug"];
    t.another_operator(name, &[&PATIENT, flags, &namespace].concat())
}

fn started(t: &Test, name: &str, flags: &[&str]) -> Operator {
    let operator = candidate(t, name, flags);
    operator.start();
    operator
}

fn shards(t: &Test, count: u16) -> Vec<Operator> {
    let shard = |index| started(t, &format!("{index}-of-{count}"), &["--shard", &format!("{index}/{count}")]);
    (0..count).map(shard).collect()
}

/// Has both of its leases.
pub(super) fn serves(operator: &Operator) -> bool {
    operator.log().matches(" INFO held lease=").count() == 2
}

#[track_caller]
pub(super) fn wait_serving(operators: &[Operator]) {
    for operator in operators {
        wait_for("both leases", PATIENCE, || serves(operator).then_some(()));
    }
}

pub(super) fn many(t: &Test, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
    let items: Vec<Value> = names.iter().map(|name| t.machine(name, json!({}))).collect();
    t.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    names
}

/// Asks for a look at each of them.
fn ask_for_looks(t: &Test, names: &[String], word: &str) {
    for name in names {
        t.user_patches(name, &json!({"metadata": {"annotations": {"paperspace-operator.dev/reconcile-requested-at": word}}}));
    }
}

/// By resource: when this operator first and last did anything about it, as its log says, to the microsecond.
fn passes(operator: &Operator) -> BTreeMap<String, (String, String)> {
    let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in operator.log().lines() {
        let (Some(time), Some((_, span))) = (line.split(' ').next(), line.split_once("reconcile{")) else { continue };
        let Some(name) = span.split("object=\"").nth(1).and_then(|rest| rest.split('"').next()) else { panic!("no object in {line}") };
        let (first, last) = all.entry(name.to_owned()).or_insert_with(|| (time.to_owned(), time.to_owned()));
        *first = time.min(first).to_owned();
        *last = time.max(last).to_owned();
    }
    all
}

/// Each of the resources was worked on by exactly the shard that its uid gives it to.
#[track_caller]
fn each_by_its_own(t: &Test, operators: &[Operator], names: &[String]) {
    let mut busy = BTreeSet::new();
    for (index, operator) in operators.iter().enumerate() {
        let shard: Shard = format!("{index}/{}", operators.len()).parse().unwrap();
        let its: BTreeSet<String> = passes(operator).into_keys().collect();
        let given = names.iter().filter(|name| shard.serves(t.get(name).unwrap()["metadata"]["uid"].as_str().unwrap()));
        assert_eq!(its, given.cloned().collect(), "shard {shard}");
        busy.insert(its.len());
    }
    assert!(!busy.contains(&0), "{} resources leave a shard without one", names.len());
}

pub(super) fn end(operators: &[Operator]) {
    for operator in operators {
        operator.stop();
        assert!(!operator.log().contains("panicked at"), "it panicked");
    }
}

#[test]
fn each_resource_is_served_by_exactly_one_shard_also_while_their_number_changes() {
    let t = several("shards", Setup { settle: "120s", ..Setup::USUAL });
    let old = shards(&t, 2);
    wait_serving(&old);
    let names = many(&t, 30);
    for name in &names {
        t.wait_ready(name);
    }
    each_by_its_own(&t, &old, &names);

    let new = shards(&t, 3);
    for operator in &new {
        wait_for("to stand by", PATIENCE, || operator.log().contains("waiting: it is held by \"2 shards\"").then_some(()));
    }
    // As a StatefulSet does it, the highest first, while people go on changing things.
    for (round, operator) in old.iter().rev().enumerate() {
        ask_for_looks(&t, &names, &format!("round {round}"));
        operator.stop();
        ask_for_looks(&t, &names, &format!("after round {round}"));
        assert!(round == 1 || new.iter().all(|new| passes(new).is_empty()), "one of two still serves");
    }
    wait_serving(&new);
    ask_for_looks(&t, &names, "at last");
    for name in &names {
        t.wait_until(name, "looked at by the new ones", |object| object["status"]["handledReconcileAt"] == "at last");
    }
    each_by_its_own(&t, &new, &names);

    let last = old.iter().flat_map(|operator| passes(operator).into_values().map(|(_, last)| last)).max().unwrap();
    let first = new.iter().flat_map(|operator| passes(operator).into_values().map(|(first, _)| first)).min().unwrap();
    println!("the last of two shards worked until {last}, the first of three from {first}");
    assert!(last < first, "shards of both numbers worked at once");
    assert_eq!((t.sim.calls("POST /machines"), t.sim.machines().len()), (30, 30));
    end(&new);
    t.end();
}

#[test]
fn a_shard_that_is_killed_in_the_midst_of_a_create_makes_no_second_machine_and_holds_up_no_other() {
    let t = several("shard-killed", Setup::SETTLING);
    let mut all = shards(&t, 3);
    wait_serving(&all);
    // Under way for 800 ms, and done after the operator's end.
    t.sim.fault(&json!({"kind": "delay", "delayMs": 800, "method": "POST", "route": "/machines"}));
    let names = many(&t, 12);
    let killed = all.remove(1);
    wait_for("a create of its", PATIENCE, || killed.log().contains("step=\"create\"").then_some(()));
    killed.kill9();
    let its: Shard = "1/3".parse().unwrap();
    for name in &names {
        t.wait_until(name, "a machine, unless it is of the shard that is down", |object| {
            object["status"]["machineId"].is_string() || its.serves(object["metadata"]["uid"].as_str().unwrap())
        });
    }
    t.sim.clear_faults();
    killed.start();
    for name in &names {
        t.wait_ready(name);
    }
    assert_eq!(t.sim.machines().len(), 12);
    end(&all);
    end(&[killed]);
    t.end();
}

#[test]
fn an_operator_that_was_frozen_for_longer_than_its_lease_ends_without_changing_anything() {
    let t = several("frozen-leader", Setup { settle: "120s", ..Setup::USUAL });
    let first = started(&t, "first", &["--leader-elect"]);
    wait_serving(std::slice::from_ref(&first));
    let names = many(&t, 6);
    for name in &names {
        t.wait_ready(name);
    }
    let second = started(&t, "second", &["--leader-elect"]);
    wait_for("to stand by", PATIENCE, || second.log().contains("waiting: it is held by").then_some(()));
    first.signal("STOP");
    // All of it reaches the first one when it wakes up.
    for name in &names {
        t.user_patches(name, &json!({"spec": {"powerState": "Stopped"}}));
    }
    wait_serving(std::slice::from_ref(&second));
    for name in &names {
        t.wait_reason(name, "Ready", "Stopped");
    }
    // The second one rests, and what it has done the first one would undo or do again.
    t.idle(3);
    let versions = || t.all().iter().map(|object| object["metadata"]["resourceVersion"].clone()).collect::<Vec<_>>();
    let before = (t.sim.writes(), versions());
    first.signal("CONT");
    let ended = wait_for("its end", PATIENCE, || first.running().err()).expect("by itself");
    assert_eq!(ended.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("is lost: "), "it says why");
    t.idle(2);
    assert_eq!((t.sim.writes(), versions()), before, "it changed something");
    end(&[second]);
    t.end();
}

#[test]
fn of_two_operators_with_the_same_shard_one_works_and_the_other_takes_over_when_it_ends() {
    let t = several("same-shard", Setup::USUAL);
    let first = started(&t, "first", &["--shard", "0/1"]);
    wait_serving(std::slice::from_ref(&first));
    let second = started(&t, "second", &["--shard", "0/1"]);
    wait_for("to stand by", PATIENCE, || second.log().contains("waiting: it is held by").then_some(()));
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let holder = |lease: &str| t.kubectl(&["get", "lease", lease, "-o", "jsonpath={.spec.holderIdentity}"]);
    assert_eq!(holder("paperspace-operator-shards"), "1 shard");
    let held_by = holder("paperspace-operator-0-of-1");
    // An idle operator writes its leases, and nothing else.
    t.idle(3);
    let version = || t.get("a").unwrap()["metadata"]["resourceVersion"].clone();
    let before = version();
    holds_for(Duration::from_secs(2), "the second one does nothing", || !serves(&second) && passes(&second).is_empty());
    assert_eq!(version(), before);
    end(&[first]);
    wait_serving(std::slice::from_ref(&second));
    assert_ne!(holder("paperspace-operator-0-of-1"), held_by);
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "Stopped");
    assert_eq!(t.sim.calls("POST /machines"), 1);
    end(&[second]);
    t.end();
}
