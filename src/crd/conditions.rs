//! Conditions from reasons, and how a new set takes over from an old one.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::reason::{Progress, Reason, Truth};
use super::status::time;

/// The machine exists, is usable and is in the power state asked for.
pub const READY: &str = "Ready";
/// The spec is applied.
pub const SYNCED: &str = "Synced";
/// `spec.suspend` is set.
pub const SUSPENDED: &str = "Suspended";
/// The operator is working on it.
pub const RECONCILING: &str = "Reconciling";
/// Only a person can help.
pub const STALLED: &str = "Stalled";

/// A reason and a sentence for the person who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// The reason.
    pub reason: Reason,
    /// What happened and, where someone has to do something, what.
    pub message: String,
    /// How it goes on, where that is not what the reason's table says (a missing key counts as stuck after a while).
    pub progress: Progress,
}

impl Because {
    /// With the table's progress.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), progress: reason.progress() }
    }

    /// The same, but only a person can help by now.
    #[must_use]
    pub fn stuck(self) -> Self {
        Self { progress: Progress::Stuck, ..self }
    }
}

/// What the conditions are to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of the machine.
    pub ready: Because,
    /// Of the spec.
    pub synced: Because,
    /// Why deletion is held, if it is: then `Ready` goes on saying what the machine is.
    pub held: Option<Because>,
    /// Whether `spec.suspend` is set.
    pub suspended: bool,
    /// Whether there is a machine: without one, `Ready` is False where it would be Unknown.
    pub has_machine: bool,
}

/// The conditions of `summary`. The transition time of a condition whose status does not change is kept from `old`.
pub fn conditions(summary: &Summary, generation: Option<i64>, old: &[Condition], now: Timestamp) -> Vec<Condition> {
    let ready = match summary.ready.reason.ready() {
        Some(Truth::Unknown) | None if !summary.has_machine => Truth::False,
        known => known.unwrap_or(Truth::Unknown),
    };
    let mut all = vec![
        condition(READY, ready, &summary.ready),
        condition(SYNCED, summary.synced.reason.synced().unwrap_or(Truth::Unknown), &summary.synced),
    ];
    if summary.suspended {
        let because = Because::new(Reason::NotCreated, "spec.suspend is set: nothing is written to Paperspace");
        let mut suspended = condition(SUSPENDED, Truth::True, &because);
        "Suspended".clone_into(&mut suspended.reason);
        all.push(suspended);
    }
    // `max_by_key` takes the last of equals: a hold before Ready's reason before Synced's.
    let worst = [&summary.synced, &summary.ready].into_iter().chain(&summary.held).max_by_key(|b| b.progress);
    match worst {
        // A suspended resource is not being worked on, and that is what its owner wants.
        Some(because) if because.progress == Progress::Working && !summary.suspended => {
            all.push(condition(RECONCILING, Truth::True, because));
        }
        Some(because) if because.progress == Progress::Stuck => all.push(condition(STALLED, Truth::True, because)),
        _ => {}
    }
    for condition in &mut all {
        condition.observed_generation = generation;
        condition.last_transition_time = old
            .iter()
            .find(|o| o.type_ == condition.type_ && o.status == condition.status)
            .map_or_else(|| time(now), |o| o.last_transition_time.clone());
    }
    all
}

fn condition(kind: &str, status: Truth, because: &Because) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.as_str().to_owned(),
        reason: because.reason.as_str().to_owned(),
        message: because.message.clone(),
        observed_generation: None,
        last_transition_time: time(Timestamp::UNIX_EPOCH),
    }
}
