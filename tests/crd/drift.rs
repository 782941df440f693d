//! `crds/` is what the program prints.

use paperspace_operator::crd;
use serde_json::Value;

use super::yaml;

const FILE: &str = "crds/paperspacemachines.yaml";

#[test]
fn the_file_is_what_the_types_say() {
    let stored: Value = yaml::documents(&yaml::at(FILE)).remove(0);
    let derived = serde_json::to_value(crd::crd()).unwrap();
    if let Some(path) = first_difference("", &floats(&stored), &floats(&derived)) {
        panic!("{FILE} differs from the types at {path}\n{REGENERATE}");
    }
    assert!(yaml::text(&yaml::at(FILE)) == crd::yaml().unwrap(), "{FILE} says the same in other words\n{REGENERATE}");
}

const REGENERATE: &str = "write it anew with: make crd";

/// 50 and 50.0 are the same bound.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        other => other.clone(),
    }
}

fn first_difference(path: &str, stored: &Value, derived: &Value) -> Option<String> {
    match (stored, derived) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
            first_difference(&format!("{path}.{key}"), a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| first_difference(&format!("{path}[{i}]"), a, b))
        }
        (a, b) => (a != b).then(|| format!("{path}: {a} in the file, {b} derived")),
    }
}

/// The server refuses a definition whose rules may cost too much, and unbounded text is what makes them cost.
#[test]
fn everything_in_the_spec_is_bounded() {
    fn walk(path: &str, schema: &Value, unbounded: &mut Vec<String>) {
        let bound = match schema["type"].as_str() {
            Some("string") if schema.get("enum").is_none() => "maxLength",
            Some("array") => "maxItems",
            Some("integer") => "maximum",
            _ => "type",
        };
        if schema.get(bound).is_none() {
            unbounded.push(format!("{path} has no {bound}"));
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), field, unbounded);
        }
        if let Some(items) = schema.get("items") {
            walk(&format!("{path}[]"), items, unbounded);
        }
    }
    let mut unbounded = Vec::new();
    walk("spec", &super::schema::openapi()["properties"]["spec"], &mut unbounded);
    assert_eq!(unbounded, Vec::<String>::new());
}
