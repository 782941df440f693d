//! What a decision asks the shell to do: at most one effect. A step carries every choice.

use std::time::Duration;

use crate::crd::PaperspaceMachineStatus;
use crate::paperspace;
use crate::paperspace::types::{CreateMachine, Machine, UpdateMachine};

use super::memory::Memory;
use super::observe::Question;

/// What comes of looking at an observation.
#[derive(Clone, Debug)]
pub enum Next {
    /// Something has to be known first.
    Ask(Question, Box<Memory>),
    /// This is to be done.
    Act(Box<Decision>),
}

/// What is to be done.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision {
    /// The one effect.
    pub step: Step,
    /// The whole status, written after the step succeeded and only when it differs.
    pub status: PaperspaceMachineStatus,
    /// Kubernetes events, published after that.
    pub events: Vec<Event>,
    /// What to remember.
    pub memory: Memory,
    /// When to look again.
    pub requeue: Requeue,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// When something changes.
    OnChange,
    /// After this long, or when something changes.
    After(Duration),
}

/// A Kubernetes event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Something that a person may have to look at.
    pub warning: bool,
    /// One of a fixed set of words.
    pub reason: &'static str,
    /// What happened, with values.
    pub note: String,
}

/// One effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// None; the status may still have to be written.
    Nothing,
    /// Put the finalizer on the object.
    AddFinalizer,
    /// Take it off, if the object is still the one that was looked at.
    RemoveFinalizer,
    /// Write the annotation that tells a restored object from a new one.
    Annotate {
        /// Its value.
        address: String,
    },
    /// Write the status, and remember when: the request with this id may follow, once, in a later pass.
    WriteAhead {
        /// Of the attempt or operation.
        id: String,
        /// Whether a create follows, for which a place in the account's budget is taken before the write.
        create: bool,
    },
    /// Create the machine.
    Create {
        /// The attempt's id.
        attempt: String,
        /// The request.
        body: Box<CreateMachine>,
        /// Its time-out.
        timeout: Duration,
    },
    /// Change the machine.
    Update {
        /// Its id.
        id: String,
        /// The request.
        body: Box<UpdateMachine>,
        /// Whether it changes type or disk.
        resize: bool,
    },
    /// Start the machine.
    Start {
        /// Its id.
        id: String,
    },
    /// Stop the machine.
    Stop {
        /// Its id.
        id: String,
    },
    /// Restart the machine (start it, where it is off), for an operation that was written down.
    Restart {
        /// Its id.
        id: String,
        /// The operation's id.
        operation: String,
        /// It is off.
        off: bool,
    },
    /// Assign a startup script.
    AssignScript {
        /// The script's id.
        script: String,
        /// The machine's id.
        machine: String,
    },
    /// Take a startup script away from the machine.
    UnassignScript {
        /// The script's id.
        script: String,
        /// The machine's id.
        machine: String,
    },
    /// Give a static address back.
    ReleaseIp {
        /// The address.
        ip: String,
    },
    /// Destroy the machine.
    Delete {
        /// Its id.
        id: String,
    },
}

/// A step without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// [`Step::Nothing`].
    Nothing,
    /// [`Step::AddFinalizer`].
    AddFinalizer,
    /// [`Step::RemoveFinalizer`].
    RemoveFinalizer,
    /// [`Step::Annotate`].
    Annotate,
    /// [`Step::WriteAhead`].
    WriteAhead,
    /// [`Step::Create`].
    Create,
    /// [`Step::Update`] in place.
    Update,
    /// [`Step::Update`] of type or disk.
    Resize,
    /// [`Step::Start`].
    Start,
    /// [`Step::Stop`].
    Stop,
    /// [`Step::Restart`].
    Restart,
    /// [`Step::AssignScript`].
    AssignScript,
    /// [`Step::UnassignScript`].
    UnassignScript,
    /// [`Step::ReleaseIp`].
    ReleaseIp,
    /// [`Step::Delete`].
    Delete,
}

impl StepKind {
    /// A bounded word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::AddFinalizer => "add-finalizer",
            Self::RemoveFinalizer => "remove-finalizer",
            Self::Annotate => "annotate",
            Self::WriteAhead => "write-ahead",
            Self::Create => "create",
            Self::Update => "update",
            Self::Resize => "resize",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::AssignScript => "assign-script",
            Self::UnassignScript => "unassign-script",
            Self::ReleaseIp => "release-ip",
            Self::Delete => "delete",
        }
    }
}

impl Step {
    /// What kind it is.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Nothing => StepKind::Nothing,
            Self::AddFinalizer => StepKind::AddFinalizer,
            Self::RemoveFinalizer => StepKind::RemoveFinalizer,
            Self::Annotate { .. } => StepKind::Annotate,
            Self::WriteAhead { .. } => StepKind::WriteAhead,
            Self::Create { .. } => StepKind::Create,
            Self::Update { resize: false, .. } => StepKind::Update,
            Self::Update { resize: true, .. } => StepKind::Resize,
            Self::Start { .. } => StepKind::Start,
            Self::Stop { .. } => StepKind::Stop,
            Self::Restart { .. } => StepKind::Restart,
            Self::AssignScript { .. } => StepKind::AssignScript,
            Self::UnassignScript { .. } => StepKind::UnassignScript,
            Self::ReleaseIp { .. } => StepKind::ReleaseIp,
            Self::Delete { .. } => StepKind::Delete,
        }
    }

    /// Whether it changes something on Paperspace.
    pub fn mutates_paperspace(&self) -> bool {
        !matches!(self, Self::Nothing | Self::AddFinalizer | Self::RemoveFinalizer | Self::Annotate { .. } | Self::WriteAhead { .. })
    }

    /// The id under which it was written down, if it must not be sent twice.
    pub fn exactly_once(&self) -> Option<&str> {
        match self {
            Self::Create { attempt: id, .. } | Self::Restart { operation: id, .. } => Some(id),
            _ => None,
        }
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was done, and Paperspace shows the machine.
    Machine(Box<Machine>),
    /// It was not, or it cannot be told.
    Failed(paperspace::Error),
}

impl Outcome {
    /// What came of a call. Two answers that look like failures are none: the start of a machine that is starting already, and the
    /// destruction or release of something that is gone.
    pub fn of_call(step: &Step, result: Result<Option<Machine>, paperspace::Error>) -> Self {
        match result {
            Ok(Some(machine)) => Self::Machine(Box::new(machine)),
            Ok(None) => Self::Done,
            Err(paperspace::Error::Rejected { message, .. })
                if matches!(step, Step::Start { .. }) && message.to_ascii_lowercase().contains("currently starting") =>
            {
                Self::Done
            }
            Err(error) if matches!(step, Step::ReleaseIp { .. } | Step::UnassignScript { .. }) && error.is_not_found() => Self::Done,
            Err(error) => Self::Failed(error),
        }
    }
}
