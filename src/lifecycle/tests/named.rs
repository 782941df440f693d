//! Templates and networks by name, and types that a template does not have.

use super::cloud::Fault;
use super::estate::{custom_template, network, os_template};
use super::world::{World, api_down, secs};
use crate::crd::TemplateName;
use crate::lifecycle::observe::{Listing, Question};
use crate::lifecycle::step::StepKind;

fn os(label: &str) -> Option<TemplateName> {
    Some(TemplateName { os_label: Some(label.to_owned()), custom_name: None })
}

fn custom(name: &str) -> Option<TemplateName> {
    Some(TemplateName { os_label: None, custom_name: Some(name.to_owned()) })
}

fn by_template(template: Option<TemplateName>) -> World {
    let mut world = World::new(|s| (s.template_id, s.template) = (None, template));
    world.cloud.estate.os_templates = vec![
        os_template("t1", "Ubuntu 22.04 Server", "Ubuntu 22.04", &["A4000", "C5"]),
        os_template("t2", "ML", "Ubuntu 22.04 ML-in-a-Box", &["A4000"]),
        os_template("t3", "ML H100", "Ubuntu 22.04 ML-in-a-Box", &["H100"]),
    ];
    world.cloud.estate.custom_templates = vec![
        custom_template("t4", "mine", "East Coast (NY2)"),
        custom_template("t5", "mine", "ca1"),
        custom_template("t6", "twice", "ny2"),
        custom_template("t7", "twice", "ny2"),
    ];
    world
}

fn template(world: &World) -> Option<String> {
    world.status().resolved.and_then(|r| r.template_id)
}

fn ready(world: &World) -> (String, String) {
    let ready = world.status().condition("Ready").cloned().unwrap();
    (ready.reason, ready.message)
}

#[test]
fn a_template_is_found_by_its_label_or_name_and_noted_before_the_machine_is_asked_for() {
    for (name, id) in [(os("ubuntu 22.04"), "t1"), (os("Ubuntu 22.04 Server"), "t1"), (os("ML"), "t2"), (custom("mine"), "t4")] {
        let mut world = by_template(name.clone());
        world.run();
        assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced", "{name:?}");
        assert_eq!(template(&world).as_deref(), Some(id), "{name:?}");
        assert_eq!(world.cloud.bodies.iter().map(|b| b.template_id.as_str()).collect::<Vec<_>>(), [id]);
    }
}

#[test]
fn a_template_that_is_missing_or_not_unique_is_said_with_what_there_is_and_nothing_is_created() {
    for (name, says) in [
        (os("Debian"), &["Debian", "t1 (Ubuntu 22.04, Ubuntu 22.04 Server)", "t3"][..]),
        (os("Ubuntu 22.04 ML-in-a-Box"), &["2 templates", "t2", "t3", "templateId"]),
        (custom("twice"), &["2 templates", "t6 (twice)", "t7 (twice)"]),
        (custom("yours"), &["yours", "NY2", "t4 (mine)", "t6 (twice)"]),
    ] {
        let mut world = by_template(name);
        world.run();
        let (reason, message) = ready(&world);
        assert_eq!(reason, "TemplateNotFound", "{message}");
        assert!(says.iter().all(|part| message.contains(part)) && !message.contains("t5"), "{message}");
        assert_eq!(world.count(StepKind::Create), 0);
        assert!(world.conditions().contains("Stalled=True"), "{}", world.conditions());
    }
}

#[test]
fn a_template_that_comes_later_is_found() {
    let mut world = by_template(custom("later"));
    world.run();
    world.cloud.estate.custom_templates.push(custom_template("t9", "later", "ny2"));
    world.run_for(secs(600));
    assert_eq!(template(&world).as_deref(), Some("t9"));
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn what_a_name_meant_is_kept_for_a_machine_that_is_made_anew() {
    let mut world = by_template(custom("mine"));
    world.run();
    world.cloud.estate.custom_templates[0].id = "tnew".to_owned();
    world.cloud.machines.clear();
    world.run_for(secs(1200));
    assert_eq!(world.cloud.bodies.iter().map(|b| b.template_id.as_str()).collect::<Vec<_>>(), ["t4", "t4"]);
}

#[test]
fn a_type_that_the_template_does_not_offer_is_said_before_anything_is_created() {
    let mut world = by_template(os("Ubuntu 22.04"));
    world.edit(|s| s.machine_type = "H100".to_owned());
    world.run();
    let (reason, message) = ready(&world);
    assert_eq!(reason, "MachineTypeNotOffered");
    assert!(message.contains("t1") && message.contains("A4000, C5") && message.contains("H100"), "{message}");
    assert_eq!(world.count(StepKind::Create), 0);
    world.edit(|s| s.machine_type = "a4000".to_owned());
    world.run();
    assert_eq!(world.cloud.machines.len(), 1, "the case of letters is Paperspace's");
}

#[test]
fn of_a_template_that_no_list_has_paperspace_decides() {
    let mut world = by_template(None);
    world.edit(|s| (s.template_id, s.machine_type) = (Some("thidden".to_owned()), "H100".to_owned()));
    world.run();
    assert_eq!(world.count(StepKind::Create), 1);
}

fn networked(name: &str) -> World {
    let mut world = World::new(|s| s.network_name = Some(name.to_owned()));
    world.cloud.estate.networks = vec![
        network("n2", "lab", "East Coast (NY2)"),
        network("n3", "lab", "ca1"),
        network("n4", "twice", "ny2"),
        network("n5", "twice", "ny2"),
        network("n6", "office", "ny2"),
    ];
    world
}

#[test]
fn a_machine_is_created_in_and_moved_to_the_network_of_that_name_in_its_region() {
    let mut world = networked("lab");
    world.run();
    assert_eq!(world.machine().network_id.as_deref(), Some("n2"));
    assert_eq!(world.count(StepKind::Update), 0);
    world.edit(|s| s.network_name = Some("office".to_owned()));
    world.run();
    assert_eq!(world.machine().network_id.as_deref(), Some("n6"));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    world.edit(|s| (s.network_name, s.network_id) = (None, Some("n2".to_owned())));
    world.run();
    assert_eq!(world.machine().network_id.as_deref(), Some("n2"));
}

#[test]
fn a_network_that_is_missing_or_not_unique_is_said_with_what_there_is() {
    for (name, says) in [("none", &["none", "n2 (lab)", "n6 (office)"][..]), ("twice", &["2 private networks", "n4", "n5"])] {
        let mut world = networked(name);
        world.run();
        let (reason, message) = ready(&world);
        assert_eq!(reason, "NetworkNotFound");
        assert!(says.iter().all(|part| message.contains(part)) && !message.contains("n3"), "{message}");
        assert_eq!(world.count(StepKind::Create), 0);
    }
    let mut world = networked("lab");
    world.run();
    world.edit(|s| (s.network_name, s.power_state) = (Some("none".to_owned()), crate::crd::PowerState::Stopped));
    world.run();
    assert!(world.conditions().contains("Ready=True/Stopped Synced=False/NetworkNotFound"), "{}", world.conditions());
}

#[test]
fn a_machine_is_not_adopted_into_another_network_without_leave() {
    let mut world = networked("lab");
    world.cloud.machines.push(super::cloud::machine("psx", "theirs"));
    world.edit(|s| s.adopt = Some(crate::crd::Adopt { machine_id: "psx".to_owned(), ..Default::default() }));
    world.run();
    let status = world.status();
    assert_eq!(status.condition("Synced").map(|c| c.reason.as_str()), Some("AdoptedDiffers"), "{}", world.conditions());
    assert_eq!((status.drift[0].field.as_str(), status.drift[0].desired.as_str()), ("networkId", "n2"));
    assert_eq!(world.count(StepKind::Update), 0);
    world.edit(|s| s.network_name = Some("none".to_owned()));
    world.run();
    assert!(world.conditions().contains("Synced=False/NetworkNotFound"), "{}", world.conditions());
    assert_eq!(world.count(StepKind::Update), 0);
}

#[test]
fn renaming_a_network_moves_no_machine_and_asks_nothing() {
    let mut world = networked("lab");
    world.run();
    world.cloud.estate.networks[0].name = "renamed".to_owned();
    world.forget_log();
    world.edit(|s| s.deletion_protection = true);
    world.run();
    assert_eq!(world.conditions(), "Ready=True/Running Synced=True/Synced");
    assert!(!world.asked.iter().any(|q| matches!(q, Question::Listing { of: Listing::Networks, .. })), "{:?}", world.asked);
}

#[test]
fn a_network_that_was_made_anew_is_looked_up_again_once_paperspace_refuses_the_old_one() {
    let mut world = networked("lab");
    world.edit(|s| s.network_name = None);
    world.run();
    world.edit_status(|s| {
        let resolved = s.resolved.get_or_insert_default();
        (resolved.network_name, resolved.network_id) = (Some("lab".to_owned()), Some("ngone".to_owned()));
    });
    world.fault(StepKind::Update, super::cloud::Fault::Refuse(404, "Network not found"));
    world.edit(|s| s.network_name = Some("lab".to_owned()));
    world.run_for(secs(300));
    assert_eq!(world.machine().network_id.as_deref(), Some("n2"));
}

#[test]
fn a_network_of_another_region_is_said_before_anything_is_created() {
    let mut world = networked("lab");
    world.edit(|s| (s.network_name, s.network_id) = (None, Some("n3".to_owned())));
    world.run();
    let (reason, message) = ready(&world);
    assert_eq!(reason, "NetworkNotFound");
    assert!(message.contains("n3 (lab) is in CA1"), "{message}");
    assert_eq!(world.count(StepKind::Create), 0);
}

#[test]
fn a_mistake_in_a_name_is_corrected_without_waiting() {
    let mut world = by_template(os("Debian"));
    world.run_for(secs(20));
    assert_eq!(ready(&world).0, "TemplateNotFound");
    assert!(world.object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty), "nothing was made that a deletion would have to wait for");
    world.edit(|s| s.network_name = Some("none".to_owned()));
    world.cloud.estate.os_templates[0].operating_system_label = "Debian".to_owned();
    world.run_for(secs(20));
    assert_eq!(ready(&world).0, "NetworkNotFound");
    world.edit(|s| s.network_name = None);
    world.run_for(secs(20));
    assert_eq!(world.cloud.machines.len(), 1, "{}", world.conditions());
}

#[test]
fn a_network_that_was_made_anew_before_the_machine_is_looked_up_again_at_once() {
    let mut world = networked("lab");
    world.run_until(StepKind::WriteAhead);
    world.cloud.estate.networks[0].id = "nnew".to_owned();
    world.fault(StepKind::Create, Fault::Refuse(404, "Network not found"));
    world.run_until(StepKind::Create);
    let refused = world.now;
    world.run_until(StepKind::Create);
    assert!(world.now - refused < secs(5), "{:?}", world.now - refused);
    world.run();
    assert_eq!(world.machine().network_id.as_deref(), Some("nnew"));

    let mut world = networked("lab");
    world.run_until(StepKind::WriteAhead);
    world.cloud.estate.networks.clear();
    world.fault(StepKind::Create, Fault::Refuse(404, "Network not found"));
    world.run_until(StepKind::Create);
    world.run_for(secs(30));
    assert_eq!((ready(&world).0.as_str(), world.count(StepKind::Create)), ("NetworkNotFound", 1));
}

#[test]
fn a_create_that_is_refused_for_something_else_is_not_repeated_hot_because_of_the_network() {
    let mut world = networked("lab");
    world.fault(StepKind::Create, Fault::Refuse(400, "diskSize: no"));
    world.run_until(StepKind::Create);
    world.run_for(secs(30));
    assert_eq!((ready(&world).0.as_str(), world.count(StepKind::Create)), ("CreateRejected", 1));
    world.crash();
    world.run();
    assert_eq!(world.machine().network_id.as_deref(), Some("n2"));
}

#[test]
fn what_cannot_be_listed_hinders_only_a_name_that_is_not_known_yet() {
    let down = |world: &mut World| {
        world.facts.os_templates = Some(Err(api_down()));
        world.facts.custom_templates = Some(Err(api_down()));
        world.facts.networks = Some(Err(api_down()));
    };
    let mut by_id = World::new(|s| s.network_id = Some("n2".to_owned()));
    down(&mut by_id);
    by_id.run();
    assert_eq!(by_id.cloud.machines.len(), 1, "ids are for Paperspace to judge");

    let mut by_name = networked("lab");
    down(&mut by_name);
    by_name.run_for(secs(60));
    assert_eq!((ready(&by_name).0.as_str(), by_name.count(StepKind::WriteAhead)), ("ApiUnavailable", 0));
    by_name.facts = crate::lifecycle::observe::Facts::default();
    by_name.run();
    assert_eq!(by_name.conditions(), "Ready=True/Running Synced=True/Synced");

    down(&mut by_name);
    by_name.edit(|s| s.network_name = Some("office".to_owned()));
    by_name.machine().state = crate::paperspace::types::MachineState::Off;
    by_name.run_for(secs(60));
    assert!(
        by_name.conditions().starts_with("Ready=True/Running Synced=Unknown/ApiUnavailable"),
        "power goes on: {}",
        by_name.conditions()
    );
    by_name.facts = crate::lifecycle::observe::Facts::default();
    by_name.run();
    assert_eq!(by_name.machine().network_id.as_deref(), Some("n6"));
}

#[test]
fn a_template_that_was_noted_and_is_refused_is_explained() {
    let mut world = by_template(os("Ubuntu 22.04"));
    world.fault(StepKind::Create, Fault::Refuse(404, "Template t1 was not found."));
    world.run_until(StepKind::Create);
    world.run_for(secs(5));
    let (reason, message) = ready(&world);
    assert_eq!(reason, "CreateRejected");
    assert!(message.contains("Template t1 was not found.") && message.contains("delete this resource and create it anew"), "{message}");
}

#[test]
fn a_move_that_is_refused_costs_one_list_for_each_refusal() {
    let lists = |world: &World| world.asked.iter().filter(|q| matches!(q, Question::Listing { of: Listing::Networks, .. })).count();
    let mut world = networked("lab");
    world.run();
    world.forget_log();
    (0..9).for_each(|_| world.fault(StepKind::Update, Fault::Refuse(400, "no")));
    world.edit(|s| s.machine_name = Some("renamed".to_owned()));
    world.run_until(StepKind::Update);
    world.sleep(secs(10));
    let began = world.now;
    // As the shell does: the account's last list is the answer while it is young enough.
    world.facts.networks =
        Some(Ok(crate::lifecycle::observe::Listed { began, items: std::sync::Arc::new(world.cloud.estate.networks.clone()) }));
    for _ in 0..20 {
        world.step();
        world.sleep(secs(1));
    }
    assert_eq!((lists(&world), world.count(StepKind::Update)), (0, 1), "the list that was made after the refusal");
}
