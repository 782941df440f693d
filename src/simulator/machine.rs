//! What the simulator knows of one machine, and of one event.
//!
//! Field names are the wire's where the wire has the field: `/_sim/machines/{id}` merges into this form, the state file is made of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The states that the API's document lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Off,
    Starting,
    Stopping,
    Restarting,
    ServiceReady,
    Ready,
    Upgrading,
    Provisioning,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Restarting => "restarting",
            Self::ServiceReady => "serviceready",
            Self::Ready => "ready",
            Self::Upgrading => "upgrading",
            Self::Provisioning => "provisioning",
        }
    }

    pub(super) fn is_up(self) -> bool {
        matches!(self, Self::ServiceReady | Self::Ready)
    }
}

/// How a machine is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum IpType {
    Static,
    Dynamic,
    None,
}

impl IpType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::None => "none",
        }
    }

    /// By its word; requests are checked before.
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "static" => Self::Static,
            "dynamic" => Self::Dynamic,
            _ => Self::None,
        }
    }
}

/// Someone whom a machine is assigned to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accessor {
    pub(super) user_id: String,
    pub(super) dt_deleted: Option<Timestamp>,
}

/// One machine, the deleted included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the API's own names")]
pub(super) struct Machine {
    /// Order of creation.
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) team: String,
    /// Whether the API still knows it.
    pub(super) exists: bool,
    /// Whether its creation has come to an end; until then replies have placeholders.
    pub(super) provisioned: bool,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) os: String,
    pub(super) agent_type: String,
    pub(super) machine_type: String,
    /// GB.
    pub(super) disk_size: f64,
    /// The code.
    pub(super) region: String,
    pub(super) private_ip: Option<String>,
    /// As replies show it.
    pub(super) network_id: Option<String>,
    /// As the request had it, until provisioned.
    pub(super) wanted_network_id: Option<String>,
    pub(super) public_ip: Option<String>,
    pub(super) public_ip_type: IpType,
    pub(super) auto_shutdown_enabled: bool,
    /// Hours.
    pub(super) auto_shutdown_timeout: Option<f64>,
    pub(super) auto_shutdown_force: Option<bool>,
    pub(super) auto_snapshot_enabled: bool,
    pub(super) auto_snapshot_frequency: Option<String>,
    pub(super) auto_snapshot_save_count: Option<f64>,
    pub(super) updates_pending: bool,
    pub(super) restore_point_enabled: bool,
    pub(super) restore_point_frequency: Option<String>,
    pub(super) restore_point_snapshot_id: Option<String>,
    pub(super) template_id: String,
    pub(super) startup_script_id: Option<String>,
    pub(super) start_on_create: bool,
    pub(super) take_initial_snapshot: Option<bool>,
    pub(super) email_password: Option<bool>,
    pub(super) enable_nvlink: Option<bool>,
    pub(super) accessors: Vec<Accessor>,
    pub(super) dt_created: Timestamp,
    pub(super) dt_modified: Timestamp,
    pub(super) dt_deleted: Option<Timestamp>,
    /// Its deletion was accepted, by this event.
    pub(super) deactivation: Option<String>,
}

/// One asynchronous operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) team: String,
    pub(super) machine_id: Option<String>,
    pub(super) name: String,
    pub(super) state: EventState,
    pub(super) dt_created: Timestamp,
    pub(super) dt_started: Option<Timestamp>,
    pub(super) dt_finished: Option<Timestamp>,
    pub(super) error: Option<String>,
}

/// How far an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EventState {
    #[serde(rename = "new")]
    New,
    #[serde(rename = "in progress")]
    InProgress,
    #[serde(rename = "done")]
    Done,
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "cancelled")]
    Cancelled,
}

impl EventState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InProgress => "in progress",
            Self::Done => "done",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn is_unfinished(self) -> bool {
        matches!(self, Self::New | Self::InProgress)
    }
}
