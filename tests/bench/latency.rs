//! How long it takes until something is done about a change: spread over the fleet, one begun after the other, whether or not those before
//! are done.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::figures::{Latency, Observe};
use super::fleet;
use super::harness::block_on;
use super::settings::POLL;
use super::world::{World, say};

/// Changes of each kind.
const CHANGES: usize = 100;
/// Between two changes of specs: what they cost is within the smallest budget.
const PAUSE: Duration = Duration::from_millis(400);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_mins(3);

/// The resources that are changed.
fn chosen(size: usize) -> impl Iterator<Item = String> {
    let changes = CHANGES.min(size);
    (0..changes).map(move |n| fleet::name(n * size / changes))
}

/// From the moment before a spec is changed to the arrival of the PUT that follows from it.
pub(crate) fn of_spec_changes(world: &mut World) -> Latency {
    say("changes of specs");
    world.calls();
    let api = fleet::api(&world.client);
    let mut begun = HashMap::new();
    for name in chosen(world.size) {
        let id = world.seen.all()[&name].machine.clone().expect("a machine");
        begun.insert(id, Timestamp::now().as_millisecond());
        let start = Instant::now();
        block_on(fleet::change(&api, &name, world.observe));
        std::thread::sleep(PAUSE.saturating_sub(start.elapsed()));
    }
    let start = Instant::now();
    let mut took: HashMap<String, i64> = HashMap::new();
    while took.len() < begun.len() {
        for call in world.calls() {
            let Some(id) = call.id.filter(|_| call.route == "PUT /machines/{id}") else { continue };
            let since = begun.get(&id).unwrap_or_else(|| panic!("{id} was changed, and nobody asked for it"));
            took.entry(id).or_insert(call.milliseconds - since);
        }
        assert!(start.elapsed() < PATIENCE, "{} of {} changes have reached the API", took.len(), begun.len());
        std::thread::sleep(Duration::from_millis(100));
    }
    Latency::of(took.into_values().collect())
}

/// From the moment before a machine is changed behind the operator's back to the status that shows it. The changes are spread over two
/// poll intervals.
pub(crate) fn of_cloud_changes(world: &mut World) -> Latency {
    say("changes of machines");
    let names: Vec<String> = chosen(world.size).collect();
    let pause = POLL * 2 / u32::try_from(names.len()).expect("a few");
    let mut begun = HashMap::new();
    for (n, name) in names.iter().enumerate() {
        let id = world.seen.all()[name].machine.clone().expect("a machine");
        let net = if world.observe == Observe::Shared { "203.0.113" } else { "198.51.100" };
        let address = format!("{net}.{}", n + 1);
        let start = Instant::now();
        begun.insert(name, (address.clone(), Timestamp::now().as_millisecond()));
        world.sim.patch(&id, &json!({"publicIp": address}));
        std::thread::sleep(pause.saturating_sub(start.elapsed()));
    }
    let start = Instant::now();
    loop {
        let took: Vec<i64> = {
            let seen = world.seen.all();
            let shown = |(name, (address, since)): (&&String, &(String, i64))| {
                seen[*name].address.as_ref().filter(|(shown, _)| shown == address).map(|(_, at)| at - since)
            };
            begun.iter().filter_map(shown).collect()
        };
        if took.len() == begun.len() {
            world.calls();
            return Latency::of(took);
        }
        assert!(start.elapsed() < PATIENCE, "{} of {} changes are shown", took.len(), begun.len());
        std::thread::sleep(Duration::from_millis(100));
        world.calls();
    }
}
