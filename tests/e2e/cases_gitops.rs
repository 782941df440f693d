//! What tools of GitOps do to a resource: they apply the same again and again, from either side, compare, and put their own labels and
//! annotations on. They and the operator never contend for a field, and nothing of it reaches Paperspace.

use std::fs;
use std::path::Path;

use paperspace_operator::crd::{ADDRESS_OF_MACHINE, FIELD_MANAGER, FINALIZER};
use serde_json::{Value, json};

use super::harness::{ControlPlane, Test};

/// As Argo CD applies with `ServerSideApply=true`, but without its force: nothing needs that.
const ARGO: [&str; 2] = ["--server-side", "--field-manager=argocd-controller"];

/// Fields of every sort: with defaults, nested, a list, and some that the operator resolves or keeps in mind.
fn spec() -> Value {
    json!({
        "powerState": "Running", "publicIp": {"type": "Static"}, "autoSnapshot": {"frequency": "Daily"}, "machineName": "by git",
        "startupScript": {"inline": "echo one"}, "writeConnectionTo": {"configMapName": "published"},
    })
}

/// What `kubectl diff` finds between a manifest and the cluster.
fn difference(t: &Test, manifest: &Value, flags: &[&str]) -> Result<String, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, manifest.to_string().as_bytes()).unwrap();
    t.try_kubectl(&[&["diff", "-f", file.path().to_str().unwrap()], flags].concat())
}

fn version(t: &Test, name: &str) -> String {
    t.get(name).unwrap()["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Calls to Paperspace but the shared list, which goes on for ever.
fn calls(t: &Test) -> Value {
    let mut calls = t.sim.truth()["calls"].take();
    calls.as_object_mut().unwrap().remove("GET /machines");
    calls
}

/// What managers own in the object itself: paths of the second level, such as `f:metadata f:finalizers`.
fn owned_by(object: &Value, manager: &str) -> Vec<String> {
    let of = object["metadata"]["managedFields"].as_array().unwrap().iter().filter(|entry| entry["manager"] == manager);
    let mut paths = Vec::new();
    for (top, below) in of.flat_map(|entry| entry["fieldsV1"].as_object().unwrap()) {
        paths.extend(below.as_object().unwrap().keys().filter(|key| *key != ".").map(|key| format!("{top} {key}")));
    }
    paths.sort();
    paths
}

#[test]
fn there_is_no_difference_once_the_operator_has_worked() {
    let t = Test::new("gitops-diff");
    let sides: [(&str, &[&str]); 2] = [("client", &[]), ("server", &["--server-side"])];
    let manifest = |name: &str, over: Value| {
        let mut spec = spec();
        spec["writeConnectionTo"]["configMapName"] = json!(name);
        spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        t.machine(name, spec)
    };
    for (name, side) in sides {
        t.try_apply(&manifest(name, json!({})), side).unwrap();
    }
    for (name, side) in sides {
        t.wait_ready(name);
        t.idle(2);
        let (version_before, calls_before) = (version(&t, name), calls(&t));
        // The server sees defaults, the finalizer, the annotation and the status that the manifest does not have.
        assert_eq!(difference(&t, &manifest(name, json!({})), side), Ok(String::new()), "{name}");
        let seen = difference(&t, &manifest(name, json!({"machineName": "another"})), side);
        assert!(seen.is_err_and(|shown| shown.contains("+  machineName: another")), "a difference would be seen");
        let said = t.try_apply(&manifest(name, json!({})), side).unwrap();
        assert!(said.contains(if name == "client" { "unchanged" } else { "serverside-applied" }), "{said}");
        t.idle(2);
        assert_eq!((version(&t, name), calls(&t)), (version_before, calls_before), "{name}");
    }
    t.end();
}

#[test]
fn an_apply_from_the_server_side_never_conflicts_with_the_operator() {
    let t = Test::new("gitops-apply");
    let apply = |spec: Value| t.try_apply(&t.machine("a", spec), &ARGO).unwrap();
    apply(spec());
    t.wait_ready("a");
    t.idle(2);
    let a = t.get("a").unwrap();
    let metadata = &a["metadata"];
    assert!(metadata["finalizers"] == json!([FINALIZER]) && metadata["annotations"][ADDRESS_OF_MACHINE].is_string(), "{metadata:#}");
    let mine = owned_by(&a, FIELD_MANAGER);
    assert!(mine.iter().any(|path| path == "f:status f:conditions"), "{mine:?}");
    assert!(!mine.iter().any(|path| path.starts_with("f:spec")), "the operator owns nothing of the spec: {mine:?}");
    assert!(owned_by(&a, "argocd-controller").iter().all(|path| path.starts_with("f:spec")));

    let before = version(&t, "a");
    apply(spec());
    assert_eq!(version(&t, "a"), before, "the same again");
    let mut changed = spec();
    changed["machineName"] = json!("renamed");
    changed["autoSnapshot"] = json!({"frequency": "Weekly", "keep": 2});
    changed.as_object_mut().unwrap().remove("startupScript");
    apply(changed.clone());
    let a = t.wait_ready("a");
    assert!(a["spec"].get("startupScript").is_none(), "what Git leaves out goes");
    t.wait_machine(&t.machine_id("a"), "the new name", |machine| machine["name"].as_str().unwrap().starts_with("renamed"));
    apply(changed.clone());
    // Another tool that takes over, with the same manifest.
    t.try_apply(&t.machine("a", changed.clone()), &["--server-side", "--field-manager=kustomize-controller"]).unwrap();
    t.idle(2);
    apply(changed);
    assert!(!owned_by(&t.get("a").unwrap(), FIELD_MANAGER).iter().any(|path| path.starts_with("f:spec")));
    assert_eq!(t.get("a").unwrap()["metadata"]["finalizers"], json!([FINALIZER]));
    t.end();
}

/// What Git does not have is nobody's but who sets it.
#[test]
fn a_power_state_that_git_leaves_out_is_kept_as_a_person_set_it() {
    let t = Test::new("gitops-power");
    let apply = || t.try_apply(&t.machine("a", json!({})), &ARGO).unwrap();
    apply();
    t.wait_ready("a");
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "Stopped");
    let before = version(&t, "a");
    apply();
    assert_eq!(version(&t, "a"), before);
    t.idle(2);
    assert_eq!(t.get("a").unwrap()["status"]["powerState"], "Stopped");
    t.end();
}

#[test]
fn the_marks_of_the_tools_do_not_reach_paperspace() {
    let t = Test::new("gitops-marks");
    let mut manifest = t.machine("a", json!({}));
    t.try_apply(&manifest, &ARGO).unwrap();
    t.wait_ready("a");
    t.idle(2);
    let before = calls(&t);
    manifest["metadata"]["labels"] = json!({
        "app.kubernetes.io/instance": "machines", "kustomize.toolkit.fluxcd.io/name": "machines",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system", "helm.toolkit.fluxcd.io/name": "machines",
    });
    manifest["metadata"]["annotations"] = json!({
        "argocd.argoproj.io/tracking-id": "machines:paperspace-operator.dev/PaperspaceMachine:ml/a",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false", "argocd.argoproj.io/sync-wave": "1",
        "kustomize.toolkit.fluxcd.io/prune": "disabled", "reconcile.fluxcd.io/requestedAt": "2026-01-01T00:00:00Z",
    });
    t.try_apply(&manifest, &ARGO).unwrap();
    let marked = version(&t, "a");
    t.idle(3);
    assert_eq!(calls(&t), before);
    assert_eq!(version(&t, "a"), marked, "nor does the operator write anything");
    let annotations = t.get("a").unwrap()["metadata"]["annotations"].take();
    assert!(annotations[ADDRESS_OF_MACHINE].is_string() && annotations["argocd.argoproj.io/sync-wave"] == "1", "{annotations:#}");

    // And away with them.
    t.try_apply(&t.machine("a", json!({})), &ARGO).unwrap();
    t.idle(3);
    assert_eq!(calls(&t), before);
    assert!(t.get("a").unwrap()["metadata"]["annotations"][ADDRESS_OF_MACHINE].is_string());
    t.end();
}

#[test]
fn every_example_is_accepted_by_the_server_from_either_side() {
    let plane = ControlPlane::shared();
    let namespace = format!("gitops-examples-{}", std::process::id());
    plane.kubectl(&["create", "namespace", &namespace]);
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = fs::read_dir(top.join("deploy/examples")).unwrap().map(|file| file.unwrap().path());
    let guarded = ["argocd", "flux"].map(|tool| top.join(format!("deploy/gitops/{tool}/guarded-machine.yaml")));
    let mut files: Vec<_> = examples.chain(guarded).collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    for file in &files {
        let path = file.to_str().unwrap();
        for side in ["--server-side=false", "--server-side=true"] {
            let said = plane.kubectl(&["-n", &namespace, "apply", "--dry-run=server", side, "--validate=strict", "-f", path]);
            assert!(said.lines().any(|line| line.starts_with("paperspacemachine.paperspace-operator.dev/")), "{path}: {said}");
        }
    }
    plane.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}

/// The command at the top of the file.
#[test]
fn argo_cds_own_configuration_is_kept_when_the_health_check_comes() {
    let plane = ControlPlane::shared();
    let namespace = format!("gitops-argocd-{}", std::process::id());
    plane.kubectl(&["create", "namespace", &namespace]);
    plane.kubectl(&["-n", &namespace, "create", "configmap", "argocd-cm", "--from-literal=url=https://argocd.example.com"]);
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gitops/argocd");
    let text = fs::read_to_string(top.join("argocd-cm.yaml")).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("#   kubectl --namespace argocd ")).expect("a command");
    let words: Vec<&str> = ["-n", &namespace].into_iter().chain(command.split(' ')).collect();
    plane.kubectl(&words);
    let map: Value = serde_json::from_str(&plane.kubectl(&["-n", &namespace, "get", "configmap", "argocd-cm", "-o", "json"])).unwrap();
    let script = fs::read_to_string(top.join("resource_customizations/paperspace-operator.dev/PaperspaceMachine/health.lua")).unwrap();
    assert_eq!(map["data"]["url"], "https://argocd.example.com");
    assert_eq!(map["data"]["resource.customizations.health.paperspace-operator.dev_PaperspaceMachine"], script);
    plane.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}
