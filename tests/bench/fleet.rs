//! Many resources, made by an administrator as fast as the API server takes them.

use futures::StreamExt as _;
use kube::CustomResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use paperspace_operator::crd::PaperspaceMachine;
use serde_json::{Value, json};

use super::figures::Observe;
use super::harness::block_on;
use super::world::NAMESPACE;

/// Requests that are under way at once.
const AT_ONCE: usize = 24;

pub(crate) fn name(n: usize) -> String {
    format!("worker-{n:05}")
}

fn manifest(n: usize) -> Value {
    json!({
        "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
        "metadata": {"name": name(n), "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "training", "team": "research"}},
        "spec": {
            "machineType": "A4000", "templateId": "t0nspur5", "region": "NY2", "diskSizeGB": 100,
            "autoSnapshot": {"frequency": "Daily", "keep": 2},
        },
    })
}

pub(crate) fn api(client: &kube::Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, &PaperspaceMachine::api_resource())
}

/// Makes the first `size` of them.
pub(crate) fn create(client: &kube::Client, size: usize) {
    let api = api(client);
    block_on(futures::stream::iter(0..size).for_each_concurrent(AT_ONCE, |n| {
        let api = api.clone();
        async move {
            let object: DynamicObject = serde_json::from_value(manifest(n)).expect("an object");
            api.create(&PostParams::default(), &object).await.unwrap_or_else(|error| panic!("{}: {error}", name(n)));
        }
    }));
}

/// A change that is mended in place, by one PUT. A fleet that is measured twice is changed to something else the second time.
pub(crate) async fn change(api: &Api<DynamicObject>, name: &str, observe: Observe) {
    let keep = if observe == Observe::Shared { 3 } else { 4 };
    let patch = json!({"spec": {"autoSnapshot": {"keep": keep}}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// What all of them weigh as JSON, without what the server keeps of who wrote which field.
pub(crate) fn weight(client: &kube::Client) -> u64 {
    let api = api(client);
    let mut page = kube::api::ListParams::default().limit(500);
    let mut weight = 0;
    loop {
        let list = block_on(api.list(&page)).expect("the resources");
        for mut object in list.items {
            object.metadata.managed_fields = None;
            weight += serde_json::to_string(&object).expect("JSON").len() as u64;
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return weight,
        }
    }
}
