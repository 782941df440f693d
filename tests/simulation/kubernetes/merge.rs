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

/// Items of both. Those that both have come in the configuration's order; live items that it lacks keep their place before the next of
/// those; new items come where the configuration has them, as far as that leaves room.
fn merged_lists(live: &[Value], config: &[Value], shape: &Shape<'_>, items: &Value) -> Vec<Value> {
    let old: Vec<Step> = live.iter().map(|item| step_to(item, shape)).collect();
    let new: Vec<Step> = config.iter().map(|item| step_to(item, shape)).collect();
    let both = |n: usize| {
        let before = old.iter().position(|step| *step == new[n]);
        before.map_or_else(|| config[n].clone(), |o| merged(&live[o], &config[n], items))
    };
    let mut out = Vec::new();
    let (mut o, mut n) = (0, 0);
    while o < old.len() || n < new.len() {
        if o < old.len() && !new.contains(&old[o]) {
            out.push(live[o].clone());
            o += 1;
        } else if o < old.len() && (new[..n].contains(&old[o]) || n < new.len() && old[o] != new[n] && old.contains(&new[n])) {
            // It is there already, or comes when it is its turn in the configuration.
            o += 1;
        } else {
            out.push(both(n));
            n += 1;
        }
    }
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
