//! Label and field selectors.

use serde_json::Value;

use super::errors::Refusal;
use super::routes::{Kind, Target};

/// What a list or watch is limited to.
#[derive(Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Debug)]
struct Requirement {
    key: String,
    is: Is,
}

#[derive(Debug)]
enum Is {
    In(Vec<String>),
    NotIn(Vec<String>),
    There,
    Absent,
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match &self.is {
            Is::In(values) => value.is_some_and(|v| values.iter().any(|one| one == v)),
            Is::NotIn(values) => value.is_none_or(|v| values.iter().all(|one| one != v)),
            Is::There => value.is_some(),
            Is::Absent => value.is_none(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let new = |key: &str, is: Is| Some(Self { key: key.trim().to_owned(), is });
        let values = |list: &str| -> Option<Vec<String>> {
            let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(list.split(',').map(|value| value.trim().to_owned()).collect())
        };
        if let Some((key, list)) = text.split_once(" notin ") {
            return new(key, Is::NotIn(values(list)?));
        }
        if let Some((key, list)) = text.split_once(" in ") {
            return new(key, Is::In(values(list)?));
        }
        if let Some((key, value)) = text.split_once("!=") {
            return new(key, Is::NotIn(vec![value.trim().to_owned()]));
        }
        if let Some((key, value)) = text.split_once('=') {
            return new(key, Is::In(vec![value.trim_start_matches('=').trim().to_owned()]));
        }
        match text.strip_prefix('!') {
            Some(key) => new(key, Is::Absent),
            None => new(text, Is::There),
        }
    }
}

/// Parts separated by commas that are not between parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let separates = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    };
    text.split(separates).collect()
}

impl Selector {
    pub(super) fn of(target: &Target) -> Result<Self, Refusal> {
        let read = |text: Option<&str>| -> Result<Vec<Requirement>, Refusal> {
            let Some(text) = text else { return Ok(Vec::new()) };
            let all: Option<Vec<_>> = parts(text).into_iter().map(Requirement::parse).collect();
            all.ok_or_else(|| Refusal::bad_request(format!("unable to parse requirement: {text}")))
        };
        let new = Self { labels: read(target.param("labelSelector"))?, fields: read(target.param("fieldSelector"))? };
        match new.fields.iter().find(|f| !supported(&target.kind, &f.key)) {
            Some(field) => Err(Refusal::bad_request(format!("field label not supported: {}", field.key))),
            None => Ok(new),
        }
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        self.labels.iter().all(|r| r.holds(label(&r.key))) && self.fields.iter().all(|r| r.holds(Some(&field(object, &r.key))))
    }
}

fn supported(kind: &Kind, path: &str) -> bool {
    path == "metadata.name" || path == "metadata.namespace" && kind.namespaced || kind.selectable.iter().any(|one| one == path)
}

/// An absent field counts as empty.
fn field(object: &Value, path: &str) -> String {
    match object.pointer(&format!("/{}", path.replace('.', "/"))) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
