//! A machine that does not exist yet, by the protocol described in [`super`].

use std::time::Duration;

use jiff::Timestamp;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Applied, Creation, CreationOutcome, PaperspaceMachineSpec, PublicIpKind, ReclaimPolicy, status::time};
use crate::paperspace::types::Machine;

use super::attached;
use super::backoff;
use super::desired;
use super::memory::{Reply, SeenAttempt};
use super::names::Mark;
use super::networks;
use super::pass::{End, Flow, Pass};
use super::prepare::{self, Prepared};
use super::script_attempt;
use super::step::{Step, StepKind};
use super::trouble;

/// A resource without a machine that is to have one.
pub(super) fn decide(p: &mut Pass, team: &str) -> End {
    match p.status.creation.clone() {
        Some(creation) if creation.outcome == CreationOutcome::Open => open(p, &creation),
        // It had a machine, and which one was lost: one look would not be enough to make another.
        Some(creation) if creation.outcome == CreationOutcome::Bound => write_placeholder(p, team),
        Some(creation) => next_attempt(p, team, &creation),
        None if p.nothing_was_tried() => begin(p, team, None),
        None => write_placeholder(p, team),
    }
}

/// Remembers since when this process has seen the attempts in the status as they are.
pub(super) fn note_attempts(p: &mut Pass) {
    let now = p.o.now.mono;
    let note = |seen: &mut Option<SeenAttempt>, creation: Option<&Creation>| {
        let same = seen.as_ref().zip(creation).is_some_and(|(a, c)| a.id == c.id && a.outcome == c.outcome);
        if !same {
            *seen = creation.map(|c| SeenAttempt { id: c.id.clone(), outcome: c.outcome, since: now });
        }
    };
    note(&mut p.memory.attempt, p.status.creation.as_ref());
    note(&mut p.memory.scripts.attempt, p.status.owned_script.as_ref().and_then(|o| o.creation.as_ref()));
}

/// Absence of memory is not proof: what may have been tried is written down, never sent, and settled. A startup script too, unless the
/// status knows of one.
pub(super) fn write_placeholder(p: &mut Pass, team: &str) -> End {
    p.status.account = Some(p.account(team));
    p.status.creation = Some(placeholder(p, team, p.status.creation.as_ref()));
    if p.status.owned_script.is_none() {
        p.status.owned_script = Some(script_attempt::placeholder(p, team, None));
    }
    p.again(Duration::ZERO);
    p.ready = Because::new(Reason::Creating, "Whether a machine was asked for before is not known: looking for one first");
    p.synced = p.ready.clone();
    p.end(Step::Nothing)
}

/// An attempt that is not sent: one that may have been.
pub(super) fn placeholder(p: &Pass, team: &str, last: Option<&Creation>) -> Creation {
    let made = p.object().metadata.creation_timestamp.as_ref().map_or(p.o.now.wall, |t| t.0);
    Creation { first_started_at: last.map_or_else(|| time(made), |l| l.first_started_at.clone()), ..attempt(p, team, last) }
}

/// The attempt that follows on the last one.
pub(super) fn attempt(p: &Pass, team: &str, last: Option<&Creation>) -> Creation {
    Creation {
        id: p.o.nonce.to_owned(),
        attempt: last.map_or(1, |l| l.attempt.saturating_add(1)),
        account: team.to_owned(),
        first_started_at: last.map_or_else(|| time(p.o.now.wall), |l| l.first_started_at.clone()),
        started_at: time(p.o.now.wall),
        closed_at: None,
        outcome: CreationOutcome::Open,
        reason: None,
        message: None,
    }
}

/// `adopt` may have been added while a create was in flight that the status has forgotten: what came of it is found out before another
/// machine takes its place, so that it is not left behind.
pub(super) fn settle_before_adopting(p: &mut Pass, team: &str) -> Flow<()> {
    match p.status.creation.clone() {
        None if !p.nothing_was_tried() => Err(write_placeholder(p, team)),
        Some(creation) if creation.outcome == CreationOutcome::Open => Err(settle(p, &creation)),
        _ => Ok(()),
    }
}

fn next_attempt(p: &mut Pass, team: &str, last: &Creation) -> End {
    if fewer_machines(p, last) {
        p.memory.troubles.remove(&StepKind::Create);
        return begin(p, team, Some(last));
    }
    if let Some((because, left)) = p.blocked(StepKind::Create) {
        let because = refusal(last).unwrap_or(because);
        return wait_refused(p, because, left);
    }
    if let Some((message, left)) = refused_before(p, StepKind::Create, last) {
        let because = refusal(last).unwrap_or_else(|| Because::new(Reason::CreateRejected, message));
        return wait_refused(p, because, left);
    }
    begin(p, team, Some(last))
}

/// Why the attempt was refused, if Paperspace refused it.
fn refusal(last: &Creation) -> Option<Because> {
    let message = last.message.clone().filter(|_| last.outcome == CreationOutcome::Refused)?;
    Some(Because::new(trouble::written(last.reason.as_deref()), message))
}

/// Waits before the next attempt; under a quota it is looked whether machines have gone meanwhile.
fn wait_refused(p: &mut Pass, because: Because, left: Duration) -> End {
    let left = if because.reason == Reason::QuotaReached { left.min(Duration::from_mins(1)) } else { left };
    p.wait(because, Some(left))
}

/// Whether the account has fewer machines than when its quota was reached.
fn fewer_machines(p: &Pass, last: &Creation) -> bool {
    let quota = last.outcome == CreationOutcome::Refused && trouble::written(last.reason.as_deref()) == Reason::QuotaReached;
    quota && p.memory.machines_at_quota.is_some_and(|then| p.o.quota.machines < then)
}

/// A refusal is also remembered over a restart: it is not repeated hot, unless the spec has changed since.
pub(super) fn refused_before(p: &Pass, kind: StepKind, last: &Creation) -> Option<(String, Duration)> {
    if p.memory.troubles.contains_key(&kind) || last.outcome != CreationOutcome::Refused {
        return None;
    }
    let (message, closed) = last.message.clone().zip(last.closed_at.as_ref())?;
    let attempts = u32::try_from(last.attempt).unwrap_or(1);
    let same_spec = p.old().and_then(|s| s.observed_generation) == p.generation();
    let left = left_of(p, closed.0, backoff::after_refusals(attempts, p.uid()))?;
    same_spec.then_some((message, left))
}

fn left_of(p: &Pass, since: Timestamp, wait: Duration) -> Option<Duration> {
    let passed = Duration::try_from(p.o.now.wall.duration_since(since)).unwrap_or_default();
    wait.checked_sub(passed).filter(|left| !left.is_zero())
}

/// Looks first; then writes an attempt down. Its request follows in the next pass.
fn begin(p: &mut Pass, team: &str, last: Option<&Creation>) -> End {
    if p.is_suspended() {
        return p.wait(Because::new(Reason::NotCreated, "spec.suspend is set: no machine is created"), None);
    }
    if p.observes() {
        return p
            .wait(Because::new(Reason::MachineMissing, "there is no machine to observe, and managementPolicy Observe creates none"), None);
    }
    if p.spec().template_id.is_none() && p.spec().template.is_none() {
        return p.wait(Because::new(Reason::CreateRejected, "without spec.templateId there is nothing to create a machine from"), None);
    }
    let prepared = match prepare::all(p) {
        Ok(prepared) => prepared,
        Err(end) => return end,
    };
    let closed_seen = p.memory.attempt.as_ref().map_or(Duration::ZERO, |a| a.since + Duration::from_nanos(1));
    let marked = match p.fresh_list(closed_seen) {
        Ok(look) => marked(&look.machines, &p.mark),
        Err(end) => return end,
    };
    let creation = attempt(p, team, last);
    p.status.account = Some(p.account(team));
    if let Some(oldest) = marked.first() {
        return bind_found(p, creation, oldest);
    }
    // The address of an earlier machine: the new one gets its own.
    if let Err(end) = attached::release_address(p) {
        return end;
    }
    p.status.creation = Some(creation);
    p.status.operation = None;
    p.status.applied = Some(applied_by_creation(p.spec(), prepared));
    p.ready = Because::new(Reason::Creating, "Asking Paperspace for the machine");
    p.synced = p.ready.clone();
    p.again(Duration::ZERO);
    p.end(Step::WriteAhead { id: p.o.nonce.to_owned(), create: true })
}

/// What the request that creates the machine says of things that cannot be read back.
fn applied_by_creation(spec: &PaperspaceMachineSpec, prepared: Prepared) -> Applied {
    let Prepared { accessors, script } = prepared;
    let named = desired::named_address(spec);
    Applied {
        startup_script_id: script,
        accessors,
        static_ip_requested: spec.public_ip.as_ref().is_some_and(|ip| ip.kind == PublicIpKind::Static) && named.is_none(),
        named_ip: named.map(str::to_owned),
        retain_ip: spec.public_ip.as_ref().is_some_and(|ip| ip.reclaim_policy == Some(ReclaimPolicy::Retain)),
        ..Applied::default()
    }
}

/// An attempt whose outcome is not in the status yet.
fn open(p: &mut Pass, creation: &Creation) -> End {
    match p.memory.reply.clone().filter(|(id, _)| *id == creation.id).map(|(_, reply)| reply) {
        Some(Reply::Done(machine)) => return bind(p, creation.clone(), &machine),
        Some(Reply::Nothing(error)) => return refused(p, creation.clone(), &error),
        Some(Reply::Unclear(_) | Reply::Script(_)) | None => {}
    }
    let may_send =
        p.memory.write_ahead.as_ref().is_some_and(|w| w.id == creation.id && p.o.now.at_most_since(&w.sent) < p.o.settings.fence());
    let body = desired::creation(p.object(), &p.status, p.o.settings.cluster_id.as_deref()).filter(|_| may_send && !p.read_only());
    // What was looked up and made before the write-ahead stays: a spec that has changed since is followed once the machine is there.
    let written = p.status.applied.clone().unwrap_or_default();
    let prepared = Prepared { accessors: written.accessors, script: written.startup_script_id };
    let applied = Applied { allocated_ip: written.allocated_ip, ..applied_by_creation(p.spec(), prepared) };
    if body.is_some() && p.status.applied.clone().unwrap_or_default() != applied {
        // The spec has changed since: what the request will say is written down before it is sent.
        p.status.applied = Some(applied);
        p.again(Duration::ZERO);
        return p.end(Step::Nothing);
    }
    if let Some(body) = body {
        p.again(Duration::ZERO);
        let timeout = p.o.settings.create_timeout();
        let creating = format!("creating a {} in {} named {}", body.machine_type, body.region, body.name);
        // The write-ahead has said so in the status: what follows there is the outcome.
        return p.end_saying("Creating", creating, Step::Create { attempt: creation.id.clone(), body: Box::new(body), timeout });
    }
    settle(p, creation)
}

/// Finds out what came of an attempt that somebody else made, or whose reply was lost.
fn settle(p: &mut Pass, creation: &Creation) -> End {
    let seen = p.memory.attempt.as_ref().map_or(p.o.now.mono, |a| a.since);
    let settled = seen + p.o.settings.settle;
    // While it settles one list per interval is enough; after that only lists that began later count.
    let look = match p.list(p.o.began.mono.saturating_sub(p.o.settings.transition)) {
        Ok(list) => list,
        Err(end) => return end,
    };
    let adopted = p.spec().adopt.as_ref().map(|a| a.machine_id.as_str());
    if let Some(oldest) = marked(&look.machines, &p.mark).into_iter().find(|m| Some(m.id.as_str()) != adopted) {
        return bind_found(p, creation.clone(), oldest);
    }
    if let Some(left) = settled.checked_sub(p.o.now.mono).filter(|left| !left.is_zero()) {
        let because = Because::new(
            Reason::Creating,
            format!(
                "The outcome of attempt {} is not known: a machine may still appear until it has been watched for {}s",
                creation.attempt,
                p.o.settings.settle.as_secs()
            ),
        );
        return p.wait(because, Some(left.min(p.o.settings.transition)));
    }
    let mark = p.mark.clone();
    match p.absent_from_two_lists(&format!("attempt {}", creation.id), settled, |m| carries(m, &mark) && Some(m.id.as_str()) != adopted) {
        Err(end) => end,
        Ok(Some(found)) => bind_found(p, creation.clone(), found),
        Ok(None) => {
            p.status.creation = Some(closed(p, creation.clone(), CreationOutcome::Expired));
            p.ready = Because::new(Reason::Creating, "The last attempt made no machine; trying again");
            p.synced = p.ready.clone();
            p.again(Duration::ZERO);
            p.end(Step::Nothing)
        }
    }
}

/// Binds a machine that a list showed, once a GET by id shows it too: a list may still show what is gone.
fn bind_found(p: &mut Pass, creation: Creation, found: &Machine) -> End {
    match p.direct(&found.id, p.o.began.mono) {
        Err(end) => end,
        Ok(Some(machine)) => bind(p, creation, machine),
        Ok(None) => {
            let because = Because::new(Reason::Creating, format!("machine {} is listed but not found; looking again", found.id));
            p.wait(because, Some(p.o.settings.transition))
        }
    }
}

fn bind(p: &mut Pass, creation: Creation, machine: &Machine) -> End {
    let attempt = creation.attempt;
    if p.spec().adopt.is_some() {
        p.status.creation = Some(closed(p, creation, CreationOutcome::Bound));
        p.normal("Created", format!("machine {} ({}) was created before this resource was to adopt another", machine.id, machine.name));
        p.again(Duration::ZERO);
        return p.end(Step::Nothing);
    }
    p.status.account = Some(crate::crd::Account { endpoint: p.o.settings.endpoint.clone(), team: creation.account.clone() });
    p.status.creation = Some(closed(p, creation, CreationOutcome::Bound));
    p.status.machine_id = Some(machine.id.clone());
    // Requests that were made before there was a machine are not made of this one.
    p.status.handled_restart_at = p.annotation(crate::crd::RESTART_REQUESTED).map(str::to_owned);
    p.status.handled_reconcile_at = p.annotation(crate::crd::RECONCILE_REQUESTED).map(str::to_owned);
    p.describe(machine);
    p.normal("Created", format!("machine {} ({}) was created, attempt {attempt}", machine.id, machine.name));
    p.ready = Because::new(Reason::Provisioning, format!("Paperspace is creating machine {}", machine.id));
    p.synced = p.ready.clone();
    p.again(Duration::ZERO);
    p.end(Step::Nothing)
}

fn refused(p: &mut Pass, creation: Creation, error: &crate::paperspace::Error) -> End {
    let mut creation = closed(p, creation, CreationOutcome::Refused);
    if error.is_refusal() {
        let because = match trouble::of_create(p, error) {
            Ok(because) => because,
            Err(end) => return end,
        };
        creation.reason = Some(because.reason.as_str().to_owned());
        creation.message = Some(because.message.clone());
        p.memory.machines_at_quota = Some(p.o.quota.machines).filter(|_| because.reason == Reason::QuotaReached);
    }
    let because = refusal(&creation);
    p.status.creation = Some(creation);
    match networks::means_another(p) {
        Ok(false) => {}
        Ok(true) => {
            // What was refused is not what would be asked for now: that is not waited with.
            p.memory.troubles.remove(&StepKind::Create);
            p.status.creation.iter_mut().for_each(|c| c.message = None);
        }
        Err(end) => return end,
    }
    if let Some((blocked, left)) = p.blocked(StepKind::Create) {
        return wait_refused(p, because.unwrap_or(blocked), left);
    }
    p.again(Duration::ZERO);
    p.end(Step::Nothing)
}

/// The attempt with its outcome, closed now.
pub(super) fn closed(p: &Pass, creation: Creation, outcome: CreationOutcome) -> Creation {
    Creation { outcome, closed_at: Some(time(p.o.now.wall)), ..creation }
}

/// The machines with this mark, the oldest first.
pub(super) fn marked<'a>(machines: &'a [Machine], mark: &Mark) -> Vec<&'a Machine> {
    let mut all: Vec<&Machine> = machines.iter().filter(|m| carries(m, mark)).collect();
    all.sort_by(|a, b| a.dt_created.cmp(&b.dt_created).then_with(|| a.id.cmp(&b.id)));
    all
}

/// Whether a machine carries this mark and is not deleted.
pub(super) fn carries(machine: &Machine, mark: &Mark) -> bool {
    machine.dt_deleted.is_none() && Mark::of_name(&machine.name).as_ref() == Some(mark)
}
