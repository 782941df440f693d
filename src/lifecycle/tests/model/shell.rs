//! One pass of an operator up to its decision: the object is read, the core asks, the world answers.
//!
//! Like the real shell it answers and executes, and chooses nothing. Where a rule is left out it is here that the core is lied to.

use std::sync::Arc;
use std::time::Duration;

use super::canon::{self, NOW, nonce, wall};
use super::lies;
use super::rules::{Bounds, TICK, Without};
use super::store::Store;
use super::world::{Act, Deed, Life, MACHINES, Machine, Numbered, Object, Origin};
use crate::crd::conditions::{READY, SYNCED};
use crate::crd::{
    ADDRESS_OF_MACHINE, CreationOutcome, DeletionPolicy, FINALIZER, PaperspaceMachine, PaperspaceMachineStatus, status::time,
};
use crate::fleet::{Account, Snapshot};
use crate::lifecycle::decide::decide;
use crate::lifecycle::memory::Memory;
use crate::lifecycle::names::{self, Mark};
use crate::lifecycle::observe::{Access, Facts, ListView, Listed, Listing, MachineLook, Moment, Observation, Question, Quota, Settings};
use crate::lifecycle::step::{Next, Requeue, Step};
use crate::lifecycle::tests::cloud;
use crate::lifecycle::tests::world::{ENDPOINT, spec};
use crate::paperspace::types;

const UIDS: [&str; 2] = ["3f9c2a7b-51de-4c1a-9f00-000000000001", "4a8d1b6c-40cd-4c1a-9f00-000000000002"];
/// The object's version, whichever it is: a write based on an older one is known as such by its stage.
pub(super) const VERSION: &str = "v";
/// The last question of a pass is far fewer than this.
const MOST_QUESTIONS: u32 = 40;

/// What the answers to one pass's questions show of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sight {
    /// Lists are old where that is possible: of these machines they show what was before.
    pub(super) lag: u8,
    /// These lists, counted from the pass's first, miss every machine.
    pub(super) shifts: u8,
    /// Young machines answer 404.
    pub(super) young: bool,
    /// The key opens another team.
    pub(super) alien: bool,
}

/// Everything that a pass's decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scene {
    pub(super) memory: Numbered,
    pub(super) object: Object,
    pub(super) seen: [Seen; MACHINES],
    pub(super) sight: Sight,
    /// The random id that the pass would give an attempt.
    pub(super) nonce: u8,
}

/// One machine, as a pass sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    origin: Origin,
    marked: bool,
    listed: bool,
    got: Got,
    /// Whether it is so young that a GET may not find it.
    young: bool,
}

/// What a GET says of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Got {
    There,
    Deleted,
    Missing,
}

/// What a pass decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) memory: Numbered,
    /// Nothing, if it is to wait.
    pub(super) act: Option<Act>,
    /// It waits for a change alone, though not all is as it should be: of that the account tells.
    pub(super) on_change: bool,
    pub(super) used: Used,
}

/// Which liberties of the sight made a difference to the answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// Lists that were asked for.
    pub(super) lists: u8,
    /// A list, or a row of the last one, was looked at.
    pub(super) rows: bool,
    /// A young machine was looked at.
    pub(super) young: bool,
}

/// The operator's settings in this world.
pub(super) fn settings(bounds: &Bounds) -> Settings {
    Settings {
        endpoint: ENDPOINT.to_owned(),
        cluster_id: None,
        settle: TICK * u32::from(bounds.settle),
        transition: Duration::from_secs(5),
        max_destroys: None,
        adopt_with_default_key: false,
    }
}

/// What Kubernetes gives for the object.
fn object(bounds: &Bounds, store: &Store, object: Object) -> PaperspaceMachine {
    let mut full = PaperspaceMachine::new("train", spec());
    full.spec.deletion_policy = bounds.retain.then_some(DeletionPolicy::Retain);
    let meta = &mut full.metadata;
    meta.namespace = Some("ml".to_owned());
    meta.uid = Some(UIDS[usize::from(object.uid)].to_owned());
    meta.generation = Some(if object.deleting { 2 } else { 1 });
    meta.resource_version = Some(VERSION.to_owned());
    meta.creation_timestamp = Some(time(wall(Duration::ZERO)));
    meta.deletion_timestamp = object.deleting.then(|| time(wall(NOW)));
    meta.finalizers = object.finalizer.then(|| vec![FINALIZER.to_owned()]);
    meta.annotations = object.address.map(|id| {
        let address = names::address("te1", &canon::machine(id), &mark(object.uid));
        [(ADDRESS_OF_MACHINE.to_owned(), address)].into()
    });
    full.status = Some(store.standing(object.status));
    if bounds.lacks(Without::KnownDestroyed) && object.deleting {
        full.status.iter_mut().for_each(|s| s.machine_id = None);
    }
    full
}

fn mark(uid: u8) -> Mark {
    Mark::of_uid(UIDS[usize::from(uid)])
}

/// What Paperspace gives for a machine.
pub(super) fn row(slot: usize, origin: Origin) -> types::Machine {
    let (uid, made) = match origin {
        // At a time at which an attempt can have made it.
        Origin::Made(uid) => (uid, Duration::ZERO),
        // Later than anything that an attempt can have made: copies are made only then.
        Origin::Copied(uid) => (uid, NOW),
        Origin::Nowhere => unreachable!("no machine in slot {slot}"),
    };
    let name = names::machine_name("ml-train", None, &mark(uid));
    types::Machine { dt_created: wall(made), ..cloud::machine(&canon::machine(u8::try_from(slot).unwrap()), &name) }
}

struct Pass<'a> {
    bounds: &'a Bounds,
    scene: &'a Scene,
    memory: Memory,
    used: Used,
    /// Each question takes a moment, so that what is asked later begins later.
    asked: u32,
}

/// Runs the pass up to its decision.
pub(super) fn decided(bounds: &Bounds, store: &Store, scene: &Scene) -> Decided {
    let full = object(bounds, store, scene.object);
    let settings = settings(bounds);
    let (nonce, mut facts) = (nonce(scene.nonce), Facts::default());
    let mut pass = Pass { bounds, scene, memory: store.remembered(scene.memory), used: Used::default(), asked: 0 };
    let began = pass.now();
    loop {
        let now = pass.now();
        lies::before(bounds, &full, now, &mut pass.memory);
        let observation = Observation {
            object: &full,
            began,
            now,
            nonce: &nonce,
            settings: &settings,
            memory: &pass.memory,
            unobserved_for: Duration::ZERO,
            silence: None,
            restraint: None,
            marked: &[],
            quota: Quota::default(),
            facts: &facts,
        };
        match decide(&observation) {
            Next::Ask(question, memory) => {
                pass.memory = *memory;
                if lies::one_list_is_two(bounds, &mut pass.memory) {
                    continue;
                }
                pass.asked += 1;
                assert!(pass.asked < MOST_QUESTIONS, "asks for ever: {question:?}");
                pass.answer(&full, question, &mut facts);
            }
            Next::Act(mut decision) => {
                let list = facts.list.as_ref().and_then(|list| list.as_ref().ok());
                lies::after(bounds, &full, list, &mut decision.memory);
                let status = store.status(&decision.status);
                let deed = deed(&decision.step, bounds);
                let act = Act { deed: deed.unwrap_or(Deed::Status), status, uid: scene.object.uid, outdated: false };
                return Decided {
                    memory: store.memory(decision.memory),
                    act: (deed.is_some() || status != scene.object.status).then_some(act),
                    on_change: decision.requeue == Requeue::OnChange && !is_well(&decision.status),
                    used: pass.used,
                };
            }
        }
    }
}

fn is_well(status: &PaperspaceMachineStatus) -> bool {
    [READY, SYNCED].iter().all(|kind| status.condition(kind).is_some_and(|c| c.status == "True"))
}

fn deed(step: &Step, bounds: &Bounds) -> Option<Deed> {
    Some(match step {
        Step::Nothing => return None,
        Step::AddFinalizer => Deed::AddFinalizer,
        Step::RemoveFinalizer => Deed::RemoveFinalizer,
        Step::Annotate { address } => Deed::Annotate(canon::number(names::parse_address(address).unwrap().1)),
        Step::WriteAhead { id, create: true } => Deed::WriteAhead(canon::number(id)),
        Step::Create { attempt, timeout, .. } => {
            assert!(*timeout <= TICK * u32::from(bounds.patience), "a create is waited for as long as the bounds say");
            Deed::Create(canon::number(attempt))
        }
        Step::Delete { id } => Deed::Delete(canon::number(id)),
        other => panic!("not in this world: {other:?}"),
    })
}

impl Pass<'_> {
    fn now(&self) -> Moment {
        let mono = NOW + Duration::from_millis(self.asked.into());
        Moment { wall: wall(mono), mono }
    }

    fn answer(&mut self, full: &PaperspaceMachine, question: Question, facts: &mut Facts) {
        match question {
            Question::Access { key, reread } => {
                let team = if self.scene.sight.alien && !self.bounds.lacks(Without::WhoseEyes) { "te2" } else { "te1" };
                facts.access.insert(key, (Access::Open { team: team.to_owned(), admin: true }, reread));
            }
            Question::List { .. } => facts.list = Some(Ok(self.list(full))),
            Question::Machine { id, .. } => {
                let listed = self.rows().into_iter().find(|m| m.id == id);
                let direct = listed.is_none();
                let machine = listed.or_else(|| self.get(&id));
                facts.machines.insert(id, Ok(MachineLook { began: self.now().mono, direct, machine }));
            }
            Question::Direct { id, .. } => {
                let machine = match self.bounds.without {
                    Some(Without::BindConfirmed) if is_unbound(full) => self.rows().into_iter().find(|m| m.id == id),
                    Some(Without::KnownGone) if self.memory.accepted.contains(&id) => None,
                    _ => self.get(&id),
                };
                facts.direct.insert(id, Ok(MachineLook { began: self.now().mono, direct: true, machine }));
            }
            Question::CrdTerminating => facts.crd_terminating = Some(false),
            Question::Listing { of: Listing::OsTemplates, begun_after } => {
                facts.os_templates = Some(Ok(Listed { began: begun_after, items: Arc::default() }));
            }
            Question::Listing { of: Listing::CustomTemplates, begun_after } => {
                facts.custom_templates = Some(Ok(Listed { began: begun_after, items: Arc::default() }));
            }
            other => panic!("not in this world: {other:?}"),
        }
    }

    /// What the real fleet makes of a list, for this object.
    fn list(&mut self, full: &PaperspaceMachine) -> ListView {
        let shifted = self.scene.sight.shifts & (1 << self.used.lists) != 0;
        self.used.lists += 1;
        self.used.rows = true;
        let blind = self.bounds.lacks(Without::LookFirst) && is_unbound(full) && !is_open(full);
        let rows = if shifted || blind { Vec::new() } else { self.rows() };
        let bound = full.status.as_ref().and_then(|s| s.machine_id.as_deref());
        let known: Vec<&str> = self.memory.accepted.iter().map(String::as_str).chain(bound).collect();
        Account::view(&Snapshot::new(self.now().mono, rows), &mark(self.scene.object.uid), &known)
    }

    fn rows(&mut self) -> Vec<types::Machine> {
        self.used.rows = true;
        let rows = self.scene.seen.iter().enumerate().filter(|(_, seen)| seen.listed).map(|(slot, seen)| self.row(slot, *seen));
        let mut rows: Vec<types::Machine> = rows.collect();
        // Tombstones, which the fleet leaves out.
        let dead = self.scene.seen.iter().enumerate().filter(|(_, seen)| !seen.listed && seen.got == Got::Deleted);
        rows.extend(dead.map(|(slot, seen)| {
            let deleted = (!self.bounds.lacks(Without::DeletedRows)).then(|| wall(NOW));
            types::Machine { dt_deleted: deleted, ..self.row(slot, *seen) }
        }));
        // Somebody else's.
        rows.push(cloud::machine("ps9", "other-0123456789ab"));
        rows
    }

    fn get(&mut self, id: &str) -> Option<types::Machine> {
        let slot = usize::from(canon::number(id));
        let seen = self.scene.seen[slot];
        self.used.young |= seen.young;
        match seen.got {
            Got::There => Some(self.row(slot, seen)),
            Got::Deleted => Some(types::Machine { dt_deleted: Some(wall(NOW)), ..self.row(slot, seen) }),
            Got::Missing => None,
        }
    }

    fn row(&self, slot: usize, seen: Seen) -> types::Machine {
        let made = if self.bounds.lacks(Without::CreatedWindow) { wall(Duration::ZERO) } else { row(slot, seen.origin).dt_created };
        let row = row(slot, seen.origin);
        let name = if seen.marked { row.name } else { "renamed".to_owned() };
        types::Machine { dt_created: made, name, ..row }
    }
}

/// The object lives and has no machine yet.
fn is_unbound(object: &PaperspaceMachine) -> bool {
    object.metadata.deletion_timestamp.is_none() && object.status.as_ref().is_some_and(|s| s.machine_id.is_none())
}

fn is_open(object: &PaperspaceMachine) -> bool {
    object.status.as_ref().and_then(|s| s.creation.as_ref()).is_some_and(|c| c.outcome == CreationOutcome::Open)
}

/// How a pass sees a machine. Lists lag; a GET by id does not, but for machines that are young.
pub(super) fn seen(bounds: &Bounds, slot: usize, machine: Machine, sight: Sight) -> Seen {
    if machine.origin == Origin::Nowhere || sight.alien {
        return Seen { origin: Origin::Nowhere, marked: false, listed: false, got: Got::Missing, young: false };
    }
    let old = sight.lag & (1 << slot) != 0 && uncertain(bounds, machine);
    let young = is_young(bounds, machine);
    let got = match machine.state {
        _ if young && sight.young => Got::Missing,
        Life::Going | Life::Gone if bounds.tombstones => Got::Deleted,
        Life::Alive | Life::Going => Got::There,
        Life::Gone => Got::Missing,
    };
    Seen { origin: machine.origin, marked: machine.marked, listed: machine.exists() != old, got, young }
}

/// Whether a list may or may not show this machine: it came or went only lately.
pub(super) fn uncertain(bounds: &Bounds, machine: Machine) -> bool {
    match machine.state {
        Life::Alive | Life::Going => machine.age <= bounds.lag,
        Life::Gone => machine.origin != Origin::Nowhere && machine.gone <= bounds.lag,
    }
}

/// Whether a machine is so young that a GET or DELETE may not find it.
pub(super) fn is_young(bounds: &Bounds, machine: Machine) -> bool {
    machine.exists() && machine.age <= bounds.young
}
