//! What cases do with resources: as a user with kubectl, and reading.

use std::io::Write as _;
use std::time::Duration;

use kube::CustomResourceExt as _;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use paperspace_operator::crd::PaperspaceMachine;
use serde_json::{Value, json};

use super::test::Test;
use super::{PATIENCE, block_on, wait_for};

impl Test {
    /// kubectl in the namespace; must succeed.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
    }

    /// kubectl in the namespace: stdout, or stderr where it fails.
    pub(crate) fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        self.plane.try_kubectl(&[&["-n", &self.namespace], args].concat())
    }

    /// A manifest: a small machine, kept running, with `spec` laid over it; null removes a field.
    pub(crate) fn machine(&self, name: &str, spec: Value) -> Value {
        let mut object = json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"machineType": "C5", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 50},
        });
        let Value::Object(fields) = spec else { panic!("a spec is an object") };
        for (field, value) in fields {
            if value.is_null() {
                object["spec"].as_object_mut().unwrap().remove(&field);
            } else {
                object["spec"][field] = value;
            }
        }
        object
    }

    /// A manifest that adopts a machine.
    pub(crate) fn adopting(&self, name: &str, id: &str, spec: Value) -> Value {
        let mut all = json!({"templateId": null, "adopt": {"machineId": id}});
        all.as_object_mut().unwrap().extend(spec.as_object().expect("an object").clone());
        self.machine(name, all)
    }

    /// `kubectl apply -f`; must succeed.
    #[track_caller]
    pub(crate) fn apply(&self, manifest: &Value) -> String {
        self.try_apply(manifest, &[]).unwrap_or_else(|error| panic!("kubectl apply: {error}"))
    }

    /// `kubectl apply -f` with further flags.
    pub(crate) fn try_apply(&self, manifest: &Value, flags: &[&str]) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(manifest.to_string().as_bytes()).expect("a file");
        self.try_kubectl(&[&["apply", "-f", file.path().to_str().unwrap()], flags].concat())
    }

    /// A labelled Secret with an API key, to be applied.
    pub(crate) fn secret(&self, name: &str, key: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"apiKey": key},
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"paperspace-operator.dev/use": "credentials"}},
        })
    }

    /// `kubectl patch --type merge`.
    #[track_caller]
    pub(crate) fn patch(&self, name: &str, patch: &Value) {
        self.kubectl(&["patch", "psm", name, "--type", "merge", "-p", &patch.to_string()]);
    }

    /// The same of the spec.
    #[track_caller]
    pub(crate) fn patch_spec(&self, name: &str, spec: Value) {
        self.patch(name, &json!({"spec": spec}));
    }

    /// `kubectl delete`, without waiting for the end.
    #[track_caller]
    pub(crate) fn delete(&self, name: &str) {
        self.kubectl(&["delete", "psm", name, "--wait=false"]);
    }

    /// Waits until it is gone.
    #[track_caller]
    pub(crate) fn wait_gone(&self, name: &str) {
        wait_for(&format!("{name} is gone"), PATIENCE, || self.get(name).is_none().then_some(()));
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &PaperspaceMachine::api_resource())
    }

    /// The resource as it is; none if it is gone.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let found = block_on(self.api().get_opt(name)).expect("an answer of the API server");
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    /// All of the namespace.
    pub(crate) fn all(&self) -> Vec<Value> {
        match block_on(self.api().list(&ListParams::default())) {
            Ok(all) => all.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect(),
            // Without the CRD there is no such kind.
            Err(kube::Error::Api(status)) if status.is_not_found() => Vec::new(),
            Err(error) => panic!("no answer of the API server: {error}"),
        }
    }

    /// As a user who tries again until the API server answers to the point.
    fn insist<T, F: Future<Output = kube::Result<T>>>(
        &self,
        what: &str,
        ask: impl Fn(Api<DynamicObject>) -> F,
    ) -> Result<T, Box<kube::core::Status>> {
        let to_the_point = |status: &kube::core::Status| match status.code {
            404 => status.details.as_ref().is_some_and(|about| !about.name.is_empty()),
            code => matches!(code, 400 | 409 | 422),
        };
        // Within the call the client itself tries again, for minutes.
        let ask = || async { tokio::time::timeout(Duration::from_secs(5), ask(self.api())).await };
        wait_for(what, PATIENCE, || match block_on(ask()) {
            Ok(Ok(answer)) => Some(Ok(answer)),
            Ok(Err(kube::Error::Api(status))) if to_the_point(&status) => Some(Err(status)),
            Ok(Err(_)) | Err(_) => None,
        })
    }

    /// Creates a resource, unless there is one of this name.
    pub(crate) fn user_creates(&self, manifest: &Value) {
        let object: &DynamicObject = &serde_json::from_value(manifest.clone()).expect("an object");
        match self.insist("an answer to a create", |api| async move { api.create(&PostParams::default(), object).await }) {
            Err(status) if status.code != 409 => panic!("{manifest}: {status}"),
            _ => {}
        }
    }

    /// A merge patch.
    pub(crate) fn user_patches(&self, name: &str, patch: &Value) {
        let patched =
            self.insist("an answer to a patch", |api| async move { api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await });
        patched.unwrap_or_else(|status| panic!("{name}: {patch}: {status}"));
    }

    /// Deletes a resource, without waiting for the end.
    pub(crate) fn user_deletes(&self, name: &str) {
        match self.insist("an answer to a delete", |api| async move { api.delete(name, &DeleteParams::default()).await }) {
            Err(status) if status.code != 404 => panic!("{name}: {status}"),
            _ => {}
        }
    }

    /// A resource as it is; none if it is gone.
    pub(crate) fn user_reads(&self, name: &str) -> Option<Value> {
        let found = self.insist("an answer to a get", |api| async move { api.get(name).await });
        found.ok().map(|object| serde_json::to_value(object).unwrap())
    }

    /// All of the namespace.
    pub(crate) fn user_lists(&self) -> Vec<Value> {
        let all = self.insist("an answer to a list", |api| async move { api.list(&ListParams::default()).await });
        all.expect("a list").into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
    }

    /// A condition of the resource as it is: status, reason and message.
    #[track_caller]
    pub(crate) fn condition(&self, name: &str, kind: &str) -> (String, String, String) {
        let object = self.get(name).unwrap_or_else(|| panic!("no {name}"));
        let condition = condition_of(&object, kind).unwrap_or_default();
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// The resource, once it is as the closure wants it.
    #[track_caller]
    pub(crate) fn wait_until(&self, name: &str, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        wait_for(&format!("{name}: {what}"), PATIENCE, || self.get(name).filter(|object| is(object)))
    }

    /// Waits for a condition with this reason, about the present generation.
    #[track_caller]
    pub(crate) fn wait_reason(&self, name: &str, condition: &str, reason: &str) -> Value {
        self.wait_until(name, &format!("{condition}/{reason}"), |object| {
            let current = |c: &Value| c["observedGeneration"] == object["metadata"]["generation"];
            condition_of(object, condition).is_some_and(|c| c["reason"] == reason && current(&c))
        })
    }

    /// `kubectl wait --for=condition=Ready`, of the present generation, and synced.
    #[track_caller]
    pub(crate) fn wait_ready(&self, name: &str) -> Value {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        wait_for("the resource to wait for", PATIENCE, || self.get(name));
        self.kubectl(&["wait", "--for=condition=Ready", &format!("psm/{name}"), &timeout]);
        self.wait_until(name, "Ready and Synced in the present generation", |object| {
            let is = |kind| {
                condition_of(object, kind)
                    .is_some_and(|c| c["status"] == "True" && c["observedGeneration"] == object["metadata"]["generation"])
            };
            is("Ready") && is("Synced")
        })
    }

    /// The id of the resource's machine, once it has one.
    #[track_caller]
    pub(crate) fn machine_id(&self, name: &str) -> String {
        let object = self.wait_until(name, "a machine", |object| object["status"]["machineId"].is_string());
        object["status"]["machineId"].as_str().unwrap().to_owned()
    }

    /// The machine on Paperspace, once it is as the closure wants it.
    #[track_caller]
    pub(crate) fn wait_machine(&self, id: &str, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        wait_for(&format!("machine {id}: {what}"), PATIENCE, || Some(self.sim.machine(id)).filter(|machine| is(machine)))
    }

    /// The events of a resource with this reason: their notes, once there is one.
    #[track_caller]
    pub(crate) fn wait_event(&self, name: &str, reason: &str) -> Vec<String> {
        wait_for(&format!("{name}: the event {reason}"), PATIENCE, || Some(self.events(name, reason)).filter(|notes| !notes.is_empty()))
    }

    /// Waits for one whose note says this.
    #[track_caller]
    pub(crate) fn wait_note(&self, name: &str, reason: &str, text: &str) -> String {
        let found = || self.events(name, reason).into_iter().find(|note| note.contains(text));
        wait_for(&format!("{name}: the event {reason} with {text:?}"), PATIENCE, found)
    }

    /// The same as it is now.
    pub(crate) fn events(&self, name: &str, reason: &str) -> Vec<String> {
        self.all_events().into_iter().filter(|(about, why, _)| about == name && why == reason).map(|(_, _, note)| note).collect()
    }

    /// All events of the namespace: resource, reason and note.
    pub(crate) fn all_events(&self) -> Vec<(String, String, String)> {
        let api: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = block_on(api.list(&ListParams::default())).expect("an answer of the API server");
        let about = |e: &k8s_openapi::api::events::v1::Event| e.regarding.as_ref().and_then(|r| r.name.clone()).unwrap_or_default();
        all.into_iter().map(|e| (about(&e), e.reason.unwrap_or_default(), e.note.unwrap_or_default())).collect()
    }
}

/// One of an object's conditions.
pub(crate) fn condition_of(object: &Value, kind: &str) -> Option<Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind).cloned()
}
