//! A restart, asked for by annotation: sent at most once for each value.
//!
//! It is written down before it is sent. After a lost reply the machine's events say whether it happened; where they do not, it is reported
//! and not repeated, because a restart that nobody asked for costs more than one that was not made.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Operation, OperationName, OperationState, PowerState, RESTART_REQUESTED, status::time};
use crate::paperspace::types::{Machine, MachineEvent, MachineState};

use super::memory::Reply;
use super::pass::{Flow, Pass};
use super::power;
use super::step::Step;

/// A restart that was written down and whose outcome is not known yet.
pub(super) fn open(p: &Pass) -> Option<Operation> {
    p.status.operation.clone().filter(|o| o.name == OperationName::Restart && o.state == OperationState::Open)
}

/// Acts on the annotation, if it asks for something.
pub(super) fn decide(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if let Some(operation) = open(p) {
        return resolve(p, machine, operation);
    }
    let Some(asked) = p.annotation(RESTART_REQUESTED).filter(|a| p.status.handled_restart_at.as_deref() != Some(*a)) else { return Ok(()) };
    if p.spec().power_state == PowerState::Stopped {
        p.status.handled_restart_at = Some(asked.to_owned());
        p.normal("RestartSkipped", "a restart was asked for, but powerState is Stopped");
        return Ok(());
    }
    let manual_off = p.spec().power_state == PowerState::Manual && machine.state == MachineState::Off;
    if power::resizing(p) || !(machine.state == MachineState::Ready || manual_off) {
        return Ok(());
    }
    let events = p.machine_events(&machine.id)?;
    if power::unfinished(events).is_some() {
        p.again(p.o.settings.transition);
        return Ok(());
    }
    // This value is handled by this operation, whatever becomes of it: a value that comes meanwhile is another request.
    p.status.handled_restart_at = Some(asked.to_owned());
    p.status.operation = Some(Operation {
        id: p.o.nonce.to_owned(),
        name: OperationName::Restart,
        state: OperationState::Open,
        requested_at: time(p.o.now.wall),
        generation: p.generation(),
        last_event_seen: events.first().map(|e| e.id.clone()),
        error: None,
    });
    p.again(Duration::ZERO);
    Err(p.end(Step::WriteAhead { id: p.o.nonce.to_owned(), create: false }))
}

fn resolve(p: &mut Pass, machine: &Machine, operation: Operation) -> Flow<()> {
    if p.memory.operation.as_ref().is_none_or(|(id, _)| *id != operation.id) {
        p.memory.operation = Some((operation.id.clone(), p.o.now.mono));
    }
    let since = p.memory.operation.as_ref().map_or(p.o.now.mono, |(_, since)| *since);
    match p.memory.reply.clone().filter(|(id, _)| *id == operation.id).map(|(_, reply)| reply) {
        Some(Reply::Done(_)) => return Err(close(p, machine, operation, OperationState::Accepted, None)),
        Some(Reply::Nothing(error)) => return Err(close(p, machine, operation, OperationState::Refused, Some(error.to_string()))),
        Some(Reply::Unclear(_) | Reply::Script(_)) | None => {}
    }
    let written = p.memory.write_ahead.clone().filter(|w| w.id == operation.id);
    if written.is_some_and(|w| p.o.now.at_most_since(&w.sent) < p.o.settings.fence()) {
        p.again(Duration::ZERO);
        let step = Step::Restart { id: machine.id.clone(), operation: operation.id, off: machine.state == MachineState::Off };
        return Err(p.end(step));
    }
    let events = p.machine_events(&machine.id)?;
    if happened(events, operation.last_event_seen.as_deref()) {
        return Err(close(p, machine, operation, OperationState::Accepted, None));
    }
    if p.o.now.mono.saturating_sub(since) >= p.o.settings.settle {
        return Err(close(p, machine, operation, OperationState::Uncertain, None));
    }
    p.ready = Because::new(Reason::Restarting, format!("whether machine {} was restarted is not known yet", machine.id));
    p.again(p.o.settings.transition);
    Err(p.end(Step::Nothing))
}

/// By the server's order, not by clocks.
fn happened(events: &[MachineEvent], last_seen: Option<&str>) -> bool {
    events.iter().take_while(|e| Some(e.id.as_str()) != last_seen).any(|e| matches!(e.name.as_str(), "restart" | "start"))
}

fn close(p: &mut Pass, machine: &Machine, operation: Operation, state: OperationState, error: Option<String>) -> super::pass::End {
    let id = &machine.id;
    match (state, &error) {
        (OperationState::Accepted, _) => p.normal("Restarted", format!("machine {id} was restarted, as the annotation asked")),
        (_, Some(error)) => {
            p.warning("UpdateRejected", format!("machine {id} was not restarted: {error}. A new value of the annotation asks again"));
        }
        (_, None) => p.warning(
            "RestartUncertain",
            format!("whether machine {id} was restarted cannot be told, and it is not repeated; a new value of the annotation asks again"),
        ),
    }
    p.status.operation = Some(Operation { state, error, ..operation });
    if state == OperationState::Accepted {
        // The machine goes on saying `ready` for some seconds.
        p.ready = Because::new(Reason::Restarting, format!("machine {id} is restarting"));
    }
    p.again(p.o.settings.transition);
    p.end(Step::Nothing)
}
