//! Reads and writes of Kubernetes objects: each with a time-out, each write with the version that it is based on.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ObjectReference, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::{DeserializeGuard, PartialObjectMeta, response::Status};
use kube::runtime::events::{Event, Recorder, Reporter};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::Error;
use crate::crd::{ADDRESS_OF_MACHINE, CRD_NAME, FIELD_MANAGER, FINALIZER, PaperspaceMachine, PaperspaceMachineStatus};

/// How long one call to the Kubernetes API may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What came of a conditional write.
pub(super) enum Written {
    /// The resource as it is now; none where something else was written, or the resource is gone with the write.
    As(Option<Box<PaperspaceMachine>>),
    /// Somebody else wrote meanwhile, or the object is gone: look again.
    Conflict,
}

/// The Kubernetes API as this operator uses it.
#[derive(Clone)]
pub struct Objects {
    pub(super) client: Client,
}

impl Objects {
    /// Through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn machines(&self, namespace: &str) -> Api<PaperspaceMachine> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The object as it is now, or nothing if it is gone.
    pub(super) async fn read(&self, namespace: &str, name: &str) -> Result<Option<PaperspaceMachine>, Error> {
        let api: Api<DeserializeGuard<PaperspaceMachine>> = Api::namespaced(self.client.clone(), namespace);
        match within("reading the resource", api.get_opt(name)).await? {
            None => Ok(None),
            Some(DeserializeGuard(Ok(object))) => Ok(Some(object)),
            Some(DeserializeGuard(Err(invalid))) => Err(Error::Unreadable(invalid.error)),
        }
    }

    /// Puts the finalizer on, if the object is still the one that was looked at.
    pub(super) async fn add_finalizer(&self, object: &PaperspaceMachine) -> Result<Written, Error> {
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        self.patch_finalizers(object, &finalizers, "adding the finalizer").await
    }

    /// Takes the finalizer off, if the object is still the one that was looked at: by uid and version, so that a new object of the same name
    /// keeps its own.
    pub(super) async fn remove_finalizer(&self, object: &PaperspaceMachine) -> Result<Written, Error> {
        let finalizers: Vec<String> = object.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
        self.patch_finalizers(object, &finalizers, "removing the finalizer").await
    }

    async fn patch_finalizers(&self, object: &PaperspaceMachine, finalizers: &[String], what: &'static str) -> Result<Written, Error> {
        let patch = json_patch(json!([
            {"op": "test", "path": "/metadata/uid", "value": object.uid()},
            {"op": "test", "path": "/metadata/resourceVersion", "value": object.resource_version()},
            {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
        ]))?;
        self.patch(object, &patch, &PatchParams::default(), what).await
    }

    /// Writes the annotation that tells a restored object from a new one.
    pub(super) async fn annotate(&self, object: &PaperspaceMachine, address: &str) -> Result<Written, Error> {
        let patch = json!({"metadata": {
            "uid": object.uid(), "resourceVersion": object.resource_version(), "annotations": {ADDRESS_OF_MACHINE: address},
        }});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.patch(object, &Patch::Merge(patch), &params, "annotating the resource").await
    }

    async fn patch<P: serde::Serialize + std::fmt::Debug>(
        &self,
        object: &PaperspaceMachine,
        patch: &Patch<P>,
        params: &PatchParams,
        what: &'static str,
    ) -> Result<Written, Error> {
        let api = self.machines(&object.namespace().unwrap_or_default());
        written(within(what, api.patch(&object.name_any(), params, patch)).await, Some)
    }

    /// Writes the whole status over the version that was looked at.
    pub(super) async fn write_status(&self, object: &PaperspaceMachine, status: &PaperspaceMachineStatus) -> Result<Written, Error> {
        // Not by server-side apply: that leaves what somebody else wrote and the operator says nothing of, so that memory could not be
        // erased, or half of a field stayed that the server then refuses with every further write.
        let patch = json_patch(json!([
            {"op": "test", "path": "/metadata/uid", "value": object.uid()},
            {"op": "test", "path": "/metadata/resourceVersion", "value": object.resource_version()},
            {"op": "add", "path": "/status", "value": status},
        ]))?;
        let api = self.machines(&object.namespace().unwrap_or_default());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        written(within("writing the status", api.patch_status(&object.name_any(), &params, &patch)).await, Some)
    }

    /// Publishes an event. Each has a recorder of its own: one that remembers takes the next event with the same reason for a repetition,
    /// counts it and drops its note, which says what happened this time.
    pub(super) async fn publish(&self, reporter: &Reporter, event: &Event, about: &ObjectReference) -> Result<(), Error> {
        let recorder = Recorder::new(self.client.clone(), reporter.clone());
        within("publishing an event", recorder.publish(event, about)).await
    }

    /// Whether the object may be going only because the CRD is, or went; also if the CRD cannot be read. That must not destroy machines.
    pub(super) async fn goes_with_crd(&self, object: &PaperspaceMachine) -> bool {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        match within("reading the CRD", api.get(CRD_NAME)).await {
            Ok(crd) => took_along(&crd, object),
            Err(error) => {
                tracing::warn!(%error, "the CRD cannot be read: nothing is destroyed");
                true
            }
        }
    }

    /// The labels of a Secret, without its data; nothing if there is none.
    pub(super) async fn secret_labels(&self, namespace: &str, name: &str) -> Result<Option<Vec<(String, String)>>, Error> {
        let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), namespace);
        let found = within("reading a Secret's metadata", api.get_metadata_opt(name)).await?;
        Ok(found.map(|s| s.metadata.labels.unwrap_or_default().into_iter().collect()))
    }

    /// The labels of a namespace.
    pub(super) async fn namespace_labels(&self, name: &str) -> Result<std::collections::BTreeMap<String, String>, Error> {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        Ok(within("reading a namespace's labels", api.get_metadata(name)).await?.metadata.labels.unwrap_or_default())
    }
}

/// Whether this CRD takes the object along, or one before it did: an object that was marked for deletion before its CRD was made comes
/// from an earlier one that somebody forced away.
fn took_along(crd: &CustomResourceDefinition, object: &PaperspaceMachine) -> bool {
    let (made, marked) = (&crd.metadata.creation_timestamp, &object.metadata.deletion_timestamp);
    let older = made.as_ref().zip(marked.as_ref()).is_some_and(|(made, marked)| marked.0 < made.0);
    crd.metadata.deletion_timestamp.is_some() || older
}

/// All resources of all namespaces, page by page: all of them or an error, also where one cannot be read.
pub(crate) async fn all_resources(client: &Client) -> Result<Vec<PaperspaceMachine>, Error> {
    let api: Api<DeserializeGuard<PaperspaceMachine>> = Api::all(client.clone());
    let mut all = Vec::new();
    let mut page = ListParams::default().limit(500);
    loop {
        let list = within("listing the resources", api.list(&page)).await?;
        for resource in list.items {
            all.push(resource.0.map_err(|e| {
                let meta = &e.metadata;
                let name = format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
                Error::Unreadable(format!("{name}: {}", e.error))
            })?);
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(all),
        }
    }
}

/// One call, not for ever: the client has no time-out of its own.
pub(super) async fn within<T>(what: &'static str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::Kubernetes { what, source: Box::new(error) }),
        Err(_) => Err(Error::Timeout { what, after: TIMEOUT }),
    }
}

fn json_patch(operations: serde_json::Value) -> Result<Patch<()>, Error> {
    serde_json::from_value(operations).map(Patch::Json).map_err(|e| Error::Unreadable(e.to_string()))
}

/// What came of a write; `resource` gives the resource out of the answer, where it is that.
pub(super) fn written<T>(result: Result<T, Error>, resource: impl Fn(T) -> Option<PaperspaceMachine>) -> Result<Written, Error> {
    match result {
        Ok(object) => Ok(Written::As(resource(object).map(Box::new))),
        Err(Error::Kubernetes { what, source }) => match source.as_ref() {
            kube::Error::Api(s) if s.is_conflict() || s.is_not_found() || is_failed_test(s) => Ok(Written::Conflict),
            _ => Err(Error::Kubernetes { what, source }),
        },
        Err(error) => Err(error),
    }
}

/// Whether a `test` of a JSON patch failed. The server says only that the request is in error; what a schema refuses has causes.
fn is_failed_test(status: &Status) -> bool {
    status.is_invalid() && status.details.as_ref().is_none_or(|details| details.causes.is_empty())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What comes of a write that was answered so.
    fn answered(status: serde_json::Value) -> Result<Written, Error> {
        let status: Status = serde_json::from_value(status).unwrap();
        written::<()>(Err(Error::Kubernetes { what: "writing", source: Box::new(kube::Error::Api(status.boxed())) }), |()| None)
    }

    /// A server that answers each list with the next of these pages.
    async fn all_of(pages: Vec<serde_json::Value>) -> Result<Vec<PaperspaceMachine>, Error> {
        let pages = std::sync::Mutex::new(pages.into_iter());
        let service = tower::service_fn(move |request: axum::http::Request<kube::client::Body>| {
            let page = pages.lock().unwrap().next();
            async move {
                let page = page.unwrap_or_else(|| panic!("{} was not to be asked", request.uri()));
                Ok::<_, std::convert::Infallible>(axum::http::Response::new(kube::client::Body::from(page.to_string().into_bytes())))
            }
        });
        all_resources(&Client::new(service, "default")).await
    }

    fn page(next: &str, specs: &[serde_json::Value]) -> serde_json::Value {
        let items: Vec<_> = specs.iter().map(|spec| json!({"metadata": {"namespace": "ml", "name": "a"}, "spec": spec})).collect();
        json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachineList",
            "metadata": {"continue": next, "resourceVersion": "1"}, "items": items,
        })
    }

    #[tokio::test]
    async fn all_resources_are_read_page_by_page_and_one_that_cannot_be_read_is_an_error() {
        let good = json!({"machineType": "C5", "region": "NY2", "diskSizeGB": 50});
        let two = vec![page("next", &[good.clone(), good.clone()]), page("", std::slice::from_ref(&good))];
        assert_eq!(all_of(two).await.unwrap().len(), 3);
        let error = all_of(vec![page("", &[good, json!({"machineType": 5})])]).await.unwrap_err().to_string();
        assert!(error.contains("ml/a") && error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn a_crd_that_goes_or_went_takes_its_objects_along() {
        let crd = |made: &str, going: bool| {
            let mut crd = crate::crd::crd();
            crd.metadata.creation_timestamp = Some(serde_json::from_value(json!(made)).unwrap());
            crd.metadata.deletion_timestamp = crd.metadata.creation_timestamp.clone().filter(|_| going);
            crd
        };
        let mut object = PaperspaceMachine::new("a", crate::crd::PaperspaceMachineSpec::default());
        object.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-02T00:00:00Z")).unwrap());
        assert!(!took_along(&crd("2026-01-01T00:00:00Z", false), &object), "the user deleted it");
        assert!(!took_along(&crd("2026-01-02T00:00:00Z", false), &object), "in the second in which the CRD was made");
        assert!(took_along(&crd("2026-01-01T00:00:00Z", true), &object), "the CRD is going");
        assert!(took_along(&crd("2026-01-03T00:00:00Z", false), &object), "the CRD was forced away and made again");
    }

    #[test]
    fn a_write_that_came_too_late_is_a_conflict() {
        // As kube-apiserver 1.20 and apiextensions-apiserver 1.36 answer.
        let failed_test = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid", "details": {}, "code": 422,
            "message": "the server rejected our request due to an error in our request",
        });
        let gone = json!({"status": "Failure", "reason": "NotFound", "details": {"name": "a"}, "code": 404, "message": "not found"});
        let changed = json!({"status": "Failure", "reason": "Conflict", "details": {"name": "a"}, "code": 409, "message": "modified"});
        for status in [failed_test, gone, changed] {
            assert!(matches!(answered(status.clone()), Ok(Written::Conflict)), "{status}");
        }
    }

    #[test]
    fn a_write_that_the_schema_refuses_is_an_error() {
        let status = json!({
            "status": "Failure", "reason": "Invalid", "code": 422, "message": "PaperspaceMachine.paperspace-operator.dev \"test\" is invalid",
            "details": {"name": "test", "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.region"}]},
        });
        assert!(matches!(answered(status), Err(Error::Kubernetes { .. })));
    }
}
