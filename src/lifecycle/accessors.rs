//! Who may use the machine.
//!
//! Whoever the spec names is let in. Of those who are there and not named, the ones whom the resource let in are shown out; the others are
//! somebody else's doing, and only reported (`status.drift`), unless `exact` says that nobody else may be there.
//!
//! # Whose doing it was
//!
//! Paperspace does not tell who added whom, so `status.applied.accessors` does, and it has to survive crashes and lost replies:
//!
//! - An id is written there by a pass of its own, before the request that lets the user in is sent, and only after a look that did not show
//!   the user. So nobody whom the resource added is ever missing there, whatever becomes of the request, and nobody who was there before is
//!   in it. (Who is there already is not added, and stays when the spec names them no more.)
//! - An id is taken out only for somebody who is not wanted and whom a look lacks that began when no request could be on its way any more:
//!   [`Settings::settle`] after this process sent its last one for the user, and after it began to follow the machine. A request whose
//!   reply was lost may let the user in late, and is found and taken back.
//! - The request that creates the machine is written down the same way, with the attempt.
//!
//! What remains: somebody who adds by hand, between the writing down and the request or while a request may be on its way, the very user
//! whom the resource adds or removes. That user counts as added by the resource.
//!
//! # What Paperspace may not do
//!
//! It is not known whether the list shows the machine's creator, or whether the creator can be added and removed. So a request that is
//! accepted and does not show is repeated ever more slowly and then left: it is in `status.drift`, `Synced` does not wait for it. If the
//! creator is listed and not named, that is drift like any other: told once, and left alone.
//!
//! [`Settings::settle`]: super::observe::Settings::settle

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Accessors, Drift, DriftAction, RECONCILE_REQUESTED, status::time};
use crate::paperspace::types::{Accessor, TeamUser, User};
use crate::paperspace::{self, clean_text};

use super::diff::{Difference, Mend};
use super::looks::{A_WHILE, trouble_with};
use super::memory::{People, PeopleLook};
use super::observe::{Facts, Listing, Question};
use super::pass::{Flow, Pass};
use super::step::{Step, StepKind};
use super::{backoff, change};

/// The field of the spec.
const FIELD: &str = "accessors";
/// As many as `status.applied.accessors` holds.
pub(super) const MOST: usize = 128;
/// After so many requests that were accepted and did not show, about a minute, it is left.
pub(super) const UNHEARD: u32 = 4;

/// Whom the spec names.
#[derive(Debug, Default, PartialEq)]
struct Named {
    /// Those who are in the team, by id.
    users: BTreeMap<String, User>,
    /// Names of nobody in the team.
    nobody: Vec<String>,
}

/// The ids of the users whom the spec names; ends the pass where one is not in the team.
pub(super) fn resolve(p: &mut Pass) -> Flow<Vec<String>> {
    let named = named(p)?;
    if named.nobody.is_empty() {
        return Ok(named.users.into_keys().collect());
    }
    let message = format!(
        "{}. No machine is created until then, since Paperspace puts people's SSH keys on a machine only when it creates it",
        not_found(&named.nobody)
    );
    let after = backoff::jittered(A_WHILE, p.uid());
    Err(p.wait(Because::new(Reason::UserNotFound, message), Some(after)))
}

fn not_found(names: &[String]) -> String {
    format!("not in the team: {}. Invite them to the team on Paperspace, or take them out of spec.accessors", names.join(", "))
}

/// An old list is good enough to find somebody; that somebody is not there takes a fresh one.
fn named(p: &mut Pass) -> Flow<Named> {
    let Some(spec) = p.spec().accessors.as_ref().filter(|a| !(a.user_ids.is_empty() && a.emails.is_empty())) else {
        return Ok(Named::default());
    };
    let found = look_up(spec, &p.listing(Listing::Users, p.a_while_ago(), |facts| &facts.users)?.items);
    if found.nobody.is_empty() {
        return Ok(found);
    }
    let fresh = if asked_now(p) { p.o.began.mono } else { p.just_now() };
    Ok(look_up(spec, &p.listing(Listing::Users, fresh, |facts| &facts.users)?.items))
}

fn look_up(spec: &Accessors, team: &[TeamUser]) -> Named {
    let mut named = Named::default();
    let mut take = |name: &String, user: Option<&TeamUser>| match user {
        Some(TeamUser { user, .. }) => drop(named.users.insert(user.id.clone(), user.clone())),
        None => named.nobody.push(name.clone()),
    };
    for id in &spec.user_ids {
        take(id, team.iter().find(|u| u.user.id == *id));
    }
    for email in &spec.emails {
        let lower = email.to_lowercase();
        take(email, team.iter().find(|u| u.user.email.to_lowercase() == lower));
    }
    named
}

/// Brings the accessors of a machine that exists to what the spec says: at most one request a pass. A look that fails stops nothing else.
pub(super) fn follow(p: &mut Pass, id: &str) -> Flow<()> {
    if p.spec().accessors.is_none() && added(p).is_empty() {
        p.memory.people = People::default();
        return Ok(());
    }
    let of = Some((id.to_owned(), p.generation()));
    if p.memory.people.of != of {
        let People { since, sent, .. } = std::mem::take(&mut p.memory.people);
        p.memory.people = People { of, since: since.or(Some(p.o.now.mono)), sent, ..People::default() };
    }
    if let Some(error) = failure(p.o.facts) {
        return failed(p, error);
    }
    let due = p.memory.people.look.as_ref().is_none_or(|look| look.until <= p.o.now.mono) || asked_now(p);
    if !due && p.o.facts.accessors.is_none() {
        show(p);
        return Ok(());
    }
    let named = named(p)?;
    let begun_after = p.just_now();
    let list = match &p.o.facts.accessors {
        Some(Ok(list)) if list.began >= begun_after => list,
        _ => return Err(p.ask(Question::Accessors { id: id.to_owned(), begun_after })),
    };
    let there = list.items.iter().filter(|a| a.dt_deleted.is_none()).map(|Accessor { user, .. }| (user.id.clone(), user.clone()));
    compare(p, id, &named, &there.collect(), list.began)
}

/// What would be changed on a machine that is to be adopted as it is: somebody is not there, or, with `exact`, somebody else is.
pub(super) fn difference(p: &mut Pass, id: &str) -> Flow<Option<Difference>> {
    let Some(exact) = p.spec().accessors.as_ref().map(|a| a.exact) else { return Ok(None) };
    let named = named(p)?;
    let begun_after = p.just_now();
    let list = match &p.o.facts.accessors {
        Some(Ok(list)) if list.began >= begun_after => list,
        Some(Err(error)) => return Err(p.look_failed(error)),
        _ => return Err(p.ask(Question::Accessors { id: id.to_owned(), begun_after })),
    };
    let there: BTreeMap<&str, &User> =
        list.items.iter().filter(|a| a.dt_deleted.is_none()).map(|a| (a.user.id.as_str(), &a.user)).collect();
    let missing = named.users.keys().any(|user| !there.contains_key(user.as_str())) || !named.nobody.is_empty();
    let others = exact && there.keys().any(|user| !named.users.contains_key(*user));
    let wanted: Vec<&str> = named.users.values().map(shown).chain(named.nobody.iter().map(String::as_str)).collect();
    let observed: Vec<&str> = there.into_values().map(shown).collect();
    Ok((missing || others).then(|| Difference {
        field: FIELD,
        desired: wanted.join(", "),
        observed: observed.join(", "),
        mend: Mend::InPlace,
    }))
}

/// Whom the resource let in, as it is written down.
fn added(p: &Pass) -> Vec<String> {
    p.old().and_then(|old| old.applied.as_ref()).map(|a| a.accessors.clone()).unwrap_or_default()
}

/// Somebody asked for a look at everything.
fn asked_now(p: &Pass) -> bool {
    let handled = p.old().and_then(|old| old.handled_reconcile_at.as_deref());
    p.annotation(RECONCILE_REQUESTED).is_some_and(|asked| Some(asked) != handled)
}

fn failure(facts: &Facts) -> Option<&paperspace::Error> {
    let users = facts.users.as_ref().and_then(|answer| answer.as_ref().err());
    users.or(facts.accessors.as_ref().and_then(|answer| answer.as_ref().err()))
}

/// Who is there is not known: what was concluded last stays, for a minute.
fn failed(p: &mut Pass, error: &paperspace::Error) -> Flow<()> {
    if error.is_unauthorized() {
        return Err(p.look_failed(error));
    }
    let wait = backoff::jittered(Duration::from_mins(1), p.uid()).max(error.retry_after().unwrap_or_default());
    let last = p.memory.people.look.take();
    let because = last.as_ref().map_or_else(|| (!p.is_idle()).then(|| trouble_with(error)), |look| look.because.clone());
    let drift = last.map_or_else(|| drift_before(p), |look| look.drift);
    p.memory.people.look = Some(PeopleLook { until: p.o.now.mono + wait, because, drift });
    show(p);
    Ok(())
}

fn drift_before(p: &Pass) -> Option<(String, String)> {
    let old = p.old()?.drift.iter().find(|d| d.field == FIELD)?;
    Some((old.desired.clone(), old.observed.clone()))
}

/// One change that is to be made.
struct Change<'a> {
    user: &'a User,
    kind: StepKind,
}

fn compare(p: &mut Pass, id: &str, named: &Named, there: &BTreeMap<String, User>, began: Duration) -> Flow<()> {
    let added = added(p);
    let ours = |user: &str| added.iter().any(|a| a == user);
    let exact = p.spec().accessors.as_ref().is_some_and(|a| a.exact);
    let mut until = p.o.now.mono + backoff::jittered(A_WHILE, p.uid());
    if let Some(settled) = forget_the_gone(p, &added, |user| there.contains_key(user) || named.users.contains_key(user), began) {
        until = until.min(settled);
    }

    let (surplus, strangers): (Vec<&User>, Vec<&User>) =
        there.values().filter(|u| !named.users.contains_key(&u.id)).partition(|u| exact || ours(&u.id));
    let missing = named.users.values().filter(|u| !there.contains_key(&u.id));
    let mut changes: Vec<Change> = surplus.iter().map(|&user| Change { user, kind: StepKind::RemoveAccessor }).collect();
    changes.extend(missing.map(|user| Change { user, kind: StepKind::AddAccessor }));
    for kind in [StepKind::AddAccessor, StepKind::RemoveAccessor] {
        if !changes.iter().any(|c| c.kind == kind) {
            p.memory.troubles.remove(&kind);
        }
    }
    p.memory.people.asked.retain(|user, _| changes.iter().any(|c| c.user.id == *user));
    // Whoever was tried longest ago comes first, so that one who is refused does not keep the others waiting for ever.
    changes.sort_by_key(|c| p.memory.people.asked.get(&c.user.id).map(|(_, at)| *at));

    let mut because = (!named.nobody.is_empty()).then(|| Because::new(Reason::UserNotFound, not_found(&named.nobody)));
    // Without spec.accessors nothing is compared: only those who were added are shown out.
    let compared = p.spec().accessors.is_some();
    let mut unwanted: Vec<&User> = strangers.into_iter().filter(|_| compared).collect();
    let mut unseen: Vec<&User> = Vec::new();
    let mut next = None;
    for change in &changes {
        let (accepted, at) = p.memory.people.asked.get(&change.user.id).copied().unwrap_or_default();
        let repeat = at + backoff::before_repeat(accepted);
        if accepted > 0 && repeat > p.o.now.mono {
            until = until.min(repeat);
        } else if accepted >= UNHEARD {
            if change.kind == StepKind::AddAccessor { &mut unseen } else { &mut unwanted }.push(change.user);
            continue;
        } else if let Some((why, left)) = p.blocked(change.kind) {
            until = until.min(p.o.now.mono + left);
            worse(&mut because, why);
            continue;
        } else if next.is_none() {
            next = Some((change, accepted == 0));
        }
        let word = if change::is_drift(p) { Reason::Drifted } else { Reason::Applying };
        worse(&mut because, Because::new(word, format!("spec.accessors is being applied to machine {id}")));
    }
    p.memory.people.look = Some(PeopleLook { until, because, drift: drift(&unseen, &unwanted) });
    show(p);
    let Some((change, first)) = next else { return Ok(()) };
    let new = changes.iter().filter(|c| c.kind == StepKind::AddAccessor && !ours(&c.user.id)).map(|c| c.user.id.clone());
    send(p, id, change, first, new.collect())
}

/// Takes those out of `status.applied.accessors` who are neither there nor wanted, once no request for them can be on its way any more;
/// until when one can.
fn forget_the_gone(p: &mut Pass, added: &[String], stays: impl Fn(&str) -> bool, began: Duration) -> Option<Duration> {
    let People { since, sent, .. } = &p.memory.people;
    let last = |user: &String| since.unwrap_or(p.o.now.mono).max(sent.get(user).copied().unwrap_or_default());
    let gone: BTreeMap<&String, Duration> =
        added.iter().filter(|user| !stays(user)).map(|user| (user, last(user) + p.o.settings.settle)).collect();
    let forgotten = |user: &String| gone.get(user).is_some_and(|settled| began >= *settled);
    if added.iter().any(forgotten) {
        p.applied().accessors.retain(|user| !forgotten(user));
    }
    gone.into_values().filter(|settled| *settled > began).min()
}

/// Of two reasons the one that weighs more.
fn worse(because: &mut Option<Because>, other: Because) {
    if because.as_ref().is_none_or(|b| b.progress < other.progress) {
        *because = Some(other);
    }
}

/// What is left as it is: users who were let in and do not show, and users who are there and are not named.
fn drift(unseen: &[&User], unwanted: &[&User]) -> Option<(String, String)> {
    let names =
        |users: &[&User]| clean_text(&users.iter().map(|u| shown(u)).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", "));
    (!unseen.is_empty() || !unwanted.is_empty()).then(|| (names(unseen), names(unwanted)))
}

fn shown(user: &User) -> &str {
    if user.email.is_empty() { &user.id } else { &user.email }
}

/// Puts what the last look came to into the status, and looks again when it says. It is new what the status that was written does not say.
fn show(p: &mut Pass) {
    let Some(PeopleLook { until, because, drift }) = p.memory.people.look.clone() else { return };
    p.again(until.saturating_sub(p.o.now.mono));
    if let Some(because) = because.filter(|b| b.progress > p.synced.progress) {
        p.synced = because;
    }
    let Some((desired, observed)) = drift else { return };
    let old = p.old().and_then(|old| old.drift.iter().find(|d| d.field == FIELD)).cloned();
    let before = old.as_ref().map(|d| (d.desired.as_str(), d.observed.as_str())).unwrap_or_default();
    let new = |now: &str, before: &str| {
        let known: BTreeSet<&str> = before.split(", ").collect();
        let new = now.split(", ").filter(|name| !name.is_empty() && !known.contains(name));
        // Of two long texts the ends are cut off: what is equal is not new.
        if now == before { String::new() } else { new.collect::<Vec<_>>().join(", ") }
    };
    let (unseen, unwanted) = (new(&desired, before.0), new(&observed, before.1));
    let machine = p.status.machine_id.clone().unwrap_or_default();
    if !unwanted.is_empty() {
        let note = "whom spec.accessors does not name and this resource did not add, or could not remove. spec.accessors.exact: true removes others";
        p.warning("DriftDetected", format!("machine {machine} may be used by {unwanted}, {note}"));
    }
    if !unseen.is_empty() {
        let note = "when asked who may use it, though it accepted that they may";
        p.warning("DriftDetected", format!("machine {machine}: Paperspace does not show {unseen} {note}"));
    }
    let since = old.map_or_else(|| time(p.o.now.wall), |d| d.since);
    p.status.drift.push(Drift { field: FIELD.to_owned(), desired, observed, since, action: DriftAction::Report });
}

/// Sends the request, or writes down first whom it is going to let in.
fn send(p: &mut Pass, id: &str, change: &Change, first: bool, new: Vec<String>) -> Flow<()> {
    let (machine, user) = (id.to_owned(), change.user.id.clone());
    let name = shown(change.user);
    let (step, what) = match change.kind {
        StepKind::RemoveAccessor => (Step::RemoveAccessor { machine, user }, format!("{name} may not use it any more")),
        _ if new.contains(&user) => {
            let room = MOST.saturating_sub(added(p).len());
            if room == 0 {
                return Ok(());
            }
            p.applied().accessors.extend(new.into_iter().take(room));
            p.applied().accessors.sort();
            p.memory.people.look = None;
            p.again(Duration::ZERO);
            return Err(p.end(Step::Nothing));
        }
        _ => (Step::AddAccessor { machine, user }, format!("{name} may use it")),
    };
    // The next pass sees what came of it.
    p.memory.people.look = None;
    if first {
        let reason = if p.synced.reason == Reason::Drifted { "DriftCorrected" } else { "Updated" };
        p.normal(reason, format!("machine {id}: {what}"));
    }
    p.again(Duration::ZERO);
    Err(p.end(step))
}
