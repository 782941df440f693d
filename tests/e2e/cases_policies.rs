//! `deploy/admission` in a real API server's admission: what `tests/crd` evaluates in tables, once each way.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, wait_for};

const MACHINES: &str = "paperspacemachines.paperspace-operator.dev";

struct Policies {
    plane: ControlPlane,
}

impl Policies {
    fn new() -> Self {
        let plane = ControlPlane::own("policies");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/control-plane/policies");
        let status = Command::new(script).arg(&plane.dir).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.expect("tests/control-plane/policies").success());
        plane.kubectl(&["apply", "--validate=false", "-k", "deploy/admission"]);
        let policies = Self { plane };
        policies.namespace("none", Some(""));
        wait_for("the policies are in force", PATIENCE, || not_allowed(policies.create("none", "a", "admin", json!({}))));
        policies
    }

    /// With people: `admin`, and `editor`, who may not read Secrets.
    fn namespace(&self, name: &str, machine_types: Option<&str>) {
        self.plane.kubectl(&["create", "namespace", name]);
        if let Some(types) = machine_types {
            self.plane.kubectl(&["annotate", "namespace", name, &format!("paperspace-operator.dev/machine-types={types}")]);
        }
        for (person, role) in [("admin", "cluster-admin"), ("editor", "paperspace-editor")] {
            let (role, person) = (format!("--clusterrole={role}"), format!("--user={person}"));
            self.plane.kubectl(&["-n", name, "create", "rolebinding", &person[7..], &role, &person]);
        }
    }

    fn create(&self, namespace: &str, name: &str, person: &str, over: Value) -> Result<String, String> {
        let mut spec = json!({"machineType": "C5", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 50});
        spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let metadata = json!({"name": name, "namespace": namespace});
        let machine =
            json!({"apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine", "metadata": metadata, "spec": spec});
        let file = self.plane.dir.join(format!("{namespace}-{name}-{person}.json"));
        fs::write(&file, machine.to_string()).unwrap();
        self.plane.try_kubectl(&["create", "--validate=false", "--as", person, "-f", file.to_str().unwrap()])
    }

    fn patch(&self, namespace: &str, name: &str, person: &str, patch: &Value) -> Result<String, String> {
        let patch = patch.to_string();
        self.plane.try_kubectl(&["-n", namespace, "patch", MACHINES, name, "--as", person, "--type=merge", "--patch", &patch])
    }

    fn delete(&self, namespace: &str, name: &str) -> Result<String, String> {
        self.plane.try_kubectl(&["-n", namespace, "delete", MACHINES, name])
    }
}

fn not_allowed(answer: Result<String, String>) -> Option<()> {
    answer.err().filter(|said| said.contains("does not allow")).map(drop)
}

#[track_caller]
fn refused(answer: Result<String, String>, with: &str) {
    let said = answer.unwrap_err();
    assert!(said.contains("Forbidden") && said.contains(with), "{said}");
}

#[test]
fn the_policies_are_what_a_server_does() {
    let t = Policies::new();

    t.namespace("types", Some("C5, P4000"));
    t.create("types", "a", "editor", json!({})).unwrap();
    refused(t.create("types", "b", "editor", json!({"machineType": "A100"})), "does not allow machineType A100; it allows: C5, P4000");
    refused(t.patch("types", "a", "editor", &json!({"spec": {"machineType": "A100"}})), "it allows: C5, P4000");
    t.plane.kubectl(&["annotate", "namespace", "types", "--overwrite", "paperspace-operator.dev/machine-types=C7"]);
    wait_for("the new list is in force", PATIENCE, || not_allowed(t.create("types", "c", "editor", json!({"machineType": "P4000"}))));
    t.patch("types", "a", "editor", &json!({"spec": {"powerState": "Stopped"}})).unwrap();

    t.namespace("secrets", None);
    let theirs = json!({"credentialsRef": {"name": "theirs"}, "startupScript": {"secretKeyRef": {"name": "theirs", "key": "s"}}});
    refused(t.create("secrets", "a", "editor", json!({"credentialsRef": {"name": "theirs"}})), "spec.credentialsRef names a Secret");
    refused(t.create("secrets", "a", "editor", json!({"startupScript": theirs["startupScript"]})), "spec.startupScript.secretKeyRef names");
    t.create("secrets", "a", "admin", theirs).unwrap();
    t.patch("secrets", "a", "editor", &json!({"spec": {"powerState": "Stopped"}})).unwrap();
    refused(
        t.patch("secrets", "a", "editor", &json!({"spec": {"credentialsRef": {"key": "another"}}})),
        "spec.credentialsRef names a Secret",
    );

    t.namespace("protection", None);
    t.create("protection", "a", "editor", json!({"deletionProtection": true})).unwrap();
    t.create("protection", "b", "editor", json!({"deletionProtection": true})).unwrap();
    t.create("protection", "c", "editor", json!({})).unwrap();
    refused(t.delete("protection", "a"), "the machine is protected: set spec.deletionProtection to false first");
    t.delete("protection", "c").unwrap();
    t.patch("protection", "a", "editor", &json!({"spec": {"deletionProtection": false}})).unwrap();
    t.delete("protection", "a").unwrap();
    // Nothing but the policy could hold `b`: no operator runs here, so it has no finalizer.
    if t.plane.servers().contains(&"kube-controller-manager") {
        t.plane.kubectl(&["delete", "namespace", "protection", "--timeout=60s"]);
    }
    t.plane.stop();
}
