//! Reading request bodies and queries.
//!
//! Bodies are closed: a field that the document does not list is refused, except a repeated `id` of the path, which the official
//! samples send. Booleans and numbers may come as strings, as they do in the official example.

use serde_json::{Map, Value};

use super::errors::{Issue, Refusal};

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Text of at least this length.
    Text(usize),
    /// Text or null.
    TextOrNull,
    Bool,
    Number,
    /// A number above 0.
    Positive,
    OneOf(&'static [&'static str]),
    Texts,
}

/// One field of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// A field that must be there.
pub(super) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

/// A field that may be left out; null is not the same (whether the service takes null so is unknown, the schema does not).
pub(super) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// The fields of a body that was checked, coerced to their kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Checks a body. `id` is the path's, which the body may repeat.
    pub(super) fn read(body: &Value, fields: &[Field], id: Option<&str>) -> Result<Self, Refusal> {
        let Value::Object(given) = body else {
            return Err(Refusal::invalid(vec![issue("", &format!("Expected object, received {}", kind_of(body)))]));
        };
        let mut issues = Vec::new();
        let mut read = Map::new();
        for field in fields {
            match given.get(field.name) {
                None if field.required => issues.push(issue(field.name, "Required")),
                None => {}
                Some(value) => match coerce(value, field.kind) {
                    Ok(value) => drop(read.insert(field.name.to_owned(), value)),
                    Err(message) => issues.push(issue(field.name, &message)),
                },
            }
        }
        for (name, value) in given {
            let repeats_id = name == "id" && id.is_some() && value.as_str() == id;
            if !repeats_id && !fields.iter().any(|f| f.name == name) {
                issues.push(issue(name, &format!("Unrecognized key(s) in object: '{name}'")));
            }
        }
        if issues.is_empty() { Ok(Self(read)) } else { Err(Refusal::invalid(issues)) }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A required text.
    pub(super) fn must(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(Value::as_f64)
    }

    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        self.0.get(name).and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }
}

fn issue(field: &str, message: &str) -> Issue {
    Issue { field: field.to_owned(), message: message.to_owned() }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn coerce(value: &Value, kind: Kind) -> Result<Value, String> {
    let expected = |what: &str| Err(format!("Expected {what}, received {}", kind_of(value)));
    match kind {
        Kind::Text(min) => match value.as_str() {
            None => expected("string"),
            Some(text) if text.len() < min => Err(format!("String must contain at least {min} character(s)")),
            Some(_) => Ok(value.clone()),
        },
        Kind::TextOrNull if value.is_null() || value.is_string() => Ok(value.clone()),
        Kind::TextOrNull => expected("string"),
        Kind::Bool => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::String(text) if text == "true" => Ok(true.into()),
            Value::String(text) if text == "false" => Ok(false.into()),
            _ => expected("boolean"),
        },
        Kind::Number => as_number(value).map_or_else(|| expected("number"), |n| Ok(n.into())),
        Kind::Positive => match as_number(value) {
            None => expected("number"),
            Some(n) if n <= 0.0 => Err("Number must be greater than 0".to_owned()),
            Some(n) => Ok(n.into()),
        },
        Kind::OneOf(words) => match value.as_str() {
            Some(word) if words.contains(&word) => Ok(value.clone()),
            Some(word) => Err(format!("Invalid enum value. Expected '{}', received '{word}'", words.join("' | '"))),
            None => expected("string"),
        },
        Kind::Texts => match value.as_array() {
            Some(list) if list.iter().all(Value::is_string) => Ok(value.clone()),
            _ => expected("array of strings"),
        },
    }
}

fn as_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|n| n.is_finite())
}

/// The parameters of a query, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Of what follows the question mark.
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|p| !p.is_empty());
        Self(pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(k, v)| (decode(k), decode(v))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}

/// Undoes percent encoding, and `+` for a space.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = text.get(i + 1..i + 3).filter(|_| bytes[i] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[i], escaped) {
            (_, Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', None) => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        required("name", Kind::Text(1)),
        optional("on", Kind::Bool),
        optional("hours", Kind::Number),
        optional("size", Kind::Positive),
        optional("kind", Kind::OneOf(&["a", "b"])),
        optional("ids", Kind::Texts),
        optional("to", Kind::TextOrNull),
    ];

    fn issues(body: &Value) -> Vec<String> {
        Fields::read(body, FIELDS, Some("ps1")).unwrap_err().issues.into_iter().map(|i| i.field).collect()
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(issues(&json!({})), ["name"]);
        assert_eq!(issues(&json!({"name": ""})), ["name"]);
        let wrong = json!({"name": 1, "on": "yes", "hours": "x", "size": 0, "kind": "c", "ids": [1], "to": 1, "more": 1});
        assert_eq!(issues(&wrong), ["name", "on", "hours", "size", "kind", "ids", "to", "more"]);
        assert_eq!(issues(&json!([])), [""]);
        assert_eq!(issues(&json!({"name": "a", "on": null})), ["on"]);
        assert_eq!(issues(&json!({"name": "a", "id": "ps2"})), ["id"]);
    }

    #[test]
    fn strings_become_what_they_stand_for() {
        let body = json!({"id": "ps1", "name": "a", "on": "true", "hours": "6", "size": "50", "kind": "b", "ids": ["u1"], "to": null});
        let fields = Fields::read(&body, FIELDS, Some("ps1")).unwrap();
        assert_eq!(fields.bool("on"), Some(true));
        assert_eq!(fields.number("hours"), Some(6.0));
        assert_eq!(fields.number("size"), Some(50.0));
        assert_eq!(fields.text("kind"), Some("b"));
        assert_eq!(fields.texts("ids"), ["u1"]);
        assert_eq!(fields.text("to"), None);
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("region=East+Coast+%28NY2%29&name=%C3%A4&flag&bad=%zz");
        assert_eq!(query.get("region"), Some("East Coast (NY2)"));
        assert_eq!(query.get("name"), Some("ä"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("bad"), Some("%zz"));
        assert_eq!(query.get("none"), None);
    }
}
