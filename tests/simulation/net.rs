//! Does the net hold fish? Each planted mistake is caught by the crash matrix or by a story of its own.

use futures::future::FutureExt as _;
use serde_json::json;

use super::crash_matrix::{Run, run, run_of_seed, scenario, single};
use super::faults::Fate;
use super::planted::Mistake;
use super::scenarios::Scenario;
use super::user::{Done, User};
use super::world::TEAM;

/// How many orders of things are tried where the order decides.
const SEEDS: u64 = 30;

/// That one of these runs fails with this mistake, and in which words.
fn is_caught_in(runs: impl Iterator<Item = Run>, mistake: Mistake, words: &str) {
    let (mut tried, mut last) = (0, Vec::new());
    for run in runs {
        if run.ended.is_err_and(|wrong| wrong.contains(words)) {
            return println!("{mistake:?} is caught in run {tried}");
        }
        (tried, last) = (tried + 1, run.history);
    }
    panic!("{mistake:?} is not caught in {tried} runs. The last:\n{}", last.join("\n"));
}

/// The same of the scenario's matrix. Without any fault first: a mistake may need none.
fn is_caught(scenario: &Scenario, mistake: Mistake, words: &str) {
    let runs = std::iter::once(Vec::new()).chain(single(scenario));
    is_caught_in(runs.map(|faults| run(scenario, &faults, Some(mistake))), mistake, words);
}

#[test]
fn a_list_that_is_read_to_its_first_page_only() {
    async fn large_account(user: User) -> Done {
        user.world.sim("POST", &format!("teams/{TEAM}"), &json!({"maxMachines": 200}));
        for _ in 0..120 {
            user.create_at_console(&json!({})).await;
        }
        Ok(())
    }
    let create = scenario("create");
    let in_a_large_account = Scenario { name: "create in a large account", before: |user| large_account(user).boxed(), then: create.then };
    assert_eq!(run(&in_a_large_account, &[], None).ended.map(|calls| calls > 0), Ok(true));
    is_caught(&in_a_large_account, Mistake::SecondPageIgnored, "two machines at once");
}

#[test]
fn a_restart_that_is_repeated_after_a_crash() {
    is_caught(scenario("restart"), Mistake::RestartRepeated, "was restarted 2 times");
}

#[test]
fn a_stale_snapshot_that_is_trusted_for_a_create() {
    is_caught(scenario("create"), Mistake::StaleSnapshotTrusted, "two machines at once");
}

#[test]
fn absence_from_a_list_that_is_taken_for_deletion() {
    async fn missed(user: User) -> Done {
        user.world.sim("POST", "faults", &json!({"kind": "shift-page", "route": "/machines", "count": 1}));
        tokio::time::sleep(std::time::Duration::from_mins(15)).await;
        user.until_settled("a").await
    }
    let missed = Scenario { name: "a list misses the machine", before: scenario("restart").before, then: |user| missed(user).boxed() };
    assert!(run(&missed, &[], None).ended.is_ok());
    is_caught(&missed, Mistake::AbsenceFromAListIsDeletion, "two machines at once");
}

#[test]
fn a_status_that_is_written_from_a_stale_object() {
    async fn two_operators(user: User) -> Done {
        super::process::keep_running(&user.world, 1);
        user.create("a", &json!({})).await;
        user.until_settled("a").await
    }
    let two = Scenario { name: "two operators", before: scenario("create").before, then: |user| two_operators(user).boxed() };
    for seed in 0..SEEDS {
        assert_eq!(run_of_seed(seed, &two, &[], None).ended.err(), None, "seed {seed}");
    }
    let mistake = Mistake::StatusWrittenBlindly;
    is_caught_in((0..SEEDS).map(|seed| run_of_seed(seed, &two, &[], Some(mistake))), mistake, "two machines at once");
}

#[test]
fn an_address_that_is_released_before_retain_is_read() {
    is_caught(scenario("keep_static_address"), Mistake::RetainReadTooLate, "was to stay and is released");
}

#[test]
fn a_404_of_another_team_that_is_believed() {
    is_caught(scenario("key_of_another_team"), Mistake::AnotherTeamsEyes, "two machines at once");
}

#[test]
fn a_time_out_of_the_api_that_is_taken_for_a_refusal() {
    async fn timed_out(user: User) -> Done {
        user.world.sim("POST", "faults", &json!({"kind": "lose-reply", "method": "POST", "route": "/machines", "status": 408, "count": 1}));
        user.world.sim("POST", "faults", &json!({"kind": "stale-list", "route": "/machines", "delayMs": 100_000, "count": 20}));
        user.create("a", &json!({})).await;
        user.until_settled("a").await
    }
    let timed_out = Scenario { name: "the API times out", before: scenario("create").before, then: |user| timed_out(user).boxed() };
    assert!(run(&timed_out, &[], None).ended.is_ok());
    is_caught(&timed_out, Mistake::AmbiguityIsRefusal, "two machines at once");
}

#[test]
fn a_stale_list_that_is_trusted_for_a_startup_script() {
    is_caught(scenario("create_with_script"), Mistake::StaleScriptsTrusted, "two startup scripts at once");
}

#[test]
fn a_text_that_is_believed_while_it_is_changed() {
    is_caught(scenario("change_of_a_script"), Mistake::ChangedTextBelieved, "have passed without");
}

#[test]
fn one_seed_is_one_run() {
    let faults = [(9, Fate::LoseReply), (20, Fate::CrashAfter)];
    let (one, other) = (run(scenario("create"), &faults, None), run(scenario("create"), &faults, None));
    assert_eq!(one.history, other.history);
}
