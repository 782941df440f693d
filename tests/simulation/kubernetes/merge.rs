//! Objects merged and pruned field by field, as server-side apply does.

use serde_json::{Map, Value};

use super::fieldset::{Path, Set, Step, step_to};
use super::schema::{self, Shape};

/// The live object with what the configuration says.
pub(super) fn merged(live: &Value, config: &Value, schema: &Value) -> Value {
    match (schema::shape(schema, config), live) {
        (Shape::Map(fields), Value::Object(old)) => {
            let mut out = old.clone();
            for (name, value) in fields {
                let value = match old.get(name) {
                    Some(live) => merged(live, value, schema::child(schema, name)),
                    None => value.clone(),
                };
                out.insert(name.clone(), value);
            }
            Value::Object(out)
        }
        (shape @ (Shape::ListMap(_) | Shape::Set), Value::Array(old)) => {
            let new = config.as_array().map(Vec::as_slice).unwrap_or_default();
            Value::Array(merged_lists(old, new, &shape, &schema["items"]))
        }
        _ => config.clone(),
    }
}

/// Items of both; those of the configuration in its order, the others where they were.
fn merged_lists(live: &[Value], config: &[Value], shape: &Shape<'_>, items: &Value) -> Vec<Value> {
    let wanted: Vec<Step> = config.iter().map(|item| step_to(item, shape)).collect();
    let present: Vec<Step> = live.iter().map(|item| step_to(item, shape)).collect();
    let mut out = Vec::new();
    let mut rest = wanted.iter().zip(config).peekable();
    for (step, old) in present.iter().zip(live) {
        if !wanted.contains(step) {
            out.push(old.clone());
            continue;
        }
        // New items go before the next one that both have.
        while let Some((_, value)) = rest.next_if(|(next, _)| !present.contains(next)) {
            out.push(value.clone());
        }
        if let Some((next, value)) = rest.next() {
            let old = present.iter().position(|one| one == next).map(|n| &live[n]);
            out.push(old.map_or_else(|| value.clone(), |old| merged(old, value, items)));
        }
    }
    out.extend(rest.map(|(_, value)| value.clone()));
    out
}

/// The object without these fields.
pub(super) fn without(object: &Value, set: &Set, schema: &Value) -> Value {
    remove(object, set, schema, &mut Vec::new())
}

fn remove(value: &Value, set: &Set, schema: &Value, path: &mut Path) -> Value {
    if !path.is_empty() && !set.goes_below(path) {
        return value.clone();
    }
    match schema::shape(schema, value) {
        Shape::Leaf => value.clone(),
        Shape::Map(fields) => {
            let mut out = Map::new();
            for (name, child) in fields {
                path.push(Step::Field(name.clone()));
                if !set.0.contains(path) {
                    out.insert(name.clone(), remove(child, set, schema::child(schema, name), path));
                }
                path.pop();
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        ref shape @ (Shape::ListMap(_) | Shape::Set) => {
            let mut out = Vec::new();
            for item in value.as_array().into_iter().flatten() {
                path.push(step_to(item, shape));
                if !set.0.contains(path) {
                    out.push(remove(item, set, &schema["items"], path));
                }
                path.pop();
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
    }
}
