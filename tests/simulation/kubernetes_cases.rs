//! The API in memory, held to what the real server does, and what only it can be told to do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use paperspace_operator::crd::{CRD_NAME, PaperspaceMachine, crd};
use serde_json::json;
use tokio::time::Instant;

use super::kubernetes::{Kubernetes, Reply, Request, client};
use super::kubernetes_suite;

#[tokio::test(start_paused = true)]
async fn the_kubernetes_in_memory_is_like_the_real_one() {
    let mut kubernetes = Kubernetes::new(1);
    kubernetes.install(&crd());
    let kubernetes = Arc::new(Mutex::new(kubernetes));
    let (epoch, start) = (Instant::now(), "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap());
    let client = client(kubernetes.clone(), Arc::new(move || start + epoch.elapsed()));
    let bookmarks = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            kubernetes.lock().unwrap().bookmark();
        }
    });
    kubernetes_suite::run(&client, "case").await;
    bookmarks.abort();
}

struct World {
    kubernetes: Arc<Mutex<Kubernetes>>,
    api: Api<PaperspaceMachine>,
}

fn world() -> World {
    let mut kubernetes = Kubernetes::new(7);
    kubernetes.install(&crd());
    let kubernetes = Arc::new(Mutex::new(kubernetes));
    let client = client(kubernetes.clone(), Arc::new(|| Timestamp::UNIX_EPOCH));
    World { kubernetes, api: Api::default_namespaced(client) }
}

impl World {
    async fn create(&self, name: &str) -> PaperspaceMachine {
        self.try_create(name).await.unwrap()
    }

    async fn try_create(&self, name: &str) -> kube::Result<PaperspaceMachine> {
        let object = serde_json::from_value(json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine", "metadata": {"name": name},
            "spec": {"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 50},
        }));
        self.api.create(&PostParams::default(), &object.unwrap()).await
    }

    fn told(&self, act: impl FnOnce(&mut Kubernetes)) {
        act(&mut self.kubernetes.lock().unwrap());
    }
}

#[tokio::test]
async fn a_bookmark_comes_when_it_is_told_to_and_only_where_it_is_allowed() {
    let w = world();
    let mut with = w.api.watch(&WatchParams::default(), "100").await.unwrap().boxed();
    let mut without = w.api.watch(&WatchParams::default().disable_bookmarks(), "101").await.unwrap().boxed();
    w.told(Kubernetes::bookmark);
    w.told(Kubernetes::break_watches);
    let mut last = None;
    while let Some(event) = with.try_next().await.unwrap() {
        last = Some(event);
    }
    let version = w.api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    assert!(matches!(last, Some(WatchEvent::Bookmark(b)) if b.metadata.resource_version == version));
    assert!(without.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_compacted_is_told_to_watches_and_refused_to_lists() {
    let w = world();
    for name in ["a", "b", "c"] {
        w.create(name).await;
    }
    let first = w.api.list(&ListParams::default().limit(1)).await.unwrap();
    let next = ListParams::default().limit(1).continue_token(&first.metadata.continue_.unwrap());
    assert_eq!(w.api.list(&next).await.unwrap().items.len(), 1);
    let version = first.metadata.resource_version.unwrap();
    let mut watch = w.api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    w.create("d").await;
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    w.told(Kubernetes::compact);
    let gone = |event: Option<kube::Result<WatchEvent<PaperspaceMachine>>>| match event {
        Some(Ok(WatchEvent::Error(status))) => status.code == 410 && status.reason == "Expired",
        _ => false,
    };
    assert!(gone(watch.next().await));
    assert!(watch.next().await.is_none());
    let mut again = w.api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    assert!(gone(again.next().await));
    let refused = w.api.list(&next).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 410 && status.reason == "Expired"), "{refused}");
    let now = w.api.list(&ListParams::default()).await.unwrap();
    assert!(
        w.api
            .watch(&WatchParams::default(), &now.metadata.resource_version.unwrap())
            .await
            .unwrap()
            .boxed()
            .next()
            .now_or_never()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_goes_on_after_broken_watches_and_compactions() {
    let w = world();
    w.create("a").await;
    let mut events = watcher(w.api.clone(), watcher::Config::default()).boxed();
    let mut names = Vec::new();
    let mut seen = async |until: &str| {
        while names.last().is_none_or(|last| last != until) {
            // An error is told once, and what follows makes up for it.
            if let Ok(watcher::Event::Apply(o) | watcher::Event::InitApply(o)) = events.next().await.unwrap() {
                names.push(o.metadata.name.unwrap());
            }
        }
    };
    seen("a").await;
    w.create("b").await;
    seen("b").await;
    w.told(Kubernetes::break_watches);
    w.create("c").await;
    seen("c").await;
    w.told(Kubernetes::break_watches);
    w.create("d").await;
    w.told(Kubernetes::compact);
    seen("d").await;
    assert_eq!(names, ["a", "b", "c", "a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_definition_that_is_deleted_stays_until_the_last_object_is_gone() {
    let w = world();
    let definitions: Api<CustomResourceDefinition> = Api::all(w.api.clone().into_client());
    let finalizers = |list: &[&str]| Patch::Merge(json!({"metadata": {"finalizers": list}}));
    w.create("a").await;
    w.create("b").await;
    w.api.patch("a", &PatchParams::default(), &finalizers(&["example.dev/x"])).await.unwrap();
    let mut watch = w.api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    definitions.delete(CRD_NAME, &DeleteParams::default()).await.unwrap();
    assert!(definitions.get(CRD_NAME).await.unwrap().metadata.deletion_timestamp.is_some());
    let left = w.api.list(&ListParams::default()).await.unwrap().items;
    assert!(matches!(left.as_slice(), [a] if a.metadata.deletion_timestamp.is_some()), "{left:?}");
    let refused = w.try_create("c").await.unwrap_err();
    assert!(refused.to_string().contains("create not allowed while custom resource definition is terminating"), "{refused}");

    w.api.patch("a", &PatchParams::default(), &finalizers(&[])).await.unwrap();
    assert!(definitions.get_opt(CRD_NAME).await.unwrap().is_none());
    assert!(matches!(w.api.list(&ListParams::default()).await, Err(kube::Error::Api(status)) if status.code == 404));
    let mut last = None;
    while let Some(event) = watch.try_next().await.unwrap() {
        last = Some(event);
    }
    assert!(matches!(last, Some(WatchEvent::Deleted(a)) if a.metadata.name.as_deref() == Some("a")));
    w.told(|kubernetes| kubernetes.install(&crd()));
    w.create("a").await;
}

#[test]
fn the_same_requests_get_the_same_answers() {
    let run = |seed: u64| {
        let mut kubernetes = Kubernetes::new(seed);
        kubernetes.install(&crd());
        let body = json!({"metadata": {"name": "a"}, "type": "Opaque"}).to_string().into_bytes();
        let request = Request { method: "POST".into(), path: "/api/v1/namespaces/default/secrets".into(), body, ..Request::default() };
        match kubernetes.handle(Timestamp::UNIX_EPOCH, &request) {
            Reply::Answer { status: 201, body } => body,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2), "uids come from the seed");
}
