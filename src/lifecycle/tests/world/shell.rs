//! The shell of the tests: answers questions, takes steps, writes, and checks what holds of every decision.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crd::{FINALIZER, PaperspaceMachineStatus, ScriptSource};
use crate::lifecycle::decide::decide;
use crate::lifecycle::limit::Destroyed;
use crate::lifecycle::memory::WriteAhead;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{Access, Facts, ListView, Listed, Listing, MachineLook, Observation, Question, SourceLook};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::{Decision, Next, Outcome, Step};
use crate::paperspace::types::Machine;

use super::{MARK, UID, World};

impl World {
    /// Decides, without doing anything.
    pub(in super::super) fn decide(&mut self) -> Decision {
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
                restraint: self.restraint.as_ref(),
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
            Question::Destroyed { .. } => {
                facts.destroyed = Some(down.map_or_else(|| Ok(Destroyed { began, at: self.looks.destroyed.clone() }), Err));
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
    pub(super) fn execute(&mut self, decision: &Decision) -> bool {
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
    pub(super) fn write(&mut self, decision: &Decision) {
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
    pub(super) fn check(&self, decision: &Decision) {
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
