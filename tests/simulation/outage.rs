//! Paperspace does not answer for minutes or longer, to the whole operator: what that costs, who is told, and how it ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::process::start_measured;
use super::user::{NAMESPACE, User, condition, is_settled};
use super::world::{World, simulate};

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

/// How many calls to Paperspace there were, of the method or of any.
fn calls(world: &World, method: &str) -> usize {
    world.history().iter().filter(|line| line.contains(&format!(": paperspace {method}"))).count()
}

/// The notes of all events with this reason, however often they came.
fn told(world: &World, reason: &str) -> usize {
    let times = |event: &Value| event["series"]["count"].as_u64().unwrap_or(1);
    let all = world.kubernetes().all("events").into_iter().filter(|event| event["reason"] == reason).map(|event| times(&event));
    usize::try_from(all.sum::<u64>()).unwrap()
}

fn reason(user: &User, name: &str) -> String {
    condition(&user.get(name).unwrap(), "Ready").map(|(_, reason)| reason.to_owned()).unwrap_or_default()
}

fn version(world: &World, name: &str) -> Value {
    world.kubernetes().view("paperspacemachines", NAMESPACE, name).unwrap()["metadata"]["resourceVersion"].clone()
}

/// An outage of so many minutes while things are asked for.
fn outage(seed: u64, fault: &Value, lasts: u64) {
    simulate(async {
        let world = World::new(seed, None, &[]);
        let user = User::new(&world);
        let (_operator, metrics) = start_measured(&world, 0);
        let names = ["idle", "stops", "goes", "half"];
        for name in &names[..3] {
            user.create(name, &json!({})).await;
            user.until_settled(name).await.unwrap();
        }
        // One whose request is on its way, or written down, when it begins.
        user.create("half", &json!({})).await;
        tokio::time::sleep(Duration::from_millis(100 + 37 * seed)).await;
        let before = (calls(&world, ""), version(&world, "idle"));
        world.sim("POST", "faults", fault);
        user.edit("stops", json!({"powerState": "Stopped"})).await;
        user.delete("goes").await;
        for n in 0..6 {
            user.create(&format!("new{n}"), &json!({})).await;
        }
        tokio::time::sleep(minutes(lasts.min(8))).await;
        let during = calls(&world, "") - before.0;
        // Those that were on their way when the fifth failure came, and looks after 5, 10, 20, 40, 80, 160 s.
        assert!((6..=35).contains(&during), "{during} calls in {lasts} min");
        assert_eq!(version(&world, "idle"), before.1, "nothing is written of what has nothing to do");
        for name in ["stops", "goes", "new0", "new5"] {
            assert_eq!(reason(&user, name), "PaperspaceUnavailable", "{name}");
        }
        assert_eq!((told(&world, "PaperspaceUnavailable"), told(&world, "PaperspaceAvailable")), (1, 0));
        let shows = |line: &str| metrics().lines().any(|l| l == format!("paperspace_operator_{line}"));
        // The keys' own budget is counted too, where their sessions were read anew.
        assert!(shows("api_breaker_open 1") && shows("api_breaker_openings_total 1"), "{}", metrics());
        tokio::time::sleep(minutes(lasts.saturating_sub(8))).await;
        if lasts > 15 {
            assert_eq!(reason(&user, "idle"), "NotObserved");
        }
        world.sim("DELETE", "faults", &json!(null));
        world.note("calm");
        user.until_gone("goes").await.unwrap();
        for name in user.names() {
            user.until_settled(&name).await.unwrap();
        }
        user.until_quiet(minutes(1)).await.unwrap();
        assert!(user.names().len() == 9 && user.names().iter().all(|name| is_settled(&user.get(name).unwrap())));
        let wrong = world.book().violations(&world);
        assert!(wrong.is_empty(), "{wrong:?}\n{}", world.history().join("\n"));
        assert_eq!(world.machines().len(), 9);
        assert_eq!((told(&world, "PaperspaceUnavailable"), told(&world, "PaperspaceAvailable")), (1, 1));
        assert!(shows("api_breaker_open 0"), "{}", metrics());
    });
}

#[test]
fn an_outage_is_told_once_costs_few_calls_and_leaves_one_machine_for_each() {
    for seed in 0..6 {
        outage(seed, &json!({"kind": "error", "status": 503}), 5);
    }
}

#[test]
fn so_is_one_in_which_connections_break() {
    outage(1, &json!({"kind": "drop"}), 8);
}

#[test]
fn so_is_one_of_an_hour_in_which_nothing_was_seen_of_anybody() {
    outage(2, &json!({"kind": "error", "status": 502}), 60);
}

#[test]
fn of_a_blip_nothing_is_written_but_by_those_whose_call_failed() {
    simulate(async {
        let world = World::new(3, None, &[]);
        let user = User::new(&world);
        let (_operator, metrics) = start_measured(&world, 0);
        let names: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
        for name in &names {
            user.create(name, &json!({})).await;
        }
        for name in &names {
            user.until_settled(name).await.unwrap();
        }
        for name in &names {
            user.edit(name, json!({"powerState": "Stopped"})).await;
        }
        world.sim("POST", "faults", &json!({"kind": "error", "status": 503}));
        let passes = |text: &str| {
            text.lines().find_map(|l| l.strip_prefix("paperspace_operator_status_writes_total ")?.parse::<u64>().ok()).unwrap()
        };
        let before = passes(&metrics());
        tokio::time::sleep(Duration::from_secs(4)).await;
        let written = passes(&metrics()) - before;
        // The calls of sixteen passes at once at the most had been sent.
        assert!(written <= 16, "{written} of 40 wrote");
        world.sim("DELETE", "faults", &json!(null));
        for name in &names {
            let off = |o: &Value| is_settled(o) && o["status"]["state"] == "off";
            user.until(name, "off", |object| object.is_some_and(off)).await.unwrap();
        }
        let wrong = world.book().violations(&world);
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

/// A create's token is put aside while its attempt is written down: no look may have to wait for it to be able to go on.
#[test]
fn with_the_smallest_budget_there_is_creates_are_sent_in_their_first_attempt() {
    simulate(async {
        let world = World::new(4, None, &["--api-rate", "1", "--api-burst", "1"]);
        let user = User::new(&world);
        let _operator = start_measured(&world, 0);
        let names: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
        for name in &names {
            user.create(name, &json!({})).await;
        }
        for name in &names {
            user.until_settled(name).await.unwrap();
            assert_eq!(user.get(name).unwrap()["status"]["creation"]["attempt"], 1, "{name}");
        }
        let wrong = world.book().violations(&world);
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}
