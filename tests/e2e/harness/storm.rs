//! A storm: a user who creates, changes and deletes resources, an API that misbehaves, and what must hold of everything that happened.
//!
//! Which edits, faults and moments come is decided by a seed, which is printed; `E2E_SEED` chooses another. What real processes make of them
//! is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::invariant::mark;
use super::random::Random;
use super::test::Test;
use super::wait_for;

/// How long a storm may take to calm down: with back-offs of minutes, not of seconds.
const CALM: Duration = Duration::from_mins(4);

/// Sizes that Paperspace offers.
const DISKS: [u64; 4] = [50, 100, 250, 500];

/// One resource that was created, the deleted ones included.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    uid: String,
    mark: String,
    disk: usize,
    /// Restarts that were asked for.
    restarts: usize,
    /// When its deletion was asked for.
    deleted: Option<Timestamp>,
}

/// A user's doings, and what they entitle to.
pub(crate) struct Storm<'t> {
    t: &'t Test,
    /// As many resources as are made, those apart that are deleted at once or made again.
    most: usize,
    /// Whether machines are also changed and destroyed behind everybody's back.
    console: bool,
    /// How late anything on Paperspace happens or shows, in milliseconds, a create apart: up to twice that, which must be longer than the
    /// operator waits for the reply.
    late: u64,
    book: Mutex<Vec<Entry>>,
    /// Machines that were destroyed on the console.
    destroyed: Mutex<BTreeSet<String>>,
}

impl<'t> Storm<'t> {
    pub(crate) fn new(t: &'t Test, most: usize, console: bool, late: u64) -> Self {
        Self { t, most, console, late, book: Mutex::default(), destroyed: Mutex::default() }
    }

    /// A user who makes so many edits, with pauses of up to so many milliseconds.
    pub(crate) fn user(&self, random: &mut Random, edits: usize, pause: u64) {
        for _ in 0..edits {
            self.edit(random);
            std::thread::sleep(Duration::from_millis(random.below(pause)));
        }
    }

    /// How many resources are to stay.
    pub(crate) fn living(&self) -> usize {
        self.book.lock().unwrap().iter().filter(|e| e.deleted.is_none()).count()
    }

    /// One thing that a user does.
    pub(crate) fn edit(&self, random: &mut Random) {
        let (living, ever): (Vec<usize>, usize) = {
            let book = self.book.lock().unwrap();
            let names: BTreeSet<&str> = book.iter().map(|e| e.name.as_str()).filter(|name| !name.starts_with("brief")).collect();
            ((0..book.len()).filter(|n| book[*n].deleted.is_none()).collect(), names.len())
        };
        let another = ever < self.most && random.chance(50);
        if another || living.is_empty() {
            return self.create(random, &format!("m{}", ever.min(self.most - 1)));
        }
        let at = *random.pick(&living);
        match random.below(20) {
            0 if living.len() * 2 > ever => self.delete(at),
            // A name that was used before, perhaps while the one before is on its way out.
            1 => {
                let name = format!("m{}", random.below(ever as u64));
                self.create(random, &name);
            }
            2 => self.change_ones_mind(random),
            3 if self.console => self.on_the_console(random, at),
            _ => self.change(random, at),
        }
    }

    fn create(&self, random: &mut Random, name: &str) {
        let power = *random.pick(&["Running", "Running", "Stopped", "Manual"]);
        let ip = match random.below(4) {
            0 => json!({"type": "Static"}),
            1 => json!({"type": "None"}),
            _ => Value::Null,
        };
        let snapshots = if random.chance(30) { json!({"frequency": "Daily"}) } else { Value::Null };
        let spec = json!({"powerState": power, "publicIp": ip, "autoSnapshot": snapshots, "resizePolicy": "StopAndStart"});
        let manifest = self.t.machine(name, spec);
        self.t.user_creates(&manifest);
        // Whatever was answered: a resource that is not known yet is the one that was just made.
        let Some(object) = self.t.user_reads(name) else { return };
        let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
        let mut book = self.book.lock().unwrap();
        if book.iter().all(|e| e.uid != uid) {
            book.push(Entry { name: name.to_owned(), mark: mark(&object), uid, disk: 0, restarts: 0, deleted: None });
        }
    }

    fn delete(&self, at: usize) {
        let name = {
            let mut book = self.book.lock().unwrap();
            book[at].deleted = Some(Timestamp::now());
            book[at].name.clone()
        };
        self.t.user_deletes(&name);
    }

    /// A resource that is deleted again when its machine may just have been asked for, and comes late.
    fn change_ones_mind(&self, random: &mut Random) {
        let last = self.book.lock().unwrap().len();
        let name = format!("brief{last}");
        let late = json!({"kind": "delay", "method": "POST", "route": "/machines", "count": 1, "delayMs": 2 * self.late});
        let _ = self.t.sim.try_call("POST", "faults", Some(&late));
        self.create(random, &name);
        for _ in 0..20 {
            let open = |object: &Value| object["status"]["creation"]["outcome"] == "Open";
            if self.t.user_reads(&name).is_some_and(|object| open(&object)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(random.below(500)));
        self.delete(last);
    }

    /// Deletes all that is left.
    pub(crate) fn delete_all(&self) {
        let living = |e: &Entry| e.deleted.is_none();
        let all: Vec<usize> = self.book.lock().unwrap().iter().enumerate().filter(|(_, e)| living(e)).map(|(n, _)| n).collect();
        for at in all {
            self.delete(at);
        }
    }

    fn change(&self, random: &mut Random, at: usize) {
        let mut book = self.book.lock().unwrap();
        let entry = &mut book[at];
        let spec = match random.below(9) {
            0 | 1 => {
                let power = *random.pick(&["Running", "Running", "Stopped", "Manual"]);
                let hours = [json!({"timeoutHours": 100}), json!({"timeoutHours": 120, "force": true}), Value::Null];
                // Which Running refuses.
                let shutdown = if power == "Running" { Value::Null } else { random.pick(&hours).clone() };
                json!({"powerState": power, "autoShutdown": shutdown})
            }
            2 => {
                entry.disk = (entry.disk + 1).min(DISKS.len() - 1);
                json!({"diskSizeGB": DISKS[entry.disk]})
            }
            3 => json!({"machineType": random.pick(&["C4", "C5", "C6"])}),
            4 => json!({"machineName": format!("called-{}", random.below(100))}),
            5 => {
                json!({"autoSnapshot": random.pick(&[json!({"frequency": "Weekly", "keep": 3}), json!({"frequency": "Daily"}), Value::Null])})
            }
            6 | 7 => json!({"publicIp": {"type": random.pick(&["Static", "Static", "Dynamic", "None"])}}),
            _ => {
                let (request, counts) = *random.pick(&[("restart-requested-at", 1), ("reconcile-requested-at", 0)]);
                entry.restarts += counts;
                let annotations = json!({format!("paperspace-operator.dev/{request}"): format!("{}", random.next())});
                return self.t.user_patches(&entry.name, &json!({"metadata": {"annotations": annotations}}));
            }
        };
        self.t.user_patches(&entry.name, &json!({"spec": spec}));
    }

    /// Somebody destroys a machine on the console, or changes it.
    fn on_the_console(&self, random: &mut Random, at: usize) {
        let (name, destroy) = (self.book.lock().unwrap()[at].name.clone(), random.chance(30));
        let Some(id) = self.t.user_reads(&name).and_then(|o| o["status"]["machineId"].as_str().map(str::to_owned)) else { return };
        if destroy {
            self.destroyed.lock().unwrap().insert(id.clone());
            let _ = self.t.sim.try_call("DELETE", &format!("machines/{id}"), None);
        } else {
            let change = json!({"autoSnapshotEnabled": true, "autoSnapshotFrequency": "hourly", "autoSnapshotSaveCount": 9});
            let _ = self.t.sim.try_call("POST", &format!("machines/{id}"), Some(&change));
        }
    }

    /// Other faults than before.
    pub(crate) fn weather(&self, random: &mut Random) {
        let late = self.late;
        let proxy = "<html>a page of a proxy</html>";
        let create = json!({"method": "POST", "route": "/machines"});
        let all = [
            (json!({"kind": "lose-reply", "probability": 0.4}), Some(&create)),
            (json!({"kind": "lose-reply", "probability": 0.4, "status": 504, "text": proxy}), Some(&create)),
            (json!({"kind": "lose-reply", "probability": 0.4, "status": 200, "text": proxy}), Some(&create)),
            (json!({"kind": "lose-reply", "probability": 0.2, "status": 408}), Some(&create)),
            (json!({"kind": "drop", "probability": 0.3}), Some(&create)),
            (json!({"kind": "error", "probability": 0.2, "status": 409}), Some(&create)),
            (json!({"kind": "delay", "probability": 0.5, "delayMs": 2 * late}), Some(&create)),
            (json!({"kind": "lose-reply", "method": "DELETE", "probability": 0.4}), None),
            (json!({"kind": "delay", "method": "DELETE", "probability": 0.3, "delayMs": late}), None),
            (json!({"kind": "lose-reply", "method": "PUT", "probability": 0.3}), None),
            (json!({"kind": "lose-reply", "method": "PATCH", "probability": 0.3}), None),
            (json!({"kind": "delay", "method": "PATCH", "probability": 0.3, "delayMs": late}), None),
            (json!({"kind": "drop", "probability": 0.1}), None),
            (json!({"kind": "error", "status": 503, "probability": 0.1}), None),
            (json!({"kind": "error", "status": 500, "text": proxy, "probability": 0.1}), None),
            (json!({"kind": "error", "status": 429, "retryAfter": 1, "count": 1}), None),
            (json!({"kind": "error", "status": 404, "method": "GET", "route": "/machines/{id}", "probability": 0.2}), None),
            (json!({"kind": "error", "status": 404, "text": proxy, "probability": 0.1}), None),
            (json!({"kind": "stale-list", "route": "/machines", "delayMs": late, "probability": 0.4}), None),
            (json!({"kind": "shift-page", "route": "/machines", "probability": 0.4}), None),
            (json!({"kind": "revoke-key", "probability": 0.03}), None),
        ];
        self.t.sim.clear_faults();
        for (mut fault, to) in all {
            if random.chance(35) {
                fault.as_object_mut().unwrap().extend(to.and_then(Value::as_object).cloned().unwrap_or_default());
                self.t.sim.fault(&fault);
            }
        }
    }

    /// What must hold at any moment, of everything that has ever happened: no machine that no resource made, never two at a time with one
    /// mark, none destroyed that nobody asked to destroy, no restart more than was asked for.
    #[track_caller]
    pub(crate) fn check_history(&self) {
        let truth = self.t.sim.truth();
        let (book, destroyed) = (self.book.lock().unwrap(), self.destroyed.lock().unwrap());
        let mut wrong = Vec::new();
        let mut lives: BTreeMap<&str, Vec<(Timestamp, Timestamp, &str)>> = BTreeMap::new();
        for machine in truth["machines"].as_array().unwrap() {
            let (id, name) = (machine["id"].as_str().unwrap(), machine["name"].as_str().unwrap());
            let time = |field: &str| machine[field].as_str().map(|t| t.parse::<Timestamp>().unwrap());
            let Some(entry) = name.rsplit('-').next().and_then(|mark| book.iter().find(|e| e.mark == mark)) else {
                wrong.push(format!("machine {id} ({name}) was made for nobody"));
                continue;
            };
            let (born, died) = (time("dtCreated").unwrap(), time("dtDeleted"));
            lives.entry(&entry.mark).or_default().push((born, died.unwrap_or(Timestamp::MAX), id));
            let asked = entry.deleted.is_some_and(|deleted| died.is_some_and(|died| died >= deleted));
            if died.is_some() && !asked && !destroyed.contains(id) {
                wrong.push(format!("machine {id} of {} was destroyed at {died:?}, and nobody asked for it", entry.name));
            }
        }
        for (mark, mut lives) in lives {
            lives.sort();
            for pair in lives.windows(2).filter(|pair| pair[1].0 < pair[0].1) {
                wrong.push(format!("two machines at a time with mark {mark}: {pair:?}"));
            }
        }
        wrong.extend(too_many_restarts(&truth, &book));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Waits until every resource that stays has the machine that its spec asks for, and says so; and all others are gone.
    #[track_caller]
    pub(crate) fn calm(&self) {
        let mut wrong = Vec::new();
        let start = std::time::Instant::now();
        while start.elapsed() < CALM {
            wrong = self.differences();
            if wrong.is_empty() {
                println!("{}: calm after {:.1} s", self.t.namespace, start.elapsed().as_secs_f64());
                self.check_history();
                return self.check_events();
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        panic!("after {CALM:?} it is not calm: {} differences\n{}", wrong.len(), wrong.join("\n"));
    }

    /// Nothing was told that did not happen: there was capacity at any time, no machine vanished but by hand, and nothing drifted by itself.
    #[track_caller]
    fn check_events(&self) {
        let destroyed = self.destroyed.lock().unwrap();
        let by_hand = |note: &str| destroyed.iter().any(|id| note.contains(id.as_str()));
        let false_news = |reason: &str, note: &str| match reason {
            "MachineVanished" | "MachineNotFound" => !by_hand(note),
            "DriftDetected" => !self.console,
            "OutOfCapacity" | "Duplicate" | "OwnershipLost" | "Restored" | "Unmendable" => true,
            _ => false,
        };
        let all = self.t.all_events();
        let wrong: Vec<_> = all.iter().filter(|(_, reason, note)| false_news(reason, note)).map(|event| format!("{event:?}")).collect();
        assert!(wrong.is_empty(), "events of what did not happen:\n{}", wrong.join("\n"));
    }

    fn differences(&self) -> Vec<String> {
        let (objects, truth) = (self.t.user_lists(), self.t.sim.truth());
        let book = self.book.lock().unwrap();
        let mut wrong = Vec::new();
        let mut addresses = BTreeSet::new();
        for entry in book.iter() {
            let object = objects.iter().find(|o| o["metadata"]["uid"] == entry.uid.as_str());
            match (object, entry.deleted) {
                (None, None) => wrong.push(format!("{} is lost", entry.name)),
                (Some(_), Some(_)) => wrong.push(format!("{} is still there", entry.name)),
                (None, Some(_)) => {}
                (Some(object), None) => {
                    let (machine, differences) = super::asked::differences(object, &truth);
                    wrong.extend(differences.into_iter().map(|d| format!("{}: {d}", entry.name)));
                    addresses
                        .extend(machine.filter(|m| m["publicIpType"] == "static").and_then(|m| m["publicIp"].as_str().map(str::to_owned)));
                }
            }
        }
        let exists = |value: &&Value| value["exists"] == json!(true);
        let living = book.iter().filter(|e| e.deleted.is_none()).count();
        let machines = truth["machines"].as_array().unwrap().iter().filter(exists).count();
        if machines != living {
            wrong.push(format!("{machines} machines for {living} resources"));
        }
        for ip in truth["publicIps"].as_array().unwrap().iter().filter(exists) {
            if !addresses.contains(ip["ip"].as_str().unwrap()) {
                wrong.push(format!("address {ip} belongs to no machine that wants one"));
            }
        }
        wrong
    }

    /// Once it is calm nothing is written any more, neither to Paperspace nor to Kubernetes.
    #[track_caller]
    pub(crate) fn stays_calm(&self, looks: u64) {
        let written = || {
            let versions: Vec<Value> = self.t.user_lists().iter().map(|o| o["metadata"]["resourceVersion"].clone()).collect();
            (versions, self.t.sim.writes())
        };
        let calls = || self.t.sim.truth()["calls"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
        let (before, calls_before) = (written(), calls());
        self.t.idle(looks);
        assert_eq!(written(), before, "nothing changes, and something is written");
        println!("{}: {} calls in {looks} looks of a calm fleet of {}", self.t.namespace, calls() - calls_before, self.living());
        self.calm();
    }

    /// Deletes all, and waits until nothing is left: no resource, no machine, no address.
    #[track_caller]
    pub(crate) fn end(&self) {
        self.delete_all();
        wait_for("the end of all resources", CALM, || self.t.user_lists().is_empty().then_some(()));
        self.calm();
    }
}

/// Restarts are asked for one by one, and each is made at most once.
fn too_many_restarts(truth: &Value, book: &[Entry]) -> Vec<String> {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for event in truth["events"].as_array().unwrap().iter().filter(|e| e["name"] == "restart") {
        let machine = truth["machines"].as_array().unwrap().iter().find(|m| m["id"] == event["machineId"]);
        let mark = machine.and_then(|m| m["name"].as_str()).and_then(|name| name.rsplit('-').next()).unwrap_or_default();
        *made.entry(mark).or_default() += 1;
    }
    let too_many = |e: &&Entry| made.get(e.mark.as_str()).is_some_and(|made| *made > e.restarts);
    book.iter().filter(too_many).map(|e| format!("{} was restarted more than {} times", e.name, e.restarts)).collect()
}
