//! What the chart of the operator lets it do, by its values: the whole cluster, single namespaces, and less.

use serde_json::{Value, json};

use super::helm::{Helm, NAME, OPERATOR};

/// Kind, namespace, name and rules of each role; each is bound to the operator's account, by a binding of its own kind, name and place.
fn roles(values: &Value) -> Vec<(String, String, String, Value)> {
    let objects = Helm::shared().template(OPERATOR, "ops", values).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |kinds: [&str; 2]| {
        let of_kind = objects.iter().filter(move |object| kinds.iter().any(|kind| object["kind"] == *kind));
        of_kind.map(|o| (text(&o["kind"]), text(&o["metadata"]["namespace"]), text(&o["metadata"]["name"]), o)).collect::<Vec<_>>()
    };
    let (mut roles, bindings) = (of(["Role", "ClusterRole"]), of(["RoleBinding", "ClusterRoleBinding"]));
    // Those for people, which nobody is bound to.
    roles.retain(|(.., role)| !role["metadata"]["labels"].to_string().contains("aggregate-to-"));
    assert_eq!(roles.len(), bindings.len());
    for ((kind, namespace, name, _), (binding, where_, same, bound)) in roles.iter().zip(&bindings) {
        assert_eq!((&format!("{kind}Binding"), namespace, name), (binding, where_, same));
        assert_eq!((&bound["roleRef"]["kind"], &bound["roleRef"]["name"]), (&json!(kind), &json!(name)));
        assert_eq!(bound["subjects"], json!([{"kind": "ServiceAccount", "name": NAME, "namespace": "ops"}]));
    }
    roles.into_iter().map(|(kind, namespace, name, role)| (kind, namespace, name, role["rules"].clone())).collect()
}

fn places(values: &Value) -> Vec<String> {
    roles(values).into_iter().map(|(kind, namespace, name, _)| format!("{kind} {namespace}/{name}")).collect()
}

const DEFINITION: &str = "paperspacemachines.paperspace-operator.dev";

#[test]
fn with_namespaces_it_may_read_its_definition_in_the_cluster_and_all_else_there_alone() {
    let (everywhere, some) = (roles(&json!({})), roles(&json!({"watchNamespaces": ["a", "b"]})));
    let expected = [
        "Role a/paperspace-operator-configmaps",
        "Role b/paperspace-operator-configmaps",
        "Role ops/paperspace-operator-leases",
        "Role a/paperspace-operator-secrets",
        "Role b/paperspace-operator-secrets",
        "Role ops/paperspace-operator-stop",
        "Role a/paperspace-operator",
        "Role b/paperspace-operator",
        "ClusterRole /ops-paperspace-operator",
    ];
    assert_eq!(places(&json!({"watchNamespaces": ["a", "b"]})), expected);
    let definition = json!({
        "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "resourceNames": [DEFINITION], "verbs": ["get"],
    });
    assert_eq!(some.last().unwrap().3, json!([definition]));
    // Nothing is lost and nothing won, but for where, and the labels of namespaces, which nobody asks for.
    let rules = |roles: &[(String, String, String, Value)], place: &[&str]| {
        let there = roles.iter().filter(|(_, namespace, ..)| place.contains(&namespace.as_str()));
        let mut rules: Vec<String> =
            there.flat_map(|(.., rules)| rules.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>()).collect();
        rules.sort();
        rules
    };
    let mut all = rules(&everywhere, &["", "ops"]);
    all.retain(|rule| !rule.contains("namespaces"));
    assert_eq!(rules(&some, &["", "ops", "a"]), all);
    assert_eq!(rules(&some, &["a"]), rules(&some, &["b"]));
}

#[test]
fn labels_of_namespaces_are_read_where_they_say_who_may_use_the_operators_key() {
    let read = |values: &Value| {
        let all = roles(values);
        let mut rules = all.iter().flat_map(|(.., rules)| rules.as_array().unwrap().clone());
        rules.find(|rule| rule["resources"] == json!(["namespaces"]))
    };
    assert_eq!(read(&json!({})), Some(json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]})));
    let by_label = json!({"watchNamespaces": ["a", "b"], "operator": {"defaultKeyNamespaces": "team=ml"}});
    let those = json!({"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["a", "b"], "verbs": ["get"]});
    assert_eq!(read(&by_label), Some(those));
    assert_eq!(read(&json!({"watchNamespaces": ["a"], "operator": {"defaultKeyNamespaces": "a,b"}})), None);
}

#[test]
fn each_right_can_be_left_out() {
    let without = |values: Value, name: &str| {
        let mut all = places(&json!({}));
        assert!(all.contains(&name.to_owned()), "{name} is none of {all:?}");
        all.retain(|place| *place != name);
        assert_eq!(places(&values), all);
    };
    without(json!({"rbac": {"secrets": false}}), "ClusterRole /paperspace-operator-secrets");
    without(json!({"rbac": {"configMaps": false}}), "ClusterRole /paperspace-operator-configmaps");
    without(json!({"leaderElection": {"enabled": false}, "replicas": 1}), "Role ops/paperspace-operator-leases");
    assert_eq!(places(&json!({"rbac": {"create": false}})), [""; 0]);
}
