//! Finalizers and deletion.

use serde_json::{Value, json};

use super::api::{Api, refused, uid, version};

pub(super) async fn an_object_without_finalizers_goes_at_once(api: &Api) {
    let object = api.create("a", json!({})).await;
    let mut watch = api.watch(&version(&object), "").await;
    let answer = api.delete("a").await.unwrap();
    assert_eq!((&answer["kind"], &answer["status"]), (&json!("Status"), &json!("Success")), "{answer}");
    assert_eq!(answer["details"]["uid"], object["metadata"]["uid"]);
    refused(api.find("a").await, 404, "NotFound", "not found");
    let (event, last) = watch.object().await;
    assert_eq!((event, &last["spec"]), ("DELETED", &object["spec"]));
    assert_eq!(last["metadata"].get("deletionTimestamp"), None);
    let all = api.list("").await;
    assert_eq!(all["items"], json!([]));
    assert!(later(&last, &object));
}

fn later(one: &Value, other: &Value) -> bool {
    version(one).parse::<u64>().unwrap() > version(other).parse::<u64>().unwrap()
}

pub(super) async fn an_object_with_finalizers_stays_until_the_last_is_off(api: &Api) {
    let object = api.create("a", json!({"metadata": {"finalizers": ["example.dev/x", "example.dev/y"]}})).await;
    let mut watch = api.watch(&version(&object), "").await;
    let deleting = api.delete("a").await.unwrap();
    let metadata = &deleting["metadata"];
    assert!(metadata["deletionTimestamp"].is_string(), "{deleting}");
    assert_eq!((&metadata["deletionGracePeriodSeconds"], &metadata["generation"]), (&json!(0), &json!(2)));
    assert_eq!(api.delete("a").await.unwrap(), deleting, "a second deletion changes nothing");
    let undone = api.merge("a", json!({"metadata": {"deletionTimestamp": null}})).await.unwrap();
    assert_eq!(undone, deleting, "and nothing takes it back");

    let one = api.merge("a", json!({"metadata": {"finalizers": ["example.dev/y"]}})).await.unwrap();
    assert_eq!(api.get("a").await, one);
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": uid(&object)},
        {"op": "test", "path": "/metadata/resourceVersion", "value": version(&one)},
        {"op": "add", "path": "/metadata/finalizers", "value": []},
    ]);
    let last = api.json_patch("a", patch).await.unwrap();
    assert_eq!((last["metadata"].get("finalizers"), version(&last)), (None, version(&one)), "the version is that before");
    refused(api.find("a").await, 404, "NotFound", "not found");

    assert_eq!(watch.change().await, ("MODIFIED", "a".to_owned(), version(&deleting)));
    assert_eq!(watch.change().await, ("MODIFIED", "a".to_owned(), version(&one)));
    let (event, gone) = watch.object().await;
    assert_eq!((event, uid(&gone)), ("DELETED", uid(&object)));
    assert_eq!(gone["metadata"]["finalizers"], json!(["example.dev/y"]), "as it was stored last");
    assert!(later(&gone, &one));
}

pub(super) async fn no_finalizer_is_added_while_an_object_is_being_deleted(api: &Api) {
    api.create("a", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await;
    let deleting = api.delete("a").await.unwrap();
    let patch = json!({"metadata": {"finalizers": ["example.dev/x", "example.dev/y"]}});
    let status = refused(api.merge("a", patch).await, 422, "Invalid", "no new finalizers can be added if the object is being deleted");
    assert_eq!(status.details.unwrap().causes[0].field, "metadata.finalizers");
    assert_eq!(api.get("a").await, deleting);
    api.merge("a", json!({"metadata": {"finalizers": []}})).await.unwrap();
    refused(api.find("a").await, 404, "NotFound", "not found");
}

pub(super) async fn the_spec_can_be_written_while_an_object_is_being_deleted(api: &Api) {
    api.create("a", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await;
    api.delete("a").await.unwrap();
    let object = api.merge("a", json!({"spec": {"deletionPolicy": "Retain"}})).await.unwrap();
    assert_eq!((&object["spec"]["deletionPolicy"], &object["metadata"]["generation"]), (&json!("Retain"), &json!(3)));
    let object = api.apply_status("a", json!({}), json!({"state": "off"})).await.unwrap();
    assert_eq!(object["status"]["state"], "off");
    let again = api.post(&api.path(), &api.machine("a", json!({}))).await;
    refused(again, 409, "AlreadyExists", "already exists");
    api.merge("a", json!({"metadata": {"finalizers": null}})).await.unwrap();
}

pub(super) async fn a_deletion_can_be_tied_to_a_uid_and_a_version(api: &Api) {
    let object = api.create("a", json!({})).await;
    let with = |preconditions: Value| api.delete_with("a", json!({"preconditions": preconditions}));
    let other = "00000000-0000-4000-a000-000000000000";
    refused(with(json!({"uid": other})).await, 409, "Conflict", "the UID in the precondition");
    refused(with(json!({"resourceVersion": "1"})).await, 409, "Conflict", "the ResourceVersion in the precondition");
    assert_eq!(api.get("a").await, object);
    with(json!({"uid": uid(&object), "resourceVersion": version(&object)})).await.unwrap();
    refused(api.find("a").await, 404, "NotFound", "not found");
}
