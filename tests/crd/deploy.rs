//! `deploy/`: the roles are these and no others, the pod is a restricted one, and kustomize can render it.

use std::process::Command;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use paperspace_operator::args::{Args, Command as Sub};
use paperspace_operator::crd::CRD_NAME;
use serde_json::{Value, json};

use super::yaml;

const NAME: &str = "paperspace-operator";

fn objects(kind: &str) -> Vec<Value> {
    yaml::files("deploy/operator").iter().flat_map(|file| yaml::documents(file)).filter(|document| document["kind"] == kind).collect()
}

fn deployment() -> Value {
    objects("Deployment").remove(0)
}

/// Secrets and ConfigMaps have roles of their own, so that they can be bound to single namespaces. Widening either is a decision to be seen in review.
#[test]
fn the_roles_are_exactly_these() {
    let roles: Vec<(Value, Value)> =
        objects("ClusterRole").into_iter().map(|role| (role["metadata"]["name"].clone(), role["rules"].clone())).collect();
    let own = json!([
        {"apiGroups": ["paperspace-operator.dev"], "resources": ["paperspacemachines"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["paperspace-operator.dev"], "resources": ["paperspacemachines/status"], "verbs": ["get", "patch"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "resourceNames": [CRD_NAME], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]);
    let secrets = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}]);
    let config_maps =
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "update", "delete"]}]);
    let expected = [("paperspace-operator-configmaps", config_maps), ("paperspace-operator-secrets", secrets), (NAME, own)];
    assert_eq!(roles, expected.map(|(name, rules)| (json!(name), rules)));
    let [leases, stop] = &objects("Role")[..] else { panic!("two Roles") };
    assert_eq!(stop["metadata"], json!({"name": "paperspace-operator-stop", "namespace": NAME}));
    assert_eq!(
        stop["rules"],
        json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["paperspace-operator-stop"], "verbs": ["get", "list", "watch"]}])
    );
    assert_eq!(leases["metadata"], json!({"name": "paperspace-operator-leases", "namespace": NAME}));
    assert_eq!(
        leases["rules"],
        json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}])
    );
}

#[test]
fn each_role_is_bound_to_the_service_account_alone() {
    let account = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}]);
    let bindings = objects("ClusterRoleBinding");
    let bound: Vec<&Value> = bindings.iter().map(|binding| &binding["roleRef"]["name"]).collect();
    assert_eq!(bound, ["paperspace-operator-configmaps", "paperspace-operator-secrets", NAME]);
    assert!(bindings.iter().all(|binding| binding["subjects"] == account));
    let bindings = objects("RoleBinding");
    let bound: Vec<&Value> = bindings.iter().map(|binding| &binding["roleRef"]["name"]).collect();
    assert_eq!(bound, ["paperspace-operator-leases", "paperspace-operator-stop"]);
    for binding in &bindings {
        assert_eq!((&binding["metadata"]["namespace"], &binding["roleRef"]["kind"]), (&json!(NAME), &json!("Role")));
        assert_eq!(binding["subjects"], account);
    }
    assert_eq!(deployment()["spec"]["template"]["spec"]["serviceAccountName"], NAME);
}

/// What the Pod Security Standard "restricted" asks for, and a root file system that nothing is written to.
#[test]
fn the_pod_is_a_restricted_one() {
    let pod = &deployment()["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    for resource in ["cpu", "memory"] {
        assert!(container["resources"]["requests"][resource].is_string() && container["resources"]["limits"][resource].is_string());
    }
    let namespace = objects("Namespace").remove(0);
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
}

#[test]
fn a_second_operator_stands_by_for_the_first() {
    let spec = &deployment()["spec"];
    assert_eq!(spec["replicas"], 2);
    // Stated as the server states it: of a strategy that is given in part, kubectl makes a change with each apply.
    assert_eq!(spec["strategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}));
    assert_eq!(spec["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"], spec["selector"]);
    // Longer than a request may take, so that the step at work is finished and the lease given back.
    assert!(spec["template"]["spec"]["terminationGracePeriodSeconds"].as_u64() > Some(30 + 2));
}

/// What the pod says is what the program reads.
#[test]
fn the_program_understands_its_pod() {
    use clap::Parser as _;
    let deployment = deployment();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let words = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let Ok(Args { command: Sub::Run(run) }) = Args::try_parse_from([NAME].into_iter().chain(words)) else { panic!("no arguments of run") };
    assert!(run.leader_elect, "there are two of it");
    assert_eq!(container["ports"][0]["containerPort"], run.listen.port());
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "http"}));
    }
    assert_eq!(container["image"], format!("{NAME}:{}", env!("CARGO_PKG_VERSION")));

    let known = <Args as clap::CommandFactory>::command();
    let run = known.find_subcommand("run").unwrap();
    let names: Vec<&str> = run.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    let given: Vec<&str> = container["env"].as_array().unwrap().iter().map(|env| env["name"].as_str().unwrap()).collect();
    assert!(given.iter().all(|name| names.contains(name)), "{given:?} are not all of {names:?}");
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert_eq!(container["env"][0]["value"], format!("{mount}/apiKey"));
}

#[test]
fn the_service_finds_the_pod() {
    let (service, deployment) = (objects("Service").remove(0), deployment());
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    for selector in [&service["spec"]["selector"], &deployment["spec"]["selector"]["matchLabels"]] {
        assert!(selector.as_object().unwrap().iter().all(|(name, value)| labels[name] == *value));
    }
}

/// On its own: a server without policy/v1 accepts all the rest.
#[test]
fn a_drain_may_take_one_pod_at_a_time() {
    let budget = yaml::documents(&yaml::at("deploy/components/disruption-budget/pod-disruption-budget.yaml")).remove(0);
    let read: PodDisruptionBudget = serde_json::from_value(budget.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), budget, "fields that Kubernetes does not have");
    assert_eq!((&budget["metadata"]["namespace"], &budget["spec"]["selector"]), (&json!(NAME), &deployment()["spec"]["selector"]));
    // With as many as there are, a drain would wait for ever.
    assert_eq!((&budget["spec"]["maxUnavailable"], &budget["spec"]["minAvailable"]), (&json!(1), &Value::Null));
}

/// Tools that clean up what is no longer in their sources leave the definition alone: with it would go every machine.
#[test]
fn the_definition_is_kept_by_those_who_clean_up() {
    let definition = yaml::documents(&yaml::at("crds/paperspacemachines.yaml")).remove(0);
    assert_eq!(
        definition["metadata"]["annotations"],
        json!({
            "helm.sh/resource-policy": "keep",
            "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
            "kustomize.toolkit.fluxcd.io/prune": "disabled",
        })
    );
}

#[test]
fn kustomize_renders_each_part() {
    let budget = "deploy/components/disruption-budget";
    for (part, count) in [("deploy/crd", 1), ("deploy/operator", 16), ("deploy/sharded", 16), ("deploy", 17), (budget, 1)] {
        let Some(objects) = rendered(part) else { return };
        assert_eq!(objects.len(), count, "{part}");
    }
}

/// What kustomize makes of a part. The end-to-end tests apply it to a server, with a kubectl that they find or fetch.
fn rendered(part: &str) -> Option<Vec<Value>> {
    if !Command::new("kubectl").args(["version", "--client"]).output().is_ok_and(|version| version.status.success()) {
        eprintln!("no kubectl here: not rendered");
        return None;
    }
    let rendered = Command::new("kubectl").arg("kustomize").arg(yaml::at(part)).output().unwrap();
    assert!(rendered.status.success(), "{part}: {}", String::from_utf8_lossy(&rendered.stderr));
    Some(serde_saphyr::from_multiple(&String::from_utf8(rendered.stdout).unwrap()).unwrap())
}

#[test]
fn each_pod_of_the_sharded_operator_is_a_shard_of_its_own_and_otherwise_like_the_one_operator() {
    use clap::Parser as _;
    let Some(objects) = rendered("deploy/sharded") else { return };
    let one = rendered("deploy/operator").unwrap().into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let mut sharded = objects.into_iter().find(|object| object["kind"] == "StatefulSet").unwrap();
    let container = "/spec/template/spec/containers/0";
    let words: Vec<String> = serde_json::from_value(sharded.pointer(container).unwrap()["args"].clone()).unwrap();
    let replicas = u16::try_from(sharded["spec"]["replicas"].as_u64().unwrap()).unwrap();
    for index in 0..replicas {
        let words = words.iter().map(|word| word.replace("$(POD_INDEX)", &index.to_string()));
        let Ok(Args { command: Sub::Run(run) }) = Args::try_parse_from([NAME.to_owned()].into_iter().chain(words)) else {
            panic!("{index}")
        };
        let shard = run.shard.unwrap();
        assert_eq!((shard.index(), shard.count().get()), (index, replicas));
    }
    let environment = sharded.pointer_mut(container).unwrap()["env"].as_array_mut().unwrap();
    let index = json!({"name": "POD_INDEX", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}});
    assert_eq!(environment.pop(), Some(index));
    *sharded.pointer_mut(container).unwrap().get_mut("args").unwrap() = one.pointer(container).unwrap()["args"].clone();
    assert_eq!((&sharded["spec"]["template"], &sharded["spec"]["selector"]), (&one["spec"]["template"], &one["spec"]["selector"]));
}
