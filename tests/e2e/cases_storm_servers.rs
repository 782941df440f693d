//! A Kubernetes whose servers are killed and come back, and then everything that can go wrong at once.

use std::time::Duration;

use jiff::Timestamp;

use super::harness::{ControlPlane, Operator, Random, Setup, Storm, Test, fixed};

#[test]
fn a_storm_over_etcd_and_the_api_servers_loses_and_doubles_nothing() {
    let mut random = Random::of("storm-servers", 6);
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own("storm-servers")));
    let t = Test::with("storm-servers", Setup { plane: Some(plane), settle: "12s", ..Setup::USUAL });
    let storm = Storm::new(&t, 25, true, 2000);
    let mut user = random.fork();
    std::thread::scope(|scope| {
        scope.spawn(|| storm.user(&mut user, 120, 200));
        for server in plane.servers() {
            storm.weather(&mut random);
            plane.restart(server, &random.below(3).to_string());
        }
    });
    t.sim.clear_faults();
    storm.calm();
    storm.stays_calm(4);
    storm.end();
    t.end();
    plane.stop();
}

/// One disaster after another; each is over when the next one comes.
fn disaster(t: &Test, storm: &Storm, random: &mut Random, other: &Operator) {
    match random.below(8) {
        0..=2 => {
            t.operator.kill9();
            std::thread::sleep(Duration::from_millis(random.below(500)));
            t.operator.start();
        }
        3 => {
            t.operator.restart();
        }
        4 => {
            other.start();
            std::thread::sleep(Duration::from_millis(random.below(10_000)));
            other.kill9();
        }
        5 => {
            // Shorter than the settling time takes: a freeze between the fence and the socket is within what the protocol allows.
            t.operator.signal("STOP");
            std::thread::sleep(Duration::from_millis(random.below(5000)));
            t.operator.signal("CONT");
        }
        6 => {
            t.sim.down();
            std::thread::sleep(Duration::from_millis(random.below(3000)));
            t.sim.up();
        }
        _ => t.plane.restart(random.pick::<&str>(&t.plane.servers()), &random.below(5).to_string()),
    }
    // Fence 2 s, time-out 4 s, effect 4 s after that, lag 4 s, freeze 5 s: less than the settling time of 24 s.
    storm.weather(random);
}

/// `make storm`: everything at once, for as many rounds as `E2E_ROUNDS` says.
#[test]
#[ignore = "takes as long as it is told to: make storm"]
fn a_long_storm_of_everything_loses_doubles_leaks_and_destroys_nothing() {
    let rounds = std::env::var("E2E_ROUNDS").map_or(10, |text| text.parse().expect("E2E_ROUNDS is a number"));
    let mut random = Random::of("long-storm", Timestamp::now().as_second().unsigned_abs());
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own("long-storm")));
    let dir = tempfile::tempdir().unwrap();
    let flags = &*Vec::leak(vec!["--state", fixed(dir.path().join("state.json").display().to_string())]);
    let t = Test::with("long-storm", Setup { plane: Some(plane), settle: "24s", simulator_flags: flags, ..Setup::USUAL });
    let other = t.another_operator("other", &["--transition-interval", "1s", "--concurrency", "2"]);
    let storm = Storm::new(&t, 200, false, 4000);
    for round in 1..=rounds {
        let mut user = random.fork();
        std::thread::scope(|scope| {
            let edits = scope.spawn(|| storm.user(&mut user, 400, 150));
            while !edits.is_finished() {
                disaster(&t, &storm, &mut random, &other);
                std::thread::sleep(Duration::from_millis(random.below(1500)));
            }
        });
        t.sim.clear_faults();
        storm.calm();
        println!("round {round} of {rounds}: {} resources, {} MB", storm.living(), t.operator.megabytes());
    }
    storm.stays_calm(20);
    storm.end();
    t.end();
    plane.stop();
}
