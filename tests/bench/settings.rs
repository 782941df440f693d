//! What may be chosen, by environment: `BENCH_SIZES=100,1000`, `BENCH_IDLE=60s`, `BENCH_OBSERVE=shared`, `BENCH_RATE=33`.

use std::time::Duration;

use super::figures::Observe;
use super::harness::BINARY;

/// As `run` has it by default.
pub(crate) const POLL: Duration = Duration::from_secs(30);

/// How a run is made.
pub(crate) struct Settings {
    pub(crate) sizes: Vec<usize>,
    /// For how long an idle fleet is watched.
    pub(crate) idle: Duration,
    pub(crate) modes: Vec<Observe>,
}

impl Settings {
    pub(crate) fn of_environment() -> Self {
        let sizes = text("BENCH_SIZES", "100,1000,10000");
        let sizes = sizes.split(',').map(|size| size.trim().parse().unwrap_or_else(|_| panic!("BENCH_SIZES: {size:?} is no number")));
        let modes = text("BENCH_OBSERVE", "shared,per-machine");
        let idle = text("BENCH_IDLE", "5m");
        Self {
            sizes: sizes.collect(),
            idle: humantime::parse_duration(&idle).unwrap_or_else(|error| panic!("BENCH_IDLE={idle}: {error}")),
            modes: modes.split(',').map(|mode| Observe::parse(mode.trim())).collect(),
        }
    }

    /// Whole poll intervals.
    pub(crate) fn polls(&self) -> u32 {
        u32::try_from(self.idle.as_secs() / POLL.as_secs()).unwrap_or(u32::MAX).max(1)
    }
}

/// The program that is measured. `BENCH_OPERATOR` is another build of it, to compare with.
pub(crate) fn operator() -> String {
    text("BENCH_OPERATOR", BINARY)
}

fn text(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// Calls that a fleet of this size may make, a second: enough to look at each machine once in a poll interval. `BENCH_RATE` is another.
pub(crate) fn rate(size: usize) -> u32 {
    let usual = u32::try_from(size / 30).unwrap_or(u32::MAX).max(10);
    text("BENCH_RATE", &usual.to_string()).parse().expect("BENCH_RATE is a number")
}

/// How many times faster than life the machines of a fleet of this size are, and how often the operator looks at one that changes: the
/// ratio of the two stays what it is in life, where a machine takes 70 s until it is ready and is looked at every 5 s. With small fleets
/// it is faster, so that the budget decides how long the fleet takes, and not its last machine.
pub(crate) fn pace(size: usize) -> (u32, Duration) {
    let scale = match size {
        ..=300 => 20,
        301..=3000 => 10,
        _ => 5,
    };
    (scale, Duration::from_secs(5) / scale)
}
