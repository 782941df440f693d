//! Keeps the operator from writing to Paperspace: `--dry-run` for as long as it runs, the emergency stop while a ConfigMap is there.
//!
//! Decisions are told of it, and say what they would have done. As the last thing before it is sent, every change asks here again.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::restraint::Restraint;
use crate::paperspace::Transport;
use crate::paperspace::transport::Gate;

/// Whether anything may be written to Paperspace. Cheap to ask.
#[derive(Clone)]
pub(super) struct Brake {
    dry_run: bool,
    /// The ConfigMap of the emergency stop: its namespace and name. Without one there is none.
    config_map: Option<(String, String)>,
    /// Whether it is there; `None` until that is known.
    there: Arc<watch::Sender<Option<bool>>>,
}

impl Brake {
    /// On until it is known whether the ConfigMap is there.
    pub(super) fn new(dry_run: bool, config_map: Option<(String, String)>) -> Self {
        let known = config_map.is_none().then_some(false);
        Self { dry_run, config_map, there: Arc::new(watch::Sender::new(known)) }
    }

    /// Why nothing may be written now, if so.
    pub(super) fn restraint(&self) -> Option<Restraint> {
        let there = *self.there.borrow() != Some(false);
        match (&self.config_map, there) {
            (Some((namespace, name)), true) => Some(Restraint::Stopped(
                format!(
                    "emergency stop: nothing is written to Paperspace while ConfigMap {namespace}/{name} is there; to go on: \
                     kubectl delete configmap {name} -n {namespace}"
                )
                .into(),
            )),
            _ => self.dry_run.then_some(Restraint::DryRun),
        }
    }

    /// The same transport, through which nothing is changed meanwhile. What is not sent is certainly not done.
    pub(super) fn transport(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        let brake = self.clone();
        Gate::before(inner, move || match brake.restraint() {
            None => Ok(()),
            Some(_) => Err("not sent: nothing may be written to Paperspace now".to_owned()),
        })
    }

    /// Waits until it is known whether the ConfigMap is there.
    pub(super) async fn is_known(&self) {
        // Fails only without a sender, and this is one.
        let _ = self.there.subscribe().wait_for(Option::is_some).await;
    }

    /// Follows the ConfigMap until told to stop. `changed` hears when it comes or goes. Where it cannot be read, what was known last holds.
    pub(super) async fn follow(self, client: kube::Client, stop: CancellationToken, changed: impl Fn()) {
        let Some((namespace, name)) = self.config_map.clone() else { return };
        let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, &namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watcher(api, only).default_backoff().boxed();
        let mut listed = false;
        while let Some(Some(event)) = stop.run_until_cancelled(events.next()).await {
            let there = match event {
                Ok(watcher::Event::Init) => {
                    listed = false;
                    continue;
                }
                Ok(watcher::Event::InitApply(_)) => {
                    listed = true;
                    continue;
                }
                Ok(watcher::Event::InitDone) => listed,
                Ok(watcher::Event::Apply(_)) => true,
                Ok(watcher::Event::Delete(_)) => false,
                Err(error) => {
                    tracing::error!(
                        %error,
                        "the ConfigMap of the emergency stop cannot be watched: the operator needs get, list and watch of ConfigMap \
                         {namespace}/{name}, or --stop-config-map='' to do without"
                    );
                    continue;
                }
            };
            self.tell(there, &namespace, &name, &changed);
        }
    }

    fn tell(&self, there: bool, namespace: &str, name: &str, changed: &impl Fn()) {
        let before = self.there.send_replace(Some(there));
        match (before, there) {
            (Some(before), _) if before == there => return,
            (_, true) => tracing::error!("emergency stop: ConfigMap {namespace}/{name} is there, nothing is written to Paperspace"),
            (Some(_), false) => tracing::warn!("the emergency stop is over: ConfigMap {namespace}/{name} is gone"),
            (None, false) => {}
        }
        changed();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{BoxFuture, FutureExt as _};
    use reqwest::{Method, Request};

    use super::*;
    use crate::paperspace::transport::{Failure, Reply};

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Transport for Counted {
        fn execute(&self, _: Request) -> BoxFuture<'_, Result<Reply, Failure>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(Reply { status: 200, headers: reqwest::header::HeaderMap::default(), body: Vec::new() })).boxed()
        }
    }

    /// Whether each method is sent.
    async fn sends(brake: &Brake) -> Vec<bool> {
        let counted = Arc::new(Counted::default());
        let transport = brake.transport(counted.clone());
        let mut all = Vec::new();
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let before = counted.0.load(Ordering::Relaxed);
            let reply = transport.execute(Request::new(method, "http://127.0.0.1:1/v1/machines".parse().unwrap())).await;
            let sent = counted.0.load(Ordering::Relaxed) > before;
            assert!(sent == reply.is_ok() && reply.err().is_none_or(|failure| !failure.maybe_sent));
            all.push(sent);
        }
        all
    }

    const ALL: [bool; 5] = [true; 5];
    const READS: [bool; 5] = [true, false, false, false, false];

    fn stoppable() -> Brake {
        Brake::new(false, Some(("ns".to_owned(), "stop".to_owned())))
    }

    #[tokio::test]
    async fn nothing_is_changed_until_it_is_known_that_nothing_stops_it() {
        let brake = stoppable();
        assert_eq!(sends(&brake).await, READS);
        assert!(brake.is_known().now_or_never().is_none());
        brake.tell(false, "ns", "stop", &|| ());
        assert_eq!(sends(&brake).await, ALL);
        assert!(brake.is_known().now_or_never().is_some() && brake.restraint().is_none());
    }

    #[tokio::test]
    async fn the_stop_comes_and_goes_and_everybody_hears_of_it_once() {
        let (brake, heard) = (stoppable(), AtomicUsize::new(0));
        let told = || {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let tell = |there| brake.tell(there, "ns", "stop", &told);
        let times = |there| {
            tell(there);
            tell(there);
            heard.swap(0, Ordering::Relaxed)
        };
        assert_eq!(times(false), 1);
        assert_eq!(times(true), 1);
        assert_eq!(sends(&brake).await, READS);
        assert!(matches!(brake.restraint(), Some(Restraint::Stopped(why)) if why.contains("kubectl delete configmap stop -n ns")));
        assert_eq!(times(false), 1);
        assert_eq!(sends(&brake).await, ALL);
    }

    #[tokio::test]
    async fn a_dry_run_changes_nothing_and_an_empty_name_stops_nothing() {
        let dry = Brake::new(true, None);
        assert_eq!((sends(&dry).await, dry.restraint()), (READS.to_vec(), Some(Restraint::DryRun)));
        assert_eq!(sends(&Brake::new(false, None)).await, ALL);
    }
}
