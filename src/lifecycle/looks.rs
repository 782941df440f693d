//! Reading the answers to a pass's questions, asking where there is none that is fresh enough, and what it means when looks fail.

use std::time::Duration;

use crate::crd::conditions::{Because, READY, SYNCED};
use crate::crd::reason::{Reason, Truth};
use crate::paperspace::types::{Machine, MachineEvent, StartupScript};
use crate::paperspace::{Error, Silence};

use super::backoff;
use super::memory::{Evidence, Memory};
use super::observe::{Answer, Facts, ListView, Listed, Listing, MachineLook, Question};
use super::pass::{End, Flow, Pass};
use super::silence::because;
use super::step::Step;

/// How old the last sight of a machine may be before its conditions stop being believed.
const NOT_OBSERVED_AFTER: Duration = Duration::from_mins(10);

impl<'a> Pass<'a> {
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

    /// When conditions would stop being believed if nothing were read from now on: what has nothing else to wait for looks again then. What
    /// is as it should be need not count the minutes while its account is read: when that ends, the account tells everyone.
    pub(super) fn again_before_unseen(&mut self) {
        let is_well = self.ready.reason.ready() == Some(Truth::True) && self.synced.reason.synced() == Some(Truth::True);
        let is_told = is_well && self.o.unobserved_for < NOT_OBSERVED_AFTER / 2;
        if self.again.is_none() && self.same_for.is_none() && !is_told {
            self.again(self.believed_for().saturating_sub(self.o.unobserved_for).max(Duration::from_mins(1)));
        }
    }

    /// A read that failed. What has nothing pending keeps its conditions until it has not been seen for ten minutes.
    pub(super) fn look_failed(&mut self, error: &Error) -> End {
        if let Some(silence) = error.silence() {
            return self.not_looked(silence);
        }
        self.memory.failed_looks = self.memory.failed_looks.saturating_add(1);
        let after = backoff::after_failures(self.memory.failed_looks, self.uid()).max(error.retry_after().unwrap_or_default());
        self.again(after);
        match (error.is_unauthorized(), self.is_idle(), self.was_not_observed()) {
            (false, true, _) if self.unseen_too_long() => self.wait(not_observed(), None),
            (false, true, _) | (false, _, true) => self.end_quietly(Step::Nothing),
            _ => self.wait(trouble_with(error), None),
        }
    }

    /// The same of a read that was not sent.
    fn not_looked(&mut self, silence: &Silence) -> End {
        let after = backoff::jittered(silence.retry_after.max(Duration::from_secs(1)), self.uid());
        match (self.is_idle(), self.was_not_observed()) {
            (true, _) if self.unseen_too_long() => self.wait(not_observed(), Some(after)),
            (true, _) | (_, true) => {
                self.again(after);
                self.end_quietly(Step::Nothing)
            }
            _ => self.silenced(silence),
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

    /// Two complete lists of machines, both begun after `since`, that lacked what `present` looks for. `Some` is what was found instead.
    pub(super) fn absent_from_two_lists(
        &mut self,
        key: &str,
        since: Duration,
        present: impl Fn(&Machine) -> bool,
    ) -> Flow<Option<&'a Machine>> {
        let list = |p: &mut Self, after| p.list(after).map(|l| (l.began, l.machines.as_slice()));
        self.two_lists(|memory| &mut memory.evidence, key, since, list, present)
    }

    /// The same of startup scripts.
    pub(super) fn absent_from_two_script_lists(
        &mut self,
        key: &str,
        since: Duration,
        present: impl Fn(&StartupScript) -> bool,
    ) -> Flow<Option<&'a StartupScript>> {
        let list = |p: &mut Self, after| p.listing(Listing::Scripts, after, |facts| &facts.scripts).map(|l| (l.began, l.items.as_slice()));
        self.two_lists(|memory| &mut memory.scripts.evidence, key, since, list, present)
    }

    fn two_lists<T: 'a>(
        &mut self,
        kept: fn(&mut Memory) -> &mut Option<Evidence>,
        key: &str,
        since: Duration,
        list: impl Fn(&mut Self, Duration) -> Flow<(Duration, &'a [T])>,
        present: impl Fn(&T) -> bool,
    ) -> Flow<Option<&'a T>> {
        let mut evidence = match kept(&mut self.memory).take() {
            Some(e) if e.key == key && e.since == since => e,
            _ => Evidence { key: key.to_owned(), since, lists: Vec::new() },
        };
        loop {
            // "After" is strict: a list that began in the same instant may have been answered before.
            let begun_after = evidence.lists.last().copied().unwrap_or(since) + Duration::from_nanos(1);
            *kept(&mut self.memory) = Some(evidence.clone());
            if evidence.lists.len() >= 2 {
                return Ok(None);
            }
            let (began, rows) = list(self, begun_after)?;
            if let Some(found) = rows.iter().find(|row| present(row)) {
                *kept(&mut self.memory) = None;
                return Ok(Some(found));
            }
            evidence.lists.push(began);
        }
    }

    /// The machine, looked at after this moment and after this process last changed it. `None` is the API's own 404; a machine that is shown
    /// as deleted is as good as not found.
    pub(super) fn machine(&mut self, id: &str, begun_after: Duration) -> Flow<Option<&'a Machine>> {
        let begun_after = begun_after.max(self.memory.mutated.unwrap_or_default());
        // A GET of this pass tells more than the list, where it is young enough.
        let direct = self.o.facts.direct.get(id).filter(|answer| answer.as_ref().map_or(true, |look| look.began >= begun_after));
        let answer = direct.or_else(|| self.o.facts.machines.get(id));
        let look = self.looked(id, begun_after, answer, |id| Question::Machine { id, begun_after })?;
        Ok(look.filter(|m| m.dt_deleted.is_none()))
    }

    /// The machine by a direct GET begun after this moment.
    pub(super) fn direct(&mut self, id: &str, begun_after: Duration) -> Flow<Option<&'a Machine>> {
        Ok(self.direct_or_deleted(id, begun_after)?.filter(|m| m.dt_deleted.is_none()))
    }

    /// The same, and also while Paperspace shows the machine as deleted: for how long it does is not known.
    pub(super) fn direct_or_deleted(&mut self, id: &str, begun_after: Duration) -> Flow<Option<&'a Machine>> {
        let answer = self.o.facts.direct.get(id);
        self.looked(id, begun_after, answer, |id| Question::Direct { id, begun_after })
    }

    fn looked(
        &mut self,
        id: &str,
        begun_after: Duration,
        answer: Option<&'a Answer<MachineLook>>,
        question: impl Fn(String) -> Question,
    ) -> Flow<Option<&'a Machine>> {
        match answer {
            Some(Ok(look)) if look.began >= begun_after => {
                self.look = Some((id.to_owned(), look.began, look.direct));
                Ok(look.machine.as_ref())
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
}

impl<'a> Pass<'a> {
    /// A complete list of something that the account has, begun after this moment. `facts` says where its answer is.
    pub(super) fn listing<T>(
        &mut self,
        of: Listing,
        begun_after: Duration,
        facts: impl Fn(&'a Facts) -> &'a Option<Answer<Listed<T>>>,
    ) -> Flow<&'a Listed<T>> {
        match self.listing_if_any(of, begun_after, facts)? {
            Ok(list) => Ok(list),
            Err(error) => Err(self.look_failed(error)),
        }
    }

    /// The same where the pass goes on without one.
    pub(super) fn listing_if_any<T>(
        &mut self,
        of: Listing,
        begun_after: Duration,
        facts: impl Fn(&'a Facts) -> &'a Option<Answer<Listed<T>>>,
    ) -> Flow<Result<&'a Listed<T>, &'a Error>> {
        match facts(self.o.facts) {
            Some(Ok(list)) if list.began >= begun_after => Ok(Ok(list)),
            Some(Err(error)) => Ok(Err(error)),
            _ => Err(self.ask(Question::Listing { of, begun_after })),
        }
    }

    /// What was true a while ago is believed for this long, where being wrong costs nothing but another look.
    pub(super) fn a_while_ago(&self) -> Duration {
        self.o.began.mono.saturating_sub(A_WHILE)
    }

    /// Fresh for a decision of this pass.
    pub(super) fn just_now(&self) -> Duration {
        self.o.began.mono.saturating_sub(Duration::from_secs(5)).max(self.memory.mutated.unwrap_or_default())
    }
}

/// How often what no list of machines shows is looked at.
pub(super) const A_WHILE: Duration = Duration::from_mins(10);

/// The conditions' word for an error that passes.
pub(super) fn trouble_with(error: &Error) -> Because {
    match error {
        Error::Rejected { status: 401, .. } => Because::new(
            Reason::CredentialsRejected,
            "Paperspace does not accept the API key: put a valid one into the Secret (or the operator's key file)",
        ),
        Error::Rejected { status: 429, .. } => {
            Because::new(Reason::RateLimited, format!("Paperspace asks to slow down; retrying. {error}"))
        }
        Error::NotSent { silence, .. } => because(silence),
        Error::Kubernetes { .. } => {
            Because::new(Reason::KubernetesUnavailable, format!("what this resource needs cannot be read; retrying. {error}"))
        }
        _ => Because::new(Reason::ApiUnavailable, format!("Paperspace's API does not answer as it should; retrying. {error}")),
    }
}

/// The machine was not seen for ten minutes.
pub(super) fn not_observed() -> Because {
    Because::new(Reason::NotObserved, "the machine could not be looked at for ten minutes; what it does is not known")
}
