//! Rules between fields, and between what a resource was and what it becomes.

use serde_json::{Value, json};

use super::{Case, accept, machine, object, refuse_by_rule};

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    together(&mut all);
    fixed(&mut all);
    adopting(&mut all);
    observing(&mut all);
    all
}

const ADOPT: &str = "psvv2ew1gd4s";

fn together(all: &mut Vec<Case>) {
    let rule = "spec.templateId:cel:a template is required";
    all.push(accept(rule, "adopt instead", machine(json!({"templateId": null, "adopt": {"machineId": ADOPT}}))));
    all.push(accept(rule, "both", machine(json!({"adopt": {"machineId": ADOPT}}))));
    all.push(refuse_by_rule(rule, "neither", machine(json!({"templateId": null}))));

    let rule = "spec.autoShutdown:cel:autoShutdown would fight powerState Running: set powerState: Manual";
    let shutdown = json!({"timeoutHours": 6});
    all.push(accept(rule, "Manual", machine(json!({"autoShutdown": shutdown, "powerState": "Manual"}))));
    all.push(accept(rule, "Stopped", machine(json!({"autoShutdown": shutdown, "powerState": "Stopped"}))));
    all.push(refuse_by_rule(rule, "Running", machine(json!({"autoShutdown": shutdown, "powerState": "Running"}))));
    all.push(refuse_by_rule(rule, "no powerState, which is Running", machine(json!({"autoShutdown": shutdown}))));
    all.push(
        refuse_by_rule(rule, "turned to Running", machine(json!({"autoShutdown": shutdown})))
            .after_spec(json!({"autoShutdown": shutdown, "powerState": "Manual"})),
    );

    let rule = "spec.restorePoint:cel:restorePoint needs a snapshot to go back to";
    all.push(accept(rule, "the initial one", machine(json!({"restorePoint": {}, "takeInitialSnapshot": true}))));
    all.push(accept(rule, "a given one", machine(json!({"restorePoint": {"snapshotId": "sn1"}}))));
    all.push(refuse_by_rule(rule, "none", machine(json!({"restorePoint": {}}))));

    let rule = "spec.resizePolicy:cel:with a restorePoint every stop resets the disk";
    let restore = json!({"snapshotId": "sn1"});
    all.push(accept(rule, "WhenStopped", machine(json!({"restorePoint": restore, "resizePolicy": "WhenStopped"}))));
    all.push(refuse_by_rule(rule, "StopAndStart", machine(json!({"restorePoint": restore, "resizePolicy": "StopAndStart"}))));

    let rule = "spec.publicIp.reclaimPolicy:cel:reclaimPolicy is for static addresses";
    all.push(accept(rule, "Static", machine(json!({"publicIp": {"type": "Static", "reclaimPolicy": "Retain"}}))));
    for kind in ["Dynamic", "None"] {
        all.push(refuse_by_rule(rule, kind, machine(json!({"publicIp": {"type": kind, "reclaimPolicy": "Release"}}))));
    }
}

fn fixed(all: &mut Vec<Case>) {
    let rule = "spec.templateId:cel:templateId is fixed";
    all.push(accept(rule, "the same", machine(json!({"machineType": "C7"}))).after_spec(json!({})));
    all.push(refuse_by_rule(rule, "another", machine(json!({"templateId": "tother"}))).after_spec(json!({})));
    let adopted = json!({"templateId": null, "adopt": {"machineId": ADOPT}});
    all.push(refuse_by_rule(rule, "added", machine(json!({"adopt": {"machineId": ADOPT}}))).after_spec(adopted.clone()));
    all.push(refuse_by_rule(rule, "removed", machine(adopted)).after_spec(json!({"adopt": {"machineId": ADOPT}})));

    let rule = "spec.region:cel:region is fixed";
    all.push(accept(rule, "the same", machine(json!({"diskSizeGB": 100}))).after_spec(json!({})));
    all.push(refuse_by_rule(rule, "another", machine(json!({"region": "CA1"}))).after_spec(json!({})));

    let rule = "spec.diskSizeGB:cel:a disk can only grow";
    all.push(accept(rule, "the same", machine(json!({"diskSizeGB": 100}))).after_spec(json!({"diskSizeGB": 100})));
    all.push(accept(rule, "more", machine(json!({"diskSizeGB": 101}))).after_spec(json!({"diskSizeGB": 100})));
    all.push(refuse_by_rule(rule, "less", machine(json!({"diskSizeGB": 99}))).after_spec(json!({"diskSizeGB": 100})));

    let rule = "spec.networkId:cel:a machine cannot leave its private network";
    all.push(accept(rule, "put into one", machine(json!({"networkId": "n1"}))).after_spec(json!({})));
    all.push(accept(rule, "moved to another", machine(json!({"networkId": "n2"}))).after_spec(json!({"networkId": "n1"})));
    all.push(refuse_by_rule(rule, "taken out", machine(json!({}))).after_spec(json!({"networkId": "n1"})));

    for (field, default) in [("takeInitialSnapshot", false), ("enableNvlink", false), ("emailPassword", true)] {
        let rule = format!("spec.{field}:cel:{field} acts at creation only and is fixed");
        all.push(accept(&rule, "at creation", machine(json!({field: !default}))));
        all.push(accept(&rule, "the default written out", machine(json!({field: default}))).after_spec(json!({})));
        all.push(refuse_by_rule(&rule, "changed", machine(json!({field: !default}))).after_spec(json!({})));
        all.push(refuse_by_rule(&rule, "removed", machine(json!({}))).after_spec(json!({field: !default})));
    }
}

fn adopting(all: &mut Vec<Case>) {
    let rule = "spec.adopt:cel:adopt is fixed";
    let adopt = json!({"machineId": ADOPT, "replaceMark": "3f9c2a7b51de", "onDifference": "Apply"});
    let before = || machine(json!({"adopt": adopt}));
    all.push(accept(rule, "the same", machine(json!({"adopt": adopt, "suspend": true}))).after(before()));
    all.push(refuse_by_rule(rule, "removed", machine(json!({}))).after(before()));
    for (field, other) in [("machineId", json!("psother")), ("replaceMark", json!("000000000000")), ("onDifference", json!("Hold"))] {
        let mut changed = adopt.clone();
        changed[field] = other;
        all.push(refuse_by_rule(rule, &format!("another {field}"), machine(json!({"adopt": changed}))).after(before()));
    }
    let mut without_mark = adopt.clone();
    without_mark.as_object_mut().unwrap().remove("replaceMark");
    all.push(refuse_by_rule(rule, "replaceMark removed", machine(json!({"adopt": without_mark}))).after(before()));
    all.push(refuse_by_rule(rule, "replaceMark added", machine(json!({"adopt": adopt}))).after_spec(json!({"adopt": without_mark})));

    let rule = "spec.adopt:cel:adopt cannot be added while the resource has a machine or is creating one";
    let with = |status: Value, spec: Value| object(json!({"spec": spec, "status": status}));
    let restored = json!({"observedGeneration": 1, "powerState": "Unknown"});
    let creation = |outcome: &str| json!({"creation": {"id": "a", "attempt": 1, "account": "t", "firstStartedAt": T, "startedAt": T, "outcome": outcome}});
    all.push(accept(rule, "nothing known yet", machine(json!({"adopt": adopt}))).after_spec(json!({})));
    for (name, status) in [("restored", restored), ("a creation refused", creation("Refused")), ("a creation expired", creation("Expired"))]
    {
        all.push(accept(rule, name, with(status.clone(), json!({"adopt": adopt}))).after(with(status, json!({}))));
    }
    for (name, status) in [("a machine", json!({"machineId": "ps1"})), ("creating", creation("Open")), ("created", creation("Bound"))] {
        all.push(refuse_by_rule(rule, name, with(status.clone(), json!({"adopt": adopt}))).after(with(status, json!({}))));
    }
    let bound = json!({"machineId": ADOPT});
    all.push(
        accept(rule, "there from the beginning", with(bound.clone(), json!({"adopt": adopt, "suspend": true})))
            .after(with(bound, json!({"adopt": adopt}))),
    );
}

const T: &str = "2024-04-30T15:51:24Z";

fn observing(all: &mut Vec<Case>) {
    let observe = || json!({"managementPolicy": "Observe"});
    let rule = "spec.managementPolicy:cel:managementPolicy: Observe needs a machine to look at";
    all.push(accept(rule, "adopt", machine(json!({"managementPolicy": "Observe", "adopt": {"machineId": ADOPT}}))));
    all.push(refuse_by_rule(rule, "nothing to look at", machine(observe())));

    let rule = "spec.managementPolicy:cel:managementPolicy: Observe needs the machine to be there";
    let with = |status: Value, spec: Value| object(json!({"spec": spec, "status": status}));
    let ready = json!([{"type": "Ready", "status": "Unknown", "reason": "NotObserved", "message": "", "lastTransitionTime": T}]);
    let bound = || json!({"machineId": "ps1", "conditions": ready});
    let unbound = || json!({"conditions": ready});
    all.push(accept(rule, "a machine", with(bound(), observe())).after(with(bound(), json!({}))));
    all.push(refuse_by_rule(rule, "none yet", with(unbound(), observe())).after(with(unbound(), json!({}))));
    let observing = |status: Value, spec: Value| Case { first: Some(with(bound(), json!({}))), ..accept(rule, "", with(status, spec)) };
    all.push(Case { name: format!("{rule}: back to Manage"), ..observing(bound(), json!({})).after(with(bound(), observe())) });
    // No write of a status is refused because the machine went away.
    let lost = observing(unbound(), observe()).after(with(bound(), observe()));
    all.push(Case { name: format!("{rule}: the machine lost"), to_status: true, ..lost });
}
