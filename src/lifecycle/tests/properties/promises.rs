//! One decision, from anything: it comes, and whatever it is, it breaks none of the promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::world::{ENDPOINT, MARK};
use super::cases::{Case, Decided, before, case, deleting, drive, ensure, is_anothers, is_ours, read_only, seen};
use super::{people, places, scripts};
use crate::crd::reason::Reason;
use crate::crd::*;
use crate::lifecycle::decide::deletion_policy;
use crate::lifecycle::desired::named_address;
use crate::lifecycle::limit::HOUR;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::Access;
use crate::lifecycle::restraint::{Restraint, touches_paperspace};
use crate::lifecycle::step::{Decision, Requeue, Step};
use crate::paperspace::clean_text;
use crate::paperspace::types::Machine;
use crate::properties::check;

type Promise = fn(&Case, &Decided) -> Result<(), String>;

const PROMISES: &[(&str, Promise)] = &[
    ("there is a decision for everything", there_is_a_decision_for_everything),
    ("nothing is written to paperspace where it is only to be read", nothing_is_written_to_paperspace_where_it_is_only_to_be_read),
    ("nothing is written with a key that may not be used", nothing_is_written_with_a_key_that_may_not_be_used),
    ("nothing is destroyed that nobody asked to destroy", nothing_is_destroyed_that_nobody_asked_to_destroy),
    ("nothing is begun while nothing is sent", nothing_is_begun_while_nothing_is_sent),
    ("nothing is done while the operator is restrained", nothing_is_done_while_the_operator_is_restrained),
    ("no more are destroyed than may be", no_more_are_destroyed_than_may_be),
    ("what is changed was looked at just now", what_is_changed_was_looked_at_just_now),
    ("a resource that goes only lets go or destroys", a_resource_that_goes_only_lets_go_or_destroys),
    (
        "an address is given back only if it was allocated here and is not needed any more",
        places::an_address_is_given_back_only_if_it_was_allocated_here_and_is_not_needed_any_more,
    ),
    (
        "an address of the team's own goes only to and from the resource's machine",
        places::an_address_of_the_teams_own_goes_only_to_and_from_the_resources_machine,
    ),
    ("what the spec names is never taken for what was allocated", places::what_the_spec_names_is_never_taken_for_what_was_allocated),
    ("a ConfigMap is only written where it is the resource's", places::a_config_map_is_only_written_where_it_is_the_resources),
    ("power changes only as the resource asks", power_changes_only_as_the_resource_asks),
    (
        "a machine is created only for an attempt that was written down just now",
        a_machine_is_created_only_for_an_attempt_that_was_written_down_just_now,
    ),
    ("an attempt is begun only after a list that lacked the mark", an_attempt_is_begun_only_after_a_list_that_lacked_the_mark),
    (
        "the finalizer goes only with the resource or where it is only observed",
        the_finalizer_goes_only_with_the_resource_or_where_it_is_only_observed,
    ),
    ("without retain the finalizer goes only when nothing is left", without_retain_the_finalizer_goes_only_when_nothing_is_left),
    ("a script is made only for an attempt that was written down just now", scripts::one_is_made_only_for_an_attempt_written_down_just_now),
    ("no script is changed or removed that is not ours", scripts::none_is_changed_or_removed_that_is_not_ours),
    ("a script is removed only when nobody wants it", scripts::one_is_removed_only_when_nobody_wants_it),
    ("the finalizer does not go while a script may still come", scripts::the_finalizer_does_not_go_while_one_may_still_come),
    (
        "somebody is let in only whom the spec names and who was written down",
        people::somebody_is_let_in_only_whom_the_spec_names_and_who_was_written_down,
    ),
    ("nobody is shown out who is wanted or whom others let in", people::nobody_is_shown_out_who_is_wanted_or_whom_others_let_in),
    ("somebody who was let in is forgotten only when long gone", people::somebody_who_was_let_in_is_forgotten_only_when_long_gone),
    ("who may use a machine is asked only where somebody is named", people::who_may_use_a_machine_is_asked_only_where_somebody_is_named),
    ("what must not be forgotten is not", what_must_not_be_forgotten_is_not),
    ("what a name was found to mean is not changed silently", what_a_name_was_found_to_mean_is_not_changed_silently),
    ("what is being worked on is come back to", what_is_being_worked_on_is_come_back_to),
    ("what others wrote reaches status and events clean", what_others_wrote_reaches_status_and_events_clean),
    ("conditions are a set and never say both working and stuck", conditions_are_a_set_and_never_say_both_working_and_stuck),
];

#[test]
fn every_decision_keeps_every_promise() {
    let steps = std::cell::RefCell::new(BTreeMap::<_, u32>::new());
    check(24_000, case, |case| {
        let decided = drive(&case)?;
        *steps.borrow_mut().entry(decided.decision.step.kind().as_str()).or_default() += 1;
        for (promise, kept) in PROMISES {
            if let Err(why) = kept(&case, &decided) {
                let Decided { decision, facts, asked, now } = decided;
                return Err(format!("broken: {promise}: {why}\n{decision:#?}\nat {now:?}, asked {asked:#?}\n{facts:#?}"));
            }
        }
        Ok(())
    });
    // Promises that were never put to the test are none.
    let steps = steps.into_inner();
    let enough = steps.len() >= 15 && ["add-accessor", "remove-accessor"].iter().any(|step| steps.contains_key(step));
    assert!(enough || steps.values().sum::<u32>() < 24_000, "{steps:?}");
}

fn there_is_a_decision_for_everything(_: &Case, decided: &Decided) -> Result<(), String> {
    ensure(decided.decision.step.exactly_once().is_none() || decided.decision.memory.write_ahead.is_none(), "may be sent again")
}

fn nothing_is_written_to_paperspace_where_it_is_only_to_be_read(case: &Case, decided: &Decided) -> Result<(), String> {
    ensure(!(read_only(case) && decided.decision.step.mutates_paperspace()), "writes")
}

fn nothing_is_written_with_a_key_that_may_not_be_used(case: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { step, memory, .. } = &decided.decision;
    let writes_status = matches!(step, Step::WriteAhead { .. });
    if !step.mutates_paperspace() && !writes_status {
        return Ok(());
    }
    let Some((Access::Open { team, admin }, _)) = decided.facts.access.get(&memory.key) else { return Err("no open key".to_owned()) };
    ensure(*admin, "no admin")?;
    let status = before(case);
    let account = status.account.is_none_or(|a| a.team == *team && a.endpoint == ENDPOINT);
    ensure(account, "another account")?;
    ensure(status.creation.is_none_or(|c| before(case).account.is_some() || c.account == *team), "another attempt's account")
}

/// A request that was written down goes on: its refusal proves that it was not sent.
fn nothing_is_begun_while_nothing_is_sent(case: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { step, events, requeue, .. } = &decided.decision;
    let begins = matches!(step, Step::WriteAhead { .. }) || step.mutates_paperspace() && step.exactly_once().is_none();
    ensure(case.silence.is_none() || !begins, "begins something")?;
    let told = events.iter().any(|e| e.reason == Reason::PaperspaceUnavailable.as_str());
    ensure(!told, "tells what is told once for all")?;
    ensure(
        case.silence.is_none()
            || *requeue != Requeue::After(Duration::ZERO)
            || *step != Step::Nothing
            || !events.is_empty()
            || decided.decision.status != before(case),
        "goes round in circles",
    )
}

fn nothing_is_done_while_the_operator_is_restrained(case: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { step, status, events, .. } = &decided.decision;
    let Some(restraint) = &case.restraint else {
        let says = |reason: Reason| events.iter().any(|e| e.reason == reason.as_str());
        return ensure(!says(Reason::DryRun) && !says(Reason::EmergencyStop), "says that it is restrained");
    };
    ensure(!step.mutates_paperspace() && !matches!(step, Step::WriteAhead { .. }), "does something")?;
    let free = drive(&Case { restraint: None, ..case.clone() })?;
    let same = free.decision.step == *step && free.decision.status == *status;
    ensure(same || touches_paperspace(&free.decision.step), "is restrained where there is nothing to do")?;
    let reason = if *restraint == Restraint::DryRun { Reason::DryRun } else { Reason::EmergencyStop };
    // A look that fails, or the end of it all, comes first.
    let says = status.conditions.iter().any(|c| c.reason == reason.as_str() && c.message.contains("Not done: "));
    ensure(same || says || decided.asked.len() > free.asked.len() || *step != Step::Nothing, "does not say what it does not do")
}

fn no_more_are_destroyed_than_may_be(case: &Case, decided: &Decided) -> Result<(), String> {
    let (Step::Delete { id }, Some(most)) = (&decided.decision.step, case.settings.max_destroys) else { return Ok(()) };
    let Some(Ok(destroyed)) = &decided.facts.destroyed else { return Err("not counted".to_owned()) };
    let others = destroyed.at.iter().filter(|(other, at)| *other != id && decided.now.wall.duration_since(**at) < HOUR).count();
    ensure(others < usize::try_from(most).unwrap(), "too many")
}

fn nothing_is_destroyed_that_nobody_asked_to_destroy(case: &Case, decided: &Decided) -> Result<(), String> {
    let Step::Delete { id } = &decided.decision.step else { return Ok(()) };
    let (spec, status) = (&case.object.spec, before(case));
    ensure(deleting(case) && deletion_policy(spec) == DeletionPolicy::Delete, "the resource is not to destroy its machine")?;
    ensure(!spec.deletion_protection && !spec.suspend, "held")?;
    ensure(decided.facts.crd_terminating == Some(false), "the CRD is going, or was not looked at")?;
    let machine = seen(decided, id).ok_or("not looked at")?;
    ensure(machine.dt_deleted.is_none() && !is_anothers(machine), "another's, or gone")?;
    let claimed = spec.adopt.is_none() || status.adopted_at.is_some();
    let bound = claimed && status.machine_id.as_ref() == Some(id);
    let made = is_ours(machine) && status.creation.is_some();
    ensure(bound || made || case.memory.accepted.contains(id), "neither bound nor made")
}

fn what_is_changed_was_looked_at_just_now(case: &Case, decided: &Decided) -> Result<(), String> {
    let (Step::Start { id }
    | Step::Stop { id }
    | Step::Restart { id, .. }
    | Step::Update { id, .. }
    | Step::AssignIp { machine: Some(id), .. }
    | Step::Delete { id }) = &decided.decision.step
    else {
        return Ok(());
    };
    let looks = [decided.facts.direct.get(id), decided.facts.machines.get(id)];
    let newest = looks.into_iter().flatten().filter_map(|l| l.as_ref().ok()).map(|l| l.began).max().ok_or("not looked at")?;
    let fresh = case.began.mono.saturating_sub(case.settings.transition).max(case.memory.mutated.unwrap_or_default());
    ensure(newest >= fresh, "an old look")
}

fn a_resource_that_goes_only_lets_go_or_destroys(case: &Case, decided: &Decided) -> Result<(), String> {
    let step = &decided.decision.step;
    ensure(
        !deleting(case)
            || matches!(
                step,
                Step::Nothing
                    | Step::RemoveFinalizer
                    | Step::ReleaseIp { .. }
                    | Step::AssignIp { machine: None, .. }
                    | Step::Delete { .. }
                    | Step::DeleteScript { .. }
            ),
        "does something else",
    )
}

fn power_changes_only_as_the_resource_asks(case: &Case, decided: &Decided) -> Result<(), String> {
    let (spec, step) = (&case.object.spec, &decided.decision.step);
    let (Step::Start { id } | Step::Stop { id } | Step::Restart { id, .. } | Step::Update { id, .. }) = step else { return Ok(()) };
    let machine = seen(decided, id).ok_or("not looked at")?;
    let takes_over = spec.adopt.as_ref().and_then(|a| a.replace_mark.clone());
    let claims = Mark::of_name(&machine.name).map(|m| m.to_string()) == takes_over && before(case).adopted_at.is_none();
    ensure(!is_anothers(machine) || claims, "another's machine")?;
    let differs = !spec.machine_type.eq_ignore_ascii_case(&machine.machine_type)
        || machine.storage_total != u64::try_from(spec.disk_size_gb).unwrap_or_default() << 30;
    match step {
        Step::Start { .. } => ensure(spec.power_state != PowerState::Stopped, "is to be off"),
        Step::Stop { .. } => {
            let resizes = spec.resize_policy == ResizePolicy::StopAndStart && differs;
            ensure(spec.power_state == PowerState::Stopped || resizes, "is not to be off")
        }
        Step::Restart { operation, .. } => {
            let open = before(case).operation.filter(|o| o.state == OperationState::Open && o.name == OperationName::Restart);
            ensure(open.is_some_and(|o| o.id == *operation), "not written down")
        }
        Step::Update { resize: true, .. } => ensure(machine.state == crate::paperspace::types::MachineState::Off && differs, "resizes"),
        _ => Ok(()),
    }
}

fn a_machine_is_created_only_for_an_attempt_that_was_written_down_just_now(case: &Case, decided: &Decided) -> Result<(), String> {
    let Step::Create { attempt, body, timeout } = &decided.decision.step else { return Ok(()) };
    let status = before(case);
    let creation = status.creation.ok_or("nothing written down")?;
    ensure(creation.id == *attempt && creation.outcome == CreationOutcome::Open, "another attempt")?;
    let written = case.memory.write_ahead.as_ref().ok_or("not by this process")?;
    ensure(written.id == *attempt && decided.now.at_most_since(&written.sent) < case.settings.fence(), "too late")?;
    ensure(status.machine_id.is_none() && case.object.spec.adopt.is_none(), "there is one")?;
    ensure(
        case.memory.reply.as_ref().is_none_or(|(id, reply)| id != attempt || matches!(reply, crate::lifecycle::memory::Reply::Unclear(_))),
        "answered",
    )?;
    ensure(Mark::of_name(&body.name).is_some_and(|m| m.as_str() == MARK), "without the mark")?;
    ensure(*timeout + case.settings.fence() < case.settings.settle, "later than it is watched for")
}

fn an_attempt_is_begun_only_after_a_list_that_lacked_the_mark(case: &Case, decided: &Decided) -> Result<(), String> {
    let Step::WriteAhead { id, create: true } = &decided.decision.step else { return Ok(()) };
    if decided.decision.status.creation == before(case).creation {
        return scripts::an_attempt_is_begun_only_after_a_list_that_lacked_the_mark(case, decided);
    }
    let list = decided.facts.list.as_ref().and_then(|l| l.as_ref().ok()).ok_or("no list")?;
    ensure(list.began + Duration::from_secs(5) >= case.began.mono, "an old list")?;
    ensure(!list.machines.iter().any(|m| is_ours(m) && m.dt_deleted.is_none()), "there is one")?;
    let old = before(case);
    ensure(old.machine_id.is_none() && case.object.spec.adopt.is_none(), "has a machine")?;
    ensure(old.creation.is_none_or(|c| !matches!(c.outcome, CreationOutcome::Open | CreationOutcome::Bound)), "an attempt is open")?;
    let new = decided.decision.status.creation.as_ref().ok_or("not written down")?;
    ensure(new.id == *id && new.outcome == CreationOutcome::Open && id == "now", "another id")?;
    ensure(!read_only(case), "may not")?;
    ensure(case.object.spec.template_id.is_some() || case.object.spec.template.is_some(), "from nothing")
}

fn the_finalizer_goes_only_with_the_resource_or_where_it_is_only_observed(case: &Case, decided: &Decided) -> Result<(), String> {
    if decided.decision.step != Step::RemoveFinalizer {
        return Ok(());
    }
    let (spec, status) = (&case.object.spec, before(case));
    ensure(deleting(case) || spec.management_policy == ManagementPolicy::Observe, "it lives")?;
    let keeps = deletion_policy(spec) == DeletionPolicy::Retain;
    ensure(!deleting(case) || keeps || !spec.deletion_protection && !spec.suspend, "held")?;
    let open = status.creation.as_ref().is_some_and(|c| c.outcome == CreationOutcome::Open);
    if !open {
        return Ok(());
    }
    // Without any key there is nobody who could wait.
    let keyless = keeps && decided.decision.memory.unusable;
    let since = decided.decision.memory.attempt.as_ref().map_or(decided.now.mono, |a| a.since);
    ensure(keyless || decided.now.mono.saturating_sub(since) >= case.settings.settle, "an attempt is open")
}

fn without_retain_the_finalizer_goes_only_when_nothing_is_left(case: &Case, decided: &Decided) -> Result<(), String> {
    let status = before(case);
    let tried = status.creation.is_some();
    let removes = decided.decision.step == Step::RemoveFinalizer && deletion_policy(&case.object.spec) == DeletionPolicy::Delete;
    if !removes || !tried {
        return Ok(());
    }
    let list = decided.facts.list.as_ref().and_then(|l| l.as_ref().ok());
    let proved = decided.decision.memory.evidence.as_ref().is_some_and(|e| e.lists.len() >= 2);
    ensure(proved, "without two lists")?;
    let made = |m: &Machine| {
        is_ours(m) && m.dt_deleted.is_none() && crate::lifecycle::destroy::made_by(status.creation.as_ref(), case.settings.settle, m)
    };
    ensure(!list.is_some_and(|l| l.machines.iter().any(made)), "a list shows one")?;
    let reread = decided.facts.access.get(&decided.decision.memory.key).is_some_and(|(_, reread)| *reread);
    ensure(reread, "the session was not read again")
}

fn what_must_not_be_forgotten_is_not(case: &Case, decided: &Decided) -> Result<(), String> {
    let (old, new) = (before(case), &decided.decision.status);
    ensure(old.account.is_none() || new.account == old.account, "another account")?;
    ensure(old.creation.is_none() || new.creation.is_some(), "the attempts")?;
    ensure(old.adopted_at.is_none() || new.adopted_at.is_some(), "that it was adopted")?;
    let first = |s: &PaperspaceMachineStatus| s.creation.as_ref().map(|c| c.first_started_at.clone());
    ensure(old.creation.is_none() || first(&old) == first(new), "when the first attempt was")?;
    let allocated = |s: &PaperspaceMachineStatus| s.applied.as_ref().and_then(|a| a.allocated_ip.clone());
    let told = decided.decision.events.iter().any(|e| matches!(e.reason, "Retained" | "AddressNotReleased"));
    let released = matches!(decided.decision.step, Step::ReleaseIp { .. });
    let spec_names = named_address(&case.object.spec).map(str::to_owned);
    let named = [spec_names, old.applied.as_ref().and_then(|a| a.named_ip.clone())].contains(&allocated(&old));
    ensure(allocated(&old).is_none() || allocated(new) == allocated(&old) || released || told || named, "an address")?;
    let observes = case.object.spec.management_policy == ManagementPolicy::Observe;
    let adopts = case.object.spec.adopt.is_some() && (observes || old.adopted_at.is_none());
    let Some(id) = old.machine_id.filter(|id| new.machine_id.as_ref() != Some(id) && !adopts) else { return Ok(()) };
    ensure(new.machine_id.is_none(), "another machine")?;
    let direct =
        decided.facts.direct.get(&id).is_some_and(|l| l.as_ref().is_ok_and(|l| l.machine.as_ref().is_none_or(|m| m.dt_deleted.is_some())));
    let missing = case.memory.missing.get(&id).is_some_and(|since| decided.now.mono.saturating_sub(*since) >= case.settings.settle);
    ensure(direct && missing && !deleting(case), "a machine")
}

fn what_a_name_was_found_to_mean_is_not_changed_silently(case: &Case, decided: &Decided) -> Result<(), String> {
    let template = |s: &PaperspaceMachineStatus| s.resolved.as_ref().and_then(|r| r.template_id.clone());
    let (old, new) = (before(case), &decided.decision.status);
    ensure(template(&old).is_none() || template(new) == template(&old), "another template")?;
    let Step::Create { body, .. } = &decided.decision.step else { return Ok(()) };
    let noted = case.object.spec.template_id.clone().or_else(|| template(&old));
    ensure(noted.as_ref() == Some(&body.template_id), "not the template that was written down")
}

fn what_is_being_worked_on_is_come_back_to(case: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { step, status, requeue, memory, .. } = &decided.decision;
    let old = before(case);
    if *requeue == Requeue::After(Duration::ZERO) && *step == Step::Nothing && *status == old {
        return ensure(*memory != case.memory, "a hot loop");
    }
    let said = status.condition("Reconciling").filter(|_| status.conditions != old.conditions);
    let quiet = !deleting(case) || case.object.metadata.finalizers.iter().flatten().any(|f| f == FINALIZER);
    ensure(!(said.is_some() && quiet && *requeue == Requeue::OnChange), "nothing would wake it")?;
    let bound = Duration::from_hours(24).max(Duration::from_hours(1));
    ensure(!matches!(requeue, Requeue::After(after) if *after > bound), "sleeps too long")
}

fn what_others_wrote_reaches_status_and_events_clean(case: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { status, .. } = &decided.decision;
    if *status == before(case) {
        return Ok(());
    }
    let hardware = status.hardware.iter().flat_map(|h| &h.accelerators);
    let drift = status.drift.iter().flat_map(|d| [&d.desired, &d.observed]);
    let messages = status.conditions.iter().map(|c| &c.message);
    let places = status.desktop.iter().map(|d| &d.host).chain(status.snapshots.iter().filter_map(|s| s.newest_id.as_ref()));
    let shown = [
        &status.os,
        &status.agent_type,
        &status.machine_name,
        &status.state,
        &status.public_ip,
        &status.private_ip,
        &status.network_id,
        &status.hourly_rate_usd,
    ];
    for text in shown.into_iter().flatten().chain(hardware).chain(drift).chain(messages).chain(places) {
        ensure(*text == clean_text(text), &format!("as it came: {text:?}"))?;
    }
    Ok(())
}

fn conditions_are_a_set_and_never_say_both_working_and_stuck(_: &Case, decided: &Decided) -> Result<(), String> {
    let Decision { status, step, .. } = &decided.decision;
    if matches!(step, Step::Nothing) && status.observed_generation.is_none() {
        return Ok(());
    }
    let all: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
    ensure(all.len() == all.iter().collect::<BTreeSet<_>>().len(), "twice")
}

#[test]
fn the_same_is_decided_of_the_same() {
    check(500, case, |case| {
        let (one, two) = (drive(&case)?, drive(&case)?);
        ensure(one.decision.step == two.decision.step && one.decision.status == two.decision.status, "another decision")
    });
}
