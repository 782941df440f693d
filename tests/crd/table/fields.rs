//! Fields of the spec one by one: what a value may be, whatever the others are.

use serde_json::{Value, json};

use super::{Case, accept, machine, refuse, refuse_by_rule};

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    required(&mut all);
    numbers(&mut all);
    choices(&mut all);
    names(&mut all);
    texts(&mut all);
    shapes(&mut all);
    all
}

fn required(all: &mut Vec<Case>) {
    all.push(accept("spec:required", "the least that a machine needs", machine(json!({}))));
    for field in ["machineType", "region", "diskSizeGB"] {
        all.push(refuse(
            &format!("spec:required.{field}"),
            "left out",
            machine(json!({field: null})),
            &format!("spec.{field}: Required value"),
        ));
    }
    let mut without_spec = machine(json!({}));
    without_spec.as_object_mut().unwrap().remove("spec");
    all.push(accept("resource:required.spec", "with a spec", machine(json!({}))));
    all.push(refuse("resource:required.spec", "left out", without_spec, "spec: Required value"));
    for (parent, field, rest, value) in [
        ("publicIp", "type", json!({}), json!("Dynamic")),
        ("autoShutdown", "timeoutHours", json!({"force": true}), json!(6)),
        ("autoSnapshot", "frequency", json!({"keep": 3}), json!("Daily")),
        ("credentialsRef", "name", json!({"key": "token"}), json!("paperspace")),
        ("adopt", "machineId", json!({"onDifference": "Apply"}), json!("psvv2ew1gd4s")),
    ] {
        let covers = format!("spec.{parent}:required.{field}");
        let with = |value: Value| {
            let mut rest = rest.clone();
            rest[field] = value;
            machine(json!({"powerState": "Manual", parent: rest}))
        };
        all.push(accept(&covers, "given", with(value)));
        all.push(refuse(
            &covers,
            "left out",
            machine(json!({"powerState": "Manual", parent: rest})),
            &format!("spec.{parent}.{field}: Required value"),
        ));
    }
}

fn numbers(all: &mut Vec<Case>) {
    let spec: [(&str, i64, i64, fn(i64) -> Value); 3] = [
        ("spec.diskSizeGB", 50, 16000, |n| json!({"diskSizeGB": n})),
        ("spec.autoShutdown.timeoutHours", 1, 168, |n| json!({"powerState": "Manual", "autoShutdown": {"timeoutHours": n}})),
        ("spec.autoSnapshot.keep", 1, 10, |n| json!({"autoSnapshot": {"frequency": "Daily", "keep": n}})),
    ];
    for (field, least, most, set) in spec {
        let (minimum, maximum) = (format!("{field}:minimum"), format!("{field}:maximum"));
        all.push(accept(&minimum, "the least", machine(set(least))));
        all.push(refuse(&minimum, "less", machine(set(least - 1)), &format!("{field} in body should be greater than or equal to {least}")));
        all.push(accept(&maximum, "the most", machine(set(most))));
        all.push(refuse(&maximum, "more", machine(set(most + 1)), &format!("{field} in body should be less than or equal to {most}")));
    }
}

fn choices(all: &mut Vec<Case>) {
    let restore_point = |frequency: &str| json!({"takeInitialSnapshot": true, "restorePoint": {"frequency": frequency}});
    let spec: [(&str, &[&str], &dyn Fn(&str) -> Value); 9] = [
        ("spec.powerState", &["Running", "Stopped", "Manual"], &|v| json!({"powerState": v})),
        ("spec.resizePolicy", &["WhenStopped", "StopAndStart"], &|v| json!({"resizePolicy": v})),
        ("spec.publicIp.type", &["None", "Dynamic", "Static"], &|v| json!({"publicIp": {"type": v}})),
        ("spec.publicIp.reclaimPolicy", &["Release", "Retain"], &|v| json!({"publicIp": {"type": "Static", "reclaimPolicy": v}})),
        ("spec.autoSnapshot.frequency", &["Hourly", "Daily", "Weekly", "Monthly"], &|v| json!({"autoSnapshot": {"frequency": v}})),
        ("spec.restorePoint.frequency", &["Shutdown"], &restore_point),
        ("spec.adopt.onDifference", &["Hold", "Apply"], &|v| json!({"adopt": {"machineId": "psvv2ew1gd4s", "onDifference": v}})),
        ("spec.managementPolicy", &["Manage", "Observe"], &|v| json!({"managementPolicy": v, "adopt": {"machineId": "psvv2ew1gd4s"}})),
        ("spec.deletionPolicy", &["Delete", "Retain"], &|v| json!({"deletionPolicy": v})),
    ];
    for (field, words, set) in spec {
        let covers = format!("{field}:enum");
        all.extend(words.iter().map(|word| accept(&covers, word, machine(set(word)))));
        for wrong in [words[0].to_lowercase(), "Always".to_owned(), String::new()] {
            all.push(refuse(&covers, &format!("{wrong:?}"), machine(set(&wrong)), "supported values"));
        }
    }
}

/// Field, most characters, longest value, accepted values, refused values, the rule's message, and how to set it.
type Text<'a> = (&'a str, usize, &'a str, &'a [&'a str], &'a [&'a str], &'a str, &'a dyn Fn(&str) -> Value);

fn check_text(all: &mut Vec<Case>, (field, most, longest, good, bad, message, set): &Text<'_>) {
    let (rule, length) = (format!("{field}:cel:{message}"), format!("{field}:maxLength"));
    all.extend(good.iter().map(|text| accept(&rule, text, machine(set(text)))));
    all.extend([&"", &" "].into_iter().chain(*bad).map(|text| refuse_by_rule(&rule, &format!("{text:?}"), machine(set(text)))));
    all.push(accept(&length, "as long as it may be", machine(set(longest))));
    all.push(refuse(&length, "longer", machine(set(&format!("{longest}a"))), &format!("may not be more than {most} bytes")));
}

/// Ids of Paperspace: what people write instead is a name.
fn names(all: &mut Vec<Case>) {
    let longest = "x".repeat(64);
    let rows: [(&str, &str, &dyn Fn(&str) -> Value); 5] = [
        ("spec.templateId", "write the template's id", &|v| json!({"templateId": v})),
        ("spec.networkId", "write the network's id", &|v| json!({"networkId": v})),
        ("spec.restorePoint.snapshotId", "write the snapshot's id", &|v| json!({"restorePoint": {"snapshotId": v}})),
        ("spec.startupScript.scriptId", "write the startup script's id", &|v| json!({"startupScript": {"scriptId": v}})),
        ("spec.adopt.machineId", "write the machine's id", &|v| json!({"adopt": {"machineId": v}})),
    ];
    for (field, message, set) in rows {
        check_text(all, &(field, 64, &longest, &["abc123", "X"], &["Ubuntu 22.04", "my-network", "a/b", "ñ1", "abc123\n"], message, set));
    }
}

fn texts(all: &mut Vec<Case>) {
    let long = |most: usize| "x".repeat(most);
    let rows: [Text<'_>; 6] = [
        (
            "spec.machineType",
            32,
            &long(32),
            &["C5", "A100-80Gx8", "GPU+", "H100x8", "V100-32G"],
            &["Quadro P4000", "+", "C5\n"],
            "write the label of a machine type",
            &|v| json!({"machineType": v}),
        ),
        (
            "spec.region",
            6,
            "ABCD12",
            &["NY2", "CA1", "AMS1"],
            &["ny2", "NY", "N2", "NY 2"],
            "write the region's code in capitals",
            &|v| json!({"region": v}),
        ),
        (
            "spec.machineName",
            100,
            &long(100),
            &["test machine", "a", "web-01.prod_eu"],
            &["-web", "web-", "web/1", "grün"],
            "write letters, digits, spaces, dots, dashes and underscores",
            &|v| json!({"machineName": v}),
        ),
        (
            "spec.adopt.replaceMark",
            12,
            "0123456789ab",
            &["3f9c2a7b51de"],
            &["3F9C2A7B51DE", "3f9c2a7b51d", "web-3f9c2a7b"],
            "write the 12 digits",
            &|v| json!({"adopt": {"machineId": "psvv2ew1gd4s", "replaceMark": v}}),
        ),
        (
            "spec.credentialsRef.name",
            253,
            &long(253),
            &["paperspace", "team-a.key"],
            &["Paperspace", "key_1", "-key", "other/key"],
            "write the name of a Secret",
            &|v| json!({"credentialsRef": {"name": v}}),
        ),
        (
            "spec.credentialsRef.key",
            253,
            &long(253),
            &["apiKey", "api-key", "PAPERSPACE_API_KEY", "key.txt"],
            &["api key", "a/b"],
            "write a key of the Secret's data",
            &|v| json!({"credentialsRef": {"name": "paperspace", "key": v}}),
        ),
    ];
    for row in &rows {
        check_text(all, row);
    }
}

/// Types, and null, which is the same as leaving a field out.
fn shapes(all: &mut Vec<Case>) {
    for (field, wrong, kind) in [
        ("diskSizeGB", json!("50"), "integer"),
        ("diskSizeGB", json!(50.5), "integer"),
        ("suspend", json!("true"), "boolean"),
        ("machineType", json!(5), "string"),
        ("publicIp", json!("Static"), "object"),
        ("autoShutdown", json!(6), "object"),
    ] {
        let name = format!("{wrong}");
        all.push(refuse(&format!("spec.{field}:type"), &name, machine(json!({field: wrong})), &format!("must be of type {kind}")));
    }
    for field in ["networkId", "publicIp", "powerState", "emailPassword", "deletionPolicy", "adopt"] {
        let mut new = machine(json!({}));
        new["spec"][field] = Value::Null;
        all.push(accept(&format!("spec.{field}:type"), "null", new));
    }
    let mut null = machine(json!({}));
    null["spec"]["region"] = Value::Null;
    all.push(refuse("spec:required.region", "null", null, "spec.region: Required value"));
}
