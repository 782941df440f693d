//! What a Kubernetes API server checks of an object, as far as this CRD asks for it, so that it can be asked without a server.
//!
//! kube evaluates the CEL rules; the rest of the schema is checked here. A general JSON Schema validator would be as many crates again as
//! kube's CEL, and is none for structural schemas (defaults, pruned nulls, lists that are maps). A keyword that is not known here panics,
//! so the check cannot lag behind the schema. `tests/e2e` compares the answers with those of a real server.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

/// The OpenAPI schema of the CRD.
pub(crate) fn openapi() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let crd = serde_json::to_value(paperspace_operator::crd::crd()).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    });
    &SCHEMA
}

static RULES: LazyLock<CompiledSchema> = LazyLock::new(|| compile_schema(openapi()));

/// Something that the schema forbids: `constraint` is where and what (`spec.region:maxLength`, `spec.templateId:cel:templateId is required…`),
/// as in [`constraints`].
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) constraint: String,
    pub(crate) message: String,
}

/// What is wrong with `new`, created or, with `old`, changed.
pub(crate) fn violations(new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let schema = openapi();
    let (new, old) = (without_nulls(new), old.map(without_nulls));
    let mut found = Vec::new();
    check("", schema, &new, &mut found);
    // As the server does: what has the wrong shape or size is not given to the rules.
    let blocks = |v: &Violation| !["minimum", "maximum"].iter().any(|keyword| v.constraint.ends_with(keyword));
    if !found.iter().any(blocks) {
        for error in Validator::new().validate_compiled(&RULES, &new, old.as_ref()).err().into_iter().flatten() {
            assert_eq!(error.kind, ErrorKind::ValidationFailure, "a rule that cannot be evaluated: {error}");
            found.push(Violation {
                constraint: format!("{}:cel:{}", error.field_path.trim_start_matches('.'), error.message),
                message: error.message,
            });
        }
    }
    found
}

/// Every constraint of the schema. Types are not counted: every field has one.
pub(crate) fn constraints() -> BTreeSet<String> {
    fn walk(path: &str, schema: &Value, all: &mut BTreeSet<String>) {
        let here = or_resource(path);
        for (keyword, value) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "enum" | "minimum" | "maximum" | "maxLength" | "maxItems" | "x-kubernetes-list-map-keys" => {
                    all.insert(format!("{here}:{keyword}"));
                }
                "required" => {
                    all.extend(value.as_array().unwrap().iter().map(|field| format!("{here}:required.{}", field.as_str().unwrap())));
                }
                "x-kubernetes-validations" => {
                    all.extend(value.as_array().unwrap().iter().map(|rule| {
                        let shown = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
                        format!("{}:cel:{}", shown.trim_start_matches('.'), rule["message"].as_str().unwrap())
                    }));
                }
                "properties" => value.as_object().unwrap().iter().for_each(|(name, field)| walk(&join(path, name), field, all)),
                "items" => walk(&format!("{path}[]"), value, all),
                "default" | "description" | "format" | "title" | "type" | "x-kubernetes-list-type" => {}
                other => panic!("{here}: the keyword {other} is not known to this test"),
            }
        }
    }
    let mut all = BTreeSet::new();
    walk("", openapi(), &mut all);
    all
}

fn or_resource(path: &str) -> &str {
    if path.is_empty() { "resource" } else { path }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The server takes null in a field that is not nullable for absent.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn check(path: &str, schema: &Value, value: &Value, found: &mut Vec<Violation>) {
    let mut refuse = |keyword: &str, message: String| {
        found.push(Violation { constraint: format!("{}:{keyword}", or_resource(path)), message: format!("{path}: {message}") });
    };
    let bound = |keyword: &str| schema[keyword].as_f64();
    let kind = schema["type"].as_str().unwrap();
    match (kind, value) {
        ("object", Value::Object(_)) | ("array", Value::Array(_)) | ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => {}
        ("integer", Value::Number(number)) if number.is_i64() => {}
        _ => return refuse("type", format!("{path} in body must be of type {kind}")),
    }
    if schema.get("enum").is_some_and(|allowed| !allowed.as_array().unwrap().contains(value)) {
        refuse("enum", format!("Unsupported value: {value}: supported values: {}", schema["enum"]));
    }
    if let Some(least) = bound("minimum").filter(|least| value.as_f64().is_some_and(|n| n < *least)) {
        refuse("minimum", format!("{path} in body should be greater than or equal to {least}"));
    }
    if let Some(most) = bound("maximum").filter(|most| value.as_f64().is_some_and(|n| n > *most)) {
        refuse("maximum", format!("{path} in body should be less than or equal to {most}"));
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| value.as_str().is_some_and(|s| s.chars().count() as u64 > *most)) {
        refuse("maxLength", format!("Too long: may not be more than {most} bytes"));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| value.as_array().is_some_and(|a| a.len() as u64 > *most)) {
        refuse("maxItems", format!("Too many: must have at most {most} items"));
    }
    if let (Some(keys), Some(items)) = (schema["x-kubernetes-list-map-keys"].as_array(), value.as_array()) {
        let names: Vec<Vec<&Value>> = items.iter().map(|item| keys.iter().map(|key| &item[key.as_str().unwrap()]).collect()).collect();
        if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
            refuse("x-kubernetes-list-map-keys", "Duplicate value".to_owned());
        }
    }
    for field in schema["required"].as_array().into_iter().flatten().map(|field| field.as_str().unwrap()) {
        if value.get(field).is_none() {
            refuse(&format!("required.{field}"), format!("{}: Required value", join(path, field)));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => check(&join(path, name), schema, field, found),
            None if path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) => {}
            // The server itself drops these; kubectl refuses them before.
            None => found
                .push(Violation { constraint: format!("{}:unknown", join(path, name)), message: format!("unknown field {path}.{name}") }),
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(&format!("{path}[]"), &schema["items"], item, found);
    }
}
