//! A resource that is being deleted: in which order, what holds it, and whose key is used.
//!
//! What an attempt may still bring about is waited for, whatever was found meanwhile; [`super::destroy`] does the destroying.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{CreationOutcome, DeletionPolicy};

use super::account::Unusable;
use super::decide::deletion_policy;
use super::observe::KeySource;
use super::pass::{End, Flow, Pass};
use super::scripts::Left;
use super::step::Step;
use super::{attached, create, destroy, scripts};

/// The deletion of one resource.
pub(super) fn decide(p: &mut Pass) -> End {
    match run(p) {
        Err(end) => end,
    }
}

fn run(p: &mut Pass) -> Flow<std::convert::Infallible> {
    if !p.has_finalizer() {
        return Err(p.end_quietly(Step::Nothing));
    }
    p.ready = Because::new(Reason::Deleting, "the resource is being deleted");
    p.synced = p.ready.clone();
    let policy = deletion_policy(p.spec());
    p.status.deletion_policy = Some(policy);
    if policy == DeletionPolicy::Retain {
        return Err(retain(p));
    }
    held(p)?;
    let nothing_was_tried = p.nothing_was_tried();
    if nothing_was_tried && p.status.adopted_at.is_none() && p.status.owned_script.is_none() {
        return Err(p.let_go("Deleted", "no machine was made or claimed"));
    }
    let (key, team) = usable_key(p)?;
    if p.status.creation.is_none() && !nothing_was_tried {
        return Err(create::write_placeholder(p, &team));
    }
    let known = destroy::all(p)?;
    if let Some(left) = hold_left(p) {
        p.memory.gone = None;
        let message = "an attempt to create a machine may still bring one about; it is waited for, so that none is left behind";
        return Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))));
    }
    destroy::proved_gone(p, &known.gone)?;
    if !known.taken_over {
        attached::release_address(p)?;
    }
    // The script of a machine that was taken over stays with it.
    if !(known.taken_over && matches!(scripts::left(p), Left::Script(_))) {
        scripts::remove(p)?;
    }
    if let Err(unusable) = p.try_key(key, true)? {
        return Err(p.no_access(unusable));
    }
    Err(destroy::done(p, &known))
}

/// What keeps the machine although the resource is being deleted.
fn held(p: &mut Pass) -> Flow<()> {
    if let Some(because) = p.tied.clone() {
        p.held = Some(because);
        return Err(p.end(Step::Nothing));
    }
    let (reason, why) = match (p.spec().deletion_protection, p.spec().suspend, p.o.facts.crd_terminating) {
        (true, _, _) => (Reason::DeletionProtected, "spec.deletionProtection is set"),
        (_, true, _) => (Reason::DeletionHeld, "spec.suspend is set"),
        (_, _, Some(true)) => (
            Reason::DeletionHeld,
            "the CustomResourceDefinition is being deleted, was made anew since, or cannot be read, which must not destroy machines",
        ),
        _ => return Ok(()),
    };
    let message = format!(
        "{why}: the machine is kept and the resource waits. {}. To destroy it: take back what holds it",
        how_to_keep_the_machine(p)
    );
    p.held = Some(Because::new(reason, message));
    if reason == Reason::DeletionHeld {
        // The CRD is not watched.
        p.again(Duration::from_mins(1));
    }
    Err(p.end(Step::Nothing))
}

/// What to type for a machine that shall stay.
pub(super) fn how_to_keep_the_machine(p: &Pass) -> String {
    let meta = &p.object().metadata;
    let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    format!(
        "To keep the machine and let the resource go: kubectl patch psm {name} -n {namespace} --type merge -p \
         '{{\"spec\":{{\"deletionPolicy\":\"Retain\"}}}}'"
    )
}

/// The machine stays, with its startup script. An open attempt is waited for all the same, so that the event can name what stays.
fn retain(p: &mut Pass) -> End {
    match retained(p) {
        Ok(note) => p.let_go("Retained", note),
        Err(end) => end,
    }
}

/// What stays.
fn retained(p: &mut Pass) -> Flow<String> {
    let closed = p.status.creation.as_ref().map_or_else(|| p.nothing_was_tried(), |c| c.outcome != CreationOutcome::Open);
    let mut ids: BTreeSet<String> = p.status.machine_id.iter().cloned().collect();
    let left = scripts::left(p);
    if closed && !matches!(left, Left::Unused) {
        ids.extend(create::marked(p.o.marked, &p.mark).into_iter().map(|m| m.id.clone()));
        return Ok(stays(&ids, left));
    }
    let (_, team) = match usable_key(p) {
        Ok(usable) => usable,
        Err(_) if p.memory.unusable && closed => {
            return Ok(format!(
                "{}; no usable API key is left to remove the startup script whose name ends in {}",
                stays(&ids, left),
                p.mark
            ));
        }
        Err(_) if p.memory.unusable => {
            return Ok(format!(
                "no usable API key is left: a machine whose name ends in {} may still appear and then stays on Paperspace",
                p.mark
            ));
        }
        Err(end) => return Err(end),
    };
    if !closed {
        if p.status.creation.is_none() {
            return Err(create::write_placeholder(p, &team));
        }
        if let Some(left) = hold_left(p) {
            let message = "the outcome of an attempt to create a machine is waited for, to say which machine stays";
            return Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))));
        }
        let list = p.fresh_list(settled_at(p))?;
        ids.extend(create::marked(&list.machines, &p.mark).into_iter().map(|m| m.id.clone()));
    }
    // One that no machine has would be left behind. A machine whose outcome was not known may have been made with it.
    if matches!(left, Left::Unused) && (closed || ids.is_empty()) {
        scripts::remove(p)?;
    }
    Ok(stays(&ids, left))
}

fn stays(ids: &BTreeSet<String>, left: Left) -> String {
    let machines = ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match left {
        _ if ids.is_empty() => "there is no machine".to_owned(),
        Left::Script(script) => format!("{machines} stays on Paperspace, with its startup script {script}"),
        Left::Nothing | Left::Unused => format!("{machines} stays on Paperspace"),
    }
}

/// For deletion alone: the resource's key, else the one last used for it, else the operator's, as long as it opens the resource's team. A
/// namespace takes its Secrets first.
fn usable_key(p: &mut Pass) -> Flow<(KeySource, String)> {
    p.memory.unusable = false;
    let fallbacks: &[KeySource] = if p.status.account.is_some() { &[KeySource::Remembered, KeySource::Operator] } else { &[] };
    let mut own = Because::new(Reason::CredentialsMissing, "there is no API key");
    let mut unanswered = None;
    for key in [KeySource::Own].iter().chain(fallbacks) {
        match p.try_key(*key, false)? {
            Ok(team) => {
                p.memory.key = *key;
                return Ok((*key, team));
            }
            Err(Unusable::Unknown(error)) => unanswered = unanswered.or(Some(error)),
            Err(Unusable::Because(because)) if *key == KeySource::Own => own = because,
            Err(Unusable::Because(_)) => {}
        }
    }
    // A key that Paperspace could not be asked about may be usable yet.
    if let Some(error) = unanswered {
        return Err(p.look_failed(&error));
    }
    p.memory.unusable = true;
    let team = p.status.account.as_ref().map_or("?", |a| a.team.as_str()).to_owned();
    let message = format!(
        "{}. The resource is being deleted and its machine cannot be reached: give it a key of team {team} again, or keep the machine with spec.deletionPolicy: Retain",
        own.message
    );
    Err(p.no_access(Unusable::Because(Because { message, ..own })))
}

/// For how long an open attempt still has to be watched.
fn hold_left(p: &Pass) -> Option<Duration> {
    if !destroy::is_open(p) {
        return None;
    }
    settled_at(p).checked_sub(p.o.now.mono).filter(|left| !left.is_zero())
}

fn settled_at(p: &Pass) -> Duration {
    p.memory.attempt.as_ref().map_or(p.o.now.mono, |a| a.since) + p.o.settings.settle
}
