//! What users do with resources, and what they see.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{CustomResourceExt as _, ResourceExt as _};
use paperspace_operator::crd::PaperspaceMachine;
use paperspace_operator::simulator;
use serde_json::{Value, json};

use super::world::{KEY, World};

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "default";

/// What was waited for came, or what came instead.
pub(crate) type Done = Result<(), String>;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_hours(4);

/// Somebody with kubectl.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) world: Arc<World>,
    machines: Api<DynamicObject>,
    secrets: Api<Secret>,
    config_maps: Api<ConfigMap>,
}

impl User {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let client = world.client();
        let resource = PaperspaceMachine::api_resource();
        Self {
            world: world.clone(),
            machines: Api::namespaced_with(client.clone(), NAMESPACE, &resource),
            secrets: Api::namespaced(client.clone(), NAMESPACE),
            config_maps: Api::namespaced(client, NAMESPACE),
        }
    }

    async fn does(&self, what: &str) {
        self.world.gate.moment(Duration::from_millis(1)).await;
        self.world.note(&format!("user: {what}"));
    }

    /// A small machine that is kept running, with `spec` laid over it; null removes a field.
    pub(crate) async fn create(&self, name: &str, spec: &Value) {
        self.create_with(name, spec, &json!({})).await;
    }

    /// The same, with annotations.
    pub(crate) async fn create_with(&self, name: &str, spec: &Value, annotations: &Value) {
        self.does(&format!("create {name} {spec} {annotations}")).await;
        let mut object = json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
            "spec": {"machineType": "C5", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 50},
        });
        for (field, value) in spec.as_object().expect("a spec") {
            if value.is_null() {
                object["spec"].as_object_mut().expect("a spec").remove(field);
            } else {
                object["spec"][field] = value.clone();
            }
        }
        let object = serde_json::from_value(object).expect("an object");
        let created = self.machines.create(&PostParams::default(), &object).await.expect("create");
        self.world.book().born.insert(created.uid().expect("a uid"), name.to_owned());
    }

    /// `kubectl patch --type merge`; a resource that is gone meanwhile is no mistake.
    pub(crate) async fn patch(&self, name: &str, patch: &Value) {
        self.does(&format!("patch {name} {patch}")).await;
        match self.machines.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("patch {name}: {error}"),
        }
    }

    /// The same of the spec.
    pub(crate) async fn edit(&self, name: &str, spec: Value) {
        self.patch(name, &json!({ "spec": spec })).await;
    }

    /// `kubectl annotate --overwrite`.
    pub(crate) async fn annotate(&self, name: &str, key: &str, value: &str) {
        self.patch(name, &json!({"metadata": {"annotations": {key: value}}})).await;
    }

    /// Asks for a restart.
    pub(crate) async fn restart(&self, name: &str, value: &str) {
        *self.world.book().restarts.entry(name.to_owned()).or_default() += 1;
        self.annotate(name, "paperspace-operator.dev/restart-requested-at", value).await;
    }

    /// Somebody destroys the resource's machine at the console.
    pub(crate) async fn destroy_at_console(&self, name: &str) {
        self.does(&format!("console: destroy the machine of {name}")).await;
        let id = self.machine_id(name);
        if let Some(id) = id.filter(|id| self.world.machines().iter().any(|m| m["id"] == id.as_str())) {
            self.world.sim("DELETE", &format!("machines/{id}"), &json!(null));
            self.world.book().destroyed.insert(id);
        }
    }

    /// Somebody changes the resource's machine at the console.
    pub(crate) async fn change_at_console(&self, name: &str, fields: &Value) {
        self.does(&format!("console: {fields} on the machine of {name}")).await;
        let id = self.machine_id(name);
        if let Some(id) = id.filter(|id| self.world.machines().iter().any(|m| m["id"] == id.as_str())) {
            let uid = self.get(name).unwrap_or_default()["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            self.world.book().known.insert(id.clone(), uid);
            self.world.sim("POST", &format!("machines/{id}"), fields);
        }
    }

    /// Somebody makes a machine at the console; its id.
    pub(crate) async fn create_at_console(&self, over: &Value) -> String {
        self.does(&format!("console: create {over}")).await;
        let mut body = json!({
            "name": "by hand", "machineType": "C5", "templateId": "t0nspur5", "region": "ny2", "diskSize": 50, "publicIpType": "dynamic",
            "team": super::world::TEAM,
        });
        for (name, value) in over.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let id = self.world.sim("POST", "machines", &body)["id"].as_str().expect("an id").to_owned();
        self.world.book().by_hand.insert(id.clone());
        id
    }

    /// The team gets a static address, which is never to be released.
    pub(crate) async fn claim_address(&self) {
        self.does("claim an address").await;
        let request = simulator::Request {
            method: "POST".to_owned(),
            path: "/v1/public-ips".to_owned(),
            key: Some(super::world::KEY.to_owned()),
            content_type: Some("application/json".to_owned()),
            body: json!({"region": "ny2"}).to_string().into_bytes(),
            ..simulator::Request::default()
        };
        match self.world.paperspace().handle(self.world.now(), &request) {
            simulator::Reply::Json { status: 200, body, .. } => {
                self.world.book().kept_addresses.insert(body["ip"].as_str().expect("an address").to_owned());
            }
            other => panic!("{other:?}"),
        }
    }

    /// The address that is to stay.
    pub(crate) fn kept_address(&self) -> String {
        self.world.book().kept_addresses.first().cloned().expect("an address")
    }

    /// What the ConfigMap of this name says; null if there is none.
    pub(crate) fn published(&self, name: &str) -> Value {
        self.world.kubernetes().object("configmaps", NAMESPACE, name).unwrap_or_default()["data"].take()
    }

    /// Waits until the ConfigMap of this name is there, or is gone.
    pub(crate) async fn until_published(&self, name: &str, there: bool) -> Done {
        let begin = tokio::time::Instant::now();
        while self.published(name).is_null() == there {
            if begin.elapsed() >= PATIENCE {
                return Err(format!("ConfigMap {name}: {PATIENCE:?} have passed, and there is {}", self.published(name)));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Somebody empties the status.
    pub(crate) async fn wipe_status(&self, name: &str) {
        self.write_status(name, |status| *status = json!({})).await;
    }

    /// Somebody writes into the status.
    pub(crate) async fn write_status(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.does(&format!("write the status of {name}")).await;
        let Some(mut object) = self.get(name) else { return };
        change(&mut object["status"]);
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        self.machines.replace_subresource("status", name, &PostParams::default(), &object).await.expect("replace the status");
    }

    /// `kubectl delete --wait=false`.
    pub(crate) async fn delete(&self, name: &str) {
        self.does(&format!("delete {name}")).await;
        if let Some(object) = self.get(name) {
            let uid = object["metadata"]["uid"].as_str().expect("a uid").to_owned();
            let retains = object["spec"]["deletionPolicy"] == "Retain"
                || (!object["spec"]["adopt"].is_null() && object["spec"]["deletionPolicy"].is_null());
            let mut book = self.world.book();
            if retains {
                book.retained.insert(uid.clone());
            }
            book.deleted.entry(uid).or_insert(self.world.now());
        }
        match self.machines.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("delete {name}: {error}"),
        }
    }

    /// A labelled Secret with this API key, as it is from now on.
    pub(crate) async fn secret(&self, name: &str, key: &str) {
        self.does(&format!("secret {name} {key}")).await;
        let labels = [("paperspace-operator.dev/use".to_owned(), "credentials".to_owned())];
        let mut secret = Secret {
            metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels.into()), ..ObjectMeta::default() },
            data: Some([("apiKey".to_owned(), ByteString(key.as_bytes().to_vec()))].into()),
            ..Secret::default()
        };
        if let Some(old) = self.secrets.get_opt(name).await.expect("a look at the Secret") {
            secret.metadata.resource_version = old.resource_version();
            self.secrets.replace(name, &PostParams::default(), &secret).await.expect("replace the Secret");
        } else {
            self.secrets.create(&PostParams::default(), &secret).await.expect("create the Secret");
        }
    }

    /// A ConfigMap with this startup script under the key `script`, as it is from now on.
    pub(crate) async fn script_in_map(&self, name: &str, text: &str) {
        self.does(&format!("config map {name} {text}")).await;
        self.world.book().config_maps.insert(name.to_owned(), text.to_owned());
        let mut map = ConfigMap {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            data: Some([("script".to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        };
        if let Some(old) = self.config_maps.get_opt(name).await.expect("a look at the ConfigMap") {
            map.metadata.resource_version = old.resource_version();
            self.config_maps.replace(name, &PostParams::default(), &map).await.expect("replace the ConfigMap");
        } else {
            self.config_maps.create(&PostParams::default(), &map).await.expect("create the ConfigMap");
        }
    }

    /// The ConfigMap that stops the operator comes or goes.
    pub(crate) async fn emergency_stop(&self, on: bool) {
        const NAME: &str = "paperspace-operator-stop";
        self.does(&format!("emergency stop: {on}")).await;
        if on {
            let map = ConfigMap { metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() }, ..ConfigMap::default() };
            self.config_maps.create(&PostParams::default(), &map).await.expect("create the ConfigMap");
        } else {
            self.config_maps.delete(NAME, &kube::api::DeleteParams::default()).await.expect("delete the ConfigMap");
        }
    }

    /// Somebody makes a startup script at the console; its id.
    pub(crate) async fn script_at_console(&self, text: &str) -> String {
        self.does(&format!("console: startup script {text}")).await;
        let request = simulator::Request {
            method: "POST".to_owned(),
            path: "/v1/startup-scripts".to_owned(),
            key: Some(KEY.to_owned()),
            content_type: Some("application/json".to_owned()),
            body: json!({"name": "by hand", "script": text}).to_string().into_bytes(),
            ..simulator::Request::default()
        };
        let simulator::Reply::Json { status: 200, body, .. } = self.world.paperspace().handle(self.world.now(), &request) else {
            panic!("no startup script")
        };
        let id = body["id"].as_str().expect("an id").to_owned();
        self.world.book().scripts_by_hand.insert(id.clone(), text.to_owned());
        id
    }

    /// The names of all resources.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.world.kubernetes().all("paperspacemachines");
        all.iter().filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// The resource as it is.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        self.world.kubernetes().object("paperspacemachines", NAMESPACE, name)
    }

    /// Waits until the resource is so.
    pub(crate) async fn until(&self, name: &str, what: &str, is: impl Fn(Option<&Value>) -> bool) -> Done {
        let begin = tokio::time::Instant::now();
        while !is(self.world.kubernetes().view("paperspacemachines", NAMESPACE, name)) {
            if begin.elapsed() >= PATIENCE {
                let mut object = self.get(name).unwrap_or_default();
                object["metadata"]["managedFields"] = Value::Null;
                return Err(format!("{name}: {PATIENCE:?} have passed without: {what}\n{object:#}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Waits until the resource is as it should be, at its present generation.
    pub(crate) async fn until_settled(&self, name: &str) -> Done {
        self.until(name, "Ready and Synced", |object| object.is_some_and(is_settled)).await
    }

    pub(crate) async fn until_gone(&self, name: &str) -> Done {
        self.until(name, "its end", |object| object.is_none()).await
    }

    /// Waits until no operator has changed anything for so long.
    pub(crate) async fn until_quiet(&self, quiet: Duration) -> Done {
        let begin = tokio::time::Instant::now();
        while self.world.quiet_for() < quiet {
            if begin.elapsed() >= PATIENCE {
                return Err(format!("it is not quiet after {PATIENCE:?}"));
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Ok(())
    }

    /// The id of its machine.
    pub(crate) fn machine_id(&self, name: &str) -> Option<String> {
        self.get(name)?["status"]["machineId"].as_str().map(str::to_owned)
    }
}

/// The status and reason of a condition at the object's present generation.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let condition = object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)?;
    let current = condition["observedGeneration"] == object["metadata"]["generation"];
    current.then(|| (condition["status"].as_str().unwrap_or_default(), condition["reason"].as_str().unwrap_or_default()))
}

/// Ready and Synced, at this generation, and nobody asked for anything since.
pub(crate) fn is_settled(object: &Value) -> bool {
    let handled = |annotation: &str, status: &str| {
        let asked = &object["metadata"]["annotations"][format!("paperspace-operator.dev/{annotation}")];
        asked.is_null() || *asked == object["status"][status]
    };
    object["metadata"]["deletionTimestamp"].is_null()
        && condition(object, "Ready").is_some_and(|(status, _)| status == "True")
        && condition(object, "Synced").is_some_and(|(status, _)| status == "True")
        && handled("restart-requested-at", "handledRestartAt")
        && handled("reconcile-requested-at", "handledReconcileAt")
}
