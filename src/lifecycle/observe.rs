//! What a decision is made from: the object, the clocks, what this process remembers, and the answers to the questions that the
//! decision has asked so far. Values only.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::crd::PaperspaceMachine;
use crate::paperspace;
use crate::paperspace::types::{Machine, MachineEvent};

use super::memory::Memory;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The wall clock: compared with times of Kubernetes and Paperspace, and shown.
    pub wall: Timestamp,
    /// The monotonic clock, since the process started. It stands still while a virtual machine is suspended.
    pub mono: Duration,
}

impl Moment {
    /// How long ago `earlier` was, by the clock that says longer: for what must not be too old.
    pub fn at_most_since(&self, earlier: &Self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(earlier.wall)).unwrap_or_default();
        wall.max(self.mono.saturating_sub(earlier.mono))
    }
}

/// The operator's settings that decisions depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The API's address.
    pub endpoint: String,
    /// Part of the names of machines, for people.
    pub cluster_id: Option<String>,
    /// How long an unknown outcome is waited for.
    pub settle: Duration,
    /// How often something that is happening is looked at.
    pub transition: Duration,
    /// Whether the operator's own key may adopt.
    pub adopt_with_default_key: bool,
}

impl Settings {
    /// How long after the write-ahead was sent a create may start: 10 s, less with a shorter settle.
    pub fn fence(&self) -> Duration {
        (self.settle / 12).min(Duration::from_secs(10))
    }

    /// For how long a machine that was just made may not be found: as long.
    pub fn lag(&self) -> Duration {
        self.fence()
    }

    /// Time-out of a create: 30 s, less with a shorter settle. With the fence it stays well below the settle.
    pub fn create_timeout(&self) -> Duration {
        (self.settle / 6).min(Duration::from_secs(30))
    }
}

/// Everything that one decision is made from.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The object, read for this pass.
    pub object: &'a PaperspaceMachine,
    /// When this pass began: an answer that began 5 s before it is fresh, however long the answering took.
    pub began: Moment,
    /// Now.
    pub now: Moment,
    /// A random id, for an attempt or operation that this decision may begin.
    pub nonce: &'a str,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// What this process remembers of the object.
    pub memory: &'a Memory,
    /// How long ago the object's account was last read as a whole, or this process started.
    pub unobserved_for: Duration,
    /// The machines in the account's last complete list that carry the object's mark (the deleted left out); for reporting only.
    pub marked: &'a [Machine],
    /// The answers so far.
    pub facts: &'a Facts,
}

/// A question of the core to the shell. Each is a read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Which account does this key open? With `reread` the session is read anew.
    Access {
        /// The key.
        key: KeySource,
        /// Not from memory.
        reread: bool,
    },
    /// A complete list of the account's machines, begun after this moment.
    List {
        /// Monotonic.
        begun_after: Duration,
    },
    /// This machine, by a list row or a direct GET that began after this moment; its absence only by a direct GET.
    Machine {
        /// Its id.
        id: String,
        /// Monotonic.
        begun_after: Duration,
    },
    /// This machine by a direct GET begun after this moment.
    Direct {
        /// Its id.
        id: String,
        /// Monotonic.
        begun_after: Duration,
    },
    /// The newest events of this machine, newest first.
    Events {
        /// The machine's id.
        id: String,
    },
    /// Is there capacity?
    Availability,
    /// May the object be going only because the CRD itself is being deleted, or was?
    CrdTerminating,
}

/// Which key is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySource {
    /// The one that the resource says: its Secret, or the operator's own where that may be used.
    #[default]
    Own,
    /// The one that was last used for this resource, from memory.
    Remembered,
    /// The operator's own, for a deletion whose Secret is gone.
    Operator,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// It opens a team.
    Open {
        /// The team's id.
        team: String,
        /// Whether its user sees all of the team's machines.
        admin: bool,
    },
    /// There is none: what is missing, and what to do.
    Missing(String),
    /// The Secret is not labelled.
    NotLabelled(String),
    /// The operator's key may not be used here.
    NotAllowed(String),
    /// Paperspace does not accept it.
    Rejected,
    /// Paperspace could not be asked.
    Unknown(paperspace::Error),
}

/// One complete list of an account's machines, as far as it matters to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ListView {
    /// When it began (monotonic).
    pub began: Duration,
    /// The machines that carry the object's mark or are known by id; rows with a deletion time are left out.
    pub machines: Vec<Machine>,
}

/// A look at one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineLook {
    /// When it began (monotonic).
    pub began: Duration,
    /// By a GET of its own. A row of a list may lag, and shows what was.
    pub direct: bool,
    /// What was seen; `None` is the API's own 404 to a direct GET.
    pub machine: Option<Machine>,
}

/// An answer, or why there is none.
pub type Answer<T> = Result<T, paperspace::Error>;

/// The answers so far. A later answer to the same question replaces the earlier one.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By key, and whether the session was read in this pass.
    pub access: BTreeMap<KeySource, (Access, bool)>,
    /// The last list.
    pub list: Option<Answer<ListView>>,
    /// By machine id.
    pub machines: BTreeMap<String, Answer<MachineLook>>,
    /// By machine id; direct GETs only.
    pub direct: BTreeMap<String, Answer<MachineLook>>,
    /// By machine id.
    pub events: BTreeMap<String, Answer<Vec<MachineEvent>>>,
    /// Capacity for the spec's type and region.
    pub available: Option<Answer<bool>>,
    /// Whether the CRD is going, went and came back since the object was marked for deletion, or could not be read.
    pub crd_terminating: Option<bool>,
}
