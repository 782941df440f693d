//! A new operator over a fleet in which nothing has changed: what it asks until it is quiet.

use std::time::Duration;

use jiff::Timestamp;

use super::calls::Calls;
use super::figures::Restart;
use super::process;
use super::settings::POLL;
use super::world::{World, say};

pub(crate) fn measure(world: &mut World) -> Restart {
    say("restart");
    world.operator.stop();
    world.audit.since();
    world.calls();
    let (began, before) = (Timestamp::now(), world.audit.length());
    world.operator.start();
    let mut calls = Vec::new();
    while world.audit.length() == before {
        std::thread::sleep(Duration::from_millis(50));
    }
    let quiet = world.until_quiet(&mut calls);
    let requests = world.audit.since();
    let last = requests.last.expect("requests");
    let calls = Calls::of(&calls);
    // With a list that nobody waited for.
    std::thread::sleep(POLL);
    Restart {
        seconds: quiet.then(|| last.duration_since(began).as_secs_f64()),
        calls,
        requests,
        resident_bytes: process::memory(world.operator.pid()).0,
    }
}
