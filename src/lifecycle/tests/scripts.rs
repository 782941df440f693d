//! Startup scripts that the operator makes, where all goes well: made, changed, given to the machine, exchanged and removed.

use super::cloud::Fault;
use super::estate::text;
use super::world::{NAME, World, kubernetes_down, secs};
use crate::crd::{
    Adopt, CreationOutcome, DeletionPolicy, KeyRef, OnDifference, PaperspaceMachineSpec, PowerState, RESTART_REQUESTED, StartupScript,
};
use crate::lifecycle::observe::{Facts, SourceLook};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::{Requeue, Step, StepKind};
use crate::paperspace::types::MachineState;

pub(super) fn inline(text: &str) -> Option<StartupScript> {
    Some(StartupScript { inline: Some(text.to_owned()), ..StartupScript::default() })
}

fn from_map() -> Option<StartupScript> {
    Some(StartupScript { config_map_key_ref: Some(KeyRef { name: "m".to_owned(), key: "k".to_owned() }), ..StartupScript::default() })
}

fn by_id(id: &str) -> Option<StartupScript> {
    Some(StartupScript { script_id: Some(id.to_owned()), ..StartupScript::default() })
}

/// The only script: its id, its text, and the machines that run it.
pub(super) fn script(world: &World) -> (String, ScriptText, Vec<String>) {
    let estate = &world.cloud.estate;
    assert_eq!(estate.scripts.len(), 1, "{:?}\n{:?}", estate.scripts, world.steps);
    let script = &estate.scripts[0];
    (script.id.clone(), estate.texts[&script.id].clone(), script.assigned_machine_ids.clone())
}

pub(super) fn with(script: Option<StartupScript>) -> impl FnOnce(&mut PaperspaceMachineSpec) {
    move |s| s.startup_script = script
}

#[test]
fn it_is_made_before_the_machine_and_runs_at_its_first_boot() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    let first = [StepKind::AddFinalizer, StepKind::WriteAhead, StepKind::CreateScript, StepKind::WriteAhead, StepKind::Create];
    assert_eq!(world.steps[..5], first);
    assert_eq!(world.count(StepKind::AssignScript), 0, "the creation said it");
    let (id, held, runs) = script(&world);
    assert_eq!((held, runs), (ScriptText::new("echo one"), vec![world.id()]));
    assert_eq!(world.cloud.estate.scripts[0].name, NAME);
    let owned = world.status().owned_script.unwrap();
    assert_eq!((owned.script_id, owned.creation.unwrap().outcome), (Some(id.clone()), CreationOutcome::Bound));
    assert_eq!(owned.hash, Some(ScriptText::new("echo one").hash(false)));
    assert_eq!(world.status().applied.unwrap().startup_script_id, Some(id));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn what_is_sent_stands_in_the_status_before() {
    let mut world = World::new(with(from_map()));
    world.cloud.estate.text = Some(text("1", "echo one"));
    world.run_until(StepKind::WriteAhead);
    let owned = world.status().owned_script.unwrap();
    assert_eq!((owned.hash, owned.script_id), (Some(ScriptText::new("echo one").hash(false)), None));
    // The ConfigMap changes in between: its new text is written down, and sent.
    world.cloud.estate.text = Some(text("2", "echo two"));
    assert_eq!(world.pass().step, Step::Nothing);
    assert_eq!(world.status().owned_script.unwrap().hash, Some(ScriptText::new("echo two").hash(false)));
    world.run();
    assert_eq!((world.count(StepKind::CreateScript), script(&world).1), (1, ScriptText::new("echo two")));
    assert_eq!(world.count(StepKind::UpdateScript), 0);
}

#[test]
fn a_changed_source_changes_the_script_and_nothing_else() {
    let mut world = World::new(with(from_map()));
    world.cloud.estate.text = Some(text("1", "echo one"));
    world.run();
    world.forget_log();
    world.cloud.estate.text = Some(text("2", "echo one"));
    world.run();
    assert_eq!((world.steps.len(), world.status_writes), (0, 0), "the text is the same");
    world.cloud.estate.text = Some(text("3", "echo two"));
    world.run();
    assert_eq!((world.steps.as_slice(), script(&world).1), ([StepKind::UpdateScript].as_slice(), ScriptText::new("echo two")));
    let owned = world.status().owned_script.unwrap();
    assert_eq!((owned.hash, owned.source.unwrap().resource_version.as_deref()), (Some(ScriptText::new("echo two").hash(false)), Some("3")));
    assert_eq!((world.said("Updated"), world.conditions().as_str()), (1, "Ready=True/Running Synced=True/Synced"));
}

#[test]
fn another_source_or_run_once_is_a_change_of_the_same_script() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    let (id, ..) = script(&world);
    world.cloud.estate.text = Some(text("1", "echo two"));
    world.edit(with(from_map()));
    world.run();
    assert_eq!((script(&world).0, script(&world).1), (id.clone(), ScriptText::new("echo two")));
    world.edit(|s| s.startup_script.as_mut().unwrap().run_once = true);
    world.run();
    assert!(world.cloud.estate.scripts[0].is_run_once);
    assert_eq!((script(&world).0, world.count(StepKind::UpdateScript), world.count(StepKind::CreateScript)), (id, 2, 1));
}

#[test]
fn a_machine_that_lives_gets_it_and_loses_it() {
    let mut world = World::running(|_| ());
    assert_eq!(world.cloud.estate.script_looks, 0, "without scripts nobody asks about them");
    world.edit(with(inline("echo one")));
    world.run();
    assert_eq!(world.steps, [StepKind::WriteAhead, StepKind::CreateScript, StepKind::AssignScript]);
    assert_eq!(script(&world).2, [world.id()]);
    world.forget_log();
    world.edit(with(None));
    world.run();
    assert_eq!(world.steps, [StepKind::UnassignScript, StepKind::DeleteScript]);
    assert_eq!((world.status().owned_script, world.cloud.estate.scripts.len()), (None, 0));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn another_id_takes_its_place_before_it_is_removed_and_is_itself_left_alone() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.forget_log();
    world.edit(with(by_id("mine")));
    world.run();
    assert_eq!(world.steps, [StepKind::UnassignScript, StepKind::AssignScript, StepKind::DeleteScript]);
    assert_eq!(world.status().applied.unwrap().startup_script_id.as_deref(), Some("mine"));
    world.forget_log();
    world.delete();
    world.run();
    assert_eq!((world.exists, world.count(StepKind::DeleteScript), world.count(StepKind::UpdateScript)), (false, 0, 0));
}

#[test]
fn it_goes_with_the_resource_after_the_machine() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    world.forget_log();
    world.delete();
    world.run();
    assert_eq!(world.steps, [StepKind::Delete, StepKind::DeleteScript, StepKind::RemoveFinalizer]);
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn a_resource_that_never_had_one_makes_no_call_about_scripts() {
    for script in [None, by_id("mine")] {
        let mut world = World::new(with(script));
        world.run();
        world.crash();
        world.delete();
        world.run();
        assert_eq!((world.exists, world.cloud.estate.script_looks), (false, 0));
    }
}

#[test]
fn it_is_removed_also_where_no_machine_was_ever_made() {
    let mut world = World::new(with(inline("echo one")));
    world.fault(StepKind::Create, Fault::Refuse(400, "no such template"));
    world.run_until(StepKind::Create);
    world.step();
    assert_eq!(world.cloud.estate.scripts.len(), 1);
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
    // And where nothing but the script was tried.
    let mut world = World::new(with(inline("echo one")));
    world.run_until(StepKind::CreateScript);
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn a_machine_that_is_made_anew_gets_the_same_script() {
    let mut world = World::new(with(inline("echo one")));
    world.run();
    let (id, ..) = script(&world);
    world.forget_log();
    let gone = world.id();
    world.cloud.machines.clear();
    world.cloud.estate.unassign(&gone);
    world.run();
    assert_ne!(world.id(), gone);
    assert_eq!((script(&world).0, script(&world).2, world.count(StepKind::CreateScript)), (id, vec![world.id()], 0));
}

#[test]
fn a_machine_that_stays_keeps_its_script_and_both_are_named() {
    let mut world = World::new(|s| (s.startup_script, s.deletion_policy) = (inline("echo one"), Some(DeletionPolicy::Retain)));
    world.run();
    world.delete();
    world.run();
    let (id, _, runs) = script(&world);
    assert_eq!((world.exists, runs), (false, vec![world.cloud.machines[0].id.clone()]));
    let note = &world.said.iter().find(|e| e.reason == "Retained").unwrap().note;
    assert!(note.contains(&id) && note.contains(&world.cloud.machines[0].id), "{note}");
}

#[test]
fn a_script_that_no_machine_has_does_not_stay_with_it() {
    let mut world = World::new(|s| (s.startup_script, s.deletion_policy) = (inline("echo one"), Some(DeletionPolicy::Retain)));
    world.run_until(StepKind::CreateScript);
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn without_a_source_nothing_is_created_and_what_lives_keeps_what_it_has() {
    for (look, reason) in [
        (SourceLook::Missing("no ConfigMap".to_owned()), "ScriptSourceMissing"),
        (SourceLook::NotLabelled("kubectl label secret s".to_owned()), "SecretNotLabelled"),
    ] {
        let mut world = World::new(with(from_map()));
        world.cloud.estate.text = Some(look.clone());
        world.run_for(secs(1000));
        assert_eq!((world.cloud.machines.len(), world.cloud.estate.scripts.len()), (0, 0));
        assert!(world.conditions().contains(reason), "{}", world.conditions());
        assert_eq!(world.said(reason), 1);
        world.cloud.estate.text = Some(text("1", "echo one"));
        world.run();
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
        world.cloud.estate.text = Some(look);
        world.machine().state = MachineState::Off;
        world.run_for(secs(1000));
        assert!(world.conditions().starts_with("Ready=True/Running"), "power goes on: {}", world.conditions());
        assert!(world.conditions().contains(reason), "{}", world.conditions());
        assert_eq!(script(&world).2, [world.id()]);
    }
}

#[test]
fn while_kubernetes_cannot_be_asked_nothing_is_concluded() {
    let blind = || Some(SourceLook::Unknown(kubernetes_down()));
    let mut world = World::new(with(from_map()));
    world.cloud.estate.text = blind();
    world.run_for(secs(100));
    assert!(world.conditions().contains("Reconciling=True/KubernetesUnavailable"), "{}", world.conditions());
    assert_eq!((world.cloud.machines.len(), world.cloud.estate.scripts.len()), (0, 0));
    world.cloud.estate.text = Some(text("1", "echo one"));
    world.run();
    world.forget_log();
    world.cloud.estate.text = blind();
    world.run_for(secs(100));
    assert_eq!((world.steps.len(), world.status_writes), (0, 0));
}

#[test]
fn a_script_that_does_not_come_asks_for_a_person_after_five_minutes() {
    let mut world = World::running(|_| ());
    world.cloud.estate.text = Some(SourceLook::Missing("no ConfigMap".to_owned()));
    world.edit(with(from_map()));
    world.run_for(secs(299));
    assert!(world.conditions().contains("Reconciling=True/ScriptSourceMissing"), "{}", world.conditions());
    world.run_for(secs(40));
    assert!(world.conditions().contains("Stalled=True/ScriptSourceMissing"), "{}", world.conditions());
    world.cloud.estate.text = Some(text("1", "echo one"));
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    assert_eq!(script(&world).2, [world.id()]);
}

#[test]
fn scripts_that_cannot_be_listed_do_not_stand_in_the_way_of_power() {
    let mut world = World::running(|_| ());
    world.cloud.estate.scripts_down = true;
    world.edit(|s| (s.startup_script, s.power_state) = (inline("echo one"), PowerState::Stopped));
    world.run_for(secs(100));
    assert_eq!(world.machine().state, MachineState::Off);
    assert!(world.conditions().contains("Ready=True/Stopped Synced=Unknown/ApiUnavailable"), "{}", world.conditions());
    world.cloud.estate.scripts_down = false;
    world.run();
    assert_eq!(script(&world).2, [world.id()]);
}

#[test]
fn a_restart_and_a_script_at_once_are_both_done_and_each_once() {
    for first in [StepKind::WriteAhead, StepKind::Restart] {
        let mut world = World::running(|_| ());
        world.annotate(RESTART_REQUESTED, "now");
        world.run_until(first);
        world.edit(with(inline("echo one")));
        world.run();
        assert_eq!((world.count(StepKind::Restart), world.count(StepKind::CreateScript)), (1, 1), "{:?}", world.steps);
        assert_eq!((world.said("Restarted"), world.said("RestartUncertain")), (1, 0));
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    }
}

#[test]
fn suspended_nothing_is_written_to_paperspace() {
    let mut world = World::running(|_| ());
    world.edit(|s| (s.startup_script, s.suspend) = (inline("echo one"), true));
    world.run();
    assert_eq!((world.steps.len(), world.cloud.estate.scripts.len()), (0, 0));
    world.edit(|s| s.suspend = false);
    world.run();
    assert_eq!(script(&world).2, [world.id()]);
}

#[test]
fn an_adopted_machine_has_none_until_one_is_asked_for() {
    let mut world = World::new(|s| {
        (s.adopt, s.template_id) =
            (Some(Adopt { machine_id: "ps9".to_owned(), replace_mark: None, on_difference: OnDifference::Hold }), None);
    });
    world.cloud.machines.push(super::cloud::machine("ps9", "found"));
    world.run();
    assert_eq!((world.cloud.estate.script_looks, world.status().owned_script), (0, None));
    world.edit(with(inline("echo one")));
    world.run();
    assert_eq!(script(&world).2, ["ps9"]);
    world.edit(|s| s.deletion_policy = Some(DeletionPolicy::Delete));
    world.delete();
    world.run();
    assert!(!world.exists && world.cloud.estate.scripts.is_empty());
}

#[test]
fn a_refusal_is_said_and_not_repeated_hot_until_the_text_is_another() {
    let mut world = World::new(with(from_map()));
    world.cloud.estate.text = Some(text("1", "echo one"));
    world.fault(StepKind::CreateScript, Fault::Refuse(400, "too long"));
    world.run_for(secs(30));
    assert!(world.conditions().contains("Ready=False/CreateRejected"), "{}", world.conditions());
    assert_eq!(world.count(StepKind::CreateScript), 1);
    world.cloud.estate.text = Some(text("2", "echo"));
    world.run();
    assert_eq!((world.count(StepKind::CreateScript), script(&world).1), (2, ScriptText::new("echo")));
    world.forget_log();
    world.fault(StepKind::UpdateScript, Fault::Refuse(400, "too long"));
    world.cloud.estate.text = Some(text("3", "echo long"));
    world.run_for(secs(30));
    assert!(world.conditions().starts_with("Ready=True/Running Synced=False/UpdateRejected"), "{}", world.conditions());
    world.cloud.estate.text = Some(text("4", "echo short"));
    world.run_for(secs(5));
    assert_eq!((world.count(StepKind::UpdateScript), script(&world).1), (2, ScriptText::new("echo short")));
}

#[test]
fn a_refusal_is_remembered_over_a_restart() {
    let mut world = World::running(|_| ());
    world.fault(StepKind::CreateScript, Fault::Refuse(400, "too long"));
    world.edit(with(inline("echo long")));
    world.run_for(secs(30));
    assert!(world.conditions().starts_with("Ready=True/Running Synced=False/UpdateRejected"), "{}", world.conditions());
    world.crash();
    world.run_for(secs(20));
    assert_eq!((world.count(StepKind::CreateScript), world.conditions().contains("UpdateRejected")), (1, true));
    world.run();
    assert_eq!((world.count(StepKind::CreateScript), script(&world).2), (2, vec![world.id()]));
}

#[test]
fn its_text_is_never_shown() {
    let secret = || ScriptText::new("curl -H hunter2");
    let steps = [
        Step::CreateScript { attempt: "n".to_owned(), name: "m".to_owned(), text: secret(), run_once: false, timeout: secs(1) },
        Step::UpdateScript { script: "s".to_owned(), text: secret(), run_once: true },
    ];
    let facts = Facts { script_text: Some(text("1", "curl -H hunter2")), ..Facts::default() };
    assert!(!format!("{steps:?} {steps:#?} {facts:?} {:?}", facts.script_text).contains("hunter2"));
    let mut world = World::new(with(from_map()));
    world.cloud.estate.text = Some(text("1", "curl -H hunter2"));
    for fault in [Fault::Refuse(400, "no"), Fault::LoseReply] {
        world.fault(StepKind::CreateScript, fault);
    }
    for _ in 0..200 {
        let decision = world.pass();
        assert!(!format!("{decision:?} {:?} {:?}", world.memory, world.object).contains("hunter2"));
        if let Requeue::After(after) = decision.requeue {
            world.sleep(after);
        }
    }
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    let shown = serde_json::to_string(&world.object).unwrap() + &format!("{:?}", world.said);
    assert!(!shown.contains("hunter2"));
}
