//! What one process remembers of one object between passes, and what it learns from the outcome of a step.
//!
//! Losing it (a restart) is always safe: it costs time, never a machine. What must survive is in the status.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::crd::CreationOutcome;
use crate::crd::conditions::Because;
use crate::paperspace::{
    self,
    types::{Machine, MachineState},
};

use super::observe::{KeySource, Moment};
use super::step::{Outcome, Step, StepKind};

/// What this process remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The resourceVersion after this process's last write, as long as every write since it added the finalizer was its own.
    pub chain: Option<String>,
    /// Since when this process has seen the attempt in the status as it is.
    pub attempt: Option<SeenAttempt>,
    /// The attempt or operation that this process wrote down and whose request is still to be sent.
    pub write_ahead: Option<WriteAhead>,
    /// What came back for the attempt or operation with this id.
    pub reply: Option<(String, Reply)>,
    /// What is remembered of the startup script that the operator makes.
    pub scripts: ScriptMemory,
    /// Since when this process has seen an operation open.
    pub operation: Option<(String, Duration)>,
    /// By machine id: since when every direct GET of it has answered 404.
    pub missing: BTreeMap<String, Duration>,
    /// Lists that lacked what would have to be in them.
    pub evidence: Option<Evidence>,
    /// Machines whose DELETE Paperspace accepted.
    pub accepted: BTreeSet<String>,
    /// When this process last changed something on Paperspace for the object: only later looks count.
    pub mutated: Option<Duration>,
    /// When the look began by which the machine was last described: what is older would take that back.
    pub looked: Duration,
    /// What went wrong last, by kind of step, until it goes right.
    pub troubles: BTreeMap<StepKind, Trouble>,
    /// How often and when a step was sent without its effect having shown.
    pub sent: BTreeMap<StepKind, (u32, Duration)>,
    /// The last event of the machine's power that a start waits for, and when this process first saw it.
    pub power_event: Option<(String, Duration)>,
    /// The state that the machine passes through without the status saying so, and since when this process has seen it in that.
    pub passing: Option<Box<(MachineState, Duration)>>,
    /// For which start and address of the machine its desktop was last asked about, and when.
    pub desktop_asked: Option<(String, Duration)>,
    /// When the snapshots could last not be listed.
    pub snapshots_failed: Option<Duration>,
    /// Looks that failed in a row.
    pub failed_looks: u32,
    /// How many machines the account had when Paperspace refused another for its quota.
    pub machines_at_quota: Option<usize>,
    /// Which key this pass uses.
    pub key: KeySource,
    /// No key was usable for the deletion.
    pub unusable: bool,
    /// Since when everything known has been gone, while the resource is being deleted.
    pub gone: Option<(String, Duration)>,
    /// Since when the conditions have said that something is missing which a person has to bring.
    pub missing_since: Option<Duration>,
    /// Who may use the machine.
    pub people: People,
}

/// What is remembered of who may use one machine under one generation of the spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    /// The machine's id, and the generation.
    pub of: Option<(String, Option<i64>)>,
    /// What the last look came to, as long as that holds.
    pub look: Option<PeopleLook>,
    /// By user, until it shows: how many requests to let them in or show them out were accepted, and when the last one was sent.
    pub asked: BTreeMap<String, (u32, Duration)>,
    /// Since when this process has followed who may use the machine, whatever the generation.
    pub since: Option<Duration>,
    /// When this process last sent a request to let a user in, whatever came of it.
    pub sent: BTreeMap<String, Duration>,
}

/// What a look at who may use the machine came to.
#[derive(Clone, Debug, PartialEq)]
pub struct PeopleLook {
    /// When to look again (monotonic).
    pub until: Duration,
    /// What `Synced` says of it, if anything.
    pub because: Option<Because>,
    /// Who is wanted and not there, and who is there and not wanted, where nothing more is done about it.
    pub drift: Option<(String, String)>,
}

/// The same of the startup script that the operator makes, in a place of its own: what is known of one attempt is not forgotten over the
/// other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScriptMemory {
    /// Since when this process has seen the script's attempt in the status as it is.
    pub attempt: Option<SeenAttempt>,
    /// Lists of scripts that lacked what would have to be in them.
    pub evidence: Option<Evidence>,
    /// Scripts whose DELETE Paperspace accepted, and when.
    pub deleted: BTreeMap<String, Duration>,
    /// Since when nobody has wanted the script any more.
    pub unwanted: Option<Duration>,
}

/// First sight of an attempt in this outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenAttempt {
    /// The attempt's id.
    pub id: String,
    /// As the status says.
    pub outcome: CreationOutcome,
    /// Monotonic.
    pub since: Duration,
}

/// A write-ahead that this process made and saw acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteAhead {
    /// Of the attempt or operation.
    pub id: String,
    /// The moment before the write was sent: the fence counts from here.
    pub sent: Moment,
}

/// What came back for a request that must not be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Paperspace did it.
    Done(Box<Machine>),
    /// Paperspace made the startup script with this id.
    Script(String),
    /// Paperspace certainly did nothing.
    Nothing(paperspace::Error),
    /// It cannot be told.
    Unclear(paperspace::Error),
}

/// Complete lists, begun after `since`, that lacked what `key` names.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What is proved; everything is tied to it.
    pub key: String,
    /// Lists begun earlier do not count (monotonic).
    pub since: Duration,
    /// When those that count began, ascending.
    pub lists: Vec<Duration>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// What Paperspace or the network said.
    pub error: paperspace::Error,
    /// How often in a row.
    pub count: u32,
    /// When last (monotonic).
    pub at: Duration,
    /// Under which generation of the spec.
    pub generation: Option<i64>,
}

impl Memory {
    /// The machine that Paperspace last answered with.
    pub fn machine_of_reply(&self) -> Option<&str> {
        match &self.reply {
            Some((_, Reply::Done(machine))) => Some(&machine.id),
            _ => None,
        }
    }

    /// What is known after `step` had this outcome. `generation` is that of the object that justified it.
    #[must_use]
    pub fn learn(mut self, step: &Step, outcome: &Outcome, generation: Option<i64>, now: Moment) -> Self {
        let kind = step.kind();
        if let (Outcome::Failed(error), None) = (outcome, step.exactly_once())
            && error.silence().is_some()
        {
            // Nothing was tried. Why, and for how long, the next decision is told.
            return self;
        }
        if step.mutates_paperspace() {
            self.mutated = Some(now.mono);
        }
        if let Some(id) = step.exactly_once() {
            self.write_ahead = None;
            self.reply = Some((id.to_owned(), reply(outcome)));
        }
        if let Step::AddAccessor { user, .. } | Step::RemoveAccessor { user, .. } = step {
            let (accepted, at) = self.people.asked.entry(user.clone()).or_default();
            (*accepted, *at) = (accepted.saturating_add(u32::from(!matches!(outcome, Outcome::Failed(_)))), now.mono);
            self.people.look = None;
            if kind == StepKind::AddAccessor {
                self.people.sent.insert(user.clone(), now.mono);
            }
        }
        match outcome {
            Outcome::Done | Outcome::Machine(_) | Outcome::Script(_) => {
                self.troubles.remove(&kind);
                if let Step::Delete { id } = step {
                    self.accepted.insert(id.clone());
                }
                if let Step::DeleteScript { script } = step {
                    self.scripts.deleted.insert(script.clone(), now.mono);
                }
                let sent = self.sent.entry(kind).or_insert((0, now.mono));
                *sent = (sent.0.saturating_add(1), now.mono);
            }
            Outcome::Failed(error) => {
                if error.silence().is_some() {
                    return self;
                }
                let count = self.troubles.get(&kind).filter(|t| t.generation == generation).map_or(0, |t| t.count);
                self.troubles.insert(kind, Trouble { error: error.clone(), count: count.saturating_add(1), at: now.mono, generation });
            }
        }
        self
    }

    /// What is known after the shell wrote to the object: `before` is the version that the write was conditional on.
    #[must_use]
    pub fn wrote(mut self, before: Option<&str>, after: Option<String>, added_finalizer: bool) -> Self {
        let unbroken = added_finalizer || (self.chain.is_some() && self.chain.as_deref() == before);
        self.chain = after.filter(|_| unbroken);
        self
    }
}

fn reply(outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Machine(machine) => Reply::Done(machine.clone()),
        Outcome::Script(script) => Reply::Script(script.id.clone()),
        Outcome::Failed(error) if error.proves_nothing_done() => Reply::Nothing(error.clone()),
        Outcome::Failed(error) => Reply::Unclear(error.clone()),
        // A success without a readable machine is no success (the client reports it as an unreadable reply).
        Outcome::Done => {
            Reply::Unclear(paperspace::Error::BadPayload { route: "", path: ".".to_owned(), message: "no machine in the reply".to_owned() })
        }
    }
}
