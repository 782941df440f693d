//! What happens in a random life, decided by its seed.
//!
//! Only what the creation protocol allows for: what comes late comes within the settling time, and at most one list in ten minutes misses a
//! machine. In lives in which a status is wiped no mark is taken off a name, and no key opens another team: of a machine whose resource
//! remembers nothing, nobody could tell under which name and whose key to look for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::gate::mix;
use super::world::KEY;

/// Something that happens, after a while.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) after: Duration,
    pub(crate) action: Action,
}

/// What can happen.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Create { name: String, spec: Value },
    Edit { name: String, spec: Value },
    Delete { name: String },
    Restart { name: String, value: String },
    Look { name: String, value: String },
    Wipe { name: String },
    Console { name: String, fields: Value },
    Destroy { name: String },
    Key { key: &'static str },
    Paperspace { fault: Value },
    PaperspaceIsWell,
    Kubernetes { permille: u64 },
    BreakWatches,
    Compact,
    Bookmark,
    Kill,
    SecondOperator,
}

/// Numbers that the seed decides.
struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.thrown += 1;
        mix(self.seed, self.thrown, 7) % bound
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len() as u64);
        all[usize::try_from(at).unwrap()].clone()
    }

    fn name(&mut self) -> String {
        self.one_of(&["a", "b", "c", "d", "e"]).to_owned()
    }
}

/// The life of this seed.
pub(crate) fn life(seed: u64) -> Vec<Happening> {
    let mut dice = Dice { seed, thrown: 0 };
    let wipes = dice.below(2) == 0;
    let mut disks = std::collections::BTreeMap::new();
    let (mut now, mut shifted) = (Duration::ZERO, Duration::ZERO);
    let mut all = Vec::new();
    for _ in 0..20 + dice.below(60) {
        let after = Duration::from_millis(match dice.below(4) {
            0 => dice.below(200),
            1 => dice.below(5_000),
            2 => dice.below(30_000),
            _ => dice.below(120_000),
        });
        now += after;
        let action = match dice.below(26) {
            0..=5 => Action::Create { name: dice.name(), spec: spec(&mut dice) },
            6..=9 => edit(&mut dice, &mut disks),
            10 | 11 => Action::Delete { name: dice.name() },
            12 => Action::Restart { name: dice.name(), value: dice.below(1_000_000).to_string() },
            13 => Action::Look { name: dice.name(), value: dice.below(1_000_000).to_string() },
            14 if wipes => Action::Wipe { name: dice.name() },
            14 => Action::Console { name: dice.name(), fields: json!({"name": "renamed"}) },
            15 => Action::Console { name: dice.name(), fields: at_the_console(&mut dice) },
            16 => Action::Destroy { name: dice.name() },
            17 => {
                let keys = [KEY, "second-key-of-te1", "member-of-te1", "no key at all", "key-of-te2"];
                Action::Key { key: dice.one_of(if wipes { &keys[..4] } else { &keys }) }
            }
            18..=20 => {
                let fault = fault(&mut dice);
                if fault["kind"] == "shift-page" {
                    if now < shifted + Duration::from_mins(10) {
                        continue;
                    }
                    shifted = now;
                }
                Action::Paperspace { fault }
            }
            21 => Action::PaperspaceIsWell,
            22 => Action::Kubernetes { permille: dice.one_of(&[0, 50, 200]) },
            23 => dice.one_of(&[Action::BreakWatches, Action::Compact, Action::Bookmark]),
            24 => Action::Kill,
            _ => dice.one_of(&[Action::Kill, Action::SecondOperator]),
        };
        all.push(Happening { after, action });
    }
    all
}

fn spec(dice: &mut Dice) -> Value {
    let mut spec = json!({"powerState": dice.one_of(&["Running", "Running", "Stopped", "Manual"])});
    if dice.below(2) == 0 {
        spec["credentialsRef"] = json!({"name": "key"});
    }
    if dice.below(3) == 0 {
        spec["resizePolicy"] = json!("StopAndStart");
    }
    if dice.below(4) == 0 {
        spec["publicIp"] = json!({"type": dice.one_of(&["None", "Static", "Dynamic"])});
    }
    if dice.below(4) == 0 {
        spec["autoSnapshot"] = json!({"frequency": "Daily", "keep": 2});
    }
    if dice.below(3) == 0 {
        spec["startupScript"] = json!({"inline": dice.one_of(&["echo one", "echo two"])});
    }
    spec
}

fn edit(dice: &mut Dice, disks: &mut std::collections::BTreeMap<String, u64>) -> Action {
    let name = dice.name();
    let spec = match dice.below(10) {
        0 => json!({"powerState": "Running"}),
        1 => json!({"powerState": "Stopped"}),
        2 => json!({"powerState": "Manual"}),
        3 => {
            // Disks only grow, also over the lives of a name.
            let disk = disks.entry(name.clone()).or_insert(50);
            *disk = (*disk * 2).min(2000);
            json!({"diskSizeGB": *disk, "resizePolicy": "StopAndStart"})
        }
        4 => json!({"publicIp": {"type": dice.one_of(&["None", "Static", "Dynamic"])}}),
        5 => json!({"machineName": dice.one_of(&["first", "second"])}),
        6 => json!({"startupScript": {"inline": dice.one_of(&["echo one", "echo two", "echo three"]), "runOnce": dice.below(2) == 0}}),
        7 => json!({"startupScript": null}),
        8 => json!({"suspend": dice.below(2) == 0}),
        _ => json!({"autoSnapshot": dice.one_of(&[json!(null), json!({"frequency": "Weekly", "keep": 4})])}),
    };
    Action::Edit { name, spec }
}

fn at_the_console(dice: &mut Dice) -> Value {
    match dice.below(3) {
        0 => json!({"state": "off"}),
        1 => json!({"state": "ready"}),
        _ => json!({"autoSnapshotEnabled": true, "autoSnapshotFrequency": "hourly", "autoSnapshotSaveCount": 1}),
    }
}

fn fault(dice: &mut Dice) -> Value {
    let mutation = dice.one_of(&["POST", "PUT", "PATCH", "DELETE"]);
    let count = 1 + dice.below(3);
    match dice.below(14) {
        0 => json!({"kind": "lose-reply", "method": mutation, "count": count}),
        1 => json!({"kind": "lose-reply", "method": mutation, "status": dice.one_of(&[408, 409, 499, 502, 504]), "count": count}),
        2 => json!({"kind": "drop", "count": count}),
        3 => json!({"kind": "drop", "probability": 0.2, "count": 10 + count}),
        4 => json!({"kind": "error", "status": dice.one_of(&[500, 502, 503]), "count": count * 5}),
        5 => json!({"kind": "error", "status": 429, "count": count}),
        6 => json!({"kind": "error", "status": 429, "retryAfter": 1 + dice.below(60), "count": count}),
        7 => json!({"kind": "delay", "method": mutation, "delayMs": dice.one_of(&[2_000, 20_000, 60_000]), "count": count}),
        8 => json!({"kind": "stale-list", "route": "/machines", "delayMs": 1000 + dice.below(20_000), "count": count * 3}),
        9 => json!({"kind": "shift-page", "route": "/machines", "count": 1}),
        10 => json!({"kind": "no-capacity", "count": count}),
        // Until somebody says that it is well.
        12 => json!({"kind": "error", "status": dice.one_of(&[500, 503])}),
        11 => json!({"kind": "revoke-key", "key": KEY, "count": count * 4}),
        _ => json!({"kind": "error", "method": "GET", "route": "/machines/{id}", "status": 404, "count": count}),
    }
}
