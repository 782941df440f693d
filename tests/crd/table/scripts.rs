//! Startup scripts: named by id, or made by the operator from a text, a `ConfigMap` or a Secret.

use serde_json::{Value, json};

use super::{Case, accept, machine, object, refuse, refuse_by_rule};

const T: &str = "2024-04-30T15:51:24Z";

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    one_of_four(&mut all);
    references(&mut all);
    texts(&mut all);
    status(&mut all);
    all
}

fn script(script: Value) -> Value {
    machine(json!({"startupScript": script}))
}

fn reference() -> Value {
    json!({"name": "scripts", "key": "boot.sh"})
}

fn one_of_four(all: &mut Vec<Case>) {
    let rule = "spec.startupScript:cel:write exactly one of scriptId, inline, configMapKeyRef and secretKeyRef";
    let four = [("scriptId", json!("sc1")), ("inline", json!("echo")), ("configMapKeyRef", reference()), ("secretKeyRef", reference())];
    for (at, (field, value)) in four.iter().enumerate() {
        all.push(accept(rule, field, script(json!({*field: value}))));
        for (other, second) in &four[at + 1..] {
            all.push(refuse_by_rule(rule, &format!("{field} and {other}"), script(json!({*field: value, *other: second}))));
            all.push(
                accept(rule, &format!("{field}, then {other}"), script(json!({*other: second}))).after(script(json!({*field: value}))),
            );
        }
    }
    all.push(refuse_by_rule(rule, "none", script(json!({}))));
    all.push(refuse_by_rule(
        rule,
        "all",
        script(four.iter().cloned().map(|(f, v)| (f.to_owned(), v)).collect::<serde_json::Map<_, _>>().into()),
    ));

    let rule = "spec.startupScript.runOnce:cel:runOnce is a property of the script that scriptId names";
    for (field, value) in &four[1..] {
        all.push(accept(rule, field, script(json!({*field: value, "runOnce": true}))));
    }
    all.push(accept(rule, "false", script(json!({"scriptId": "sc1", "runOnce": false}))));
    all.push(refuse_by_rule(rule, "scriptId", script(json!({"scriptId": "sc1", "runOnce": true}))));
}

fn references(all: &mut Vec<Case>) {
    for field in ["configMapKeyRef", "secretKeyRef"] {
        let with = |part: &str, value: &str| {
            let mut reference = reference();
            reference[part] = value.into();
            script(json!({field: reference}))
        };
        let long = "x".repeat(253);
        let parts: [(&str, &str, &[&str], &[&str]); 2] = [
            ("name", "write the name of a ConfigMap or Secret", &["scripts", "team-a.scripts"], &["", "Scripts", "a_b", "-a", "a/b"]),
            ("key", "write a key of the object's data", &["boot.sh", "BOOT_SH", "a-b"], &["", "a b", "a/b"]),
        ];
        for (part, message, good, bad) in parts {
            let path = format!("spec.startupScript.{field}.{part}");
            let (rule, length) = (format!("{path}:cel:{message}"), format!("{path}:maxLength"));
            all.extend(good.iter().map(|text| accept(&rule, text, with(part, text))));
            all.extend(bad.iter().map(|text| refuse_by_rule(&rule, &format!("{text:?}"), with(part, text))));
            all.push(accept(&length, "as long as it may be", with(part, &long)));
            all.push(refuse(&length, "longer", with(part, &format!("{long}x")), "may not be more than 253 bytes"));
            let required = format!("spec.startupScript.{field}:required.{part}");
            let mut without = reference();
            without.as_object_mut().unwrap().remove(part);
            all.push(accept(&required, "given", script(json!({field: reference()}))));
            all.push(refuse(
                &required,
                "left out",
                script(json!({field: without})),
                &format!("spec.startupScript.{field}.{part}: Required value"),
            ));
        }
    }
}

fn texts(all: &mut Vec<Case>) {
    let (rule, length) = ("spec.startupScript.inline:cel:write the script, or leave inline out", "spec.startupScript.inline:maxLength");
    all.push(accept(rule, "of several lines", script(json!({"inline": "#!/bin/sh\necho \"ñ\"\n"}))));
    all.push(refuse_by_rule(rule, "empty", script(json!({"inline": ""}))));
    all.push(accept(length, "as long as it may be", script(json!({"inline": "x".repeat(16384)}))));
    all.push(refuse(length, "longer", script(json!({"inline": "x".repeat(16385)})), "may not be more than 16384 bytes"));
    all.push(refuse(
        "spec.startupScript.runOnce:type",
        "a text",
        script(json!({"inline": "echo", "runOnce": "yes"})),
        "must be of type boolean",
    ));
}

fn status(all: &mut Vec<Case>) {
    let creation = json!({"id": "a", "attempt": 1, "account": "te1", "firstStartedAt": T, "startedAt": T, "closedAt": T, "outcome": "Bound", "message": ""});
    let full = json!({
        "scriptId": "sc1", "creation": creation, "hash": "0123456789abcdef",
        "source": {"kind": "ConfigMap", "uid": "3f9c2a7b-51de-4c1a-9f00-000000000001", "resourceVersion": "7"},
    });
    let with = |owned: Value| object(json!({"status": {"ownedScript": owned}}));
    let mut to_status = vec![accept("status.ownedScript:type", "everything", with(full.clone()))];
    to_status.push(accept("status.ownedScript:type", "nothing known yet", with(json!({}))));
    let enumeration = "status.ownedScript.creation.outcome:enum";
    for word in ["Open", "Bound", "Refused", "Expired", "Other"] {
        let mut owned = full.clone();
        owned["creation"]["outcome"] = word.into();
        to_status.push(match word {
            "Other" => refuse(enumeration, word, with(owned), "supported values"),
            _ => accept(enumeration, word, with(owned)),
        });
    }
    let required = [("creation", &["id", "attempt", "account", "firstStartedAt", "startedAt", "outcome"][..]), ("source", &["kind"])];
    for (parent, fields) in required {
        for field in fields {
            let covers = format!("status.ownedScript.{parent}:required.{field}");
            let mut owned = full.clone();
            owned[parent].as_object_mut().unwrap().remove(*field);
            to_status.push(accept(&covers, "given", with(full.clone())));
            to_status.push(refuse(&covers, "left out", with(owned), "Required value"));
        }
    }
    for case in &mut to_status {
        case.old = Some(machine(json!({})));
        case.to_status = true;
    }
    all.append(&mut to_status);
}
