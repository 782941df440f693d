//! The command line: flags, each with an environment name, parsed to typed values. Wrong values name the flag, the value and what is allowed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use kube::core::Selector;

use crate::crd::CredentialsRef;
use crate::lifecycle::orphans::Why;
use crate::selector;
use crate::shard::Shard;
use crate::telemetry::LogFilter;

/// Kubernetes operator for Paperspace machines.
#[derive(Debug, Parser)]
#[command(name = "paperspace-operator", version, about, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller until told to stop.
    Run(Box<RunArgs>),
    /// List what the account has that belongs to no resource of this cluster, and what it costs. Nothing is changed.
    Orphans(OrphansArgs),
    /// Print a manifest that equals an existing machine, to adopt it. Nothing is changed.
    AdoptManifest(AdoptManifestArgs),
    /// Say which logs an operator writes that runs beside this, in the same pod, or change that.
    Log(LogArgs),
    /// Print the CustomResourceDefinition as YAML.
    Crd(CrdArgs),
    /// Serve a simulated Paperspace API, for trying things out and for tests.
    Simulate(SimulateArgs),
}

/// Where the Paperspace API is, and the operator's own key for it.
#[derive(Clone, Debug, ClapArgs)]
pub struct ApiArgs {
    /// Address of the Paperspace API.
    #[arg(long, env = "PAPERSPACE_API_URL", default_value = crate::paperspace::DEFAULT_URL)]
    pub api_url: String,
    /// Allow an API address that is neither https nor on this machine: the key then travels in the clear.
    #[arg(long, env = "PAPERSPACE_OPERATOR_ALLOW_HTTP")]
    pub allow_http: bool,
    /// File with the operator's own API key, read again when it changes (a mounted Secret). Without it, PAPERSPACE_API_KEY; a key is never
    /// a flag, because flags show in process lists.
    #[arg(long, env = "PAPERSPACE_API_KEY_FILE")]
    pub api_key_file: Option<PathBuf>,
}

/// Settings of `run`.
#[derive(Clone, Debug, ClapArgs)]
pub struct RunArgs {
    /// The Paperspace API.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Namespaces whose resources may use the operator's own key: `*`, names separated by commas, or a label selector (with `=`).
    #[arg(long, env = "PAPERSPACE_OPERATOR_DEFAULT_KEY_NAMESPACES", default_value = "*")]
    pub default_key_namespaces: String,
    /// Let resources adopt existing machines with the operator's own key: whoever may create a resource can then take over any machine of
    /// the team.
    #[arg(long, env = "PAPERSPACE_OPERATOR_ALLOW_ADOPT_WITH_DEFAULT_KEY")]
    pub allow_adopt_with_default_key: bool,
    /// Short name of this cluster, put into the names of machines for people to read: lower case letters, digits and dashes, at most 20.
    #[arg(long, env = "PAPERSPACE_OPERATOR_CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// How often all machines of an account are listed.
    #[arg(long, env = "PAPERSPACE_OPERATOR_POLL_INTERVAL", default_value = "30s", value_parser = duration)]
    pub poll_interval: Duration,
    /// How often a machine is looked at while something is happening to it.
    #[arg(long, env = "PAPERSPACE_OPERATOR_TRANSITION_INTERVAL", default_value = "5s", value_parser = duration)]
    pub transition_interval: Duration,
    /// How long a create with an unknown outcome is waited for. Lower only against a simulator: it must be longer than the API may take.
    #[arg(long, env = "PAPERSPACE_OPERATOR_CREATE_SETTLE", default_value = "180s", value_parser = duration)]
    pub create_settle: Duration,
    /// Whether one list an account tells what its machines do, or each is asked about by itself, for comparison: a call per machine and
    /// poll interval.
    #[arg(long, env = "PAPERSPACE_OPERATOR_OBSERVE", default_value = "shared", hide = true)]
    pub observe: Observe,
    /// How many resources are worked on at the same time.
    #[arg(long, env = "PAPERSPACE_OPERATOR_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Watch this namespace only (repeatable); default: all.
    #[arg(long, env = "PAPERSPACE_OPERATOR_WATCH_NAMESPACE", value_delimiter = ',')]
    pub watch_namespace: Vec<String>,
    /// Serve a share of the resources, I/N: those that the uid gives to I, counted from 0, of N operators (at most 1000). All N are needed.
    /// Each calls the API at an Nth of the rate. See deploy/sharded.
    #[arg(long, env = "PAPERSPACE_OPERATOR_SHARD")]
    pub shard: Option<Shard>,
    /// Work only while holding a lease, so that of several operators over the same resources one works and the others stand by. Always so
    /// with --shard.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LEADER_ELECT")]
    pub leader_elect: bool,
    /// Write nothing to Paperspace: conditions and events say what would be done. Status, finalizers and annotations are written.
    #[arg(long, env = "PAPERSPACE_OPERATOR_DRY_RUN")]
    pub dry_run: bool,
    /// While a ConfigMap of this name is in the operator's namespace, nothing is written to Paperspace. Empty: there is no such stop.
    #[arg(long, env = "PAPERSPACE_OPERATOR_STOP_CONFIG_MAP", default_value = "paperspace-operator-stop", value_parser = dns_name_or_nothing)]
    pub stop_config_map: String,
    /// How many machines of an account may be destroyed within an hour, those that others destroy counted too: a number, or `unlimited`.
    /// What is over it waits. 0 destroys nothing.
    #[arg(long, env = "PAPERSPACE_OPERATOR_MAX_DESTROYS_PER_HOUR", default_value = "20", value_parser = most)]
    pub max_destroys_per_hour: Most,
    /// Namespace of the leases and of --stop-config-map; default: POD_NAMESPACE, or that of the pod's account, or of the kubeconfig's context.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LEASE_NAMESPACE", value_parser = dns_label)]
    pub lease_namespace: Option<String>,
    /// For how long a lease must have been seen without a renewal before another one takes it.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LEASE_DURATION", default_value = "15s", value_parser = duration, hide = true)]
    pub lease_duration: Duration,
    /// How long its holder goes on when renewals fail.
    #[arg(long, env = "PAPERSPACE_OPERATOR_RENEW_DEADLINE", default_value = "10s", value_parser = duration, hide = true)]
    pub renew_deadline: Duration,
    /// How often a lease is looked at and renewed.
    #[arg(long, env = "PAPERSPACE_OPERATOR_RETRY_PERIOD", default_value = "2s", value_parser = duration, hide = true)]
    pub retry_period: Duration,
    /// Watch only resources with these labels, such as `team=ml,tier!=dev`; default: all. What loses them is served no longer, and keeps its
    /// machine.
    #[arg(long, env = "PAPERSPACE_OPERATOR_WATCH_SELECTOR", value_parser = selector::parse)]
    pub watch_selector: Option<Selector>,
    /// Calls to the Paperspace API per second and account, by all shards together.
    #[arg(long, env = "PAPERSPACE_OPERATOR_API_RATE", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub api_rate: u32,
    /// Calls that may be made at once after a quiet time.
    #[arg(long, env = "PAPERSPACE_OPERATOR_API_BURST", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub api_burst: u32,
    /// How logs are written to stderr.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Which logs: a level, or directives such as `info,paperspace_operator=debug`.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LOG", default_value = "info")]
    pub log: LogFilter,
    /// Loopback address, such as 127.0.0.1:8081, where `paperspace-operator log` changes --log while the operator runs; default: none.
    #[arg(long, env = "PAPERSPACE_OPERATOR_ADMIN_LISTEN", value_parser = loopback)]
    pub admin_listen: Option<SocketAddr>,
    /// OpenTelemetry collector that gets traces, by OTLP over HTTP: `http://HOST:4318`, to which /v1/traces is added; default: none. Other
    /// variables of OpenTelemetry (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, ...) count too.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub otlp_endpoint: Option<String>,
}

/// A limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most {
    /// So many.
    Number(u32),
    /// As many as there are.
    Unlimited,
}

impl From<Most> for Option<u32> {
    fn from(most: Most) -> Self {
        match most {
            Most::Number(number) => Some(number),
            Most::Unlimited => None,
        }
    }
}

/// How the machines of an account are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Observe {
    /// By one list for all.
    Shared,
    /// Each by a GET of its own, as other operators do.
    PerMachine,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of `orphans`.
#[derive(Clone, Debug, ClapArgs)]
pub struct OrphansArgs {
    /// The Paperspace API.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Short name of this cluster, as `run` has it: what carries a mark without it is told apart as another cluster's.
    #[arg(long, env = "PAPERSPACE_OPERATOR_CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
    /// Only those that belong to no resource for this reason: unmarked, marked, other-cluster or unassigned (repeatable); default: all.
    #[arg(long, env = "PAPERSPACE_OPERATOR_WHY", value_delimiter = ',', value_parser = why)]
    pub why: Vec<Why>,
    /// How they are printed: a table for people, JSON, or the ids of the machines alone, one a line.
    #[arg(long, env = "PAPERSPACE_OPERATOR_OUTPUT", default_value = "table")]
    pub output: Output,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// Ids of machines, for loops.
    Ids,
}

/// Settings of `adopt-manifest`.
#[derive(Clone, Debug, ClapArgs)]
pub struct AdoptManifestArgs {
    /// The Paperspace API.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Paperspace's id of the machine.
    #[arg(long, env = "PAPERSPACE_OPERATOR_MACHINE", value_parser = machine_id)]
    pub machine: String,
    /// Namespace of the resource; default: none, so that kubectl chooses.
    #[arg(long, env = "PAPERSPACE_OPERATOR_NAMESPACE", value_parser = dns_label)]
    pub namespace: Option<String>,
    /// Name of the resource; default: made from the machine's name.
    #[arg(long, env = "PAPERSPACE_OPERATOR_NAME", value_parser = dns_name)]
    pub name: Option<String>,
    /// The Secret with the API key for the resource, SECRET or SECRET/KEY; default: none, for an operator whose own key may adopt.
    #[arg(long, env = "PAPERSPACE_OPERATOR_CREDENTIALS", value_parser = credentials)]
    pub credentials: Option<CredentialsRef>,
}

/// Settings of `log`.
#[derive(Clone, Debug, ClapArgs)]
pub struct LogArgs {
    /// Which logs, as --log of `run`; default: nothing is changed.
    pub filter: Option<LogFilter>,
    /// After how long the operator goes back to its --log, or `always` to keep the change until it ends.
    #[arg(long = "for", env = "PAPERSPACE_OPERATOR_FOR", default_value = "10m", value_parser = lasts)]
    pub lasts: Lasts,
    /// Where the operator listens for it.
    #[arg(long, env = "PAPERSPACE_OPERATOR_ADMIN_LISTEN", default_value = "127.0.0.1:8081", value_parser = loopback)]
    pub admin_listen: SocketAddr,
}

/// How long a change lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// For this long.
    For(Duration),
    /// Until the next one, or the end of the process.
    Always,
}

/// Settings of `crd`.
#[derive(Clone, Debug, ClapArgs)]
pub struct CrdArgs {
    /// Print the reference of all fields instead, as Markdown.
    #[arg(long, env = "PAPERSPACE_OPERATOR_REFERENCE")]
    pub reference: bool,
}

/// Settings of `simulate`.
#[derive(Clone, Debug, ClapArgs)]
pub struct SimulateArgs {
    /// Where the API is served, under /v1.
    #[arg(long, env = "PAPERSPACE_OPERATOR_LISTEN", default_value = "127.0.0.1:8585")]
    pub listen: SocketAddr,
    /// A key that is accepted: KEY, KEY=TEAM or KEY=TEAM:member (repeatable).
    #[arg(long = "api-key", env = "PAPERSPACE_OPERATOR_API_KEY", value_delimiter = ',')]
    pub api_keys: Vec<String>,
    /// How much faster than real machines the simulated ones are: with 60, a minute passes in a second.
    #[arg(long, env = "PAPERSPACE_OPERATOR_TIME_SCALE", default_value_t = 1.0, value_parser = time_scale)]
    pub time_scale: f64,
    /// Seed of ids, addresses and chance.
    #[arg(long, env = "PAPERSPACE_OPERATOR_SEED", default_value_t = 0)]
    pub seed: u64,
    /// File that keeps the simulated account across restarts.
    #[arg(long, env = "PAPERSPACE_OPERATOR_STATE")]
    pub state: Option<PathBuf>,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).map_err(|e| format!("{e}; allowed are durations such as 30s, 5m or 2h"))?;
    if parsed < Duration::from_millis(100) || parsed > Duration::from_hours(24) {
        return Err("allowed are durations from 100ms to 24h".to_owned());
    }
    Ok(parsed)
}

fn lasts(text: &str) -> Result<Lasts, String> {
    if text == "always" {
        return Ok(Lasts::Always);
    }
    duration(text).map(Lasts::For).map_err(|problem| format!("{problem}, and always"))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let allowed = "allowed are addresses of this machine alone, such as 127.0.0.1:8081 or [::1]:8081";
    let address: SocketAddr = text.parse().map_err(|problem| format!("{problem}; {allowed}"))?;
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("others could reach it; {allowed}")) }
}

fn cluster_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = text.starts_with('-') || text.ends_with('-');
    if text.is_empty() || text.len() > 20 || edges || !text.chars().all(fits) {
        return Err("allowed are 1 to 20 lower case letters, digits and inner dashes".to_owned());
    }
    Ok(text.to_owned())
}

fn most(text: &str) -> Result<Most, String> {
    match text {
        "unlimited" => Ok(Most::Unlimited),
        number => number.parse().map(Most::Number).map_err(|_| "allowed are whole numbers from 0, and unlimited".to_owned()),
    }
}

fn dns_name_or_nothing(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { dns_name(text) }
}

fn why(text: &str) -> Result<Why, String> {
    let allowed = || format!("allowed are {}", Why::ALL.map(Why::as_str).join(", "));
    Why::ALL.into_iter().find(|why| why.as_str() == text).ok_or_else(allowed)
}

fn machine_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("allowed are letters and digits, such as psvv2ew1gd4s".to_owned());
    }
    Ok(text.to_owned())
}

fn dns_label(text: &str) -> Result<String, String> {
    if text.len() > 63 || text.contains('.') || !is_dns_name(text) {
        return Err("allowed are 1 to 63 lower case letters, digits and inner dashes".to_owned());
    }
    Ok(text.to_owned())
}

fn dns_name(text: &str) -> Result<String, String> {
    if !is_dns_name(text) {
        return Err("allowed are 1 to 253 lower case letters, digits, and dashes and dots between them".to_owned());
    }
    Ok(text.to_owned())
}

/// What Kubernetes takes for a name (DNS-1123).
pub(crate) fn is_dns_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-');
    text.len() <= 253 && text.split('.').all(part)
}

fn credentials(text: &str) -> Result<CredentialsRef, String> {
    let (name, key) = text.split_once('/').unwrap_or((text, "apiKey"));
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !is_dns_name(name) || key.is_empty() || key.len() > 253 || !key.chars().all(of_key) {
        return Err("allowed are SECRET and SECRET/KEY: the name of a Secret, and a key of its data".to_owned());
    }
    Ok(CredentialsRef { name: name.to_owned(), key: key.to_owned() })
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && (0.01..=100_000.0).contains(&scale) => Ok(scale),
        _ => Err("allowed are numbers from 0.01 to 100000".to_owned()),
    }
}
