//! What the core is told where a rule is left out.

use std::time::Duration;

use super::canon;
use super::rules::{Bounds, TICK, Without};
use super::shell::VERSION;
use crate::crd::{CreationOutcome, PaperspaceMachine};
use crate::lifecycle::memory::{Evidence, Memory};
use crate::lifecycle::observe::{ListView, Moment};

fn long_ago(bounds: &Bounds) -> Duration {
    canon::ago(bounds.settle)
}

/// Tampers with the memory before each decision.
pub(super) fn before(bounds: &Bounds, object: &PaperspaceMachine, now: Moment, memory: &mut Memory) {
    let Some(without) = bounds.without else { return };
    let status = object.status.as_ref().unwrap();
    let creation = status.creation.as_ref();
    let deleting = object.metadata.deletion_timestamp.is_some();
    match without {
        Without::Fence => memory.write_ahead.iter_mut().for_each(|w| w.sent = now),
        Without::WallClock => memory.write_ahead.iter_mut().for_each(|w| w.sent.wall = canon::wall(w.sent.mono)),
        Without::Placeholder if creation.is_none() => memory.chain = Some(VERSION.to_owned()),
        Without::Settle if !deleting => memory.attempt.iter_mut().for_each(|a| a.since = long_ago(bounds)),
        Without::Hold if deleting => memory.attempt.iter_mut().for_each(|a| a.since = long_ago(bounds)),
        Without::MissingSettle => memory.missing.values_mut().for_each(|since| *since = long_ago(bounds)),
        Without::FirstSight => {
            if let (Some(seen), Some(creation)) = (&mut memory.attempt, creation) {
                (seen.id, seen.outcome) = (creation.id.clone(), creation.outcome);
            }
        }
        Without::OwnReply => {
            if let (Some(reply), Some(creation)) = (&mut memory.reply, creation) {
                reply.0.clone_from(&creation.id);
            }
        }
        Without::EvidenceKey => rekey(bounds, object, memory),
        Without::LateLists if deleting => {
            // Whatever is found or waited for meanwhile, the lists of before are lists.
            memory.gone = memory.evidence.as_ref().map(|e| (e.key.clone(), e.since));
        }
        _ => {}
    }
}

/// Takes the first list for two: whether the core need not be answered any more.
pub(super) fn one_list_is_two(bounds: &Bounds, memory: &mut Memory) -> bool {
    let Some(evidence) = memory.evidence.as_mut().filter(|e| bounds.lacks(Without::TwoLists) && e.lists.len() == 1) else { return false };
    evidence.lists.push(evidence.lists[0]);
    true
}

/// What was collected for one attempt is taken for the present one's.
fn rekey(bounds: &Bounds, object: &PaperspaceMachine, memory: &mut Memory) {
    let Some(creation) = object.status.as_ref().and_then(|s| s.creation.as_ref()) else { return };
    let Some(evidence) = &mut memory.evidence else { return };
    if canon::attempt_of(&evidence.key).is_none_or(|id| *id == creation.id) {
        return;
    }
    if object.metadata.deletion_timestamp.is_some() {
        evidence.key = format!("deletion, attempt {}", creation.id);
        memory.gone = Some((evidence.key.clone(), evidence.since));
    } else if let Some(seen) = &memory.attempt {
        evidence.key = format!("attempt {}", creation.id);
        evidence.since = seen.since + TICK * u32::from(bounds.settle);
    }
}

/// Tampers with the memory after a pass: lists that were made too early are counted.
pub(super) fn after(bounds: &Bounds, object: &PaperspaceMachine, list: Option<&ListView>, memory: &mut Memory) {
    if !bounds.lacks(Without::LateLists) {
        return;
    }
    let (Some(list), Some(seen)) = (list, &memory.attempt) else { return };
    let open = seen.outcome == CreationOutcome::Open;
    if !open || !list.machines.is_empty() {
        return;
    }
    let deleting = object.metadata.deletion_timestamp.is_some();
    let (key, since) = if deleting {
        (format!("deletion, attempt {}", seen.id), canon::NOW)
    } else {
        (format!("attempt {}", seen.id), seen.since + TICK * u32::from(bounds.settle))
    };
    let evidence = memory.evidence.take().filter(|e| e.key == key && (deleting || e.since == since));
    let mut evidence = evidence.unwrap_or(Evidence { key, since, lists: Vec::new() });
    if evidence.lists.len() < 2 {
        evidence.lists.push(list.began);
    }
    memory.evidence = Some(evidence);
}
