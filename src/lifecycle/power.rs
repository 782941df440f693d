//! Power: what the machine's state means, and when it is started or stopped.
//!
//! Start and stop are level-triggered: sent when the state asks for it and no operation is unfinished, so that a late or doubled one
//! heals. A machine without capacity just falls back to `off`, so a start that did not last is tried again ever more slowly.

use std::time::Duration;

use jiff::Timestamp;

use crate::crd::conditions::{Because, READY, SYNCED};
use crate::crd::reason::Reason;
use crate::crd::{Applied, OperationName, OperationState, PaperspaceMachineStatus, PowerState};
use crate::paperspace::Error;
use crate::paperspace::types::{Machine, MachineEvent, MachineState};

use super::backoff;
use super::diff::address_due;
use super::names::region_code;
use super::observe::Question;
use super::pass::{Flow, Pass};
use super::step::{Step, StepKind};
use super::trouble;

/// How long after its creation a machine may be seen off before its start is queued.
const CREATE_GRACE: Duration = Duration::from_secs(10);

/// For how many looks a machine that was just made may be off, its start under way, before the status says so.
const OFF_IN_PASSING: u32 = 2;

/// For how many looks the status need not say how far a machine is that comes up.
const COMING_UP: u32 = 6;

/// The state in one word for people.
pub(super) fn word(state: &MachineState) -> &'static str {
    match state {
        MachineState::Ready => "Running",
        MachineState::Off => "Stopped",
        MachineState::Starting | MachineState::ServiceReady => "Starting",
        MachineState::Stopping => "Stopping",
        MachineState::Restarting => "Restarting",
        MachineState::Upgrading => "Upgrading",
        MachineState::Provisioning => "Provisioning",
        MachineState::Unknown(_) => "Unknown",
    }
}

/// Whether the machine is to be on: `None` leaves it as it is.
pub(super) fn wants_on(p: &Pass) -> Option<bool> {
    match p.spec().power_state {
        PowerState::Running => Some(true),
        PowerState::Stopped => Some(false),
        // A machine that the operator stopped to resize it was on before.
        PowerState::Manual => resizing(p).then_some(true),
    }
}

/// Whether the operator stopped the machine to resize it and has not brought it back yet.
pub(super) fn resizing(p: &Pass) -> bool {
    p.status
        .operation
        .as_ref()
        .is_some_and(|o| o.name == OperationName::Resize && matches!(o.state, OperationState::Open | OperationState::Accepted))
}

/// Whether the machine is back in the power state that it had before it was stopped to be resized.
pub(super) fn is_back(p: &Pass, machine: &Machine) -> bool {
    machine.state == if p.spec().power_state == PowerState::Stopped { MachineState::Off } else { MachineState::Ready }
}

/// What `Ready` says of this state under this spec, if nothing is done about it.
pub(super) fn view(p: &Pass, machine: &Machine) -> Because {
    let id = &machine.id;
    match &machine.state {
        MachineState::Ready if p.spec().power_state == PowerState::Stopped && !p.read_only() => {
            Because::new(Reason::Stopping, format!("machine {id} is on and will be stopped"))
        }
        MachineState::Ready if address_due(machine) && machine.public_ip.is_none() => {
            Because::new(Reason::WaitingForAddress, format!("machine {id} is on; its {} address is not there yet", machine.public_ip_type))
        }
        MachineState::Ready => Because::new(Reason::Running, format!("machine {id} is on")),
        MachineState::Off if p.observes() => Because::new(Reason::Stopped, format!("machine {id} is off; it is only observed")),
        MachineState::Off => match wants_on(p) {
            Some(true) => Because::new(Reason::Starting, format!("machine {id} is off and is to be on")),
            Some(false) => Because::new(Reason::Stopped, format!("machine {id} is off, as powerState says")),
            None => Because::new(Reason::ManualOff, format!("machine {id} is off; powerState Manual leaves it so")),
        },
        MachineState::Starting | MachineState::ServiceReady => {
            Because::new(Reason::Starting, format!("machine {id} is coming up ({})", machine.state))
        }
        MachineState::Stopping => Because::new(Reason::Stopping, format!("machine {id} is going off")),
        MachineState::Restarting => Because::new(Reason::Restarting, format!("machine {id} is restarting")),
        MachineState::Upgrading => Because::new(Reason::Upgrading, format!("machine {id}'s type or disk is being changed")),
        MachineState::Provisioning => Because::new(Reason::Provisioning, format!("Paperspace is creating machine {id}")),
        MachineState::Unknown(state) => Because::new(
            Reason::UnknownState,
            format!("Paperspace says that machine {id} is {state:?}, which this operator does not know; it waits"),
        ),
    }
}

/// Starts or stops the machine if its state asks for it.
pub(super) fn decide(p: &mut Pass, machine: &Machine) -> Flow<()> {
    match machine.state {
        MachineState::Ready => {
            p.memory.passing = None;
            p.memory.sent.remove(&StepKind::Start)
        }
        MachineState::Off => p.memory.sent.remove(&StepKind::Stop),
        _ => None,
    };
    match (&machine.state, wants_on(p)) {
        (MachineState::Off, Some(true)) => start(p, machine),
        (MachineState::Ready | MachineState::ServiceReady, Some(false)) => stop(p, machine),
        (MachineState::Off, None) if p.status.started_at.is_none() => first_start(p, machine),
        _ => Ok(()),
    }
}

fn start(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if let Some((because, left)) = p.blocked(StepKind::Start) {
        let refused = p.memory.troubles.get(&StepKind::Start).map(|t| t.error.clone()).filter(Error::is_refusal);
        if let Some(error) = refused
            && let Some(because) = trouble::of_start(p, &error)?
        {
            p.ready = because;
            p.again(left);
            return Err(p.end(Step::Nothing));
        }
        return Err(p.wait(because, Some(left)));
    }
    let events = p.machine_events(&machine.id)?;
    if let Some(pending) = unfinished(events) {
        let just_made = p.old().and_then(|s| s.state.as_deref()) == Some(MachineState::Provisioning.as_str());
        if just_made && let Some(left) = in_passing(p, machine, OFF_IN_PASSING) {
            // Between being made and coming up.
            p.again_when_different(left);
            return Err(p.end_quietly(Step::Nothing));
        }
        p.ready = Because::new(Reason::Starting, format!("machine {} is off; its {} is under way", machine.id, pending.name));
        return Ok(());
    }
    if let Some((count, last)) = falls(events, p.status.started_at.as_ref().map(|t| t.0)) {
        let wait = if count == 0 { CREATE_GRACE } else { backoff::before_start(count) };
        if let Some(left) = remaining(p, last, wait) {
            p.ready = match count {
                0 => Because::new(Reason::Starting, format!("machine {} was created; its start is awaited", machine.id)),
                _ => out_of_capacity(
                    machine,
                    &format!("It went off again after {count} start(s); the next comes {} min after the last.", wait.as_secs() / 60),
                ),
            };
            p.again(left);
            return Err(p.end(Step::Nothing));
        }
        match &p.o.facts.available {
            None => return Err(p.ask(Question::Availability)),
            Some(Ok(false)) => {
                p.ready = out_of_capacity(machine, "Asked again in a minute.");
                p.again(Duration::from_mins(1));
                return Err(p.end(Step::Nothing));
            }
            // No answer is no reason not to try.
            Some(Ok(true) | Err(_)) => {}
        }
    }
    if let Some(left) = p.sent_recently(StepKind::Start) {
        p.again(left);
        return Ok(());
    }
    p.ready = Because::new(Reason::Starting, format!("machine {} was off; it is being started", machine.id));
    p.normal("Starting", format!("starting machine {}", machine.id));
    p.again(p.o.settings.transition);
    Err(p.end(Step::Start { id: machine.id.clone() }))
}

/// What is left of the time, in looks, for which a machine may be in a state without the status saying so: that is not worth a write for each
/// machine of a fleet that comes up.
fn in_passing(p: &mut Pass, machine: &Machine, looks: u32) -> Option<Duration> {
    let now = p.o.now.mono;
    let known = p.memory.passing.take().filter(|passing| passing.0 == machine.state);
    let passing = known.unwrap_or_else(|| Box::new((machine.state.clone(), now)));
    let since = passing.1;
    p.memory.passing = Some(passing);
    (since + p.o.settings.transition * looks).checked_sub(now).filter(|left| !left.is_zero())
}

/// The same of a machine that comes up, where the status would say nothing new but how far it is.
pub(super) fn comes_up_in_passing(p: &mut Pass, machine: &Machine) -> Option<Duration> {
    let old = p.old().filter(|old| old.state.as_deref() == Some(MachineState::Starting.as_str()))?;
    let reason = |kind| old.condition(kind).map(|c| (c.reason.as_str(), c.observed_generation));
    let said = |because: &Because| Some((because.reason.as_str(), p.generation()));
    let applied = p.status.applied.clone().filter(|applied| *applied != Applied::default());
    let draft = PaperspaceMachineStatus { state: old.state.clone(), conditions: old.conditions.clone(), applied, ..p.status.clone() };
    let nothing_new = machine.state == MachineState::ServiceReady
        && p.events.is_empty()
        && p.held.is_none()
        && reason(READY) == said(&p.ready)
        && reason(SYNCED) == said(&p.synced)
        && old.observed_generation == p.generation()
        && draft == *old;
    if nothing_new { in_passing(p, machine, COMING_UP) } else { None }
}

/// Whether the machine is on its way to another state, so that the next thing that happens to it is that it is in that.
pub(super) fn is_moving(state: &MachineState) -> bool {
    match state {
        MachineState::Provisioning
        | MachineState::Starting
        | MachineState::ServiceReady
        | MachineState::Stopping
        | MachineState::Restarting
        | MachineState::Upgrading => true,
        MachineState::Off | MachineState::Ready | MachineState::Unknown(_) => false,
    }
}

fn out_of_capacity(machine: &Machine, rest: &str) -> Because {
    Because::new(
        Reason::OutOfCapacity,
        format!(
            "Paperspace seems to have no {} free in {}: machine {} stays off. {rest} {}",
            machine.machine_type,
            machine.region,
            machine.id,
            trouble::never_in(&machine.machine_type, &region_code(&machine.region))
                .unwrap_or_else(|| "Another machineType or region may have some".to_owned())
        ),
    )
}

/// Stops the machine, unless it is being done.
pub(super) fn stop(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if let Some((because, left)) = p.blocked(StepKind::Stop) {
        return Err(p.wait(because, Some(left)));
    }
    let events = p.machine_events(&machine.id)?;
    p.ready = Because::new(Reason::Stopping, format!("machine {} is being stopped", machine.id));
    if unfinished(events).is_some() {
        return Ok(());
    }
    if let Some(left) = p.sent_recently(StepKind::Stop) {
        p.again(left);
        return Ok(());
    }
    p.normal("Stopping", format!("stopping machine {}", machine.id));
    p.again(p.o.settings.transition);
    Err(p.end(Step::Stop { id: machine.id.clone() }))
}

/// Manual: the start that was asked for at creation may still be on its way.
fn first_start(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if p.spec().adopt.is_some() {
        return Ok(());
    }
    let events = p.machine_events(&machine.id)?;
    let coming = unfinished(events).is_some();
    let created = events.iter().find(|e| e.name == "create").filter(|_| !events.iter().any(|e| e.name == "start"));
    let grace = created.and_then(|event| remaining(p, event, CREATE_GRACE)).is_some();
    if coming || grace {
        p.ready = Because::new(Reason::Starting, format!("machine {} was created; its start is awaited", machine.id));
    }
    Ok(())
}

/// An operation of the machine that has not ended.
pub(super) fn unfinished(events: &[MachineEvent]) -> Option<&MachineEvent> {
    // Billing and snapshots do not stand in the way of a start or stop.
    let in_the_way =
        |e: &&MachineEvent| !e.name.starts_with("bill-") && !e.name.starts_with("snapshot-") && !e.name.starts_with("template-");
    events.iter().filter(in_the_way).find(|e| e.is_unfinished())
}

/// How many starts in a row ended with the machine off, and when the last one ended. 0 is a machine that was only created. Nothing, if
/// the last thing that happened to its power was a stop, or if it was seen up since its last start.
pub(super) fn falls(events: &[MachineEvent], seen_up: Option<Timestamp>) -> Option<(u32, &MachineEvent)> {
    let power = |e: &&MachineEvent| matches!(e.name.as_str(), "create" | "start" | "restart" | "stop" | "vm-shutdown-force" | "vm-upgrade");
    let ups: Vec<&MachineEvent> =
        events.iter().filter(power).take_while(|e| matches!(e.name.as_str(), "create" | "start" | "restart")).collect();
    let last = ups.first()?;
    // The status keeps whole seconds.
    if seen_up.is_some_and(|up| up.as_second() >= last.dt_created.as_second()) {
        return None;
    }
    let starts = ups.iter().filter(|e| e.name != "create").count();
    Some((u32::try_from(starts).unwrap_or(u32::MAX), last))
}

/// What is left of a wait that began when this event ended. Paperspace's clock may be ahead of ours: then it began when this process first
/// saw the event.
fn remaining(p: &mut Pass, event: &MachineEvent, wait: Duration) -> Option<Duration> {
    if p.memory.power_event.as_ref().is_none_or(|(id, _)| *id != event.id) {
        p.memory.power_event = Some((event.id.clone(), p.o.now.mono));
    }
    let ended = event.dt_finished.unwrap_or(event.dt_created);
    let passed = Duration::try_from(p.o.now.wall.duration_since(ended)).unwrap_or_default();
    let seen = p.memory.power_event.as_ref().map_or(p.o.now.mono, |(_, since)| *since);
    let watched = p.o.now.mono.saturating_sub(seen);
    wait.checked_sub(passed.max(watched)).filter(|left| !left.is_zero())
}
