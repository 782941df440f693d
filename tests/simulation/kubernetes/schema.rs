//! What a schema says of a value: its shape, what is unknown, what has a default, what is wrong.

use serde_json::{Map, Value, json};

use super::errors::Cause;

/// Metadata that the server writes, and that nobody owns.
pub(super) const SERVERS_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// The schema of a custom resource, with what every object has.
pub(super) fn whole(mut own: Value) -> Value {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let mut metadata = json!({
        "labels": texts, "annotations": texts, "generateName": {"type": "string"},
        "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "type": "array", "items": {"x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": true},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
        },
    });
    for name in SERVERS_METADATA {
        metadata[name] = json!({"x-kubernetes-preserve-unknown-fields": true});
    }
    let properties = &mut own["properties"];
    properties["apiVersion"] = json!({"type": "string"});
    properties["kind"] = json!({"type": "string"});
    properties["metadata"] = json!({"type": "object", "properties": metadata});
    own
}

/// How a value is owned and merged: as one, by its fields or by its items.
pub(super) enum Shape<'v> {
    Leaf,
    Map(&'v Map<String, Value>),
    /// A list of items that are told apart by these of their fields.
    ListMap(Vec<&'v str>),
    /// A list of items that are told apart by their value.
    Set,
}

pub(super) fn shape<'v>(schema: &'v Value, value: &'v Value) -> Shape<'v> {
    match value {
        Value::Object(fields) if schema["x-kubernetes-map-type"] != "atomic" => Shape::Map(fields),
        Value::Array(_) => match schema["x-kubernetes-list-type"].as_str() {
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                Shape::ListMap(keys)
            }
            Some("set") => Shape::Set,
            _ => Shape::Leaf,
        },
        _ => Shape::Leaf,
    }
}

/// The schema of a field; null where nothing is known of it.
pub(super) fn child<'s>(schema: &'s Value, name: &str) -> &'s Value {
    if names(schema, name) { &schema["properties"][name] } else { &schema["additionalProperties"] }
}

/// Whether the schema names this field.
pub(super) fn names(schema: &Value, name: &str) -> bool {
    schema["properties"].get(name).is_some()
}

/// What of a value the schema does not know, or knows as something else.
pub(super) fn untyped(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(wanted) = schema["type"].as_str().filter(|wanted| !(is_a(value, wanted) || value.is_number() && *wanted == "integer")) {
        return found.push(format!(".{path}: expected {wanted}"));
    }
    each_child(value, schema, path, |known, child, schema, path| {
        if known { untyped(child, schema, &path, found) } else { found.push(format!(".{path}: field not declared in schema")) }
    });
}

fn each_child(value: &Value, schema: &Value, path: &str, mut act: impl FnMut(bool, &Value, &Value, String)) {
    match value {
        Value::Object(fields) => {
            let open =
                schema.is_null() || schema["x-kubernetes-preserve-unknown-fields"] == true || schema.get("additionalProperties").is_some();
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                act(open || names(schema, name), value, child(schema, name), path);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                act(true, item, &schema["items"], format!("{path}[{n}]"));
            }
        }
        _ => {}
    }
}

/// As a value is read: without unknown fields, with defaults.
pub(super) fn read(value: &mut Value, schema: &Value) {
    if schema.is_null() {
        return;
    }
    match value {
        Value::Object(fields) => {
            let open = schema["x-kubernetes-preserve-unknown-fields"] == true || schema.get("additionalProperties").is_some();
            fields.retain(|name, _| open || names(schema, name));
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = schema.get("default").filter(|_| fields.get(name).is_none_or(Value::is_null)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields {
                read(value, child(schema, name));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| read(item, &schema["items"])),
        _ => {}
    }
}

/// What is wrong with a value, as far as types, required fields, enumerations and bounds say.
pub(super) fn faults(value: &Value, schema: &Value, path: &str, found: &mut Vec<Cause>) {
    let mut fault = |reason: &'static str, field: String, message: String| found.push(Cause { reason, field, message });
    if let Some(wanted) = schema["type"].as_str().filter(|wanted| !is_a(value, wanted)) {
        let given = if value.is_null() { "\"null\"".to_owned() } else { value.to_string() };
        let message = format!("Invalid value: {given}: {path} in body must be of type {wanted}: {given}");
        return fault("FieldValueTypeInvalid", path.to_owned(), message);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| value.get(name).is_none()) {
        fault("FieldValueRequired", format!("{path}.{name}").trim_start_matches('.').to_owned(), "Required value".to_owned());
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        let list: Vec<String> = values.iter().map(Value::to_string).collect();
        fault("FieldValueNotSupported", path.to_owned(), format!("Unsupported value: {value}: supported values: {}", list.join(", ")));
    }
    let bound = |name: &str| schema[name].as_f64();
    let number = value.as_f64();
    if let (Some(number), Some(least)) = (number, bound("minimum"))
        && number < least
    {
        let message = format!("Invalid value: {value}: {path} in body should be greater than or equal to {least}");
        fault("FieldValueInvalid", path.to_owned(), message);
    }
    if let (Some(number), Some(most)) = (number, bound("maximum"))
        && number > most
    {
        fault(
            "FieldValueInvalid",
            path.to_owned(),
            format!("Invalid value: {value}: {path} in body should be less than or equal to {most}"),
        );
    }
    let count = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
    if let (Some(text), Some(most)) = (value.as_str(), count("maxLength"))
        && text.chars().count() > most
    {
        fault("FieldValueTooLong", path.to_owned(), format!("Too long: may not be more than {most} bytes"));
    }
    if let (Some(items), Some(most)) = (value.as_array(), count("maxItems"))
        && items.len() > most
    {
        fault("FieldValueTooMany", path.to_owned(), format!("Too many: {}: must have at most {most} items", items.len()));
    }
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if let shape @ (Shape::ListMap(_) | Shape::Set) = shape(schema, value) {
        for (n, item) in items.iter().enumerate().filter(|(n, item)| items[..*n].iter().any(|one| same_item(one, item, &shape))) {
            found.push(Cause { reason: "FieldValueDuplicate", field: format!("{path}[{n}]"), message: format!("Duplicate value: {item}") });
        }
    }
    each_child(value, schema, path, |_, child, schema, path| faults(child, schema, &path, found));
}

fn same_item(one: &Value, other: &Value, shape: &Shape<'_>) -> bool {
    match shape {
        Shape::ListMap(keys) => keys.iter().all(|key| one[*key] == other[*key]),
        _ => one == other,
    }
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    }
}
