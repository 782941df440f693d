//! An operator that may write nothing to Paperspace: it decides as ever, and says what it would do instead of doing it.
//!
//! The decision is made twice. The first time as if nothing restrained it: what would that do? If it would do something, the second time
//! with tied hands, as under `spec.suspend`, so that the status tells what is, and the condition `Synced` what would be done.

use std::sync::Arc;

use crate::crd::conditions::{Because, SYNCED};
use crate::crd::reason::Reason;
use crate::crd::{CreationOutcome, OperationName, PaperspaceMachineStatus};
use crate::paperspace::types::CreateMachine;

use super::desired;
use super::observe::Observation;
use super::pass::{End, Pass};
use super::step::{Decision, Step};

/// Why nothing is written to Paperspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restraint {
    /// `--dry-run`.
    DryRun,
    /// The emergency stop: what stops it, and how it goes on.
    Stopped(Arc<str>),
}

impl Restraint {
    /// The conditions' word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::DryRun => Reason::DryRun,
            Self::Stopped(_) => Reason::EmergencyStop,
        }
    }

    /// The reason, with what is not done.
    pub(super) fn instead_of(&self, decision: &Decision, o: &Observation<'_>) -> Because {
        let not_done = doing(&decision.step, &decision.status, o);
        let message = match self {
            Self::DryRun => format!("--dry-run: nothing is written to Paperspace. Not done: {not_done}"),
            Self::Stopped(why) => format!("{why}. Not done: {not_done}"),
        };
        Because::new(self.reason(), message)
    }
}

/// Whether this is, or begins, a change on Paperspace.
pub fn touches_paperspace(step: &Step) -> bool {
    step.mutates_paperspace() || matches!(step, Step::WriteAhead { .. })
}

impl Pass<'_> {
    /// The resource, or the whole operator, is kept from writing to Paperspace.
    pub(super) fn is_suspended(&self) -> bool {
        self.spec().suspend || self.tied.is_some()
    }

    /// What the conditions say in place of what was drafted. Told by an event as often as it is another thing that is not done.
    pub(super) fn say_tied(&mut self) {
        let Some(because) = self.tied.clone() else { return };
        let known = self.old().and_then(|old| old.condition(SYNCED)).is_some_and(|c| c.message == because.message);
        if !known {
            let (reason, note) = (because.reason.as_str(), because.message.clone());
            if because.reason == Reason::DryRun { self.normal(reason, note) } else { self.warning(reason, note) }
        }
        if self.status.machine_id.is_none() {
            self.ready = because.clone();
        }
        self.synced = because;
    }

    /// The end of a pass whose parts know nothing to do with tied hands.
    pub(super) fn tied(o: &Observation<'_>, because: Because) -> End {
        let mut pass = Pass::new(o);
        pass.ready = because.clone();
        pass.tied = Some(because);
        pass.end(Step::Nothing)
    }
}

/// The step in words: "starting machine ps1".
fn doing(step: &Step, status: &PaperspaceMachineStatus, o: &Observation<'_>) -> String {
    match step {
        Step::WriteAhead { create: true, id } | Step::Create { attempt: id, .. } if creates_machine(status, id) => {
            let body = desired::creation(o.object, status, o.settings.cluster_id.as_deref());
            body.map_or_else(
                || "creating the machine".to_owned(),
                |CreateMachine { name, machine_type, disk_size, .. }| {
                    format!("creating a {machine_type} with {disk_size} GB in {} named {name}", o.object.spec.region)
                },
            )
        }
        Step::WriteAhead { create: true, .. } | Step::Create { .. } | Step::CreateScript { .. } => "creating the startup script".to_owned(),
        Step::WriteAhead { create: false, .. } => {
            let id = status.machine_id.as_deref().unwrap_or_default();
            let doing = match status.operation.as_ref().map(|operation| operation.name) {
                Some(OperationName::Restart) => "restarting",
                Some(OperationName::Destroy) => "destroying",
                Some(OperationName::Resize) | None => "changing",
            };
            format!("{doing} machine {id}")
        }
        Step::Update { id, body, resize: _ } => {
            format!("changing machine {id} to {}", serde_json::to_string(body).unwrap_or_default())
        }
        Step::Start { id } => format!("starting machine {id}"),
        Step::Stop { id } => format!("stopping machine {id}"),
        Step::Restart { id, .. } => format!("restarting machine {id}"),
        Step::Delete { id } => format!("destroying machine {id}"),
        Step::AssignScript { script, machine } => format!("assigning startup script {script} to machine {machine}"),
        Step::UnassignScript { script, machine } => format!("taking startup script {script} from machine {machine}"),
        Step::UpdateScript { script, .. } => format!("changing startup script {script}"),
        Step::DeleteScript { script } => format!("removing startup script {script}"),
        Step::AddAccessor { machine, user } => format!("letting user {user} use machine {machine}"),
        Step::RemoveAccessor { machine, user } => format!("no longer letting user {user} use machine {machine}"),
        Step::AssignIp { ip, machine: Some(machine) } => format!("assigning address {ip} to machine {machine}"),
        Step::AssignIp { ip, machine: None } => format!("taking address {ip} from its machine"),
        Step::ReleaseIp { ip } => format!("releasing address {ip}"),
        Step::Nothing
        | Step::AddFinalizer
        | Step::RemoveFinalizer
        | Step::Annotate { .. }
        | Step::WriteConfigMap { .. }
        | Step::DeleteConfigMap { .. } => "nothing".to_owned(),
    }
}

/// Whether the attempt that was drafted under this id is one to create the machine, not its script.
fn creates_machine(status: &PaperspaceMachineStatus, id: &str) -> bool {
    status.creation.as_ref().is_some_and(|creation| creation.id == id && creation.outcome == CreationOutcome::Open)
}
