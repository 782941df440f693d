//! Type and disk, for which the machine must be off: done at the next stop, or by stopping and starting it.
//!
//! That a machine is stopped only for this is written down first, so that it is brought back whatever becomes of the change, and whoever goes
//! on with it. The operation is closed when it is back.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Operation, OperationName, OperationState, ResizePolicy, ResizeRefused, status::time};
use crate::paperspace;
use crate::paperspace::types::{Machine, MachineEvent, MachineState};

use super::change::UNHEARD;
use super::diff::{self, Difference, Mend};
use super::pass::{End, Flow, Pass};
use super::step::{Step, StepKind};
use super::{power, restart};

/// After so many failures a machine that is to be on is brought back without the change: about two minutes, in which it could be looked at.
const GIVE_UP: u32 = 8;

/// What Paperspace said against the type and disk of this generation.
pub(super) fn refused_resize<'a>(p: &'a Pass) -> Option<&'a str> {
    p.status.resize_refused.as_ref().filter(|r| r.generation == p.generation()).map(|r| r.message.as_str())
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
        return over(p, machine, if refused { OperationState::Refused } else { OperationState::Done });
    }
    match machine.state {
        // A restart that is under way is one change of power at a time.
        _ if restart::open(p).is_some() => Ok(()),
        MachineState::Off => resize_now(p, machine, &pending),
        MachineState::Ready if p.spec().resize_policy == ResizePolicy::StopAndStart => stop_first(p, machine),
        // It is not to be stopped for it any more.
        MachineState::Ready => over(p, machine, OperationState::Done),
        _ => Ok(()),
    }
}

/// Closes the operation once the machine is back: until then it is brought back.
fn over(p: &mut Pass, machine: &Machine, state: OperationState) -> Flow<()> {
    let Some(operation) = p.status.operation.clone().filter(|_| power::resizing(p) && power::is_back(p, machine)) else { return Ok(()) };
    if machine.state == MachineState::Ready {
        // It goes on saying `ready` for a while after a stop, and a stop whose reply was lost may still come.
        let events = p.machine_events(&machine.id)?;
        let mut since = events.iter().take_while(|e| Some(&e.id) != operation.last_event_seen.as_ref());
        let was_off = since.any(|e| matches!(e.name.as_str(), "stop" | "vm-shutdown-force" | "vm-upgrade"));
        if power::unfinished(events).is_some() || !(was_off || p.nothing_is_on_its_way()) {
            p.again(p.o.settings.transition);
            return Ok(());
        }
    }
    p.status.operation = Some(Operation { state, ..operation });
    Ok(())
}

fn resize_now(p: &mut Pass, machine: &Machine, pending: &[&Difference]) -> Flow<()> {
    // What is to be on does not stay off for a change that does not come about.
    let is_due_back = power::wants_on(p) == Some(true);
    if let Some(trouble) = p.memory.troubles.get(&StepKind::Resize).filter(|t| t.generation == p.generation()) {
        let passes = trouble.error.is_unauthorized() || matches!(trouble.error, paperspace::Error::Rejected { status: 429, .. });
        if trouble.error.is_refusal() || is_due_back && !passes && trouble.count >= GIVE_UP {
            let message = trouble.error.to_string();
            return Err(refuse(p, message));
        }
    }
    if let Some((because, left)) = p.blocked(StepKind::Resize) {
        p.ready = because.clone();
        return Err(p.wait(because, Some(left)));
    }
    let events = p.machine_events(&machine.id)?;
    let waits = power::unfinished(events).is_some().then_some(p.o.settings.transition).or_else(|| p.sent_recently(StepKind::Resize));
    let unheard = p.memory.sent.get(&StepKind::Resize).is_some_and(|(sent, _)| *sent >= UNHEARD).then(|| unheard(events));
    if let Some(message) = unheard {
        if is_due_back && waits.is_none() {
            return Err(refuse(p, message));
        }
        p.synced = Because::new(Reason::UpdateRejected, format!("{message}; tried again ever more slowly"));
    }
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
    p.again(Duration::ZERO);
    Err(p.end(Step::Update { id: machine.id.clone(), body: Box::new(body), resize: true }))
}

fn unheard(events: &[MachineEvent]) -> String {
    match events.iter().find(|e| e.name == "vm-upgrade").and_then(|e| e.error.as_ref()) {
        Some(error) => format!("Paperspace accepts this change and fails to make it: {error}"),
        None => "Paperspace accepts this change and does not make it".to_owned(),
    }
}

/// Remembered in the status, so that the machine is not stopped for it again and comes back.
fn refuse(p: &mut Pass, message: String) -> End {
    p.memory.sent.remove(&StepKind::Resize);
    p.status.resize_refused = Some(ResizeRefused { generation: p.generation(), message: message.clone() });
    p.synced = Because::new(Reason::UpdateRejected, message);
    p.again(Duration::ZERO);
    p.end(Step::Nothing)
}

/// Writes down that the machine is stopped only to be resized, then stops it.
fn stop_first(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if power::resizing(p) {
        return power::stop(p, machine);
    }
    let last_event_seen = p.machine_events(&machine.id)?.first().map(|e| e.id.clone());
    p.status.operation = Some(Operation {
        id: p.o.nonce.to_owned(),
        name: OperationName::Resize,
        state: OperationState::Open,
        requested_at: time(p.o.now.wall),
        generation: p.generation(),
        last_event_seen,
        error: None,
    });
    p.again(Duration::ZERO);
    Err(p.end(Step::Nothing))
}
