//! Releases of Helm on a cluster of the tests.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::harness::ControlPlane;
use super::helm::{Helm, NAME};

/// A namespace in which Helm works, as cluster admin.
pub(crate) struct Releases {
    kubeconfig: String,
    namespace: String,
}

impl Releases {
    /// In this namespace, which must be there.
    pub(crate) fn of(plane: &ControlPlane, namespace: &str) -> Self {
        Self { kubeconfig: kubeconfig(plane).to_string(), namespace: namespace.to_owned() }
    }

    /// `helm install NAME CHART`.
    pub(crate) fn install(&self, name: &str, chart: &Path, values: &Value) -> Result<Value, String> {
        self.ask("install", json!([chart, name, values]), json!({}))
    }

    /// `helm install NAME CHART --dry-run=server`: what it would make.
    pub(crate) fn try_out(&self, chart: &Path, values: &Value) -> Value {
        self.ask("install", json!([chart, NAME, beside_deploy(values)]), json!({"dry_run": "server"})).unwrap()
    }

    /// `helm upgrade NAME CHART`.
    pub(crate) fn try_upgrade(&self, name: &str, chart: &Path, values: &Value) -> Result<Value, String> {
        self.ask("upgrade", json!([chart, name, values]), json!({}))
    }

    /// The same, which must succeed.
    #[track_caller]
    pub(crate) fn upgrade(&self, name: &str, chart: &Path, values: &Value) {
        self.try_upgrade(name, chart, values).unwrap();
    }

    /// `helm rollback NAME REVISION`.
    #[track_caller]
    pub(crate) fn rollback(&self, name: &str, revision: u32) {
        self.ask("rollback", json!([name]), json!({"version": revision})).unwrap();
    }

    /// `helm uninstall NAME`: what it says.
    #[track_caller]
    pub(crate) fn uninstall(&self, name: &str) -> String {
        self.ask("uninstall", json!([name]), json!({})).unwrap()["info"].as_str().unwrap_or_default().to_owned()
    }

    fn ask(&self, what: &str, with: Value, options: Value) -> Result<Value, String> {
        let request = json!({"do": what, "with": with, "options": options, "kubeconfig": self.kubeconfig, "namespace": self.namespace});
        Helm::shared().ask(&request)
    }
}

/// These values on a cluster that has `deploy/`, and with it the roles that a cluster has once.
pub(crate) fn beside_deploy(values: &Value) -> Value {
    let mut all = json!({"rbac": {"aggregatedRoles": false}});
    json_patch::merge(&mut all, values);
    all
}

/// The administrator's, for Helm. Where two servers look like one, it goes to what stands before both for Helm.
fn kubeconfig(plane: &ControlPlane) -> Value {
    let read = |file: &str| -> Value {
        let path = plane.dir.join(file);
        serde_json::from_str(&plane.kubectl(&["--kubeconfig", path.to_str().unwrap(), "config", "view", "--raw", "-o", "json"])).unwrap()
    };
    let server = |kubeconfig: &Value| kubeconfig["clusters"][0]["cluster"]["server"].clone();
    let (mut front, definitions) = (read("kubeconfig"), read("crd.kubeconfig"));
    if server(&front) != server(&definitions) {
        let request = json!({"do": "front", "with": [server(&front), server(&definitions), plane.dir.join("pki")]});
        front["clusters"][0]["cluster"]["server"] = Helm::shared().ask(&request).unwrap();
    }
    front
}

/// A chart of the repository, by its path there.
pub(crate) fn chart(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
