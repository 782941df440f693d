//! What goes with a machine: template and network by name, addresses, scripts, people, and where its connection is published.

use serde_json::{Value, json};

use super::fields::{Text, check_text};
use super::{Case, accept, machine, refuse, refuse_by_rule};

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    templates(&mut all);
    networks(&mut all);
    addresses(&mut all);
    scripts(&mut all);
    accessors(&mut all);
    texts(&mut all);
    required(&mut all);
    all
}

fn by_name(template: Value) -> Value {
    machine(json!({"templateId": null, "template": template}))
}

fn templates(all: &mut Vec<Case>) {
    let rule = "spec.template:cel:templateId and template are two ways to say the same";
    all.push(accept(rule, "template alone", by_name(json!({"osLabel": "Ubuntu 22.04"}))));
    all.push(refuse_by_rule(rule, "both", machine(json!({"template": {"osLabel": "Ubuntu 22.04"}}))));

    let rule = "spec.template:cel:write exactly one of osLabel";
    all.push(accept(rule, "customName", by_name(json!({"customName": "my image"}))));
    all.push(refuse_by_rule(rule, "none", by_name(json!({}))));
    all.push(refuse_by_rule(rule, "both", by_name(json!({"osLabel": "Ubuntu 22.04", "customName": "my image"}))));

    let rule = "spec.template:cel:template is fixed";
    let ubuntu = || by_name(json!({"osLabel": "Ubuntu 22.04"}));
    all.push(accept(rule, "the same", ubuntu()).after(ubuntu()));
    all.push(refuse_by_rule(rule, "another", by_name(json!({"osLabel": "Ubuntu 20.04"}))).after(ubuntu()));
    all.push(refuse_by_rule(rule, "another kind", by_name(json!({"customName": "Ubuntu 22.04"}))).after(ubuntu()));
    let adopting = |template: Value| machine(json!({"templateId": null, "template": template, "adopt": {"machineId": "psvv2ew1gd4s"}}));
    all.push(refuse_by_rule(rule, "removed", adopting(Value::Null)).after(adopting(json!({"osLabel": "Ubuntu 22.04"}))));
    all.push(refuse_by_rule(rule, "added", adopting(json!({"osLabel": "Ubuntu 22.04"}))).after(adopting(Value::Null)));
}

fn networks(all: &mut Vec<Case>) {
    let rule = "spec.networkName:cel:networkId and networkName are two ways to say the same";
    all.push(accept(rule, "the name alone", machine(json!({"networkName": "lab"}))));
    all.push(refuse_by_rule(rule, "both", machine(json!({"networkName": "lab", "networkId": "n1"}))));
    let rule = "spec.networkId:cel:a machine cannot leave its private network";
    let (id, name) = (|| json!({"networkId": "n1"}), || json!({"networkName": "lab"}));
    all.push(accept(rule, "the id becomes a name", machine(name())).after_spec(id()));
    all.push(accept(rule, "the name becomes an id", machine(id())).after_spec(name()));
    all.push(accept(rule, "another name", machine(json!({"networkName": "office"}))).after_spec(name()));
    all.push(refuse_by_rule(rule, "the name removed", machine(json!({}))).after_spec(name()));
}

fn addresses(all: &mut Vec<Case>) {
    let with = |kind: &str| machine(json!({"publicIp": {"type": kind, "address": "203.0.113.7"}}));
    let rule = "spec.publicIp.address:cel:address is for static addresses";
    all.push(accept(rule, "Static", with("Static")));
    all.push(refuse_by_rule(rule, "Dynamic", with("Dynamic")));
    all.push(refuse_by_rule(rule, "None", with("None")));
    let address = |text: &str| machine(json!({"publicIp": {"type": "Static", "address": text}}));
    let rule = "spec.publicIp.address:cel:write an IPv4 address";
    all.extend(["0.0.0.0", "255.255.255.255", "10.1.2.3"].map(|text| accept(rule, text, address(text))));
    for text in ["", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", "::1", "example.com"] {
        all.push(refuse_by_rule(rule, &format!("{text:?}"), address(text)));
    }
    let length = "spec.publicIp.address:maxLength";
    all.push(accept(length, "as long as it may be", address("203.113.113.113")));
    all.push(refuse(length, "longer", address("2001:db8::1234:5678"), "may not be more than 15 bytes"));
}

fn script(script: Value) -> Value {
    machine(json!({"startupScript": script}))
}

fn scripts(all: &mut Vec<Case>) {
    let reference = || json!({"name": "setup", "key": "script.sh"});
    let rule = "spec.startupScript:cel:write exactly one of scriptId, inline, configMapKeyRef and secretKeyRef";
    all.push(accept(rule, "scriptId", script(json!({"scriptId": "sc1"}))));
    all.push(accept(rule, "inline", script(json!({"inline": "#!/bin/bash\ntrue\n"}))));
    all.push(accept(rule, "configMapKeyRef", script(json!({"configMapKeyRef": reference()}))));
    all.push(accept(rule, "secretKeyRef", script(json!({"secretKeyRef": reference(), "runOnce": true}))));
    all.push(accept(rule, "one becomes another", script(json!({"inline": "true"}))).after(script(json!({"scriptId": "sc1"}))));
    all.push(refuse_by_rule(rule, "none", script(json!({}))));
    all.push(refuse_by_rule(rule, "none but runOnce", script(json!({"runOnce": true}))));
    all.push(refuse_by_rule(rule, "two", script(json!({"scriptId": "sc1", "inline": "true"}))));
    all.push(refuse_by_rule(rule, "two references", script(json!({"configMapKeyRef": reference(), "secretKeyRef": reference()}))));

    let rule = "spec.startupScript.runOnce:cel:runOnce is a property of the script that scriptId names";
    all.push(accept(rule, "with an inline script", script(json!({"inline": "true", "runOnce": true}))));
    all.push(accept(rule, "false", script(json!({"scriptId": "sc1", "runOnce": false}))));
    all.push(refuse_by_rule(rule, "with scriptId", script(json!({"scriptId": "sc1", "runOnce": true}))));

    let rule = "spec.startupScript.inline:cel:write the script";
    all.push(accept(rule, "one character", script(json!({"inline": ":"}))));
    all.push(refuse_by_rule(rule, "empty", script(json!({"inline": ""}))));
    let length = "spec.startupScript.inline:maxLength";
    all.push(accept(length, "as long as it may be", script(json!({"inline": "x".repeat(16384)}))));
    all.push(refuse(length, "longer", script(json!({"inline": "x".repeat(16385)})), "may not be more than 16384 bytes"));
}

fn accessors(all: &mut Vec<Case>) {
    let with = |field: &str, people: Vec<String>| machine(json!({"accessors": {field: people}}));
    let some = |text: &str| vec![text.to_owned()];
    let rows: [(&str, usize, &str, &[&str], &[&str], &dyn Fn(usize) -> String); 2] = [
        ("userIds", 64, "write users' ids", &["ur7p0nb7n", "U1"], &["", "ann@example.com", "a b", "u/1"], &|n| format!("u{n}")),
        (
            "emails",
            254,
            "write e-mail addresses",
            &["ann@example.com", "a+b@c"],
            &["", "ann", "@example.com", "ann@", "a b@c", "a@b@c"],
            &|n| format!("u{n}@example.com"),
        ),
    ];
    for (field, longest, message, good, bad, one) in rows {
        let path = format!("spec.accessors.{field}");
        let rule = format!("{path}:cel:{message}");
        all.extend(good.iter().map(|text| accept(&rule, text, with(field, some(text)))));
        all.extend(bad.iter().map(|text| refuse_by_rule(&rule, &format!("{text:?}"), with(field, some(text)))));
        let people = |count: usize| -> Vec<String> { (0..count).map(one).collect() };
        let most = format!("{path}:maxItems");
        all.push(accept(&most, "as many as there may be", with(field, people(64))));
        all.push(refuse(&most, "more", with(field, people(65)), "must have at most 64 items"));
        let long = |length: usize| format!("{}{}", "x".repeat(length - one(0).len()), one(0));
        let length = format!("{path}[]:maxLength");
        all.push(accept(&length, "as long as it may be", with(field, vec![long(longest)])));
        all.push(refuse(&length, "longer", with(field, vec![long(longest + 1)]), &format!("may not be more than {longest} bytes")));
    }
    all.push(accept("spec.accessors", "nobody", machine(json!({"accessors": {"exact": true}}))));
}

fn texts(all: &mut Vec<Case>) {
    let long = |most: usize| "x".repeat(most);
    let any_name = ["lab", "Office (2nd floor)", "ü"];
    for (field, message, set) in [
        ("spec.networkName", "write the network's name", (|v| machine(json!({"networkName": v}))) as fn(&str) -> Value),
        ("spec.template.osLabel", "write the label of an operating system", |v| by_name(json!({"osLabel": v}))),
        ("spec.template.customName", "write the name of a custom template", |v| by_name(json!({"customName": v}))),
    ] {
        let (rule, length) = (format!("{field}:cel:{message}"), format!("{field}:maxLength"));
        all.extend(any_name.map(|name| accept(&rule, name, set(name))));
        all.push(refuse_by_rule(&rule, "empty", set("")));
        all.push(accept(&length, "as long as it may be", set(&long(100))));
        all.push(refuse(&length, "longer", set(&long(101)), "may not be more than 100 bytes"));
    }
    let (name, key) = ("write the name of a ConfigMap or Secret", "write a key of the object's data");
    let (good_names, bad_names): (&[&str], &[&str]) = (&["setup", "team-a.scripts"], &["Setup", "setup_1", "-x", "other/setup"]);
    let (good_keys, bad_keys): (&[&str], &[&str]) = (&["script.sh", "SETUP_1"], &["a b", "a/b"]);
    let longest = long(253);
    let rows: [Text<'_>; 5] = [
        (
            "spec.startupScript.configMapKeyRef.name",
            253,
            &longest,
            good_names,
            bad_names,
            name,
            &|v| json!({"startupScript": {"configMapKeyRef": {"name": v, "key": "k"}}}),
        ),
        (
            "spec.startupScript.configMapKeyRef.key",
            253,
            &longest,
            good_keys,
            bad_keys,
            key,
            &|v| json!({"startupScript": {"configMapKeyRef": {"name": "n", "key": v}}}),
        ),
        (
            "spec.startupScript.secretKeyRef.name",
            253,
            &longest,
            good_names,
            bad_names,
            name,
            &|v| json!({"startupScript": {"secretKeyRef": {"name": v, "key": "k"}}}),
        ),
        (
            "spec.startupScript.secretKeyRef.key",
            253,
            &longest,
            good_keys,
            bad_keys,
            key,
            &|v| json!({"startupScript": {"secretKeyRef": {"name": "n", "key": v}}}),
        ),
        (
            "spec.writeConnectionTo.configMapName",
            253,
            &longest,
            good_names,
            bad_names,
            "write the name of a ConfigMap",
            &|v| json!({"writeConnectionTo": {"configMapName": v}}),
        ),
    ];
    for row in &rows {
        check_text(all, row);
    }
}

fn required(all: &mut Vec<Case>) {
    for (parent, whole, set) in [
        (
            "startupScript.configMapKeyRef",
            json!({"name": "n", "key": "k"}),
            (|v| json!({"startupScript": {"configMapKeyRef": v}})) as fn(Value) -> Value,
        ),
        ("startupScript.secretKeyRef", json!({"name": "n", "key": "k"}), |v| json!({"startupScript": {"secretKeyRef": v}})),
        ("writeConnectionTo", json!({"configMapName": "c"}), |v| json!({"writeConnectionTo": v})),
    ] {
        for field in whole.as_object().unwrap().keys() {
            let covers = format!("spec.{parent}:required.{field}");
            let mut rest = whole.clone();
            rest.as_object_mut().unwrap().remove(field);
            all.push(accept(&covers, "given", machine(set(whole.clone()))));
            all.push(refuse(&covers, "left out", machine(set(rest)), &format!("spec.{parent}.{field}: Required value")));
        }
    }
}
