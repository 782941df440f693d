//! Making a startup script exactly once, by the protocol of [`super`], and keeping its text up to date.
//!
//! As with machines: a mark in the name, a look first, the attempt in the status before its one request, the fence, and an attempt whose
//! outcome is not known stays open until it was watched for the settling time and two complete lists lacked the mark.
//!
//! One thing is simpler. Design asks for a GET before a machine is bound that only a list showed, since lists may show what is gone. A script
//! that a list showed has a text that nobody knows, so it is given its text before it counts: that PUT is the look at the script itself, and
//! until it has succeeded the attempt stays as it is. Where it answers 404 the next list decides.
//!
//! The text that a request carries is the one whose hash stands in the status: if the source has changed since the write-ahead, the new hash
//! is written first and the request follows in the next pass, if the fence still allows it. So whoever binds the script by its reply, also
//! after a restart, knows what is in it.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Creation, CreationOutcome, Operation, OperationName, OperationState, OwnedScript, ScriptSource};
use crate::paperspace::types::StartupScript;

use super::create::{self, closed};
use super::memory::Reply;
use super::observe::{Listing, Question, SourceLook};
use super::pass::{Flow, Pass};
use super::script_removal::{Ours, belongs};
use super::script_text::ScriptText;
use super::scripts::{Wait, none_was_tried};
use super::step::{Step, StepKind};
use super::{desired, names};

/// How soon a source that is missing or cannot be read is tried again; a change of it is seen at once.
const SOURCE: Duration = Duration::from_mins(5);
const BLIND: Duration = Duration::from_secs(30);

/// What the script is to be.
struct Content<'a> {
    source: &'a ScriptSource,
    text: &'a ScriptText,
    run_once: bool,
    hash: String,
}

/// The id of the script, certain to hold what it should; or what is waited for. Ends the pass where there is something to do.
pub(super) fn made(p: &mut Pass, run_once: bool) -> Flow<Result<String, Wait>> {
    p.memory.scripts.unwanted = None;
    answered(p);
    let content = match content(p, run_once)? {
        Ok(content) => content,
        Err(wait) => return Ok(Err(wait)),
    };
    let Some(owned) = p.status.owned_script.clone() else {
        return if none_was_tried(p) { begin(p, None, &content) } else { reopen(p) };
    };
    match (owned.creation.clone(), owned.script_id.clone()) {
        (Some(last), _) if last.outcome == CreationOutcome::Open => open(p, &owned, &last, &content),
        (Some(last), Some(id)) if last.outcome == CreationOutcome::Bound => {
            if owned.hash.as_ref() == Some(&content.hash) {
                still_there(p, &owned, &last, id)
            } else {
                update(p, &owned, &last, id, &content)
            }
        }
        (Some(last), None) if last.outcome != CreationOutcome::Bound => next(p, &owned, &last, &content),
        _ => reopen(p),
    }
}

fn content<'a>(p: &mut Pass<'a>, run_once: bool) -> Flow<Result<Content<'a>, Wait>> {
    Ok(match &p.o.facts.script_text {
        None => return Err(p.ask(Question::ScriptText)),
        Some(SourceLook::Text { source, text }) => Ok(Content { source, text, run_once, hash: text.hash(run_once) }),
        Some(SourceLook::Missing(message)) => Err(Wait::new(Reason::ScriptSourceMissing, message, SOURCE)),
        Some(SourceLook::NotLabelled(message)) => Err(Wait::new(Reason::SecretNotLabelled, message, SOURCE)),
        Some(SourceLook::Unknown(error)) => {
            let message = format!("the startup script's text could not be read; retrying. {error}");
            Err(Wait { blind: true, ..Wait::new(Reason::KubernetesUnavailable, message, BLIND) })
        }
    })
}

/// Closes the attempt that this process's own request was answered for.
pub(super) fn answered(p: &mut Pass) {
    let Some(owned) = p.status.owned_script.clone() else { return };
    let Some(creation) = owned.creation.clone().filter(|c| c.outcome == CreationOutcome::Open) else { return };
    let Some((_, reply)) = p.memory.reply.clone().filter(|(id, _)| *id == creation.id) else { return };
    let (outcome, script_id, message) = match reply {
        Reply::Script(id) => (CreationOutcome::Bound, Some(id), None),
        Reply::Nothing(error) => (CreationOutcome::Refused, None, error.is_refusal().then(|| error.to_string())),
        Reply::Unclear(_) | Reply::Done(_) => return,
    };
    if let Some(id) = &script_id {
        p.normal("Updated", format!("startup script {id} was made, attempt {}", creation.attempt));
    }
    let creation = Creation { message, ..closed(p, creation, outcome) };
    p.status.owned_script = Some(OwnedScript { script_id, creation: Some(creation), ..owned });
}

/// Says what is being done, in the conditions that it concerns.
fn working(p: &mut Pass, message: &str) {
    p.again(Duration::ZERO);
    if p.status.machine_id.is_some() {
        p.synced = Because::new(Reason::Applying, message);
    } else {
        p.ready = Because::new(Reason::Creating, message);
        p.synced = p.ready.clone();
    }
}

fn waiting(p: &Pass, message: impl Into<String>, after: Duration) -> Wait {
    let reason = if p.status.machine_id.is_some() { Reason::Applying } else { Reason::Creating };
    Wait::new(reason, message, after)
}

fn blocked(p: &Pass, kind: StepKind) -> Option<Wait> {
    p.blocked(kind).map(|(because, after)| Wait { because, after, blind: false })
}

fn team(p: &mut Pass) -> Flow<String> {
    match &p.status.account {
        Some(account) => Ok(account.team.clone()),
        None => p.access(false),
    }
}

/// An attempt that is not sent, but settled: one may have been made.
pub(super) fn placeholder(p: &Pass, team: &str, last: Option<&Creation>) -> OwnedScript {
    let creation = create::placeholder(p, team, last);
    // Another id than the machine's: what is known of one attempt must not be taken for knowledge of the other.
    let creation = Creation { id: format!("{}-script", creation.id), ..creation };
    OwnedScript { creation: Some(creation), ..OwnedScript::default() }
}

/// What may have been tried, or is not found any more, is settled before another is made.
fn reopen<T>(p: &mut Pass) -> Flow<T> {
    let team = team(p)?;
    let last = p.status.owned_script.take().and_then(|o| o.creation);
    p.status.account = Some(p.account(&team));
    p.status.owned_script = Some(placeholder(p, &team, last.as_ref()));
    working(p, "Whether there is a startup script is not known: looking for one first");
    Err(p.end(Step::Nothing))
}

fn next(p: &mut Pass, owned: &OwnedScript, last: &Creation, content: &Content) -> Flow<Result<String, Wait>> {
    // Another text is another wish.
    if owned.hash.as_ref() == Some(&content.hash) {
        if let Some(wait) = blocked(p, StepKind::CreateScript) {
            return Ok(Err(wait));
        }
        if let Some((message, left)) = create::refused_before(p, StepKind::CreateScript, last) {
            return Ok(Err(Wait::new(Reason::UpdateRejected, message, left)));
        }
    }
    begin(p, Some(last), content)
}

/// Looks first; then writes an attempt down. Its request follows in the next pass.
fn begin(p: &mut Pass, last: Option<&Creation>, content: &Content) -> Flow<Result<String, Wait>> {
    // There is one place for a reply: what came of a restart is found out first.
    let restarts = |o: &Operation| o.name == OperationName::Restart && o.state == OperationState::Open;
    if p.status.operation.as_ref().is_some_and(restarts) {
        return Ok(Err(waiting(p, "The startup script is made once the restart is over", p.o.settings.transition)));
    }
    let team = team(p)?;
    let seen = p.memory.scripts.attempt.as_ref().map_or(Duration::ZERO, |a| a.since + Duration::from_nanos(1));
    let rows = p.listing(Listing::Scripts, p.just_now().max(seen), |f| &f.scripts)?;
    let creation = create::attempt(p, &team, last);
    // Whatever was made for this resource was made after it.
    let ever = create::placeholder(p, &team, last);
    if let Some(oldest) = oldest(p, &rows.items, &ever) {
        return take(p, creation, oldest, content);
    }
    p.status.account = Some(p.account(&team));
    p.status.owned_script = Some(OwnedScript {
        script_id: None,
        creation: Some(creation),
        source: Some(content.source.clone()),
        hash: Some(content.hash.clone()),
    });
    working(p, "Asking Paperspace for the startup script");
    Err(p.end(Step::WriteAhead { id: p.o.nonce.to_owned(), create: true }))
}

/// An attempt whose outcome is not in the status yet.
fn open(p: &mut Pass, owned: &OwnedScript, creation: &Creation, content: &Content) -> Flow<Result<String, Wait>> {
    let written = p.memory.write_ahead.as_ref().filter(|w| w.id == creation.id);
    let may_send = written.is_some_and(|w| p.o.now.at_most_since(&w.sent) < p.o.settings.fence()) && !p.read_only();
    if !may_send {
        return settle(p, creation, content);
    }
    if owned.hash.as_ref() != Some(&content.hash) {
        let (source, hash) = (Some(content.source.clone()), Some(content.hash.clone()));
        p.status.owned_script = Some(OwnedScript { source, hash, ..owned.clone() });
        working(p, "Asking Paperspace for the startup script");
        return Err(p.end(Step::Nothing));
    }
    working(p, "Paperspace was asked for the startup script");
    let name = names::machine_name(&desired::base_name(p.object()), p.o.settings.cluster_id.as_deref(), &p.mark);
    let (attempt, timeout) = (creation.id.clone(), p.o.settings.create_timeout());
    Err(p.end(Step::CreateScript { attempt, name, text: content.text.clone(), run_once: content.run_once, timeout }))
}

/// Finds out what came of an attempt that somebody else made, or whose reply was lost.
fn settle(p: &mut Pass, creation: &Creation, content: &Content) -> Flow<Result<String, Wait>> {
    let transition = p.o.settings.transition;
    let settled = p.memory.scripts.attempt.as_ref().map_or(p.o.now.mono, |a| a.since) + p.o.settings.settle;
    let list = p.listing(Listing::Scripts, p.o.began.mono.saturating_sub(transition), |f| &f.scripts)?;
    if let Some(oldest) = oldest(p, &list.items, creation) {
        return take(p, creation.clone(), oldest, content);
    }
    if let Some(left) = settled.checked_sub(p.o.now.mono).filter(|left| !left.is_zero()) {
        let message = format!(
            "The outcome of attempt {} to make the startup script is not known: it may still appear until it has been watched for {}s",
            creation.attempt,
            p.o.settings.settle.as_secs()
        );
        return Ok(Err(waiting(p, message, left.min(transition))));
    }
    let (mark, settle) = (p.mark.clone(), p.o.settings.settle);
    let key = format!("script attempt {}", creation.id);
    if let Some(found) = p.absent_from_two_script_lists(&key, settled, |row| belongs(row, &mark, Some(creation), settle))? {
        return take(p, creation.clone(), found, content);
    }
    let expired = closed(p, creation.clone(), CreationOutcome::Expired);
    p.status.owned_script = Some(OwnedScript { creation: Some(expired), ..p.status.owned_script.clone().unwrap_or_default() });
    working(p, "The last attempt made no startup script; trying again");
    Err(p.end(Step::Nothing))
}

/// The oldest script that one of these attempts can have made.
fn oldest<'a>(p: &Pass, rows: &'a [StartupScript], creation: &Creation) -> Option<&'a StartupScript> {
    let ours = rows.iter().filter(|row| belongs(row, &p.mark, Some(creation), p.o.settings.settle));
    ours.min_by(|a, b| a.dt_created.cmp(&b.dt_created).then_with(|| a.id.cmp(&b.id)))
}

/// Binds a script that a list showed, by giving it its text.
fn take(p: &mut Pass, creation: Creation, row: &StartupScript, content: &Content) -> Flow<Result<String, Wait>> {
    if let Some(wait) = blocked(p, StepKind::UpdateScript) {
        return Ok(Err(wait));
    }
    let id = row.id.clone();
    // The machine may have it already, which a lost status does not know.
    let runs_it = p.status.machine_id.as_ref().is_some_and(|machine| row.assigned_machine_ids.contains(machine));
    if runs_it && p.applied().startup_script_id.is_none() {
        p.applied().startup_script_id = Some(id.clone());
    }
    let team = creation.account.clone();
    p.status.account = Some(p.account(&team));
    let creation = closed(p, creation, CreationOutcome::Bound);
    p.normal("Updated", format!("startup script {id} ({}) was found, and given the text that it is to have", row.name));
    Err(send(p, creation, id, content))
}

/// The text goes to the script; what it has then is remembered when that is done.
fn send(p: &mut Pass, creation: Creation, id: String, content: &Content) -> super::pass::End {
    p.status.owned_script = Some(OwnedScript {
        script_id: Some(id.clone()),
        creation: Some(creation),
        source: Some(content.source.clone()),
        hash: Some(content.hash.clone()),
    });
    working(p, "The startup script is being given its text");
    p.end(Step::UpdateScript { script: id, text: content.text.clone(), run_once: content.run_once })
}

/// The script has another text than it should.
fn update(p: &mut Pass, owned: &OwnedScript, last: &Creation, id: String, content: &Content) -> Flow<Result<String, Wait>> {
    // What Paperspace refused was another text.
    let newer = owned.hash.is_some() || owned.source.as_ref() != Some(content.source);
    if let Some(wait) = blocked(p, StepKind::UpdateScript).filter(|_| !newer) {
        return Ok(Err(wait));
    }
    if let Err(wait) = look(p, owned, last, &id)? {
        return Ok(Err(wait));
    }
    if newer {
        // From the moment that the change is sent nobody knows what the script holds, until its reply is there.
        p.memory.troubles.remove(&StepKind::UpdateScript);
        p.status.owned_script = Some(OwnedScript { hash: None, source: Some(content.source.clone()), ..owned.clone() });
        working(p, "The startup script is being changed");
        return Err(p.end(Step::Nothing));
    }
    let from = if content.source.kind == "PaperspaceMachine" { "spec.startupScript" } else { content.source.kind.as_str() };
    p.normal("Updated", format!("startup script {id}: changed as {from} says; it runs at the next start"));
    Err(send(p, last.clone(), id, content))
}

/// Nothing is to be changed. Before a machine is made with it, and when the machine could not be given it, the script is looked at.
fn still_there(p: &mut Pass, owned: &OwnedScript, last: &Creation, id: String) -> Flow<Result<String, Wait>> {
    let refused = p.memory.troubles.get(&StepKind::AssignScript).is_some_and(|t| t.error.is_not_found());
    let before_creating = p.status.machine_id.is_none() && !is_young(p, last);
    if !(refused || before_creating) {
        return Ok(Ok(id));
    }
    Ok(look(p, owned, last, &id)?.map(|()| id))
}

/// Reads may lag behind what was bound only just now.
fn is_young(p: &Pass, last: &Creation) -> bool {
    let bound = last.closed_at.as_ref().and_then(|at| Duration::try_from(p.o.now.wall.duration_since(at.0)).ok());
    bound.is_some_and(|age| age < p.o.settings.settle)
}

/// Whether the script is there and this resource's; one that is not is forgotten, and settled before another takes its place. A status may
/// be a copy of another resource's.
fn look(p: &mut Pass, owned: &OwnedScript, last: &Creation, id: &str) -> Flow<Result<(), Wait>> {
    let rows = p.listing(Listing::Scripts, p.just_now(), |f| &f.scripts)?;
    match rows.items.iter().find(|row| row.id == id && row.dt_deleted.is_none()) {
        Some(row) if Ours::of(p, owned).has(row) => Ok(Ok(())),
        None if is_young(p, last) => {
            Ok(Err(waiting(p, format!("startup script {id} is not listed yet; looking again"), p.o.settings.transition)))
        }
        _ => {
            p.warning("DriftDetected", format!("startup script {id} is not there any more, or carries the mark of another resource"));
            reopen(p)
        }
    }
}
