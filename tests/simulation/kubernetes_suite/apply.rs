//! Server-side apply, above all of the status as the operator writes it.

use kube::api::PatchParams;
use serde_json::{Value, json};

use super::api::{Api, MANAGER, conflict, refused, uid, version};

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

pub(super) async fn an_apply_erases_what_it_leaves_out(api: &Api) {
    api.create("a", json!({})).await;
    let full = json!({
        "observedGeneration": 1, "machineId": "ps1", "state": "ready",
        "hardware": {"cpus": 4, "memory": "30Gi", "storage": "50Gi", "accelerators": ["1x P4000", "1x P5000"]},
        "creation": {
            "id": "c1", "attempt": 1, "account": "t", "outcome": "Open",
            "firstStartedAt": "2026-01-01T00:00:00Z", "startedAt": "2026-01-01T00:00:00Z",
        },
        "conditions": [condition("Ready", "True"), condition("Synced", "True")],
        "drift": [{"field": "a", "action": "Correct", "since": "2026-01-01T00:00:00Z"}],
    });
    let object = api.apply_status("a", json!({}), full.clone()).await.unwrap();
    assert_eq!(object["status"], full);
    let less = json!({
        "observedGeneration": 1, "state": "off",
        "hardware": {"cpus": 4, "memory": "30Gi", "storage": "50Gi", "accelerators": ["1x P5000"]},
        "conditions": [condition("Synced", "False")],
    });
    let object = api.apply_status("a", json!({}), less.clone()).await.unwrap();
    assert_eq!(object["status"], less);
    let object = api.apply_status("a", json!({}), json!({"state": "off"})).await.unwrap();
    assert_eq!(object["status"], json!({"state": "off"}));
}

pub(super) async fn an_apply_of_the_same_changes_nothing(api: &Api) {
    let object = api.create("a", json!({})).await;
    let mut watch = api.watch(&version(&object), "").await;
    let status = json!({
        "observedGeneration": 1, "hardware": {"cpus": 4, "memory": "30Gi", "storage": "50Gi", "accelerators": []},
        "conditions": [condition("Ready", "True"), condition("Synced", "True")],
    });
    let first = api.apply_status("a", json!({}), status.clone()).await.unwrap();
    let metadata = json!({"uid": uid(&first), "resourceVersion": version(&first)});
    for metadata in [json!({}), metadata] {
        assert_eq!(api.apply_status("a", metadata, status.clone()).await.unwrap(), first);
    }
    assert_eq!(api.get("a").await, first);
    let changed = api.apply_status("a", json!({}), json!({"state": "off"})).await.unwrap();
    assert_eq!(watch.change().await.2, version(&first));
    assert_eq!(watch.change().await.2, version(&changed));
}

pub(super) async fn an_apply_is_tied_to_a_version_and_force_does_not_loosen_it(api: &Api) {
    let old = api.create("a", json!({})).await;
    let tied = |object: &Value| json!({"uid": uid(object), "resourceVersion": version(object)});
    let new = api.apply_status("a", tied(&old), json!({"state": "ready"})).await.unwrap();
    conflict(api.apply_status("a", tied(&old), json!({"state": "off"})).await);
    conflict(api.apply_status("a", tied(&old), json!({"state": "ready"})).await);
    assert_eq!(api.get("a").await, new, "not even where it would change nothing");
    let spec = json!({"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 60});
    let object = api.machine("a", json!({"metadata": {"resourceVersion": version(&old)}, "spec": spec}));
    conflict(api.apply(&PatchParams::apply("x").force(), &object).await);
    api.apply_status("a", tied(&new), json!({"state": "off"})).await.unwrap();
}

pub(super) async fn an_apply_of_what_is_not_there(api: &Api) {
    refused(api.apply_status("a", json!({}), json!({"state": "off"})).await, 404, "NotFound", "\"a\" not found");
    let tied = json!({"uid": "u", "resourceVersion": "1"});
    refused(api.apply_status("a", tied.clone(), json!({"state": "off"})).await, 404, "NotFound", "\"a\" not found");
    let tied = api.apply(&PatchParams::apply("x"), &api.machine("a", json!({"metadata": tied}))).await;
    refused(tied, 409, "Conflict", "uid mismatch: the provided object specified uid u, and no existing object was found");
    refused(api.find("a").await, 404, "NotFound", "");
    let object = api.apply(&PatchParams::apply("x"), &api.machine("a", json!({}))).await.unwrap();
    assert_eq!((&object["metadata"]["generation"], &object["status"]), (&json!(1), &json!({"observedGeneration": -1})));
}

pub(super) async fn what_another_manager_owns_is_a_conflict_without_force(api: &Api) {
    api.create("a", json!({})).await;
    api.apply_status("a", json!({}), json!({"state": "ready"})).await.unwrap();
    let other = PatchParams::apply("other");
    let same = api.apply_status_as(&other, "a", json!({}), json!({"state": "ready"})).await.unwrap();
    assert_eq!(same["status"]["state"], "ready", "the same value is shared");
    let status = refused(
        api.apply_status_as(&other, "a", json!({}), json!({"state": "off"})).await,
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"paperspace-operator\"",
    );
    let cause = &status.details.unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".status.state"));
    let owned = json!({"conditions": [condition("Ready", "True")]});
    api.apply_status("a", json!({}), owned).await.unwrap();
    let answer = api.apply_status_as(&other, "a", json!({}), json!({"conditions": [condition("Ready", "False")]})).await;
    let status = refused(answer, 409, "Conflict", "Apply failed with 1 conflict");
    assert_eq!(status.details.unwrap().causes[0].field, ".status.conditions[type=\"Ready\"].status");
    let forced = api.apply_status_as(&other.force(), "a", json!({}), json!({"state": "off"})).await.unwrap();
    assert_eq!(forced["status"]["state"], "off");
    // What was taken over is not erased by who had it before.
    let object = api.apply_status("a", json!({}), json!({"machineId": "ps1"})).await.unwrap();
    assert_eq!((&object["status"]["state"], &object["status"]["machineId"]), (&json!("off"), &json!("ps1")));
}

pub(super) async fn what_another_manager_also_owns_survives(api: &Api) {
    api.create("a", json!({})).await;
    let both = json!({"state": "ready", "conditions": [condition("Ready", "True"), condition("Synced", "True")]});
    api.apply_status("a", json!({}), both).await.unwrap();
    let one = json!({"conditions": [condition("Synced", "True")]});
    api.apply_status_as(&PatchParams::apply("other"), "a", json!({}), one.clone()).await.unwrap();
    let object = api.apply_status("a", json!({}), json!({"machineId": "ps1"})).await.unwrap();
    assert_eq!(object["status"], json!({"observedGeneration": -1, "machineId": "ps1", "conditions": one["conditions"]}));
}

pub(super) async fn what_a_user_wrote_survives_an_apply_that_says_nothing_of_it(api: &Api) {
    api.create("a", json!({})).await;
    api.apply_status("a", json!({}), json!({"machineId": "ps1", "state": "ready", "powerState": "Running"})).await.unwrap();
    // Removes one, changes one and adds one.
    let edit = json!({"machineId": null, "state": "edited", "publicIp": "192.0.2.1"});
    let object = api.merge_status("a", edit).await.unwrap();
    assert_eq!(object["status"], json!({"observedGeneration": -1, "state": "edited", "powerState": "Running", "publicIp": "192.0.2.1"}));
    let object = api.apply_status("a", json!({}), json!({"machineId": "ps1", "powerState": "Running"})).await.unwrap();
    let kept = json!({
        "observedGeneration": -1, "machineId": "ps1", "state": "edited", "powerState": "Running", "publicIp": "192.0.2.1",
    });
    assert_eq!(object["status"], kept);
    // To apply the same shares it; only another value takes it over.
    let mut applied = kept;
    applied["state"] = "ready".into();
    api.apply_status("a", json!({}), applied).await.unwrap();
    let object = api.apply_status("a", json!({}), json!({"machineId": "ps1"})).await.unwrap();
    assert_eq!(object["status"], json!({"machineId": "ps1", "publicIp": "192.0.2.1"}));
}

pub(super) async fn half_of_what_an_apply_leaves_out_may_stay_and_be_invalid(api: &Api) {
    api.create("a", json!({})).await;
    let operation = json!({"id": "o1", "name": "Restart", "state": "Open", "requestedAt": "2026-01-01T00:00:00Z"});
    api.apply_status("a", json!({}), json!({"operation": operation})).await.unwrap();
    api.merge_status("a", json!({"operation": {"error": "by hand"}})).await.unwrap();
    let answer = api.apply_status("a", json!({}), json!({"state": "ready"})).await;
    refused(answer, 422, "Invalid", "status.operation.id: Required value");

    api.merge_status("a", json!({"operation": null})).await.unwrap();
    api.apply_status("a", json!({}), json!({"conditions": [condition("Stalled", "True")]})).await.unwrap();
    let mut edited = condition("Stalled", "True");
    edited["message"] = "by hand".into();
    api.merge_status("a", json!({"conditions": [edited]})).await.unwrap();
    let answer = api.apply_status("a", json!({}), json!({"state": "ready"})).await;
    refused(answer, 422, "Invalid", "status.conditions");
}

pub(super) async fn a_patch_of_the_whole_status_leaves_nothing_of_others(api: &Api) {
    api.create("a", json!({})).await;
    let first = json!({"machineId": "ps1", "conditions": [condition("Ready", "True"), condition("Stalled", "True")]});
    api.apply_status("a", json!({}), first).await.unwrap();
    let mut edited = condition("Stalled", "True");
    edited["message"] = "by hand".into();
    let others = json!({"machineId": "ps2", "publicIp": "192.0.2.1", "conditions": [condition("Ready", "True"), edited]});
    let before = api.merge_status("a", others).await.unwrap();
    let whole = json!({"state": "ready", "conditions": [condition("Ready", "False")]});
    let patch = |object: &Value| {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": uid(object)},
            {"op": "test", "path": "/metadata/resourceVersion", "value": version(object)},
            {"op": "add", "path": "/status", "value": whole},
        ])
    };
    let after = api.json_patch_status("a", patch(&before)).await.unwrap();
    assert_eq!((&after["status"], &after["spec"]), (&whole, &before["spec"]));
    assert_eq!(api.json_patch_status("a", patch(&after)).await.unwrap(), after, "the same again changes nothing");
    refused(api.json_patch_status("a", patch(&before)).await, 422, "Invalid", "the server rejected our request");
    refused(api.json_patch_status("b", patch(&before)).await, 404, "NotFound", "\"b\" not found");
}

pub(super) async fn list_items_are_merged_by_their_key(api: &Api) {
    api.create("a", json!({})).await;
    let apply = |manager: &'static str, conditions: Value| {
        let params = PatchParams::apply(manager).force();
        async move { api.apply_status_as(&params, "a", json!({}), json!({"conditions": conditions})).await.unwrap() }
    };
    apply(MANAGER, json!([condition("Ready", "True"), condition("Synced", "True")])).await;
    let object = apply("other", json!([condition("Audited", "True")])).await;
    let types = |object: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        object["status"]["conditions"].as_array().unwrap().iter().map(|c| (text(&c["type"]), text(&c["status"]))).collect()
    };
    let is = |object: &Value, expected: &[(&str, &str)]| {
        let expected: Vec<_> = expected.iter().map(|(t, s)| ((*t).to_owned(), (*s).to_owned())).collect();
        assert_eq!(types(object), expected);
    };
    is(&object, &[("Ready", "True"), ("Synced", "True"), ("Audited", "True")]);
    let object = apply(MANAGER, json!([condition("Ready", "False"), condition("Stalled", "True")])).await;
    is(&object, &[("Ready", "False"), ("Audited", "True"), ("Stalled", "True")]);
    // The order is the applier's too.
    let object = apply(MANAGER, json!([condition("Stalled", "True"), condition("Ready", "False")])).await;
    is(&object, &[("Audited", "True"), ("Stalled", "True"), ("Ready", "False")]);
    let object = apply(MANAGER, json!([condition("Synced", "True"), condition("Ready", "False")])).await;
    is(&object, &[("Audited", "True"), ("Synced", "True"), ("Ready", "False")]);
    let object = apply(MANAGER, json!([])).await;
    is(&object, &[("Audited", "True")]);
    let double = json!({"conditions": [condition("Ready", "True"), condition("Ready", "False")]});
    refused(api.apply_status("a", json!({}), double).await, 500, "", "duplicate entries for key");
}

pub(super) async fn managed_fields_say_who_wrote_what(api: &Api) {
    api.create("a", json!({})).await;
    let status =
        json!({"state": "ready", "hardware": {"cpus": 4, "memory": "1Gi", "storage": "1Gi"}, "conditions": [condition("Ready", "True")]});
    api.apply_status("a", json!({}), status).await.unwrap();
    let object = api.merge_status("a", json!({"publicIp": "192.0.2.1", "state": "edited"})).await.unwrap();
    let of = |manager: &str| {
        let all = object["metadata"]["managedFields"].as_array().unwrap();
        let mut entry = all.iter().find(|entry| entry["manager"] == manager).unwrap().clone();
        assert!(entry.as_object_mut().unwrap().remove("time").is_some());
        entry
    };
    let expected = |manager: &str, operation: &str, fields: Value| {
        json!({
            "manager": manager, "operation": operation, "apiVersion": "paperspace-operator.dev/v1alpha1", "fieldsType": "FieldsV1",
            "subresource": "status", "fieldsV1": {"f:status": fields},
        })
    };
    let ready = json!({".": {}, "f:lastTransitionTime": {}, "f:message": {}, "f:reason": {}, "f:status": {}, "f:type": {}});
    let operators = json!({
        "f:conditions": {"k:{\"type\":\"Ready\"}": ready}, "f:hardware": {"f:cpus": {}, "f:memory": {}, "f:storage": {}},
    });
    assert_eq!(of(MANAGER), expected(MANAGER, "Apply", operators));
    assert_eq!(of("kubectl-edit"), expected("kubectl-edit", "Update", json!({"f:publicIp": {}, "f:state": {}})));
}

pub(super) async fn the_spec_can_be_applied(api: &Api) {
    let params = PatchParams::apply("kubectl");
    let with = json!({"metadata": {"annotations": {"x": "1", "y": "1"}}, "spec": {"deletionPolicy": "Retain", "suspend": true}});
    let object = api.apply(&params, &api.machine("a", with)).await.unwrap();
    assert_eq!(object["metadata"]["generation"], 1);
    let without = json!({"metadata": {"annotations": {"x": "1"}}});
    let object = api.apply(&params, &api.machine("a", without.clone())).await.unwrap();
    assert_eq!((object["spec"].get("deletionPolicy"), &object["spec"]["suspend"]), (None, &json!(false)));
    assert_eq!((&object["metadata"]["annotations"], &object["metadata"]["generation"]), (&json!({"x": "1"}), &json!(2)));
    let again = api.apply(&params, &api.machine("a", without)).await.unwrap();
    assert_eq!(again, object);
    let missing = api.machine("b", json!({"spec": {"region": null}}));
    refused(api.apply(&params, &missing).await, 422, "Invalid", "spec.region: Required value");
}
