//! Destroying what a resource made, and knowing that it is gone. Nothing is destroyed that no attempt can have made.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Creation, CreationOutcome, Operation, OperationName, OperationState, status::time};
use crate::paperspace::types::Machine;

use super::addresses;
use super::attached;
use super::create::{self, carries};
use super::limit;
use super::names::Mark;
use super::observe::Question;
use super::pass::{End, Flow, Pass};
use super::step::{Step, StepKind};

/// How far the API's clock may be behind ours where its times are compared with an attempt's.
const SKEW: Duration = Duration::from_mins(1);

/// What became of the machines that the resource knows of.
pub(super) struct Known {
    /// Those that are not found any more.
    pub(super) gone: BTreeSet<String>,
    /// The bound one carries another resource's mark.
    pub(super) taken_over: bool,
}

/// Destroys what there is, one machine a pass. Goes on once everything known answers 404.
pub(super) fn all(p: &mut Pass) -> Flow<Known> {
    let bound = bound(p);
    let mut ids: BTreeSet<String> = p.memory.accepted.iter().chain(p.memory.missing.keys()).cloned().chain(bound.clone()).collect();
    // A bound machine is known; what an open attempt may have made has to be looked for.
    if p.status.creation.is_some() && (bound.is_none() || is_open(p)) {
        let list = p.list(p.o.began.mono.saturating_sub(p.o.settings.transition))?;
        ids.extend(list.machines.iter().filter(|m| may_destroy(p, m)).map(|m| m.id.clone()));
    }
    let since = p.o.began.mono.saturating_sub(p.o.settings.transition).max(p.memory.mutated.unwrap_or_default());
    let mut known = Known { gone: BTreeSet::new(), taken_over: false };
    for id in ids {
        let is_bound = bound.as_ref() == Some(&id);
        match p.direct_or_deleted(&id, since)? {
            // It is going; one that goes on being shown so is believed after a while, should the API keep its dead.
            Some(machine) if machine.dt_deleted.is_some() && accepted(p, &id) => match ending(p, &id) {
                Some(left) => {
                    p.memory.gone = None;
                    let message = format!("machine {id} is being destroyed");
                    return Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))));
                }
                None => {
                    known.gone.insert(id);
                }
            },
            Some(machine) if is_bound && is_anothers(p, machine) => known.taken_over = true,
            Some(machine) if machine.dt_deleted.is_none() && !is_ours(p, machine) => {}
            Some(machine) if machine.dt_deleted.is_none() => return Err(destroy(p, machine, is_bound)),
            None if accepted(p, &id) => {
                not_too_young(p, &id)?;
                known.gone.insert(id);
            }
            _ => {
                surely_missing(p, &id)?;
                known.gone.insert(id);
            }
        }
    }
    Ok(known)
}

/// The machine that the resource made or claimed. One that it was only told to adopt is not its own.
fn bound(p: &Pass) -> Option<String> {
    p.status.machine_id.clone().filter(|_| p.spec().adopt.is_none() || p.status.adopted_at.is_some())
}

/// Whether this machine, whatever it was when it was listed, may be destroyed as it is now.
fn is_ours(p: &Pass, machine: &Machine) -> bool {
    if bound(p).as_ref() == Some(&machine.id) || accepted(p, &machine.id) { !is_anothers(p, machine) } else { may_destroy(p, machine) }
}

/// Whether the bound machine is another resource's by now, or always was that of the object which this one is a copy of.
fn is_anothers(p: &Pass, machine: &Machine) -> bool {
    Mark::of_name(&machine.name).map_or_else(|| p.copied_from().is_some(), |mark| mark != p.mark)
}

/// A machine that nobody asked to destroy answers 404: it is gone only when it has done so for the settling time.
fn surely_missing(p: &mut Pass, id: &str) -> Flow<()> {
    let since = *p.memory.missing.entry(id.to_owned()).or_insert(p.o.now.mono);
    let Some(left) = (since + p.o.settings.settle).checked_sub(p.o.now.mono).filter(|left| !left.is_zero()) else { return Ok(()) };
    p.memory.gone = None;
    let message = format!("Paperspace does not find machine {id}; making sure that it is gone");
    Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))))
}

/// Reads may lag behind a create: a machine that was bound only just now, and whose destruction may yet fail, is looked at again.
fn not_too_young(p: &mut Pass, id: &str) -> Flow<()> {
    let bound = p.status.creation.as_ref().filter(|c| c.outcome == CreationOutcome::Bound);
    let age = bound.and_then(|c| c.closed_at.as_ref()).and_then(|at| Duration::try_from(p.o.now.wall.duration_since(at.0)).ok());
    let Some(left) = age.and_then(|age| p.o.settings.lag().checked_sub(age)).filter(|left| !left.is_zero()) else { return Ok(()) };
    p.memory.gone = None;
    let message = format!("Paperspace does not find machine {id}, which it made only just now; looking again");
    Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))))
}

/// Whether Paperspace accepted the machine's destruction.
fn accepted(p: &Pass, id: &str) -> bool {
    p.memory.accepted.contains(id) || (destroying(p).is_some() && p.status.machine_id.as_deref() == Some(id))
}

/// The destruction of the bound machine, as the status remembers it.
fn destroying<'a>(p: &'a Pass) -> Option<&'a Operation> {
    p.status.operation.as_ref().filter(|o| o.name == OperationName::Destroy && o.state == OperationState::Accepted)
}

/// For how long an accepted destruction is still waited for: one that fails later leaves no trace but the machine.
fn ending(p: &Pass, id: &str) -> Option<Duration> {
    if !accepted(p, id) {
        return None;
    }
    let by_memory = p.memory.sent.get(&StepKind::Delete).map(|(_, at)| p.o.now.mono.saturating_sub(*at));
    let by_status = || destroying(p).map(|o| Duration::try_from(p.o.now.wall.duration_since(o.requested_at.0)).unwrap_or_default());
    let age = by_memory.or_else(by_status).unwrap_or_default();
    p.o.settings.settle.checked_sub(age).filter(|left| !left.is_zero())
}

/// Address first, then the machine; each once, then its end is awaited.
fn destroy(p: &mut Pass, machine: &Machine, is_bound: bool) -> End {
    match try_destroy(p, machine, is_bound) {
        Err(end) => end,
    }
}

fn try_destroy(p: &mut Pass, machine: &Machine, is_bound: bool) -> Flow<std::convert::Infallible> {
    p.memory.gone = None;
    p.memory.missing.remove(&machine.id);
    p.ready = Because::new(Reason::Deleting, format!("machine {} is being destroyed", machine.id));
    p.synced = p.ready.clone();
    p.again(p.o.settings.transition);
    if ending(p, &machine.id).is_some() {
        return Err(p.end(Step::Nothing));
    }
    if p.o.facts.crd_terminating.is_none() {
        return Err(p.ask(Question::CrdTerminating));
    }
    addresses::note(p, machine);
    addresses::give_back(p, machine)?;
    attached::release_address(p)?;
    if let Some((because, left)) = p.blocked(StepKind::Delete) {
        return Err(p.wait(because, Some(left)));
    }
    limit::within(p, &machine.id)?;
    let again = if accepted(p, &machine.id) { " again: it is still there" } else { "" };
    p.normal("Deleting", format!("destroying machine {} ({}){again}", machine.id, machine.name));
    if is_bound {
        p.status.operation = Some(Operation {
            id: p.o.nonce.to_owned(),
            name: OperationName::Destroy,
            state: OperationState::Accepted,
            requested_at: time(p.o.now.wall),
            generation: p.generation(),
            last_event_seen: None,
            error: None,
        });
    }
    Err(p.end(Step::Delete { id: machine.id.clone() }))
}

pub(super) fn is_open(p: &Pass) -> bool {
    p.status.creation.as_ref().is_some_and(|c| c.outcome == CreationOutcome::Open)
}

/// Whether this is a machine with our mark that one of our attempts can have made.
fn may_destroy(p: &Pass, machine: &Machine) -> bool {
    carries(machine, &p.mark) && made_by(p.status.creation.as_ref(), p.o.settings.settle, machine)
}

/// Whether an attempt of this resource can have made this machine. Others with its mark, a copy made in the console say, are not touched.
pub(super) fn made_by(creation: Option<&Creation>, settle: Duration, machine: &Machine) -> bool {
    made_then(creation, settle, machine.dt_created)
}

/// Whether an attempt of this resource can have made what was made at this moment.
pub(super) fn made_then(creation: Option<&Creation>, settle: Duration, made: jiff::Timestamp) -> bool {
    let Some(Creation { first_started_at, closed_at, .. }) = creation else { return false };
    let signed = |d: Duration| jiff::SignedDuration::try_from(d).unwrap_or(jiff::SignedDuration::MAX);
    let early = first_started_at.0.duration_since(made) > signed(SKEW);
    let late = closed_at.as_ref().is_some_and(|closed| made.duration_since(closed.0) > signed(settle));
    !early && !late
}

/// Two complete lists, begun after everything was gone and nothing could come any more, without the mark.
pub(super) fn proved_gone(p: &mut Pass, gone: &BTreeSet<String>) -> Flow<()> {
    let attempt = p.status.creation.as_ref().map(|c| c.id.clone()).unwrap_or_default();
    let key = format!("deletion, attempt {attempt}");
    let since = match p.memory.gone.clone().filter(|(k, _)| *k == key) {
        Some((_, since)) => since,
        None => p.o.now.mono,
    };
    p.memory.gone = Some((key.clone(), since));
    let (creation, settle, mark) = (p.status.creation.clone(), p.o.settings.settle, p.mark.clone());
    let ours = |m: &Machine| gone.contains(&m.id) || carries(m, &mark) && made_by(creation.as_ref(), settle, m);
    let Some(found) = p.absent_from_two_lists(&key, since, ours)? else { return Ok(()) };
    p.memory.gone = None;
    // A list may lag: GET decides whether it is there.
    if let Some(machine) = p.direct(&found.id, p.o.began.mono)?.filter(|m| is_ours(p, m)) {
        return Err(destroy(p, machine, false));
    }
    let message = format!("machine {} is still listed", found.id);
    Err(p.wait(Because::new(Reason::Deleting, message), Some(p.o.settings.transition)))
}

/// Lets the resource go, and says what stays.
pub(super) fn done(p: &mut Pass, known: &Known) -> End {
    let others: Vec<&str> = create::marked(p.o.marked, &p.mark).into_iter().filter(|m| !may_destroy(p, m)).map(|m| m.id.as_str()).collect();
    let mut note = match (known.taken_over, known.gone.is_empty()) {
        (true, _) => "the machine carries another resource's mark and stays".to_owned(),
        (false, false) => format!("destroyed: {}", known.gone.iter().cloned().collect::<Vec<_>>().join(", ")),
        (false, true) => "there is no machine any more".to_owned(),
    };
    if !others.is_empty() {
        note = format!("{note}. With this resource's mark, but not made by it, and left alone: {}", others.join(", "));
    }
    p.let_go("Deleted", note)
}
