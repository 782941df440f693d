//! Anything that a process may remember of a resource.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::answers::{error, machine, state};
use super::anything::{NONCES, around, creation, id, operation, user_id};
use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::*;
use crate::lifecycle::memory::{Evidence, Memory, People, PeopleLook, Reply, ScriptMemory, SeenAttempt, Trouble, WriteAhead};
use crate::lifecycle::observe::{KeySource, Moment};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::StepKind;
use crate::properties::Dice;

const KINDS: [StepKind; 18] = [
    StepKind::Create,
    StepKind::Update,
    StepKind::Resize,
    StepKind::Start,
    StepKind::Stop,
    StepKind::Restart,
    StepKind::AssignScript,
    StepKind::CreateScript,
    StepKind::UpdateScript,
    StepKind::DeleteScript,
    StepKind::AddAccessor,
    StepKind::RemoveAccessor,
    StepKind::AssignIp,
    StepKind::UnassignIp,
    StepKind::WriteConfigMap,
    StepKind::DeleteConfigMap,
    StepKind::ReleaseIp,
    StepKind::Delete,
];

const ALL_KEYS: [KeySource; 3] = [KeySource::Own, KeySource::Remembered, KeySource::Operator];

/// A moment of the monotonic clock not after `now`.
pub(super) fn before(d: &mut Dice, now: Duration) -> Duration {
    const SECONDS: [u64; 11] = [0, 1, 4, 6, 11, 29, 61, 179, 181, 2000, 1_000_000];
    now.saturating_sub(Duration::from_secs(d.pick(&SECONDS)))
}

fn scripts(d: &mut Dice, now: Duration) -> ScriptMemory {
    let id = |d: &mut Dice| d.word(&["sc1", "sc2"]);
    ScriptMemory {
        attempt: d.maybe(|d| SeenAttempt {
            id: d.word(&NONCES),
            outcome: d.pick(&[CreationOutcome::Open, CreationOutcome::Bound]),
            since: before(d, now),
        }),
        evidence: d.maybe(|d| evidence(d, now)),
        deleted: if d.one_in(4) { d.several(2, |d| (id(d), before(d, now))).into_iter().collect() } else { BTreeMap::new() },
        unwanted: d.maybe(|d| before(d, now)),
    }
}

/// What a process may remember at `now`.
pub(super) fn memory(d: &mut Dice, now: Moment) -> Memory {
    let ago = |d: &mut Dice| before(d, now.mono);
    Memory {
        chain: d.maybe(|d| d.pick(&["7", "8"]).to_owned()),
        attempt: d.maybe(|d| SeenAttempt {
            id: d.word(&NONCES),
            outcome: d.pick(&[CreationOutcome::Open, CreationOutcome::Bound]),
            since: ago(d),
        }),
        machines_at_quota: d.maybe(|d| d.pick(&[0, 1, 5])),
        scripts: scripts(d, now.mono),
        write_ahead: d.maybe(|d| WriteAhead { id: d.word(&NONCES), sent: Moment { wall: around(d, now.wall), mono: ago(d) } }),
        reply: d.maybe(|d| (d.word(&NONCES), reply(d, now.wall))),
        operation: d.maybe(|d| (d.word(&NONCES), ago(d))),
        missing: d.several(2, |d| (id(d), ago(d))).into_iter().collect(),
        evidence: d.maybe(|d| evidence(d, now.mono)),
        accepted: if d.one_in(4) { d.several(2, id).into_iter().collect() } else { std::collections::BTreeSet::new() },
        mutated: d.maybe(ago),
        looked: if d.one_in(2) { ago(d) } else { Duration::ZERO },
        troubles: d.several(4, |d| (d.pick(&KINDS), trouble(d, now.mono))).into_iter().collect(),
        sent: d.several(4, |d| (d.pick(&KINDS), (d.pick(&[1, 2, 4, 0, u32::MAX]), ago(d)))).into_iter().collect(),
        power_event: d.maybe(|d| (d.word(&["ev1", "ev2"]), ago(d))),
        desktop_asked: d.maybe(|d| (d.word(&["None None"]), ago(d))),
        snapshots_failed: d.maybe(ago),
        failed_looks: d.pick(&[0, 1, u32::MAX]),
        key: d.pick(&ALL_KEYS),
        unusable: d.one_in(2),
        gone: d.maybe(|d| (d.word(&["deletion, attempt n1"]), ago(d))),
        missing_since: d.maybe(ago),
        people: people(d, now.mono),
        passing: d.maybe(|d| Box::new((state(d), ago(d)))),
    }
}

fn people(d: &mut Dice, now: Duration) -> People {
    let look = |d: &mut Dice| PeopleLook {
        until: before(d, now) + d.pick(&[Duration::ZERO, Duration::from_mins(10)]),
        because: d.maybe(|d| Because::new(d.pick(&[Reason::Applying, Reason::UserNotFound, Reason::UpdateRejected]), d.text())),
        drift: d.maybe(|d| (d.text(), d.text())),
    };
    People {
        of: d.maybe(|d| (id(d), d.pick(&[Some(1), Some(2), None]))),
        look: d.maybe(look),
        asked: d.several(2, |d| (user_id(d), (d.pick(&[1, 4, 0, u32::MAX]), before(d, now)))).into_iter().collect(),
        since: d.maybe(|d| before(d, now)),
        sent: d.several(2, |d| (user_id(d), before(d, now))).into_iter().collect(),
    }
}

/// An attempt or a restart that this process has just written down.
pub(super) fn written_ahead(d: &mut Dice, object: &mut PaperspaceMachine, memory: &mut Memory, now: Moment) {
    let ago = |d: &mut Dice| Duration::from_secs(d.pick(&[0, 1, 9, 11]));
    memory.write_ahead =
        Some(WriteAhead { id: "n1".to_owned(), sent: Moment { wall: now.wall - ago(d), mono: now.mono.saturating_sub(ago(d)) } });
    memory.reply = None;
    let status = object.status.get_or_insert_default();
    let mut creation = creation(d, now.wall);
    if d.one_in(2) {
        let mut operation = operation(d, now.wall);
        (operation.id, operation.name, operation.state) = ("n1".to_owned(), OperationName::Restart, OperationState::Open);
        status.operation = Some(operation);
    } else {
        (creation.id, creation.outcome) = ("n1".to_owned(), CreationOutcome::Open);
        (status.creation, status.machine_id, status.applied) = (Some(creation), None, None);
        (object.spec.startup_script, object.spec.adopt, object.metadata.deletion_timestamp) = (None, None, None);
        object.spec.public_ip = None;
    }
}

fn reply(d: &mut Dice, now: Timestamp) -> Reply {
    match d.below(4) {
        0 => {
            let id = id(d);
            Reply::Done(Box::new(machine(d, id, now)))
        }
        1 => Reply::Nothing(error(d)),
        2 => Reply::Script(d.word(&["sc1", "sc2"])),
        _ => Reply::Unclear(error(d)),
    }
}

/// A script's attempt that this process has just written down.
pub(super) fn script_written_ahead(d: &mut Dice, object: &mut PaperspaceMachine, memory: &mut Memory, now: Moment) {
    written_ahead(d, object, memory, now);
    let status = object.status.get_or_insert_default();
    (status.creation, status.operation) = (d.maybe(|d| creation(d, now.wall)), None);
    let creation = Creation { id: "n1".to_owned(), outcome: CreationOutcome::Open, ..creation(d, now.wall) };
    let text = d.word(&["echo one", "echo one", "echo two"]);
    let hash = Some(ScriptText::new(text).hash(false));
    status.owned_script = Some(OwnedScript { creation: Some(creation), hash, ..OwnedScript::default() });
    object.spec.startup_script = Some(StartupScript { inline: Some("echo one".to_owned()), ..StartupScript::default() });
    (object.spec.adopt, object.metadata.deletion_timestamp) = (None, None);
}

fn evidence(d: &mut Dice, now: Duration) -> Evidence {
    let since = before(d, now);
    let lists = d.several(2, |d| since + d.pick(&[Duration::from_nanos(1), Duration::from_secs(1)]));
    Evidence {
        key: d.word(&["attempt n1", "machine ps1", "deletion, attempt n1", "script attempt n1", "script removal n1"]),
        since,
        lists: lists.into_iter().filter(|l| *l <= now).collect(),
    }
}

fn trouble(d: &mut Dice, now: Duration) -> Trouble {
    Trouble { error: error(d), count: d.pick(&[1, 3, 0, u32::MAX]), at: before(d, now), generation: d.pick(&[Some(1), Some(2), None]) }
}
