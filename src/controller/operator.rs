//! The operator between its two APIs: watches, controllers and accounts, on whatever carries them.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join_all, join3, ready};
use futures::{Stream, StreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use kube::runtime::controller::{self, Controller};
use kube::runtime::events::Reporter;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::backlog::Turn;
use super::brake::Brake;
use super::context::{Context, Outside};
use super::credentials::{Credentials, LabelledSecrets, OwnKey};
use super::gauges;
use super::line::{Line, Lines};
use super::objects::{self, Objects};
use super::orphans::Orphans;
use super::own::Own;
use super::reconcile::{error_policy, reconcile};
use super::run::{Stopped, check};
use super::seen::Seen;
use super::served::Served;
use super::sources::Sources;
use super::tally::Tally;
use super::watch::{self, Listed};
use crate::args::{Observe, RunArgs};
use crate::crd::{CRD_NAME, FIELD_MANAGER};
use crate::fleet::{Keys, Wake};
use crate::lifecycle::observe::Settings;
use crate::metrics::Metrics;
use crate::paperspace::Rate;
use crate::server::{Readiness, Stage};

/// One operator. Dropping it, or the future of [`Self::run`], ends everything that it has begun, at once.
pub struct Operator {
    client: kube::Client,
    namespaces: Vec<Option<String>>,
    concurrency: u16,
    keys: Arc<Keys>,
    context: Arc<Context>,
    stores: Arc<Mutex<Vec<Store<Seen>>>>,
    orphans: Arc<Orphans>,
    stop: CancellationToken,
}

impl Operator {
    /// Does nothing yet. The address to serve on is not its business.
    pub fn new(args: &RunArgs, environment_key: Option<SecretString>, outside: Outside, stop: CancellationToken) -> Result<Self, Stopped> {
        let (options, allowed) = check(args)?;
        let Outside { kubernetes: client, paperspace, clock, nonce, namespace } = outside;
        let stop_by = Some(args.stop_config_map.clone()).filter(|name| !name.is_empty());
        let brake = Brake::new(args.dry_run, stop_by.map(|name| (namespace, name)));
        let metrics = Metrics::shared();
        let lines = Lines::default();
        let setup = crate::fleet::Setup {
            options,
            rate: Rate::part(positive(args.api_rate), positive(args.api_burst), args.shard.map_or(NonZeroU16::MIN, |s| s.count())),
            poll_interval: args.poll_interval,
            process: nonce(),
            transition: args.transition_interval,
            per_machine: args.observe == Observe::PerMachine,
            observer: metrics.clone(),
            now: {
                let clock = clock.clone();
                Arc::new(move || clock.mono())
            },
            wake: {
                let lines = lines.clone();
                Arc::new(move |wake| lines.add(&wake))
            },
            stop: stop.clone(),
        };
        let keys = Arc::new(Keys::over(setup, brake.transport(paperspace)).map_err(|e| Stopped::Usage(e.to_string()))?);
        let settings = Settings {
            endpoint: keys.endpoint().to_owned(),
            cluster_id: args.cluster_id.clone(),
            settle: args.create_settle,
            transition: args.transition_interval,
            adopt_with_default_key: args.allow_adopt_with_default_key,
            max_destroys: args.max_destroys_per_hour.into(),
        };
        let objects = Objects::new(client.clone());
        let secrets = LabelledSecrets::default();
        let context = Arc::new(Context {
            credentials: Credentials::new(
                objects.clone(),
                OwnKey::new(args.api.api_key_file.clone(), environment_key),
                allowed,
                secrets.clone(),
            ),
            sources: Sources::new(objects.clone(), secrets.clone()),
            secrets,
            objects,
            keys: keys.clone(),
            served: Served::of(args),
            settings,
            brake,
            reporter: Reporter { controller: FIELD_MANAGER.to_owned(), instance: std::env::var("HOSTNAME").ok() },
            metrics,
            tally: Tally::default(),
            clock,
            nonce,
            lines,
            own: Own::default(),
            slots: Mutex::default(),
        });
        let watched = args.watch_namespace.iter().cloned().map(Some);
        let namespaces = if args.watch_namespace.is_empty() { vec![None] } else { watched.collect() };
        let orphans = Arc::new(Orphans::new(context.clone()));
        let concurrency = args.concurrency;
        Ok(Self { client, namespaces, concurrency, keys, context, stores: Arc::default(), orphans, stop })
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.context.metrics.clone()
    }

    /// Brings the gauges up to date.
    pub fn gauges(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (context, orphans) = (self.context.clone(), self.orphans.clone());
        Arc::new(move || {
            gauges::refresh(&context);
            orphans.count();
        })
    }

    /// Works until it is told to stop; running passes end before it returns.
    pub async fn run(&self, readiness: &Arc<Readiness>) {
        readiness.set(Stage::WaitingForCrd);
        self.context.metrics.leader.set(1);
        let mut background = JoinSet::new();
        background.spawn(self.follow_stop());
        if wait_for_crd(&self.client, &self.stop).await && self.stop.run_until_cancelled(self.context.brake.is_known()).await.is_some() {
            let listed: Vec<Listed> = self.namespaces.iter().map(|_| Listed::default()).collect();
            background.spawn(tell_when_ready(listed.clone(), readiness.clone()));
            background.spawn(sweep(self.context.clone(), self.stores.clone(), listed.clone(), self.stop.clone()));
            if let ([None], [listed], true) = (&*self.namespaces, &*listed, self.context.served.all()) {
                background.spawn(self.orphans.clone().look(self.stores.clone(), listed.clone(), self.stop.clone()));
            }
            join_all(self.namespaces.iter().cloned().zip(listed).map(|(namespace, listed)| self.control(namespace, listed))).await;
        }
        self.stop.cancel();
        self.keys.stopped().await;
    }

    /// Follows the emergency stop, whose coming and going concerns every resource.
    fn follow_stop(&self) -> impl Future<Output = ()> + Send + 'static {
        let (lines, stores) = (self.context.lines.clone(), self.stores.clone());
        let everybody = move || {
            for store in &*stores.lock().unwrap_or_else(PoisonError::into_inner) {
                for key in watch::everybody(store) {
                    lines.add(&Wake { namespace: key.namespace.unwrap_or_default(), name: key.name });
                }
            }
        };
        self.context.brake.clone().follow(self.client.clone(), self.stop.clone(), everybody)
    }

    async fn control(&self, namespace: Option<String>, listed: Listed) {
        let Self { client, concurrency, context, stop, stores, .. } = self;
        let line = Line::new(*concurrency);
        context.lines.open(namespace.clone(), line.clone());
        let (secret_store, secrets) = watch::secrets(client.clone(), namespace.as_deref());
        context.secrets.watch(namespace.clone(), secret_store);
        let (store, resources) = watch::resources(
            client.clone(),
            namespace.as_deref(),
            context.served.clone(),
            context.own.clone(),
            line.clone(),
            listed.clone(),
        );
        stores.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
        let config_maps = watch::config_maps(client.clone(), namespace.as_deref());
        let others = join3(
            wake(&line, secrets, |secret| watch::users_of(&store, &secret)),
            wake(&line, config_maps, |map| watch::users_of_map(&store, &map)),
            wake(&line, own_key_changes(context.clone(), stop.clone()).map(Ok), |()| watch::everybody(&store)),
        );
        let controller = Controller::for_stream(resources, store.clone())
            .with_config(controller::Config::default().concurrency(*concurrency))
            .reconcile_on(line.clone().turns(listed.clone()))
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(reconcile, error_policy, context.clone())
            .for_each(|result| {
                match result {
                    Ok((key, _)) => line.done(&key),
                    // Failures are reported by the error policy; an object that was woken may be gone already.
                    Err(controller::Error::ReconcilerFailed(_, key) | controller::Error::ObjectNotFound(key)) => {
                        line.done(&key.into_kind_unchecked(()));
                    }
                    Err(e) => warn!(error = %e, "the watch failed and is tried again"),
                }
                ready(())
            });
        tokio::select! {
            biased;
            () = controller => {}
            () = stopped_before(&listed, stop) => {}
            // They end only when told to stop.
            () = async { others.await; std::future::pending().await } => {}
        }
    }
}

/// Wakes whoever is concerned by what comes. Failures are told where it comes from, and end nothing.
async fn wake<T>(line: &Line, stream: impl Stream<Item = Result<T, watcher::Error>>, concerned: impl Fn(T) -> Vec<ObjectRef<Seen>>) {
    let mut stream = std::pin::pin!(stream);
    while let Some(item) = stream.next().await {
        item.into_iter().flat_map(&concerned).for_each(|key| line.add(key, Turn::Woken));
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
async fn sweep(context: Arc<Context>, stores: Arc<Mutex<Vec<Store<Seen>>>>, listed: Vec<Listed>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_mins(5))).await.is_some() {
        // A store that is not filled yet would make everything look gone.
        for listed in &listed {
            listed.wait().await;
        }
        let stores: Vec<Store<Seen>> = stores.lock().unwrap_or_else(PoisonError::into_inner).clone();
        context.keep_only(&stores.iter().flat_map(Store::state).map(|seen| seen.uid().to_owned()).collect());
    }
}

/// Speaks up when the operator's own key changes: every resource may be concerned.
fn own_key_changes(context: Arc<Context>, stop: CancellationToken) -> impl futures::Stream<Item = ()> + Send + 'static {
    use secrecy::ExposeSecret as _;
    if !context.credentials.own_may_change() {
        return futures::stream::pending().left_stream();
    }
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
    .right_stream()
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

fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
