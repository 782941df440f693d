//! From resources without machines to all of them ready. The operator is started when all resources are stored, so that it is measured and
//! not how fast the API server takes them.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::calls::{Calls, over_budget};
use super::figures::Creation;
use super::fleet;
use super::settings;
use super::world::{World, say};

/// Nobody waits longer for a fleet.
const PATIENCE: Duration = Duration::from_hours(1);

pub(crate) fn measure(world: &mut World) -> Creation {
    let began = Instant::now();
    fleet::create(&world.client, world.size);
    let stored_seconds = began.elapsed().as_secs_f64();
    say(&format!("{} resources stored in {stored_seconds:.1} s", world.size));

    let began = Timestamp::now().as_millisecond();
    world.operator.start();
    let before = world.cpu();
    // Read as they come: the simulator keeps the last ones only.
    let mut calls = Vec::new();
    let (start, mut told) = (Instant::now(), Instant::now());
    while world.seen.ready() < world.size {
        std::thread::sleep(Duration::from_millis(200));
        calls.extend(world.calls());
        world.operator.running().expect("the operator runs");
        assert!(start.elapsed() < PATIENCE, "{} of {} are ready", world.seen.ready(), world.size);
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            say(&format!("{} of {} ready, {} calls", world.seen.ready(), world.size, calls.len()));
        }
    }
    let ended = world.seen.all().values().filter_map(|resource| resource.ready).max().expect("resources");
    calls.extend(world.calls());
    calls.sort_by_key(|call| call.milliseconds);
    let cpu_seconds = world.cpu().into_iter().zip(before).map(|((name, after), (_, before))| (name, after - before)).collect();
    // What still follows: events, and the last status.
    world.until_quiet(&mut calls);
    let requests = world.audit.since();
    let rate = settings::rate(world.size);
    let over_budget = over_budget(&calls, rate, rate);
    calls.retain(|call| call.milliseconds <= ended);
    Creation {
        stored_seconds,
        seconds: Duration::from_millis((ended - began).unsigned_abs()).as_secs_f64(),
        calls: Calls::of(&calls),
        over_budget,
        requests,
        cpu_seconds,
    }
}
