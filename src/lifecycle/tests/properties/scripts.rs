//! What is promised of the startup scripts that the operator makes.

use std::time::Duration;

use super::super::world::MARK;
use super::cases::{Case, Decided, before, deleting, ensure, read_only};
use crate::crd::{Creation, CreationOutcome, DeletionPolicy};
use crate::lifecycle::decide::deletion_policy;
use crate::lifecycle::destroy::made_then;
use crate::lifecycle::memory::Reply;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::SourceLook;
use crate::lifecycle::step::Step;
use crate::paperspace::types::StartupScript;

fn marked(row: &StartupScript) -> bool {
    Mark::of_name(&row.name).is_some_and(|mark| mark.as_str() == MARK)
}

/// The last list of scripts that the pass saw.
fn rows(decided: &Decided) -> Option<(Duration, &[StartupScript])> {
    decided.facts.scripts.as_ref().and_then(|l| l.as_ref().ok()).map(|l| (l.began, l.items.as_slice()))
}

pub(super) fn one_is_made_only_for_an_attempt_written_down_just_now(case: &Case, decided: &Decided) -> Result<(), String> {
    let Step::CreateScript { attempt, name, text, run_once, timeout } = &decided.decision.step else { return Ok(()) };
    let owned = before(case).owned_script.ok_or("nothing written down")?;
    let creation = owned.creation.ok_or("no attempt")?;
    ensure(creation.id == *attempt && creation.outcome == CreationOutcome::Open, "another attempt")?;
    ensure(owned.hash == Some(text.hash(*run_once)), "another text than was written down")?;
    let written = case.memory.write_ahead.as_ref().ok_or("not by this process")?;
    ensure(written.id == *attempt && decided.now.at_most_since(&written.sent) < case.settings.fence(), "too late")?;
    ensure(
        case.memory.reply.as_ref().is_none_or(|(id, reply)| id != attempt || matches!(reply, Reply::Unclear(_) | Reply::Done(_))),
        "answered",
    )?;
    let wish = case.object.spec.startup_script.as_ref().ok_or("nobody wants one")?;
    ensure(wish.script_id.is_none() && wish.run_once == *run_once, "another is wanted")?;
    ensure(matches!(&decided.facts.script_text, Some(SourceLook::Text { text: now, .. }) if now == text), "another text than there is")?;
    ensure(Mark::of_name(name).is_some_and(|mark| mark.as_str() == MARK), "without the mark")?;
    ensure(!read_only(case) && !deleting(case), "may not")?;
    ensure(*timeout + case.settings.fence() < case.settings.settle, "later than it is watched for")
}

pub(super) fn an_attempt_is_begun_only_after_a_list_that_lacked_the_mark(case: &Case, decided: &Decided) -> Result<(), String> {
    let (began, rows) = rows(decided).ok_or("no list")?;
    ensure(began + Duration::from_secs(5) >= case.began.mono, "an old list")?;
    let old = before(case);
    let last = old.owned_script.as_ref().and_then(|o| o.creation.as_ref());
    let answered = last.zip(case.memory.reply.as_ref()).is_some_and(|(c, (id, reply))| c.id == *id && matches!(reply, Reply::Nothing(_)));
    let open = last.is_some_and(|c| matches!(c.outcome, CreationOutcome::Open | CreationOutcome::Bound));
    ensure(!open || answered, "an attempt is open")?;
    let new = decided.decision.status.owned_script.as_ref().ok_or("not written down")?;
    let creation = new.creation.as_ref().ok_or("no attempt")?;
    ensure(creation.outcome == CreationOutcome::Open && creation.id == "now" && new.hash.is_some(), "not as it is sent")?;
    // Whatever was made for the resource was made after it.
    let made = case.object.metadata.creation_timestamp.clone().filter(|_| last.is_none());
    let ever = Creation { first_started_at: made.unwrap_or_else(|| creation.first_started_at.clone()), ..creation.clone() };
    let lacks =
        |row: &StartupScript| !(marked(row) && row.dt_deleted.is_none() && made_then(Some(&ever), case.settings.settle, row.dt_created));
    ensure(rows.iter().all(lacks), "there is one")?;
    ensure(!read_only(case) && !deleting(case), "may not")
}

pub(super) fn none_is_changed_or_removed_that_is_not_ours(case: &Case, decided: &Decided) -> Result<(), String> {
    let (Step::UpdateScript { script, .. } | Step::DeleteScript { script }) = &decided.decision.step else { return Ok(()) };
    let (_, rows) = rows(decided).ok_or("not looked at")?;
    let of_it: Vec<_> = rows.iter().filter(|row| row.id == *script && row.dt_deleted.is_none()).collect();
    ensure(!of_it.is_empty(), "not there")?;
    let owned = before(case).owned_script;
    let known = owned.as_ref().is_some_and(|o| o.script_id.as_ref() == Some(script))
        || matches!(&case.memory.reply, Some((_, Reply::Script(id))) if id == script);
    // A list of anything may show one script twice.
    ensure(of_it.iter().any(|row| marked(row) || known && Mark::of_name(&row.name).is_none()), "another's, or nobody's")?;
    ensure(!read_only(case), "only to be read")
}

pub(super) fn one_is_removed_only_when_nobody_wants_it(case: &Case, decided: &Decided) -> Result<(), String> {
    let Step::DeleteScript { script } = &decided.decision.step else { return Ok(()) };
    let (spec, status) = (&case.object.spec, before(case));
    ensure(spec.startup_script.as_ref().and_then(|s| s.script_id.as_ref()) != Some(script), "it is named by its id")?;
    if deleting(case) {
        let machine = status.machine_id.is_some();
        let assigned = status.applied.is_some_and(|a| a.startup_script_id.as_ref() == Some(script));
        let stays = deletion_policy(spec) == DeletionPolicy::Retain && machine && assigned;
        return ensure(!stays, "it stays with its machine");
    }
    ensure(spec.startup_script.as_ref().is_none_or(|s| s.script_id.is_some()), "it is wanted")?;
    let assigned = decided.decision.status.applied.as_ref().and_then(|a| a.startup_script_id.clone());
    ensure(status.owned_script.and_then(|o| o.script_id).is_none() || assigned.as_ref() != Some(script), "the machine has it")
}

pub(super) fn the_finalizer_does_not_go_while_one_may_still_come(case: &Case, decided: &Decided) -> Result<(), String> {
    let removes = decided.decision.step == Step::RemoveFinalizer && deletion_policy(&case.object.spec) == DeletionPolicy::Delete;
    let Some(owned) = before(case).owned_script.filter(|_| removes) else { return Ok(()) };
    let open = owned.creation.as_ref().is_some_and(|c| c.outcome == CreationOutcome::Open);
    let answered = owned
        .creation
        .as_ref()
        .zip(case.memory.reply.as_ref())
        .is_some_and(|(c, (id, reply))| c.id == *id && matches!(reply, Reply::Nothing(_) | Reply::Script(_)));
    let since = decided.decision.memory.scripts.attempt.as_ref().map_or(decided.now.mono, |a| a.since);
    ensure(!open || answered || decided.now.mono.saturating_sub(since) >= case.settings.settle, "an attempt is open")
}
