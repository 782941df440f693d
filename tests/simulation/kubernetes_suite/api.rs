//! The calls of the cases: objects as JSON, refusals as the Status that came.

use axum::http;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::response::Status;
use kube::core::{Request, WatchEvent};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const GROUP: &str = "/apis/paperspace-operator.dev/v1alpha1";
pub(super) const MANAGER: &str = "paperspace-operator";
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) struct Api {
    pub(super) client: Client,
    pub(super) namespace: String,
}

/// An object or what was said against it.
pub(super) type Answer = Result<Value, Status>;

impl Api {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self { client: client.clone(), namespace: namespace.to_owned() }
    }

    pub(super) fn path(&self) -> String {
        format!("{GROUP}/namespaces/{}/paperspacemachines", self.namespace)
    }

    fn machines(&self) -> Request {
        Request::new(self.path())
    }

    pub(super) async fn send(&self, request: http::Request<Vec<u8>>) -> Answer {
        let what = format!("{} {}", request.method(), request.uri());
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(*status),
            Err(error) => panic!("{what}: {error}"),
        }
    }

    pub(super) async fn post(&self, path: &str, object: &Value) -> Answer {
        self.send(Request::new(path).create(&PostParams::default(), object.to_string().into_bytes()).unwrap()).await
    }

    pub(super) async fn read(&self, path: &str) -> Answer {
        self.send(http::Request::get(path).body(Vec::new()).unwrap()).await
    }

    /// A resource with these fields besides a working spec.
    pub(super) fn machine(&self, name: &str, fields: Value) -> Value {
        let mut object = json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 50},
        });
        json_patch::merge(&mut object, &fields);
        object
    }

    /// Creates it, which must succeed.
    pub(super) async fn create(&self, name: &str, fields: Value) -> Value {
        self.post(&self.path(), &self.machine(name, fields)).await.unwrap()
    }

    pub(super) async fn get(&self, name: &str) -> Value {
        self.find(name).await.unwrap()
    }

    pub(super) async fn find(&self, name: &str) -> Answer {
        self.read(&format!("{}/{name}", self.path())).await
    }

    pub(super) async fn put(&self, object: &Value) -> Answer {
        self.send(self.machines().replace(name_of(object), &PostParams::default(), object.to_string().into_bytes()).unwrap()).await
    }

    pub(super) async fn put_status(&self, object: &Value) -> Answer {
        let body = object.to_string().into_bytes();
        self.send(self.machines().replace_subresource("status", name_of(object), &PostParams::default(), body).unwrap()).await
    }

    pub(super) async fn patch(&self, name: &str, patch: &Patch<Value>) -> Answer {
        self.send(self.machines().patch(name, &PatchParams::default(), patch).unwrap()).await
    }

    pub(super) async fn merge(&self, name: &str, patch: Value) -> Answer {
        self.patch(name, &Patch::Merge(patch)).await
    }

    /// As `kubectl edit --subresource=status` does.
    pub(super) async fn merge_status(&self, name: &str, status: Value) -> Answer {
        let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"status": status}));
        self.send(self.machines().patch_subresource("status", name, &params, &patch).unwrap()).await
    }

    pub(super) async fn json_patch(&self, name: &str, operations: Value) -> Answer {
        let patch: json_patch::Patch = serde_json::from_value(operations).unwrap();
        self.patch(name, &Patch::Json(patch)).await
    }

    pub(super) async fn json_patch_status(&self, name: &str, operations: Value) -> Answer {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Json::<()>(serde_json::from_value(operations).unwrap());
        self.send(self.machines().patch_subresource("status", name, &params, &patch).unwrap()).await
    }

    /// Applies a status with force.
    pub(super) async fn apply_status(&self, name: &str, metadata: Value, status: Value) -> Answer {
        self.apply_status_as(&PatchParams::apply(MANAGER).force(), name, metadata, status).await
    }

    pub(super) async fn apply_status_as(&self, params: &PatchParams, name: &str, metadata: Value, status: Value) -> Answer {
        let mut body = json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine", "metadata": {"name": name}, "status": status,
        });
        json_patch::merge(&mut body["metadata"], &metadata);
        self.send(self.machines().patch_subresource("status", name, params, &Patch::Apply(body)).unwrap()).await
    }

    pub(super) async fn apply(&self, params: &PatchParams, object: &Value) -> Answer {
        self.send(self.machines().patch(name_of(object), params, &Patch::Apply(object)).unwrap()).await
    }

    pub(super) async fn delete(&self, name: &str) -> Answer {
        self.delete_with(name, json!({})).await
    }

    pub(super) async fn delete_with(&self, name: &str, options: Value) -> Answer {
        let request = http::Request::delete(format!("{}/{name}", self.path())).header("content-type", "application/json");
        self.send(request.body(options.to_string().into_bytes()).unwrap()).await
    }

    /// All of the namespace, with these parameters.
    pub(super) async fn list(&self, query: &str) -> Value {
        self.read(&format!("{}?{query}", self.path())).await.unwrap()
    }

    /// A watch of the namespace from a version on, with these parameters.
    pub(super) async fn watch(&self, version: &str, query: &str) -> Watch {
        self.watch_path(&format!("{}?watch=true&resourceVersion={version}&timeoutSeconds=60{query}", self.path())).await
    }

    pub(super) async fn watch_path(&self, path: &str) -> Watch {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let stream = self.client.request_events::<Value>(request).await.expect("a watch");
        Watch(stream.boxed())
    }
}

pub(super) struct Watch(BoxStream<'static, kube::Result<WatchEvent<Value>>>);

impl Watch {
    pub(super) async fn next(&mut self) -> Option<WatchEvent<Value>> {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("no event came");
        next.map(|event| event.expect("an event"))
    }

    /// The next event that is no bookmark: its type, the object's name and version.
    pub(super) async fn change(&mut self) -> (&'static str, String, String) {
        let (event, object) = self.object().await;
        (event, name_of(&object).to_owned(), version(&object))
    }

    pub(super) async fn object(&mut self) -> (&'static str, Value) {
        loop {
            match self.next().await.expect("the watch ended") {
                WatchEvent::Added(object) => return ("ADDED", object),
                WatchEvent::Modified(object) => return ("MODIFIED", object),
                WatchEvent::Deleted(object) => return ("DELETED", object),
                WatchEvent::Error(status) => panic!("{status:?}"),
                WatchEvent::Bookmark(_) => {}
            }
        }
    }
}

pub(super) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

pub(super) fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
}

pub(super) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().expect("a uid")
}

/// The refusal, which must be this one.
#[track_caller]
pub(super) fn refused(answer: Answer, code: u16, reason: &str, message: &str) -> Status {
    let status = answer.expect_err("to be refused");
    assert_eq!((status.code, status.reason.as_str()), (code, reason), "{status:?}");
    assert!(status.message.contains(message), "{message:?} is not in {:?}", status.message);
    status
}

#[track_caller]
pub(super) fn conflict(answer: Answer) {
    refused(answer, 409, "Conflict", "the object has been modified; please apply your changes to the latest version and try again");
}
