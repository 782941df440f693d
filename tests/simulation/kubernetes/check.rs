//! What is refused of an object that is to be stored.

use kube::core::cel::Validator;
use serde_json::Value;

use super::errors::{Cause, Refusal};
use super::routes::Kind;
use super::schema;

/// The most bytes that an event's note may have.
const NOTE: usize = 1024;

/// Which rules in CEL are evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rules {
    All,
    /// Those that are not about the spec alone: the others hold as they did before.
    OfStatus,
    None,
}

/// Refuses what the server's own rules, the schema or its rules forbid; `live` is what was there before. Unlike the real server this refuses
/// also what was wrong before and did not change.
pub(super) fn check(kind: &Kind, name: &str, live: Option<&Value>, object: &Value, rules: Rules) -> Result<(), Refusal> {
    let mut found = Vec::new();
    schema::faults(object, &kind.schema, "", &mut found);
    // What has the wrong shape or size is not given to the rules; a number out of bounds is.
    let given = found.iter().all(|cause| cause.reason == "FieldValueInvalid");
    let rules = match rules {
        Rules::All => kind.rules.as_ref(),
        Rules::OfStatus => kind.rules_of_status.as_ref(),
        Rules::None => None,
    };
    if let (true, Some(rules)) = (given, rules) {
        let errors = Validator::new().validate_compiled(rules, object, live).err();
        found.extend(errors.into_iter().flatten().map(|error| Cause {
            reason: "FieldValueInvalid",
            field: error.field_path.trim_start_matches('.').to_owned(),
            message: format!("Invalid value: {}", error.message),
        }));
    }
    if let Some(live) = live {
        metadata(&live["metadata"], &object["metadata"], &mut found);
    }
    if kind.plural == "events" && object["note"].as_str().is_some_and(|note| note.len() > NOTE) {
        let message = format!("Invalid value: \"\": can have at most {NOTE} characters");
        found.push(Cause { reason: "FieldValueInvalid", field: "note".to_owned(), message });
    }
    if found.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, name, &found)) }
}

fn metadata(old: &Value, new: &Value, found: &mut Vec<Cause>) {
    if old["uid"] != new["uid"] {
        let message = format!("Invalid value: {}: field is immutable", new["uid"]);
        found.push(Cause { reason: "FieldValueInvalid", field: "metadata.uid".to_owned(), message });
    }
    let finalizers = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let added: Vec<String> = finalizers(new).iter().filter(|one| !finalizers(old).contains(one)).map(Value::to_string).collect();
    if old.get("deletionTimestamp").is_some() && !added.is_empty() {
        let list = added.join(", ");
        let message =
            format!("Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}");
        found.push(Cause { reason: "FieldValueForbidden", field: "metadata.finalizers".to_owned(), message });
    }
}
