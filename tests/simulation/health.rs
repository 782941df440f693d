//! Argo CD, Flux and kstatus say of a resource what a person would: of each that an operator writes in any run of the simulation, and of
//! all that its reasons can be put together to.
//!
//! `health_expected` is what a person would say, `health_tools` what the tools do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use paperspace_operator::crd::conditions::{Because, Summary, conditions};
use paperspace_operator::crd::reason::{Reason, markdown_table};
use serde_json::{Value, json};

use super::crash_matrix::run;
use super::health_expected::{Health, Says, expected, of, reason_of};
use super::health_tools::{Kstatus, SCRIPT, argo, flux, kstatus, run as run_lua, wrong, yaml};
use super::process;
use super::scenarios::SCENARIOS;
use super::user::{Done, User};
use super::world::{World, simulate};

/// What was wrong with each kind of resource that was seen in this process; that is told again whenever one is seen.
static SEEN: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());

/// Looks at a resource that an operator has just written; what is wrong with its health.
pub(crate) fn look(object: &Value) -> Option<String> {
    let judge = || wrong(object, expected(object));
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).entry(shape(object)).or_insert_with(judge).clone()
}

/// All that health can depend on.
fn shape(object: &Value) -> String {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let seen = status["observedGeneration"] == metadata["generation"];
    let mut shape = format!("{} {seen} {}", metadata["deletionTimestamp"].is_null(), object["spec"]["suspend"] == true);
    for condition in status["conditions"].as_array().into_iter().flatten() {
        for field in ["type", "status", "reason"] {
            shape.push(' ');
            shape.push_str(condition[field].as_str().unwrap_or_default());
        }
    }
    shape
}

/// A resource with these conditions.
fn with(summary: &Summary, going: bool) -> Value {
    let conditions = conditions(summary, Some(2), &[], Timestamp::UNIX_EPOCH);
    let mut object = json!({
        "metadata": {"name": "a", "generation": 2}, "spec": {"suspend": summary.suspended},
        "status": {"observedGeneration": 2, "conditions": conditions},
    });
    if going {
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    object
}

/// All that the reasons can be put together to, with and without a hold.
fn everything() -> Vec<Value> {
    let mut all = Vec::new();
    let ready = || Reason::ALL.iter().filter(|r| r.ready().is_some());
    let synced = || Reason::ALL.iter().filter(|r| r.synced().is_some());
    for (ready, synced) in ready().flat_map(|r| synced().map(move |s| (*r, *s))) {
        let either = |says| [of(ready), of(synced)].contains(&says);
        for (suspended, has_machine, late) in (0..8).map(|n| (n & 1 > 0, n & 2 > 0, n & 4 > 0)) {
            let because = |reason| {
                let because = Because::new(reason, "why");
                if late && of(reason) == Says::ComesOrIsStuck { because.stuck() } else { because }
            };
            if late && !either(Says::ComesOrIsStuck) {
                continue;
            }
            let summary = Summary { ready: because(ready), synced: because(synced), held: None, suspended, has_machine };
            if !either(Says::Goes) && (suspended || !either(Says::Rests)) {
                all.push(with(&summary, false));
            }
            all.push(with(&summary, true));
        }
    }
    for (hold, ready) in [Reason::DeletionProtected, Reason::DeletionHeld].into_iter().flat_map(|h| ready().map(move |r| (h, *r))) {
        let because = Because::new(ready, "why");
        let held = Some(Because::new(hold, "why"));
        all.push(with(&Summary { ready: because.clone(), synced: because, held, suspended: false, has_machine: true }, true));
    }
    all
}

#[test]
fn whatever_the_conditions_say_the_tools_say_what_a_person_would() {
    let mut shapes = BTreeMap::new();
    for object in everything() {
        shapes.entry(shape(&object)).or_insert(object);
    }
    let wrong: Vec<String> = shapes.values().filter_map(|object| wrong(object, expected(object))).collect();
    assert!(wrong.is_empty(), "{} of {}, such as {}", wrong.len(), shapes.len(), wrong[0]);
    println!("health: {} kinds of resources", shapes.len());
}

#[test]
fn what_the_operator_has_not_looked_at_is_in_progress() {
    let settled = Summary {
        ready: Because::new(Reason::Running, "on"),
        synced: Because::new(Reason::Synced, "so"),
        held: None,
        suspended: false,
        has_machine: true,
    };
    let mut changed = with(&settled, false);
    assert_eq!((argo(&changed).unwrap().0, kstatus(&changed)), (Health::Healthy, Kstatus::Current));
    changed["metadata"]["generation"] = 3.into();
    let nothing = json!({"metadata": {"generation": 1}, "spec": {}});
    let mut new = nothing.clone();
    let crd = serde_json::to_value(paperspace_operator::crd::crd()).unwrap();
    new["status"] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["default"].clone();
    for object in [&changed, &new] {
        assert_eq!(wrong(object, &[Health::Progressing]), None);
    }
    assert_eq!(kstatus(&nothing), Kstatus::Current, "which is why the definition has a default for the status");
    assert_eq!(argo(&nothing).unwrap().0, Health::Progressing);
}

#[test]
fn a_wrong_health_would_be_seen() {
    let stuck = Summary {
        ready: Because::new(Reason::QuotaReached, "why"),
        synced: Because::new(Reason::QuotaReached, "why"),
        held: None,
        suspended: false,
        has_machine: false,
    };
    let mut object = with(&stuck, false);
    assert_eq!(look(&object), None);
    assert!(wrong(&object, &[Health::Progressing]).is_some());
    object["status"]["conditions"].as_array_mut().unwrap().retain(|c| c["type"] != "Stalled");
    assert!(look(&object).is_some(), "Ready=False and nobody at work");
    assert!(run_lua("return { status = 'Fine', message = '' }", &object).is_err());
    assert!(run_lua("return { status = 'Healthy', message = ('x'):upper() }", &object).is_err(), "there is no string library");
}

#[test]
fn argo_cd_is_given_the_script_word_for_word() {
    let map = yaml("argocd/argocd-cm.yaml");
    assert_eq!(map["data"], json!({"resource.customizations.health.paperspace-operator.dev_PaperspaceMachine": *SCRIPT}));
}

/// The README's columns `kstatus` and `Argo CD health`.
#[test]
fn the_table_of_reasons_says_the_same() {
    let table = markdown_table();
    let rows: Vec<Vec<&str>> = table.lines().skip(2).map(|row| row.split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), Reason::ALL.len());
    for (reason, row) in Reason::ALL.iter().zip(rows) {
        let words = match of(*reason) {
            Says::Good => ("Current", "Healthy"),
            Says::Comes | Says::ComesOrIsStuck => ("InProgress", "Progressing"),
            Says::Rests => ("InProgress", "Suspended"),
            Says::Stuck => ("Failed", "Degraded"),
            Says::Goes => ("Terminating", "Progressing"),
        };
        assert_eq!((row[1], row[5], row[6]), (reason.as_str(), words.0, words.1));
    }
}

/// A resource that comes to have a reason, in `Ready` or `Synced`.
struct Story {
    reason: Reason,
    health: Health,
    spec: Value,
    then: Option<fn(User) -> futures::future::BoxFuture<'static, ()>>,
}

fn story(reason: Reason, health: Health, spec: Value) -> Story {
    Story { reason, health, spec, then: None }
}

/// What a scenario does not show.
fn stories() -> Vec<Story> {
    use Health::{Degraded, Healthy, Progressing, Suspended};
    let key = json!({"name": "key"});
    let then = |reason, health, spec, then| Story { then: Some(then), ..story(reason, health, spec) };
    vec![
        story(Reason::Stopped, Healthy, json!({"powerState": "Stopped"})),
        then(Reason::ManualOff, Healthy, json!({"powerState": "Manual"}), |user| {
            Box::pin(async move { user.change_at_console("a", &json!({"state": "off"})).await })
        }),
        story(Reason::NotCreated, Suspended, json!({"suspend": true})),
        then(Reason::Running, Suspended, json!({}), |user| Box::pin(async move { user.edit("a", json!({"suspend": true})).await })),
        then(Reason::PendingStop, Healthy, json!({}), |user| Box::pin(async move { user.edit("a", json!({"diskSizeGB": 100})).await })),
        story(Reason::CredentialsMissing, Progressing, json!({"credentialsRef": {"name": "none"}})),
        story(Reason::ScriptSourceMissing, Progressing, json!({"startupScript": {"configMapKeyRef": {"name": "none", "key": "script"}}})),
        story(Reason::CredentialsNotAdmin, Degraded, json!({"credentialsRef": {"name": "member"}})),
        story(Reason::CredentialsRejected, Degraded, json!({"credentialsRef": {"name": "wrong"}})),
        story(Reason::DefaultKeyNotAllowed, Degraded, json!({"templateId": null, "adopt": {"machineId": "psnone"}})),
        story(Reason::MachineMissing, Degraded, json!({"templateId": null, "adopt": {"machineId": "psnone"}, "credentialsRef": key})),
        story(Reason::TemplateNotFound, Degraded, json!({"templateId": null, "template": {"customName": "none"}})),
        story(Reason::CreateRejected, Degraded, json!({"templateId": "tnone"})),
        story(Reason::NetworkNotFound, Degraded, json!({"networkName": "none"})),
        story(Reason::UserNotFound, Degraded, json!({"accessors": {"emails": ["none@example.com"]}})),
        story(Reason::AddressUnavailable, Degraded, json!({"publicIp": {"type": "Static", "address": "203.0.113.99"}})),
        story(Reason::ConnectionNotWritten, Degraded, json!({"writeConnectionTo": {"configMapName": "anothers"}})),
        then(Reason::Unmendable, Degraded, json!({}), |user| {
            Box::pin(async move { user.change_at_console("a", &json!({"diskSize": 100})).await })
        }),
    ]
}

/// Whether one of the axes has the reason, about what the spec says now.
fn has(object: &Value, reason: Reason) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && ["Ready", "Synced"].iter().any(|kind| reason_of(object, kind) == Some(reason))
}

async fn tell(user: &User, story: Story) -> Done {
    user.secret("key", "second-key-of-te1").await;
    user.secret("member", "member-of-te1").await;
    user.secret("wrong", "key-of-nobody").await;
    user.script_in_map("anothers", "echo").await;
    user.create("a", &story.spec).await;
    if let Some(then) = story.then {
        user.until_settled("a").await?;
        then(user.clone()).await;
    }
    user.until("a", story.reason.as_str(), |object| object.is_some_and(|object| has(object, story.reason))).await?;
    let object = user.get("a").unwrap_or_default();
    let told = argo(&object)?;
    if told.0 == story.health { Ok(()) } else { Err(format!("{}: {told:?}, not {:?}", story.reason, story.health)) }
}

/// Tells this in a world of its own; what went wrong in it.
fn in_a_world(story: impl AsyncFnOnce(&User) -> Done) -> Done {
    simulate(async {
        let world = World::new(1, None, &[]);
        process::keep_running(&world, 0);
        let told = story(&User::new(&world)).await;
        let wrong: Vec<String> = told.err().into_iter().chain(world.book().unhealthy.clone()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{}", wrong.join("\n"), world.history().join("\n"))) }
    })
}

#[test]
fn in_every_story_the_tools_say_what_a_person_would() {
    for scenario in SCENARIOS {
        let run = run(scenario, &[], None);
        assert!(run.ended.is_ok(), "{}: {:?}", scenario.name, run.ended);
    }
    let mut reasons: Vec<String> = stories().iter().map(|story| story.reason.to_string()).collect();
    let told = stories().into_iter().filter_map(|story| in_a_world(async |user| tell(user, story).await).err());
    assert_eq!(told.collect::<Vec<_>>().join("\n\n"), "");
    let of_scenarios = [
        "Creating",
        "Provisioning",
        "Starting",
        "Stopping",
        "Restarting",
        "Upgrading",
        "Applying",
        "Drifted",
        "MachineNotFound",
        "Restored",
        "QuotaReached",
        "AccountMismatch",
        "UpdateRejected",
        "Deleting",
    ];
    reasons.extend(of_scenarios.map(str::to_owned));
    let seen = SEEN.lock().unwrap();
    reasons.retain(|reason| !seen.keys().any(|shape| shape.split(' ').any(|word| word == reason)));
    println!("health: {} kinds of resources were seen", seen.len());
    assert_eq!(reasons, Vec::<String>::new(), "were not seen: the look goes past what operators write");
}

#[test]
fn a_key_that_is_missing_is_waited_for_and_then_asked_for() {
    let told = in_a_world(async |user| {
        user.create("a", &json!({"credentialsRef": {"name": "later"}})).await;
        let is = |health| {
            move |object: Option<&Value>| object.is_some_and(|o| has(o, Reason::CredentialsMissing) && argo(o).unwrap().0 == health)
        };
        user.until("a", "Progressing", is(Health::Progressing)).await?;
        tokio::time::sleep(Duration::from_mins(4)).await;
        assert_eq!(flux(&user.get("a").unwrap()), Ok(Kstatus::InProgress));
        user.until("a", "Degraded", is(Health::Degraded)).await?;
        user.secret("later", super::world::KEY).await;
        user.until_settled("a").await
    });
    assert_eq!(told, Ok(()));
}

#[test]
fn what_is_held_while_it_is_deleted_is_pending_and_not_failed() {
    let told = in_a_world(async |user| {
        user.create("a", &json!({"deletionProtection": true})).await;
        user.until_settled("a").await?;
        user.delete("a").await;
        let held = |o: &Value| o["status"]["conditions"].to_string().contains("DeletionProtected");
        user.until("a", "DeletionProtected", |object| object.is_some_and(held)).await?;
        let object = user.get("a").unwrap();
        assert_eq!((argo(&object).unwrap().0, kstatus(&object)), (Health::Progressing, Kstatus::Terminating));
        user.edit("a", json!({"deletionProtection": false})).await;
        user.until_gone("a").await
    });
    assert_eq!(told, Ok(()));
}

#[test]
fn an_adopted_machine_that_differs_asks_for_a_person_until_it_does_not() {
    let told = in_a_world(async |user| {
        user.secret("key", "second-key-of-te1").await;
        let id = user.create_at_console(&json!({"name": "found"})).await;
        let over = json!({
            "templateId": null, "adopt": {"machineId": id}, "credentialsRef": {"name": "key"}, "autoSnapshot": {"frequency": "Daily", "keep": 2},
        });
        user.create("a", &over).await;
        user.until("a", "AdoptedDiffers", |object| object.is_some_and(|o| has(o, Reason::AdoptedDiffers))).await?;
        let object = user.get("a").unwrap();
        assert_eq!((argo(&object).unwrap().0, kstatus(&object)), (Health::Degraded, Kstatus::Failed));
        user.edit("a", json!({"autoSnapshot": null})).await;
        user.until_settled("a").await?;
        let object = user.get("a").unwrap();
        assert_eq!((argo(&object).unwrap().0, kstatus(&object)), (Health::Healthy, Kstatus::Current));
        user.edit("a", json!({"managementPolicy": "Observe", "powerState": "Stopped"})).await;
        let good = |o: &Value| has(o, Reason::Observed) && argo(o).unwrap().0 == Health::Healthy;
        user.until("a", "Observed and Healthy", |object| object.is_some_and(good)).await
    });
    assert_eq!(told, Ok(()));
}
