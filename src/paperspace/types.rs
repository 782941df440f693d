//! What Paperspace's machine calls say on the wire.
//!
//! Readers are tolerant: 64-bit integers arrive as JSON strings although the `OpenAPI` document says integer, enums may grow,
//! fields may be added or be `null`. Writers are strict: a body carries exactly the documented fields, and only those that are set.
//! Field names are Paperspace's own, in snake case.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// An enum of the API as a Rust enum that keeps words it does not know (`Unknown`), instead of refusing the whole reply.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A word that the API's document does not have.
            Unknown(String),
        }
        impl $name {
            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $word,)+ Self::Unknown(word) => word }
            }
        }
        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word { $($word => Self::$variant,)+ other => Self::Unknown(other.to_owned()) }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(d)?.as_str()))
            }
        }
    };
}

wire_enum! {
    /// The state of a machine. The API has no error, failed or deleted state.
    MachineState {
        /// Powered off.
        Off = "off",
        /// On its way to `Ready`.
        Starting = "starting",
        /// On its way to `Off`.
        Stopping = "stopping",
        /// Stopping, then starting.
        Restarting = "restarting",
        /// The machine's services are up, Paperspace's agent is not yet.
        ServiceReady = "serviceready",
        /// Up, agent included.
        Ready = "ready",
        /// Its type or disk is being changed.
        Upgrading = "upgrading",
        /// Being created; most other fields are placeholders.
        Provisioning = "provisioning",
    }
}

wire_enum! {
    /// How a machine is reached from outside.
    PublicIpType {
        /// Kept by the team until released.
        Static = "static",
        /// A new one at each start.
        Dynamic = "dynamic",
        /// Not reachable.
        None = "none",
    }
}

wire_enum! {
    /// How often a snapshot is taken.
    SnapshotFrequency {
        /// Every hour.
        Hourly = "hourly",
        /// Every day.
        Daily = "daily",
        /// Every week.
        Weekly = "weekly",
        /// Every month.
        Monthly = "monthly",
    }
}

wire_enum! {
    /// When a restore point is restored.
    RestorePointFrequency {
        /// At each shutdown.
        Shutdown = "shutdown",
    }
}

wire_enum! {
    /// How far a machine event is.
    EventState {
        /// Queued.
        New = "new",
        /// Running; the word has a space.
        InProgress = "in progress",
        /// Done.
        Done = "done",
        /// Failed, with or without a text in `error`.
        Error = "error",
        /// Given up.
        Cancelled = "cancelled",
    }
}

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

/// Who a key is: its user and its team. A key belongs to one team.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Session {
    /// The key's user.
    pub user: SessionUser,
    /// The team that the key opens.
    pub team: SessionTeam,
}

/// The user of a session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionUser {
    /// The user's id.
    pub id: String,
    /// The teams that the user belongs to, and as what.
    #[serde(default, deserialize_with = "nullable")]
    pub team_memberships: Vec<TeamMembership>,
}

/// What a user is in a team.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamMembership {
    /// The team.
    pub team: TeamRef,
    /// Whether the user owns it.
    #[serde(default, deserialize_with = "nullable")]
    pub is_owner: bool,
    /// Whether the user administers it.
    #[serde(default, deserialize_with = "nullable")]
    pub is_admin: bool,
}

/// A team by id.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TeamRef {
    /// The team's id.
    pub id: String,
}

/// The team of a session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionTeam {
    /// The team's id.
    pub id: String,
    /// Its short name.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace: String,
    /// Its quota of machines.
    #[serde(default, deserialize_with = "optional_number")]
    pub max_machines: Option<f64>,
}

impl Session {
    /// Whether the user sees all machines of the team: members see only those assigned to them.
    pub fn is_admin(&self) -> bool {
        self.user.team_memberships.iter().any(|m| m.team.id == self.team.id && (m.is_admin || m.is_owner))
    }
}

/// An address that the team owns.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicIp {
    /// The IPv4 address.
    pub ip: String,
    /// Its region.
    pub region: String,
    /// The machine that has it.
    #[serde(default)]
    pub assigned_machine_id: Option<String>,
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numeric {
    Number(f64),
    Text(String),
}

fn optional_number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
    match Option::<Numeric>::deserialize(d)? {
        None => Ok(None),
        Some(Numeric::Number(n)) => Ok(Some(n)),
        Some(Numeric::Text(text)) => {
            text.trim().parse().map(Some).map_err(|_| serde::de::Error::custom(format!("{text:?} is not a number")))
        }
    }
}

fn number<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(optional_number(d)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Integral {
    Number(u64),
    Float(f64),
    Text(String),
}

fn integer<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    match Option::<Integral>::deserialize(d)? {
        None => Ok(0),
        Some(Integral::Number(n)) => Ok(n),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number of bytes")]
        Some(Integral::Float(n)) if n >= 0.0 && n.fract() == 0.0 => Ok(n as u64),
        Some(Integral::Float(n)) => Err(serde::de::Error::custom(format!("{n} is not a number of bytes"))),
        Some(Integral::Text(text)) => {
            text.trim().parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is not a number of bytes")))
        }
    }
}
