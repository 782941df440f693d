//! A machine as it can be read.

use jiff::Timestamp;
use serde::Deserialize;

use super::account::User;
use super::read::{integer, nullable, number, optional_number};
use super::words::{MachineState, PublicIpType, RestorePointFrequency, SnapshotFrequency};

/// One machine, as `GET /machines/{id}` gives it. Its template, startup script and creation-only settings cannot be read back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// `ps` and alphanumerics.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// See [`MachineState`].
    pub state: MachineState,
    /// The label of the template's operating system.
    #[serde(default, deserialize_with = "nullable")]
    pub os: String,
    /// A label such as `A4000`.
    pub machine_type: String,
    /// `LinuxHeadless`, `LinuxDesktop`, `WindowsDesktop`.
    #[serde(default, deserialize_with = "nullable")]
    pub agent_type: String,
    /// 1 while provisioning.
    #[serde(default, deserialize_with = "number")]
    pub cpus: f64,
    /// Bytes; 0 while provisioning.
    #[serde(default, deserialize_with = "integer")]
    pub ram: u64,
    /// Bytes (GiB times `diskSize`); 0 while provisioning.
    #[serde(default, deserialize_with = "integer")]
    pub storage_total: u64,
    /// GPUs; absent or null without any.
    #[serde(default, deserialize_with = "nullable")]
    pub accelerators: Vec<Accelerator>,
    /// On the wire the long form, `East Coast (NY2)`.
    pub region: String,
    /// Absent until provisioned.
    #[serde(default)]
    pub private_ip: Option<String>,
    /// Set also for the default network, once provisioned.
    #[serde(default)]
    pub network_id: Option<String>,
    /// A dynamic address is there only while the machine is on.
    #[serde(default)]
    pub public_ip: Option<String>,
    /// See [`PublicIpType`].
    pub public_ip_type: PublicIpType,
    /// Whether the machine shuts itself down.
    #[serde(default, deserialize_with = "nullable")]
    pub auto_shutdown_enabled: bool,
    /// Hours; null when disabled.
    #[serde(default, deserialize_with = "optional_number")]
    pub auto_shutdown_timeout: Option<f64>,
    /// Whether it does so under a connected user too.
    #[serde(default)]
    pub auto_shutdown_force: Option<bool>,
    /// Whether snapshots are taken regularly.
    #[serde(default, deserialize_with = "nullable")]
    pub auto_snapshot_enabled: bool,
    /// How often.
    #[serde(default)]
    pub auto_snapshot_frequency: Option<SnapshotFrequency>,
    /// How many are kept.
    #[serde(default, deserialize_with = "optional_number")]
    pub auto_snapshot_save_count: Option<f64>,
    /// Updates of the operating system are scheduled.
    #[serde(default, deserialize_with = "nullable")]
    pub updates_pending: bool,
    /// Whether the disk is set back to a snapshot.
    #[serde(default, deserialize_with = "nullable")]
    pub restore_point_enabled: bool,
    /// When.
    #[serde(default)]
    pub restore_point_frequency: Option<RestorePointFrequency>,
    /// To which snapshot.
    #[serde(default)]
    pub restore_point_snapshot_id: Option<String>,
    /// USD per hour of use (inferred from the reference's prices; the API gives no unit).
    #[serde(default, deserialize_with = "optional_number")]
    pub usage_rate: Option<f64>,
    /// Storage price; its unit is unknown.
    #[serde(default, deserialize_with = "optional_number")]
    pub storage_rate: Option<f64>,
    /// When it was created, by the API's clock.
    pub dt_created: Timestamp,
    /// Set on a deleted machine, where the API still shows one.
    #[serde(default)]
    pub dt_deleted: Option<Timestamp>,
}

/// GPUs of one kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Accelerator {
    /// The product's name, `Quadro P4000`.
    pub name: String,
    /// Bytes each.
    #[serde(default, deserialize_with = "integer")]
    pub memory: u64,
    /// How many.
    #[serde(default, deserialize_with = "number")]
    pub count: f64,
}

/// A user who may use a machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accessor {
    /// Who.
    pub user: User,
    /// Set on a former accessor, where the API still shows one.
    #[serde(default)]
    pub dt_deleted: Option<Timestamp>,
}

/// How a machine's desktop is reached. The password that the API sends along is not read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Desktop {
    /// Linux.
    #[serde(default)]
    pub vnc: Option<RemoteDesktop>,
    /// Windows.
    #[serde(default)]
    pub windows: Option<RemoteDesktop>,
}

/// Where a desktop is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RemoteDesktop {
    /// Name or address.
    pub hostname: String,
    /// Port.
    pub port: u16,
}
