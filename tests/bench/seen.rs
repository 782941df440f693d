//! What somebody who watches the resources sees, and when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{CustomResourceExt as _, ResourceExt as _};
use paperspace_operator::crd::PaperspaceMachine;

use super::harness::{block_on, condition_of};
use super::world::NAMESPACE;

/// One resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource {
    pub(crate) machine: Option<String>,
    /// When it was first seen to be ready, in Unix milliseconds.
    pub(crate) ready: Option<i64>,
    /// The address that its status shows, and since when.
    pub(crate) address: Option<(String, i64)>,
}

/// A watch that goes on until this is dropped.
pub(crate) struct Seen {
    resources: Arc<Mutex<HashMap<String, Resource>>>,
    task: tokio::task::AbortHandle,
}

impl Seen {
    pub(crate) fn watch(client: &kube::Client) -> Self {
        let resources: Arc<Mutex<HashMap<String, Resource>>> = Arc::default();
        let into = Arc::clone(&resources);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &PaperspaceMachine::api_resource());
        let task = block_on(async {
            tokio::spawn(async move {
                let mut events = watcher(api, watcher::Config::default()).boxed();
                while let Some(event) = events.next().await {
                    if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                        note(&mut into.lock().unwrap(), &object);
                    }
                }
            })
            .abort_handle()
        });
        Self { resources, task }
    }

    /// By name.
    pub(crate) fn all(&self) -> MutexGuard<'_, HashMap<String, Resource>> {
        self.resources.lock().unwrap()
    }

    pub(crate) fn ready(&self) -> usize {
        self.all().values().filter(|resource| resource.ready.is_some()).count()
    }
}

fn note(resources: &mut HashMap<String, Resource>, object: &DynamicObject) {
    let now = Timestamp::now().as_millisecond();
    let resource = resources.entry(object.name_any()).or_default();
    let text = |field: &str| object.data["status"][field].as_str().map(str::to_owned);
    resource.machine = text("machineId");
    if resource.ready.is_none() && condition_of(&object.data, "Ready").is_some_and(|ready| ready["status"] == "True") {
        resource.ready = Some(now);
    }
    let address = text("publicIp");
    if resource.address.as_ref().map(|(address, _)| address) != address.as_ref() {
        resource.address = address.map(|address| (address, now));
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.task.abort();
    }
}
