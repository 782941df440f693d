//! A fleet in which nothing happens, for whole poll intervals that begin between two polls.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::figures::Idle;
use super::fleet;
use super::process;
use super::settings::{POLL, Settings};
use super::world::{World, say};

pub(crate) fn measure(world: &mut World, settings: &Settings) -> Idle {
    let objects_bytes = fleet::weight(&world.client);
    let machines_bytes = machines_weight(world);
    between_polls(world);
    let polls = settings.polls();
    say(&format!("idle for {} s", (POLL * polls).as_secs()));
    world.audit.since();
    world.calls();
    let pid = world.operator.pid();
    let (cpu, began) = (process::cpu(pid), Instant::now());
    let mut calls = Vec::new();
    while began.elapsed() < POLL * polls {
        std::thread::sleep(Duration::from_secs(1).min((POLL * polls).saturating_sub(began.elapsed())));
        calls.extend(world.calls());
    }
    let seconds = began.elapsed().as_secs_f64();
    let requests = world.audit.since();
    let cpu_seconds = process::cpu(pid) - cpu;
    let (resident_bytes, peak_bytes) = process::memory(pid);
    Idle {
        seconds,
        polls,
        calls: super::calls::Calls::of(&calls),
        requests,
        cpu_seconds,
        resident_bytes,
        peak_bytes,
        objects_bytes,
        machines_bytes,
    }
}

/// Waits for a poll, and then for half an interval: the next one is far. Machine by machine there is always one.
fn between_polls(world: &mut World) {
    world.calls();
    let start = Instant::now();
    while world.calls().is_empty() && start.elapsed() < POLL * 2 {
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(POLL / 2);
}

/// What the machines weigh, as the API gives them.
fn machines_weight(world: &World) -> u64 {
    let (mut weight, mut path) = (0, "/machines?limit=120&order=asc".to_owned());
    loop {
        let page = world.sim.as_user("GET", &path, &Value::Null);
        weight += page["items"].as_array().expect("machines").iter().map(|machine| machine.to_string().len() as u64).sum::<u64>();
        match page["nextPage"].as_str() {
            Some(next) => path = format!("/machines?limit=120&order=asc&after={next}"),
            None => return weight,
        }
    }
}
