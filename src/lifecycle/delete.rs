//! A resource that is being deleted: its machine is destroyed and known to be gone before the finalizer goes.
//!
//! What an attempt may still bring about is waited for, whatever was found meanwhile. Nothing is destroyed that no attempt can have made.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Creation, CreationOutcome, DeletionPolicy, Operation, OperationName, OperationState, ReclaimPolicy, status::time};
use crate::paperspace::types::{Machine, PublicIpType};

use super::account::Unusable;
use super::create::{self, carries};
use super::decide::deletion_policy;
use super::names::Mark;
use super::observe::{KeySource, Question};
use super::pass::{End, Flow, Pass};
use super::step::{Step, StepKind};

/// How far the API's clock may be behind ours where its times are compared with an attempt's.
const SKEW: Duration = Duration::from_mins(1);

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
    let adopts = p.spec().adopt.is_some();
    let unclaimed = adopts && p.status.adopted_at.is_none();
    let untouched = !adopts && p.status.machine_id.is_none() && p.status.creation.is_none() && p.chain_unbroken();
    if policy == DeletionPolicy::Retain {
        return Err(retain(p));
    }
    held(p)?;
    if unclaimed || untouched {
        return Err(let_go(p, "Deleted", "no machine was made or claimed"));
    }
    let (key, team) = usable_key(p)?;
    if !adopts && p.status.creation.is_none() {
        return Err(create::write_placeholder(p, &team));
    }
    let gone = destroy_all(p)?;
    if let Some(left) = hold_left(p) {
        p.memory.gone = None;
        let message = "an attempt to create a machine may still bring one about; it is waited for, so that none is left behind";
        return Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))));
    }
    proved_gone(p, gone)?;
    if let Err(unusable) = p.try_key(key, true)? {
        return Err(p.no_access(unusable));
    }
    Err(let_go(p, "Deleted", "the machine is destroyed"))
}

/// What keeps the machine although the resource is being deleted.
fn held(p: &mut Pass) -> Flow<()> {
    let (reason, why) = match (p.spec().deletion_protection, p.spec().suspend, p.o.facts.crd_terminating) {
        (true, _, _) => (Reason::DeletionProtected, "spec.deletionProtection is set"),
        (_, true, _) => (Reason::DeletionHeld, "spec.suspend is set"),
        (_, _, Some(true)) => {
            (Reason::DeletionHeld, "the CustomResourceDefinition is being deleted or cannot be read, which must not destroy machines")
        }
        _ => return Ok(()),
    };
    let meta = &p.object().metadata;
    let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let message = format!(
        "{why}: the machine is kept and the resource waits. To keep the machine and let the resource go: kubectl patch psm {name} -n {namespace} --type merge -p \
         '{{\"spec\":{{\"deletionPolicy\":\"Retain\"}}}}'. To destroy it: take back what holds it"
    );
    p.held = Some(Because::new(reason, message));
    if reason == Reason::DeletionHeld {
        // The CRD is not watched.
        p.again(Duration::from_mins(1));
    }
    Err(p.end(Step::Nothing))
}

/// The machine stays. An open attempt is waited for all the same, so that the event can name what stays.
fn retain(p: &mut Pass) -> End {
    let id = p.status.machine_id.clone();
    let stays = |id: Option<&str>| id.map_or_else(|| "there is no machine".to_owned(), |id| format!("machine {id} stays on Paperspace"));
    let closed = p.status.creation.as_ref().map_or_else(|| p.chain_unbroken(), |c| c.outcome != CreationOutcome::Open);
    if p.spec().adopt.is_some() || closed {
        return let_go(p, "Retained", &stays(id.as_deref()));
    }
    let (_, team) = match usable_key(p) {
        Ok(usable) => usable,
        Err(_) if p.memory.unusable => {
            p.events.clear();
            return let_go(p, "Retained", &format!("no usable API key is left: a machine whose name ends in {} may still appear", p.mark));
        }
        Err(end) => return end,
    };
    if p.status.creation.is_none() {
        return create::write_placeholder(p, &team);
    }
    let list = match p.fresh_list(Duration::ZERO) {
        Ok(list) => list,
        Err(end) => return end,
    };
    let found = create::marked(&list.machines, &p.mark).first().map(|m| m.id.clone());
    match hold_left(p) {
        Some(left) => {
            let message = "the outcome of an attempt to create a machine is waited for, to say which machine stays";
            p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition)))
        }
        None => let_go(p, "Retained", &stays(found.as_deref())),
    }
}

fn let_go(p: &mut Pass, reason: &'static str, note: &str) -> End {
    p.normal(reason, note);
    p.end_quietly(Step::RemoveFinalizer)
}

/// For deletion alone: the resource's key, else the one last used for it, else the operator's, as long as it opens the resource's team. A
/// namespace takes its Secrets first.
fn usable_key(p: &mut Pass) -> Flow<(KeySource, String)> {
    p.memory.unusable = false;
    let mut first: Option<Unusable> = None;
    let fallbacks: &[KeySource] = if p.status.account.is_some() { &[KeySource::Remembered, KeySource::Operator] } else { &[] };
    for key in [KeySource::Own].iter().chain(fallbacks) {
        match p.try_key(*key, false)? {
            Ok(team) => {
                p.memory.key = *key;
                p.memory.keyless_since = None;
                return Ok((*key, team));
            }
            Err(Unusable::Unknown(error)) if *key == KeySource::Own => return Err(p.look_failed(&error)),
            Err(unusable) => {
                first.get_or_insert(unusable);
            }
        }
    }
    p.memory.unusable = true;
    let team = p.status.account.as_ref().map_or("?", |a| a.team.as_str()).to_owned();
    let because = match first {
        Some(Unusable::Because(because)) => because,
        _ => Because::new(Reason::CredentialsMissing, "there is no API key"),
    };
    let message = format!(
        "{}. The resource is being deleted and its machine cannot be reached: give it a key of team {team} again, or keep the machine with spec.deletionPolicy: Retain",
        because.message
    );
    Err(p.no_access(Unusable::Because(Because { message, ..because })))
}

/// Destroys what there is, one machine a pass. Goes on once everything known answers 404: with the ids of those.
fn destroy_all(p: &mut Pass) -> Flow<BTreeSet<String>> {
    let bound = p.status.machine_id.clone();
    let mut ids: BTreeSet<String> = p.memory.accepted.iter().cloned().chain(bound.clone()).collect();
    // A bound machine is known; what an open attempt may have made has to be looked for.
    if p.spec().adopt.is_none() && (bound.is_none() || is_open(p)) {
        let list = p.list(p.o.began.mono.saturating_sub(p.o.settings.transition))?;
        ids.extend(
            create::marked(&list.machines, &p.mark)
                .into_iter()
                .filter(|m| made_by(p.status.creation.as_ref(), p.o.settings.settle, m))
                .map(|m| m.id.clone()),
        );
    }
    let since = p.o.began.mono.saturating_sub(p.o.settings.transition).max(p.memory.mutated.unwrap_or_default());
    let mut gone = BTreeSet::new();
    for id in ids {
        let is_bound = bound.as_ref() == Some(&id);
        match p.direct(&id, since)? {
            Some(machine) if is_bound && Mark::of_name(&machine.name).is_some_and(|m| m != p.mark) => {
                // Taken over: another resource's machine now.
            }
            Some(machine) => return Err(destroy(p, machine, is_bound)),
            None if is_bound && !accepted(p, &id) => {
                let since = match p.memory.missing.clone().filter(|(missing, _)| *missing == id) {
                    Some((_, since)) => since,
                    None => p.o.now.mono,
                };
                p.memory.missing = Some((id.clone(), since));
                if let Some(left) = (since + p.o.settings.settle).checked_sub(p.o.now.mono).filter(|left| !left.is_zero()) {
                    p.memory.gone = None;
                    let message = format!("Paperspace does not find machine {id}; making sure that it is gone");
                    return Err(p.wait(Because::new(Reason::Deleting, message), Some(left.min(p.o.settings.transition))));
                }
                gone.insert(id);
            }
            None => {
                gone.insert(id);
            }
        }
    }
    Ok(gone)
}

fn accepted(p: &Pass, id: &str) -> bool {
    let written = p.status.operation.as_ref().is_some_and(|o| o.name == OperationName::Destroy && o.state == OperationState::Accepted);
    p.memory.accepted.contains(id) || (written && p.status.machine_id.as_deref() == Some(id))
}

/// Address first, then the machine; each once, then its end is awaited.
fn destroy(p: &mut Pass, machine: &Machine, is_bound: bool) -> End {
    p.memory.gone = None;
    p.memory.missing = None;
    let waiting = Because::new(Reason::Deleting, format!("machine {} is being destroyed", machine.id));
    if accepted(p, &machine.id) {
        return p.wait(waiting, Some(p.o.settings.transition));
    }
    if p.o.facts.crd_terminating.is_none() {
        return p.ask(Question::CrdTerminating);
    }
    if let Some(ip) = address_to_release(p, machine) {
        if let Some((because, left)) = p.blocked(StepKind::ReleaseIp) {
            return p.wait(because, Some(left));
        }
        p.normal("Deleting", format!("releasing static address {ip}"));
        p.applied().allocated_ip = None;
        p.applied().static_ip_requested = false;
        p.ready = waiting.clone();
        p.synced = waiting;
        p.again(Duration::ZERO);
        return p.end(Step::ReleaseIp { ip });
    }
    if let Some((because, left)) = p.blocked(StepKind::Delete) {
        return p.wait(because, Some(left));
    }
    p.normal("Deleting", format!("destroying machine {} ({})", machine.id, machine.name));
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
    p.ready = waiting.clone();
    p.synced = waiting;
    p.again(p.o.settings.transition);
    p.end(Step::Delete { id: machine.id.clone() })
}

/// The static address that came with this machine, if it is the operator's to release.
fn address_to_release(p: &mut Pass, machine: &Machine) -> Option<String> {
    let ip = machine.public_ip.clone().filter(|_| machine.public_ip_type == PublicIpType::Static)?;
    let spec_retains = p.spec().public_ip.as_ref().is_some_and(|s| s.reclaim_policy == Some(ReclaimPolicy::Retain));
    let applied = p.applied();
    if spec_retains || applied.retain_ip || !applied.static_ip_requested {
        return None;
    }
    // Where the machine was never bound, its address is the one that the attempt asked for.
    match &applied.allocated_ip {
        Some(allocated) => (*allocated == ip).then_some(ip),
        None => Some(ip),
    }
}

/// For how long an open attempt still has to be watched.
fn hold_left(p: &Pass) -> Option<Duration> {
    if p.spec().adopt.is_some() || !is_open(p) {
        return None;
    }
    let seen = p.memory.attempt.as_ref().map_or(p.o.now.mono, |a| a.since);
    (seen + p.o.settings.settle).checked_sub(p.o.now.mono).filter(|left| !left.is_zero())
}

fn is_open(p: &Pass) -> bool {
    p.status.creation.as_ref().is_none_or(|c| c.outcome == CreationOutcome::Open)
}

/// Whether an attempt of this resource can have made this machine. Others with its mark, a copy made in the console say, are not touched.
fn made_by(creation: Option<&Creation>, settle: Duration, machine: &Machine) -> bool {
    let Some(Creation { first_started_at, closed_at, .. }) = creation else { return false };
    let signed = |d: Duration| jiff::SignedDuration::try_from(d).unwrap_or(jiff::SignedDuration::MAX);
    let made = machine.dt_created;
    let early = first_started_at.0.duration_since(made) > signed(SKEW);
    let late = closed_at.as_ref().is_some_and(|closed| made.duration_since(closed.0) > signed(settle));
    !early && !late
}

/// Two complete lists, begun after everything was gone and nothing could come any more, without the mark.
fn proved_gone(p: &mut Pass, gone: BTreeSet<String>) -> Flow<()> {
    let attempt = p.status.creation.as_ref().map(|c| c.id.clone()).unwrap_or_default();
    let key = format!("deletion, attempt {attempt}");
    let since = match p.memory.gone.clone().filter(|(k, _)| *k == key) {
        Some((_, since)) => since,
        None => p.o.now.mono,
    };
    p.memory.gone = Some((key.clone(), since));
    let mark = p.mark.clone();
    let adopts = p.spec().adopt.is_some();
    let (creation, settle) = (p.status.creation.clone(), p.o.settings.settle);
    let ours = |m: &Machine| gone.contains(&m.id) || (!adopts && carries(m, &mark) && made_by(creation.as_ref(), settle, m));
    let Some(found) = p.absent_from_two_lists(&key, since, ours)? else { return Ok(()) };
    p.memory.gone = None;
    // A list may lag: GET decides whether it is there.
    match p.direct(&found.id, p.o.began.mono)? {
        Some(machine) => Err(destroy(p, machine, false)),
        None => {
            let message = format!("machine {} is still listed", found.id);
            Err(p.wait(Because::new(Reason::Deleting, message), Some(p.o.settings.transition)))
        }
    }
}
