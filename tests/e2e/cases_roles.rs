//! What `deploy/rbac` gives to people, asked of a real API server: the built-in roles with what it adds to them, and the quota.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, fixed, wait_for};

const MACHINES: &str = "paperspacemachines.paperspace-operator.dev";

/// People with one role each in one namespace, named after it; `nobody` has none.
fn namespace() -> &'static str {
    static NAMESPACE: OnceLock<&str> = OnceLock::new();
    NAMESPACE.get_or_init(|| {
        let (plane, namespace) = (ControlPlane::shared(), fixed(format!("roles-{}", std::process::id())));
        plane.kubectl(&["create", "namespace", namespace]);
        for role in ["view", "edit", "admin", "paperspace-editor"] {
            let (bound, person) = (format!("--clusterrole={role}"), format!("--user={role}"));
            plane.kubectl(&["-n", namespace, "create", "rolebinding", role, &bound, &person]);
        }
        namespace
    })
}

fn may(person: &str, verb: &str, what: &[&str]) -> bool {
    let asked = [&["auth", "can-i", verb, "--as", person, "-n", namespace()], what].concat();
    ControlPlane::shared().try_kubectl(&asked).is_ok()
}

/// The built-in roles are put together by a controller, which envtest does not have: there each role is what it was before.
fn aggregated() -> bool {
    if !ControlPlane::shared().servers().contains(&"kube-controller-manager") {
        println!("no kube-controller-manager here: nothing puts the built-in roles together");
        return false;
    }
    wait_for("the built-in roles have their parts", PATIENCE, || {
        (may("admin", "create", &[MACHINES]) && may("view", "get", &[MACHINES])).then_some(())
    });
    true
}

#[test]
fn who_may_view_sees_machines_and_who_is_admin_has_them() {
    if !aggregated() {
        return;
    }
    for (person, seen, written) in [("nobody", false, false), ("view", true, false), ("edit", true, false), ("admin", true, true)] {
        for (verb, expected) in [
            ("get", seen),
            ("list", seen),
            ("watch", seen),
            ("create", written),
            ("update", written),
            ("patch", written),
            ("delete", written),
        ] {
            assert_eq!(may(person, verb, &[MACHINES]), expected, "{person}: {verb}");
        }
    }
}

#[test]
fn the_server_of_the_machines_answers_people_as_their_roles_say() {
    if !aggregated() {
        return;
    }
    let ask = |person: &str, words: &[&str]| ControlPlane::shared().try_kubectl(&[&["--as", person, "-n", namespace()], words].concat());
    let create = ["create", "--dry-run=server", "--validate=false", "-f", "deploy/examples/minimal.yaml"];
    let created = ask("admin", &create).unwrap();
    assert!(created.contains("minimal created"), "{created}");
    for (person, words) in [("view", &create[..]), ("edit", &create), ("nobody", &["get", MACHINES])] {
        let said = ask(person, words).unwrap_err();
        assert!(said.contains("Forbidden"), "{person}: {said}");
    }
    for person in ["view", "edit", "admin"] {
        ask(person, &["get", MACHINES]).unwrap();
    }
}

/// The status says which machine is the resource's, and one request that names none destroys no fleet.
#[test]
fn nobody_has_the_status_or_may_delete_all_at_once() {
    let aggregated = aggregated();
    for person in ["view", "edit", "admin", "paperspace-editor"] {
        for verb in ["get", "update", "patch"] {
            assert!(!may(person, verb, &[MACHINES, "--subresource=status"]), "{person}: {verb} the status");
        }
        assert!(!may(person, "deletecollection", &[MACHINES]), "{person}");
    }
    // The answers are not all "no".
    assert!(!aggregated || may("admin", "patch", &[MACHINES]));
    assert!(may("paperspace-editor", "patch", &[MACHINES]));
}

#[test]
fn a_role_binding_to_the_editor_alone_is_enough() {
    for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
        assert!(may("paperspace-editor", verb, &[MACHINES]), "{verb}");
    }
    assert!(!may("paperspace-editor", "get", &["secrets"]) && !may("paperspace-editor", "create", &["configmaps"]));
}

/// On a kube-apiserver that serves the machines by itself, as one of today does: a recent apiextensions-apiserver alone has no quotas.
#[test]
fn the_quota_refuses_one_machine_more() {
    let plane = ControlPlane::alone("quota");
    if !plane.servers().contains(&"kube-controller-manager") {
        println!("no kube-controller-manager here: nothing counts for quotas");
        return plane.stop();
    }
    plane.install_crd();
    plane.kubectl(&["apply", "-f", "deploy/rbac/quota.yaml"]);
    let used = || {
        let quota: Value = serde_json::from_str(&plane.kubectl(&["get", "quota", "paperspace-machines", "-o", "json"])).unwrap();
        quota["status"]["used"]["count/paperspacemachines.paperspace-operator.dev"].clone()
    };
    wait_for("machines are counted", PATIENCE, || (used() == "0").then_some(()));

    let create = |name: &str| {
        let file = plane.dir.join(format!("{name}.json"));
        let spec = json!({"machineType": "C5", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 50});
        let machine = json!({"apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine", "metadata": {"name": name}, "spec": spec});
        std::fs::write(&file, machine.to_string()).unwrap();
        plane.try_kubectl(&["create", "--validate=false", "-f", file.to_str().unwrap()])
    };
    for name in ["a", "b", "c"] {
        create(name).unwrap();
    }
    let said = create("d").unwrap_err();
    assert!(said.contains("exceeded quota: paperspace-machines"), "{said}");
    plane.kubectl(&["delete", MACHINES, "a"]);
    wait_for("there is room again", PATIENCE, || create("d").ok());
    plane.stop();
}
