//! For every scenario and every remote call that the operator makes in it: it dies just before the call, just after its effect, or only the
//! reply is lost. It starts again and runs to quiet; then the truth must be what was asked for. For creating and deleting the same with
//! every pair of such faults.
//!
//! A run is decided by the scenario and the faults alone. A failure prints both, with the history. `CRASH=create` runs one scenario,
//! `CRASH='create pairs'` its pairs,
//! `CRASH='create 12 CrashAfter 20 LoseReply'` one run, and prints its history.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::faults::{CRASHES, Fate, Plan};
use super::planted::Mistake;
use super::process;
use super::scenarios::{SCENARIOS, Scenario};
use super::user::User;
use super::world::{World, simulate};

/// For how long nothing may change at the end of a run.
const QUIET: Duration = Duration::from_mins(1);

/// The same for every run: what the matrix varies is the faults.
const SEED: u64 = 1;

/// What goes wrong in a run: the number of the call, and what becomes of it.
type Faults = Vec<(u64, Fate)>;

/// How a run ended: how many calls its disturbed part made, or what was wrong; and its history.
pub(crate) struct Run {
    pub(crate) ended: Result<u64, String>,
    pub(crate) history: Vec<String>,
}

/// One run, with a mistake planted or none.
pub(crate) fn run(scenario: &Scenario, faults: &[(u64, Fate)], mistake: Option<Mistake>) -> Run {
    run_of_seed(SEED, scenario, faults, mistake)
}

/// The same, in another order of things.
pub(crate) fn run_of_seed(seed: u64, scenario: &Scenario, faults: &[(u64, Fate)], mistake: Option<Mistake>) -> Run {
    let disturbed = async {
        // What is looked at again and again needs no fault each time.
        let world = World::new(seed, mistake, &["--transition-interval", "15s"]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        let story = async {
            (scenario.before)(user.clone()).await?;
            world.plan(Plan::Exact(faults.to_vec()));
            (scenario.then)(user.clone()).await?;
            let calls = world.calls_of_plan();
            user.until_quiet(QUIET).await?;
            Ok(calls)
        };
        let told: Result<u64, String> = story.await;
        let mut wrong = world.book().violations(&world);
        wrong.extend(told.as_ref().err().cloned());
        let ended = if wrong.is_empty() { told } else { Err(wrong.join("\n")) };
        Run { ended, history: world.history() }
    };
    catch_unwind(AssertUnwindSafe(|| simulate(disturbed)))
        .unwrap_or_else(|_| Run { ended: Err("it panicked".to_owned()), history: Vec::new() })
}

/// Runs all of these, as many at once as there are cores; how many calls each made. Fails with the shortest of the failures.
fn run_all(what: &str, runs: &[(&Scenario, Faults)]) -> Vec<u64> {
    let (next, ends) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((scenario, faults)) = runs.get(number) else { return };
                    let Run { ended, history } = run(scenario, faults, None);
                    let ended = ended
                        .map_err(|wrong| format!("{} with {faults:?}:\n{wrong}\n---- the history\n{}", scenario.name, history.join("\n")));
                    ends.lock().unwrap().insert(number, ended);
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    let failures: Vec<(usize, &String)> = ends.iter().filter_map(|(number, ended)| Some((*number, ended.as_ref().err()?))).collect();
    println!("crash matrix, {what}: {} runs, {} failed", runs.len(), failures.len());
    if let Some((_, shortest)) = failures.iter().min_by_key(|(_, text)| text.len()) {
        let names: Vec<String> = failures.iter().take(50).map(|(at, _)| format!("{} {:?}", runs[*at].0.name, runs[*at].1)).collect();
        panic!("failed: {names:#?}\nThe shortest:\n{shortest}");
    }
    ends.into_values().map(Result::unwrap).collect()
}

/// Each single fault of a scenario.
pub(crate) fn single(scenario: &Scenario) -> Vec<Faults> {
    let Run { ended, history } = run(scenario, &[], None);
    let calls = ended.unwrap_or_else(|wrong| panic!("{} without faults: {wrong}\n{}", scenario.name, history.join("\n")));
    (0..calls).flat_map(|at| CRASHES.map(|fate| vec![(at, fate)])).collect()
}

/// Each pair: the second comes among the calls that are made after the first.
fn check_pairs(what: &str, scenario: &Scenario) {
    let first: Vec<(&Scenario, Faults)> = single(scenario).into_iter().map(|faults| (scenario, faults)).collect();
    let calls = run_all(what, &first);
    let both = |((_, first), calls): ((&Scenario, Faults), u64)| {
        let (at, fate) = first[0];
        (at + 1..calls).flat_map(move |then| CRASHES.map(|next| vec![(at, fate), (then, next)]))
    };
    let pairs = first.into_iter().zip(calls).flat_map(both).map(|faults| (scenario, faults));
    run_all(&format!("{what}, in pairs"), &pairs.collect::<Vec<_>>());
}

/// The scenario of this name.
pub(crate) fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}

/// A single run that was asked for by hand.
fn by_hand(words: &[&str]) {
    let fate = |word: &str| *CRASHES.iter().find(|fate| format!("{fate:?}") == word).expect("CrashBefore, CrashAfter or LoseReply");
    let faults: Faults = words[1..].chunks(2).map(|pair| (pair[0].parse().expect("a number"), fate(pair[1]))).collect();
    let Run { ended, history } = run(scenario(words[0]), &faults, None);
    println!("{}\n{ended:?}", history.join("\n"));
    assert!(ended.is_ok(), "{ended:?}");
}

#[test]
fn whichever_call_it_dies_at_the_truth_is_what_was_asked_for() {
    let asked = std::env::var("CRASH").unwrap_or_default();
    let words: Vec<&str> = asked.split_whitespace().collect();
    if let [name, "pairs"] = words[..] {
        return check_pairs(name, scenario(name));
    }
    if words.len() > 1 {
        return by_hand(&words);
    }
    let chosen = SCENARIOS.iter().filter(|s| words.is_empty() || words[0] == s.name);
    let runs: Vec<(&Scenario, Faults)> = chosen.flat_map(|s| single(s).into_iter().map(move |faults| (s, faults))).collect();
    run_all("every scenario", &runs);
}

#[test]
fn creating_survives_any_two_faults() {
    check_pairs("creating", scenario("create"));
}

#[test]
fn deleting_survives_any_two_faults() {
    check_pairs("deleting", scenario("delete"));
}
