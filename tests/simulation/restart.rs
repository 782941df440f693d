//! After a restart, and when everything changes at once: whom it is the turn of, and that nothing is written where nothing is to be done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Process, start};
use super::user::User;
use super::world::{World, simulate};

const SEED: u64 = 11;
const RESOURCES: usize = 240;

/// Many resources with a machine each, and an operator that has had nothing to do for a while.
async fn many() -> (Arc<World>, User, Arc<Process>) {
    let world = World::new(SEED, None, &["--api-rate", "1000", "--api-burst", "1000"]);
    let user = User::new(&world);
    let operator = start(&world, 0);
    for name in names() {
        user.create(&name, &json!({})).await;
    }
    for name in names() {
        user.until_settled(&name).await.unwrap();
    }
    user.until_quiet(Duration::from_mins(2)).await.unwrap();
    (world, user, operator)
}

fn names() -> impl Iterator<Item = String> {
    (0..RESOURCES).map(|n| format!("m{n:03}"))
}

/// What the operators have done since there were so many lines of history.
fn since(world: &World, before: usize) -> Vec<String> {
    world.history().into_iter().skip(before).filter(|line| line.contains(": kubernetes ") || line.contains(": paperspace ")).collect()
}

/// Which of the many a line reads.
fn read(line: &str) -> Option<&str> {
    let path = line.split_once("kubernetes GET ")?.1;
    path.split_once("/paperspacemachines/")?.1.split(':').next().filter(|name| name.starts_with('m'))
}

fn writes(line: &str) -> bool {
    ["POST ", "PUT ", "PATCH ", "DELETE "].iter().any(|method| line.contains(&format!(" {method}/")))
}

/// Waits until the operator's calls are so.
async fn until(world: &World, before: usize, what: &str, is: impl Fn(&[String]) -> bool) -> Vec<String> {
    for _ in 0..600_000 {
        let lines = since(world, before);
        if is(&lines) {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} does not come");
}

/// That few of the many had been read when this was asked of Paperspace.
async fn few_go_before(world: &World, before: usize, what: &str, asked: impl Fn(&str) -> bool) {
    let lines = until(world, before, what, |lines| lines.iter().any(|line| asked(line))).await;
    let at = lines.iter().position(|line| asked(line)).unwrap();
    let reads = lines[..at].iter().filter_map(|line| read(line)).collect::<BTreeSet<_>>().len();
    println!("{reads} of {RESOURCES} had been read before {what}");
    assert!(reads < RESOURCES / 2, "{reads} of {RESOURCES} went before {what}");
}

fn creates(line: &str) -> bool {
    line.contains("paperspace POST ") && line.contains("/machines: 200")
}

#[test]
fn after_a_restart_the_new_and_the_changed_pass_by_those_that_wait() {
    simulate(async {
        let (world, user, first) = many().await;
        first.die();
        let before = world.history().len();
        let _second = start(&world, 2);
        until(&world, before, "the first pass", |lines| lines.iter().any(|line| read(line).is_some())).await;
        user.create("new", &json!({})).await;
        user.edit("m239", json!({"machineName": "renamed"})).await;
        few_go_before(&world, before, "the new machine", creates).await;
        few_go_before(&world, before, "the change", |line| line.contains("paperspace PUT ")).await;

        tokio::time::sleep(Duration::from_mins(1)).await;
        let lines = since(&world, before);
        let seen: BTreeSet<&str> = lines.iter().filter_map(|line| read(line)).collect();
        assert_eq!(seen.len(), RESOURCES, "everybody had a pass");
    });
}

#[test]
fn a_restart_with_nothing_changed_writes_nothing_and_asks_paperspace_for_lists_alone() {
    simulate(async {
        let (world, _user, first) = many().await;
        first.die();
        let before = world.history().len();
        let _second = start(&world, 2);
        tokio::time::sleep(Duration::from_mins(15)).await;
        let lines = since(&world, before);
        let written: Vec<&String> = lines.iter().filter(|line| writes(line)).collect();
        assert!(written.is_empty(), "{written:#?}");
        let seen: BTreeSet<&str> = lines.iter().filter_map(|line| read(line)).collect();
        assert_eq!(seen.len(), RESOURCES, "everybody had a pass");
        let asked: Vec<&String> = lines.iter().filter(|line| line.contains(": paperspace ")).collect();
        let others: Vec<_> = asked.iter().filter(|line| !line.contains(" GET /v1/machines?")).collect();
        assert!(others.len() < 10, "{others:#?}");
        // Four lists, four watches that are renewed every five minutes, and the definition.
        let idle: Vec<&String> = lines.iter().filter(|line| line.contains(": kubernetes ") && read(line).is_none()).collect();
        assert!(idle.len() <= 1 + 4 + 4 * 4, "{idle:#?}");
        let passes = lines.iter().filter(|line| read(line).is_some()).count();
        assert_eq!(passes, RESOURCES, "one pass each, and none without a reason");
    });
}

#[test]
fn what_a_user_asks_for_passes_by_those_whose_machines_all_changed_at_once() {
    simulate(async {
        let (world, user, _operator) = many().await;
        let before = world.history().len();
        for machine in world.machines() {
            world.sim("POST", &format!("machines/{}", machine["id"].as_str().unwrap()), &json!({"state": "off"}));
        }
        until(&world, before, "the first pass", |lines| lines.iter().any(|line| read(line).is_some())).await;
        user.create("new", &json!({})).await;
        few_go_before(&world, before, "the new machine", creates).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        user.until_quiet(Duration::from_mins(2)).await.unwrap();
        let on = |machine: &Value| machine["state"] == "ready";
        assert!(world.machines().iter().all(on), "all were started again");
    });
}
