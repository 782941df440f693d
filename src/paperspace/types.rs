//! What Paperspace's machine calls say on the wire.
//!
//! Readers are tolerant: 64-bit integers arrive as JSON strings although the `OpenAPI` document says integer, enums may grow,
//! fields may be added or be `null`. Writers are strict: a body carries exactly the documented fields, and only those that are set.
//! Field names are Paperspace's own, in snake case.

mod account;
mod bodies;
mod event;
mod machine;
mod network;
mod read;
mod script;
mod snapshot;
mod template;
mod words;

pub use account::{AccountStanding, Session, SessionTeam, SessionUser, TeamMembership, TeamRef, TeamUser, User};
pub use bodies::{CreateMachine, UpdateMachine};
pub use event::{MachineAndEvent, MachineEvent};
pub use machine::{Accelerator, Accessor, Desktop, Machine, RemoteDesktop};
pub use network::{PrivateNetwork, PublicIp};
pub use script::{CreateStartupScript, StartupScript, UpdateStartupScript};
pub use snapshot::Snapshot;
pub use template::{AvailableMachineType, CustomTemplate, OsTemplate};
pub use words::{EventState, MachineState, PublicIpType, RestorePointFrequency, SnapshotFrequency};

use serde::Deserialize;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// Whether another page follows.
    pub has_more: bool,
    /// The cursor of the next page; absent or null at the end.
    #[serde(default)]
    pub next_page: Option<String>,
    /// The rows.
    pub items: Vec<T>,
}

#[cfg(test)]
pub(super) mod tests;
