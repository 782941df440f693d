//! Type and disk, for which the machine must be off: done at the next stop, or by stopping and starting it.

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Operation, OperationName, OperationState, ResizePolicy, ResizeRefused, status::time};
use crate::paperspace::types::{Machine, MachineState};

use super::diff::{self, Difference, Mend};
use super::pass::{Flow, Pass};
use super::step::{Step, StepKind};
use super::{power, restart};

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
