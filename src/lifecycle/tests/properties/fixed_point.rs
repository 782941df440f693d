//! Steps lead somewhere: from wherever a resource starts, there comes a moment from which nothing is done or written any more.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::cloud::{Fault, wall};
use super::super::world::{Looks, NAME, World, open, secs};
use super::answers;
use super::anything;
use super::remembered;
use crate::crd::{ManagementPolicy, PaperspaceMachineStatus, PowerState};
use crate::lifecycle::diff::diff;
use crate::lifecycle::observe::{Access, KeySource, Moment};
use crate::lifecycle::step::{Requeue, StepKind};
use crate::paperspace::types::MachineState;
use crate::properties::{Dice, check};

/// Longer than any back-off: what has not moved for so long does not move by itself.
const QUIET: Duration = Duration::from_mins(40);
/// By then everything is quiet.
const BOUND: Duration = Duration::from_hours(8);

/// A resource somewhere in its life: some passes among troubles, edits and other people's doings, told in `story`.
fn somewhere(d: &mut Dice, story: &mut String) -> World {
    let spec = anything::valid_spec(d);
    let mut world = World::new(|s| *s = spec);
    world.cloud.estate.public_ips.push(answers::own_address());
    // Ids of machines that were there before are not given again.
    world.cloud.next = 10;
    for _ in 0..d.below(4) {
        let id = anything::id(d);
        let machine = answers::machine(d, id, wall(world.now));
        let machine = if d.one_in(2) { machine } else { answers::agreeing(d, &world.object, machine) };
        if world.cloud.get(&machine.id).is_none() {
            world.cloud.machines.push(machine);
        }
    }
    for _ in 0..d.below(30) {
        if d.one_in(3) {
            turn(&mut world, d, story);
        }
        if !world.exists {
            break;
        }
        let decision = world.pass();
        let _ = writeln!(story, "{:?}: {} {}", world.now, decision.step.kind().as_str(), world.conditions());
        if let Requeue::After(after) = decision.requeue {
            world.sleep(after.min(secs(60)));
        }
    }
    calm(&mut world, d);
    world
}

/// Something happens.
fn turn(world: &mut World, d: &mut Dice, story: &mut String) {
    let what = d.below(14);
    let now = Moment { wall: wall(world.now), mono: world.now };
    match what {
        0 => world.crash(),
        1 => world.memory = remembered::memory(d, now),
        2 => world.edit_status(|s| *s = PaperspaceMachineStatus::default()),
        3 => {
            let status = anything::object(d, now.wall).status.unwrap_or_default();
            world.edit_status(|s| *s = status);
        }
        4 => {
            let (spec, adopt) = (anything::valid_spec(d), world.object.spec.adopt.clone());
            world.edit(|s| *s = crate::crd::PaperspaceMachineSpec { adopt, ..spec });
        }
        5 if d.one_in(3) => world.delete(),
        6 => {
            let kinds = [
                StepKind::Create,
                StepKind::Update,
                StepKind::Resize,
                StepKind::Start,
                StepKind::Stop,
                StepKind::Delete,
                StepKind::ReleaseIp,
                StepKind::AddAccessor,
                StepKind::RemoveAccessor,
                StepKind::AssignIp,
                StepKind::UnassignIp,
                StepKind::WriteConfigMap,
            ];
            let kind = d.pick(&kinds);
            let fault = d.pick(&[Fault::LoseReply, Fault::Drop, Fault::Refuse(400, "no"), Fault::Refuse(500, "?"), Fault::Ignore]);
            world.fault(kind, fault);
        }
        7 => {
            let access = answers::access(d);
            world.access.insert(KeySource::Own, access);
        }
        8 => world.looks.hidden_lists = 2,
        9 => world.looks.lagging_gets = 2,
        10 => world.annotate(crate::crd::RESTART_REQUESTED, &d.below(100).to_string()),
        11 => {
            let state = d.pick(&[MachineState::Off, MachineState::Ready]);
            world.cloud.machines.iter_mut().for_each(|m| m.state = state.clone());
        }
        12 => {
            // Somebody changes at the console who may use the machine.
            let (id, user) = (anything::id(d), d.pick(&["u1", "u2", "u3"]).to_owned());
            let people = world.cloud.estate.accessors.entry(id).or_default();
            let before = people.len();
            people.retain(|u| *u != user);
            if people.len() == before {
                people.push(user);
            }
        }
        _ => world.conflicts = 1,
    }
    let _ = writeln!(story, "{:?}: something happens, {what}", world.now);
}

/// From now on nothing gets in the way any more.
fn calm(world: &mut World, d: &mut Dice) {
    world.looks = Looks::default();
    world.cloud.faults.clear();
    world.conflicts = 0;
    if !d.one_in(8) {
        world.access.insert(KeySource::Own, open("te1"));
    }
    // An unknown outcome would keep the key waiting that only time could answer.
    if let Some(Access::Unknown(_)) = world.access.get(&KeySource::Own) {
        world.access.insert(KeySource::Own, Access::Rejected);
    }
}

/// Until nothing was done or written for as long as any wait is.
pub(super) fn settle(world: &mut World, story: &mut String) -> Result<(), String> {
    let (began, mut moved, mut hot) = (world.now, world.now, 0);
    while world.exists && world.now - moved < QUIET {
        let (steps, writes) = (world.steps.len(), world.status_writes);
        let decision = world.pass();
        if (world.steps.len(), world.status_writes) != (steps, writes) {
            moved = world.now;
            let _ = writeln!(story, "{:?}: {} {}", world.now, decision.step.kind().as_str(), world.conditions());
        }
        match decision.requeue {
            Requeue::After(Duration::ZERO) => hot += 1,
            Requeue::After(after) => (hot, ()) = (0, world.sleep(after)),
            Requeue::OnChange => (hot, ()) = (0, world.sleep(secs(600))),
        }
        if hot > 20 {
            return Err("a hot loop".to_owned());
        }
        if world.now - began > BOUND {
            return Err("it never comes to rest".to_owned());
        }
    }
    Ok(())
}

/// What a resource at rest says is true.
fn tells_the_truth(world: &World) -> Result<(), String> {
    let (conditions, spec) = (world.conditions(), &world.object.spec);
    let reasons = ["Reconciling=True/Creating", "Reconciling=True/Applying", "Reconciling=True/Drifted", "Reconciling=True/Deleting"];
    // A machine that Paperspace never brings into a state in which it can be changed is waited for.
    let settled = |s: &str| s == "ready" || s == "off";
    let waits = world.status().state.is_some_and(|s| !settled(&s));
    if let Some(reason) = reasons.iter().find(|r| conditions.contains(**r)).filter(|_| !waits) {
        return Err(format!("at rest, and says {reason}"));
    }
    if world.cloud.estate.public_ips.is_empty() {
        return Err("an address of the team's own was released".to_owned());
    }
    let synced = conditions.contains("Ready=True") && conditions.contains("Synced=True");
    if !synced || spec.management_policy == ManagementPolicy::Observe || spec.suspend {
        return Ok(());
    }
    let status = world.status();
    let asked = world.object.metadata.annotations.as_ref().and_then(|a| a.get(crate::crd::RESTART_REQUESTED));
    if asked.is_some() && asked != status.handled_restart_at.as_ref() {
        return Err("at rest, and a restart is still to come".to_owned());
    }
    let machine = status.machine_id.as_ref().and_then(|id| world.cloud.get(id)).ok_or("there is no machine")?;
    who_may_use_it(world, &status, &machine.id)?;
    let differences = diff(&world.object, &status, None, machine);
    let power = match spec.power_state {
        PowerState::Running => machine.state == MachineState::Ready,
        PowerState::Stopped => machine.state == MachineState::Off,
        PowerState::Manual => true,
    };
    if differences.is_empty() && power { Ok(()) } else { Err(format!("not what the spec says: {differences:?} {machine:#?}")) }
}

/// Those may use the machine whom the spec names; nobody does whom the resource let in and does not want any more; with `exact` nobody else.
fn who_may_use_it(world: &World, status: &PaperspaceMachineStatus, machine: &str) -> Result<(), String> {
    let there = world.cloud.estate.accessors.get(machine).cloned().unwrap_or_default();
    let spec = world.object.spec.accessors.clone();
    let team = &world.cloud.estate.users;
    let named = |id: &String| {
        let email = team.iter().find(|u| u.user.id == *id).map(|u| u.user.email.to_lowercase()).unwrap_or_default();
        spec.as_ref().is_some_and(|s| s.user_ids.contains(id) || s.emails.iter().any(|e| e.to_lowercase() == email))
    };
    let let_in = status.applied.as_ref().map(|a| a.accessors.clone()).unwrap_or_default();
    let missing = team.iter().map(|u| &u.user.id).find(|id| named(id) && !there.contains(id));
    let too_many = there.iter().find(|id| !named(id) && (let_in.contains(id) || spec.as_ref().is_some_and(|s| s.exact)));
    // What was accepted again and again and did not show is told.
    let told = status.drift.iter().any(|d| d.field == "accessors");
    if missing.or(too_many).is_some() && !told { Err(format!("{missing:?} {too_many:?} of {there:?}")) } else { Ok(()) }
}

#[test]
fn from_anywhere_it_comes_to_rest_and_tells_the_truth() {
    check(
        150,
        |d| d.split(600),
        |mut d| {
            let mut story = String::new();
            let mut world = somewhere(&mut d, &mut story);
            let came = settle(&mut world, &mut story).and_then(|()| if world.exists { tells_the_truth(&world) } else { Ok(()) });
            came.map_err(|why| {
                let last = world.pass();
                format!("{why}\n{story}\n{}\n{last:#?}\n{:#?}\n{:#?}", world.conditions(), world.object, world.cloud.machines)
            })
        },
    );
}

#[test]
fn what_was_never_touched_by_others_comes_to_what_the_spec_says() {
    check(60, anything::valid_spec, |spec| {
        let spec =
            crate::crd::PaperspaceMachineSpec { adopt: None, template_id: Some("tmpl".to_owned()), region: "NY2".to_owned(), ..spec };
        let quiet = spec.suspend || spec.management_policy == ManagementPolicy::Observe;
        let mut world = World::new(|s| *s = spec);
        world.cloud.estate.public_ips.push(answers::own_address());
        let mut story = String::new();
        settle(&mut world, &mut story)?;
        let conditions = world.conditions();
        let done = conditions.contains("Ready=True") && conditions.contains("Synced=True") && world.cloud.machines.len() == 1;
        if !(quiet || done) {
            return Err(format!("{conditions}\n{story}"));
        }
        let name_ends_in_mark = world.cloud.machines.iter().all(|m| m.name.ends_with(NAME.rsplit('-').next().unwrap()));
        if !name_ends_in_mark {
            return Err(format!("{:#?}", world.cloud.machines));
        }
        tells_the_truth(&world)
    });
}
