//! The binary: parses the command line and runs one subcommand.

use clap::Parser as _;
use paperspace_operator::args::{Args, Command};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Crd => print_crd(),
        Command::Run(_) | Command::Simulate(_) => ExitCode::FAILURE,
    }
}

fn print_crd() -> ExitCode {
    let yaml = match paperspace_operator::crd::yaml() {
        Ok(yaml) => yaml,
        Err(error) => {
            eprintln!("the CRD cannot be written as YAML: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A closed pipe (`| head`) is no failure of ours.
    let _ = std::io::stdout().write_all(yaml.as_bytes());
    ExitCode::SUCCESS
}
