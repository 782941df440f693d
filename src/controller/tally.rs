//! What is counted of a status when it is written, and what is kept of the resources that are not as they should be.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::crd::conditions::{READY, RECONCILING, STALLED, SUSPENDED, SYNCED};
use crate::crd::reason::Reason;
use crate::crd::{CreationOutcome, PaperspaceMachine, PaperspaceMachineStatus};
use crate::lifecycle::memory::{Memory, Reply};
use crate::metrics::{Metrics, OutcomeLabel, ReasonLabel};

/// Resources that are not as they should be, by uid: nothing is kept of the others, which may be many.
#[derive(Default)]
pub(super) struct Tally(Mutex<HashMap<String, Unwell>>);

struct Unwell {
    reason: Option<&'static str>,
    drifts: usize,
    drifted_since: Option<Timestamp>,
}

impl Tally {
    /// The resource's status is this now.
    pub(super) fn note(&self, uid: &str, status: &PaperspaceMachineStatus) {
        // What waits for somebody to stop the machine is neither. What is suspended is as its owner wants it.
        let waits = || status.condition(SYNCED).filter(|synced| synced.status == "False" && status.condition(SUSPENDED).is_none());
        let condition = [STALLED, RECONCILING].into_iter().find_map(|kind| status.condition(kind)).or_else(waits);
        let known = |word: &String| Reason::ALL.iter().map(|reason| reason.as_str()).find(|known| known == word);
        let unwell = Unwell {
            reason: condition.and_then(|condition| known(&condition.reason)),
            drifts: status.drift.len(),
            drifted_since: status.drift.iter().map(|drift| drift.since.0).min(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unwell.reason.is_none() && unwell.drifts == 0 {
            all.remove(uid);
        } else {
            all.insert(uid.to_owned(), unwell);
        }
    }

    /// The resource is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Brings the gauges up to date.
    pub(super) fn count(&self, metrics: &Metrics, now: Timestamp) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.unsettled.clear();
        for reason in all.values().filter_map(|unwell| unwell.reason) {
            metrics.unsettled.get_or_create(&ReasonLabel { reason }).inc();
        }
        let drifts: usize = all.values().map(|unwell| unwell.drifts).sum();
        metrics.drifts.set(i64::try_from(drifts).unwrap_or(i64::MAX));
        let oldest = all.values().filter_map(|unwell| unwell.drifted_since).min();
        metrics.drift_age_seconds.set(oldest.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0)));
    }
}

/// Counts what this change of the status means.
pub(super) fn changed(metrics: &Metrics, object: &PaperspaceMachine, new: &PaperspaceMachineStatus, memory: &Memory, now: Timestamp) {
    let Some(old) = &object.status else { return };
    if let Some(seconds) = became_ready(object, old, new, now) {
        metrics.ready_seconds.observe(seconds);
    }
    if let Some(seconds) = became_synced(old, new, now) {
        metrics.unsynced_seconds.observe(seconds);
    }
    if let Some(outcome) = resolved(old, new, memory) {
        metrics.unclear_creates.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

/// How long after its creation the resource is ready, if it is so for the first time: it was not yet when its machine was made.
fn became_ready(object: &PaperspaceMachine, old: &PaperspaceMachineStatus, new: &PaperspaceMachineStatus, now: Timestamp) -> Option<f64> {
    let (before, after) = (old.condition(READY)?, new.condition(READY)?);
    let bound = new.creation.as_ref().filter(|creation| creation.outcome == CreationOutcome::Bound)?.closed_at.as_ref()?;
    let first = before.status != "True" && after.status == "True" && before.last_transition_time.0 <= bound.0;
    let created = object.creation_timestamp().filter(|_| first)?;
    Some(now.duration_since(created.0).as_secs_f64().max(0.0))
}

fn became_synced(old: &PaperspaceMachineStatus, new: &PaperspaceMachineStatus, now: Timestamp) -> Option<f64> {
    let (before, after) = (old.condition(SYNCED)?, new.condition(SYNCED)?);
    (before.status != "True" && after.status == "True").then(|| now.duration_since(before.last_transition_time.0).as_secs_f64().max(0.0))
}

/// What an attempt came to whose request was not answered, or was another process's.
fn resolved(old: &PaperspaceMachineStatus, new: &PaperspaceMachineStatus, memory: &Memory) -> Option<&'static str> {
    let (before, after) = (old.creation.as_ref()?, new.creation.as_ref()?);
    let answered = memory.reply.as_ref().is_some_and(|(id, reply)| *id == after.id && matches!(reply, Reply::Done(_) | Reply::Nothing(_)));
    if before.id != after.id || before.outcome != CreationOutcome::Open || answered {
        return None;
    }
    match after.outcome {
        CreationOutcome::Bound => Some("found"),
        CreationOutcome::Expired => Some("none"),
        CreationOutcome::Open | CreationOutcome::Refused => None,
    }
}
