//! What the operations guide says of alerts and of cost is what there is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::markdown::{code, first_column, prose};
use super::operations::GUIDE;
use super::text;

#[test]
fn each_alert_has_its_row_and_each_row_its_alert() {
    let rules: Value = serde_saphyr::from_str(&text("deploy/monitoring/prometheus-rule.yaml")).unwrap();
    let rules = rules["spec"]["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let guide = prose(&text(GUIDE));
    let mut alerts = BTreeSet::new();
    for rule in rules {
        assert_eq!(rule["annotations"]["runbook"], "docs/operations.md, Alerts", "{rule}");
        alerts.insert(rule["alert"].as_str().unwrap());
    }
    let rows = first_column(&guide, "alert");
    let told: BTreeSet<&str> = rows.iter().flat_map(|cell| code(cell)).collect();
    assert_eq!((told, rows.len()), (alerts.clone(), alerts.len()));
    for row in guide.lines().filter(|line| line.starts_with("| `Paperspace")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

/// The card is written anew by measuring; its first, third and fifth column are of the operator as it is.
#[test]
fn what_it_costs_is_what_was_measured() {
    let (guide, card) = (text(GUIDE), text("tests/bench/README.md"));
    let row = |text: &str, begins: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("| {begins} |"))).unwrap_or_else(|| panic!("no row {begins}"));
        line.trim_matches('|').split('|').skip(1).map(|cell| cell.split(" (").next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    for (told, measured) in [
        ("API calls an hour, idle", "API calls an hour"),
        ("Kubernetes writes an hour, idle", "Kubernetes writes an hour (leases)"),
        ("memory", "memory (its peak so far)"),
    ] {
        let measured: Vec<String> = row(&card, measured).into_iter().step_by(2).collect();
        assert_eq!(row(&guide, told), measured, "{told}");
    }
}
