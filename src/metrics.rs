//! What the operator counts, for Prometheus. Labels are bounded: no names, no uids.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::paperspace::{CallObserver, CallRecord};

/// One label: which step.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StepLabel {
    /// See [`crate::lifecycle::step::StepKind`].
    pub step: &'static str,
}

/// One label: which kind of error.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KindLabel {
    /// See [`crate::controller::Error::kind`].
    pub kind: &'static str,
}

/// A call to Paperspace.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CallLabel {
    /// `GET`.
    pub method: &'static str,
    /// `/machines/{id}`.
    pub route: &'static str,
    /// `ok`, or what kind of error.
    pub outcome: &'static str,
}

/// One label: who waits.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PriorityLabel {
    /// See [`crate::paperspace::Priority`].
    pub priority: &'static str,
}

/// One label: what belongs to no resource.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OrphanLabel {
    /// See [`crate::lifecycle::orphans::Kind`].
    pub kind: &'static str,
}

/// What a machine is and does.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct MachineLabel {
    /// Paperspace's word, `ready`.
    pub state: String,
    /// Its type.
    pub machine_type: String,
    /// Its region.
    pub region: String,
}

/// One label: whose machines.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct NamespaceLabel {
    /// The namespace of the resources.
    pub namespace: String,
}

/// One label: why.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    /// See [`crate::crd::reason::Reason`].
    pub reason: &'static str,
}

/// What came of something.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// A bounded word.
    pub outcome: &'static str,
}

/// No label: a gauge that is shown only while it is known.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct NoLabel {}

/// The counters.
pub struct Metrics {
    registry: Registry,
    /// Passes over a resource.
    pub reconciles: Counter,
    /// Passes that failed.
    pub failures: Family<KindLabel, Counter>,
    /// Effects.
    pub steps: Family<StepLabel, Counter>,
    /// Status writes.
    pub status_writes: Counter,
    /// How long passes took.
    pub reconcile_seconds: Histogram,
    /// Whether this process may act.
    pub leader: Gauge,
    /// Why nothing may be written to Paperspace; not shown where it may.
    pub restrained: Family<ReasonLabel, Gauge>,
    /// Resources that are not as they should be, by what their conditions say.
    pub unsettled: Family<ReasonLabel, Gauge>,
    /// Differences between specs and machines.
    pub drifts: Gauge,
    /// Since when there has been one, the oldest.
    pub drift_age_seconds: Gauge<f64, AtomicU64>,
    /// From the creation of a resource to the first time that its machine was ready.
    pub ready_seconds: Histogram,
    /// How long specs were not applied.
    pub unsynced_seconds: Histogram,
    /// Requests that create a machine.
    pub creates: Family<OutcomeLabel, Counter>,
    /// Attempts whose outcome was not known.
    pub unclear_creates: Family<OutcomeLabel, Counter>,
    /// The age of the oldest of the accounts' lists.
    pub list_age_seconds: Gauge<f64, AtomicU64>,
    calls: Family<CallLabel, Counter>,
    call_seconds: Histogram,
    waited_seconds: Family<PriorityLabel, Counter<f64, AtomicU64>>,
    breaker_open: Gauge,
    breaker_openings: Counter,
    /// Machines in the accounts' last lists.
    pub machines: Family<MachineLabel, Gauge>,
    /// What the machines of resources cost that are not off.
    pub hourly_usd: Family<NamespaceLabel, Gauge<f64, AtomicU64>>,
    /// Resources that are looked after.
    pub resources: Gauge,
    /// What belongs to no resource; not shown while that is not known.
    pub orphans: Family<OrphanLabel, Gauge>,
    /// What the machines among them cost; the same.
    pub orphan_hourly_usd: Family<NoLabel, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("paperspace_operator");
        let metrics = Self {
            reconciles: Counter::default(),
            failures: Family::default(),
            steps: Family::default(),
            status_writes: Counter::default(),
            reconcile_seconds: Histogram::new(exponential_buckets(0.005, 2.0, 14)),
            leader: Gauge::default(),
            restrained: Family::default(),
            unsettled: Family::default(),
            drifts: Gauge::default(),
            drift_age_seconds: Gauge::default(),
            ready_seconds: Histogram::new(exponential_buckets(15.0, 2.0, 10)),
            unsynced_seconds: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            creates: Family::default(),
            unclear_creates: Family::default(),
            list_age_seconds: Gauge::default(),
            calls: Family::default(),
            call_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            waited_seconds: Family::default(),
            breaker_open: Gauge::default(),
            breaker_openings: Counter::default(),
            machines: Family::default(),
            hourly_usd: Family::default(),
            resources: Gauge::default(),
            orphans: Family::default(),
            orphan_hourly_usd: Family::default(),
            registry: Registry::default(),
        };
        registry.register("reconciles", "Passes over a resource", metrics.reconciles.clone());
        registry.register("reconcile_errors", "Passes that failed, by kind of error", metrics.failures.clone());
        registry.register("steps", "Effects on Kubernetes objects and on Paperspace, by kind", metrics.steps.clone());
        registry.register("status_writes", "Writes of a resource's status", metrics.status_writes.clone());
        registry.register("reconcile_duration_seconds", "How long passes over a resource took", metrics.reconcile_seconds.clone());
        registry.register("leader", "1 where this process may act, 0 where it stands by", metrics.leader.clone());
        let restrained = "1 while nothing may be written to Paperspace, by why: DryRun, EmergencyStop";
        registry.register("restrained", restrained, metrics.restrained.clone());
        let unsettled = "Resources that are not as they should be, by the reason that Ready or Synced (or what holds a deletion) gives";
        registry.register("unsettled_resources", unsettled, metrics.unsettled.clone());
        registry.register("drifts", "Fields in which machines differ from their specs", metrics.drifts.clone());
        let age = "For how long the oldest of these differences has been there";
        registry.register("drift_age_seconds", age, metrics.drift_age_seconds.clone());
        let ready = "From the creation of a resource to the first time that its machine was ready";
        registry.register("time_to_ready_seconds", ready, metrics.ready_seconds.clone());
        let unsynced = "For how long Synced was not True, each time that it became so";
        registry.register("time_to_sync_seconds", unsynced, metrics.unsynced_seconds.clone());
        let creates = "Requests that create a machine, by what came of them: created, refused, unclear";
        registry.register("create_requests", creates, metrics.creates.clone());
        let unclear = "Attempts to create a machine whose outcome was found out later: found, none";
        registry.register("unclear_creates_resolved", unclear, metrics.unclear_creates.clone());
        let age = "How long ago the account that has waited longest was read as a whole";
        registry.register("list_age_seconds", age, metrics.list_age_seconds.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What this program is", build);
        registry.register("api_calls", "Calls to the Paperspace API, by route template and outcome", metrics.calls.clone());
        registry.register("api_call_duration_seconds", "How long calls to the Paperspace API took", metrics.call_seconds.clone());
        let waited = "How long calls waited for their account's budget, by what goes first: mutation, lookup, idle";
        registry.register("api_budget_wait_seconds", waited, metrics.waited_seconds.clone());
        let open = "Accounts whose API calls are not answered: nothing but a look now and then is sent for them";
        registry.register("api_breaker_open", open, metrics.breaker_open.clone());
        registry.register("api_breaker_openings", "How often that began", metrics.breaker_openings.clone());
        let machines = "Machines in the last lists of all accounts, those that no resource has included";
        registry.register("machines", machines, metrics.machines.clone());
        let hourly = "USD for an hour of use of the machines that resources have and that are not off, as Paperspace states it";
        registry.register("hourly_usd", hourly, metrics.hourly_usd.clone());
        registry.register("resources", "Resources that are looked after", metrics.resources.clone());
        let orphans = "What accounts have that no resource has, by kind; scripts and addresses as of at most an hour ago";
        registry.register("orphans", orphans, metrics.orphans.clone());
        let hourly = "USD for an hour of use of the machines that no resource has, those that are off included, as Paperspace states it";
        registry.register("orphan_hourly_usd", hourly, metrics.orphan_hourly_usd.clone());
        metrics.begin_with_zeros();
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Shared.
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A counter that is not there before it counts hides its first increase.
    fn begin_with_zeros(&self) {
        for kind in crate::controller::Error::KINDS {
            drop(self.failures.get_or_create(&KindLabel { kind }));
        }
        for outcome in ["created", "refused", "unclear"] {
            drop(self.creates.get_or_create(&OutcomeLabel { outcome }));
        }
        for outcome in ["found", "none"] {
            drop(self.unclear_creates.get_or_create(&OutcomeLabel { outcome }));
        }
    }

    /// In the older text format of Prometheus, which names a counter in full where it is described, and knows no `info`.
    pub fn encode_classic(&self) -> String {
        classic(&self.encode())
    }

    /// In the text format of OpenMetrics.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            let _ = write!(text, "# {error}\n# EOF\n");
        }
        text
    }
}

fn classic(text: &str) -> String {
    let described = |line: &str| {
        let (keyword, rest) = line.strip_prefix("# ")?.split_once(' ')?;
        let (name, rest) = rest.split_once(' ')?;
        Some((keyword.to_owned(), name.to_owned(), rest.to_owned()))
    };
    let types: HashMap<String, String> =
        text.lines().filter_map(described).filter(|(keyword, ..)| keyword == "TYPE").map(|(_, name, kind)| (name, kind)).collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let described = described(line);
        let kind = described.as_ref().and_then(|(_, name, _)| types.get(name)).map_or("", String::as_str);
        let _ = match (described, kind) {
            (Some((keyword, name, rest)), "counter") => writeln!(out, "# {keyword} {name}_total {rest}"),
            (Some((keyword, name, rest)), "info") => {
                writeln!(out, "# {keyword} {name}_info {}", if keyword == "TYPE" { "gauge" } else { &rest })
            }
            _ => writeln!(out, "{line}"),
        };
    }
    out
}

impl CallObserver for Metrics {
    fn observe(&self, call: &CallRecord) {
        let CallRecord { method, route, outcome, status: _, duration, waited, priority } = *call;
        self.calls.get_or_create(&CallLabel { method, route, outcome }).inc();
        self.call_seconds.observe(duration.as_secs_f64());
        self.waited_seconds.get_or_create(&PriorityLabel { priority: priority.as_str() }).inc_by(waited.as_secs_f64());
    }

    fn breaker(&self, open: bool) {
        if open {
            self.breaker_openings.inc();
            self.breaker_open.inc();
        } else {
            self.breaker_open.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_describes_each_series_under_its_own_name() {
        let metrics = Metrics::default();
        metrics.reconciles.inc();
        metrics
            .machines
            .get_or_create(&MachineLabel { state: "a\"b\\c".to_owned(), machine_type: "C5".to_owned(), region: String::new() })
            .set(2);
        let text = metrics.encode_classic();
        for line in [
            "# TYPE paperspace_operator_reconciles_total counter",
            "# HELP paperspace_operator_reconciles_total Passes over a resource.",
            "paperspace_operator_reconciles_total 1",
            "# TYPE paperspace_operator_build_info gauge",
            "# TYPE paperspace_operator_leader gauge",
            "# TYPE paperspace_operator_reconcile_duration_seconds histogram",
            "paperspace_operator_reconcile_errors_total{kind=\"kubernetes_timeout\"} 0",
            r#"paperspace_operator_machines{state="a\"b\\c",machine_type="C5",region=""} 2"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("# EOF") && metrics.encode().ends_with("# EOF\n"));
        // Every series is described.
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect::<Vec<_>>();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            assert!(names.contains(&name) || of_histogram.is_some_and(|name| names.contains(&name)), "{line}");
        }
    }
}
