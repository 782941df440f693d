//! What a team has besides machines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A static address. Dynamic ones are the machines' own and in no list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublicIp {
    pub(super) seq: u64,
    pub(super) ip: String,
    pub(super) team: String,
    pub(super) region: String,
    pub(super) exists: bool,
    pub(super) assigned_machine_id: Option<String>,
    pub(super) dt_created: Timestamp,
}

/// A startup script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the API's own names")]
pub(super) struct Script {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) team: String,
    pub(super) exists: bool,
    pub(super) name: String,
    /// Never in a reply.
    pub(super) script: String,
    pub(super) is_enabled: bool,
    pub(super) is_run_once: bool,
    pub(super) assigned_machine_ids: Vec<String>,
    pub(super) dt_created: Timestamp,
    pub(super) dt_deleted: Option<Timestamp>,
}

/// A private network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the API's own names")]
pub(super) struct Network {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) team: String,
    pub(super) exists: bool,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) network: String,
    pub(super) dt_created: Timestamp,
}

/// A snapshot; it goes with its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the API's own names")]
pub(super) struct Snapshot {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) team: String,
    pub(super) exists: bool,
    pub(super) name: String,
    pub(super) machine_id: String,
    pub(super) is_auto_snapshot: bool,
}

/// A custom template; it outlives its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomTemplate {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) team: String,
    pub(super) exists: bool,
    pub(super) name: String,
    pub(super) agent_type: String,
    pub(super) os: String,
    pub(super) region: String,
    pub(super) size_gb: f64,
    /// The public template that its types come from.
    pub(super) base_template_id: String,
    pub(super) parent_machine_id: String,
    pub(super) dt_created: Timestamp,
}
