//! What the operator asked of Paperspace, and when, by the simulator.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::figures::OverBudget;
use super::harness::simulator::Simulator;

/// What may be lost on the way from the budget to the simulator's clock on a machine that has other things to do: calls that were sent in
/// time may arrive late, and those after them then seem too close.
pub(crate) const TRANSIT_MILLISECONDS: i64 = 250;

/// One call, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Unix time.
    pub(crate) milliseconds: i64,
    /// Such as `PUT /machines/{id}`.
    pub(crate) route: String,
    pub(crate) id: Option<String>,
}

/// Calls, by route.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Calls {
    pub(crate) by_route: BTreeMap<String, u64>,
}

impl Calls {
    pub(crate) fn of(calls: &[Call]) -> Self {
        let mut by_route = BTreeMap::new();
        for call in calls {
            *by_route.entry(call.route.clone()).or_default() += 1;
        }
        Self { by_route }
    }

    fn sum(&self, which: impl Fn(&str) -> bool) -> u64 {
        self.by_route.iter().filter(|(route, _)| which(route)).map(|(_, count)| count).sum()
    }

    pub(crate) fn all(&self) -> u64 {
        self.sum(|_| true)
    }

    /// Pages of the list of machines.
    pub(crate) fn list_pages(&self) -> u64 {
        self.sum(|route| route == "GET /machines")
    }

    /// The lists of what may belong to nobody, each once an hour, whenever that falls.
    pub(crate) fn hourly(&self) -> u64 {
        self.sum(|route| ["GET /public-ips", "GET /startup-scripts"].contains(&route)).min(2)
    }

    /// Those about one machine.
    pub(crate) fn of_machines(&self) -> u64 {
        self.sum(|route| route == "POST /machines" || route.contains("/machines/{id}"))
    }

    pub(crate) fn mutations(&self) -> u64 {
        self.sum(|route| !route.starts_with("GET "))
    }
}

/// A reader of the simulator's record that goes on where it was.
#[derive(Default)]
pub(crate) struct Record {
    next: u64,
}

impl Record {
    /// The calls since the last time, in the order of their arrival.
    pub(crate) fn since(&mut self, sim: &Simulator) -> Vec<Call> {
        let answer = sim.call("GET", &format!("calls?after={}", self.next), None);
        assert_eq!(answer["dropped"], 0, "the simulator has forgotten calls that nobody has read");
        self.next = answer["next"].as_u64().expect("a number");
        let read = |row: &Value| Call {
            milliseconds: row[0].as_i64().expect("a time"),
            route: row[1].as_str().expect("a route").to_owned(),
            id: row[2].as_str().map(str::to_owned),
        };
        let mut calls: Vec<Call> = answer["calls"].as_array().expect("calls").iter().map(read).collect();
        calls.sort_by_key(|call| call.milliseconds);
        calls
    }
}

/// Whether in every window there are at most `burst` calls and `rate` for each second of it.
///
/// A bucket of `burst` that is filled with `rate` a second is followed call by call: it is empty beyond the ground as soon as any window
/// that ends there has too many.
pub(crate) fn over_budget(calls: &[Call], rate: u32, burst: u32) -> OverBudget {
    let (rate, burst) = (f64::from(rate) / 1000.0, f64::from(burst));
    let (mut level, mut last) = (burst, None);
    let mut over = OverBudget { calls: 0, worst_milliseconds: 0 };
    for call in calls {
        let passed = call.milliseconds - last.unwrap_or(call.milliseconds);
        level = (level + rate * passed as f64).min(burst) - 1.0;
        last = Some(call.milliseconds);
        #[expect(clippy::cast_possible_truncation, reason = "a few seconds")]
        let short = (-level / rate).ceil() as i64;
        over.worst_milliseconds = over.worst_milliseconds.max(short);
        over.calls += usize::from(short > TRANSIT_MILLISECONDS);
    }
    over
}
