//! Versions, uids and generations: what a write is based on, and what it counts as.

use serde_json::{Value, json};

use super::api::{Api, conflict, refused, uid, version};

pub(super) async fn a_write_based_on_an_older_version_is_a_conflict(api: &Api) {
    let old = api.create("a", json!({})).await;
    let new = api.merge("a", json!({"metadata": {"annotations": {"x": "1"}}})).await.unwrap();
    assert_ne!(version(&old), version(&new));

    conflict(api.put(&old).await);
    conflict(api.put_status(&old).await);
    conflict(api.merge("a", json!({"metadata": {"resourceVersion": version(&old), "annotations": {"x": "2"}}})).await);
    conflict(api.merge("a", json!({"metadata": {"uid": uid(&old), "resourceVersion": version(&old)}})).await);
    conflict(api.apply_status("a", json!({"resourceVersion": version(&old)}), json!({"state": "ready"})).await);
    assert_eq!(api.get("a").await, new, "nothing of it was written");

    api.merge("a", json!({"metadata": {"resourceVersion": version(&new), "annotations": {"x": "2"}}})).await.unwrap();
    let newest = api.get("a").await;
    api.put(&newest).await.unwrap();
    // Without a version a patch is for whatever is there.
    api.merge("a", json!({"metadata": {"annotations": {"x": "3"}}})).await.unwrap();
}

pub(super) async fn a_put_without_a_version_is_invalid(api: &Api) {
    api.create("a", json!({})).await;
    let status = refused(api.put(&api.machine("a", json!({}))).await, 422, "Invalid", "metadata.resourceVersion");
    assert!(status.message.contains("must be specified for an update"), "{status:?}");
    refused(api.put(&api.machine("b", json!({"metadata": {"resourceVersion": "1"}}))).await, 404, "NotFound", "\"b\" not found");
}

pub(super) async fn another_uid_is_refused(api: &Api) {
    let mut object = api.create("a", json!({})).await;
    let other = "00000000-0000-4000-a000-000000000000";
    let patch = json!({"metadata": {"uid": other, "annotations": {"x": "1"}}});
    refused(api.merge("a", patch).await, 422, "Invalid", "metadata.uid");
    object["metadata"]["uid"] = other.into();
    refused(api.put(&object).await, 409, "Conflict", "Precondition failed: UID in precondition");
    let patch = json!({"metadata": {"uid": other, "resourceVersion": "1", "annotations": {"x": "1"}}});
    conflict(api.merge("a", patch).await);
    // By itself the uid of an applied status is not looked at: the version is what ties it to an object.
    api.apply_status("a", json!({"uid": other}), json!({"state": "ready"})).await.unwrap();
    assert_eq!(api.get("a").await["metadata"].get("annotations"), None);
}

pub(super) async fn a_write_that_changes_nothing_has_no_version(api: &Api) {
    api.create("a", json!({"metadata": {"annotations": {"x": "1"}}})).await;
    let object = api.apply_status("a", json!({}), json!({"state": "ready"})).await.unwrap();
    let mut watch = api.watch(&version(&object), "").await;
    let same = |answer: Result<Value, _>| assert_eq!(answer.unwrap(), object);
    same(api.merge("a", json!({"metadata": {"annotations": {"x": "1"}}})).await);
    same(api.merge("a", json!({"spec": {"region": "NY2"}})).await);
    same(api.json_patch("a", json!([{"op": "replace", "path": "/spec/region", "value": "NY2"}])).await);
    same(api.put(&object).await);
    let changed = api.merge("a", json!({"metadata": {"annotations": {"x": "2"}}})).await.unwrap();
    assert_eq!(watch.change().await, ("MODIFIED", "a".to_owned(), version(&changed)), "the first that a watch sees");
}

pub(super) async fn the_first_write_stores_the_defaults_of_the_status(api: &Api) {
    let object = api.create("a", json!({})).await;
    let mut watch = api.watch(&version(&object), "").await;
    let written = api.merge("a", json!({"spec": {"region": "NY2"}})).await.unwrap();
    assert_ne!(version(&written), version(&object), "though it says nothing new");
    assert_eq!((&written["status"], &written["metadata"]["generation"]), (&object["status"], &json!(1)));
    assert_eq!(watch.change().await, ("MODIFIED", "a".to_owned(), version(&written)));
    let again = api.merge("a", json!({"spec": {"region": "NY2"}})).await.unwrap();
    assert_eq!(again, written);
}

pub(super) async fn only_a_change_of_the_spec_or_a_deletion_is_a_generation(api: &Api) {
    let generation = |object: &Value| object["metadata"]["generation"].as_i64().unwrap();
    let object = api.create("a", json!({"metadata": {"generation": 5, "finalizers": ["example.dev/x"]}})).await;
    assert_eq!(generation(&object), 1);
    let object = api.merge("a", json!({"metadata": {"annotations": {"x": "1"}, "labels": {"x": "1"}}})).await.unwrap();
    assert_eq!(generation(&object), 1, "metadata");
    let object = api.apply_status("a", json!({}), json!({"state": "ready"})).await.unwrap();
    assert_eq!(generation(&object), 1, "status");
    let object = api.merge("a", json!({"spec": {"diskSizeGB": 100}})).await.unwrap();
    assert_eq!(generation(&object), 2, "spec");
    let object = api.merge("a", json!({"metadata": {"generation": 9}})).await.unwrap();
    assert_eq!(generation(&object), 2, "it is the server's");
    let object = api.delete("a").await.unwrap();
    assert_eq!(generation(&object), 3, "deletion");
    let object = api.merge("a", json!({"metadata": {"finalizers": ["example.dev/x", "example.dev/y"]}})).await;
    refused(object, 422, "Invalid", "finalizers");
    let object = api.delete("a").await.unwrap();
    assert_eq!(generation(&object), 3, "a second deletion is none");
    api.merge("a", json!({"metadata": {"finalizers": []}})).await.unwrap();
}

pub(super) async fn json_patch_tests_hold_a_patch_back(api: &Api) {
    let object = api.create("a", json!({})).await;
    let operations = |uid: &str, version: &str| {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/metadata/finalizers", "value": ["example.dev/x"]},
        ])
    };
    for (uid, version) in [(uid(&object), "1"), ("other", &version(&object))] {
        let status = refused(
            api.json_patch("a", operations(uid, version)).await,
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        // Which tells it from an object that the schema refuses.
        assert!(status.details.as_ref().is_none_or(|d| d.causes.is_empty() && d.name.is_empty()), "{status:?}");
    }
    assert_eq!(api.get("a").await, object);
    let patched = api.json_patch("a", operations(uid(&object), &version(&object))).await.unwrap();
    assert_eq!(patched["metadata"]["finalizers"], json!(["example.dev/x"]));
    api.merge("a", json!({"metadata": {"finalizers": null}})).await.unwrap();
    refused(api.json_patch("b", operations("u", "1")).await, 404, "NotFound", "\"b\" not found");
}

pub(super) async fn an_old_patch_does_not_touch_a_new_object_of_the_same_name(api: &Api) {
    let old = api.create("a", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await;
    api.delete("a").await.unwrap();
    api.merge("a", json!({"metadata": {"finalizers": null}})).await.unwrap();
    let new = api.create("a", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await;
    assert_ne!(uid(&old), uid(&new));
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": uid(&old)},
        {"op": "test", "path": "/metadata/resourceVersion", "value": version(&old)},
        {"op": "add", "path": "/metadata/finalizers", "value": []},
    ]);
    refused(api.json_patch("a", patch).await, 422, "Invalid", "");
    let metadata = json!({"uid": uid(&old), "resourceVersion": version(&old)});
    conflict(api.apply_status("a", metadata.clone(), json!({"state": "ready"})).await);
    conflict(api.merge("a", json!({"metadata": metadata})).await);
    assert_eq!(api.get("a").await, new);
}

pub(super) async fn a_name_is_used_once_at_a_time(api: &Api) {
    let object = api.create("a", json!({"metadata": {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}})).await;
    assert_ne!(uid(&object), "mine");
    assert!(object["metadata"]["creationTimestamp"].as_str().unwrap() > "2001-01-01T00:00:01Z");
    let again = api.post(&api.path(), &api.machine("a", json!({}))).await;
    let status = refused(again, 409, "AlreadyExists", "paperspacemachines.paperspace-operator.dev \"a\" already exists");
    let details = status.details.unwrap();
    assert_eq!(
        (details.name.as_str(), details.kind.as_str(), details.group.as_str()),
        ("a", "paperspacemachines", "paperspace-operator.dev")
    );
    let status = refused(api.find("b").await, 404, "NotFound", "paperspacemachines.paperspace-operator.dev \"b\" not found");
    assert_eq!(status.details.unwrap().name, "b");
    refused(api.delete("b").await, 404, "NotFound", "\"b\" not found");
    refused(api.merge("b", json!({"metadata": {"labels": {"x": "1"}}})).await, 404, "NotFound", "\"b\" not found");
}
