//! The shell of the tests: answers questions, takes steps, keeps the object, and lets time pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::cloud::{Cloud, Fault, rejected, transport, wall};
use super::estate::Estate;
use crate::crd::status::time;
use crate::crd::{FINALIZER, PaperspaceMachine, PaperspaceMachineSpec, PaperspaceMachineStatus, ScriptSource};
use crate::lifecycle::decide::decide;
use crate::lifecycle::memory::{Memory, WriteAhead};
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{
    Access, Facts, KeySource, ListView, Listed, Listing, MachineLook, Moment, Observation, Question, Quota, Settings, SourceLook,
};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::{Decision, Event, Next, Outcome, Requeue, Step, StepKind};
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

    /// Decides, without doing anything.
    pub(super) fn decide(&mut self) -> Decision {
        let began = self.moment();
        let mut facts = self.facts.clone();
        self.nonce += 1;
        let nonce = format!("n{}", self.nonce);
        for _ in 0..32 {
            let mark = Mark::of_uid(UID);
            let marked: Vec<Machine> =
                self.cloud.machines.iter().filter(|m| Mark::of_name(&m.name).as_ref() == Some(&mark)).cloned().collect();
            let observation = Observation {
                object: &self.object,
                began,
                now: self.moment(),
                nonce: &nonce,
                settings: &self.settings,
                memory: &self.memory,
                unobserved_for: self.looks.unobserved_for,
                silence: self.looks.silence.clone(),
                marked: &marked,
                quota: self.quota,
                facts: &facts,
            };
            match decide(&observation) {
                Next::Act(decision) => return *decision,
                Next::Ask(question, memory) => {
                    self.memory = *memory;
                    self.asked.push(question.clone());
                    self.sleep(Duration::from_millis(20));
                    self.answer(question, &mut facts);
                }
            }
        }
        panic!("asks for ever: {:#?}", &self.asked[self.asked.len() - 8..]);
    }

    fn answer(&mut self, question: Question, facts: &mut Facts) {
        let began = self.now;
        let down = self.looks.down.clone();
        let inline = self.object.spec.startup_script.as_ref().and_then(|s| s.inline.as_deref());
        if let (Question::ScriptText, Some(inline)) = (&question, inline) {
            let source = ScriptSource { kind: "PaperspaceMachine".to_owned(), ..ScriptSource::default() };
            facts.script_text = Some(SourceLook::Text { source, text: ScriptText::new(inline) });
            return;
        }
        if matches!(question, Question::Listing { of: Listing::PublicIps, .. }) {
            let answer = self
                .looks
                .no_addresses
                .clone()
                .or(down)
                .map_or_else(|| Ok(Listed { began, items: std::sync::Arc::new(self.cloud.public_ips()) }), Err);
            facts.public_ips = Some(answer);
            return;
        }
        if let (Question::Listing { of: Listing::Snapshots, .. }, Some(error)) = (&question, &self.looks.no_snapshots) {
            facts.snapshots = Some(Err(error.clone()));
            return;
        }
        if self.cloud.estate.answer(&question, began, down.clone(), facts).is_some() {
            return;
        }
        match question {
            Question::Access { key, reread } => {
                let access = self.access.get(&key).cloned().unwrap_or_else(|| Access::Missing("no Secret".to_owned()));
                facts.access.insert(key, (access, reread));
            }
            Question::List { .. } => facts.list = Some(down.map_or_else(|| Ok(self.list(began)), Err)),
            Question::Machine { id, .. } if self.looks.lagging_rows.iter().any(|m| m.id == id) && down.is_none() => {
                let machine = self.looks.lagging_rows.iter().find(|m| m.id == id).cloned();
                facts.machines.insert(id, Ok(MachineLook { began, direct: false, machine }));
            }
            // A quiet object is answered from the account's last list, however old that is.
            Question::Machine { id, begun_after } if begun_after < self.now.saturating_sub(self.looks.unobserved_for) => {
                let began = self.now.saturating_sub(self.looks.unobserved_for);
                facts.machines.insert(id.clone(), Ok(MachineLook { began, direct: false, machine: self.cloud.get(&id).cloned() }));
            }
            Question::Machine { id, .. } => {
                let look = down.map_or_else(|| Ok(self.get(began, &id)), Err);
                facts.machines.insert(id, look);
            }
            Question::Direct { id, .. } => {
                let look = down.map_or_else(|| Ok(self.get(began, &id)), Err);
                facts.direct.insert(id, look);
            }
            Question::Events { id } => {
                let events = self.cloud.events.get(&id).cloned().unwrap_or_default();
                facts.events.insert(id, down.map_or(Ok(events), Err));
            }
            Question::Availability => facts.available = Some(Ok(!self.looks.unavailable)),
            Question::CrdTerminating => facts.crd_terminating = Some(self.looks.crd_terminating),
            other => panic!("not answered: {other:?}"),
        }
    }

    fn list(&mut self, began: Duration) -> ListView {
        let mark = Mark::of_uid(UID);
        let known: BTreeSet<String> = self.memory.accepted.iter().cloned().chain(self.status().machine_id).collect();
        let mut all: Vec<Machine> = self.cloud.machines.iter().chain(&self.looks.ghosts).cloned().collect();
        if self.looks.hidden_lists > 0 {
            self.looks.hidden_lists -= 1;
            all.clear();
        }
        all.retain(|m| m.dt_deleted.is_none() && (known.contains(&m.id) || Mark::of_name(&m.name).as_ref() == Some(&mark)));
        ListView { began, machines: all }
    }

    fn get(&mut self, began: Duration, id: &str) -> MachineLook {
        let lags = self.looks.lagging_gets > 0;
        self.looks.lagging_gets = self.looks.lagging_gets.saturating_sub(1);
        MachineLook { began, direct: true, machine: self.cloud.get(id).filter(|_| !lags).cloned() }
    }

    /// Whether the step was done.
    fn execute(&mut self, decision: &Decision) -> bool {
        let before = self.object.metadata.resource_version.clone();
        match &decision.step {
            Step::Nothing => return true,
            step @ (Step::WriteConfigMap { .. } | Step::DeleteConfigMap { .. }) => {
                let failed = self.cloud.fails(step.kind());
                let outcome = failed.map_or(Outcome::Done, Outcome::Failed);
                if outcome == Outcome::Done {
                    self.cloud.estate.write(step);
                }
                let memory = std::mem::take(&mut self.memory);
                self.memory = memory.learn(step, &outcome, self.object.metadata.generation, self.moment());
                return outcome == Outcome::Done;
            }
            Step::AddFinalizer => self.object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]),
            Step::RemoveFinalizer => {
                self.object.metadata.finalizers = None;
                self.exists = self.object.metadata.deletion_timestamp.is_none();
            }
            Step::Annotate { address } => {
                let annotations = self.object.metadata.annotations.get_or_insert_default();
                annotations.insert(crate::crd::ADDRESS_OF_MACHINE.to_owned(), address.clone());
            }
            Step::WriteAhead { id, .. } => {
                let sent = self.moment();
                self.sleep(self.slow_write);
                self.object.status = Some(decision.status.clone());
                self.memory.write_ahead = Some(WriteAhead { id: id.clone(), sent });
                self.memory.reply = None;
            }
            call => {
                let result = self.cloud.call(call);
                let outcome = Outcome::of_call(call, result);
                self.sleep(Duration::from_millis(100));
                let memory = std::mem::take(&mut self.memory);
                self.memory = memory.learn(call, &outcome, self.object.metadata.generation, self.moment());
                return !matches!(outcome, Outcome::Failed(_));
            }
        }
        let after = self.touch();
        let memory = std::mem::take(&mut self.memory);
        self.memory = memory.wrote(before.as_deref(), Some(after), decision.step == Step::AddFinalizer);
        true
    }

    /// The status, when it differs, and the events.
    fn write(&mut self, decision: &Decision) {
        if self.exists && !matches!(decision.step, Step::WriteAhead { .. } | Step::RemoveFinalizer) && self.status() != decision.status {
            if self.conflicts > 0 {
                self.conflicts -= 1;
                self.touch();
                return;
            }
            let before = self.object.metadata.resource_version.clone();
            self.object.status = Some(decision.status.clone());
            self.status_writes += 1;
            let after = self.touch();
            let memory = std::mem::take(&mut self.memory);
            self.memory = memory.wrote(before.as_deref(), Some(after), false);
        }
        self.said.extend(decision.events.iter().cloned());
    }

    /// What holds of every decision.
    fn check(&self, decision: &Decision) {
        let has = |kind: &str| decision.status.conditions.iter().any(|c| c.type_ == kind && c.status == "True");
        assert!(!(has("Reconciling") && has("Stalled")), "both Reconciling and Stalled: {:#?}", decision.status.conditions);
        let held = self.object.metadata.finalizers.as_ref().is_some_and(|f| !f.is_empty());
        let written = held && decision.step != Step::RemoveFinalizer;
        if self.object.metadata.deletion_timestamp.is_some() && written {
            assert!(!has("Ready"), "Ready while deleting");
        }
        if self.object.spec.suspend || self.object.spec.management_policy == crate::crd::ManagementPolicy::Observe {
            assert!(!decision.step.mutates_paperspace(), "writes to Paperspace: {:?}", decision.step);
        }
        if let (Step::ReleaseIp { ip }, None) = (&decision.step, &self.object.metadata.deletion_timestamp) {
            let wanted = self.object.spec.public_ip.as_ref().is_some_and(|p| p.kind == crate::crd::PublicIpKind::Static);
            let used = self.cloud.machines.iter().any(|m| m.public_ip.as_ref() == Some(ip));
            assert!(!(wanted && used), "{ip} is in use and wanted, and is released: {:?}", self.steps);
        }
        if let Step::DeleteScript { script } | Step::UpdateScript { script, .. } = &decision.step {
            let name = self.cloud.estate.scripts.iter().find(|s| s.id == *script).map(|s| s.name.as_str());
            assert!(name.is_none_or(|name| name.ends_with(MARK) || name == "renamed"), "not ours: {:?}", decision.step);
        }
        let on_paper = |s: &PaperspaceMachineStatus| s.account.is_some() || s.machine_id.is_some() || s.creation.is_some();
        if on_paper(&self.status()) && written {
            assert!(on_paper(&decision.status), "memory lost: {:#?}", decision.status);
        }
    }
}

/// An error of each kind, for looks.
pub(super) fn api_down() -> Error {
    transport(true)
}

pub(super) fn unauthorized() -> Error {
    rejected(401, "invalid key")
}
