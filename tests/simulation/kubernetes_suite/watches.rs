//! Watches: order, completeness, selection, and the way on after a gap.

use futures::StreamExt as _;
use kube::api::{Api as Objects, WatchEvent};
use kube::runtime::watcher;
use paperspace_operator::crd::PaperspaceMachine;
use serde_json::{Value, json};

use super::api::{Api, name_of, version};

pub(super) async fn a_watch_from_a_list_misses_nothing(api: &Api) {
    api.create("before", json!({})).await;
    let list = api.list("").await;
    let mut expected = Vec::new();
    let mut note = |event: &'static str, object: &Value| expected.push((event, name_of(object).to_owned(), version(object)));
    note("ADDED", &api.create("a", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await);
    note("ADDED", &api.create("b", json!({})).await);
    note("MODIFIED", &api.merge("a", json!({"spec": {"diskSizeGB": 60}})).await.unwrap());
    note("MODIFIED", &api.apply_status("b", json!({}), json!({"state": "ready"})).await.unwrap());
    note("MODIFIED", &api.delete("a").await.unwrap());
    note("MODIFIED", &api.merge("before", json!({"metadata": {"labels": {"x": "1"}}})).await.unwrap());
    // Some of it is past when the watch begins, some is to come.
    let mut watch = api.watch(&version(&list), "").await;
    note("MODIFIED", &api.merge("b", json!({"metadata": {"annotations": {"x": "1"}}})).await.unwrap());
    note("ADDED", &api.create("c", json!({})).await);
    for event in expected {
        assert_eq!(watch.change().await, event);
    }
    api.merge("a", json!({"metadata": {"finalizers": null}})).await.unwrap();
    api.delete("c").await.unwrap();
    let (first, second) = (watch.change().await, watch.change().await);
    assert_eq!((first.0, first.1.as_str(), second.0, second.1.as_str()), ("DELETED", "a", "DELETED", "c"));
    assert!(first.2.parse::<u64>().unwrap() < second.2.parse::<u64>().unwrap());
    // Where a deletion ends a watch, the next begins.
    let mut resumed = api.watch(&first.2, "").await;
    assert_eq!(resumed.change().await, second);
}

pub(super) async fn a_watch_with_a_label_selector_sees_objects_come_and_go(api: &Api) {
    let list = api.list("").await;
    let mut watch = api.watch(&version(&list), "&labelSelector=use%3Dx").await;
    api.create("a", json!({})).await;
    let entered = api.merge("a", json!({"metadata": {"labels": {"use": "x"}}})).await.unwrap();
    let within = api.merge("a", json!({"metadata": {"annotations": {"x": "1"}}})).await.unwrap();
    let left = api.merge("a", json!({"metadata": {"labels": {"use": "y"}}})).await.unwrap();
    api.merge("a", json!({"metadata": {"annotations": {"x": "2"}}})).await.unwrap();
    let back = api.merge("a", json!({"metadata": {"labels": {"use": "x"}}})).await.unwrap();
    assert_eq!(watch.change().await, ("ADDED", "a".to_owned(), version(&entered)));
    assert_eq!(watch.change().await, ("MODIFIED", "a".to_owned(), version(&within)));
    let (event, object) = watch.object().await;
    assert_eq!((event, version(&object)), ("DELETED", version(&left)));
    assert_eq!(object["metadata"]["labels"], json!({"use": "x"}), "as it was when it was last selected");
    assert_eq!(watch.change().await, ("ADDED", "a".to_owned(), version(&back)));
}

pub(super) async fn a_watch_from_no_version_begins_with_what_is_there(api: &Api) {
    let a = api.create("a", json!({})).await;
    let mut watch = api.watch("0", "").await;
    assert_eq!(watch.change().await, ("ADDED", "a".to_owned(), version(&a)));
    let b = api.create("b", json!({})).await;
    assert_eq!(watch.change().await, ("ADDED", "b".to_owned(), version(&b)));
}

pub(super) async fn a_watch_from_a_forgotten_version_is_told_so(api: &Api) {
    api.create("a", json!({})).await;
    let mut watch = api.watch("1", "").await;
    // Not as the answer's status, which kube's watcher would take for a reason to ask the same again.
    match watch.next().await {
        Some(WatchEvent::Error(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"), "{status:?}");
            assert!(status.message.contains("too old resource version: 1"), "{status:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(watch.next().await.is_none(), "and it ends");
}

pub(super) async fn bookmarks_say_how_far_a_watch_is(api: &Api) {
    let object = api.create("a", json!({})).await;
    // The real server sends one shortly before the end.
    let path = format!("{}?watch=true&resourceVersion={}&timeoutSeconds=5", api.path(), version(&object));
    let mut watch = api.watch_path(&format!("{path}&allowWatchBookmarks=true")).await;
    match watch.next().await {
        Some(WatchEvent::Bookmark(bookmark)) => {
            assert_eq!(
                (bookmark.types.kind.as_str(), bookmark.types.api_version.as_str()),
                ("PaperspaceMachine", "paperspace-operator.dev/v1alpha1")
            );
            let number = |text: &str| text.parse::<u64>().unwrap();
            assert!(number(&bookmark.metadata.resource_version) >= number(&version(&object)));
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_watcher_lists_and_follows(api: &Api) {
    api.create("a", json!({})).await;
    let objects: Objects<PaperspaceMachine> = Objects::namespaced(api.client.clone(), &api.namespace);
    let mut events = watcher(objects, watcher::Config::default()).boxed();
    let mut seen = Vec::new();
    let mut next = async || {
        let event = match events.next().await.unwrap().unwrap() {
            watcher::Event::Init => "init".to_owned(),
            watcher::Event::InitApply(o) => format!("listed {}", o.metadata.name.unwrap()),
            watcher::Event::InitDone => "done".to_owned(),
            watcher::Event::Apply(o) => format!("applied {}", o.metadata.name.unwrap()),
            watcher::Event::Delete(o) => format!("deleted {}", o.metadata.name.unwrap()),
        };
        seen.push(event);
    };
    for _ in 0..3 {
        next().await;
    }
    api.create("b", json!({})).await;
    next().await;
    api.delete("a").await.unwrap();
    next().await;
    assert_eq!(seen, ["init", "listed a", "done", "applied b", "deleted a"]);
}
