//! What a decision is made from: the object, the clocks, what this process remembers, and the answers to the questions that the
//! decision has asked so far. Values only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::crd::{self, PaperspaceMachine};
use crate::paperspace;
use crate::paperspace::types::{
    Accessor, AccountStanding, CustomTemplate, Desktop, Machine, MachineEvent, OsTemplate, PrivateNetwork, PublicIp, Snapshot,
    StartupScript, TeamUser,
};

use super::limit::Destroyed;
use super::memory::Memory;
use super::restraint::Restraint;
use super::script_text::ScriptText;

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
    /// How many machines of an account may be destroyed within an hour.
    pub max_destroys: Option<u32>,
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
    /// Why nothing is sent for the account now, or nothing but a look that finds out whether something may be.
    pub silence: Option<paperspace::Silence>,
    /// Why nothing may be written to Paperspace, for any resource.
    pub restraint: Option<&'a Restraint>,
    /// The machines in the account's last complete list that carry the object's mark (the deleted left out); for reporting only.
    pub marked: &'a [Machine],
    /// How many machines the account had in its last complete list, and how many it may have, where that is known.
    pub quota: Quota,
    /// The answers so far.
    pub facts: &'a Facts,
}

/// How much of an account is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Machines in the last complete list.
    pub machines: usize,
    /// As many as the session allows; `None` where it does not say.
    pub max: Option<usize>,
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
    /// Which machines of the account were destroyed in the last hour? By a list of the account's events that began after this moment.
    Destroyed {
        /// Monotonic.
        begun_after: Duration,
    },
    /// Is there capacity?
    Availability,
    /// A complete list of something else that the account has, begun after this moment. One list serves all resources of the account.
    Listing {
        /// Of what.
        of: Listing,
        /// Monotonic.
        begun_after: Duration,
    },
    /// Who may use this machine, looked at after this moment.
    Accessors {
        /// The machine's id.
        id: String,
        /// Monotonic.
        begun_after: Duration,
    },
    /// How is this machine's desktop reached?
    Desktop {
        /// The machine's id.
        id: String,
    },
    /// Does Paperspace do anything for the account?
    Standing,
    /// The text of `spec.startupScript`, from wherever it is.
    ScriptText,
    /// The ConfigMap of this name in the resource's namespace.
    ConfigMap {
        /// Its name.
        name: String,
    },
    /// May the object be going only because the CRD itself is being deleted, or was?
    CrdTerminating,
}

/// What an account has besides machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listing {
    /// Paperspace's own templates.
    OsTemplates,
    /// The team's templates.
    CustomTemplates,
    /// The team's private networks.
    Networks,
    /// The team's users.
    Users,
    /// The team's static addresses.
    PublicIps,
    /// The team's startup scripts.
    Scripts,
    /// The snapshots of all of the team's machines.
    Snapshots,
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

/// A complete list.
#[derive(Debug, PartialEq)]
pub struct Listed<T> {
    /// When it began (monotonic).
    pub began: Duration,
    /// Shared by all who look at it.
    pub items: Arc<Vec<T>>,
}

impl<T> Clone for Listed<T> {
    fn clone(&self) -> Self {
        Self { began: self.began, items: self.items.clone() }
    }
}

/// The text of a startup script, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceLook {
    /// It is there.
    Text {
        /// Where it came from.
        source: crd::ScriptSource,
        /// Itself.
        text: ScriptText,
    },
    /// The object or its key is not there: what is missing, and what to do.
    Missing(String),
    /// The Secret is not labelled.
    NotLabelled(String),
    /// Kubernetes could not be asked.
    Unknown(paperspace::Error),
}

/// A ConfigMap that a connection is or may be published in.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigMapLook {
    /// There is none.
    Absent,
    /// The resource owns it.
    Ours {
        /// Its data.
        data: BTreeMap<String, String>,
    },
    /// It is somebody else's.
    Anothers,
    /// Kubernetes could not be asked.
    Unknown(paperspace::Error),
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
    /// Machines of the account that were destroyed in the last hour.
    pub destroyed: Option<Answer<Destroyed>>,
    /// Capacity for the spec's type and region.
    pub available: Option<Answer<bool>>,
    /// The last lists of what else the account has.
    pub os_templates: Option<Answer<Listed<OsTemplate>>>,
    /// See [`Listing`].
    pub custom_templates: Option<Answer<Listed<CustomTemplate>>>,
    /// See [`Listing`].
    pub networks: Option<Answer<Listed<PrivateNetwork>>>,
    /// See [`Listing`].
    pub users: Option<Answer<Listed<TeamUser>>>,
    /// See [`Listing`].
    pub public_ips: Option<Answer<Listed<PublicIp>>>,
    /// See [`Listing`].
    pub scripts: Option<Answer<Listed<StartupScript>>>,
    /// See [`Listing`].
    pub snapshots: Option<Answer<Listed<Snapshot>>>,
    /// Of the machine that was asked about.
    pub accessors: Option<Answer<Listed<Accessor>>>,
    /// The same; `None` in the answer: it has none now.
    pub desktop: Option<Answer<Option<Desktop>>>,
    /// Whether Paperspace does anything for the account; `None` in the answer: it does not say.
    pub standing: Option<Answer<Option<AccountStanding>>>,
    /// The startup script's text.
    pub script_text: Option<SourceLook>,
    /// By name.
    pub config_maps: BTreeMap<String, ConfigMapLook>,
    /// Whether the CRD is going, went and came back since the object was marked for deletion, or could not be read.
    pub crd_terminating: Option<bool>,
}
