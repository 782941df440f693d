//! Startup scripts that the operator makes, where something is lost: never two, none left over, and none taken from others.

use jiff::SignedDuration;

use super::cloud::{Fault, wall};
use super::scripts::{inline, script, with};
use super::world::{NAME, World, secs};
use crate::crd::{CreationOutcome, OwnedScript, PaperspaceMachineStatus};
use crate::lifecycle::observe::{Listing, Question};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::StepKind;
use crate::paperspace::types::StartupScript;

fn row(id: &str, name: &str, age: u64) -> StartupScript {
    StartupScript {
        id: id.to_owned(),
        name: name.to_owned(),
        is_enabled: true,
        is_run_once: false,
        assigned_machine_ids: Vec::new(),
        dt_created: wall(secs(age)),
        dt_deleted: None,
    }
}

fn settled(world: &World) -> bool {
    world.conditions() == "Ready=True/Running Synced=True/Synced"
}

#[test]
fn no_attempt_without_a_fresh_list() {
    let mut world = World::new(with(inline("echo one")));
    world.run_until(StepKind::WriteAhead);
    let began = world.asked.iter().find_map(|q| match q {
        Question::Listing { of: Listing::Scripts, begun_after } => Some(*begun_after),
        _ => None,
    });
    assert!(world.now - began.unwrap() <= secs(6), "{began:?}");
}

#[test]
fn a_lost_reply_leads_to_the_same_script_and_its_text_is_made_sure_of() {
    let mut world = World::new(with(inline("echo one")));
    world.fault(StepKind::CreateScript, Fault::LoseReply);
    world.run();
    assert_eq!((world.count(StepKind::CreateScript), world.count(StepKind::UpdateScript)), (1, 1));
    assert!(settled(&world) && script(&world).2 == [world.id()]);
    assert!(world.now < secs(160), "it is found long before it is settled: {:?}", world.now);
}

#[test]
fn a_request_that_never_arrived_is_repeated_only_after_the_settling_time() {
    let mut world = World::new(with(inline("echo one")));
    world.fault(StepKind::CreateScript, Fault::Drop);
    world.run_until(StepKind::CreateScript);
    let sent = world.now;
    world.run_until(StepKind::CreateScript);
    assert!(world.now - sent > secs(180), "{:?}", world.now - sent);
    world.run();
    assert_eq!((script(&world).1, world.status().owned_script.unwrap().creation.unwrap().attempt), (ScriptText::new("echo one"), 2));
}

#[test]
fn one_that_comes_late_is_waited_for() {
    let mut world = World::new(with(inline("echo one")));
    world.fault(StepKind::CreateScript, Fault::Late(secs(120)));
    world.run();
    assert!(settled(&world) && world.count(StepKind::CreateScript) == 1);
    assert_eq!(script(&world).2, [world.id()]);
}

#[test]
fn nor_is_one_left_behind_that_comes_after_the_deletion() {
    let mut world = World::new(with(inline("echo one")));
    world.fault(StepKind::CreateScript, Fault::Late(secs(120)));
    world.run_until(StepKind::CreateScript);
    world.delete();
    world.run();
    assert!(!world.exists);
    world.sleep(secs(500));
    assert_eq!(world.cloud.estate.scripts.len(), 0);
}

#[test]
fn two_lists_have_to_lack_it() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.delete();
    world.run_until(StepKind::DeleteScript);
    let id = "sc1".to_owned();
    world.cloud.estate.ghost_scripts.push(row(&id, NAME, 100));
    world.run_for(secs(60));
    assert!(world.exists, "it is still listed");
    assert_eq!(world.count(StepKind::DeleteScript), 1, "and was removed already");
    world.cloud.estate.ghost_scripts.clear();
    world.run();
    assert!(!world.exists);
    // One list that misses it proves nothing.
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.delete();
    world.run_until(StepKind::Delete);
    world.cloud.estate.hidden_script_lists = 1;
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn a_wiped_status_finds_its_script_again() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    let (id, ..) = script(&world);
    world.forget_log();
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.run();
    assert!(settled(&world), "{}", world.conditions());
    assert_eq!((script(&world).0, world.count(StepKind::CreateScript)), (id.clone(), 0));
    assert_eq!(world.status().applied.unwrap().startup_script_id, Some(id));
    // And none is left behind if it was not wanted any more, or the resource goes.
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.edit(with(None));
    world.run();
    assert!(settled(&world) && world.cloud.estate.scripts.is_empty(), "{}", world.conditions());
    assert_eq!(world.status().owned_script, None);
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn a_wipe_while_one_is_on_its_way_does_not_double_it() {
    let mut world = World::new(with(inline("echo one")));
    world.fault(StepKind::CreateScript, Fault::Late(secs(120)));
    world.run_until(StepKind::CreateScript);
    world.edit_status(|s| *s = PaperspaceMachineStatus::default());
    world.run();
    assert!(settled(&world) && script(&world).2 == [world.id()]);
}

#[test]
fn whatever_is_lost_at_a_change_the_script_has_the_last_text() {
    for fault in [Fault::LoseReply, Fault::Drop, Fault::Refuse(500, "?")] {
        let mut world = World::new(with(inline("echo one")));
        world.run();
        world.fault(StepKind::UpdateScript, fault.clone());
        world.edit(with(inline("echo two")));
        world.run_until(StepKind::UpdateScript);
        // Back to what it was, before anybody knows what came of the change.
        world.crash();
        world.edit(with(inline("echo one")));
        world.run();
        assert!(settled(&world), "{fault:?}: {}", world.conditions());
        assert_eq!(script(&world).1, ScriptText::new("echo one"), "{fault:?}");
    }
}

#[test]
fn of_several_the_oldest_is_bound_and_all_go_with_the_resource() {
    let mut world = World::new(with(inline("echo one")));
    for (id, age) in [("scyoung", 90), ("scold", 60)] {
        world.cloud.estate.scripts.push(row(id, NAME, age));
        world.cloud.estate.texts.insert(id.to_owned(), ScriptText::new("?"));
    }
    world.run();
    assert_eq!(world.status().owned_script.unwrap().script_id.as_deref(), Some("scold"));
    assert_eq!((world.count(StepKind::CreateScript), world.cloud.estate.scripts.len()), (0, 2));
    assert_eq!(world.cloud.estate.texts["scold"], ScriptText::new("echo one"));
    world.edit_status(|s| s.owned_script.as_mut().unwrap().creation.as_mut().unwrap().first_started_at.0 -= SignedDuration::from_mins(1));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn scripts_of_others_are_not_touched() {
    let mut world = World::new(with(inline("echo one")));
    let mut gone = row("scgone", NAME, 90);
    gone.dt_deleted = Some(wall(secs(95)));
    let mut older = row("scolder", NAME, 0);
    older.dt_created -= secs(3600);
    let others = [row("scmine", "mine", 90), row("scother", "other-aaaaaaaaaaaa", 90), older, gone];
    world.cloud.estate.scripts.extend(others.clone());
    world.run();
    assert!(settled(&world));
    world.edit(with(inline("echo two")));
    world.run();
    world.delete();
    world.run();
    assert!(!world.exists);
    assert_eq!(world.cloud.estate.scripts, others);
}

#[test]
fn a_copied_status_gives_no_right_to_anothers_script() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    let other = row("scother", "other-aaaaaaaaaaaa", 90);
    world.cloud.estate.scripts.push(other.clone());
    world.edit_status(|s| s.owned_script.as_mut().unwrap().script_id = Some("scother".to_owned()));
    world.edit(with(inline("echo two")));
    world.run();
    assert!(settled(&world), "{}", world.conditions());
    world.delete();
    world.run();
    assert!(!world.exists);
    assert_eq!(world.cloud.estate.scripts, [other]);
}

#[test]
fn one_that_was_removed_at_the_console_is_made_anew() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.sleep(secs(1000));
    world.cloud.estate.scripts.clear();
    world.edit(with(inline("echo two")));
    world.run();
    assert!(settled(&world), "{}", world.conditions());
    assert_eq!((script(&world).1, script(&world).2), (ScriptText::new("echo two"), vec![world.id()]));
    // Before a machine is made with it, it is looked at.
    world.sleep(secs(1000));
    world.cloud.estate.scripts.clear();
    world.cloud.machines.clear();
    world.run();
    assert!(settled(&world) && script(&world).2 == [world.id()]);
}

#[test]
fn a_script_that_was_renamed_is_still_removed() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.cloud.estate.scripts[0].name = "renamed".to_owned();
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn what_paperspace_will_not_remove_holds_the_resource_and_says_so() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.fault(StepKind::DeleteScript, Fault::Refuse(400, "in use"));
    world.delete();
    world.run_for(secs(60));
    assert!(world.exists && world.conditions().contains("UpdateRejected"), "{}", world.conditions());
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn a_placeholder_alone_holds_no_retained_machine() {
    let mut world = World::running(|s| s.deletion_policy = Some(crate::crd::DeletionPolicy::Retain));
    world.edit_status(|s| s.owned_script = Some(OwnedScript { creation: s.creation.clone(), ..OwnedScript::default() }));
    world.edit_status(|s| s.owned_script.as_mut().unwrap().creation.as_mut().unwrap().outcome = CreationOutcome::Open);
    let before = world.now;
    world.delete();
    world.run();
    assert!(!world.exists && world.now - before < secs(60));
}

#[test]
fn a_script_that_the_machine_could_not_be_given_is_looked_at() {
    let mut world = World::running(|_| ());
    world.edit(with(inline("echo one")));
    world.run_until(StepKind::CreateScript);
    world.sleep(secs(1000));
    // It was removed before the machine had it.
    world.cloud.estate.scripts.clear();
    world.run();
    assert!(settled(&world), "{}", world.conditions());
    assert_eq!(script(&world).2, [world.id()]);
}
