//! What happens to machines.

use jiff::Timestamp;
use serde::Deserialize;

use super::machine::Machine;
use super::words::EventState;

/// One asynchronous operation on a machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineEvent {
    /// A UUID.
    pub id: String,
    /// `create`, `start`, `stop`, `restart`, `deactivate`, `vm-upgrade` and others.
    pub name: String,
    /// See [`EventState`].
    pub state: EventState,
    /// The machine that it is about.
    #[serde(default)]
    pub machine_id: Option<String>,
    /// When it was queued, by the API's clock.
    pub dt_created: Timestamp,
    /// When work began.
    #[serde(default)]
    pub dt_started: Option<Timestamp>,
    /// When work ended.
    #[serde(default)]
    pub dt_finished: Option<Timestamp>,
    /// Why it failed; null is possible for a failed event.
    #[serde(default)]
    pub error: Option<String>,
}

impl MachineEvent {
    /// Whether work is still to come. `dtFinished` counts too: events have been seen in state `error` with and without it.
    pub fn is_unfinished(&self) -> bool {
        self.dt_finished.is_none() && matches!(self.state, EventState::New | EventState::InProgress | EventState::Unknown(_))
    }
}

/// The answer of create, delete, start, stop and restart.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct MachineAndEvent {
    /// The operation that was queued; an update may have none.
    #[serde(default)]
    pub event: Option<MachineEvent>,
    /// The machine as it is now.
    pub data: Machine,
}
