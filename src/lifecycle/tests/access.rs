//! Whose eyes: keys that may not be used, and keys that are not there.

use super::world::{World, api_down, kubernetes_down, open, secs, unauthorized};
use crate::crd::CredentialsRef;
use crate::lifecycle::observe::{Access, KeySource};
use crate::lifecycle::step::{Requeue, StepKind};

fn with(access: Access) -> World {
    let mut world = World::running(|_| ());
    world.access.insert(KeySource::Own, access);
    world.edit(|s| s.machine_type = "A5000".to_owned());
    world
}

#[test]
fn with_a_key_that_cannot_be_used_nothing_is_done() {
    let table = [
        (open("te2"), "Stalled=True/AccountMismatch"),
        (Access::Open { team: "te1".to_owned(), admin: false }, "Stalled=True/CredentialsNotAdmin"),
        (Access::Rejected, "Stalled=True/CredentialsRejected"),
        (Access::NotLabelled("kubectl label ...".to_owned()), "Stalled=True/SecretNotLabelled"),
        (Access::NotAllowed("set credentialsRef".to_owned()), "Stalled=True/DefaultKeyNotAllowed"),
        (Access::Missing("no Secret".to_owned()), "Reconciling=True/CredentialsMissing"),
        (Access::Unknown(api_down()), "Reconciling=True/ApiUnavailable"),
        (Access::Unknown(kubernetes_down()), "Reconciling=True/KubernetesUnavailable"),
    ];
    for (access, condition) in table {
        let mut world = with(access);
        world.step();
        assert!(world.conditions().contains(condition), "{condition}: {}", world.conditions());
        assert_eq!((world.steps.len(), world.said.len()), (0, 1), "{condition}");
        world.run_for(secs(200));
        assert_eq!((world.steps.len(), world.said.len()), (0, 1), "{condition}: told once");
    }
}

#[test]
fn a_key_that_was_not_accepted_is_tried_again_within_a_minute_for_nothing_tells_that_it_is() {
    let mut world = with(Access::Rejected);
    let requeue = world.pass().requeue;
    assert!(matches!(requeue, Requeue::After(after) if after <= secs(60)), "{requeue:?}");
}

#[test]
fn a_missing_key_is_stuck_after_five_minutes() {
    let mut world = with(Access::Missing("no Secret".to_owned()));
    world.run_for(secs(299));
    assert!(world.conditions().contains("Reconciling=True/CredentialsMissing"));
    world.run_for(secs(10));
    assert!(world.conditions().contains("Stalled=True/CredentialsMissing"), "{}", world.conditions());
    world.access.insert(KeySource::Own, open("te1"));
    world.run();
    assert!(world.conditions().contains("PendingStop"), "{}", world.conditions());
    assert_eq!(world.memory.missing_since, None);
}

#[test]
fn a_secret_that_may_not_be_read_is_not_paperspaces_doing_and_stuck_after_five_minutes() {
    let mut world = with(Access::Unknown(kubernetes_down()));
    world.run_for(secs(250));
    assert!(world.conditions().contains("Reconciling=True/KubernetesUnavailable"), "{}", world.conditions());
    world.run_for(secs(200));
    assert!(world.conditions().contains("Stalled=True/KubernetesUnavailable"), "{}", world.conditions());
    let message = &world.status().condition("Stalled").unwrap().message.clone();
    assert!(message.contains("forbidden") && !message.contains("Paperspace"), "{message}");
    world.access.insert(KeySource::Own, open("te1"));
    world.run();
    assert!(world.conditions().contains("PendingStop"), "{}", world.conditions());
}

#[test]
fn a_new_resource_without_a_key_gets_no_finalizer() {
    let mut world = World::new(|s| s.credentials_ref = Some(CredentialsRef { name: "x".to_owned(), key: "apiKey".to_owned() }));
    world.access.clear();
    world.run_for(secs(600));
    assert_eq!((world.steps.len(), world.object.metadata.finalizers.clone()), (0, None));
    assert!(world.conditions().starts_with("Ready=False/CredentialsMissing"), "{}", world.conditions());
}

#[test]
fn another_endpoint_is_another_account() {
    let mut world = World::running(|_| ());
    world.settings.endpoint = "https://other.test/v1".to_owned();
    world.step();
    assert!(world.conditions().contains("AccountMismatch"), "{}", world.conditions());
}

#[test]
fn an_attempt_knows_its_team_though_the_account_was_lost() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.edit_status(|s| s.account = None);
    world.access.insert(KeySource::Own, open("te2"));
    world.run_for(secs(600));
    assert_eq!(world.steps, [StepKind::AddFinalizer, StepKind::WriteAhead]);
    assert!(world.conditions().contains("AccountMismatch"), "{}", world.conditions());
}

#[test]
fn an_attempt_for_another_team_is_not_settled_with_this_ones_key() {
    let mut world = World::new(|_| ());
    world.run_until(StepKind::WriteAhead);
    world.edit_status(|s| s.creation.as_mut().unwrap().account = "te2".to_owned());
    world.run_for(secs(600));
    assert_eq!(world.steps, [StepKind::AddFinalizer, StepKind::WriteAhead]);
    assert!(world.conditions().contains("AccountMismatch"), "{}", world.conditions());
}

#[test]
fn the_address_of_the_machine_knows_the_team_though_the_status_was_wiped() {
    let mut world = World::running(|_| ());
    world.access.insert(KeySource::Own, open("te2"));
    world.edit_status(|s| *s = crate::crd::PaperspaceMachineStatus::default());
    world.run_for(secs(600));
    assert_eq!((world.steps.len(), world.status().account), (0, None));
    assert!(world.conditions().contains("AccountMismatch"), "{}", world.conditions());
    world.access.insert(KeySource::Own, open("te1"));
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}

#[test]
fn living_resources_use_no_key_but_their_own() {
    let mut world = with(Access::Missing("no Secret".to_owned()));
    world.access.insert(KeySource::Operator, open("te1"));
    world.access.insert(KeySource::Remembered, open("te1"));
    world.run_for(secs(100));
    assert!(world.conditions().contains("CredentialsMissing"), "{}", world.conditions());
}

#[test]
fn a_key_that_is_refused_while_looking_is_reported_even_by_the_idle() {
    let mut world = World::running(|_| ());
    world.looks.unobserved_for = secs(30);
    world.looks.down = Some(unauthorized());
    world.annotate(crate::crd::RECONCILE_REQUESTED, "now");
    world.step();
    assert!(world.conditions().contains("Stalled=True/CredentialsRejected"), "{}", world.conditions());
}

#[test]
fn only_a_key_that_is_missing_is_waited_for_with_patience() {
    let mut world = with(open("te2"));
    world.run_for(secs(600));
    assert_eq!(world.memory.missing_since, None);
    world.access.clear();
    world.step();
    assert!(world.conditions().contains("Reconciling=True/CredentialsMissing"), "{}", world.conditions());
}

#[test]
fn where_the_operators_key_may_not_adopt_it_may_still_create_and_go_on_with_what_it_adopted() {
    let mut world = World::new(|_| ());
    world.settings.adopt_with_default_key = false;
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    let mut world = World::adopting(|_| ());
    world.run();
    world.settings.adopt_with_default_key = false;
    world.step();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
}
