//! What a decision asks the shell to do: at most one effect. A step carries every choice.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::crd::PaperspaceMachineStatus;
use crate::paperspace;
use crate::paperspace::types::{CreateMachine, Machine, StartupScript, UpdateMachine};

use super::memory::Memory;
use super::observe::Question;
use super::script_text::ScriptText;

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
    /// Where that is only a look at the machine: for how long one that shows it as this pass saw it makes another pass superfluous.
    pub same_for: Option<Duration>,
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
    /// Create the startup script that was written down.
    CreateScript {
        /// The attempt's id.
        attempt: String,
        /// Its name, which ends in the mark.
        name: String,
        /// What it does.
        text: ScriptText,
        /// At the first start only.
        run_once: bool,
        /// The request's time-out.
        timeout: Duration,
    },
    /// Change the text of a startup script that the operator made.
    UpdateScript {
        /// Its id.
        script: String,
        /// What it does from now on.
        text: ScriptText,
        /// At the first start only.
        run_once: bool,
    },
    /// Remove a startup script that the operator made.
    DeleteScript {
        /// Its id.
        script: String,
    },
    /// Let a user use the machine.
    AddAccessor {
        /// The machine's id.
        machine: String,
        /// The user's id.
        user: String,
    },
    /// Take the machine away from a user.
    RemoveAccessor {
        /// The machine's id.
        machine: String,
        /// The user's id.
        user: String,
    },
    /// Give a static address of the team to the machine, or take it from whichever has it.
    AssignIp {
        /// The address.
        ip: String,
        /// The machine's id.
        machine: Option<String>,
    },
    /// Publish how the machine is reached.
    WriteConfigMap {
        /// The ConfigMap's name.
        name: String,
        /// All of its data.
        data: BTreeMap<String, String>,
    },
    /// Remove what was published, if it is the resource's.
    DeleteConfigMap {
        /// The ConfigMap's name.
        name: String,
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
    /// [`Step::CreateScript`].
    CreateScript,
    /// [`Step::UpdateScript`].
    UpdateScript,
    /// [`Step::DeleteScript`].
    DeleteScript,
    /// [`Step::AddAccessor`].
    AddAccessor,
    /// [`Step::RemoveAccessor`].
    RemoveAccessor,
    /// [`Step::AssignIp`] to a machine.
    AssignIp,
    /// [`Step::AssignIp`] to none.
    UnassignIp,
    /// [`Step::WriteConfigMap`].
    WriteConfigMap,
    /// [`Step::DeleteConfigMap`].
    DeleteConfigMap,
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
            Self::CreateScript => "create-script",
            Self::UpdateScript => "update-script",
            Self::DeleteScript => "delete-script",
            Self::AddAccessor => "add-accessor",
            Self::RemoveAccessor => "remove-accessor",
            Self::AssignIp => "assign-ip",
            Self::UnassignIp => "unassign-ip",
            Self::WriteConfigMap => "write-config-map",
            Self::DeleteConfigMap => "delete-config-map",
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
            Self::CreateScript { .. } => StepKind::CreateScript,
            Self::UpdateScript { .. } => StepKind::UpdateScript,
            Self::DeleteScript { .. } => StepKind::DeleteScript,
            Self::AddAccessor { .. } => StepKind::AddAccessor,
            Self::RemoveAccessor { .. } => StepKind::RemoveAccessor,
            Self::AssignIp { machine: Some(_), .. } => StepKind::AssignIp,
            Self::AssignIp { machine: None, .. } => StepKind::UnassignIp,
            Self::WriteConfigMap { .. } => StepKind::WriteConfigMap,
            Self::DeleteConfigMap { .. } => StepKind::DeleteConfigMap,
            Self::ReleaseIp { .. } => StepKind::ReleaseIp,
            Self::Delete { .. } => StepKind::Delete,
        }
    }

    /// Whether it changes something on Paperspace.
    pub fn mutates_paperspace(&self) -> bool {
        let on_kubernetes = matches!(
            self,
            Self::AddFinalizer
                | Self::RemoveFinalizer
                | Self::Annotate { .. }
                | Self::WriteAhead { .. }
                | Self::WriteConfigMap { .. }
                | Self::DeleteConfigMap { .. }
        );
        !on_kubernetes && *self != Self::Nothing
    }

    /// The id under which it was written down, if it must not be sent twice.
    pub fn exactly_once(&self) -> Option<&str> {
        match self {
            Self::Create { attempt: id, .. } | Self::CreateScript { attempt: id, .. } | Self::Restart { operation: id, .. } => Some(id),
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
    /// It was done, and Paperspace shows the startup script.
    Script(Box<StartupScript>),
    /// It was not, or it cannot be told.
    Failed(paperspace::Error),
}

impl Outcome {
    /// What came of a call. Two answers that look like failures are none: the start of a machine that is starting already, and the
    /// destruction or release of something that is gone.
    pub fn of_call(step: &Step, result: Result<Self, paperspace::Error>) -> Self {
        match result {
            Ok(done) => done,
            Err(paperspace::Error::Rejected { message, .. })
                if matches!(step, Step::Start { .. }) && message.to_ascii_lowercase().contains("currently starting") =>
            {
                Self::Done
            }
            Err(error)
                if error.is_not_found()
                    && matches!(
                        step,
                        Step::ReleaseIp { .. }
                            | Step::UnassignScript { .. }
                            | Step::DeleteScript { .. }
                            | Step::RemoveAccessor { .. }
                            | Step::AssignIp { machine: None, .. }
                    ) =>
            {
                Self::Done
            }
            Err(error) => Self::Failed(error),
        }
    }
}
