//! Watches, and what of them is worth a pass.

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, future::ready};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::SetOnce;

use super::backlog::Turn;
use super::line::Line;
use super::own::Own;
use super::seen::Seen;
use super::served::Served;
use crate::crd::names::{USE_CREDENTIALS, USE_LABEL, USE_SCRIPT};

/// Set once the first list is in the store. `Store::wait_until_ready` is the controller's own: of several that wait, it wakes only the
/// last.
pub(super) type Listed = Arc<SetOnce<()>>;

/// The resources of a namespace (`None`: all) that are served, as a store and as a stream of what is worth a pass at once. What can wait
/// goes into the line.
pub(super) fn resources(
    client: Client,
    namespace: Option<&str>,
    served: Served,
    own: Own,
    line: Line,
    listed: Listed,
) -> (Store<Seen>, impl Stream<Item = Result<Seen, watcher::Error>> + Send + 'static) {
    let (store, writer) = reflector::store();
    let config = watcher::Config { label_selector: served.labels(), ..watcher::Config::default() };
    let mut intake = Intake { served, own, store: store.clone(), writer, line, listed };
    let stream = watcher(api::<Seen>(client, namespace), config)
        .default_backoff()
        .filter_map(move |event| ready(event.map(|event| intake.take(event)).transpose()));
    (store, stream)
}

/// What becomes of what the watch tells.
struct Intake {
    served: Served,
    own: Own,
    store: Store<Seen>,
    writer: Writer<Seen>,
    line: Line,
    listed: Listed,
}

impl Intake {
    /// Keeps it, and gives what is worth a pass at once.
    fn take(&mut self, event: watcher::Event<Seen>) -> Option<Seen> {
        let event = match event {
            watcher::Event::Apply(seen) if self.served.takes(&seen) => watcher::Event::Apply(seen.kept()),
            // What is not served is as if it were not there.
            watcher::Event::Apply(seen) | watcher::Event::Delete(seen) => watcher::Event::Delete(seen.kept()),
            watcher::Event::InitApply(seen) if self.served.takes(&seen) => watcher::Event::InitApply(seen.kept()),
            watcher::Event::InitApply(_) => return None,
            event @ (watcher::Event::Init | watcher::Event::InitDone) => event,
        };
        let pass = match &event {
            watcher::Event::Apply(seen) | watcher::Event::InitApply(seen) => {
                let key = ObjectRef::from_obj(seen);
                let before = self.store.get(&key);
                let can_wait = before.is_none() && seen.is_settled() && matches!(event, watcher::Event::InitApply(_));
                let known = before.is_some_and(|before| seen.is_like(&before));
                if self.own.is_told_by(seen) || known {
                    None
                } else if can_wait {
                    self.line.add(key, Turn::Listed);
                    None
                } else {
                    self.line.remove(&key);
                    Some(seen.clone())
                }
            }
            watcher::Event::Delete(seen) => {
                self.line.remove(&ObjectRef::from_obj(seen));
                None
            }
            watcher::Event::Init | watcher::Event::InitDone => None,
        };
        self.writer.apply_watcher_event(&event);
        if matches!(event, watcher::Event::InitDone) {
            // Every list after the first finds it set.
            let _ = self.listed.set(());
        }
        pass
    }
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
        // An applied Secret has its data there once more.
        .modify(|secret| (secret.metadata.managed_fields, secret.metadata.annotations) = (None, None))
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

/// The resources that have their key or their startup script in this Secret.
pub(super) fn users_of(store: &Store<Seen>, secret: &Secret) -> Vec<ObjectRef<Seen>> {
    let name = secret.name_any();
    users(store, secret.namespace().as_deref(), |seen| seen.uses_secret(&name))
}

/// The resources that have their startup script in this ConfigMap, or publish their connection there.
pub(super) fn users_of_map(store: &Store<Seen>, map: &PartialObjectMeta<ConfigMap>) -> Vec<ObjectRef<Seen>> {
    let name = map.name_any();
    users(store, map.namespace().as_deref(), |seen| seen.uses_config_map(&name))
}

fn users(store: &Store<Seen>, namespace: Option<&str>, uses: impl Fn(&Seen) -> bool) -> Vec<ObjectRef<Seen>> {
    in_order(store.state_filter(|seen| seen.meta().namespace.as_deref() == namespace && uses(seen)))
}

/// All resources, in the order of their names: which go first is not left to chance.
pub(super) fn everybody(store: &Store<Seen>) -> Vec<ObjectRef<Seen>> {
    in_order(store.state())
}

fn in_order(mut resources: Vec<Arc<Seen>>) -> Vec<ObjectRef<Seen>> {
    let name = |seen: &Seen| (seen.meta().namespace.clone(), seen.meta().name.clone());
    resources.sort_by_cached_key(|seen| name(seen));
    resources.iter().map(|seen| ObjectRef::from_obj(seen.as_ref())).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::watcher::Event;
    use super::*;
    use serde_json::{Value, json};

    fn object(name: &str, settled: bool) -> Value {
        json!({
            "apiVersion": "paperspace-operator.dev/v1alpha1", "kind": "PaperspaceMachine",
            "metadata": {
                "name": name, "namespace": "b", "uid": name, "generation": 1, "resourceVersion": "1",
                "finalizers": ["paperspace-operator.dev/machine"],
            },
            "spec": {"machineType": "C5", "templateId": "t1", "region": "NY2", "diskSizeGB": 50},
            "status": {"machineId": "ps1", "observedGeneration": i32::from(settled)},
        })
    }

    fn seen(object: Value) -> Seen {
        serde_json::from_value(object).unwrap()
    }

    fn settled(name: &str) -> Seen {
        seen(object(name, true))
    }

    fn changed(name: &str) -> Seen {
        seen(object(name, false))
    }

    fn intake() -> Intake {
        let (store, writer) = reflector::store();
        Intake { served: Served::default(), own: Own::default(), store, writer, line: Line::new(4), listed: Listed::default() }
    }

    /// Whether what is told is worth a pass at once, one after the other; and who waits then.
    fn told(intake: &mut Intake, events: Vec<Event<Seen>>) -> (Vec<bool>, Vec<String>) {
        let at_once = events.into_iter().map(|event| intake.take(event).is_some()).collect();
        (at_once, intake.line.waiting())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn of_a_first_list_the_settled_wait_and_the_others_do_not() {
        let mut intake = intake();
        let list = vec![Event::Init, Event::InitApply(settled("a")), Event::InitApply(changed("b")), Event::InitApply(settled("c"))];
        assert_eq!(told(&mut intake, list), (vec![false, false, true, false], names(&["a", "c"])));
        assert!(intake.listed.get().is_none() && intake.store.is_empty());
        assert!(intake.take(Event::InitDone).is_none());
        assert_eq!((intake.listed.get().is_some(), intake.store.len()), (true, 3));
    }

    #[test]
    fn what_changes_or_goes_waits_no_longer_and_what_is_new_never() {
        let mut intake = intake();
        let list = ["a", "b", "c"].map(|name| Event::InitApply(settled(name)));
        told(&mut intake, [Event::Init].into_iter().chain(list).chain([Event::InitDone]).collect());
        let mut asked = object("b", true);
        asked["metadata"]["annotations"]["paperspace-operator.dev/reconcile-requested-at"] = json!("1");
        let later = vec![Event::Delete(settled("a")), Event::Apply(seen(asked)), Event::Apply(settled("c")), Event::Apply(settled("d"))];
        assert_eq!(told(&mut intake, later), (vec![false, true, false, true], names(&["c"])));
        assert_eq!(intake.store.len(), 3);
    }

    #[test]
    fn a_list_after_the_first_wakes_only_those_that_changed_meanwhile_and_forgets_those_that_went() {
        let mut intake = intake();
        let first = ["a", "b", "c"].map(|name| Event::InitApply(changed(name)));
        told(&mut intake, [Event::Init].into_iter().chain(first).chain([Event::InitDone]).collect());
        let mut deleted = object("b", true);
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let again = vec![
            Event::Init,
            Event::InitApply(changed("a")),
            Event::InitApply(seen(deleted)),
            Event::InitApply(settled("made meanwhile")),
            Event::InitDone,
        ];
        assert_eq!(told(&mut intake, again), (vec![false, false, true, false, false], names(&["made meanwhile"])));
        assert_eq!(in_order(intake.store.state()).iter().map(|key| &*key.name).collect::<Vec<_>>(), ["a", "b", "made meanwhile"]);
    }

    #[test]
    fn an_object_of_the_same_name_is_another() {
        let mut intake = intake();
        let (mut other, old) = (object("a", true), settled("a"));
        other["metadata"]["uid"] = json!("other");
        let events = vec![Event::Apply(old.clone()), Event::Apply(settled("a")), Event::Delete(old), Event::Apply(seen(other))];
        assert_eq!(told(&mut intake, events).0, [true, false, false, true]);
    }

    /// What a thousand lists of one resource each leave in memory, and how much it was at most.
    fn taken(intake: &mut Intake, texts: &[String]) -> (i64, u64) {
        let info = allocation_counter::measure(|| {
            intake.take(Event::Init);
            for text in texts {
                let seen = serde_json::from_str(text).unwrap();
                intake.take(Event::InitApply(seen));
            }
            intake.take(Event::InitDone);
        });
        (info.bytes_current, info.bytes_max)
    }

    #[test]
    fn what_is_kept_of_a_resource_is_small_whatever_it_says() {
        const MANY: usize = 1000;
        let text = |n: usize, more: usize| {
            let mut object = object(&format!("trainer-{n:05}"), false);
            object["metadata"]["namespace"] = json!("research");
            object["metadata"]["uid"] = json!(format!("0b6bcd0e-3f0e-4d62-9d4f-{n:012}"));
            object["metadata"]["annotations"] = json!({"paperspace-operator.dev/machine": format!("te1/psabc{n:05}/0b6bcd0e3f0e")});
            object["metadata"]["managedFields"] = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": "x".repeat(more)}}]);
            object["spec"]["credentialsRef"] = json!({"name": "paperspace", "key": "apiKey"});
            object["status"]["machineId"] = json!(format!("psabc{n:05}"));
            object["status"]["os"] = json!("x".repeat(more));
            object.to_string()
        };
        let texts: Vec<String> = (0..MANY).map(|n| text(n, 4000)).collect();
        let mut intake = intake();
        let (kept, most) = taken(&mut intake, &texts);
        let each = kept / 1000;
        assert!(each < 1000, "{each} bytes are kept of a resource");
        assert!(most < 2 * kept.unsigned_abs(), "{most} bytes for a first list, of which {kept} are kept");

        // A list after the first holds all of them twice for a moment, and nothing else.
        let (more, most) = taken(&mut intake, &texts);
        assert!(more.unsigned_abs() * 20 < kept.unsigned_abs(), "{more} bytes more after a second list");
        assert!(most < 2 * kept.unsigned_abs(), "{most} bytes for a second list");
    }
}
