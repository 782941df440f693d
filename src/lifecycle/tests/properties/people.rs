//! What is promised to those who may use a machine.

use super::cases::{Case, Decided, before, deleting, ensure, read_only};
use crate::crd::*;
use crate::lifecycle::observe::{Listing, Question};
use crate::lifecycle::step::{Decision, Step};
use crate::paperspace::types::TeamUser;

/// Whether the spec names this user of the team.
fn names(case: &Case, decided: &Decided, user: &str) -> bool {
    let Some(people) = &case.object.spec.accessors else { return false };
    let team = decided.facts.users.as_ref().and_then(|answer| answer.as_ref().ok());
    let is = |u: &TeamUser| u.user.id == user && people.emails.iter().any(|email| email.to_lowercase() == u.user.email.to_lowercase());
    let first = |email: &String| team.and_then(|t| t.items.iter().find(|u| u.user.email.to_lowercase() == email.to_lowercase()));
    let by_email = people.emails.iter().filter_map(first).any(is);
    by_email || people.user_ids.iter().any(|id| id == user) && team.is_some_and(|t| t.items.iter().any(|u| u.user.id == user))
}

/// Who was there when the pass looked.
fn is_there(decided: &Decided, user: &str) -> Option<bool> {
    let look = decided.facts.accessors.as_ref()?.as_ref().ok()?;
    Some(look.items.iter().any(|a| a.user.id == user && a.dt_deleted.is_none()))
}

fn let_in(status: &PaperspaceMachineStatus) -> Vec<String> {
    status.applied.as_ref().map(|a| a.accessors.clone()).unwrap_or_default()
}

pub(super) fn somebody_is_let_in_only_whom_the_spec_names_and_who_was_written_down(case: &Case, decided: &Decided) -> Result<(), String> {
    let step = &decided.decision.step;
    if let Step::AddAccessor { user, machine } = step {
        ensure(before(case).machine_id.as_ref() == Some(machine) || case.object.spec.adopt.is_some(), "another machine")?;
        ensure(names(case, decided, user), "not named")?;
        ensure(is_there(decided, user) == Some(false), "is there, or was not looked for")?;
        ensure(let_in(&before(case)).contains(user), "not written down")?;
    }
    if let Step::WriteAhead { create: true, .. } = step {
        let written = let_in(&decided.decision.status);
        ensure(written.iter().all(|user| names(case, decided, user)), "created with somebody who is not named")?;
        ensure(written.windows(2).all(|pair| pair[0] < pair[1]), "not sorted, or twice")?;
    } else {
        // Whoever is there already was let in by somebody else.
        let old = let_in(&before(case));
        let mut new = let_in(&decided.decision.status).into_iter().filter(|user| !old.contains(user));
        ensure(new.all(|user| is_there(decided, &user) == Some(false)), "somebody else's")?;
    }
    if let Step::Create { body, .. } = step {
        ensure(body.accessor_ids == let_in(&before(case)), "created with somebody who was not written down")?;
    }
    Ok(())
}

pub(super) fn nobody_is_shown_out_who_is_wanted_or_whom_others_let_in(case: &Case, decided: &Decided) -> Result<(), String> {
    let Step::RemoveAccessor { user, .. } = &decided.decision.step else { return Ok(()) };
    ensure(!deleting(case), "the resource goes")?;
    ensure(!names(case, decided, user), "wanted")?;
    ensure(is_there(decided, user) == Some(true), "not there, or not looked for")?;
    let exact = case.object.spec.accessors.as_ref().is_some_and(|a| a.exact);
    ensure(exact || let_in(&before(case)).contains(user), "somebody else let them in")
}

pub(super) fn somebody_who_was_let_in_is_forgotten_only_when_long_gone(case: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { status, memory, step, .. } = &decided.decision;
    let another = matches!(step, Step::WriteAhead { create: true, .. });
    let kept = let_in(status);
    for user in let_in(&before(case)).iter().filter(|user| !another && !kept.contains(user)) {
        ensure(!names(case, decided, user) && is_there(decided, user) == Some(false), "wanted, there, or not looked for")?;
        let since = memory.people.since.ok_or("nobody has watched")?.max(memory.people.sent.get(user).copied().unwrap_or_default());
        ensure(decided.now.mono.saturating_sub(since) >= case.settings.settle, "may still come")?;
    }
    Ok(())
}

pub(super) fn who_may_use_a_machine_is_asked_only_where_somebody_is_named(case: &Case, decided: &Decided) -> Result<(), String> {
    let people = case.object.spec.accessors.as_ref();
    let asked = |is: fn(&Question) -> bool| decided.asked.iter().any(is);
    let users = asked(|q| matches!(q, Question::Listing { of: Listing::Users, .. }));
    ensure(!users || people.is_some_and(|a| !a.user_ids.is_empty() || !a.emails.is_empty()), "the team, and nobody is named")?;
    let looked = asked(|q| matches!(q, Question::Accessors { .. }));
    ensure(!looked || people.is_some() || !let_in(&before(case)).is_empty(), "the machine")?;
    ensure(!(read_only(case) || deleting(case)) || !looked, "only to be read, or going")
}
