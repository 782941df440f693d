//! One form for what is the same: times as they stand to now, rounded to ticks and no older than they mean something; without what only
//! people read.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;

use super::rules::{Bounds, TICK, Without};
use super::world::Fault;
use crate::crd::status::time;
use crate::crd::{Creation, CreationOutcome, Operation, PaperspaceMachineStatus};
use crate::lifecycle::memory::{Memory, Reply};
use crate::lifecycle::step::StepKind;
use crate::lifecycle::tests::cloud;

/// It is always this moment: what happened moves into the past instead.
pub(super) const NOW: Duration = Duration::from_mins(250);

/// A moment of the world's wall clock.
pub(super) fn wall(at: Duration) -> Timestamp {
    static EPOCH: LazyLock<Timestamp> = LazyLock::new(|| cloud::wall(Duration::ZERO));
    *EPOCH + at
}

/// This many ticks before now.
pub(super) fn ago(ticks: u8) -> Duration {
    NOW - TICK * u32::from(ticks)
}

/// Rounded down to a tick, and no longer ago than this many.
fn since(at: Duration, at_most: u8) -> Duration {
    let ticks = u32::try_from(at.as_millis() / TICK.as_millis()).unwrap();
    (TICK * ticks).max(ago(at_most))
}

fn since_wall(at: Timestamp, at_most: u8) -> Timestamp {
    let at = Duration::try_from(at.duration_since(wall(Duration::ZERO))).unwrap_or_default();
    wall(since(at, at_most))
}

/// With the attempt's number for its id, no further attempts are looked at.
pub(super) const MOST_ATTEMPTS: i32 = 5;

/// A first refusal's back-off is 72 s at most, in ticks; a later one's, which is longer, is not looked at.
const REFUSED: u8 = 5;

pub(super) fn memory(bounds: &Bounds, mut m: Memory) -> Memory {
    let settle = bounds.settle;
    if let Some(attempt) = &mut m.attempt {
        // After a settle nothing is waited for any more, and of what is closed only that it was.
        attempt.since = since(attempt.since, if attempt.outcome == CreationOutcome::Open { settle } else { 0 });
    }
    if let Some(ahead) = &mut m.write_ahead {
        ahead.sent.mono = since(ahead.sent.mono, 1);
        ahead.sent.wall = since_wall(ahead.sent.wall, 1);
    }
    if let Some((_, Reply::Done(machine))) = &mut m.reply {
        machine.dt_created = wall(Duration::ZERO);
    }
    for missing in m.missing.values_mut() {
        *missing = since(*missing, settle);
    }
    // What is counted from the end of a settle is a settle younger than it; and every further list begins later.
    if let Some(evidence) = &mut m.evidence {
        evidence.since = since(evidence.since, 0);
        for list in &mut evidence.lists {
            *list = since(*list, 0);
        }
    }
    if let Some((_, gone)) = &mut m.gone {
        *gone = since(*gone, 0);
    }
    for trouble in m.troubles.values_mut() {
        trouble.at = since(trouble.at, if trouble.error.is_refusal() { REFUSED } else { 1 });
        trouble.count = 1;
    }
    m.sent.retain(|kind, _| *kind == StepKind::Delete);
    for (count, at) in m.sent.values_mut() {
        (*count, *at) = (1, since(*at, again(bounds)));
    }
    // Every look of the model begins in the pass that asks for it; and when to look again after a failure is not modelled.
    (m.mutated, m.looked, m.failed_looks, m.power_event) = (None, Duration::ZERO, 0, None);
    m
}

/// For how many ticks it means something when a DELETE was sent: where none fails later, none is sent again.
fn again(bounds: &Bounds) -> u8 {
    if bounds.has(Fault::Undone) || bounds.tombstones { bounds.settle } else { 0 }
}

/// The memory a tick later, by both clocks or by the wall clock alone.
pub(super) fn later(mut m: Memory, awake: bool) -> Memory {
    if let Some(ahead) = &mut m.write_ahead {
        ahead.sent.wall -= TICK;
    }
    if !awake {
        return m;
    }
    let mut times: Vec<&mut Duration> = Vec::new();
    times.extend(m.attempt.iter_mut().map(|a| &mut a.since));
    times.extend(m.write_ahead.iter_mut().map(|w| &mut w.sent.mono));
    times.extend(m.missing.values_mut());
    times.extend(m.evidence.iter_mut().flat_map(|e| e.lists.iter_mut().chain([&mut e.since])));
    times.extend(m.gone.iter_mut().map(|(_, at)| at));
    times.extend(m.troubles.values_mut().map(|t| &mut t.at));
    times.extend(m.sent.values_mut().map(|(_, at)| at));
    times.extend(m.missing_since.iter_mut());
    for time in times {
        *time -= TICK;
    }
    m
}

/// What people read, and what is seen again at every look, is left out; so are times that nothing is measured by.
pub(super) fn status(bounds: &Bounds, s: &PaperspaceMachineStatus) -> PaperspaceMachineStatus {
    let epoch = time(wall(Duration::ZERO));
    // Refusals are waited for from there, and copies told by it; else it matters only whether it is just now.
    let counts = match (bounds.has(Fault::Refused), bounds.has(Fault::Copy)) {
        (true, _) => REFUSED,
        (false, true) => bounds.settle + 1,
        (false, false) => 1,
    };
    let creation = s.creation.clone().map(|c| Creation {
        attempt: c.attempt.min(if bounds.lacks(Without::RandomId) { MOST_ATTEMPTS } else { 1 }),
        first_started_at: epoch.clone(),
        started_at: epoch.clone(),
        closed_at: c.closed_at.map(|at| time(since_wall(at.0, counts))),
        ..c
    });
    let operation = s.operation.clone().map(|o| Operation {
        id: "operation".to_owned(),
        requested_at: time(since_wall(o.requested_at.0, again(bounds))),
        ..o
    });
    PaperspaceMachineStatus {
        account: s.account.clone(),
        machine_id: s.machine_id.clone(),
        observed_generation: s.observed_generation,
        creation,
        operation,
        ..PaperspaceMachineStatus::default()
    }
}

pub(super) fn status_later(mut s: PaperspaceMachineStatus) -> PaperspaceMachineStatus {
    if let Some(closed) = s.creation.as_mut().and_then(|c| c.closed_at.as_mut()) {
        closed.0 -= TICK;
    }
    if let Some(operation) = &mut s.operation {
        operation.requested_at.0 -= TICK;
    }
    s
}

/// The name of an attempt.
pub(super) fn nonce(number: u8) -> String {
    format!("n{number}")
}

/// The name of a machine.
pub(super) fn machine(number: u8) -> String {
    format!("ps{number}")
}

/// The number of a name.
pub(super) fn number(name: &str) -> u8 {
    name.trim_start_matches(char::is_alphabetic).parse().unwrap()
}

fn nonce_bit(name: &str) -> u16 {
    1 << number(name)
}

fn machine_bit(name: &str) -> u8 {
    1 << number(name)
}

/// The attempt that a piece of evidence is about: the last word of its key.
pub(super) fn attempt_of(key: &str) -> Option<&str> {
    key.rsplit(' ').next().filter(|word| word.starts_with('n'))
}

pub(super) fn nonces_of_memory(m: &Memory) -> u16 {
    let keys = [m.evidence.as_ref().map(|e| &e.key), m.gone.as_ref().map(|g| &g.0)];
    let ids = [m.attempt.as_ref().map(|a| &a.id), m.write_ahead.as_ref().map(|w| &w.id), m.reply.as_ref().map(|r| &r.0)];
    let of_keys = keys.into_iter().flatten().filter_map(|k| attempt_of(k));
    of_keys.chain(ids.into_iter().flatten().map(String::as_str)).fold(0, |bits, id| bits | nonce_bit(id))
}

pub(super) fn machines_of_memory(m: &Memory) -> u8 {
    let made = m.reply.iter().filter_map(|(_, reply)| match reply {
        Reply::Done(machine) => Some(&machine.id),
        Reply::Script(_) | Reply::Nothing(_) | Reply::Unclear(_) => None,
    });
    let evidence = m.evidence.iter().filter_map(|e| e.key.strip_prefix("machine "));
    m.accepted.iter().chain(m.missing.keys()).chain(made).map(String::as_str).chain(evidence).fold(0, |bits, id| bits | machine_bit(id))
}

pub(super) fn nonces_of_status(s: &PaperspaceMachineStatus) -> u16 {
    s.creation.as_ref().map_or(0, |c| nonce_bit(&c.id))
}

pub(super) fn machines_of_status(s: &PaperspaceMachineStatus) -> u8 {
    s.machine_id.as_deref().map_or(0, machine_bit)
}

pub(super) fn is_open(s: &PaperspaceMachineStatus) -> bool {
    s.creation.as_ref().is_some_and(|c| c.outcome == CreationOutcome::Open)
}

/// The memory without what nothing comes of any more: what it holds of attempts that stand nowhere (an id is random and never comes back),
/// and of those that are not open what is only asked of open ones.
pub(super) fn keep(mut m: Memory, nonces: u16, open: u16) -> Memory {
    let stands = |id: &str| nonce_bit(id) & nonces != 0;
    let is_open = |id: &str| nonce_bit(id) & open != 0;
    m.attempt = m.attempt.filter(|a| is_open(&a.id) && a.outcome == CreationOutcome::Open);
    // The fence is shorter than a tick.
    m.write_ahead = m.write_ahead.filter(|w| is_open(&w.id) && w.sent.mono == NOW && w.sent.wall == wall(NOW));
    m.reply = m.reply.filter(|r| is_open(&r.0));
    m.evidence = m.evidence.filter(|e| {
        let deletes = e.key.starts_with("deletion");
        attempt_of(&e.key).is_none_or(|id| if deletes { stands(id) } else { is_open(id) })
    });
    m.gone = m.gone.filter(|g| attempt_of(&g.0).is_none_or(stands));
    m
}
