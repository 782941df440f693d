//! Storms: resources are created, changed and deleted while the API misbehaves and processes are killed, frozen or doubled at any moment.
//! Afterwards it calms down, and in everything that has ever happened nothing was lost, doubled, left over or destroyed unasked.

use std::time::{Duration, Instant};

use super::harness::{Operator, Random, Setup, Storm, Test, fixed};

/// Long enough that fence (1 s), time-out of a create (2 s), its late effect (2 s after that), the lag of lists (2 s) and a busy machine
/// leave a rest.
const STORM: Setup = Setup { settle: "12s", ..Setup::USUAL };

/// How late anything on Paperspace happens or shows, in milliseconds; a create up to twice as late.
const LATE: u64 = 2000;

/// Steps after which something happens to the operator.
const STEPS: [&str; 10] =
    ["add-finalizer", "write-ahead", "create", "annotate", "update", "stop", "start", "restart", "delete", "remove-finalizer"];

/// Waits until the operator announces one of these steps, and up to 30 ms more; or for a second and a half.
fn a_step(random: &mut Random, operator: &Operator, steps: &[&str]) {
    let (since, start) = (operator.written(), Instant::now());
    let step = format!(": step step=\"{}\"", random.pick(steps));
    while start.elapsed() < Duration::from_millis(1500) && !operator.log_after(since).contains(&step) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(random.below(30)));
}

/// Waits for a moment that chance decides.
fn a_moment(random: &mut Random, operator: &Operator) {
    if random.chance(40) {
        std::thread::sleep(Duration::from_millis(100 + random.below(900)));
    } else {
        a_step(random, operator, &STEPS);
    }
}

/// Kills the operator so many times.
fn kill(storm: &Storm, random: &mut Random, operator: &Operator, times: u64) {
    for n in 0..times {
        if n % 4 == 0 {
            storm.weather(random);
        }
        if n % 8 == 0 {
            storm.check_history();
        }
        operator.start();
        a_moment(random, operator);
        operator.kill9();
    }
}

/// A user makes so many edits while something else happens, and until it is over.
fn meanwhile(storm: &Storm, random: &mut Random, edits: usize, pause: u64, happens: impl FnOnce(&mut Random)) {
    let mut user = random.fork();
    std::thread::scope(|scope| {
        scope.spawn(|| storm.user(&mut user, edits, pause));
        happens(random);
    });
}

/// Everything is over: it calms down and stays so, and when all is deleted nothing is left.
fn calms_down(t: &Test, storm: &Storm) {
    t.sim.clear_faults();
    storm.calm();
    storm.stays_calm(4);
    println!("{}: {} MB for {} resources", t.namespace, t.operator.megabytes(), storm.living());
    storm.end();
}

#[test]
fn a_storm_of_kills_loses_doubles_and_destroys_nothing() {
    let mut random = Random::of("storm-kills", 1);
    let t = Test::with("storm-kills", Setup { stopped: true, ..STORM });
    let storm = Storm::new(&t, 100, true, LATE);
    meanwhile(&storm, &mut random, 450, 100, |random| kill(&storm, random, &t.operator, 50));
    t.sim.clear_faults();
    t.operator.start();
    calms_down(&t, &storm);
    t.end();
}

#[test]
fn a_paperspace_that_is_killed_and_comes_back_finds_its_machines_owned_once() {
    let mut random = Random::of("storm-paperspace", 2);
    let dir = tempfile::tempdir().unwrap();
    let flags = &*Vec::leak(vec!["--state", fixed(dir.path().join("state.json").display().to_string())]);
    let t = Test::with("storm-paperspace", Setup { simulator_flags: flags, ..STORM });
    let storm = Storm::new(&t, 25, false, LATE);
    meanwhile(&storm, &mut random, 120, 150, |random| {
        for _ in 0..15 {
            storm.weather(random);
            a_moment(random, &t.operator);
            t.sim.down();
            std::thread::sleep(Duration::from_millis(random.below(800)));
            t.sim.up();
        }
    });
    calms_down(&t, &storm);
    t.end();
}

#[test]
fn two_operators_over_one_namespace_double_nothing_and_come_to_rest() {
    let mut random = Random::of("storm-two", 3);
    // Of the budgets, the second one's only is one: a first one that went round in circles would make thousands of calls.
    let t = Test::with("storm-two", Setup { flags: &["--api-rate", "1000", "--api-burst", "1000"], ..STORM });
    let slow = ["--transition-interval", "1s", "--poll-interval", "3s", "--concurrency", "2", "--api-rate", "20", "--api-burst", "5"];
    let other = t.another_operator("other", &slow);
    other.start();
    let (storm, began, edits) = (Storm::new(&t, 30, true, LATE), Instant::now(), 150);
    meanwhile(&storm, &mut random, edits, 150, |random| {
        for _ in 0..8 {
            storm.weather(random);
            a_moment(random, &t.operator);
            a_moment(random, &other);
        }
    });
    t.sim.clear_faults();
    storm.calm();
    let calls: u64 = t.sim.truth()["calls"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    // For each edit a look, the events, the call itself and two looks after it, by both; and all the time the lists of those that wait for
    // something: one for each transition interval, 0.3 and 1 s.
    let allowed = edits as u64 * 5 * 2 + began.elapsed().as_secs() * 5;
    println!("{}: {calls} calls of two operators for {edits} edits, allowed are {allowed}", t.namespace);
    assert!(calls < allowed, "{calls} calls, where {allowed} are allowed");
    calms_down(&t, &storm);
    other.stop();
    assert!(!other.log().contains("panicked at"), "the other operator panicked");
    t.end();
}
