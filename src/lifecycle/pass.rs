//! One pass over one object: the drafts that the parts of the decision fill in, and the ways in which it ends.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::crd::conditions::{self, Because, Summary};
use crate::crd::reason::{Progress, Reason};
use crate::crd::{Applied, FINALIZER, ManagementPolicy, PaperspaceMachine, PaperspaceMachineSpec, PaperspaceMachineStatus};

use super::backoff;
use super::desired;
use super::looks::trouble_with;
use super::memory::Memory;
use super::names::Mark;
use super::observe::{Observation, Question};
use super::shown;
use super::step::{Decision, Event, Next, Requeue, Step, StepKind};

/// A part of the decision: a value to go on with, or the end of the pass.
pub(super) type Flow<T> = Result<T, Next>;

/// The end of a pass, as what a function returns that always ends it.
pub(super) type End = Next;

/// The drafts of one pass.
pub(super) struct Pass<'a> {
    pub(super) o: &'a Observation<'a>,
    pub(super) mark: Mark,
    pub(super) memory: Memory,
    /// The status as it will be written.
    pub(super) status: PaperspaceMachineStatus,
    pub(super) events: Vec<Event>,
    /// What `Ready` will say, unless a later part knows better.
    pub(super) ready: Because,
    /// What `Synced` will say.
    pub(super) synced: Because,
    pub(super) held: Option<Because>,
    /// The soonest that any part wants to look again.
    pub(super) again: Option<Duration>,
    /// What happens next shows in the machine itself: nothing need be decided for so long while that stays as it is.
    pub(super) same_for: Option<Duration>,
    /// Nothing may be written to Paperspace, by anyone: what the conditions say of what is not done.
    pub(super) tied: Option<Because>,
    /// The machine that a step would act on, when it was looked at, and whether by a GET of its own.
    pub(super) look: Option<(String, Duration, bool)>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(o: &'a Observation<'a>) -> Self {
        let status = o.object.status.clone().unwrap_or_default();
        let starting = Because::new(Reason::Creating, "");
        Self {
            o,
            mark: desired::mark(o.object),
            memory: o.memory.clone(),
            status,
            events: Vec::new(),
            ready: starting.clone(),
            synced: starting,
            held: None,
            again: None,
            same_for: None,
            tied: None,
            look: None,
        }
    }

    pub(super) fn object(&self) -> &'a PaperspaceMachine {
        self.o.object
    }

    pub(super) fn spec(&self) -> &'a PaperspaceMachineSpec {
        &self.o.object.spec
    }

    pub(super) fn uid(&self) -> &'a str {
        self.o.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> Option<i64> {
        self.o.object.metadata.generation
    }

    pub(super) fn old(&self) -> Option<&'a PaperspaceMachineStatus> {
        self.o.object.status.as_ref()
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&'a str> {
        self.o.object.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// The mark of the resource that this object is a copy of, as the address in its annotation says. One that adopts says itself whose
    /// machine it takes over.
    pub(super) fn copied_from(&self) -> Option<&'a str> {
        let (_, _, mark) = super::names::parse_address(self.annotation(crate::crd::ADDRESS_OF_MACHINE)?)?;
        Some(mark).filter(|mark| *mark != self.mark.as_str() && self.spec().adopt.is_none())
    }

    pub(super) fn has_finalizer(&self) -> bool {
        self.o.object.metadata.finalizers.iter().flatten().any(|f| f == FINALIZER)
    }

    pub(super) fn observes(&self) -> bool {
        self.spec().management_policy == ManagementPolicy::Observe
    }

    /// Nothing may be written to Paperspace.
    pub(super) fn read_only(&self) -> bool {
        self.observes() || self.is_suspended()
    }

    pub(super) fn applied(&mut self) -> &mut Applied {
        self.status.applied.get_or_insert_default()
    }

    /// Whether every write to the object since this process added the finalizer was its own: only then does an absent attempt prove
    /// that none was made.
    pub(super) fn chain_unbroken(&self) -> bool {
        self.memory.chain.is_some() && self.memory.chain == self.object().metadata.resource_version
    }

    /// Whether it is certain that no attempt to create a machine was ever made. A machine that was bound left its address behind.
    pub(super) fn nothing_was_tried(&self) -> bool {
        let bound = self.status.machine_id.as_deref();
        let address = self.annotation(crate::crd::ADDRESS_OF_MACHINE);
        if self.status.creation.is_some() {
            return false;
        }
        let Some(adopt) = &self.spec().adopt else { return bound.is_none() && address.is_none() && self.chain_unbroken() };
        // One that adopts creates nothing and has its machine in the status only once it is known what was made before `adopt` was added.
        let had_another = address
            .and_then(super::names::parse_address)
            .is_some_and(|(_, machine, mark)| mark == self.mark.as_str() && machine != adopt.machine_id);
        let meta = &self.object().metadata;
        let edits = self.generation().map(|g| g.saturating_sub(i64::from(meta.deletion_timestamp.is_some())));
        self.status.adopted_at.is_some()
            || bound == Some(&adopt.machine_id)
            || !had_another && (!self.has_finalizer() || self.chain_unbroken() || edits.is_some_and(|g| g <= 1))
    }

    pub(super) fn normal(&mut self, reason: &'static str, note: impl Into<String>) {
        self.events.push(Event { warning: false, reason, note: note.into() });
    }

    pub(super) fn warning(&mut self, reason: &'static str, note: impl Into<String>) {
        self.events.push(Event { warning: true, reason, note: note.into() });
    }

    /// Looks again after this long, unless another part wants to sooner.
    pub(super) fn again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |soonest| soonest.min(after)));
    }

    /// Looks at the machine again and again, and decides anew when it is different, or after this long.
    pub(super) fn again_when_different(&mut self, within: Duration) {
        self.same_for = Some(self.same_for.map_or(within, |soonest| soonest.min(within)));
    }

    pub(super) fn ask(&self, question: Question) -> End {
        Next::Ask(question, Box::new(self.memory.clone()))
    }

    /// Ends with nothing to do but wait: for `because`, which is both conditions' reason where it belongs to both.
    pub(super) fn wait(&mut self, because: Because, after: Option<Duration>) -> End {
        if because.reason.synced().is_some() {
            self.synced = because.clone();
        }
        if because.reason.ready().is_some() || self.status.machine_id.is_none() {
            self.ready = because;
        }
        if let Some(after) = after {
            self.again(after);
        }
        self.end(Step::Nothing)
    }

    /// Ends with a step and the conditions as drafted.
    pub(super) fn end(&mut self, step: Step) -> End {
        self.say_tied();
        self.lose_patience();
        let summary = Summary {
            ready: self.ready.clone(),
            synced: self.synced.clone(),
            held: self.held.clone(),
            suspended: self.spec().suspend,
            has_machine: self.status.machine_id.is_some(),
        };
        self.announce(&summary);
        if let Some((id, begun_after)) = self.not_sure_of(&step) {
            return self.ask(Question::Direct { id, begun_after });
        }
        // A request that was written down goes on: where it is not sent, that proves that it was not.
        let begins = matches!(step, Step::WriteAhead { .. }) || step.mutates_paperspace() && step.exactly_once().is_none();
        if let Some(silence) = self.o.silence.as_ref().filter(|_| begins) {
            return self.silenced(silence);
        }
        let old = self.old().map(|s| s.conditions.as_slice()).unwrap_or_default();
        self.status.observed_generation = self.generation();
        self.status.conditions = conditions::conditions(&summary, self.generation(), old, self.o.now.wall);
        shown::clean(&mut self.status);
        self.finish(step)
    }

    /// The machine that has to be looked at first. A list may be old, and may lag: what changes a machine, warns of it or remembers something
    /// of it is decided on a fresh look at the machine itself.
    fn not_sure_of(&self, step: &Step) -> Option<(String, Duration)> {
        let (id, began, direct) = self.look.as_ref()?;
        let applied = |status: &PaperspaceMachineStatus| status.applied.clone().unwrap_or_default();
        let remembers = self.old().is_none_or(|old| applied(old) != applied(&self.status) || old.operation != self.status.operation);
        let matters =
            step.mutates_paperspace() || matches!(step, Step::WriteConfigMap { .. }) || remembers || self.events.iter().any(|e| e.warning);
        let fresh = self.o.began.mono.saturating_sub(self.o.settings.transition);
        (matters && !(*direct && *began >= fresh)).then(|| (id.clone(), fresh))
    }

    /// Ends with a step that says nothing new of the object: the status stays as it is, and what was seen is told in the pass that
    /// writes it down.
    pub(super) fn end_quietly(&mut self, step: Step) -> End {
        self.status = self.old().cloned().unwrap_or_default();
        self.events.clear();
        self.finish(step)
    }

    /// The same, with an event.
    pub(super) fn end_saying(&mut self, reason: &'static str, note: impl Into<String>, step: Step) -> End {
        self.status = self.old().cloned().unwrap_or_default();
        self.normal(reason, note);
        self.finish(step)
    }

    /// Ends with the finalizer taken off, and says why.
    pub(super) fn let_go(&mut self, reason: &'static str, note: impl Into<String>) -> End {
        self.end_saying(reason, note, Step::RemoveFinalizer)
    }

    fn finish(&mut self, step: Step) -> End {
        // Only a look that fails adds to these, and it ends its pass.
        if self.memory.failed_looks == self.o.memory.failed_looks {
            self.memory.failed_looks = 0;
        }
        // One request for each write-ahead, whatever becomes of this pass.
        if step.exactly_once().is_some() {
            self.memory.write_ahead = None;
        }
        if self.status.applied.as_ref().is_some_and(|a| *a == Applied::default()) {
            self.status.applied = None;
        }
        let (requeue, same_for) = self.next_look();
        Next::Act(Box::new(Decision {
            step,
            status: self.status.clone(),
            events: std::mem::take(&mut self.events),
            memory: self.memory.clone(),
            requeue,
            same_for,
        }))
    }

    /// When to look again, and for how long a look at the machine may be enough.
    fn next_look(&self) -> (Requeue, Option<Duration>) {
        let every = self.o.settings.transition;
        match (self.again, self.same_for) {
            (None, None) => (Requeue::OnChange, None),
            (Some(after), None) => (Requeue::After(after), None),
            (Some(after), Some(_)) if after <= every => (Requeue::After(after), None),
            (after, Some(within)) => (Requeue::After(every), Some(after.map_or(within, |after| after.min(within)))),
        }
    }

    /// A warning for each reason that a person has to know of, when it is new.
    fn announce(&mut self, summary: &Summary) {
        let old: Vec<&Condition> = self.old().map(|s| s.conditions.iter().collect()).unwrap_or_default();
        // A deletion makes a new generation, and old news urgent.
        let stale = |c: &Condition| self.object().metadata.deletion_timestamp.is_some() && c.observed_generation != self.generation();
        let known = |reason: Reason| old.iter().any(|c| c.reason == reason.as_str() && !stale(c));
        let mut told: Vec<Event> = Vec::new();
        for because in [&summary.ready, &summary.synced].into_iter().chain(&summary.held) {
            let worth = because.progress == Progress::Stuck && self.tied.as_ref() != Some(because)
                || matches!(
                    because.reason,
                    Reason::OutOfCapacity
                        | Reason::ApiUnavailable
                        | Reason::CredentialsMissing
                        | Reason::KubernetesUnavailable
                        | Reason::RateLimited
                        | Reason::ScriptSourceMissing
                        | Reason::DestroysLimited
                );
            if worth && !known(because.reason) && !told.iter().any(|e| e.reason == because.reason.as_str()) {
                told.push(Event { warning: true, reason: because.reason.as_str(), note: because.message.clone() });
            }
        }
        self.events.append(&mut told);
    }

    /// Whether a step of this kind may be tried: if it failed, not before its back-off is over. Otherwise why not, and for how long.
    pub(super) fn blocked(&self, kind: StepKind) -> Option<(Because, Duration)> {
        let trouble = self.memory.troubles.get(&kind)?;
        let refused = trouble.error.is_refusal();
        if refused && trouble.generation != self.generation() {
            return None;
        }
        let wait = if refused {
            backoff::after_refusals(trouble.count, self.uid())
        } else {
            backoff::after_failures(trouble.count, self.uid()).max(trouble.error.retry_after().unwrap_or_default())
        };
        let left = (trouble.at + wait).checked_sub(self.o.now.mono).filter(|left| !left.is_zero())?;
        let because = match (refused, kind) {
            (true, StepKind::Create) => Because::new(Reason::CreateRejected, trouble.error.to_string()),
            (true, _) => Because::new(Reason::UpdateRejected, trouble.error.to_string()),
            (false, _) => trouble_with(&trouble.error),
        };
        Some((because, left))
    }

    /// Whether nothing that this process, or one before it, sent to Paperspace can still come to something.
    pub(super) fn nothing_is_on_its_way(&self) -> bool {
        self.memory.mutated.unwrap_or_default() + self.o.settings.settle <= self.o.now.mono
    }

    /// Whether a step of this kind was sent so recently that its effect may still have to show; for how long.
    pub(super) fn sent_recently(&self, kind: StepKind) -> Option<Duration> {
        let (count, at) = self.memory.sent.get(&kind)?;
        (*at + backoff::before_repeat(*count)).checked_sub(self.o.now.mono).filter(|left| !left.is_zero())
    }
}
