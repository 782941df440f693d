//! One pass over one object: the drafts that the parts of the decision fill in, and the ways in which it ends.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::crd::conditions::{self, Because, READY, SYNCED, Summary};
use crate::crd::reason::{Progress, Reason};
use crate::crd::{Applied, FINALIZER, ManagementPolicy, PaperspaceMachine, PaperspaceMachineSpec, PaperspaceMachineStatus};
use crate::paperspace::types::{Machine, MachineEvent};

use super::backoff;
use super::desired;
use super::memory::{Evidence, Memory};
use super::names::Mark;
use super::observe::{Answer, ListView, Observation, Question};
use super::step::{Decision, Event, Next, Requeue, Step, StepKind};

/// How old the last sight of a machine may be before its conditions stop being believed.
const NOT_OBSERVED_AFTER: Duration = Duration::from_mins(10);

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
    /// The machine that a step would act on, and when it was looked at.
    pub(super) look: Option<(String, Duration)>,
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
        self.observes() || self.spec().suspend
    }

    pub(super) fn applied(&mut self) -> &mut Applied {
        self.status.applied.get_or_insert_default()
    }

    /// Whether every write to the object since this process added the finalizer was its own: only then does an absent attempt prove
    /// that none was made.
    fn chain_unbroken(&self) -> bool {
        self.memory.chain.is_some() && self.memory.chain == self.object().metadata.resource_version
    }

    /// Whether it is certain that no attempt to create a machine was ever made. A machine that was bound left its address behind.
    pub(super) fn nothing_was_tried(&self) -> bool {
        self.status.creation.is_none()
            && self.status.machine_id.is_none()
            && self.chain_unbroken()
            && self.annotation(crate::crd::ADDRESS_OF_MACHINE).is_none()
    }

    /// Whether the object was as it should be at this generation when last written, and nobody asked for anything since.
    pub(super) fn is_idle(&self) -> bool {
        let Some(old) = self.old() else { return false };
        let is_true = |kind| old.condition(kind).is_some_and(|c| c.status == "True" && c.observed_generation == self.generation());
        let handled = |annotation, handled: &Option<String>| self.annotation(annotation).is_none_or(|a| Some(a) == handled.as_deref());
        self.object().metadata.deletion_timestamp.is_none()
            && is_true(READY)
            && is_true(SYNCED)
            && handled(crate::crd::RESTART_REQUESTED, &old.handled_restart_at)
            && handled(crate::crd::RECONCILE_REQUESTED, &old.handled_reconcile_at)
    }

    /// For how long the account may go unread before old conditions mean nothing: ten minutes, spread over one more.
    fn believed_for(&self) -> Duration {
        NOT_OBSERVED_AFTER + Duration::from_mins(1).mul_f64(backoff::fraction(self.uid()))
    }

    /// Whether the account has not been read for so long that old conditions mean nothing.
    pub(super) fn unseen_too_long(&self) -> bool {
        self.o.unobserved_for >= self.believed_for()
    }

    /// When conditions would stop being believed if nothing were read from now on: what has nothing else to wait for looks again then.
    pub(super) fn again_before_unseen(&mut self) {
        if self.again.is_none() {
            self.again(self.believed_for().saturating_sub(self.o.unobserved_for).max(Duration::from_mins(1)));
        }
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
        // What changes a machine is decided on a fresh look at it.
        if let (true, Some((id, began))) = (step.mutates_paperspace(), &self.look) {
            let fresh = self.o.began.mono.saturating_sub(self.o.settings.transition);
            if *began < fresh {
                return self.ask(Question::Machine { id: id.clone(), begun_after: fresh });
            }
        }
        let summary = Summary {
            ready: self.ready.clone(),
            synced: self.synced.clone(),
            held: self.held.clone(),
            suspended: self.spec().suspend,
            has_machine: self.status.machine_id.is_some(),
        };
        self.announce(&summary);
        let old = self.old().map(|s| s.conditions.as_slice()).unwrap_or_default();
        self.status.observed_generation = self.generation();
        self.status.conditions = conditions::conditions(&summary, self.generation(), old, self.o.now.wall);
        self.finish(step)
    }

    /// Ends with a step that says nothing new of the object: the status stays as it is, and what was seen is told in the pass that
    /// writes it down.
    pub(super) fn end_quietly(&mut self, step: Step) -> End {
        self.status = self.old().cloned().unwrap_or_default();
        self.events.clear();
        self.finish(step)
    }

    /// Ends with the finalizer taken off, and says why.
    pub(super) fn let_go(&mut self, reason: &'static str, note: impl Into<String>) -> End {
        self.status = self.old().cloned().unwrap_or_default();
        self.normal(reason, note);
        self.finish(Step::RemoveFinalizer)
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
        Next::Act(Box::new(Decision {
            step,
            status: self.status.clone(),
            events: std::mem::take(&mut self.events),
            memory: self.memory.clone(),
            requeue: self.again.map_or(Requeue::OnChange, Requeue::After),
        }))
    }

    /// A warning for each reason that a person has to know of, when it is new.
    fn announce(&mut self, summary: &Summary) {
        let old: Vec<&Condition> = self.old().map(|s| s.conditions.iter().collect()).unwrap_or_default();
        // A deletion makes a new generation, and old news urgent.
        let stale = |c: &Condition| self.object().metadata.deletion_timestamp.is_some() && c.observed_generation != self.generation();
        let known = |reason: Reason| old.iter().any(|c| c.reason == reason.as_str() && !stale(c));
        let mut told: Vec<Event> = Vec::new();
        for because in [&summary.ready, &summary.synced].into_iter().chain(&summary.held) {
            let worth = because.progress == Progress::Stuck
                || matches!(
                    because.reason,
                    Reason::OutOfCapacity | Reason::ApiUnavailable | Reason::CredentialsMissing | Reason::RateLimited
                );
            if worth && !known(because.reason) && !told.iter().any(|e| e.reason == because.reason.as_str()) {
                told.push(Event { warning: true, reason: because.reason.as_str(), note: because.message.clone() });
            }
        }
        self.events.append(&mut told);
    }

    /// A read that failed. What has nothing pending keeps its conditions until it has not been seen for ten minutes.
    pub(super) fn look_failed(&mut self, error: &crate::paperspace::Error) -> End {
        self.memory.failed_looks = self.memory.failed_looks.saturating_add(1);
        let after = backoff::after_failures(self.memory.failed_looks, self.uid()).max(error.retry_after().unwrap_or_default());
        self.again(after);
        match (error.is_unauthorized(), self.is_idle(), self.was_not_observed()) {
            (false, true, _) if self.unseen_too_long() => self.wait(not_observed(), None),
            (false, true, _) | (false, _, true) => self.end_quietly(Step::Nothing),
            _ => self.wait(trouble_with(error), None),
        }
    }

    /// Whether the object was idle until it was not observed any more.
    fn was_not_observed(&self) -> bool {
        let ready = self.old().and_then(|old| old.condition(READY));
        self.object().metadata.deletion_timestamp.is_none()
            && ready.is_some_and(|c| c.reason == Reason::NotObserved.as_str() && c.observed_generation == self.generation())
    }

    /// A complete list begun after this moment.
    pub(super) fn list(&mut self, begun_after: Duration) -> Flow<&'a ListView> {
        match &self.o.facts.list {
            Some(Ok(list)) if list.began >= begun_after => Ok(list),
            Some(Err(error)) => Err(self.look_failed(error)),
            _ => Err(self.ask(Question::List { begun_after })),
        }
    }

    /// A list that is fresh for a decision of this pass, and begun after the moment given.
    pub(super) fn fresh_list(&mut self, and_after: Duration) -> Flow<&'a ListView> {
        self.list(self.o.began.mono.saturating_sub(Duration::from_secs(5)).max(and_after))
    }

    /// Two complete lists, both begun after `since`, that lacked what `present` looks for. `Some` is what was found instead.
    pub(super) fn absent_from_two_lists(
        &mut self,
        key: &str,
        since: Duration,
        present: impl Fn(&Machine) -> bool,
    ) -> Flow<Option<&'a Machine>> {
        let evidence = match self.memory.evidence.take() {
            Some(e) if e.key == key && e.since == since => e,
            _ => Evidence { key: key.to_owned(), since, lists: Vec::new() },
        };
        // "After" is strict: a list that began in the same instant may have been answered before.
        let begun_after = evidence.lists.last().copied().unwrap_or(since) + Duration::from_nanos(1);
        self.memory.evidence = Some(evidence);
        if self.memory.evidence.as_ref().is_some_and(|e| e.lists.len() >= 2) {
            return Ok(None);
        }
        let list = self.list(begun_after)?;
        if let Some(found) = list.machines.iter().find(|m| present(m)) {
            self.memory.evidence = None;
            return Ok(Some(found));
        }
        if let Some(evidence) = &mut self.memory.evidence {
            evidence.lists.push(list.began);
            if evidence.lists.len() >= 2 {
                return Ok(None);
            }
        }
        Err(self.ask(Question::List { begun_after: list.began + Duration::from_nanos(1) }))
    }

    /// The machine, looked at after this moment and after this process last changed it. `None` is the API's own 404.
    pub(super) fn machine(&mut self, id: &str, begun_after: Duration) -> Flow<Option<&'a Machine>> {
        let begun_after = begun_after.max(self.memory.mutated.unwrap_or_default());
        let answer = self.o.facts.machines.get(id);
        self.looked(id, begun_after, answer, |id| Question::Machine { id, begun_after })
    }

    /// The machine by a direct GET begun after this moment.
    pub(super) fn direct(&mut self, id: &str, begun_after: Duration) -> Flow<Option<&'a Machine>> {
        let answer = self.o.facts.direct.get(id);
        self.looked(id, begun_after, answer, |id| Question::Direct { id, begun_after })
    }

    fn looked(
        &mut self,
        id: &str,
        begun_after: Duration,
        answer: Option<&'a Answer<super::observe::MachineLook>>,
        question: impl Fn(String) -> Question,
    ) -> Flow<Option<&'a Machine>> {
        match answer {
            Some(Ok(look)) if look.began >= begun_after => {
                self.look = Some((id.to_owned(), look.began));
                // Whether deleted machines are still shown is not known; one that is shown as deleted is as good as not found.
                Ok(look.machine.as_ref().filter(|m| m.dt_deleted.is_none()))
            }
            Some(Err(error)) => Err(self.look_failed(error)),
            _ => Err(self.ask(question(id.to_owned()))),
        }
    }

    /// The machine's newest events, newest first.
    pub(super) fn machine_events(&mut self, id: &str) -> Flow<&'a [MachineEvent]> {
        match self.o.facts.events.get(id) {
            Some(Ok(events)) => Ok(events),
            Some(Err(error)) => Err(self.look_failed(error)),
            None => Err(self.ask(Question::Events { id: id.to_owned() })),
        }
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

    /// Whether a step of this kind was sent so recently that its effect may still have to show; for how long.
    pub(super) fn sent_recently(&self, kind: StepKind) -> Option<Duration> {
        let (count, at) = self.memory.sent.get(&kind)?;
        (*at + backoff::before_repeat(*count)).checked_sub(self.o.now.mono).filter(|left| !left.is_zero())
    }
}

/// The conditions' word for an error that passes.
pub(super) fn trouble_with(error: &crate::paperspace::Error) -> Because {
    use crate::paperspace::Error;
    match error {
        Error::Rejected { status: 401, .. } => Because::new(
            Reason::CredentialsRejected,
            "Paperspace does not accept the API key: put a valid one into the Secret (or the operator's key file)",
        ),
        Error::Rejected { status: 429, .. } => {
            Because::new(Reason::RateLimited, format!("Paperspace asks to slow down; retrying. {error}"))
        }
        _ => Because::new(Reason::ApiUnavailable, format!("Paperspace's API does not answer as it should; retrying. {error}")),
    }
}

/// The machine was not seen for ten minutes.
pub(super) fn not_observed() -> Because {
    Because::new(Reason::NotObserved, "Paperspace could not be read for ten minutes; what the machine does is not known")
}
