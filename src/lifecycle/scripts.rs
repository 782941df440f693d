//! Startup scripts: which one a machine is to have, and the ones that the operator makes ("owned": from `inline`, a ConfigMap or a Secret).
//!
//! An owned script is made by the protocol of [`super`], in [`super::script_attempt`], and removed by [`super::script_removal`]. It costs
//! nothing and holds no data, but it may hold secrets, and what is left over nobody would ever remove.
//!
//! # What is remembered
//!
//! `status.ownedScript` says which attempt was made last and what the script certainly holds: `hash` is there only while the script with
//! this id has exactly this text and `runOnce`. So it is taken away before a change is sent, and put back once Paperspace has said that it
//! was made; a change whose reply is lost is sent again, which does no harm. What remains: a change that Paperspace makes only after it has
//! made the next one, since the text can never be read back.
//!
//! # Absence of memory
//!
//! The status is always written whole, and whatever writes `creation` or `adoptedAt` anew where it is not certain what was tried before
//! (a placeholder in [`super::create`], the claim in [`super::adopt`]) writes a placeholder for the script with it. So an absent
//! `ownedScript` beside either of them proves that no script was tried: such a resource makes no call about scripts. Beside neither, only
//! an unbroken chain of this process's own writes proves it.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{CreationOutcome, OwnedScript, StartupScript as Wish};
use crate::paperspace::Error;

use super::looks::trouble_with;
use super::pass::{Flow, Pass};
use super::script_attempt;
use super::script_removal;

/// How soon scripts are listed again after that failed.
const UNREADABLE: Duration = Duration::from_secs(30);

/// The startup script that a machine is to have.
pub(super) enum Wanted {
    /// None.
    Nothing,
    /// The one with this id.
    Script(String),
    /// One that is not there yet, or not certain to be what it should.
    NotYet,
}

/// Why something is not done yet, and how soon to look again.
pub(super) struct Wait {
    pub(super) because: Because,
    pub(super) after: Duration,
    /// Kubernetes could not be asked: nothing follows from that.
    pub(super) blind: bool,
}

impl Wait {
    pub(super) fn new(reason: Reason, message: impl Into<String>, after: Duration) -> Self {
        Self { because: Because::new(reason, message), after, blind: false }
    }
}

/// Which script the machine is to have, as far as it is known.
pub(super) fn wanted(p: &Pass) -> Wanted {
    match (&p.spec().startup_script, &p.status.owned_script) {
        (None, _) => Wanted::Nothing,
        (Some(Wish { script_id: Some(id), .. }), _) => Wanted::Script(id.clone()),
        (Some(_), Some(owned)) if is_bound(owned) && owned.hash.is_some() => owned.script_id.clone().map_or(Wanted::NotYet, Wanted::Script),
        (Some(_), _) => Wanted::NotYet,
    }
}

/// What the spec says of a script that the operator is to make.
fn own_wish<'a>(p: &Pass<'a>) -> Option<&'a Wish> {
    p.spec().startup_script.as_ref().filter(|s| s.script_id.is_none())
}

fn is_bound(owned: &OwnedScript) -> bool {
    owned.creation.as_ref().is_some_and(|c| c.outcome == CreationOutcome::Bound)
}

/// Whether it is certain that no script was ever made for the resource.
pub(super) fn none_was_tried(p: &Pass) -> bool {
    let written_with = p.status.creation.is_some() || p.status.adopted_at.is_some();
    p.status.owned_script.is_none() && (written_with || p.chain_unbroken())
}

/// The startup script that a machine is created with; ends the pass while it still has to be made.
pub(super) fn before_creating(p: &mut Pass) -> Flow<Option<String>> {
    let Some(wish) = own_wish(p) else { return Ok(p.spec().startup_script.as_ref().and_then(|s| s.script_id.clone())) };
    match script_attempt::made(p, wish.run_once)? {
        Ok(id) => Ok(Some(id)),
        Err(Wait { because, after, .. }) => {
            let because = match because.reason {
                Reason::UpdateRejected => Because::new(Reason::CreateRejected, format!("the startup script: {}", because.message)),
                _ => because,
            };
            Err(p.wait(because, Some(after)))
        }
    }
}

/// Makes the script of a machine that exists, and keeps it up to date. Nothing else has to wait for that: what the machine has stays.
pub(super) fn follow(p: &mut Pass) -> Flow<()> {
    let Some(wish) = own_wish(p) else { return Ok(()) };
    if let Some(error) = unreadable(p) {
        p.synced = trouble_with(error);
        return Ok(());
    }
    if let Err(Wait { because, after, blind }) = script_attempt::made(p, wish.run_once)? {
        if !(blind && p.is_idle()) {
            p.synced = because;
        }
        p.again(after);
    }
    Ok(())
}

/// Scripts cannot be listed: that must not keep the machine from being started or stopped.
fn unreadable<'a>(p: &mut Pass<'a>) -> Option<&'a Error> {
    let error = p.o.facts.scripts.as_ref()?.as_ref().err()?;
    p.again(error.retry_after().unwrap_or_default().max(UNREADABLE));
    Some(error)
}

/// Removes the owned script of a living resource that wants none any more, once the machine does not have it any more.
pub(super) fn retire(p: &mut Pass) -> Flow<()> {
    let Some(owned) = p.status.owned_script.clone().filter(|_| own_wish(p).is_none()) else { return Ok(()) };
    let still_has_it = owned.script_id.is_some() && owned.script_id == p.applied().startup_script_id;
    if still_has_it || unreadable(p).is_some() {
        return Ok(());
    }
    match script_removal::removed(p)? {
        Ok(()) => p.status.owned_script = None,
        Err(Wait { because, after, .. }) => {
            // That nobody knows yet whether there is one is nothing that the spec asks for.
            if because.reason == Reason::UpdateRejected {
                p.synced = because;
            }
            p.again(after);
        }
    }
    Ok(())
}

/// Removes what was made for a resource that goes, once its machine is gone.
pub(super) fn remove(p: &mut Pass) -> Flow<()> {
    if p.status.owned_script.is_none() {
        return Ok(());
    }
    match script_removal::removed(p)? {
        Ok(()) => Ok(()),
        Err(Wait { because, after, .. }) => Err(p.wait(because, Some(after))),
    }
}

/// What becomes of the owned script of a machine that stays.
pub(super) enum Left {
    /// There is none, or none that is known of.
    Nothing,
    /// It stays with the machine.
    Script(String),
    /// No machine has it: it has to be removed.
    Unused,
}

/// Of a resource that lets its machine stay. A placeholder is not waited for: if there is a script at all, the machine has it.
pub(super) fn left(p: &mut Pass) -> Left {
    let Some(owned) = p.status.owned_script.clone() else { return Left::Nothing };
    if p.read_only() {
        return Left::Nothing;
    }
    let has_machine = p.status.machine_id.is_some();
    match owned.creation.map(|c| c.outcome) {
        Some(CreationOutcome::Bound) if has_machine && p.applied().startup_script_id == owned.script_id => {
            owned.script_id.map_or(Left::Nothing, Left::Script)
        }
        Some(CreationOutcome::Bound) => Left::Unused,
        Some(CreationOutcome::Open) if owned.hash.is_some() => Left::Unused,
        _ => Left::Nothing,
    }
}
