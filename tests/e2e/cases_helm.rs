//! The Helm charts on a real server, with the real Helm: installing, upgrading, rolling back and uninstalling leave every machine's resource
//! and the definition alone, and an operator with the chart's rights does its work.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, Setup, Test, wait_for};
use super::helm::{DEFINITION, Helm, NAME, OPERATOR};
use super::helm_release::{Releases, beside_deploy, chart};

const DEFINED: &str = "crd/paperspacemachines.paperspace-operator.dev";
const RELEASE: &str = "paperspace-operator-crds";

/// From `kubectl apply -k deploy/`, by the README's way, through everything that Helm does.
#[test]
fn neither_chart_takes_the_machines_along() {
    let plane = ControlPlane::own("helm");
    let machine = json!({
        "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"machineType": "C5", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 50},
    });
    let file = plane.dir.join("machine.json");
    fs::write(&file, machine.to_string()).unwrap();
    wait_for("a machine", PATIENCE, || plane.try_kubectl(&["create", "-f", file.to_str().unwrap()]).ok());
    plane.kubectl(&["-n", NAME, "create", "secret", "generic", "paperspace-operator-api-key", "--from-literal=apiKey=k1"]);
    let uids = || {
        let uid = |what: &[&str]| plane.kubectl(&[&["get", "-o", "jsonpath={.metadata.uid}{.metadata.deletionTimestamp}"], what].concat());
        [uid(&[DEFINED]), uid(&["psm", "a"]), uid(&["-n", NAME, "secret", "paperspace-operator-api-key"])]
    };
    let before = uids();
    let nothing_is_lost = || assert_eq!(uids(), before);

    hand_over(&plane);
    nothing_is_lost();
    let releases = Releases::of(&plane, NAME);
    releases.install(RELEASE, &chart(DEFINITION), &json!({})).unwrap();
    operator_comes_and_goes(&plane, &releases, &nothing_is_lost);
    definition_comes_and_goes(&plane, &releases, &nothing_is_lost);
    plane.stop();
}

/// The README's commands.
fn hand_over(plane: &ControlPlane) {
    let readme = fs::read_to_string(chart(OPERATOR).join("README.md")).unwrap();
    let (_, section) = readme.split_once("### In place of `kubectl apply -k`").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let commands: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("    kubectl ")).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        plane.kubectl(&command.split_whitespace().collect::<Vec<_>>());
    }
}

fn operator_comes_and_goes(plane: &ControlPlane, releases: &Releases, nothing_is_lost: &dyn Fn()) {
    let replicas = || plane.kubectl(&["-n", NAME, "get", "deployment", NAME, "-o", "jsonpath={.spec.replicas}"]);
    let of_release = || plane.kubectl(&["-n", NAME, "get", "deployment,service,serviceaccount,role,rolebinding", "-o", "name"]);
    let made = releases.install(NAME, &chart(OPERATOR), &json!({})).unwrap();
    assert_eq!((&made["status"], replicas().as_str()), (&json!("deployed"), "2"));
    nothing_is_lost();
    releases.upgrade(NAME, &chart(OPERATOR), &json!({"replicas": 3, "watchNamespaces": ["default"]}));
    assert_eq!(replicas(), "3");
    let role = ["-n", "default", "get", "role", NAME];
    assert!(plane.try_kubectl(&role).is_ok() && plane.try_kubectl(&["get", "clusterrole", NAME]).is_err());
    nothing_is_lost();
    let strategy = || plane.kubectl(&["-n", NAME, "get", "deployment", NAME, "-o", "jsonpath={.spec.strategy}"]);
    releases.upgrade(NAME, &chart(OPERATOR), &json!({"replicas": 1, "leaderElection": {"enabled": false}}));
    assert_eq!(strategy(), r#"{"type":"Recreate"}"#);
    nothing_is_lost();
    releases.rollback(NAME, 1);
    assert_eq!((replicas().as_str(), strategy().contains("RollingUpdate")), ("2", true));
    assert!(plane.try_kubectl(&role).is_err() && plane.try_kubectl(&["get", "clusterrole", NAME]).is_ok());
    nothing_is_lost();
    assert_eq!(releases.uninstall(NAME), "", "it keeps nothing of its own");
    wait_for("all of it is gone", PATIENCE, || (!of_release().contains(NAME)).then_some(()));
    assert!(plane.try_kubectl(&["get", "clusterrole", NAME]).is_err());
    nothing_is_lost();
}

fn definition_comes_and_goes(plane: &ControlPlane, releases: &Releases, nothing_is_lost: &dyn Fn()) {
    let shorts = || plane.kubectl(&["get", DEFINED, "-o", "jsonpath={.spec.names.shortNames}"]);
    let changed = with_another_short_name(&plane.dir.join("changed"));
    let refused = releases.try_upgrade(RELEASE, &changed, &json!({})).unwrap_err();
    assert!(refused.contains("conflict with \"kubectl-client-side-apply\"") && shorts() == r#"["psm"]"#, "{refused}");
    nothing_is_lost();
    // What --force-conflicts does, which this library has not.
    let managers = plane.kubectl(&["get", DEFINED, "-o", "jsonpath={.metadata.managedFields[*].manager}"]);
    let at = managers.split(' ').position(|manager| manager == "kubectl-client-side-apply").unwrap();
    let patch = json!([{"op": "remove", "path": format!("/metadata/managedFields/{at}")}]);
    plane.kubectl(&["patch", DEFINED, "--type=json", "-p", &patch.to_string()]);
    releases.upgrade(RELEASE, &changed, &json!({}));
    assert_eq!(shorts(), r#"["psm","psmachine"]"#);
    nothing_is_lost();
    releases.rollback(RELEASE, 1);
    assert_eq!(shorts(), r#"["psm"]"#);
    nothing_is_lost();
    let said = releases.uninstall(RELEASE);
    assert!(said.contains("kept due to the resource policy") && said.contains("paperspacemachines.paperspace-operator.dev"), "{said}");
    nothing_is_lost();
    // Under another name it is not its own; under its name it goes on.
    let refused = releases.install("other", &chart(DEFINITION), &json!({})).unwrap_err();
    assert!(refused.contains("cannot be imported into the current release"), "{refused}");
    releases.install(RELEASE, &changed, &json!({})).unwrap();
    assert_eq!(shorts(), r#"["psm","psmachine"]"#);
    nothing_is_lost();
}

/// A later version of the chart of the definition.
fn with_another_short_name(to: &Path) -> PathBuf {
    let from = chart(DEFINITION);
    fs::create_dir_all(to.join("templates")).unwrap();
    for file in ["Chart.yaml", "values.yaml", "values.schema.json", "templates/paperspacemachines.yaml"] {
        let text = fs::read_to_string(from.join(file)).unwrap();
        let later = text.replace("\nversion: 0.1.0\n", "\nversion: 0.2.0\n").replace("    - psm\n", "    - psm\n    - psmachine\n");
        assert_eq!(later == text, file.starts_with("values"), "{file}");
        fs::write(to.join(file), later).unwrap();
    }
    to.to_owned()
}

/// `helm template | kubectl apply -f -`, as of those who use Helm for nothing else.
#[test]
fn what_helm_template_prints_can_be_applied() {
    let plane = ControlPlane::shared();
    let namespace = format!("helm-template-{}", std::process::id());
    plane.kubectl(&["create", "namespace", &namespace]);
    // The roles of the whole cluster are `deploy/`'s here.
    let values = json!({"fullnameOverride": "templated", "watchNamespaces": [namespace], "networkPolicy": {"enabled": true}});
    let items = Helm::shared().template(OPERATOR, &namespace, &beside_deploy(&values)).unwrap();
    let file = plane.dir.join("template.json");
    fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
    let apply = ["apply", "-f", file.to_str().unwrap()];
    let said = plane.kubectl(&apply);
    assert_eq!(said.matches(" created").count(), items.len(), "{said}");
    let said = plane.kubectl(&apply);
    assert_eq!(said.matches(" unchanged").count(), items.len(), "applied twice, it changes nothing: {said}");
}

/// By what the cluster has.
#[test]
fn a_disruption_budget_is_made_where_there_are_such() {
    let plane = ControlPlane::shared();
    let there = plane.kubectl(&["api-versions"]).lines().any(|version| version == "policy/v1");
    let tried = Releases::of(plane, "default").try_out(
        &chart(OPERATOR),
        // Not as what is there by `deploy/`.
        &json!({"podDisruptionBudget": {"enabled": true}, "fullnameOverride": "budget"}),
    );
    let (manifest, notes) = (tried["manifest"].as_str().unwrap(), tried["notes"].as_str().unwrap());
    assert_eq!(manifest.contains("kind: PodDisruptionBudget"), there);
    assert_eq!(notes.contains("podDisruptionBudget is left out"), !there, "{notes}");
}

/// A case whose operator has the rights of a release in a namespace of its own, which serves the case's alone.
fn with_release(name: &str, values: &Value) -> (Test, String) {
    let t = Test::with(name, Setup { stopped: true, flags: &["--leader-elect"], ..Setup::USUAL });
    let own = format!("{}-ops", t.namespace);
    t.plane.kubectl(&["create", "namespace", &own]);
    let mut all = json!({"watchNamespaces": [t.namespace]});
    all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    Releases::of(t.plane, &own).install(NAME, &chart(OPERATOR), &beside_deploy(&all)).unwrap();
    let (_, path) = t.operator.environment.iter().find(|(name, _)| name == "KUBECONFIG").unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    kubeconfig["users"][0]["user"]["token"] = t.plane.kubectl(&["-n", &own, "create", "token", NAME]).trim().into();
    // As in a pod.
    kubeconfig["contexts"][0]["context"]["namespace"] = own.clone().into();
    fs::write(path, kubeconfig.to_string()).unwrap();
    t.operator.start();
    (t, own)
}

#[test]
fn an_operator_of_one_namespace_does_all_its_work_with_no_right_to_another() {
    let (t, own) = with_release("helm-namespaced", &json!({"operator": {"defaultKeyNamespaces": "team=ml"}}));
    t.plane.kubectl(&["label", "namespace", &t.namespace, "team=ml"]);
    t.apply(&t.secret("paperspace", "k1"));
    t.apply(&t.machine("a", json!({"credentialsRef": {"name": "paperspace"}, "writeConnectionTo": {"configMapName": "a"}})));
    t.apply(&t.machine("b", json!({})));
    t.wait_ready("a");
    t.wait_ready("b");
    t.wait_event("a", "Created");
    t.kubectl(&["wait", "--for=jsonpath={.data.user}=paperspace", "configmap/a", "--timeout=60s"]);
    t.delete("a");
    t.wait_gone("a");
    assert_eq!(t.sim.machines().len(), 1);

    let account = format!("--as=system:serviceaccount:{own}:{NAME}");
    let may =
        |verb: &str, what: &str, rest: &[&str]| t.plane.try_kubectl(&[&["auth", "can-i", verb, what, &account], rest].concat()).is_ok();
    let machines = "paperspacemachines.paperspace-operator.dev";
    for (verb, what) in
        [("list", machines), ("patch", machines), ("list", "secrets"), ("update", "configmaps"), ("create", "events.events.k8s.io")]
    {
        assert!(may(verb, what, &["-n", &t.namespace]), "{verb} {what} in its namespace");
        assert!(!may(verb, what, &["-n", "default"]) && !may(verb, what, &["--all-namespaces"]), "{verb} {what} elsewhere");
    }
    assert!(may("get", &format!("namespaces/{}", t.namespace), &[]) && !may("get", "namespaces/default", &[]));
    t.end();
}

#[test]
fn without_the_rights_to_secrets_and_config_maps_what_needs_none_works() {
    let (t, _) = with_release("helm-few-rights", &json!({"rbac": {"secrets": false, "configMaps": false}}));
    t.apply(&t.secret("paperspace", "k1"));
    t.apply(&t.machine("a", json!({"credentialsRef": {"name": "paperspace"}})));
    t.apply(&t.machine("b", json!({"writeConnectionTo": {"configMapName": "b"}})));
    t.apply(&t.machine("c", json!({})));
    t.wait_ready("c");
    wait_for("to be said in the log", PATIENCE, || {
        let log = t.operator.log();
        (log.contains("Secrets cannot be watched") && log.contains("ConfigMaps cannot be watched")).then_some(())
    });
    // One that needs the key of a Secret waits, and says for what; the machine of one that is only to be published is there.
    t.wait_reason("a", "Ready", "KubernetesUnavailable");
    t.wait_reason("b", "Ready", "Running");
    t.wait_reason("b", "Synced", "ConnectionNotWritten");
    for (name, kind) in [("a", "Ready"), ("b", "Synced")] {
        let message = t.condition(name, kind).2;
        assert!(message.contains("is forbidden"), "{name}: {message}");
    }
    t.delete("c");
    t.wait_gone("c");
    assert_eq!(t.sim.machines().len(), 1);
    t.end();
}

#[test]
fn without_the_right_to_read_its_definition_it_destroys_nothing_and_does_not_begin() {
    let (t, own) = with_release("helm-no-definition", &json!({}));
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    t.plane.kubectl(&["delete", "clusterrolebinding", &format!("{own}-{NAME}")]);
    t.delete("a");
    t.wait_reason("a", "Stalled", "DeletionHeld");
    assert_eq!(t.sim.machines().len(), 1);
    t.operator.restart();
    wait_for("to be said in the log", PATIENCE, || t.operator.log().contains("cannot be read; trying again").then_some(()));
    assert_eq!(t.sim.machines().len(), 1);
    // Helm makes what is missing.
    Releases::of(t.plane, &own).upgrade(NAME, &chart(OPERATOR), &beside_deploy(&json!({"watchNamespaces": [t.namespace]})));
    t.wait_gone("a");
    assert!(t.sim.machines().is_empty());
    t.end();
}
