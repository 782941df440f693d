//! Starts the process: checks the settings, makes what the [`Operator`] stands on, serves probes and metrics, and ends in order.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::context::{Clock, Outside};
use super::credentials::Allowed;
use super::operator::Operator;
use crate::args::{Observe, RunArgs};
use crate::leader::Campaign;
use crate::leader::election::Timing;
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

/// Runs the controller until `stop`; running passes end before it returns.
pub async fn run(args: RunArgs, environment_key: Option<SecretString>, stop: CancellationToken) -> Result<(), Stopped> {
    let (options, _) = check(&args)?;
    if args.create_settle < Duration::from_mins(3) {
        let simulated = if args.api.api_url == DEFAULT_URL {
            ": that is not enough for the real API, whose late answers then make second machines"
        } else {
            ""
        };
        warn!("--create-settle is {}{simulated}", humantime::format_duration(args.create_settle));
    }
    if args.dry_run {
        warn!("--dry-run: nothing is written to Paperspace; events and conditions say what would be done");
    }
    if args.observe == Observe::PerMachine {
        warn!("--observe=per-machine is for comparison only: it costs one call per machine and poll interval");
    }
    let transport = options.http().map_err(|e| Stopped::Usage(format!("--api-url: {e}")))?;
    let listener = server::bind(args.listen).await.map_err(|e| Stopped::Failed(format!("--listen {}: {e}", args.listen)))?;
    let (config, clock) = (kube_config().await?, Clock::start());
    let namespace = own_namespace(&args, &config);
    let campaign = campaign(&args, &config, &namespace, &clock)?;
    let (kubernetes, paperspace) = match campaign.as_ref().map(Campaign::guard) {
        Some(guard) => (guard.kubernetes(config).map_err(unmade)?, guard.transport(transport)),
        None => (client(config)?, transport),
    };
    let nonce = Arc::new(|| format!("{:016x}", rand::random::<u64>()));
    let outside = Outside { kubernetes, paperspace, clock, nonce, namespace };
    let operator = Operator::new(&args, environment_key, outside, stop.clone())?;
    let readiness = Arc::new(Readiness::default());
    let serving = tokio::spawn(server::serve(listener, readiness.clone(), operator.metrics(), operator.gauges(), stop.clone()));
    match campaign {
        Some(campaign) => in_office(campaign, &readiness, &stop, Box::pin(operator.run(&readiness))).await?,
        None => operator.run(&readiness).await,
    }
    stop.cancel();
    match serving.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Stopped::Failed(format!("serving probes and metrics: {e}"))),
        Err(e) => Err(Stopped::Failed(format!("serving probes and metrics: {e}"))),
    }
}

/// The election that the flags ask for.
fn campaign(args: &RunArgs, config: &kube::Config, namespace: &str, clock: &Clock) -> Result<Option<Campaign>, Stopped> {
    if args.shard.is_none() && !args.leader_elect {
        return Ok(None);
    }
    Ok(Some(Campaign::new(&client(config.clone())?, namespace, args.shard, timing(args), clock)))
}

/// Where the operator's own objects are: its leases, and the ConfigMap that stops it.
fn own_namespace(args: &RunArgs, config: &kube::Config) -> String {
    let pod = || std::env::var("POD_NAMESPACE").ok().filter(|namespace| !namespace.is_empty());
    args.lease_namespace.clone().or_else(pod).unwrap_or_else(|| config.default_namespace.clone())
}

/// Stands by, works while it may, and gives back afterwards. A lost lease ends the work in the midst of whatever it does.
async fn in_office(
    campaign: Campaign,
    readiness: &Readiness,
    stop: &CancellationToken,
    work: impl Future<Output = ()>,
) -> Result<(), Stopped> {
    let (guard, done) = (campaign.guard(), CancellationToken::new());
    readiness.set(Stage::StandingBy);
    // Apart from the work, so that nothing there can delay a renewal. Also while passes end: they are this process's still.
    let mut campaign = tokio::spawn(campaign.run(done.clone()));
    let work = async {
        if stop.run_until_cancelled(guard.opens()).await.is_some() {
            work.await;
        }
    };
    let ended = tokio::select! {
        ended = &mut campaign => ended,
        () = work => {
            done.cancel();
            campaign.await
        }
    };
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(lost)) => Err(Stopped::Failed(lost.to_string())),
        Err(e) => Err(Stopped::Failed(format!("holding the leases: {e}"))),
    }
}

fn timing(args: &RunArgs) -> Timing {
    Timing { duration: args.lease_duration, deadline: args.renew_deadline, retry: args.retry_period }
}

/// What the flags say together, or why that cannot be.
pub(super) fn check(args: &RunArgs) -> Result<(ClientOptions, Allowed), Stopped> {
    let allowed = Allowed::parse(&args.default_key_namespaces).map_err(Stopped::Usage)?;
    let options = ClientOptions { base_url: args.api.api_url.clone(), allow_http: args.api.allow_http, ..ClientOptions::default() };
    options.endpoint().map_err(|e| Stopped::Usage(format!("--api-url: {e}")))?;
    timing(args).check().map_err(Stopped::Usage)?;
    if args.transition_interval > args.poll_interval {
        let (transition, poll) = (humantime::format_duration(args.transition_interval), humantime::format_duration(args.poll_interval));
        return Err(Stopped::Usage(format!("--transition-interval {transition}: allowed is at most --poll-interval, which is {poll}")));
    }
    Ok((options, allowed))
}

/// A client for the cluster that `KUBECONFIG` or the pod says.
pub(crate) async fn kube_client() -> Result<kube::Client, Stopped> {
    client(kube_config().await?)
}

async fn kube_config() -> Result<kube::Config, Stopped> {
    let mut config = kube::Config::infer()
        .await
        .map_err(|e| Stopped::Failed(format!("no Kubernetes cluster is configured (KUBECONFIG, or in-cluster): {e}")))?;
    // The client's own retries sleep for minutes within one call; a pass is tried again as a whole.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    Ok(config)
}

fn client(config: kube::Config) -> Result<kube::Client, Stopped> {
    kube::Client::try_from(config).map_err(unmade)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unmade(error: kube::Error) -> Stopped {
    Stopped::Failed(format!("the Kubernetes client cannot be made: {error}"))
}
