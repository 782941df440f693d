//! Sets of fields: which an object has, in which two differ, and how managedFields writes them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema::{self, Shape};

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    /// An item of a list map, by its keys in JSON.
    Key(String),
    /// An item of a set, in JSON.
    Item(String),
}

pub(super) type Path = Vec<Step>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(pub(super) BTreeSet<Path>);

/// In what two objects differ.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    pub(super) fn without(&self, ignored: &[&str]) -> Self {
        let [added, modified, removed] = [&self.added, &self.modified, &self.removed].map(|set| set.without(ignored));
        Self { added, modified, removed }
    }
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Without these top-level fields and all below them.
    pub(super) fn without(&self, ignored: &[&str]) -> Self {
        let kept = |path: &&Path| !matches!(path.first(), Some(Step::Field(top)) if ignored.contains(&top.as_str()));
        Self(self.0.iter().filter(kept).cloned().collect())
    }

    /// Without what the server itself keeps in the metadata, which has no owner.
    pub(super) fn with_owners(&self) -> Self {
        let server = |path: &&Path| match path.as_slice() {
            [Step::Field(top)] => ["apiVersion", "kind", "metadata"].contains(&top.as_str()),
            [Step::Field(top), Step::Field(name)] if top == "metadata" => schema::SERVERS_METADATA.contains(&name.as_str()),
            _ => false,
        };
        Self(self.0.iter().filter(|path| !server(path)).cloned().collect())
    }

    /// With the fields above each: a set of a.b also has a, but of an item in a list not the list.
    pub(super) fn with_parents(&self) -> Self {
        let parents = |path: &Path| (1..=path.len()).map(|n| path[..n].to_vec()).collect::<Vec<_>>();
        let all = self.0.iter().flat_map(parents).filter(|path| self.0.contains(path) || matches!(path.last(), Some(Step::Field(_))));
        Self(all.collect())
    }

    /// Whether something in it lies below.
    pub(super) fn goes_below(&self, path: &Path) -> bool {
        self.0.range(path.clone()..).find(|other| *other != path).is_some_and(|other| other.starts_with(path))
    }

    /// As in `fieldsV1`.
    pub(super) fn fields_v1(&self) -> Value {
        let mut root = json!({});
        for path in &self.0 {
            let mut node = &mut root;
            for step in path {
                let name = match step {
                    Step::Field(name) => format!("f:{name}"),
                    Step::Key(keys) => format!("k:{keys}"),
                    Step::Item(item) => format!("v:{item}"),
                };
                node = &mut node[name];
                if node.is_null() {
                    *node = Value::Object(Map::new());
                }
            }
            if self.goes_below(path) {
                node["."] = json!({});
            }
        }
        root
    }
}

/// The step to an item of a list that has an order of its own.
pub(super) fn step_to(item: &Value, shape: &Shape<'_>) -> Step {
    match shape {
        Shape::ListMap(keys) => {
            let keys: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), item[*key].clone())).collect();
            Step::Key(Value::Object(keys).to_string())
        }
        _ => Step::Item(item.to_string()),
    }
}

/// The fields that an object has.
pub(super) fn fields_of(object: &Value, schema: &Value) -> Set {
    let mut set = Set::default();
    collect(object, schema, &mut Vec::new(), &mut set);
    set
}

fn collect(value: &Value, schema: &Value, path: &mut Path, set: &mut Set) {
    match schema::shape(schema, value) {
        Shape::Leaf => drop(set.0.insert(path.clone())),
        Shape::Map(fields) => {
            for (name, child) in fields {
                path.push(Step::Field(name.clone()));
                collect(child, schema::child(schema, name), path, set);
                if child.is_null() || child.as_object().is_some_and(Map::is_empty) || !schema::names(schema, name) {
                    set.0.insert(path.clone());
                }
                path.pop();
            }
        }
        ref shape @ (Shape::ListMap(_) | Shape::Set) => {
            for item in value.as_array().into_iter().flatten() {
                path.push(step_to(item, shape));
                collect(item, &schema["items"], path, set);
                set.0.insert(path.clone());
                path.pop();
            }
        }
    }
}

/// The items that a list has twice, where it may not.
pub(super) fn doubles(value: &Value, schema: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    find_doubles(value, schema, &mut Vec::new(), &mut found);
    found
}

fn find_doubles(value: &Value, schema: &Value, path: &mut Path, found: &mut Vec<Path>) {
    match schema::shape(schema, value) {
        Shape::Leaf => {}
        Shape::Map(fields) => {
            for (name, value) in fields {
                path.push(Step::Field(name.clone()));
                find_doubles(value, schema::child(schema, name), path, found);
                path.pop();
            }
        }
        ref shape @ (Shape::ListMap(_) | Shape::Set) => {
            let mut seen = BTreeSet::new();
            for step in value.as_array().into_iter().flatten().map(|item| step_to(item, shape)) {
                path.push(step.clone());
                if !seen.insert(step) {
                    found.push(path.clone());
                }
                path.pop();
            }
        }
    }
}

/// In what the new object differs from the old one.
pub(super) fn difference(old: &Value, new: &Value, schema: &Value) -> Difference {
    let mut found = Difference::default();
    differ(Some(old), Some(new), schema, &mut Vec::new(), &mut found);
    found
}

fn differ(old: Option<&Value>, new: Option<&Value>, schema: &Value, path: &mut Path, found: &mut Difference) {
    let Some(any) = new.filter(|new| !new.is_null()).or(old).or(new) else { return };
    let empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    let shape = if empty(old) && empty(new) { Shape::Leaf } else { schema::shape(schema, any) };
    match &shape {
        Shape::Leaf => {}
        Shape::Map(_) => {
            let names = [old, new].into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys).collect::<BTreeSet<_>>();
            for name in names {
                path.push(Step::Field(name.clone()));
                differ(old.and_then(|v| v.get(name)), new.and_then(|v| v.get(name)), schema::child(schema, name), path, found);
                path.pop();
            }
        }
        Shape::ListMap(_) | Shape::Set => {
            let item = |list: Option<&Value>, step: &Step| -> Option<Value> {
                list.and_then(Value::as_array)?.iter().find(|item| step_to(item, &shape) == *step).cloned()
            };
            let all = [old, new].into_iter().flatten().filter_map(Value::as_array).flatten();
            for step in all.map(|item| step_to(item, &shape)).collect::<BTreeSet<_>>() {
                path.push(step.clone());
                differ(item(old, &step).as_ref(), item(new, &step).as_ref(), &schema["items"], path, found);
                path.pop();
            }
        }
    }
    match (old, new) {
        (None, _) => found.added.0.insert(path.clone()),
        (_, None) => found.removed.0.insert(path.clone()),
        (Some(old), Some(new)) => matches!(shape, Shape::Leaf) && old != new && found.modified.0.insert(path.clone()),
    };
}
