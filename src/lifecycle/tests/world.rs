//! The world of the tests: keeps the object, and lets time pass.

mod shell;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::cloud::{Cloud, Fault, rejected, transport, wall};
use super::estate::Estate;
use crate::crd::status::time;
use crate::crd::{PaperspaceMachine, PaperspaceMachineSpec, PaperspaceMachineStatus};
use crate::lifecycle::memory::Memory;
use crate::lifecycle::observe::{Access, Facts, KeySource, Moment, Question, Quota, Settings};
use crate::lifecycle::restraint::Restraint;
use crate::lifecycle::step::{Decision, Event, Requeue, Step, StepKind};
use crate::paperspace::types::Machine;
use crate::paperspace::{Error, Silence};

pub(super) const UID: &str = "3f9c2a7b-51de-4c1a-9f00-000000000001";
pub(super) const MARK: &str = "3f9c2a7b51de";
pub(super) const NAME: &str = "ml-train-3f9c2a7b51de";
pub(super) const ENDPOINT: &str = "https://api.test/v1";

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What a kind of look meets.
#[derive(Default)]
pub(super) struct Looks {
    /// So many next lists lack every machine.
    pub(super) hidden_lists: u32,
    /// Lists still show these.
    pub(super) ghosts: Vec<Machine>,
    /// Lists show these machines as they were.
    pub(super) lagging_rows: Vec<Machine>,
    /// So many next direct GETs answer 404.
    pub(super) lagging_gets: u32,
    /// Every read of machines fails.
    pub(super) down: Option<Error>,
    /// Snapshots cannot be listed.
    pub(super) no_snapshots: Option<Error>,
    /// The team's addresses cannot be read.
    pub(super) no_addresses: Option<Error>,
    /// How long ago the account was read as a whole.
    pub(super) unobserved_for: Duration,
    /// Nothing is sent for the account.
    pub(super) silence: Option<Silence>,
    /// Whether there is capacity.
    pub(super) unavailable: bool,
    pub(super) crd_terminating: bool,
    /// Machines of the account that were destroyed, and when.
    pub(super) destroyed: BTreeMap<String, jiff::Timestamp>,
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) object: PaperspaceMachine,
    pub(super) exists: bool,
    pub(super) cloud: Cloud,
    pub(super) looks: Looks,
    pub(super) access: BTreeMap<KeySource, Access>,
    pub(super) settings: Settings,
    pub(super) memory: Memory,
    /// What was done, and what was said, in order.
    pub(super) steps: Vec<StepKind>,
    pub(super) said: Vec<Event>,
    pub(super) asked: Vec<Question>,
    pub(super) status_writes: u32,
    /// Answers that are there before the first question.
    pub(super) facts: Facts,
    /// The write-ahead's acknowledgement takes this long.
    pub(super) slow_write: Duration,
    /// The next status write meets somebody else's.
    pub(super) conflicts: u32,
    pub(super) quota: Quota,
    pub(super) restraint: Option<Restraint>,
    version: u64,
    nonce: u32,
}

pub(super) fn spec() -> PaperspaceMachineSpec {
    PaperspaceMachineSpec {
        machine_type: "A4000".to_owned(),
        template_id: Some("tmpl".to_owned()),
        region: "NY2".to_owned(),
        disk_size_gb: 50,
        ..PaperspaceMachineSpec::default()
    }
}

pub(super) fn open(team: &str) -> Access {
    Access::Open { team: team.to_owned(), admin: true }
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> Self {
        let mut spec = spec();
        change(&mut spec);
        let mut object = PaperspaceMachine::new("train", spec);
        object.metadata.namespace = Some("ml".to_owned());
        object.metadata.uid = Some(UID.to_owned());
        object.metadata.generation = Some(1);
        object.metadata.resource_version = Some("1".to_owned());
        object.metadata.creation_timestamp = Some(time(wall(Duration::ZERO)));
        object.status = Some(PaperspaceMachineStatus { observed_generation: Some(-1), ..PaperspaceMachineStatus::default() });
        Self {
            now: secs(100),
            object,
            exists: true,
            cloud: Cloud::with(Estate::usual()),
            looks: Looks::default(),
            access: [(KeySource::Own, open("te1"))].into(),
            settings: Settings {
                endpoint: ENDPOINT.to_owned(),
                cluster_id: None,
                settle: secs(180),
                transition: secs(5),
                adopt_with_default_key: true,
                max_destroys: None,
            },
            memory: Memory::default(),
            steps: vec![],
            said: vec![],
            asked: vec![],
            status_writes: 0,
            facts: Facts::default(),
            slow_write: Duration::ZERO,
            conflicts: 0,
            quota: Quota::default(),
            restraint: None,
            version: 1,
            nonce: 0,
        }
    }

    /// A resource whose machine is there and as it should be.
    pub(super) fn running(change: impl FnOnce(&mut PaperspaceMachineSpec)) -> Self {
        let mut world = Self::new(change);
        world.run();
        assert_eq!(world.cloud.machines.len(), 1, "{:#?}", world.object.status);
        world.forget_log();
        world
    }

    pub(super) fn forget_log(&mut self) {
        self.steps.clear();
        self.said.clear();
        self.asked.clear();
        self.status_writes = 0;
    }

    pub(super) fn status(&self) -> PaperspaceMachineStatus {
        self.object.status.clone().unwrap_or_default()
    }

    pub(super) fn id(&self) -> String {
        self.status().machine_id.expect("a machine")
    }

    /// The only machine.
    pub(super) fn machine(&mut self) -> &mut Machine {
        assert_eq!(self.cloud.machines.len(), 1);
        &mut self.cloud.machines[0]
    }

    /// `Ready=True/Running Synced=...`
    pub(super) fn conditions(&self) -> String {
        let shown = |c: &Condition| format!("{}={}/{}", c.type_, c.status, c.reason);
        self.status().conditions.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn said(&self, reason: &str) -> usize {
        self.said.iter().filter(|e| e.reason == reason).count()
    }

    pub(super) fn count(&self, kind: StepKind) -> usize {
        self.steps.iter().filter(|k| **k == kind).count()
    }

    pub(super) fn fault(&mut self, kind: StepKind, fault: Fault) {
        self.cloud.faults.entry(kind).or_default().push(fault);
    }

    /// Somebody changes the spec.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut PaperspaceMachineSpec)) {
        change(&mut self.object.spec);
        self.object.metadata.generation = self.object.metadata.generation.map(|g| g + 1);
        self.touch();
    }

    pub(super) fn annotate(&mut self, key: &str, value: &str) {
        self.object.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
        self.touch();
    }

    pub(super) fn edit_status(&mut self, change: impl FnOnce(&mut PaperspaceMachineStatus)) {
        change(self.object.status.get_or_insert_default());
        self.touch();
    }

    /// `kubectl delete`.
    pub(super) fn delete(&mut self) {
        if self.object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty) {
            self.exists = false;
        }
        self.object.metadata.deletion_timestamp = Some(time(wall(self.now)));
        self.object.metadata.generation = self.object.metadata.generation.map(|g| g + 1);
        self.touch();
    }

    /// The operator starts anew.
    pub(super) fn crash(&mut self) {
        self.memory = Memory::default();
    }

    fn touch(&mut self) -> String {
        self.version += 1;
        let version = self.version.to_string();
        self.object.metadata.resource_version = Some(version.clone());
        version
    }

    pub(super) fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.cloud.tick(self.now);
    }

    fn moment(&self) -> Moment {
        Moment { wall: wall(self.now), mono: self.now }
    }

    /// Runs passes until the world is quiet: nothing to come back for within ten minutes. Bounded, so that what goes round in circles shows.
    pub(super) fn run(&mut self) {
        self.run_for(secs(7200));
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut hot = 0;
        while self.exists && self.now < end {
            match self.pass().requeue {
                Requeue::OnChange => return,
                Requeue::After(after) if after >= secs(600) => return,
                Requeue::After(after) => {
                    hot = if after.is_zero() { hot + 1 } else { 0 };
                    assert!(hot < 12, "a hot loop of {:?}\n{}", self.steps, self.conditions());
                    self.sleep(after.min(end.saturating_sub(self.now)));
                }
            }
        }
    }

    /// Runs passes until one has taken such a step.
    pub(super) fn run_until(&mut self, kind: StepKind) {
        for _ in 0..2000 {
            let decision = self.pass();
            if decision.step.kind() == kind {
                return;
            }
            match decision.requeue {
                Requeue::After(after) => self.sleep(after),
                Requeue::OnChange => break,
            }
        }
        panic!("no {kind:?} came: {:?}\n{}", self.steps, self.conditions());
    }

    /// One pass.
    pub(super) fn step(&mut self) {
        let _ = self.pass();
    }

    /// One pass: what was decided.
    pub(super) fn pass(&mut self) -> Decision {
        let decision = self.decide();
        self.check(&decision);
        self.memory = decision.memory.clone();
        if decision.step != Step::Nothing {
            self.steps.push(decision.step.kind());
        }
        if self.execute(&decision) {
            self.write(&decision);
        }
        decision
    }
}

/// An error of each kind, for looks.
pub(super) fn api_down() -> Error {
    transport(true)
}

pub(super) fn kubernetes_down() -> Error {
    Error::Kubernetes { message: "reading a Secret: forbidden".to_owned() }
}

pub(super) fn unauthorized() -> Error {
    rejected(401, "invalid key")
}
