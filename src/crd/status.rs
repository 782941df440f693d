//! What the operator knows of a machine and must not forget.
//!
//! The status is always written whole. What can be seen again on Paperspace is a convenience for readers; `account`, `machineId`, `creation`,
//! `operation`, `applied` and `handled…` are memory that cannot be observed again.

#![allow(unreachable_pub, reason = "the derive of KubeSchema wraps a copy of each struct in a private module")]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::DeletionPolicy;

/// What the operator knows of the machine.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaperspaceMachineStatus {
    /// The generation of the spec that the conditions speak of; -1 until the operator has looked once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The Paperspace account that the machine belongs to; a key of another team is not used for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Paperspace's id of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// The machine's name on Paperspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// Paperspace's word for the machine's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The state in one word for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_state: Option<String>,
    /// What becomes of the machine when the resource is deleted, as it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Ready, Synced, and when they apply Suspended, Reconciling or Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// The last attempt to create the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation: Option<Creation>,
    /// When an adopted machine was claimed by putting this resource's mark on its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_at: Option<Time>,
    /// The last operation that must not be repeated: a restart, a stop for a resize, a destroy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// A change of type or disk that Paperspace refused: the machine is not stopped for it again under this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_refused: Option<ResizeRefused>,
    /// What names in the spec mean, looked up once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// The startup script that the operator made from spec.startupScript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_script: Option<OwnedScript>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Paperspace's word for the kind of machine: LinuxHeadless, LinuxDesktop, WindowsDesktop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// Updates of the operating system are to be installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub updates_pending: bool,
    /// How the machine's desktop is reached; its password is never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desktop: Option<Desktop>,
    /// The machine's snapshots, where the spec asks for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<Snapshots>,
    /// The public address, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<String>,
    /// The address in the private network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// The network; also set for the region's default network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    /// What the machine is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
    /// Price of an hour of use, as Paperspace gives it.
    #[serde(default, rename = "hourlyRateUSD", skip_serializing_if = "Option::is_none")]
    pub hourly_rate_usd: Option<String>,
    /// Where the machine differs from the spec, until it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".to_owned()]))]
    pub drift: Vec<Drift>,
    /// The last value of the restart annotation that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_restart_at: Option<String>,
    /// The last value of the reconcile annotation that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_reconcile_at: Option<String>,
    /// When the machine was last seen to have come up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the machine was last seen to have gone off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Time>,
    /// What was sent for fields that Paperspace does not give back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
}

/// A Paperspace account.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The API's address.
    pub endpoint: String,
    /// The team's id.
    pub team: String,
}

/// What names in the spec mean on Paperspace.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The template that spec.template named when the machine was asked for first. It stays, also where the name would mean another by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    /// The name that networkId was looked up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// The private network of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
}

/// A startup script that the operator made, by the protocol by which it makes machines.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedScript {
    /// Paperspace's id of the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_id: Option<String>,
    /// The last attempt to create it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation: Option<Creation>,
    /// Where the text that was sent last came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ScriptSource>,
    /// The first 16 hex digits of the SHA-256 of what was sent last, text and runOnce: Paperspace never gives the text back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// An object that a startup script's text came from.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptSource {
    /// ConfigMap or Secret; PaperspaceMachine for an inline script.
    pub kind: String,
    /// Its uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its resourceVersion, for an inline script absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// How a desktop is reached.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desktop {
    /// VNC or RDP.
    pub protocol: String,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: i32,
}

/// The machine's snapshots.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshots {
    /// How many there are, those taken by schedule and by hand together.
    pub count: i32,
    /// Id of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_id: Option<String>,
}

/// An attempt to create something on Paperspace, written down before it is made. Everything remembered about it is keyed by `id`.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Creation {
    /// Random; exactly one request is sent for it.
    pub id: String,
    /// Counts from 1.
    pub attempt: i32,
    /// The team it was made for.
    pub account: String,
    /// When the first attempt was written down.
    pub first_started_at: Time,
    /// When this one was.
    pub started_at: Time,
    /// When this one was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// What came of it.
    pub outcome: CreationOutcome,
    /// Why it was refused, in one word: a reason of Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of an attempt.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreationOutcome {
    /// Not known yet: a machine may exist or still appear.
    Open,
    /// The machine exists.
    Bound,
    /// Paperspace certainly did nothing.
    Refused,
    /// No machine came of it, or it is gone again.
    Expired,
}

/// An operation that must not be repeated.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Random.
    pub id: String,
    /// Restart, Resize or Destroy.
    pub name: OperationName,
    /// How far it is.
    pub state: OperationState,
    /// When it was written down.
    pub requested_at: Time,
    /// The generation of the spec that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The newest machine event before it, by which a lost reply is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_seen: Option<String>,
    /// What Paperspace said against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The operations that are written down.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationName {
    /// Asked for by annotation.
    Restart,
    /// Stop, change type or disk, start again.
    Resize,
    /// Destroying the machine.
    Destroy,
}

/// How far an operation is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationState {
    /// Written down; the request may have been sent.
    Open,
    /// Paperspace took it.
    Accepted,
    /// Done.
    Done,
    /// Paperspace refused it.
    Refused,
    /// It is not known whether it happened, and it is not repeated.
    Uncertain,
}

/// A refused change of type or disk.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResizeRefused {
    /// The generation of the spec that it was refused for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// What Paperspace said.
    pub message: String,
}

/// What the machine is made of.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hardware {
    /// Virtual CPUs.
    pub cpus: i32,
    /// Memory as a Kubernetes quantity.
    pub memory: String,
    /// Disk as a Kubernetes quantity.
    pub storage: String,
    /// GPUs, such as "1x Quadro P4000".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub accelerators: Vec<String>,
}

/// One field that differs.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The field of the spec.
    pub field: String,
    /// What the spec says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub desired: String,
    /// What Paperspace has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed: String,
    /// Since when.
    pub since: Time,
    /// What becomes of it: Correct, Wait for a stop, or Report only.
    pub action: DriftAction,
}

/// What becomes of a difference.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftAction {
    /// Mended in place.
    Correct,
    /// Mended once the machine is off.
    NeedsStop,
    /// Cannot or may not be mended.
    Report,
}

/// What was sent for fields that Paperspace does not give back, and what was set once and is turned off when its field goes.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The startup script that was assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_script_id: Option<String>,
    /// autoShutdown was set by this resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_shutdown: bool,
    /// autoSnapshot was set by this resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_snapshot: bool,
    /// restorePoint was set by this resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restore_point: bool,
    /// A static address was asked for by this resource, so that the one that comes is the operator's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub static_ip_requested: bool,
    /// The static address that the operator allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_ip: Option<String>,
    /// The team's own address that the spec names or named last, which the machine may have: it is never released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_ip: Option<String>,
    /// The allocated address is kept when it is no longer needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain_ip: bool,
    /// Users that this resource let use the machine, by id; others are not its business.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub accessors: Vec<String>,
    /// The ConfigMap that this resource publishes its connection in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}

impl PaperspaceMachineStatus {
    /// The condition of this type, if it is there.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == kind)
    }
}

/// Kubernetes' time of a timestamp: whole seconds, as it is stored.
pub fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
