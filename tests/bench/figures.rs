//! The figures of one run.

use std::process::Command;

use serde::Serialize;

use super::audit::Requests;
use super::calls::Calls;
use super::settings;

/// How the operator learns of its machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Observe {
    /// One list for all: how it is meant.
    Shared,
    /// One GET for each machine, every poll interval: how others do it. Hidden, for this comparison.
    PerMachine,
}

impl Observe {
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "shared" => Self::Shared,
            "per-machine" => Self::PerMachine,
            _ => panic!("BENCH_OBSERVE: {word:?} is neither shared nor per-machine"),
        }
    }

    pub(crate) fn flag(self) -> Option<&'static str> {
        (self == Self::PerMachine).then_some("--observe=per-machine")
    }

    /// Whether the binary can do it.
    pub(crate) fn is_known(self) -> bool {
        let Some(flag) = self.flag() else { return true };
        let known =
            Command::new(settings::operator()).args(["run", flag, "--help"]).output().expect("the operator's binary").status.success();
        if !known {
            eprintln!("bench: the operator has no {flag}: nothing to compare with, that column is SKIPPED");
        }
        known
    }
}

/// All figures of one run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    pub(crate) size: usize,
    pub(crate) observe: Observe,
    /// Calls a second, and at once.
    pub(crate) rate: u32,
    pub(crate) time_scale: u32,
    pub(crate) transition_milliseconds: u128,
    pub(crate) poll_seconds: u64,
    /// Nothing for a fleet that was there already.
    pub(crate) creation: Option<Creation>,
    pub(crate) idle: Idle,
    pub(crate) spec_change: Latency,
    pub(crate) cloud_change: Latency,
    pub(crate) restart: Restart,
}

impl Creation {
    /// What its calls take at this budget, in seconds.
    pub(crate) fn bound(&self, rate: u32) -> f64 {
        self.calls.all() as f64 / f64::from(rate)
    }
}

impl Idle {
    pub(crate) fn calls_an_hour(&self) -> f64 {
        let hourly = self.calls.hourly();
        (self.calls.all() - hourly) as f64 * 3600.0 / self.seconds + hourly as f64
    }
}

/// From many resources without a machine to all of them ready.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Creation {
    /// How long the API server took to store the resources, before the operator was started.
    pub(crate) stored_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) calls: Calls,
    pub(crate) over_budget: OverBudget,
    pub(crate) requests: Requests,
    /// Of CPU, by process.
    pub(crate) cpu_seconds: Vec<(String, f64)>,
}

/// How calls kept to the budget.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OverBudget {
    /// Calls that arrived sooner than the budget allows, what may be lost on the way aside.
    pub(crate) calls: usize,
    /// The most that any window of calls was shorter than the budget allows.
    pub(crate) worst_milliseconds: i64,
}

/// A fleet in which nothing happens.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    pub(crate) polls: u32,
    pub(crate) calls: Calls,
    pub(crate) requests: Requests,
    pub(crate) cpu_seconds: f64,
    /// At the end.
    pub(crate) resident_bytes: u64,
    /// So far.
    pub(crate) peak_bytes: u64,
    /// The objects as JSON, without managed fields.
    pub(crate) objects_bytes: u64,
    /// The machines as the API gives them.
    pub(crate) machines_bytes: u64,
}

/// How long something took, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) samples: usize,
    pub(crate) p50: i64,
    pub(crate) p99: i64,
    pub(crate) max: i64,
}

impl Latency {
    /// Of these samples, by nearest rank.
    pub(crate) fn of(mut samples: Vec<i64>) -> Self {
        samples.sort_unstable();
        let rank = |percent: usize| samples[(samples.len() * percent).div_ceil(100).max(1) - 1];
        Self { samples: samples.len(), p50: rank(50), p99: rank(99), max: rank(100) }
    }
}

/// A new operator over a fleet in which nothing has changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Restart {
    /// Until its last request, if it ever is quiet; else the requests are those of two poll intervals.
    pub(crate) seconds: Option<f64>,
    pub(crate) calls: Calls,
    pub(crate) requests: Requests,
    pub(crate) resident_bytes: u64,
}
