//! The one table of what the API server accepts and refuses: data only, run locally by `answers` and against a real server by `tests/e2e`.
//!
//! Every constraint of the schema has at least one case on either side; `answers` fails when one has not.

#![allow(clippy::needless_pass_by_value, clippy::type_complexity, reason = "rows of JSON, written in place")]

use serde_json::{Value, json};

#[path = "table/fields.rs"]
mod fields;
#[path = "table/rules.rs"]
mod rules;
#[path = "table/scripts.rs"]
mod scripts;
#[path = "table/status.rs"]
mod status;

/// One object, or one change of an object, and the answer.
pub(crate) struct Case {
    /// What is tried, in words; unique.
    pub(crate) name: String,
    /// The constraint at whose border the case stands, or the beginning of its name where that is unambiguous: `spec.region:maxLength`,
    /// `spec:required.region`, `spec.templateId:cel:templateId is required`. A refused case breaks this one and no other.
    #[allow(dead_code, reason = "a server does not say which constraint it was")]
    pub(crate) covers: String,
    /// What `old` was changed from, where it could not be created so.
    pub(crate) first: Option<Value>,
    /// The object before. None: `new` is created.
    pub(crate) old: Option<Value>,
    /// The whole object as it is sent, status included.
    pub(crate) new: Value,
    /// Sent to the status subresource; everything else is not: then the status in `new` is the one that is there already.
    pub(crate) to_status: bool,
    /// None: accepted. Else a part of the refusal's message.
    pub(crate) refused_with: Option<String>,
}

impl Case {
    /// The same as a change of this object.
    fn after(mut self, old: Value) -> Self {
        self.old = Some(old);
        self
    }

    /// The same as a change of an object with this spec.
    fn after_spec(self, spec: Value) -> Self {
        self.after(machine(spec))
    }
}

/// All cases; their objects have names of their own.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [fields::cases(), rules::cases(), scripts::cases(), status::cases()].into_iter().flatten().collect();
    for (number, case) in cases.iter_mut().enumerate() {
        for object in [Some(&mut case.new), case.old.as_mut(), case.first.as_mut()].into_iter().flatten() {
            object["metadata"]["name"] = format!("case-{number}").into();
        }
    }
    cases
}

fn accept(covers: &str, name: &str, new: Value) -> Case {
    Case { name: format!("{covers}: {name}"), covers: covers.to_owned(), first: None, old: None, new, to_status: false, refused_with: None }
}

fn refuse(covers: &str, name: &str, new: Value, with: &str) -> Case {
    Case { refused_with: Some(with.to_owned()), ..accept(covers, name, new) }
}

/// A rule's refusal, whose message begins as the name of the constraint ends.
fn refuse_by_rule(covers: &str, name: &str, new: Value) -> Case {
    let message = covers.split_once(":cel:").expect("a rule").1.to_owned();
    refuse(covers, name, new, &message)
}

/// A machine as small as it can be, with `spec` put over its own: fields that are null there are left out.
pub(crate) fn machine(spec: Value) -> Value {
    object(json!({"spec": spec}))
}

/// The same, with anything put over it.
fn object(over: Value) -> Value {
    let mut object = json!({
        "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine", "metadata": {"name": "case"},
        "spec": {"machineType": "C5", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 50},
    });
    put_over(&mut object, over);
    object
}

fn put_over(value: &mut Value, over: Value) {
    match (value, over) {
        (Value::Object(fields), Value::Object(over)) => {
            for (name, over) in over {
                if over.is_null() {
                    fields.remove(&name);
                } else {
                    put_over(fields.entry(name).or_insert(Value::Null), over);
                }
            }
        }
        (value, over) => *value = over,
    }
}
