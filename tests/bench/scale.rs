//! What it costs to run the operator: `make bench` prints a scale card for fleets of several sizes, beside what polling machine by machine
//! costs, and checks the bars that the operator is held to.
//!
//! A real Kubernetes API, the simulated Paperspace and the operator run as separate processes. What is counted comes from the simulator
//! and from the API server's audit log, what is timed from their timestamps; nothing is taken from the operator's own word.
//!
//! | file | what |
//! |---|---|
//! | `settings` | what may be chosen |
//! | `world` | the processes of one run |
//! | `fleet` | making many resources |
//! | `measure` | a run, phase by phase; `creation`, `idle`, `latency`, `restart` are the phases |
//! | `audit`, `calls`, `seen`, `process` | where figures come from |
//! | `figures`, `card`, `bars` | the figures, how they are shown, and what they are held to |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::needless_pass_by_value, missing_docs, reason = "as tests")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod audit;
mod bars;
mod calls;
mod card;
mod creation;
mod figures;
mod fleet;
mod idle;
mod latency;
mod measure;
mod process;
mod restart;
mod seen;
mod settings;
mod world;

#[path = "../e2e/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end cases use more of it")]
mod harness;

use std::process::ExitCode;

use figures::Observe;
use settings::Settings;

fn main() -> ExitCode {
    // `cargo test --benches` would run it too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let settings = Settings::of_environment();
    let modes: Vec<Observe> = settings.modes.iter().copied().filter(|mode| mode.is_known()).collect();
    let mut all = Vec::new();
    for size in &settings.sizes {
        measure::runs(&settings, *size, &modes, |figures| {
            all.push(figures);
            // A long run that is broken off has something to show.
            card::write(&settings, &all, &bars::check(&all));
        });
    }
    let bars = bars::check(&all);
    let card = card::markdown(&settings, &all, &bars);
    println!("{card}");
    if std::env::var_os("UPDATE_README").is_some() {
        card::into_readme(&card);
    }
    if bars.iter().all(|bar| bar.held) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
