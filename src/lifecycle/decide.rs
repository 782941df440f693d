//! What to do about one resource, now. Read this first: every other part is called from here.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{ADDRESS_OF_MACHINE, CreationOutcome, DeletionPolicy, ManagementPolicy, PaperspaceMachineSpec};

use super::names;
use super::observe::{KeySource, Observation};
use super::pass::{End, Flow, Pass};
use super::restraint::touches_paperspace;
use super::step::{Next, Step};
use super::{adopt, create, delete, exists, prepare};

/// Total: there is an answer for every observation, and for what is not understood it is to wait and to say so.
pub fn decide(o: &Observation) -> Next {
    let free = pass_over(o, None);
    let (Some(restraint), Next::Act(decision)) = (o.restraint, &free) else { return free };
    if !touches_paperspace(&decision.step) {
        return free;
    }
    let because = restraint.instead_of(decision, o);
    match pass_over(o, Some(because.clone())) {
        Next::Act(decision) if touches_paperspace(&decision.step) => Pass::tied(o, because),
        tied => tied,
    }
}

fn pass_over(o: &Observation, tied: Option<Because>) -> Next {
    let mut pass = Pass::new(o);
    pass.tied = tied;
    pass.memory.key = KeySource::Own;
    create::note_attempts(&mut pass);
    if o.object.metadata.deletion_timestamp.is_some() {
        return delete::decide(&mut pass);
    }
    match living(&mut pass) {
        Err(end) => end,
    }
}

/// What becomes of the machine when the resource is deleted.
pub fn deletion_policy(spec: &PaperspaceMachineSpec) -> DeletionPolicy {
    let default = if spec.adopt.is_some() { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
    match spec.management_policy {
        ManagementPolicy::Observe => DeletionPolicy::Retain,
        ManagementPolicy::Manage => spec.deletion_policy.unwrap_or(default),
    }
}

fn living(p: &mut Pass) -> Flow<std::convert::Infallible> {
    p.status.deletion_policy = Some(deletion_policy(p.spec()));
    restored(p)?;
    let team = p.access(false)?;
    let new = !p.has_finalizer() && p.status.machine_id.is_none() && p.status.creation.is_none();
    if new && p.spec().adopt.is_none() && !p.read_only() {
        prepare::names(p)?;
    }
    finalizer(p)?;
    let adopt = p.spec().adopt.as_ref();
    if adopt.is_some() {
        create::settle_before_adopting(p, &team)?;
    }
    let id = p.status.machine_id.clone();
    if adopt.is_some() && (p.observes() || p.status.adopted_at.is_none()) {
        adopt::allowed(p)?;
    }
    Err(match (adopt, id) {
        (Some(adopt), _) if p.observes() => {
            p.status.machine_id = Some(adopt.machine_id.clone());
            exists::decide(p, &adopt.machine_id, &team)
        }
        (Some(adopt), _) if p.status.adopted_at.is_none() => adopt::decide(p, adopt, &team),
        (Some(adopt), None) => exists::decide(p, &adopt.machine_id, &team),
        (_, Some(id)) => exists::decide(p, &id, &team),
        (None, None) => create::decide(p, &team),
    })
}

/// An object that was copied or restored from one with a machine: its own uid is new, so its mark finds nothing, and it must not create.
fn restored(p: &mut Pass) -> Flow<()> {
    let fresh = p.status.machine_id.is_none() && p.status.creation.is_none() && p.spec().adopt.is_none();
    let Some(address) = p.annotation(ADDRESS_OF_MACHINE).filter(|_| fresh) else { return Ok(()) };
    let (machine, mark) = match names::parse_address(address) {
        Some((_, _, mark)) if mark == p.mark.as_str() => return Ok(()),
        Some((_, machine, mark)) => (machine, mark),
        None => ("?", "?"),
    };
    let message = format!(
        "this object was copied or restored from one that has machine {machine}; none is created for it. To bring it to that machine, create it with \
         spec.adopt: {{machineId: {machine}, replaceMark: {mark}}}; for a new machine, remove the annotation {ADDRESS_OF_MACHINE}"
    );
    Err(p.wait(Because::new(Reason::Restored, message), None))
}

/// What is managed has the finalizer before anything else is done; what is observed has none.
fn finalizer(p: &mut Pass) -> Flow<()> {
    let open = p.status.creation.as_ref().is_some_and(|c| c.outcome == CreationOutcome::Open);
    match (p.observes(), p.has_finalizer()) {
        (true, true) if !open && (p.spec().adopt.is_none() || p.status.creation.is_some() || p.nothing_was_tried()) => {
            Err(act(p, Step::RemoveFinalizer))
        }
        (false, false) if !p.is_suspended() => Err(act(p, Step::AddFinalizer)),
        (false, false) if p.status.machine_id.is_none() && p.status.creation.is_none() && p.spec().adopt.is_none() => {
            Err(p.wait(Because::new(Reason::NotCreated, "spec.suspend is set: no machine is created"), None))
        }
        _ => Ok(()),
    }
}

fn act(p: &mut Pass, step: Step) -> End {
    p.again(Duration::ZERO);
    p.end_quietly(step)
}
