//! What the schema of the custom resource does to objects.

use serde_json::json;

use super::api::{Api, refused};

pub(super) async fn defaults_are_filled_in(api: &Api) {
    let object = api.create("a", json!({"spec": {"credentialsRef": {"name": "s"}, "powerState": null, "machineName": null}})).await;
    let spec = &object["spec"];
    for (field, default) in [
        ("powerState", json!("Running")),
        ("resizePolicy", json!("WhenStopped")),
        ("suspend", json!(false)),
        ("emailPassword", json!(true)),
        ("credentialsRef", json!({"name": "s", "key": "apiKey"})),
    ] {
        assert_eq!(spec[field], default, "{field}");
    }
    assert_eq!((spec.get("autoShutdown"), spec.get("deletionPolicy"), spec.get("machineName")), (None, None, None));
    let object = api.merge("a", json!({"spec": {"powerState": null, "suspend": true}})).await.unwrap();
    assert_eq!((&object["spec"]["powerState"], &object["spec"]["suspend"]), (&json!("Running"), &json!(true)));
}

pub(super) async fn unknown_fields_are_dropped(api: &Api) {
    let fields = json!({"unknown": 1, "spec": {"unknown": {"x": 1}, "credentialsRef": {"name": "s", "unknown": 1}}});
    let object = api.create("a", fields).await;
    assert_eq!((object.get("unknown"), object["spec"].get("unknown")), (None, None));
    assert_eq!(object["spec"]["credentialsRef"], json!({"name": "s", "key": "apiKey"}));
    let same = api.merge("a", json!({"spec": {"unknown": 1}})).await.unwrap();
    assert_eq!(same["spec"], object["spec"]);
    let status = api.merge_status("a", json!({"unknown": 1, "state": "off"})).await.unwrap();
    assert_eq!(status["status"], json!({"observedGeneration": -1, "state": "off"}));
    let applied = api.apply_status("a", json!({}), json!({"unknown": 1})).await;
    refused(applied, 500, "", ".status.unknown: field not declared in schema");
}

pub(super) async fn what_the_schema_forbids_is_invalid(api: &Api) {
    let create = |spec: serde_json::Value| {
        let object = api.machine("a", json!({"spec": spec}));
        async move { api.post(&api.path(), &object).await }
    };
    for (spec, field, reason) in [
        (json!({"region": null}), "spec.region", "FieldValueRequired"),
        (json!({"diskSizeGB": 10}), "spec.diskSizeGB", "FieldValueInvalid"),
        (json!({"diskSizeGB": 100_000}), "spec.diskSizeGB", "FieldValueInvalid"),
        (json!({"powerState": "On"}), "spec.powerState", "FieldValueNotSupported"),
        (json!({"diskSizeGB": "big"}), "spec.diskSizeGB", "FieldValueTypeInvalid"),
        (json!({"networkId": "n".repeat(65)}), "spec.networkId", "FieldValueTooLong"),
        (json!({"credentialsRef": {}}), "spec.credentialsRef.name", "FieldValueRequired"),
    ] {
        let status = refused(create(spec).await, 422, "Invalid", "PaperspaceMachine.paperspace-operator.dev \"a\" is invalid: ");
        assert!(status.message.contains(field), "{status:?}");
        let details = status.details.unwrap();
        assert_eq!((details.kind.as_str(), details.name.as_str()), ("PaperspaceMachine", "a"));
        assert!(details.causes.iter().any(|c| c.field == field && c.reason == reason), "{field} {reason}: {:?}", details.causes);
    }
    let object = api.create("a", json!({})).await;
    refused(api.merge("a", json!({"spec": {"powerState": "On"}})).await, 422, "Invalid", "spec.powerState");
    let status = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    refused(api.apply_status("a", json!({}), status).await, 422, "Invalid", "status.conditions[0].reason: Required value");
    assert_eq!(api.get("a").await, object);
}

pub(super) async fn rules_are_evaluated_with_every_write(api: &Api) {
    let answer = api.post(&api.path(), &api.machine("a", json!({"spec": {"region": "ny2"}}))).await;
    let status = refused(answer, 422, "Invalid", "write the region's code in capitals");
    assert_eq!(status.details.unwrap().causes[0].field, "spec.region");
    api.create("a", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await;
    refused(api.merge("a", json!({"spec": {"region": "CA1"}})).await, 422, "Invalid", "region is fixed");
    refused(api.merge("a", json!({"spec": {"managementPolicy": "Observe"}})).await, 422, "Invalid", "Observe needs");
    api.merge_status("a", json!({"machineId": "ps1"})).await.unwrap();
    api.merge("a", json!({"spec": {"managementPolicy": "Observe"}})).await.unwrap();
    refused(api.merge_status("a", json!({"machineId": null})).await, 422, "Invalid", "Observe needs a machine to look at");
    api.delete("a").await.unwrap();
    api.merge("a", json!({"metadata": {"finalizers": null}})).await.unwrap();
}

pub(super) async fn list_items_have_keys_of_their_own(api: &Api) {
    api.create("a", json!({})).await;
    let item = |n: i32| json!({"field": "a", "action": "Report", "since": "2026-01-01T00:00:00Z", "observed": n.to_string()});
    refused(api.merge_status("a", json!({"drift": [item(1), item(2)]})).await, 422, "Invalid", "status.drift[1]: Duplicate value");
}

pub(super) async fn empty_metadata_is_absent(api: &Api) {
    let object = api.create("a", json!({"metadata": {"annotations": {}, "finalizers": [], "labels": null}})).await;
    for field in ["annotations", "finalizers", "labels"] {
        assert_eq!(object["metadata"].get(field), None, "{field}");
    }
    api.merge("a", json!({"metadata": {"annotations": {"x": "1"}}})).await.unwrap();
    let object = api.merge("a", json!({"metadata": {"annotations": {"x": null}}})).await.unwrap();
    assert_eq!(object["metadata"].get("annotations"), None);
}
