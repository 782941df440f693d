//! Watches, and what of them is worth a pass.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{PredicateConfig, WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::SetOnce;

use super::reconcile::Watched;
use crate::crd::PaperspaceMachine;
use crate::crd::names::{USE_CREDENTIALS, USE_LABEL, USE_SCRIPT};

/// Set once the first list is in the store. `Store::wait_until_ready` is the controller's own: of several that wait, it wakes only the
/// last.
pub(super) type Listed = Arc<SetOnce<()>>;

/// The resources of a namespace (`None`: all), as a store and as a stream of what is worth a pass.
pub(super) fn resources(
    client: Client,
    namespace: Option<&str>,
    listed: Listed,
) -> (Store<Watched>, impl Stream<Item = Result<Watched, watcher::Error>> + Send + 'static) {
    let (reader, writer) = reflector::store();
    let stream = watcher(api::<Watched>(client, namespace), watcher::Config::default())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            if matches!(event, watcher::Event::InitDone) {
                // Every list after the first finds it set.
                let _ = listed.set(());
            }
        })
        .applied_objects()
        .predicate_filter(worth_a_pass, PredicateConfig::default());
    (reader, stream)
}

/// The labelled Secrets of a namespace (`None`: all), as a store and as a stream of those that changed or went.
pub(super) fn secrets(
    client: Client,
    namespace: Option<&str>,
) -> (Store<Secret>, impl Stream<Item = Result<Secret, watcher::Error>> + Send + 'static) {
    let (reader, writer) = reflector::store();
    let labelled = watcher::Config::default().labels(&format!("{USE_LABEL} in ({USE_CREDENTIALS},{USE_SCRIPT})"));
    let stream = watcher(api::<Secret>(client, namespace), labelled)
        .default_backoff()
        .modify(|secret| secret.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .inspect_err(|error| tracing::warn!(%error, "Secrets cannot be watched"));
    (reader, stream.boxed())
}

/// The ConfigMaps of a namespace (`None`: all) that changed or went, without their data. Nothing of them is kept: there may be many.
pub(super) fn config_maps(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Result<PartialObjectMeta<ConfigMap>, watcher::Error>> + Send + 'static {
    watcher(api::<PartialObjectMeta<ConfigMap>>(client, namespace), watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .inspect_err(|error| tracing::warn!(%error, "ConfigMaps cannot be watched"))
        .boxed()
}

fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// A change that may ask for something: of the spec, of requests, of what the operator relies on, or a deletion. Its own reports are none.
#[expect(clippy::unnecessary_wraps, reason = "a predicate may have no answer")]
pub(super) fn worth_a_pass(watched: &Watched) -> Option<u64> {
    let mut hash = DefaultHasher::new();
    let meta = watched.meta();
    // A generation alone would miss the finalizer, annotations, and on some servers a deletion.
    (&meta.uid, meta.generation, meta.deletion_timestamp.as_ref().map(|t| t.0), &meta.finalizers, &meta.annotations).hash(&mut hash);
    if let DeserializeGuard(Ok(object)) = watched {
        // A status that lost its memory is worth a look.
        let status = object.status.as_ref();
        (status.and_then(|s| s.machine_id.as_ref()), status.and_then(|s| s.creation.as_ref()).map(|c| &c.id)).hash(&mut hash);
        status.and_then(|s| s.owned_script.as_ref()).and_then(|o| o.creation.as_ref()).map(|c| &c.id).hash(&mut hash);
    }
    Some(hash.finish())
}

/// The resources that have their key or their startup script in this Secret.
pub(super) fn users_of(store: &Store<Watched>, secret: &Secret) -> Vec<ObjectRef<Watched>> {
    let name = secret.name_any();
    users(store, secret.namespace().as_deref(), |object| {
        let script = object.spec.startup_script.as_ref().and_then(|s| s.secret_key_ref.as_ref());
        object.spec.credentials_ref.as_ref().is_some_and(|r| r.name == name) || script.is_some_and(|r| r.name == name)
    })
}

/// The resources that have their startup script in this ConfigMap, or publish their connection there.
pub(super) fn users_of_map(store: &Store<Watched>, map: &PartialObjectMeta<ConfigMap>) -> Vec<ObjectRef<Watched>> {
    let name = map.name_any();
    users(store, map.namespace().as_deref(), |object| {
        let script = object.spec.startup_script.as_ref().and_then(|s| s.config_map_key_ref.as_ref());
        let published = object.spec.write_connection_to.as_ref();
        script.is_some_and(|r| r.name == name) || published.is_some_and(|c| c.config_map_name == name)
    })
}

fn users(store: &Store<Watched>, namespace: Option<&str>, uses: impl Fn(&PaperspaceMachine) -> bool) -> Vec<ObjectRef<Watched>> {
    let uses = |watched: &Watched| match watched {
        DeserializeGuard(Ok(object)) => object.namespace().as_deref() == namespace && uses(object),
        DeserializeGuard(Err(_)) => false,
    };
    store.state().iter().filter(|w| uses(w)).map(|w| ObjectRef::from_obj(w.as_ref())).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hash(change: impl Fn(&mut Value)) -> Option<u64> {
        let mut object = json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {"name": "a", "namespace": "b", "uid": "u", "generation": 1, "resourceVersion": "1"},
            "spec": {"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 50},
            "status": {"powerState": "Running"},
        });
        change(&mut object);
        worth_a_pass(&serde_json::from_value::<Watched>(object).unwrap())
    }

    #[test]
    fn no_finalizer_deletion_or_request_is_lost() {
        let before = hash(|_| {});
        for (what, path, value) in [
            ("generation", "/metadata/generation", json!(2)),
            ("finalizers", "/metadata/finalizers", json!(["paperspace-operator.dev/machine"])),
            ("deletion", "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ("annotation", "/metadata/annotations", json!({"paperspace-operator.dev/restart-requested-at": "1"})),
            ("new object", "/metadata/uid", json!("v")),
            ("memory", "/status/machineId", json!("ps1")),
        ] {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let after = hash(|o| o.pointer_mut(parent).unwrap()[key] = value.clone());
            assert_ne!(before, after, "{what}");
        }
    }

    #[test]
    fn the_operators_own_reports_wake_nothing() {
        let before = hash(|_| {});
        assert_eq!(before, hash(|o| o["status"]["powerState"] = json!("Stopped")));
        assert_eq!(before, hash(|o| o["metadata"]["resourceVersion"] = json!("2")));
    }
}
