//! What the chart of the operator makes of its values: with none, what `deploy/operator` is; with any two together, what a real server accepts.

use std::fs;

use clap::Parser as _;
use paperspace_operator::args::Args;
use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, wait_for};
use super::helm::{self, Helm, NAME, OPERATOR};
use super::{helm_release, pairs};

/// Helm's own labels, and what Kubernetes takes for said where it is not.
const NOT_COMPARED: [&str; 5] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    // Of ports: an old server cannot apply those that leave it out.
    "protocol",
];

fn compared(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, value| !NOT_COMPARED.contains(&name.as_str()) || (name == "protocol" && value != "TCP"));
            map.values_mut().for_each(compared);
        }
        Value::Array(all) => all.iter_mut().for_each(compared),
        _ => {}
    }
}

fn name(object: &Value) -> String {
    format!("{} {}", object["kind"], object["metadata"]["name"])
}

/// Two ways to install one thing. The namespace is what `--create-namespace` makes.
#[test]
fn with_no_values_it_is_what_deploy_operator_is() {
    let rendered = ControlPlane::shared().kubectl(&["kustomize", "deploy/operator"]);
    let mut ours = helm::objects("deploy/operator", &rendered);
    ours.retain(|object| object["kind"] != "Namespace");
    same(Helm::shared().template(OPERATOR, NAME, &json!({})).unwrap(), ours);
}

#[test]
fn its_disruption_budget_is_the_component_of_deploy() {
    let file = "deploy/components/disruption-budget/pod-disruption-budget.yaml";
    let text = fs::read_to_string(helm_release::chart(file)).unwrap();
    let mut theirs = Helm::shared().template(OPERATOR, NAME, &json!({"podDisruptionBudget": {"enabled": true}})).unwrap();
    theirs.retain(|object| object["kind"] == "PodDisruptionBudget");
    same(theirs, helm::objects(file, &text));
}

#[track_caller]
fn same(mut theirs: Vec<Value>, mut ours: Vec<Value>) {
    for objects in [&mut ours, &mut theirs] {
        objects.iter_mut().for_each(compared);
        objects.sort_by_key(name);
    }
    assert_eq!(theirs.iter().map(name).collect::<Vec<_>>(), ours.iter().map(name).collect::<Vec<_>>());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert!(theirs == ours, "{}\nthe chart:\n{theirs:#}\ndeploy/:\n{ours:#}", name(ours));
    }
}

/// What may be asked of the chart, each question with its answers, laid over the defaults.
fn questions() -> Vec<Vec<Value>> {
    let peers = json!([{"namespaceSelector": {"matchLabels": {"team": "observability"}}}]);
    let proxy = json!([{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 3128, "protocol": "TCP"}]}]);
    let zones =
        json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}}]);
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let near = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]}}});
    let all_flags = json!({
        "apiUrl": "https://paperspace.example.com/v1", "apiRate": 9, "apiBurst": 20, "pollInterval": "1m", "transitionInterval": "2s",
        "createSettle": "5m", "concurrency": 4, "clusterId": "prod", "defaultKeyNamespaces": "team-a", "allowAdoptWithDefaultKey": true,
        "allowHttp": true, "watchSelector": "team in (ml,web)", "logFormat": "text", "log": "debug",
        "adminListen": "", "otlpEndpoint": "http://collector:4318",
    });
    let none = || json!({});
    vec![
        vec![none(), json!({"nameOverride": "psm", "fullnameOverride": "machines"}), json!({"fullnameOverride": "a".repeat(63)})],
        vec![
            none(),
            json!({"image": {"repository": "registry.example.com:5000/a/b", "tag": "1.2_x", "pullPolicy": "Always"}}),
            json!({"image": {"digest": digest}}),
        ],
        vec![none(), json!({"imagePullSecrets": [{"name": "registry"}]})],
        vec![none(), json!({"replicas": 1, "leaderElection": {"enabled": false}}), json!({"replicas": 0}), json!({"replicas": 3})],
        vec![none(), json!({"watchNamespaces": ["team-a"]}), json!({"watchNamespaces": ["team-a", "123"]})],
        vec![none(), json!({"operator": all_flags}), json!({"operator": {"defaultKeyNamespaces": "team=ml"}})],
        vec![none(), json!({"extraArgs": ["--lease-namespace=a", "--allow-http"]})],
        vec![
            none(),
            json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}),
        ],
        vec![none(), json!({"apiKey": {"existingSecret": {"name": "vault", "key": "paperspace.key"}}})],
        vec![none(), json!({"rbac": {"secrets": false}}), json!({"rbac": {"configMaps": false}}), json!({"rbac": {"create": false}})],
        vec![
            none(),
            json!({"serviceAccount": {"create": false, "name": "theirs"}}),
            json!({"serviceAccount": {"name": "named", "annotations": {"example.com/role": "a"}}}),
            json!({"serviceAccount": {"create": false}}),
        ],
        vec![
            none(),
            json!({"podDisruptionBudget": {"enabled": true}}),
            json!({"podDisruptionBudget": {"enabled": true, "minAvailable": "50%"}}),
            json!({"podDisruptionBudget": {"enabled": true, "maxUnavailable": 0}}),
        ],
        vec![none(), json!({"topologySpreadConstraints": []}), json!({"topologySpreadConstraints": zones})],
        vec![
            none(),
            json!({"nodeSelector": {"kubernetes.io/os": null}, "tolerations": [{"operator": "Exists"}], "affinity": near,
            "priorityClassName": "system-cluster-critical"}),
        ],
        vec![none(), json!({"podAnnotations": {"a": "1"}, "podLabels": {"b": "true", "app.kubernetes.io/name": "no"}})],
        vec![
            none(),
            json!({"resources": null, "podSecurityContext": null, "securityContext": null}),
            json!({"resources": {"limits": {"cpu": null, "memory": "1Gi"}}, "podSecurityContext": {"runAsUser": null},
                "terminationGracePeriodSeconds": 90}),
        ],
        vec![
            none(),
            json!({"service": {"enabled": false}}),
            json!({"serviceMonitor": {"enabled": true}}),
            json!({"service": {"port": 80, "annotations": {"a": "b"}},
                "serviceMonitor": {"enabled": true, "interval": "1m", "scrapeTimeout": "10s", "labels": {"release": "prometheus"}}}),
        ],
        vec![
            none(),
            json!({"networkPolicy": {"enabled": true}}),
            json!({"networkPolicy": {"enabled": true, "metricsFrom": peers, "egressPorts": [443], "extraEgress": proxy}}),
        ],
    ]
}

fn lay(over: &mut Value, value: &Value) {
    match (over, value) {
        (Value::Object(below), Value::Object(map)) => {
            map.iter().for_each(|(name, value)| lay(below.entry(name).or_insert(Value::Null), value));
        }
        (below, value) => *below = value.clone(),
    }
}

/// A server without the definition of a ServiceMonitor would not know one, and one without policy/v1 no PodDisruptionBudget of it.
#[test]
fn any_two_values_together_make_what_the_server_accepts() {
    let plane = ControlPlane::alone("helm-values");
    for namespace in ["ops", "team-a", "123"] {
        plane.kubectl(&["create", "namespace", namespace]);
    }
    let file = plane.dir.join("objects.json");
    let apply = |items: &[Value], flags: &[&str]| {
        fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
        plane.try_kubectl(&[&["apply", "-f", file.to_str().unwrap()], flags].concat())
    };
    apply(&[service_monitors()], &[]).unwrap();
    wait_for("ServiceMonitors are served", PATIENCE, || plane.try_kubectl(&["get", "servicemonitors"]).ok());
    let budgets = plane.kubectl(&["api-versions"]).lines().any(|version| version == "policy/v1");

    let questions = questions();
    let rows = pairs::combinations(&questions.iter().map(Vec::len).collect::<Vec<_>>());
    for row in &rows {
        let mut values = json!({});
        questions.iter().zip(row).for_each(|(answers, answer)| lay(&mut values, &answers[*answer]));
        let mut objects = Helm::shared().template(OPERATOR, "ops", &values).unwrap_or_else(|error| panic!("{values}: {error}"));
        fits_together(&values, &objects);
        objects.retain(|object| budgets || object["kind"] != "PodDisruptionBudget");
        let said = apply(&objects, &["--dry-run=server"]).unwrap_or_else(|error| panic!("{values}: {error}"));
        assert_eq!(said.matches(" created (server dry run)").count(), objects.len(), "{values}: {said}");
    }
    println!("{} combinations", rows.len());
    plane.stop();
}

/// What a server does not check.
fn fits_together(values: &Value, objects: &[Value]) {
    let deployment = helm::only(objects, "Deployment");
    let pod = &deployment["spec"]["template"];
    let words = [NAME.to_owned()].into_iter().chain(helm::arguments(objects));
    // The same flag twice, for one.
    let twice = values["extraArgs"].is_array() && values["operator"]["allowHttp"] == true;
    assert_eq!(Args::try_parse_from(words).is_ok(), !twice, "{values}");
    for binding in objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding")) {
        assert_eq!(binding["subjects"][0]["name"], pod["spec"]["serviceAccountName"], "{values}");
    }
    let selects = |selector: &Value, labels: &Value| selector.as_object().unwrap().iter().all(|(name, value)| labels[name] == *value);
    for object in objects {
        let selector = match object["kind"].as_str().unwrap() {
            "Deployment" | "PodDisruptionBudget" => &object["spec"]["selector"]["matchLabels"],
            "Service" => &object["spec"]["selector"],
            "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
            "ServiceMonitor" => {
                let service = &helm::only(objects, "Service")["metadata"]["labels"];
                assert!(selects(&object["spec"]["selector"]["matchLabels"], service), "{values}");
                continue;
            }
            _ => continue,
        };
        assert!(selects(selector, &pod["metadata"]["labels"]), "{values}: {}", name(object));
    }
}

/// As much of the Prometheus operator's definition as the chart may use.
fn service_monitors() -> Value {
    let (text, map) = (json!({"type": "string"}), json!({"type": "object", "additionalProperties": {"type": "string"}}));
    let endpoint = json!({"type": "object", "properties": {"port": text, "interval": text, "scrapeTimeout": text}});
    let spec = json!({"type": "object", "required": ["selector", "endpoints"], "properties": {
        "selector": {"type": "object", "properties": {"matchLabels": map}}, "endpoints": {"type": "array", "items": endpoint}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor", "listKind": "ServiceMonitorList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]},
    })
}
