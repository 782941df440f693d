//! What goes with a machine: its template by name, its address, its startup script, its people, and where its connection is published.

#![allow(unreachable_pub, reason = "the derive of KubeSchema wraps a copy of each struct in a private module")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The template by name: exactly one of both.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.osLabel) != has(self.customName)").message("write exactly one of osLabel (one of Paperspace's own templates) and customName (one of the team's)"))]
pub struct TemplateName {
    /// Label of an operating system for which Paperspace has exactly one template, such as Ubuntu 22.04.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("write the label of an operating system, such as Ubuntu 22.04"))]
    pub os_label: Option<String>,
    /// Name of a custom template of the team, in the machine's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("write the name of a custom template"))]
    pub custom_name: Option<String>,
}

/// A script that runs when the machine starts: exactly one of scriptId, inline, configMapKeyRef and secretKeyRef. A script that is not named
/// by id is created on Paperspace, kept up to date, and removed with the resource.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.scriptId), has(self.inline), has(self.configMapKeyRef), has(self.secretKeyRef)].filter(there, there).size() == 1")
        .message("write exactly one of scriptId, inline, configMapKeyRef and secretKeyRef"),
    validation = Rule::new("!has(self.scriptId) || !self.runOnce")
        .message("runOnce is a property of the script that scriptId names: leave it out, or change it on Paperspace").field_path(".runOnce")
)]
pub struct StartupScript {
    /// Id of a startup script that exists on Paperspace. It is assigned to the machine, and neither changed nor removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9]+$')").message("write the startup script's id, letters and digits, not its name"))]
    pub script_id: Option<String>,
    /// The script itself, at most 16384 characters. Whoever may read the resource reads it too: what is secret belongs into a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("write the script, or leave inline out"))]
    pub inline: Option<String>,
    /// A ConfigMap in the resource's namespace that holds the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A Secret in the resource's namespace that holds the script. It must carry the label paperspace-operator.dev/use: script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// Run it at the machine's first start only. Not with scriptId.
    #[serde(default)]
    pub run_once: bool,
}

/// A key of a ConfigMap or Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object, in the resource's namespace.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(r"self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')").message("write the name of a ConfigMap or Secret: lower case letters, digits, dashes and dots"))]
    pub name: String,
    /// Key in its data.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z0-9._-]+$')").message("write a key of the object's data: letters, digits, dots, dashes and underscores"))]
    pub key: String,
}

/// Members of the team who may use the machine.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accessors {
    /// Their ids on Paperspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(id, id.matches('^[A-Za-z0-9]+$'))").message("write users' ids, letters and digits such as ur7p0nb7n, or their addresses in emails"))]
    pub user_ids: Vec<String>,
    /// Their e-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 254)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(address, address.matches('^[^@ ]+@[^@ ]+$'))").message("write e-mail addresses, such as ann@example.com"))]
    pub emails: Vec<String>,
    /// Take the machine away from everybody else. Without it, people whom somebody else added are reported in status.drift and left alone.
    #[serde(default)]
    pub exact: bool,
}

/// Where to publish how the machine is reached.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteConnectionTo {
    /// Name of a ConfigMap in the resource's namespace. It is created, kept up to date and removed with the resource; one that exists and is
    /// not the resource's is left alone. Keys: host, privateIp, user, machineId.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(r"self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')").message("write the name of a ConfigMap: lower case letters, digits, dashes and dots"))]
    pub config_map_name: String,
}

/// How the machine is reached from outside.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'Static' || !has(self.reclaimPolicy)").message("reclaimPolicy is for static addresses: set type: Static, or leave reclaimPolicy out").field_path(".reclaimPolicy"),
    validation = Rule::new("self.type == 'Static' || !has(self.address)").message("address is for static addresses: set type: Static, or leave address out").field_path(".address")
)]
pub struct PublicIpSpec {
    /// None: no public address. Dynamic: a new one at each start. Static: one that stays.
    #[serde(rename = "type")]
    pub kind: PublicIpKind,
    /// A static IPv4 address that the team owns already, in the machine's region and free. It is given to the machine, and never released.
    /// Absent: Paperspace allocates one. Only with type Static.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    #[x_kube(validation = Rule::new(r"self.matches('^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$')").message("write an IPv4 address, such as 203.0.113.7"))]
    pub address: Option<String>,
    /// What becomes of a static address that the operator allocated when it is no longer needed. Absent: Release. Only with type Static.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReclaimPolicy")]
    pub reclaim_policy: Option<ReclaimPolicy>,
}

/// The kinds of public address.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicIpKind {
    /// No public address.
    None,
    /// A new one at each start.
    Dynamic,
    /// One that stays, also while the machine is off.
    Static,
}

/// What becomes of an allocated address.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReclaimPolicy {
    /// Given back to Paperspace.
    Release,
    /// Kept by the team, which goes on paying for it.
    Retain,
}
