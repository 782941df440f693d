//! `deploy/rbac`: what people get is this and no more, and it comes with the operator.

use serde_json::{Value, json};

use super::yaml;

fn role(file: &str) -> Value {
    let mut documents = yaml::documents(&yaml::at(&format!("deploy/rbac/{file}")));
    assert_eq!(documents.len(), 1, "{file}");
    documents.remove(0)
}

/// Whoever creates a machine spends money: that is `admin`'s and not `edit`'s. `edit` and `admin` contain `view`.
#[test]
fn the_built_in_roles_get_exactly_these() {
    let read = ["get", "list", "watch"];
    let write = ["create", "update", "patch", "delete"];
    for (file, name, built_in, verbs) in [
        ("role-viewer.yaml", "paperspace-viewer", "view", read.to_vec()),
        ("role-editor.yaml", "paperspace-editor", "admin", [&read[..], &write].concat()),
    ] {
        let role = role(file);
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{built_in}");
        assert_eq!((&role["kind"], &role["metadata"]), (&json!("ClusterRole"), &json!({"name": name, "labels": {label: "true"}})));
        assert_eq!(role["rules"], json!([{"apiGroups": ["paperspace-operator.dev"], "resources": ["paperspacemachines"], "verbs": verbs}]));
    }
}

#[test]
fn they_come_with_the_operator_and_the_quota_does_not() {
    let resources = |path: &str| yaml::documents(&yaml::at(path)).remove(0)["resources"].clone();
    assert_eq!(resources("deploy/rbac/kustomization.yaml"), json!(["role-viewer.yaml", "role-editor.yaml"]));
    assert!(resources("deploy/operator/kustomization.yaml").as_array().unwrap().contains(&json!("../rbac")));
}
