//! Operators that stand still for longer than any of their windows, at moments that matter, and then go on as if nothing had been.

use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::{Operator, Random, Setup, Storm, Test};

/// Each freeze outlasts one more window: the fence (half a second), the settling time (six), and the age that a look may have (twenty).
const FREEZES: [(&str, u64); 3] = [("create", 2), ("write-ahead", 8), ("delete", 21)];

/// Later than asked for, in milliseconds; together with fence and time-out (one second) below the settling time.
const LATE: u64 = 2000;

fn misbehave(t: &Test) {
    t.sim.clear_faults();
    for (method, kind) in [("POST", "delay"), ("DELETE", "delay"), ("PATCH", "delay"), ("POST", "lose-reply"), ("DELETE", "lose-reply")] {
        t.sim.fault(&json!({"kind": kind, "method": method, "probability": 0.4, "delayMs": LATE}));
    }
}

/// Creates that were announced and have not reached Paperspace.
fn on_their_way(t: &Test) -> i64 {
    let announced = t.operator.log().matches(": step step=\"create\"").count();
    i64::try_from(announced).unwrap() - i64::try_from(t.sim.calls("POST /machines")).unwrap()
}

/// Stops the operator as soon as it announces this step, but not between the fence and the socket: a request that leaves the process only
/// after the settling time is what no protocol without idempotency keys can withstand.
fn freeze(t: &Test, storm: &Storm, random: &mut Random, step: &str) {
    let (step, before) = (format!(": step step=\"{step}\""), on_their_way(t));
    for _ in 0..20 {
        let since = t.operator.written();
        while !t.operator.log_after(since).contains(&step) {
            storm.edit(random);
        }
        std::thread::sleep(Duration::from_millis(random.below(10)));
        t.operator.signal("STOP");
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2 * LATE) {
            if on_their_way(t) == before {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        t.operator.signal("CONT");
    }
    panic!("no moment to freeze the operator after {step}");
}

fn frozen(name: &str, seed: u64, other: Option<&dyn Fn(&Test) -> Operator>) {
    let mut random = Random::of(name, seed);
    let t = Test::with(name, Setup::SETTLING);
    let storm = Storm::new(&t, 20, false, LATE);
    storm.user(&mut random, 12, 10);
    storm.calm();
    for (step, seconds) in FREEZES {
        misbehave(&t);
        freeze(&t, &storm, &mut random, step);
        let thaw = Instant::now() + Duration::from_secs(seconds);
        storm.user(&mut random, 8, 200);
        let other = other.map(|other| other(&t));
        if let Some(other) = &other {
            // It takes everything over, and is done with it before the first one wakes up.
            other.start();
            storm.user(&mut random, 8, 200);
            t.sim.clear_faults();
            storm.calm();
            storm.user(&mut random, 8, 10);
        }
        std::thread::sleep(thaw.saturating_duration_since(Instant::now()));
        t.operator.signal("CONT");
        t.sim.clear_faults();
        storm.calm();
        if let Some(other) = &other {
            other.stop();
            assert!(!other.log().contains("panicked at"), "the other operator panicked");
        }
    }
    storm.stays_calm(4);
    storm.end();
    t.end();
}

#[test]
fn a_storm_that_freezes_the_operator_for_longer_than_every_window_doubles_nothing() {
    frozen("storm-frozen", 4, None);
}

#[test]
fn a_storm_that_freezes_the_operator_while_another_takes_over_doubles_nothing() {
    let another = |t: &Test| t.another_operator("other", &["--transition-interval", "500ms"]);
    frozen("storm-taken-over", 5, Some(&another));
}
