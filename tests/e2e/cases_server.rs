//! What the real API server makes of the resource definition, of `deploy/` and of the operator's rights.

use std::fs;

use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, Setup, Test, block_on, wait_for};
use super::on_server;

#[test]
fn the_server_accepts_and_refuses_what_the_table_says() {
    let plane = ControlPlane::shared();
    let namespace = format!("crd-table-{}", std::process::id());
    plane.kubectl(&["create", "namespace", &namespace]);
    let differences = block_on(on_server::differences(plane.client(), &namespace));
    assert!(differences.is_empty(), "{} cases:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let t = Test::new("apply-twice");
    let manifest = t.machine("a", json!({"publicIp": {"type": "Dynamic"}, "autoSnapshot": {"frequency": "Daily"}}));
    t.apply(&manifest);
    t.wait_ready("a");
    t.idle(2);
    let version = || {
        let metadata = t.get("a").unwrap()["metadata"].take();
        (metadata["generation"].clone(), metadata["resourceVersion"].clone())
    };
    let before = version();
    assert!(t.apply(&manifest).contains("unchanged"));
    assert_eq!(version(), before, "client-side");

    let server_side: [&[&str]; 2] = [&["--server-side", "--force-conflicts"], &["--server-side"]];
    t.try_apply(&manifest, server_side[0]).unwrap();
    let before = version();
    assert_eq!(before.0, json!(1), "server-side, the first time: another owner of the fields, nothing else");
    t.try_apply(&manifest, server_side[1]).unwrap();
    assert_eq!(version(), before, "server-side");
    t.idle(2);
    assert_eq!(version(), before, "and the operator does not mind");
    assert_eq!(t.sim.writes(), json!({"POST /machines": 1}));
    t.end();
}

#[test]
fn kubectl_explains_the_resource() {
    let plane = ControlPlane::alone("explain");
    plane.install_crd();
    let explained = super::harness::wait_for("the schema is published", super::harness::PATIENCE, || {
        plane.try_kubectl(&["explain", "psm.spec"]).ok().filter(|text| text.contains("machineType"))
    });
    println!("{explained}");
    for words in ["machineType\t<string> -required-", "diskSizeGB\t<integer> -required-", "Paperspace", "powerState\t<string>"] {
        assert!(explained.contains(words), "{words:?} is missing in\n{explained}");
    }
    for path in ["psm.spec.autoShutdown.timeoutHours", "psm.status.conditions", "psm.spec.adopt"] {
        assert!(plane.kubectl(&["explain", path]).contains("DESCRIPTION"), "{path}");
    }
    plane.stop();
}

#[test]
fn deploy_is_accepted_by_the_server() {
    let plane = ControlPlane::shared();
    // The definition is checked by the server alone: this kubectl asks the older of the two servers for the schema of definitions.
    for directory in ["deploy/", "deploy/crd"] {
        plane.kubectl(&["apply", "--dry-run=server", "--validate=false", "-k", directory]);
    }
    let said = plane.kubectl(&["apply", "--dry-run=server", "-k", "deploy/sharded"]);
    assert!(said.contains("statefulset.apps/paperspace-operator created"), "{said}");
    let said = plane.kubectl(&["apply", "--dry-run=server", "-k", "deploy/operator"]);
    assert!(said.lines().all(|line| line.contains("unchanged")), "applied twice, it changes nothing:\n{said}");
    // A server before 1.21 has only an older version of it.
    if plane.kubectl(&["api-versions"]).lines().any(|version| version == "policy/v1") {
        let said = plane.kubectl(&["apply", "--dry-run=server", "-k", "deploy/components/disruption-budget"]);
        assert!(said.contains("poddisruptionbudget.policy/paperspace-operator created"), "{said}");
    }
}

#[test]
fn the_operator_has_the_rights_that_it_needs_and_no_others() {
    let plane = ControlPlane::shared();
    let may_in = |namespace: &str, verb: &str, what: &str| {
        let who = "--as=system:serviceaccount:paperspace-operator:paperspace-operator";
        plane.try_kubectl(&["auth", "can-i", verb, what, who, "-n", namespace]).is_ok()
    };
    let may = |verb: &str, what: &str| may_in("default", verb, what);
    // Its own leases; those of others are theirs.
    for verb in ["get", "create", "update"] {
        assert!(may_in("paperspace-operator", verb, "leases.coordination.k8s.io"), "it must be allowed to {verb} leases");
    }
    for verb in ["list", "watch", "patch", "delete"] {
        assert!(!may_in("paperspace-operator", verb, "leases.coordination.k8s.io"), "it must not be allowed to {verb} leases");
    }
    let machines = "paperspacemachines.paperspace-operator.dev";
    let definitions = "customresourcedefinitions.apiextensions.k8s.io";
    let ours = format!("{definitions}/{machines}");
    for (verb, what) in [
        ("patch", machines),
        ("watch", machines),
        ("list", "secrets"),
        ("create", "configmaps"),
        ("create", "events.events.k8s.io"),
        ("get", &ours),
    ] {
        assert!(may(verb, what), "it must be allowed to {verb} {what}");
    }
    let forbidden = [
        ("delete", machines),
        ("create", machines),
        ("deletecollection", machines),
        ("update", &ours),
        ("patch", &ours),
        ("delete", &ours),
        ("create", definitions),
        ("list", definitions),
        ("create", "secrets"),
        ("update", "secrets"),
        ("patch", "secrets"),
        ("delete", "secrets"),
        ("patch", "configmaps"),
        ("deletecollection", "configmaps"),
        ("get", "pods"),
        ("create", "pods"),
        ("create", "serviceaccounts/token"),
        ("impersonate", "users"),
        ("patch", "namespaces"),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("get", "leases.coordination.k8s.io"),
        ("create", "leases.coordination.k8s.io"),
    ];
    for (verb, what) in forbidden {
        assert!(!may(verb, what), "it must not be allowed to {verb} {what}");
    }
}

#[test]
fn an_operator_that_cannot_list_anything_ends_all_the_same_when_told_to() {
    let mut t = Test::with("blind", Setup { stopped: true, ..Setup::USUAL });
    let (role, account) = (format!("e2e-{}", t.namespace), format!("--serviceaccount={}:blind", t.namespace));
    t.kubectl(&["create", "serviceaccount", "blind"]);
    t.kubectl(&["create", "clusterrole", &role, "--verb=get", "--resource=customresourcedefinitions.apiextensions.k8s.io"]);
    t.kubectl(&["create", "clusterrolebinding", &role, &format!("--clusterrole={role}"), &account]);
    let (_, path) = t.operator.environment.iter().find(|(name, _)| name == "KUBECONFIG").unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    kubeconfig["users"][0]["user"]["token"] = t.kubectl(&["create", "token", "blind"]).trim().into();
    fs::write(path, kubeconfig.to_string()).unwrap();
    // What it cannot know might stop it.
    t.operator.start();
    let unknown = "the ConfigMap of the emergency stop cannot be watched";
    wait_for("what it needs", PATIENCE, || t.operator.log().contains(unknown).then_some(()));
    t.operator.stop();
    t.operator = t.another_operator("unstoppable", &["--stop-config-map", ""]);
    t.operator.start();
    wait_for("a list that is refused", PATIENCE, || t.operator.log().contains("the watch failed").then_some(()));
    t.end();
}
