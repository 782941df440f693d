//! The Helm charts, without a cluster: Helm has nothing to say against them, their values are checked, and what they say is what the program
//! reads.

use clap::Parser as _;
use paperspace_operator::args::{Args, Command};
use serde_json::{Value, json};

use super::helm::{DEFINITION, Helm, NAME, OPERATOR, arguments, only};
use super::yaml;

fn template(values: &Value) -> Result<Vec<Value>, String> {
    Helm::shared().template(OPERATOR, NAME, values)
}

#[test]
fn helm_lints_both_without_a_word() {
    for chart in [OPERATOR, DEFINITION] {
        let request = json!({"do": "lint", "with": [yaml::at(chart), {}], "options": {"strict": true}});
        let mut said = Helm::shared().ask(&request).unwrap();
        // There is no picture of it.
        said["messages"].as_array_mut().unwrap().retain(|message| message["error"] != "icon is recommended");
        assert_eq!(said, json!({"total_charts_linted": 1, "messages": [], "errors": []}), "{chart}");
    }
}

#[test]
fn the_definition_is_that_of_crds_and_the_version_that_of_the_program() {
    let ours = yaml::text(&yaml::at("crds/paperspacemachines.yaml"));
    let theirs = yaml::text(&yaml::at(DEFINITION).join("templates/paperspacemachines.yaml"));
    assert!(ours == theirs, "write it anew with: make crd");
    assert_eq!(Helm::shared().template(DEFINITION, NAME, &json!({})).unwrap(), yaml::documents(&yaml::at("crds/paperspacemachines.yaml")));
    for chart in [OPERATOR, DEFINITION] {
        let about = yaml::documents(&yaml::at(chart).join("Chart.yaml")).remove(0);
        assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"), "{chart}");
    }
}

/// By the schema, at the place of the value; what values exclude each other is said in words.
#[test]
fn wrong_values_are_refused() {
    let wrong = [
        (json!({"replica": 1}), "additional properties 'replica' not allowed"),
        (json!({"operator": {"pollIntervall": "5s"}}), "at '/operator': additional properties 'pollIntervall' not allowed"),
        (json!({"operator": {"pollInterval": "soon"}}), "at '/operator/pollInterval'"),
        (json!({"operator": {"pollInterval": 30}}), "at '/operator/pollInterval': got number, want string"),
        (json!({"operator": {"apiRate": 0}}), "at '/operator/apiRate'"),
        (json!({"operator": {"apiRate": 1001}}), "at '/operator/apiRate'"),
        (json!({"operator": {"apiUrl": "api.paperspace.com"}}), "at '/operator/apiUrl'"),
        (json!({"operator": {"clusterId": "-a"}}), "at '/operator/clusterId'"),
        (json!({"operator": {"logFormat": "xml"}}), "at '/operator/logFormat': value must be one of 'text', 'json'"),
        (json!({"operator": {"adminListen": "0.0.0.0:8081"}}), "at '/operator/adminListen'"),
        (json!({"operator": {"otlpEndpoint": "collector:4318"}}), "at '/operator/otlpEndpoint'"),
        // A password would be in the release, too.
        (json!({"operator": {"otlpEndpoint": "http://me:hunter2@collector:4318"}}), "at '/operator/otlpEndpoint'"),
        (json!({"operator": {"maxDestroysPerHour": "many"}}), "at '/operator/maxDestroysPerHour'"),
        (json!({"operator": {"maxDestroysPerHour": 0}}), "at '/operator/maxDestroysPerHour': got number, want string"),
        (json!({"image": {"digest": "abc"}}), "at '/image/digest'"),
        (json!({"image": {"pullPolicy": "always"}}), "at '/image/pullPolicy'"),
        (json!({"replicas": "2"}), "at '/replicas': got string, want integer"),
        (json!({"watchNamespaces": "team-a"}), "at '/watchNamespaces': got string, want array"),
        (json!({"watchNamespaces": ["Team"]}), "at '/watchNamespaces/0'"),
        (json!({"watchNamespaces": ["a", "a"]}), "at '/watchNamespaces'"),
        (json!({"extraArgs": ["dry-run"]}), "at '/extraArgs/0'"),
        (json!({"extraEnv": [{"value": "a"}]}), "at '/extraEnv/0': missing property 'name'"),
        // A key would be in the release, for all who may read that.
        (json!({"extraEnv": [{"name": "PAPERSPACE_API_KEY", "value": "a"}]}), "at '/extraEnv/0/name'"),
        (json!({"apiKey": {"value": "a"}}), "at '/apiKey': additional properties 'value' not allowed"),
        (json!({"apiKey": {"existingSecret": {"key": "../a"}}}), "at '/apiKey/existingSecret/key'"),
        (json!({"terminationGracePeriodSeconds": 30}), "at '/terminationGracePeriodSeconds'"),
        (json!({"podAnnotations": {"a": 1}}), "at '/podAnnotations/a': got number, want string"),
        (json!({"podDisruptionBudget": {"minAvailable": "half"}}), "at '/podDisruptionBudget/minAvailable'"),
        (json!({"networkPolicy": {"egressPorts": []}}), "at '/networkPolicy/egressPorts'"),
        (json!({"leaderElection": {"enabled": false}}), "replicas is more than 1: leaderElection.enabled must be true"),
        (json!({"serviceMonitor": {"enabled": true}, "service": {"enabled": false}}), "serviceMonitor.enabled needs service.enabled"),
        (
            json!({"podDisruptionBudget": {"enabled": true, "minAvailable": 1, "maxUnavailable": 1}}),
            "podDisruptionBudget: either minAvailable or maxUnavailable, not both",
        ),
    ];
    for (values, words) in wrong {
        let said = template(&values).expect_err(&values.to_string());
        assert!(said.contains(words), "{values}: {said}");
    }
    let said = Helm::shared().template(DEFINITION, NAME, &json!({"keep": false})).unwrap_err();
    assert!(said.contains("additional properties 'keep' not allowed"), "{said}");
}

/// A chart of charts hands these to each.
#[test]
fn it_can_be_a_part_of_a_larger_chart() {
    for chart in [OPERATOR, DEFINITION] {
        let alone = Helm::shared().template(chart, NAME, &json!({})).unwrap();
        assert_eq!(Helm::shared().template(chart, NAME, &json!({"enabled": true, "global": {"a": 1}})).unwrap(), alone);
    }
}

fn run(values: &Value) -> paperspace_operator::args::RunArgs {
    let words = arguments(&template(values).unwrap());
    match Args::try_parse_from([NAME.to_owned()].into_iter().chain(words)) {
        Ok(Args { command: Command::Run(run) }) => *run,
        other => panic!("{values}: {other:?}"),
    }
}

#[test]
fn each_value_of_operator_is_the_flag_of_its_name() {
    let values = json!({
        "apiUrl": "http://paperspace.example.com/v1", "allowHttp": true, "apiRate": 7, "apiBurst": 1000, "pollInterval": "1m30s",
        "transitionInterval": "7s", "createSettle": "4m", "concurrency": 3, "clusterId": "prod-1", "defaultKeyNamespaces": "team in (a,b),x=y",
        "allowAdoptWithDefaultKey": true, "watchSelector": "team=ml,tier!=dev", "maxDestroysPerHour": "0", "dryRun": true, "logFormat": "text", "log": "info,paperspace_operator=debug",
        "adminListen": "[::1]:9000", "otlpEndpoint": "http://collector:4318",
    });
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let defaults = yaml::documents(&yaml::at(OPERATOR).join("values.yaml")).remove(0);
    assert_eq!(names(&defaults["operator"]), names(&values), "each is set here");

    let (all, set) =
        (run(&json!({})), run(&json!({"operator": values, "watchNamespaces": ["a", "b"], "extraArgs": ["--lease-namespace=c"]})));
    assert_eq!(all.watch_namespace, [""; 0]);
    assert_eq!((set.watch_namespace, set.lease_namespace.as_deref()), (vec!["a".to_owned(), "b".to_owned()], Some("c")));
    let said = format!("{set:?}", set = run(&json!({"operator": values})));
    for (name, value) in values.as_object().unwrap() {
        let seen = match name.as_str() {
            "pollInterval" => "poll_interval: 90s".to_owned(),
            "transitionInterval" => "transition_interval: 7s".to_owned(),
            "createSettle" => "create_settle: 240s".to_owned(),
            // Nothing, which is not the same as not said.
            "maxDestroysPerHour" => "max_destroys_per_hour: Number(0)".to_owned(),
            "clusterId" => "cluster_id: Some(\"prod-1\")".to_owned(),
            "log" => format!("log: LogFilter({value})"),
            "otlpEndpoint" => format!("otlp_endpoint: Some({value})"),
            // A selector of its own, whose text is not kept; and what is in the environment.
            "watchSelector" | "logFormat" | "adminListen" => continue,
            _ => format!("{}: {value}", snake(name)),
        };
        assert!(said.contains(&seen), "{seen} is not in {said}");
    }
    assert!(set.watch_selector.is_some() && all.watch_selector.is_none() && all.leader_elect);
    let environment = |values: Value| {
        let objects = template(&json!({"operator": values})).unwrap();
        only(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap()[1..].to_vec()
    };
    let (format, admin) = (
        json!({"name": "PAPERSPACE_OPERATOR_LOG_FORMAT", "value": "text"}),
        json!({"name": "PAPERSPACE_OPERATOR_ADMIN_LISTEN", "value": "[::1]:9000"}),
    );
    assert_eq!(environment(json!({"logFormat": "text", "adminListen": "[::1]:9000"})), [format.clone(), admin]);
    assert_eq!(environment(json!({"logFormat": "text", "adminListen": ""})), [format]);
}

fn snake(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] }).collect()
}
