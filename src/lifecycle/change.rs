//! Bringing a machine to its spec: what differs is reported, then mended in place, or while it is off.

use jiff::Timestamp;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{
    Drift, DriftAction, Operation, OperationName, OperationState, PublicIpKind, ReclaimPolicy, ResizePolicy, ResizeRefused, status::time,
};
use crate::paperspace::types::{Machine, MachineState, PublicIpType};

use super::diff::{self, Difference, Mend};
use super::pass::{Flow, Pass};
use super::step::{Step, StepKind};
use super::{power, restart};

/// After so many updates that were accepted and did not show, a person should know: about two minutes.
const UNHEARD: u32 = 4;

/// Most entries of `status.drift`, as its schema allows.
const MOST_DRIFT: usize = 32;

/// Whether differences are drift: at this generation the machine was as it should be, or drift was seen already.
fn is_drift(p: &Pass) -> bool {
    p.old().and_then(|s| s.condition(crate::crd::conditions::SYNCED)).is_some_and(|synced| {
        synced.observed_generation == p.generation() && (synced.status == "True" || synced.reason == Reason::Drifted.as_str())
    })
}

/// Puts the differences into the status, and what they mean into `Synced`.
pub(super) fn report(p: &mut Pass, machine: &Machine, differences: &[Difference]) {
    let drifted = is_drift(p);
    let now = p.o.now.wall;
    let old = p.old().map(|s| s.drift.clone()).unwrap_or_default();
    p.status.drift = differences.iter().take(MOST_DRIFT).map(|d| entry(d, &old, now)).collect();
    let new: Vec<String> = differences.iter().filter(|d| !old.iter().any(|o| o.field == d.field)).map(ToString::to_string).collect();
    if drifted && !new.is_empty() && !p.observes() {
        p.warning("DriftDetected", format!("machine {} was changed behind the resource's back: {}", machine.id, new.join("; ")));
    }
    p.synced = synced(p, machine, differences, drifted);
}

fn entry(difference: &Difference, old: &[Drift], now: Timestamp) -> Drift {
    let known = old.iter().find(|o| o.field == difference.field);
    Drift {
        field: difference.field.to_owned(),
        desired: difference.desired.clone(),
        observed: difference.observed.clone(),
        since: known.map_or_else(|| time(now), |o| o.since.clone()),
        action: match difference.mend {
            Mend::InPlace => DriftAction::Correct,
            Mend::AfterStop => DriftAction::NeedsStop,
            Mend::Never => DriftAction::Report,
        },
    }
}

fn synced(p: &Pass, machine: &Machine, differences: &[Difference], drifted: bool) -> Because {
    if p.observes() {
        return Because::new(Reason::Observed, format!("machine {} is only read", machine.id));
    }
    let said = |mend: Mend| differences.iter().filter(|d| d.mend == mend).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let has = |mend: Mend| differences.iter().any(|d| d.mend == mend);
    if has(Mend::Never) {
        return Because::new(
            Reason::Unmendable,
            format!(
                "this cannot be changed on machine {}: {}. Make the spec say what the machine is, or create another one",
                machine.id,
                said(Mend::Never)
            ),
        );
    }
    if let Some(error) = refused_resize(p).filter(|_| has(Mend::AfterStop)) {
        return Because::new(Reason::UpdateRejected, format!("{}: {error}", said(Mend::AfterStop)));
    }
    if has(Mend::InPlace) {
        let reason = if drifted { Reason::Drifted } else { Reason::Applying };
        return Because::new(reason, format!("being changed: {}", said(Mend::InPlace)));
    }
    if has(Mend::AfterStop) {
        if machine.state == MachineState::Off || p.spec().resize_policy == ResizePolicy::StopAndStart {
            return Because::new(Reason::Applying, format!("being changed: {}", said(Mend::AfterStop)));
        }
        return Because::new(
            Reason::PendingStop,
            format!(
                "waits until the machine is off: {}. Stop it (powerState: Stopped), or set resizePolicy: StopAndStart",
                said(Mend::AfterStop)
            ),
        );
    }
    Because::new(Reason::Synced, format!("machine {} is what the spec says", machine.id))
}

/// What Paperspace said against the type and disk of this generation.
fn refused_resize<'a>(p: &'a Pass) -> Option<&'a str> {
    p.status.resize_refused.as_ref().filter(|r| r.generation == p.generation()).map(|r| r.message.as_str())
}

/// Whether an update may be sent in this state.
fn settled(machine: &Machine) -> bool {
    matches!(machine.state, MachineState::Off | MachineState::Ready)
}

/// One update for everything that can be changed at any time.
pub(super) fn in_place(p: &mut Pass, machine: &Machine, differences: &[Difference]) -> Flow<()> {
    let mendable: Vec<&Difference> = differences.iter().filter(|d| d.mend == Mend::InPlace).collect();
    if mendable.is_empty() {
        p.memory.troubles.remove(&StepKind::Update);
        p.memory.sent.remove(&StepKind::Update);
        return Ok(());
    }
    if !settled(machine) {
        return Ok(());
    }
    if let Some((because, left)) = p.blocked(StepKind::Update) {
        p.synced = because;
        p.again(left);
        return Ok(());
    }
    let body = diff::update(p.object(), machine, &mendable);
    let has_address = p.applied().allocated_ip.is_some();
    if body.public_ip_type == Some(PublicIpType::Static) && (has_address || !p.applied().static_ip_requested) {
        // The address of before is not needed any more, and this one is written down first: one that comes without a reply must still be
        // known as the operator's.
        release_address(p)?;
        p.applied().static_ip_requested = true;
        p.again(std::time::Duration::ZERO);
        return Err(p.end(Step::Nothing));
    }
    let sent = p.memory.sent.get(&StepKind::Update).map_or(0, |(count, _)| *count);
    let second_step = sent == 1 && two_steps(machine, &mendable);
    let list = mendable.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if sent > 0 {
        if sent >= UNHEARD {
            let message = format!("Paperspace accepts this change and does not make it, tried again ever more slowly: {list}");
            p.synced = Because::new(Reason::UpdateRejected, message);
        }
        // An update that queued work shows only when that is done; one that did not take is sent again, ever more slowly.
        let events = p.machine_events(&machine.id)?;
        if power::unfinished(events).is_some() {
            p.again(p.o.settings.transition);
            return Ok(());
        }
        if let Some(left) = p.sent_recently(StepKind::Update).filter(|_| !second_step) {
            p.again(left);
            return Ok(());
        }
    }
    if sent == 0 || second_step {
        let (reason, what) = if p.synced.reason == Reason::Drifted { ("DriftCorrected", "set back") } else { ("Updated", "changed") };
        p.normal(reason, format!("machine {}: {what} {list}", machine.id));
    }
    p.again(std::time::Duration::ZERO);
    Err(p.end(Step::Update { id: machine.id.clone(), body: Box::new(body), resize: false }))
}

/// Whether this is the second step of a change that takes two: auto-shutdown was disabled to be enabled anew.
fn two_steps(machine: &Machine, differences: &[&Difference]) -> bool {
    !machine.auto_shutdown_enabled && differences.iter().any(|d| d.field == "autoShutdown" && d.desired != "off")
}

/// The startup script, which cannot be read back from the machine: what was applied is in the status.
pub(super) fn scripts(p: &mut Pass, id: &str) -> Flow<()> {
    let wanted = p.spec().startup_script.as_ref().map(|s| s.script_id.clone());
    let applied = p.applied().startup_script_id.clone();
    if wanted == applied {
        return Ok(());
    }
    let machine = id.to_owned();
    let (step, note) = match (applied, &wanted) {
        (Some(script), _) => (Step::UnassignScript { script: script.clone(), machine }, format!("startup script {script} unassigned")),
        (None, Some(script)) => {
            (Step::AssignScript { script: script.clone(), machine }, format!("startup script {script} assigned; it runs at the next start"))
        }
        (None, None) => return Ok(()),
    };
    if let Some((because, left)) = p.blocked(step.kind()) {
        p.synced = because;
        p.again(left);
        return Ok(());
    }
    // What was assigned is replaced in two steps.
    p.applied().startup_script_id = wanted.filter(|_| matches!(step, Step::AssignScript { .. }));
    p.normal("Updated", format!("machine {id}: {note}"));
    p.again(std::time::Duration::ZERO);
    Err(p.end(step))
}

/// What was set once and is turned off when its field goes; and static addresses that are no longer needed.
pub(super) fn addresses(p: &mut Pass, machine: &Machine) -> Flow<()> {
    let spec = p.spec();
    if p.status.adopted_at.is_some() {
        let applied = p.applied();
        applied.auto_shutdown = spec.auto_shutdown.is_some() || (applied.auto_shutdown && machine.auto_shutdown_enabled);
        applied.auto_snapshot = spec.auto_snapshot.is_some() || (applied.auto_snapshot && machine.auto_snapshot_enabled);
        applied.restore_point = spec.restore_point.is_some() || (applied.restore_point && machine.restore_point_enabled);
    }
    if let Some(ip) = spec.public_ip.as_ref().filter(|ip| ip.kind == PublicIpKind::Static) {
        p.applied().retain_ip = ip.reclaim_policy == Some(ReclaimPolicy::Retain);
        return Ok(());
    }
    let left_static = spec.public_ip.is_some() && machine.public_ip_type != PublicIpType::Static;
    if left_static { release_address(p) } else { Ok(()) }
}
/// Gives the address back that the operator allocated and that is no longer needed, or leaves it with the team, as `reclaimPolicy` says.
pub(super) fn release_address(p: &mut Pass) -> Flow<()> {
    let Some(ip) = p.applied().allocated_ip.clone() else { return Ok(()) };
    let asked = p.spec().public_ip.as_ref().is_some_and(|ip| ip.reclaim_policy == Some(ReclaimPolicy::Retain));
    let retain = p.applied().retain_ip || asked;
    let refused = p.memory.troubles.get(&StepKind::ReleaseIp).filter(|t| t.error.is_refusal()).map(|t| t.error.to_string());
    if let (false, None, Some((because, left))) = (retain, &refused, p.blocked(StepKind::ReleaseIp)) {
        return Err(p.wait(because, Some(left)));
    }
    forget_address(p);
    if retain {
        p.normal("Retained", format!("static address {ip} stays with the team, which goes on paying for it"));
        return Ok(());
    }
    if let Some(error) = refused {
        p.memory.troubles.remove(&StepKind::ReleaseIp);
        p.warning("AddressNotReleased", format!("static address {ip} stays with the team, which goes on paying for it: {error}"));
        return Ok(());
    }
    p.normal("AddressReleased", format!("static address {ip} is no longer needed and is released"));
    p.again(std::time::Duration::ZERO);
    Err(p.end(Step::ReleaseIp { ip }))
}

fn forget_address(p: &mut Pass) {
    let applied = p.applied();
    (applied.allocated_ip, applied.static_ip_requested, applied.retain_ip) = (None, false, false);
}

/// Type and disk, for which the machine must be off.
pub(super) fn resize(p: &mut Pass, machine: &Machine, differences: &[Difference]) -> Flow<()> {
    let pending: Vec<&Difference> = differences.iter().filter(|d| d.mend == Mend::AfterStop).collect();
    if pending.is_empty() {
        p.memory.sent.remove(&StepKind::Resize);
        p.memory.troubles.remove(&StepKind::Resize);
        p.status.resize_refused = None;
    }
    let refused = refused_resize(p).is_some();
    if pending.is_empty() || refused {
        let back = power::resizing(p) && power::is_back(p, machine);
        if let Some(operation) = p.status.operation.as_mut().filter(|_| back) {
            operation.state = if refused { OperationState::Refused } else { OperationState::Done };
        }
        return Ok(());
    }
    match machine.state {
        // A restart that is under way is one change of power at a time.
        _ if restart::open(p).is_some() => Ok(()),
        MachineState::Off => resize_now(p, machine, &pending),
        MachineState::Ready if p.spec().resize_policy == ResizePolicy::StopAndStart => stop_first(p, machine),
        _ => Ok(()),
    }
}

fn resize_now(p: &mut Pass, machine: &Machine, pending: &[&Difference]) -> Flow<()> {
    if let Some(trouble) = p.memory.troubles.get(&StepKind::Resize).filter(|t| t.error.is_refusal() && t.generation == p.generation()) {
        // Remembered in the status, so that the machine is not stopped for it again and comes back.
        let message = trouble.error.to_string();
        p.status.resize_refused = Some(ResizeRefused { generation: p.generation(), message: message.clone() });
        p.synced = Because::new(Reason::UpdateRejected, message);
        p.again(std::time::Duration::ZERO);
        return Err(p.end(Step::Nothing));
    }
    if let Some((because, left)) = p.blocked(StepKind::Resize) {
        p.ready = because.clone();
        return Err(p.wait(because, Some(left)));
    }
    let events = p.machine_events(&machine.id)?;
    let waits = power::unfinished(events).is_some().then_some(p.o.settings.transition).or_else(|| p.sent_recently(StepKind::Resize));
    if let Some(wait) = waits {
        p.ready = Because::new(Reason::Upgrading, format!("machine {}'s type or disk is being changed", machine.id));
        p.again(wait);
        return Err(p.end(Step::Nothing));
    }
    let body = diff::update(p.object(), machine, pending);
    if !p.memory.sent.contains_key(&StepKind::Resize) {
        let list = pending.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        p.normal("Updated", format!("machine {}: changed {list}", machine.id));
    }
    p.ready = Because::new(Reason::Upgrading, format!("machine {}'s type or disk is being changed", machine.id));
    p.again(std::time::Duration::ZERO);
    Err(p.end(Step::Update { id: machine.id.clone(), body: Box::new(body), resize: true }))
}

/// Writes down that the machine is stopped only to be resized, then stops it.
fn stop_first(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if power::resizing(p) {
        return power::stop(p, machine);
    }
    p.status.operation = Some(Operation {
        id: p.o.nonce.to_owned(),
        name: OperationName::Resize,
        state: OperationState::Open,
        requested_at: time(p.o.now.wall),
        generation: p.generation(),
        last_event_seen: None,
        error: None,
    });
    p.again(std::time::Duration::ZERO);
    Err(p.end(Step::Nothing))
}
