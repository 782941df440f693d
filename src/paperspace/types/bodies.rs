//! What is sent to create and change a machine.

use serde::{Deserialize, Serialize};

use super::words::{PublicIpType, RestorePointFrequency, SnapshotFrequency};

/// Body of `POST /machines`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are Machine's and the API's own")]
pub struct CreateMachine {
    pub name: String,
    pub machine_type: String,
    pub template_id: String,
    /// GB.
    pub disk_size: u32,
    pub region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_ip_type: Option<PublicIpType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_snapshot_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_snapshot_frequency: Option<SnapshotFrequency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_snapshot_save_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown_force: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_initial_snapshot: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point_frequency: Option<RestorePointFrequency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_script_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_password: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_on_create: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_nvlink: Option<bool>,
    /// Ids of users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accessor_ids: Vec<String>,
}

/// Body of `PUT /machines/{id}`: only what changes is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are Machine's and the API's own")]
pub struct UpdateMachine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
    /// GB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_ip_type: Option<PublicIpType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_snapshot_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_snapshot_frequency: Option<SnapshotFrequency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_snapshot_save_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown_force: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point_frequency: Option<RestorePointFrequency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point_snapshot_id: Option<String>,
}
