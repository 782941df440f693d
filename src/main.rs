//! The binary: parses the command line and runs one subcommand. Exit codes: 0 done, 1 failed at work, 2 wrong usage or configuration.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use paperspace_operator::args::{Args, Command, CrdArgs, RunArgs, SimulateArgs};
use paperspace_operator::command::{self, Printed};
use paperspace_operator::telemetry::{self, Telemetry};
use paperspace_operator::{admin, controller, crd, paperspace, simulator};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    paperspace::install_crypto_provider();
    let done = match Args::parse().command {
        Command::Run(args) => run(*args),
        Command::Orphans(args) => ask(command::orphans(args, environment_key())),
        Command::AdoptManifest(args) => ask(command::adopt_manifest(args, environment_key())),
        Command::Log(args) => ask(command::log(args)),
        Command::Crd(args) => print_crd(&args),
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

fn print_crd(args: &CrdArgs) -> Done {
    let text = if args.reference { Ok(crd::reference::markdown()) } else { crd::yaml() };
    print(&text.map_err(|e| (FAILED, format!("the CRD cannot be written as YAML: {e}")))?);
    Ok(())
}

/// A closed pipe (`| head`) is no failure of ours.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Asks once and prints the answer.
fn ask(work: impl Future<Output = Result<Printed, controller::Stopped>>) -> Done {
    until_stopped(|stop| async move {
        let Some(answer) = stop.run_until_cancelled(work).await else { return Err((FAILED, "interrupted".to_owned())) };
        let Printed { result, notes } = answer.map_err(code)?;
        for note in notes {
            eprintln!("note: {note}");
        }
        print(&result);
        Ok(())
    })
}

fn code(stopped: controller::Stopped) -> (u8, String) {
    match stopped {
        controller::Stopped::Usage(message) => (USAGE, message),
        controller::Stopped::Failed(message) => (FAILED, message),
    }
}

/// The API key from the environment.
fn environment_key() -> Option<SecretString> {
    std::env::var("PAPERSPACE_API_KEY").ok().map(|k| k.trim().to_owned()).filter(|k| !k.is_empty()).map(SecretString::from)
}

fn run(args: RunArgs) -> Done {
    until_stopped(|stop| async move {
        let telemetry = telemetry::init(args.log.clone(), args.log_format, args.otlp_endpoint.as_deref()).map_err(|e| (USAGE, e))?;
        let done = run_logged(args, &telemetry, stop).await;
        telemetry.end().await;
        done
    })
}

async fn run_logged(args: RunArgs, telemetry: &Telemetry, stop: CancellationToken) -> Done {
    if let Some(address) = args.admin_listen {
        let listener = admin::bind(address).await.map_err(|e| (FAILED, format!("--admin-listen {address}: {e}")))?;
        tokio::spawn(admin::serve(listener, telemetry.logs.clone()));
    }
    controller::run(args, environment_key(), stop).await.map_err(code)
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
