//! Who owns which field. An apply erases what its manager applied before, leaves out now, and nobody else owns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::errors::{Cause, Refusal};
use super::fieldset::{Difference, Set, Step, difference, doubles, fields_of};
use super::merge::{merged, without};
use super::schema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: Operation,
    pub(super) status: bool,
}

/// What a manager owns, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Owned {
    pub(super) fields: Set,
    pub(super) time: String,
}

pub(super) type Managers = BTreeMap<Manager, Owned>;

/// What the writes of one request may touch and what their fields are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'s> {
    pub(super) schema: &'s Value,
    pub(super) ignored: &'s [&'s str],
    pub(super) api_version: &'s str,
    pub(super) time: &'s str,
}

/// Takes note of a write that is no apply.
pub(super) fn updated(old: &Value, new: &Value, managers: &mut Managers, me: &Manager, scope: &Scope<'_>) {
    let found = difference(old, new, scope.schema).without(scope.ignored);
    let written = found.modified.union(&found.added).with_owners();
    // What is written belongs to the writer alone; to itself it comes back below.
    let mine = managers.get(me).map(|owned| owned.fields.minus(&found.removed)).unwrap_or_default();
    give_up(managers, &found, None);
    if !written.is_empty() {
        managers.insert(me.clone(), Owned { fields: mine.union(&written), time: scope.time.to_owned() });
    } else if !mine.is_empty() {
        managers.entry(me.clone()).or_default().fields = mine;
    }
}

/// The object with this configuration applied.
pub(super) fn applied(
    live: &Value,
    config: &Value,
    managers: &mut Managers,
    me: &Manager,
    force: bool,
    scope: &Scope<'_>,
) -> Result<Value, Refusal> {
    let schema = scope.schema;
    typed(config, scope)?;
    let fields = fields_of(config, schema).without(scope.ignored);
    let before = managers.get(me).cloned().unwrap_or_default();
    managers.insert(me.clone(), Owned { fields, time: before.time.clone() });
    let new = pruned(merged(live, config, schema), &before.fields, managers, schema);
    let found = difference(live, &new, schema);
    let owned = found.without(scope.ignored);
    let conflicts = conflicts(managers, &owned, me, scope.api_version);
    if !force && !conflicts.is_empty() {
        return Err(Refusal::owned_by_others(&conflicts));
    }
    give_up(managers, &owned, Some(me));
    if let Some(owned) = managers.get_mut(me) {
        owned.fields = owned.fields.with_owners();
        scope.time.clone_into(&mut owned.time);
    }
    managers.retain(|_, owned| !owned.fields.is_empty());
    Ok(new)
}

/// What is applied must be known to the schema, and its list items be told apart.
fn typed(config: &Value, scope: &Scope<'_>) -> Result<(), Refusal> {
    let mut wrong = Vec::new();
    schema::untyped(config, scope.schema, "", &mut wrong);
    wrong.extend(doubles(config, scope.schema).iter().map(|path| format!("{}: duplicate entries for key", dotted(path))));
    if wrong.is_empty() {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let [namespace, name, kind] = [&config["metadata"]["namespace"], &config["metadata"]["name"], &config["kind"]].map(text);
    let place = format!("{namespace}/{name}; {}, Kind={kind}", scope.api_version);
    Err(Refusal::internal(format!("failed to create typed patch object ({place}): {}", wrong.join("\n"))))
}

/// Without what was applied last time and is owned by nobody now.
fn pruned(merged: Value, last: &Set, managers: &Managers, schema: &Value) -> Value {
    if last.is_empty() {
        return merged;
    }
    let last = last.with_parents();
    let all = fields_of(&merged, schema).with_parents();
    let owned = managers.values().fold(Set::default(), |all, owned| all.union(&owned.fields)).with_parents();
    let has = |object: &Value| fields_of(object, schema).with_parents();
    let first = without(&merged, &last, schema);
    let second = without(&merged, &all.minus(&has(&first).union(&owned)), schema);
    without(&merged, &all.minus(&has(&second)).intersection(&last), schema)
}

fn conflicts(managers: &Managers, found: &Difference, me: &Manager, api_version: &str) -> Vec<Cause> {
    let written = found.modified.union(&found.added);
    let others = managers.iter().filter(|(other, _)| *other != me);
    let of = |(other, owned): (&Manager, &Owned)| {
        let subresource = if other.status { " with subresource \"status\"" } else { "" };
        let message = format!("conflict with {:?}{subresource} using {api_version}", other.name);
        let cause = |path: &Vec<Step>| Cause { reason: "FieldManagerConflict", field: dotted(path), message: message.clone() };
        owned.fields.intersection(&written).0.iter().map(cause).collect::<Vec<_>>()
    };
    others.flat_map(of).collect()
}

/// What others owned and somebody has now written or removed is theirs no longer.
fn give_up(managers: &mut Managers, found: &Difference, writer: Option<&Manager>) {
    let written = found.modified.union(&found.added).union(&found.removed);
    managers.retain(|manager, owned| {
        if Some(manager) != writer {
            owned.fields = owned.fields.minus(&written);
        }
        !owned.fields.is_empty()
    });
}

fn dotted(path: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Field(name) => format!(".{name}"),
        Step::Key(keys) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).expect("keys");
            let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Step::Item(item) => format!("[={item}]"),
    };
    path.iter().map(step).collect()
}

/// The managers as `metadata.managedFields`: applies first, then by time and name.
pub(super) fn managed_fields(managers: &Managers, api_version: &str) -> Value {
    let mut sorted: Vec<(&Manager, &Owned)> = managers.iter().collect();
    sorted.sort_by_key(|(manager, owned)| (manager.operation, &owned.time, &manager.name, manager.status));
    let entry = |(manager, owned): (&Manager, &Owned)| {
        let operation = if manager.operation == Operation::Apply { "Apply" } else { "Update" };
        let mut entry = json!({
            "manager": manager.name, "operation": operation, "apiVersion": api_version, "time": owned.time, "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields.fields_v1(),
        });
        if manager.status {
            entry["subresource"] = "status".into();
        }
        entry
    };
    sorted.into_iter().map(entry).collect()
}

/// Whether only times differ.
pub(super) fn same_owners(one: &Managers, other: &Managers) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|((a, x), (b, y))| a == b && x.fields == y.fields)
}
