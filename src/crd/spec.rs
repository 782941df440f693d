//! What a machine should be.
//!
//! Nothing that acts on Paperspace has a default here except `powerState` and the three fixed booleans: an absent field means
//! what the design says for it, and is never written into the object. "Fixed" fields are refused a change by CEL, with a message that
//! says what to do instead. What a string may look like is a CEL rule too: the server answers a `pattern` with the regular expression, a rule
//! with a sentence.

#![allow(unreachable_pub, reason = "the derive of KubeSchema wraps a copy of each struct in a private module")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attachments::{Accessors, PublicIpSpec, StartupScript, TemplateName, WriteConnectionTo};
use super::status::PaperspaceMachineStatus;

/// What the machine should be. Fields that are fixed are refused a change.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "paperspace-operator.dev",
    version = "v1alpha1",
    kind = "PaperspaceMachine",
    plural = "paperspacemachines",
    shortname = "psm",
    category = "paperspace",
    namespaced,
    status = "PaperspaceMachineStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A Paperspace virtual machine, declared. The operator creates, starts, stops, changes and destroys it until Paperspace has what the spec says, and reports in the status.",
    selectable = ".spec.region",
    selectable = ".spec.machineType",
    selectable = ".status.machineId",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.machineType"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Power", type_ = "string", json_path = ".status.powerState"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "IP", type_ = "string", json_path = ".status.publicIp"),
    printcolumn(name = "USD/H", type_ = "string", json_path = ".status.hourlyRateUSD"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.machineId", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    // Two rules, for creating and for changing: a resource that observes already may lose its machine, and no write of its status is
    // refused for that.
    validation = Rule::new("self.spec.managementPolicy != 'Observe' || has(self.spec.adopt) || (has(self.status) && (has(self.status.machineId) || has(self.status.conditions)))")
        .message("managementPolicy: Observe needs a machine to look at: add adopt.machineId").field_path(".spec.managementPolicy"),
    validation = Rule::new("self.spec.managementPolicy != 'Observe' || oldSelf.spec.managementPolicy == 'Observe' || has(self.spec.adopt) || (has(self.status) && has(self.status.machineId))")
        .message("managementPolicy: Observe needs the machine to be there: change it when status.machineId is set").field_path(".spec.managementPolicy"),
    // The way on for a restored or copied resource. Later it would forget the machine that it has or is creating.
    validation = Rule::new("!has(self.spec.adopt) || has(oldSelf.spec.adopt) || !has(oldSelf.status) || (!has(oldSelf.status.machineId) && (!has(oldSelf.status.creation) || oldSelf.status.creation.outcome in ['Refused', 'Expired']))")
        .message("adopt cannot be added while the resource has a machine or is creating one: leave adopt out, or create another resource for that machine").field_path(".spec.adopt")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.templateId) || has(self.template) || has(self.adopt)")
        .message("a template is required: write the id of an OS template or custom template in templateId, or its name in template (or adopt.machineId, to take over an existing machine)").field_path(".templateId"),
    validation = Rule::new("!has(self.templateId) || !has(self.template)")
        .message("templateId and template are two ways to say the same: leave one out").field_path(".template"),
    validation = Rule::new("has(self.template) == has(oldSelf.template) && (!has(self.template) || self.template == oldSelf.template)")
        .message("template is fixed: put back what it was, or delete the resource and create a new one").field_path(".template"),
    validation = Rule::new("has(self.templateId) == has(oldSelf.templateId) && (!has(self.templateId) || self.templateId == oldSelf.templateId)")
        .message("templateId is fixed: put back what it was, or delete the resource and create a new one").field_path(".templateId"),
    validation = Rule::new("!has(oldSelf.adopt) || (has(self.adopt) && self.adopt == oldSelf.adopt)")
        .message("adopt is fixed: put back what it was, or delete the resource (an adopted machine is kept unless deletionPolicy is Delete) and create a new one").field_path(".adopt"),
    validation = Rule::new("!has(self.networkId) || !has(self.networkName)")
        .message("networkId and networkName are two ways to say the same: leave one out").field_path(".networkName"),
    validation = Rule::new("!(has(oldSelf.networkId) || has(oldSelf.networkName)) || has(self.networkId) || has(self.networkName)")
        .message("a machine cannot leave its private network: name that network or another in networkId or networkName").field_path(".networkId"),
    validation = Rule::new("!has(self.autoShutdown) || self.powerState != 'Running'")
        .message("autoShutdown would fight powerState Running: set powerState: Manual").field_path(".autoShutdown"),
    validation = Rule::new("!has(self.restorePoint) || has(self.restorePoint.snapshotId) || self.takeInitialSnapshot")
        .message("restorePoint needs a snapshot to go back to: set takeInitialSnapshot: true (at creation) or restorePoint.snapshotId").field_path(".restorePoint"),
    validation = Rule::new("!has(self.restorePoint) || self.resizePolicy != 'StopAndStart'")
        .message("with a restorePoint every stop resets the disk: set resizePolicy: WhenStopped").field_path(".resizePolicy")
)]
pub struct PaperspaceMachineSpec {
    /// Paperspace's label of the machine type, such as C5, A4000, A100-80G or H100x8. Changed per resizePolicy, within its group
    /// (CPU types, or GPU types of one family).
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9][A-Za-z0-9+_-]*$')").message("write the label of a machine type, such as C5, A4000, A100-80G or H100x8"))]
    pub machine_type: String,

    /// Id of the OS template or custom template that the machine is created from. Required unless adopt is given. Fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9]+$')").message("write the template's id, letters and digits such as t0nspur5, not its name"))]
    pub template_id: Option<String>,

    /// The template by name instead of by id. Looked up once, before the machine is created; the id is in status.resolved. Fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,

    /// Region code: NY2, CA1 or AMS1 today. Fixed.
    #[schemars(length(max = 6))]
    #[x_kube(
        validation = Rule::new(r"self.matches('^[A-Z]{2,4}[0-9]{1,2}$')").message("write the region's code in capitals: NY2, CA1 or AMS1"),
        validation = Rule::new("self == oldSelf").message("region is fixed: put back what it was, or delete the resource and create a new one")
    )]
    pub region: String,

    /// Size of the disk in GB, from 50 to 16000. It may only grow; changed per resizePolicy.
    #[serde(rename = "diskSizeGB")]
    #[schemars(range(min = 50, max = 16000))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("a disk can only grow: write at least its present size, or delete the resource and create a new one"))]
    pub disk_size_gb: i32,

    /// Base of the name shown on Paperspace (default: namespace-name). The operator appends a mark of 12 hex digits, by which it finds its
    /// machine again whatever was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?$')").message("write letters, digits, spaces, dots, dashes and underscores, beginning and ending with a letter or digit"))]
    pub machine_name: Option<String>,

    /// Running (default): kept on, started again when found off. Stopped: kept off. Manual: started once at creation, then left to the console, the
    /// API, autoShutdown and the restart annotation.
    #[serde(default)]
    pub power_state: PowerState,

    /// What to do when machineType or diskSizeGB changes, for which the machine must be off. WhenStopped (default): wait until it is off anyway.
    /// StopAndStart: stop it, change it, and bring it back to the power state it had.
    #[serde(default)]
    pub resize_policy: ResizePolicy,

    /// Id of a private network in the same region. It may be set or moved, not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9]+$')").message("write the network's id, letters and digits, not its name"))]
    pub network_id: Option<String>,

    /// Name of a private network in the same region, instead of its id. It may be set or moved, not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("write the network's name, or leave networkName out"))]
    pub network_name: Option<String>,

    /// How the machine is reached from outside. Absent: a dynamic address at creation, and not compared afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<PublicIpSpec>,

    /// The machine shuts itself down after some hours. Needs powerState Manual or Stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_shutdown: Option<AutoShutdown>,

    /// Paperspace takes snapshots regularly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_snapshot: Option<AutoSnapshot>,

    /// The disk is set back to a snapshot at every shutdown. Needs takeInitialSnapshot or a snapshotId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<RestorePoint>,

    /// Take a snapshot right after creation. Acts at creation only. Fixed.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("takeInitialSnapshot acts at creation only and is fixed: put back what it was, or delete the resource and create a new one"))]
    pub take_initial_snapshot: bool,

    /// Create the machine with NVLink, on types that have it. Acts at creation only. Fixed.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("enableNvlink acts at creation only and is fixed: put back what it was, or delete the resource and create a new one"))]
    pub enable_nvlink: bool,

    /// Let Paperspace mail the machine's password to the owner of the API key (default: true). Acts at creation only. Fixed.
    #[serde(default = "yes")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("emailPassword acts at creation only and is fixed: put back what it was, or delete the resource and create a new one"))]
    pub email_password: bool,

    /// A script that runs when the machine starts, as root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_script: Option<StartupScript>,

    /// Members of the team who may use the machine. Paperspace puts their SSH keys on it when it is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessors: Option<Accessors>,

    /// Where to publish how the machine is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_connection_to: Option<WriteConnectionTo>,

    /// Secret in the same namespace with the Paperspace API key. It must carry the label paperspace-operator.dev/use: credentials. Absent:
    /// the operator's own key, where that may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// Take over an existing machine instead of creating one. It may be added while the resource has no machine; from then on it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,

    /// Manage (default): Paperspace is made to match. Observe: Paperspace is only read, and deleting the resource leaves the machine alone.
    /// Observe needs adopt, or a resource that has its machine already.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// What becomes of the machine when the resource is deleted. Absent: Delete for a machine that the operator created, Retain for an
    /// adopted one. The value in force is in the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// While true, deleting the resource waits and destroys nothing.
    #[serde(default)]
    pub deletion_protection: bool,

    /// While true, nothing is written to Paperspace; the status goes on being read.
    #[serde(default)]
    pub suspend: bool,
}

fn yes() -> bool {
    true
}

/// The power state asked for.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// Kept on.
    #[default]
    Running,
    /// Kept off.
    Stopped,
    /// Started once, then left alone.
    Manual,
}

/// How a change that needs the machine off is applied.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResizePolicy {
    /// At the next stop.
    #[default]
    WhenStopped,
    /// At once.
    StopAndStart,
}

/// When the machine shuts itself down.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoShutdown {
    /// Hours until the machine shuts down. Linux machines do so whether or not someone is connected, Windows machines when idle.
    #[schemars(range(min = 1, max = 168))]
    pub timeout_hours: i32,
    /// Shut down even while a user is connected.
    #[serde(default)]
    pub force: bool,
}

/// Regular snapshots.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoSnapshot {
    /// How often a snapshot is taken.
    pub frequency: SnapshotFrequency,
    /// How many are kept (default: 1); the oldest is replaced.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10))]
    pub keep: i32,
}

fn one() -> i32 {
    1
}

/// How often a snapshot is taken.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotFrequency {
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
}

/// Setting the disk back.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePoint {
    /// When the disk is set back; Paperspace knows only Shutdown.
    #[serde(default)]
    pub frequency: RestoreFrequency,
    /// Snapshot to go back to. Absent: the initial snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9]+$')").message("write the snapshot's id, letters and digits, not its name"))]
    pub snapshot_id: Option<String>,
}

/// When the disk is set back.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreFrequency {
    /// At every shutdown.
    #[default]
    Shutdown,
}

/// Where the API key is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsRef {
    /// Name of a Secret in the resource's namespace.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(r"self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')").message("write the name of a Secret: lower case letters, digits, dashes and dots"))]
    pub name: String,
    /// Key in the Secret's data (default: apiKey).
    #[serde(default = "api_key")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9._-]+$')").message("write a key of the Secret's data: letters, digits, dots, dashes and underscores"))]
    pub key: String,
}

fn api_key() -> String {
    "apiKey".to_owned()
}

/// Which machine is taken over, and how carefully.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// Paperspace's id of the existing machine, such as psvv2ew1gd4s.
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9]+$')").message("write the machine's id, letters and digits such as psvv2ew1gd4s, not its name"))]
    pub machine_id: String,
    /// The mark (12 hex digits at the end of the machine's name) of another resource that may be replaced: the way to bring a restored or
    /// moved resource back to its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12))]
    #[x_kube(validation = Rule::new(r"self.matches('^[0-9a-f]{12}$')").message("write the 12 digits (0-9, a-f) at the end of the machine's name"))]
    pub replace_mark: Option<String>,
    /// Hold (default): nothing is written to Paperspace, power included, until the spec equals the machine; the differences are in
    /// status.drift. Apply: differences are mended at once.
    #[serde(default)]
    pub on_difference: OnDifference,
}

/// What differences between spec and adopted machine lead to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDifference {
    /// Report and wait.
    #[default]
    Hold,
    /// Mend.
    Apply,
}

/// Whether Paperspace is written to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagementPolicy {
    /// Made to match.
    #[default]
    Manage,
    /// Only read.
    Observe,
}

/// What becomes of the machine when the resource goes.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// Destroyed.
    Delete,
    /// Kept.
    Retain,
}
