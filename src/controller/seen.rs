//! What the operator keeps of a resource that it watches. Every pass reads the resource anew, so that this need not hold its spec or status:
//! at thousands of resources they would be most of the memory.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::NamespaceResourceScope;
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::{Resource, ResourceExt};
use serde::Deserialize;

use crate::crd::conditions::RECONCILING;
use crate::crd::{
    CreationOutcome, FINALIZER, OperationState, PaperspaceMachine, PaperspaceMachineStatus, RECONCILE_REQUESTED, RESTART_REQUESTED,
};
use crate::lifecycle::orphans::{Named, named_by};

/// A resource as the API gives it: one that cannot be read must not stop the others.
type Whole = DeserializeGuard<PaperspaceMachine>;

/// A resource as the watch has seen it last.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Whole")]
pub struct Seen {
    /// Its name, its namespace, and until it is kept its version: what kube asks for.
    meta: ObjectMeta,
    uid: Box<str>,
    /// Changes with everything that is worth a pass.
    gist: u64,
    settled: bool,
    uses: Box<[Used]>,
    /// Nothing where the resource cannot be read.
    named: Option<Box<[Named]>>,
}

/// Another object that the resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Used {
    Secret(Box<str>),
    ConfigMap(Box<str>),
}

impl Seen {
    /// The resource's uid.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// What of it is worth a pass when it changes.
    pub(super) fn gist(&self) -> u64 {
        self.gist
    }

    /// Whether nothing in the resource waits for a pass, so that others may go before it.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether what it was before gives no reason for a pass.
    pub(super) fn is_like(&self, before: &Self) -> bool {
        self.gist == before.gist
    }

    /// Whether the resource has its key or its startup script in the Secret of this name.
    pub(super) fn uses_secret(&self, name: &str) -> bool {
        self.uses.iter().any(|used| matches!(used, Used::Secret(secret) if &**secret == name))
    }

    /// Whether the resource has its startup script in the ConfigMap of this name, or publishes its connection there.
    pub(super) fn uses_config_map(&self, name: &str) -> bool {
        self.uses.iter().any(|used| matches!(used, Used::ConfigMap(map) if &**map == name))
    }

    /// What it has or names on Paperspace; nothing where it cannot be read, so that nothing may be concluded from what it does not name.
    pub(super) fn named(&self) -> Option<&[Named]> {
        self.named.as_deref()
    }

    /// The same without what only the watch needs.
    pub(super) fn kept(mut self) -> Self {
        self.meta.resource_version = None;
        self
    }
}

impl From<Whole> for Seen {
    fn from(whole: Whole) -> Self {
        let meta = whole.meta();
        let kept = ObjectMeta {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            resource_version: meta.resource_version.clone(),
            ..ObjectMeta::default()
        };
        let object = whole.0.as_ref().ok();
        Self {
            meta: kept,
            uid: meta.uid.clone().unwrap_or_default().into(),
            gist: gist(meta, object.and_then(|o| o.status.as_ref())),
            settled: object.is_some_and(settled),
            uses: object.map(uses).unwrap_or_default(),
            named: object.map(named_by),
        }
    }
}

impl Resource for Seen {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        PaperspaceMachine::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        PaperspaceMachine::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        PaperspaceMachine::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        PaperspaceMachine::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

/// A change that may ask for something: of the spec, of requests, of what the operator relies on, or a deletion. Its own reports are none.
pub(super) fn gist(meta: &ObjectMeta, status: Option<&PaperspaceMachineStatus>) -> u64 {
    let mut hash = DefaultHasher::new();
    // A generation alone would miss the finalizer, annotations, and on some servers a deletion.
    (&meta.uid, meta.generation, meta.deletion_timestamp.as_ref().map(|t| t.0), &meta.finalizers, &meta.annotations).hash(&mut hash);
    // A status that lost its memory is worth a look.
    (status.and_then(|s| s.machine_id.as_ref()), status.and_then(|s| s.creation.as_ref()).map(|c| &c.id)).hash(&mut hash);
    status.and_then(|s| s.owned_script.as_ref()).and_then(|o| o.creation.as_ref()).map(|c| &c.id).hash(&mut hash);
    hash.finish()
}

/// The last pass saw the resource as it is, has a machine for it, and left nothing open.
fn settled(object: &PaperspaceMachine) -> bool {
    let Some(status) = &object.status else { return false };
    let meta = &object.metadata;
    let handled =
        |request: &str, handled: &Option<String>| object.annotations().get(request).is_none_or(|asked| handled.as_ref() == Some(asked));
    let attempts = [status.creation.as_ref(), status.owned_script.as_ref().and_then(|s| s.creation.as_ref())];
    meta.deletion_timestamp.is_none()
        && object.finalizers().iter().any(|f| f == FINALIZER)
        && meta.generation.is_some_and(|generation| status.observed_generation == Some(generation))
        && status.machine_id.is_some()
        && attempts.into_iter().flatten().all(|attempt| attempt.outcome != CreationOutcome::Open)
        && status.operation.as_ref().is_none_or(|o| !matches!(o.state, OperationState::Open | OperationState::Accepted))
        && status.condition(RECONCILING).is_none_or(|c| c.status != "True")
        && handled(RESTART_REQUESTED, &status.handled_restart_at)
        && handled(RECONCILE_REQUESTED, &status.handled_reconcile_at)
}

fn uses(object: &PaperspaceMachine) -> Box<[Used]> {
    let spec = &object.spec;
    let script = spec.startup_script.as_ref();
    let secrets = [spec.credentials_ref.as_ref().map(|r| &r.name), script.and_then(|s| s.secret_key_ref.as_ref()).map(|r| &r.name)];
    let maps = [
        script.and_then(|s| s.config_map_key_ref.as_ref()).map(|r| &r.name),
        spec.write_connection_to.as_ref().map(|c| &c.config_map_name),
    ];
    let secrets = secrets.into_iter().flatten().map(|name| Used::Secret(name.as_str().into()));
    secrets.chain(maps.into_iter().flatten().map(|name| Used::ConfigMap(name.as_str().into()))).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const UID: &str = "0b6bcd0e-3f0e-4d62-9d4f-5c1b2a3d4e5f";

    /// An idle resource with all that the operator writes of one.
    fn idle() -> Value {
        json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {
                "name": "trainer-0001", "namespace": "research", "uid": UID, "generation": 1, "resourceVersion": "123456",
                "finalizers": ["paperspace-operator.dev/machine"],
                "annotations": {"paperspace-operator.dev/machine": "te1/psabc123def/0b6bcd0e3f0e"},
            },
            "spec": {"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 50},
            "status": {
                "observedGeneration": 1, "machineId": "psabc123def", "powerState": "Running",
                "creation": {
                    "id": "c1", "attempt": 1, "account": "te1", "firstStartedAt": "2026-01-01T00:00:00Z",
                    "startedAt": "2026-01-01T00:00:00Z", "outcome": "Bound",
                },
            },
        })
    }

    fn seen(change: impl Fn(&mut Value)) -> Seen {
        let mut object = idle();
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn no_finalizer_deletion_or_request_is_lost() {
        let before = seen(|_| {});
        for (what, path, value) in [
            ("generation", "/metadata/generation", json!(2)),
            ("finalizers", "/metadata/finalizers", json!([])),
            ("deletion", "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ("annotation", "/metadata/annotations", json!({"paperspace-operator.dev/restart-requested-at": "1"})),
            ("new object", "/metadata/uid", json!("v")),
            ("memory", "/status/machineId", json!("ps1")),
        ] {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let after = seen(|o| o.pointer_mut(parent).unwrap()[key] = value.clone());
            assert!(!after.is_like(&before), "{what}");
        }
    }

    #[test]
    fn the_operators_own_reports_wake_nothing() {
        let before = seen(|_| {});
        assert!(before.is_like(&seen(|o| o["status"]["powerState"] = json!("Stopped"))));
        assert!(before.is_like(&seen(|o| o["metadata"]["resourceVersion"] = json!("2"))));
    }

    #[test]
    fn only_a_resource_with_nothing_open_is_settled() {
        assert!(seen(|_| {}).is_settled());
        assert!(seen(|o| o["metadata"]["annotations"]["example.dev/other"] = json!("1")).is_settled());
        let operation = |state: &str| json!({"id": "1", "name": "Restart", "state": state, "requestedAt": "2026-01-01T00:00:00Z"});
        assert!(seen(|o| o["status"]["operation"] = operation("Done")).is_settled());
        let unsettled: [(&str, &str, Value); 12] = [
            ("a spec that was not looked at", "/metadata/generation", json!(2)),
            ("no finalizer", "/metadata/finalizers", json!(["example.dev/other"])),
            ("a deletion", "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ("no status", "/status", json!(null)),
            ("no machine", "/status/machineId", json!(null)),
            ("an open attempt", "/status/creation/outcome", json!("Open")),
            ("an open operation", "/status/operation", operation("Open")),
            ("an operation that goes on", "/status/operation", operation("Accepted")),
            ("a restart asked for", "/metadata/annotations", json!({"paperspace-operator.dev/restart-requested-at": "1"})),
            ("a look asked for", "/metadata/annotations", json!({"paperspace-operator.dev/reconcile-requested-at": "1"})),
            (
                "something that goes on",
                "/status/conditions",
                json!([{"type": "Reconciling", "status": "True", "reason": "Starting", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]),
            ),
            ("nothing that can be read", "/spec/diskSizeGB", json!("many")),
        ];
        for (what, path, value) in unsettled {
            let (parent, key) = path.rsplit_once('/').unwrap();
            assert!(!seen(|o| o.pointer_mut(parent).unwrap()[key] = value.clone()).is_settled(), "{what}");
        }
    }

    #[test]
    fn a_resource_that_cannot_be_read_is_there_and_names_nothing_that_could_be_relied_on() {
        let unreadable = seen(|o| o["spec"]["diskSizeGB"] = json!("many"));
        assert_eq!((unreadable.uid(), unreadable.name_any().as_str()), (UID, "trainer-0001"));
        assert_eq!((unreadable.namespace().as_deref(), unreadable.named()), (Some("research"), None));
        assert!(!unreadable.is_like(&seen(|_| {})), "it is looked at once it can be read again");
    }

    #[test]
    fn secrets_and_config_maps_are_known_by_what_the_spec_says() {
        let all = seen(|o| {
            o["spec"]["credentialsRef"] = json!({"name": "key"});
            o["spec"]["writeConnectionTo"] = json!({"configMapName": "connection"});
            o["spec"]["startupScript"] = json!({"secretKeyRef": {"name": "script", "key": "k"}});
        });
        assert!(all.uses_secret("key") && all.uses_secret("script") && all.uses_config_map("connection"));
        assert!(!all.uses_secret("connection") && !all.uses_config_map("key") && !seen(|_| {}).uses_secret("key"));
        let script = seen(|o| o["spec"]["startupScript"] = json!({"configMapKeyRef": {"name": "script", "key": "k"}}));
        assert!(script.uses_config_map("script"));
    }
}
