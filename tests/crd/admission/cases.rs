//! What each policy lets pass, and what it refuses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::schema::violations;
use super::super::table::machine;
use super::evaluate::{HOME, Request, refusal};
use super::{policies, policy};

const CREDENTIALS: &str = "spec.credentialsRef names a Secret that you may not read";
const SCRIPT: &str = "spec.startupScript.secretKeyRef names a Secret that you may not read";

fn active(annotations: &Value) -> Value {
    json!({"metadata": {"name": HOME, "annotations": annotations}, "status": {"phase": "Active"}})
}

/// In a namespace without annotations, by somebody who may read the Secret `mine`.
fn request(old: Option<Value>, new: Option<Value>) -> Request {
    let namespace = json!({"metadata": {"name": HOME}, "status": {"phase": "Active"}});
    Request { old: old.map(machine), new: new.map(machine), namespace, readable: &["mine"] }
}

fn create(new: Value) -> Request {
    request(None, Some(new))
}

fn update(old: Value, new: Value) -> Request {
    request(Some(old), Some(new))
}

fn delete(old: Value) -> Request {
    request(Some(old), None)
}

/// All of them about the policy, each with the message with which it is refused. The objects are ones that the schema accepts.
fn ask(name: &str, cases: Vec<(&str, Request, Option<&str>)>) {
    let policy = policy(name);
    for (what, request, expected) in cases {
        for object in [&request.old, &request.new].into_iter().flatten() {
            assert!(violations(object, None).is_empty(), "{what}: {:?}", violations(object, None));
        }
        assert_eq!(refusal(&policy, &request).as_deref(), expected, "{name}: {what}");
    }
}

#[test]
fn what_is_protected_is_not_deleted() {
    let refused = Some("the machine is protected: set spec.deletionProtection to false first");
    let protected = || delete(json!({"deletionProtection": true}));
    let terminating = json!({"metadata": {"name": HOME}, "status": {"phase": "Terminating"}});
    ask(
        "paperspace-deletion-protection",
        vec![
            ("protected", protected(), refused),
            ("not protected", delete(json!({"deletionProtection": false})), None),
            ("nothing said", delete(json!({})), None),
            ("protected, and kept when deleted", delete(json!({"deletionProtection": true, "deletionPolicy": "Retain"})), refused),
            ("with the namespace", Request { namespace: terminating, ..protected() }, None),
            ("taking the protection off", update(json!({"deletionProtection": true}), json!({"deletionProtection": false})), None),
        ],
    );
}

fn key(name: &str, key: &str) -> Value {
    json!({"credentialsRef": {"name": name, "key": key}})
}

fn script(name: &str, key: &str) -> Value {
    json!({"startupScript": {"secretKeyRef": {"name": name, "key": key}}})
}

#[test]
fn a_secret_is_named_by_those_who_may_read_it() {
    let nobody = |request: Request| Request { readable: &[], ..request };
    let both = json!({"credentialsRef": {"name": "mine"}, "startupScript": {"secretKeyRef": {"name": "theirs", "key": "s"}}});
    let inline = json!({"startupScript": {"inline": "true"}});
    let stopped = |mut spec: Value| {
        spec["powerState"] = "Stopped".into();
        spec
    };
    ask(
        "paperspace-secrets",
        vec![
            ("no Secret", create(json!({})), None),
            ("a script that is in none", create(inline.clone()), None),
            ("one's own key", create(key("mine", "apiKey")), None),
            ("somebody's key", create(key("theirs", "apiKey")), Some(CREDENTIALS)),
            ("one's own script", create(script("mine", "s")), None),
            ("somebody's script", create(script("theirs", "s")), Some(SCRIPT)),
            ("one's own key with somebody's script", create(both), Some(SCRIPT)),
            ("one who may read none", nobody(create(key("mine", "apiKey"))), Some(CREDENTIALS)),
            ("in another namespace it is another Secret", elsewhere(create(key("mine", "apiKey"))), Some(CREDENTIALS)),
            ("a key comes later", update(json!({}), key("theirs", "apiKey")), Some(CREDENTIALS)),
            ("another Secret", update(key("mine", "apiKey"), key("theirs", "apiKey")), Some(CREDENTIALS)),
            ("another key in somebody's Secret", update(key("theirs", "apiKey"), key("theirs", "other")), Some(CREDENTIALS)),
            ("one's own in place of somebody's", update(key("theirs", "apiKey"), key("mine", "apiKey")), None),
            ("somebody's key is taken away", update(key("theirs", "apiKey"), json!({})), None),
            ("something else, by one who may read none", nobody(update(key("theirs", "apiKey"), stopped(key("theirs", "apiKey")))), None),
            ("another script", update(script("mine", "s"), script("theirs", "s")), Some(SCRIPT)),
            ("another key in somebody's script", update(script("theirs", "s"), script("theirs", "t")), Some(SCRIPT)),
            ("from a text to somebody's", update(inline, script("theirs", "s")), Some(SCRIPT)),
            ("a controller's update", nobody(update(script("theirs", "s"), stopped(script("theirs", "s")))), None),
            ("deleted by one who may read none", nobody(delete(key("theirs", "apiKey"))), None),
        ],
    );
}

fn elsewhere(mut request: Request) -> Request {
    request.namespace["metadata"]["name"] = "web".into();
    request
}

#[test]
fn a_namespace_allows_the_machine_types_that_it_lists() {
    let of = |machine_type: &str| json!({"machineType": machine_type});
    let limited =
        |list: &str, request: Request| Request { namespace: active(&json!({"paperspace-operator.dev/machine-types": list})), ..request };
    let observed =
        json!({"machineType": "A100", "managementPolicy": "Observe", "adopt": {"machineId": "psvv2ew1gd4s"}, "templateId": null});
    let refused = Some("this namespace does not allow machineType A100; it allows: C5, P4000");
    ask(
        "paperspace-machine-types",
        vec![
            ("no annotation at all", create(of("A100")), None),
            ("other annotations", Request { namespace: active(&json!({"a": "b"})), ..create(of("A100")) }, None),
            ("listed", limited("C5,P4000", create(of("P4000"))), None),
            ("with spaces", limited("C5, P4000 ", create(of("P4000"))), None),
            ("not listed", limited("C5,P4000", create(of("A100"))), refused),
            ("a part of a name", limited("C50", create(of("C5"))), Some("this namespace does not allow machineType C5; it allows: C50")),
            ("an empty list", limited("", create(of("C5"))), Some("this namespace does not allow machineType C5; it allows: ")),
            ("only observed", limited("C5,P4000", create(observed)), refused),
            ("changed to a listed one", limited("C5,P4000", update(of("A100"), of("C5"))), None),
            ("changed to one that is not", limited("C5,P4000", update(of("C5"), of("A100"))), refused),
            (
                "what was there before the list",
                limited("C5", update(of("A100"), json!({"machineType": "A100", "powerState": "Stopped"}))),
                None,
            ),
            ("deleted", limited("C5", delete(of("A100"))), None),
        ],
    );
}

/// The tables above refuse by each validation: what is added to a policy is added to its table.
#[test]
fn each_validation_has_been_asked() {
    let said: BTreeSet<String> = policies()
        .into_iter()
        .flat_map(|(_, policy, _)| policy.validations.unwrap())
        .map(|validation| validation.message.unwrap())
        .collect();
    let asked = [
        CREDENTIALS,
        SCRIPT,
        "the machine is protected: set spec.deletionProtection to false first",
        "this namespace does not allow the machine type",
    ];
    assert_eq!(said, asked.map(str::to_owned).into());
}
