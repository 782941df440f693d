//! Starts everything, and ends it in order.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::mpsc;
use futures::{StreamExt, future::join_all};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt as _;
use kube::api::Api;
use kube::runtime::controller::{self, Controller};
use kube::runtime::events::Reporter;
use kube::runtime::reflector::{ObjectRef, Store};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::context::{Clock, Context};
use super::credentials::{Allowed, Credentials, OwnKey};
use super::objects;
use super::objects::Objects;
use super::reconcile::{Watched, error_policy, reconcile};
use super::watch::{self, Listed};
use crate::args::RunArgs;
use crate::crd::{CRD_NAME, FIELD_MANAGER};
use crate::fleet::{Keys, Wake};
use crate::lifecycle::observe::Settings;
use crate::metrics::Metrics;
use crate::paperspace::{ClientOptions, DEFAULT_URL};
use crate::server::{self, Readiness, Stage};

/// Why the operator does not run.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
}

type Wakes = mpsc::UnboundedSender<ObjectRef<Watched>>;

/// Runs the controller until `stop`; running passes end before it returns.
pub async fn run(args: RunArgs, environment_key: Option<SecretString>, stop: CancellationToken) -> Result<(), Stopped> {
    let usage = |e: &dyn std::fmt::Display| Stopped::Usage(e.to_string());
    let allowed = Allowed::parse(&args.default_key_namespaces).map_err(|e| usage(&e))?;
    let options = ClientOptions { base_url: args.api_url.clone(), allow_http: args.allow_http, ..ClientOptions::default() };
    options.endpoint().map_err(|e| usage(&format!("--api-url: {e}")))?;
    if args.transition_interval > args.poll_interval {
        let (transition, poll) = (humantime::format_duration(args.transition_interval), humantime::format_duration(args.poll_interval));
        return Err(Stopped::Usage(format!("--transition-interval {transition}: allowed is at most --poll-interval, which is {poll}")));
    }
    if args.create_settle < Duration::from_mins(3) {
        let simulated = if args.api_url == DEFAULT_URL {
            ": that is not enough for the real API, whose late answers then make second machines"
        } else {
            ""
        };
        warn!("--create-settle is {}{simulated}", humantime::format_duration(args.create_settle));
    }
    let listener = server::bind(args.listen).await.map_err(|e| Stopped::Failed(format!("--listen {}: {e}", args.listen)))?;
    let client = kube_client().await?;

    let (clock, metrics) = (Clock::start(), Metrics::shared());
    let namespaces: Vec<Option<String>> =
        if args.watch_namespace.is_empty() { vec![None] } else { args.watch_namespace.iter().cloned().map(Some).collect() };
    let wakes: Arc<Mutex<HashMap<Option<String>, Wakes>>> = Arc::default();
    let keys = {
        let wakes = wakes.clone();
        let setup = crate::fleet::Setup {
            options,
            rate: (positive(args.api_rate), positive(args.api_burst)),
            poll_interval: args.poll_interval,
            transition: args.transition_interval,
            observer: metrics.clone(),
            now: Arc::new(move || clock.mono()),
            wake: Arc::new(move |wake| send(&wakes, &wake)),
            stop: stop.clone(),
        };
        Arc::new(Keys::new(setup).map_err(|e| usage(&e))?)
    };
    let settings = Settings {
        endpoint: keys.endpoint().to_owned(),
        cluster_id: args.cluster_id.clone(),
        settle: args.create_settle,
        transition: args.transition_interval,
        adopt_with_default_key: args.allow_adopt_with_default_key,
    };
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: std::env::var("HOSTNAME").ok() };
    let kube_objects = Objects::new(client.clone());
    let context = Arc::new(Context {
        credentials: Credentials::new(kube_objects.clone(), OwnKey::new(args.api_key_file.clone(), environment_key), allowed),
        objects: kube_objects,
        keys: keys.clone(),
        settings,
        reporter,
        metrics: metrics.clone(),
        clock,
        slots: Mutex::default(),
    });

    let readiness = Arc::new(Readiness::default());
    let serving = tokio::spawn(server::serve(listener, readiness.clone(), metrics.clone(), gauges(&keys, &metrics), stop.clone()));
    readiness.set(Stage::WaitingForCrd);
    if wait_for_crd(&client, &stop).await {
        let shared = Shared { client, concurrency: args.concurrency, context, wakes, stop: stop.clone(), stores: Arc::default() };
        let listed: Vec<Listed> = namespaces.iter().map(|_| Listed::default()).collect();
        let background = [
            tokio::spawn(tell_when_ready(listed.clone(), readiness)),
            tokio::spawn(sweep(shared.context.clone(), shared.stores.clone(), listed.clone(), stop.clone())),
        ];
        join_all(namespaces.into_iter().zip(listed).map(|(namespace, listed)| control(&shared, namespace, listed))).await;
        background.iter().for_each(tokio::task::JoinHandle::abort);
    }
    stop.cancel();
    keys.stopped().await;
    match serving.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Stopped::Failed(format!("serving probes and metrics: {e}"))),
        Err(e) => Err(Stopped::Failed(format!("serving probes and metrics: {e}"))),
    }
}

async fn kube_client() -> Result<kube::Client, Stopped> {
    let mut config = kube::Config::infer()
        .await
        .map_err(|e| Stopped::Failed(format!("no Kubernetes cluster is configured (KUBECONFIG, or in-cluster): {e}")))?;
    // The client's own retries sleep for minutes within one call; a pass is tried again as a whole.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    kube::Client::try_from(config).map_err(|e| Stopped::Failed(format!("the Kubernetes client cannot be made: {e}")))
}

/// What the controllers share: one runs over each watched namespace, or one over all.
struct Shared {
    client: kube::Client,
    concurrency: u16,
    context: Arc<Context>,
    wakes: Arc<Mutex<HashMap<Option<String>, Wakes>>>,
    stop: CancellationToken,
    stores: Arc<Mutex<Vec<Store<Watched>>>>,
}

async fn control(shared: &Shared, namespace: Option<String>, listed: Listed) {
    let Shared { client, concurrency, context, wakes, stop, stores } = shared;
    let (sender, woken) = mpsc::unbounded();
    wakes.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.clone(), sender);
    let (secret_store, secrets) = watch::secrets(client.clone(), namespace.as_deref());
    context.credentials.watch(namespace.clone(), secret_store);
    let (store, resources) = watch::resources(client.clone(), namespace.as_deref(), listed.clone());
    stores.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
    let known = store.clone();
    let controller = Controller::for_stream(resources, store)
        .with_config(controller::Config::default().concurrency(*concurrency))
        .watches_stream(secrets, move |secret| watch::users_of(&known, &secret))
        .reconcile_on(woken)
        .reconcile_all_on(own_key_changes(context.clone(), stop.clone()))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, error_policy, context.clone())
        .for_each(|result| async move {
            match result {
                // Failures are reported by the error policy; an object that was woken may be gone already.
                Ok(_) | Err(controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)) => {}
                Err(e) => warn!(error = %e, "the watch failed and is tried again"),
            }
        });
    tokio::select! {
        () = controller => {}
        () = stopped_before(&listed, stop) => {}
    }
}

/// Ends when told to stop before the first list was complete. No pass runs then, and the controller would wait for that list for ever.
async fn stopped_before(listed: &Listed, stop: &CancellationToken) {
    stop.cancelled().await;
    if listed.get().is_some() {
        std::future::pending::<()>().await;
    }
}

/// Says that it works once every watch has seen what there is.
async fn tell_when_ready(listed: Vec<Listed>, readiness: Arc<Readiness>) {
    for listed in &listed {
        listed.wait().await;
    }
    readiness.set(Stage::Ready);
    info!("watching");
}

/// Now and then forgets what is kept of resources that went without a finalizer.
async fn sweep(context: Arc<Context>, stores: Arc<Mutex<Vec<Store<Watched>>>>, listed: Vec<Listed>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_mins(5))).await.is_some() {
        // A store that is not filled yet would make everything look gone.
        for listed in &listed {
            listed.wait().await;
        }
        let stores: Vec<Store<Watched>> = stores.lock().unwrap_or_else(PoisonError::into_inner).clone();
        context.keep_only(&stores.iter().flat_map(Store::state).filter_map(|o| o.uid()).collect());
    }
}

/// Speaks up when the operator's own key changes: every resource may be concerned.
fn own_key_changes(context: Arc<Context>, stop: CancellationToken) -> impl futures::Stream<Item = ()> + Send + 'static {
    use secrecy::ExposeSecret as _;
    let key = |context: &Context| context.credentials.own().map(|k| k.expose_secret().to_owned());
    let first = key(&context);
    futures::stream::unfold((context, stop, first), move |(context, stop, before)| async move {
        loop {
            stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(2))).await?;
            let now = key(&context);
            if now != before {
                info!("the operator's own API key changed");
                return Some(((), (context, stop, now)));
            }
        }
    })
}

fn send(wakes: &Mutex<HashMap<Option<String>, Wakes>>, wake: &Wake) {
    let wakes = wakes.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = wakes.get(&Some(wake.namespace.clone())).or_else(|| wakes.get(&None)) {
        // Closed only when the controller has ended.
        let _ = sender.unbounded_send(ObjectRef::new(&wake.name).within(&wake.namespace));
    }
}

/// Waits until the CRD is there and served, instead of dying without it. False if told to stop first.
async fn wait_for_crd(client: &kube::Client, stop: &CancellationToken) -> bool {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut told = false;
    loop {
        let served = |crd: &CustomResourceDefinition| {
            crd.status.iter().flat_map(|s| s.conditions.iter().flatten()).any(|c| c.type_ == "Established" && c.status == "True")
        };
        let Some(read) = stop.run_until_cancelled(objects::within("reading the CRD", api.get_opt(CRD_NAME))).await else { return false };
        match read {
            Ok(Some(crd)) if served(&crd) => return true,
            Ok(_) if told => {}
            Ok(_) => info!("waiting for the CustomResourceDefinition {CRD_NAME}: kubectl apply -k deploy/crd"),
            Err(e) if told => tracing::debug!(error = %e, "the CRD cannot be read"),
            Err(e) => error!(error = %e, "the CRD {CRD_NAME} cannot be read; trying again"),
        }
        told = true;
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(2))).await.is_none() {
            return false;
        }
    }
}

fn gauges(keys: &Arc<Keys>, metrics: &Arc<Metrics>) -> Arc<dyn Fn() + Send + Sync> {
    let (keys, metrics) = (keys.clone(), metrics.clone());
    Arc::new(move || {
        let counts: Vec<(usize, usize)> = keys.all_accounts().iter().map(|a| a.counts()).collect();
        let total = |pick: fn(&(usize, usize)) -> usize| i64::try_from(counts.iter().map(pick).sum::<usize>()).unwrap_or(i64::MAX);
        metrics.machines.set(total(|c| c.0));
        metrics.resources.set(total(|c| c.1));
    })
}

fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
