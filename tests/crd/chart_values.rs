//! The values of the chart are said once, in its schema: the file of defaults has these and no others, and the README's table is made of it,
//! with `UPDATE_README=1 cargo test --test crd chart_values`.

use std::fmt::Write as _;

use serde_json::Value;

use super::helm::{DEFINITION, OPERATOR};
use super::yaml;

const BEGIN: &str = "<!-- generated: values -->\n";
const END: &str = "<!-- end -->";
/// Only a larger chart says these.
const OF_OTHERS: [&str; 2] = ["enabled", "global"];

fn schema() -> Value {
    serde_json::from_str(&yaml::text(&yaml::at(OPERATOR).join("values.schema.json"))).unwrap()
}

/// Each value that has no named ones below it, with its place in the schema.
fn values<'a>(schema: &'a Value, path: &str, found: &mut Vec<(String, &'a Value)>) {
    let Some(named) = schema["properties"].as_object() else { return found.push((path.to_owned(), schema)) };
    assert_eq!(schema["additionalProperties"], false, "{path:?} takes anything");
    for (name, below) in named {
        values(below, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
    }
}

fn named() -> Vec<(String, String)> {
    let (schema, mut found) = (schema(), Vec::new());
    values(&schema, "", &mut found);
    found
        .into_iter()
        .map(|(path, value)| (path.clone(), value["description"].as_str().unwrap_or_else(|| panic!("{path} is not described")).to_owned()))
        .collect()
}

fn at<'a>(defaults: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(defaults, |value, name| value.get(name))
}

#[test]
fn the_defaults_are_those_of_the_schema_and_no_others() {
    let defaults = yaml::documents(&yaml::at(OPERATOR).join("values.yaml")).remove(0);
    let mut left = defaults.clone();
    for (path, _) in named() {
        assert_eq!(at(&defaults, &path).is_some(), !OF_OTHERS.contains(&path.as_str()), "{path}");
        let (mut above, mut parts) = (&mut left, path.split('.').peekable());
        while let (Some(part), Some(map)) = (parts.next(), above.as_object_mut()) {
            if parts.peek().is_none() {
                map.remove(part);
                break;
            }
            above = map.get_mut(part).unwrap();
        }
    }
    assert!(is_empty(&left), "not in the schema: {left}");
}

/// Maps of nothing but such maps.
fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.values().all(is_empty))
}

#[test]
fn the_readme_says_every_value() {
    let defaults = yaml::documents(&yaml::at(OPERATOR).join("values.yaml")).remove(0);
    let mut table = String::from("| value | default | what |\n|---|---|---|\n");
    for (path, description) in named() {
        let default = at(&defaults, &path).map_or_else(String::new, Value::to_string);
        // The long ones are read better where they are.
        let default = if default.len() > 40 {
            "see [values.yaml](values.yaml)".to_owned()
        } else if default.is_empty() {
            default
        } else {
            format!("`{default}`")
        };
        writeln!(table, "| `{path}` | {default} | {} |", description.replace('|', "\\|")).unwrap();
    }
    let file = yaml::at(OPERATOR).join("README.md");
    let old = yaml::text(&file);
    let (before, rest) = old.split_once(BEGIN).expect(BEGIN);
    let new = format!("{before}{BEGIN}{table}{END}{}", rest.split_once(END).expect(END).1);
    if new != old {
        assert!(std::env::var_os("UPDATE_README").is_some(), "write it anew with: UPDATE_README=1 cargo test --test crd chart_values");
        std::fs::write(file, new).unwrap();
    }
}

#[test]
fn each_link_of_the_charts_readmes_leads_somewhere() {
    for chart in [OPERATOR, DEFINITION] {
        let text = yaml::text(&yaml::at(chart).join("README.md"));
        let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).collect();
        assert!(links.len() > 1, "{chart}: {links:?}");
        for link in links {
            assert!(yaml::at(chart).join(link).exists(), "{chart}: there is no {link}");
        }
    }
}
