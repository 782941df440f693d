//! The binary: parses the command line and runs one subcommand. Exit codes: 0 done, 1 failed at work, 2 wrong usage or configuration.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use paperspace_operator::args::{Args, Command, RunArgs, SimulateArgs};
use paperspace_operator::{controller, paperspace, simulator, telemetry};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    paperspace::install_crypto_provider();
    let done = match Args::parse().command {
        Command::Crd => print_crd(),
        Command::Run(args) => run(args),
        Command::Simulate(args) => simulate(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("error: {message}");
            ExitCode::from(code)
        }
    }
}

type Done = Result<(), (u8, String)>;

fn print_crd() -> Done {
    let yaml = paperspace_operator::crd::yaml().map_err(|e| (FAILED, format!("the CRD cannot be written as YAML: {e}")))?;
    // A closed pipe (`| head`) is no failure of ours.
    let _ = std::io::stdout().write_all(yaml.as_bytes());
    Ok(())
}

fn run(args: RunArgs) -> Done {
    telemetry::init(&args.log, args.log_format).map_err(|e| (USAGE, e))?;
    let key = std::env::var("PAPERSPACE_API_KEY").ok().map(|k| k.trim().to_owned()).filter(|k| !k.is_empty()).map(SecretString::from);
    until_stopped(|stop| async move {
        controller::run(args, key, stop).await.map_err(|stopped| match stopped {
            controller::Stopped::Usage(message) => (USAGE, message),
            controller::Stopped::Failed(message) => (FAILED, message),
        })
    })
}

fn simulate(args: SimulateArgs) -> Done {
    let keys: Result<Vec<simulator::KeySpec>, String> = args.api_keys.iter().map(|k| k.parse()).collect();
    let keys = keys.map_err(|e| (USAGE, format!("--api-key: {e}")))?;
    let options = simulator::Options { listen: args.listen, keys, time_scale: args.time_scale, seed: args.seed, state: args.state };
    until_stopped(|stop| async move { simulator::serve(options, stop).await.map_err(|e| (FAILED, e.to_string())) })
}

/// Runs until done, or until SIGTERM or Ctrl-C, which end it in order.
fn until_stopped<F: Future<Output = Done>>(work: impl FnOnce(CancellationToken) -> F) -> Done {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| (FAILED, format!("the runtime does not start: {e}")))?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| (FAILED, format!("SIGTERM cannot be waited for: {e}")))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| (FAILED, format!("SIGINT cannot be waited for: {e}")))?;
        let signalled = stop.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            signalled.cancel();
        });
        work(stop).await
    })
}
