//! The reference of all fields is what the types say, and what the table of the Core API names exists.

use std::collections::BTreeSet;

use paperspace_operator::crd::reference;
use paperspace_operator::paperspace::types::{CreateMachine, UpdateMachine};
use serde_json::Value;

use super::schema::{constraints, openapi};
use super::yaml;

const REFERENCE: &str = "crds/README.md";
const CORE_API: &str = "crds/core-api.md";

#[test]
fn the_reference_is_what_the_types_say() {
    assert!(yaml::text(&yaml::at(REFERENCE)) == reference::markdown(), "{REFERENCE} differs from the types; write it anew with: make crd");
}

/// Every field, those of lists included.
fn fields() -> BTreeSet<String> {
    fn walk(path: &str, schema: &Value, all: &mut BTreeSet<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(&path, field, all);
            walk(&format!("{path}[]"), &field["items"], all);
            all.insert(path);
        }
    }
    let mut all = BTreeSet::new();
    walk("", openapi(), &mut all);
    all
}

/// The cells of all rows of all tables, without their headers.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let is_row = |line: &&str| line.starts_with("| ");
    // A cell may hold a bar, escaped.
    let cells = |line| -> Vec<&str> { str::trim_matches(line, '|').split(" | ").map(str::trim).collect() };
    let lines: Vec<&str> = text.lines().collect();
    let header = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
    lines.iter().enumerate().filter(|(at, line)| is_row(line) && !header(*at)).map(|(_, line)| cells(line)).collect()
}

fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_field_has_one_row_with_a_type_and_a_description() {
    let text = reference::markdown();
    let rows = rows(&text);
    let named: Vec<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).filter(|name| !name.ends_with("[]")).collect();
    assert_eq!(named.iter().cloned().collect::<BTreeSet<_>>(), fields());
    assert_eq!(named.len(), fields().len(), "a field has two rows");
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        assert!(!row[1].is_empty() && !row[4].is_empty(), "{row:?}");
    }
}

/// A bound, a rule or an enumeration that the reference leaves out would be one that nobody reads of.
#[test]
fn every_constraint_is_in_the_row_of_its_field() {
    let text = reference::markdown();
    let rows = rows(&text);
    for constraint in constraints() {
        let (path, what) = constraint.split_once(':').unwrap();
        // Those of an entry of a list are in the row of the list; what must be there is in its own row.
        let (path, expected) = match what.split_once('.') {
            Some(("required", field)) => (format!("{path}.{field}").trim_start_matches("resource.").to_owned(), "required".to_owned()),
            _ => (path.to_owned(), what.strip_prefix("cel:").unwrap_or_default().to_owned()),
        };
        let row = |path: &str| rows.iter().find(|row| row[0] == format!("`{path}`"));
        // A rule of the whole resource that names no field is told of its spec.
        let path = if path == "resource" { "spec".to_owned() } else { path };
        let row = row(&path).or_else(|| row(path.trim_end_matches("[]"))).unwrap_or_else(|| panic!("{constraint}: no row"));
        assert!(!row[3].is_empty() && row[3].contains(&expected.replace('<', "&lt;")), "{constraint} is not in {row:?}");
    }
}

#[test]
fn what_the_table_of_the_core_api_names_exists() {
    let text = yaml::text(&yaml::at(CORE_API));
    let fields = fields();
    for field in code(&text).filter(|code| ["spec.", "status."].iter().any(|part| code.starts_with(part))) {
        assert!(fields.contains(field), "{CORE_API} names {field}, which does not exist");
    }
    let full = |value: Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let create = full(serde_json::to_value(everything::<CreateMachine>()).unwrap());
    let update = full(serde_json::to_value(everything::<UpdateMachine>()).unwrap());
    let rows: Vec<Vec<&str>> = rows(&text).into_iter().filter(|row| row.len() == 5).collect();
    for field in rows.iter().flat_map(|row| code(row[2])) {
        assert!(create.contains(field) || update.contains(field), "API v1 has no {field}");
    }
    for row in &rows {
        assert!(row[2] == "-" || code(row[2]).next().is_some(), "{row:?}");
        assert!(row[3] == "-" || code(row[3]).all(|field| field.starts_with("spec.")), "{row:?}");
    }
    let told: BTreeSet<&str> = rows.iter().flat_map(|row| code(row[2])).collect();
    let untold: Vec<&String> = create.iter().filter(|field| !told.contains(field.as_str()) && *field != "emailPassword").collect();
    assert_eq!(untold, Vec::<&String>::new(), "fields of API v1 that no row leads to");
}

/// A body with every field set.
fn everything<T: serde::de::DeserializeOwned>() -> T {
    let value = serde_json::json!({
        "name": "a", "machineType": "C5", "templateId": "t1", "diskSize": 50, "region": "ny2", "networkId": "n1", "publicIpType": "none",
        "autoSnapshotEnabled": true, "autoSnapshotFrequency": "daily", "autoSnapshotSaveCount": 1, "autoShutdownEnabled": true,
        "autoShutdownTimeout": 1, "autoShutdownForce": true, "takeInitialSnapshot": true, "restorePointEnabled": true,
        "restorePointFrequency": "shutdown", "restorePointSnapshotId": "sl1", "startupScriptId": "sc1", "emailPassword": true,
        "startOnCreate": true, "enableNvlink": true, "accessorIds": ["u1"],
    });
    serde_json::from_value(value).unwrap()
}
