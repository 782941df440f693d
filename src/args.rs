//! The command line: flags, each with an environment name, parsed to typed values. Wrong values name the flag, the value and what is allowed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

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
    Run(RunArgs),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Serve a simulated Paperspace API, for trying things out and for tests.
    Simulate(SimulateArgs),
}

/// Settings of `run`.
#[derive(Clone, Debug, ClapArgs)]
pub struct RunArgs {
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
    /// How many resources are worked on at the same time.
    #[arg(long, env = "PAPERSPACE_OPERATOR_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Watch this namespace only (repeatable); default: all.
    #[arg(long, env = "PAPERSPACE_OPERATOR_WATCH_NAMESPACE", value_delimiter = ',')]
    pub watch_namespace: Vec<String>,
    /// Calls to the Paperspace API per second and account.
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
    pub log: String,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
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

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).map_err(|e| format!("{e}; allowed are durations such as 30s, 5m or 2h"))?;
    if parsed < Duration::from_millis(100) || parsed > Duration::from_hours(24) {
        return Err("allowed are durations from 100ms to 24h".to_owned());
    }
    Ok(parsed)
}

fn cluster_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = text.starts_with('-') || text.ends_with('-');
    if text.is_empty() || text.len() > 20 || edges || !text.chars().all(fits) {
        return Err("allowed are 1 to 20 lower case letters, digits and inner dashes".to_owned());
    }
    Ok(text.to_owned())
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && (0.01..=100_000.0).contains(&scale) => Ok(scale),
        _ => Err("allowed are numbers from 0.01 to 100000".to_owned()),
    }
}
