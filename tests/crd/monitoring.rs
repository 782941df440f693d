//! deploy/monitoring: the alerts are what promtool takes, and each is tested. `tests/readme` has that each is explained.

use std::process::Command;

use serde_json::Value;

use super::yaml;

fn alerts() -> Vec<Value> {
    let [rule] = &yaml::documents(&yaml::at("deploy/monitoring/prometheus-rule.yaml"))[..] else { panic!("one PrometheusRule") };
    let groups = rule["spec"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// promtool wants the groups alone, and beside the tests.
#[test]
fn the_alerts_come_when_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let rule = &yaml::documents(&yaml::at("deploy/monitoring/prometheus-rule.yaml"))[0];
    // JSON is YAML.
    std::fs::write(dir.path().join("rules.yaml"), rule["spec"].to_string()).unwrap();
    std::fs::copy(yaml::at("tests/monitoring/rules.test.yaml"), dir.path().join("rules.test.yaml")).unwrap();
    for args in [["check", "rules", "rules.yaml"], ["test", "rules", "rules.test.yaml"]] {
        let out = Command::new("promtool").args(args).current_dir(dir.path()).output().expect("promtool: `make test` installs it");
        let said = [out.stdout, out.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(out.status.success(), "promtool {}:\n{said}", args.join(" "));
    }
}

#[test]
fn each_alert_is_tested() {
    let tests = yaml::text(&yaml::at("tests/monitoring/rules.test.yaml"));
    let alerts = alerts();
    assert!(alerts.len() >= 10);
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(tests.contains(&format!("alertname: {name}")) || tests.contains(&format!("alertname=\"{name}\"")), "no test: {name}");
        assert!(alert["labels"]["severity"].is_string() && alert["annotations"]["description"].is_string(), "{name}");
    }
}

/// A reason that no condition has would never be seen.
#[test]
fn the_reasons_in_alerts_are_the_conditions_own() {
    let known: Vec<&str> = paperspace_operator::crd::reason::Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let mut seen = 0;
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap().to_owned();
        let Some((_, rest)) = expression.split_once("{reason=") else { continue };
        let words = rest.trim_start_matches('~').trim_start_matches('"').split('"').next().unwrap();
        for word in words.split('|') {
            assert!(known.contains(&word), "{word} in {expression}");
            seen += 1;
        }
    }
    assert!(seen >= 5);
}
