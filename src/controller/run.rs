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
use crate::paperspace::{ClientOptions, DEFAULT_URL};
use crate::server::{self, Readiness};

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
    if args.observe == Observe::PerMachine {
        warn!("--observe=per-machine is for comparison only: it costs one call per machine and poll interval");
    }
    let transport = options.http().map_err(|e| Stopped::Usage(format!("--api-url: {e}")))?;
    let listener = server::bind(args.listen).await.map_err(|e| Stopped::Failed(format!("--listen {}: {e}", args.listen)))?;
    let outside = Outside {
        kubernetes: kube_client().await?,
        paperspace: transport,
        clock: Clock::start(),
        nonce: Arc::new(|| format!("{:016x}", rand::random::<u64>())),
    };
    let operator = Operator::new(&args, environment_key, outside, stop.clone())?;
    let readiness = Arc::new(Readiness::default());
    let serving = tokio::spawn(server::serve(listener, readiness.clone(), operator.metrics(), operator.gauges(), stop.clone()));
    operator.run(&readiness).await;
    stop.cancel();
    match serving.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Stopped::Failed(format!("serving probes and metrics: {e}"))),
        Err(e) => Err(Stopped::Failed(format!("serving probes and metrics: {e}"))),
    }
}

/// What the flags say together, or why that cannot be.
pub(super) fn check(args: &RunArgs) -> Result<(ClientOptions, Allowed), Stopped> {
    let allowed = Allowed::parse(&args.default_key_namespaces).map_err(Stopped::Usage)?;
    let options = ClientOptions { base_url: args.api.api_url.clone(), allow_http: args.api.allow_http, ..ClientOptions::default() };
    options.endpoint().map_err(|e| Stopped::Usage(format!("--api-url: {e}")))?;
    if args.transition_interval > args.poll_interval {
        let (transition, poll) = (humantime::format_duration(args.transition_interval), humantime::format_duration(args.poll_interval));
        return Err(Stopped::Usage(format!("--transition-interval {transition}: allowed is at most --poll-interval, which is {poll}")));
    }
    Ok((options, allowed))
}

/// A client for the cluster that `KUBECONFIG` or the pod says.
pub(crate) async fn kube_client() -> Result<kube::Client, Stopped> {
    let mut config = kube::Config::infer()
        .await
        .map_err(|e| Stopped::Failed(format!("no Kubernetes cluster is configured (KUBECONFIG, or in-cluster): {e}")))?;
    // The client's own retries sleep for minutes within one call; a pass is tried again as a whole.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    kube::Client::try_from(config).map_err(|e| Stopped::Failed(format!("the Kubernetes client cannot be made: {e}")))
}
