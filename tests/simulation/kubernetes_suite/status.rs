//! The status and its subresource.

use serde_json::json;

use super::api::{Api, version};

pub(super) async fn a_status_is_not_created_with_the_object(api: &Api) {
    let object = api.create("a", json!({"status": {"machineId": "ps1", "observedGeneration": 7}})).await;
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    assert_eq!(api.get("a").await, object);
    assert_eq!(api.list("").await["items"][0]["status"], object["status"]);
}

pub(super) async fn writes_of_the_object_do_not_touch_the_status(api: &Api) {
    api.create("a", json!({})).await;
    let mut object = api.apply_status("a", json!({}), json!({"machineId": "ps1"})).await.unwrap();
    let status = json!({"machineId": "ps1", "observedGeneration": -1});
    assert_eq!(object["status"], status);
    let merged = api.merge("a", json!({"status": {"machineId": "ps2"}})).await.unwrap();
    assert_eq!(merged, object, "a merge patch");
    let erased = api.merge("a", json!({"status": null})).await.unwrap();
    assert_eq!(erased, object, "of nothing");
    let patched = api.json_patch("a", json!([{"op": "remove", "path": "/status"}])).await.unwrap();
    assert_eq!(patched, object, "a JSON patch");
    object["status"] = json!({"machineId": "ps3"});
    object["spec"]["diskSizeGB"] = 100.into();
    let put = api.put(&object).await.unwrap();
    assert_eq!((&put["status"], &put["spec"]["diskSizeGB"]), (&status, &json!(100)), "a PUT");
}

pub(super) async fn writes_of_the_status_touch_nothing_else(api: &Api) {
    let before = api.create("a", json!({"metadata": {"annotations": {"x": "1"}}})).await;
    let mut object = before.clone();
    object["spec"]["diskSizeGB"] = 100.into();
    object["metadata"]["annotations"]["x"] = "2".into();
    object["metadata"]["finalizers"] = json!(["example.dev/x"]);
    object["metadata"]["labels"] = json!({"x": "1"});
    object["status"] = json!({"machineId": "ps1"});
    let after = api.put_status(&object).await.unwrap();
    assert_eq!((&after["spec"], &after["status"]), (&before["spec"], &json!({"machineId": "ps1"})));
    for field in ["annotations", "labels", "finalizers", "generation", "uid"] {
        assert_eq!(after["metadata"].get(field), before["metadata"].get(field), "{field}");
    }
    assert_ne!(version(&after), version(&before));
    let again = api.merge_status("a", json!({"machineId": null, "state": "off"})).await.unwrap();
    assert_eq!(again["status"], json!({"state": "off"}));
    // A whole status that is erased leaves its default.
    let none = api.merge_status("a", json!(null)).await.unwrap();
    assert_eq!(none["status"], json!({"observedGeneration": -1}));
}
