//! What machines are made from.

use jiff::Timestamp;
use serde::Deserialize;

use super::read::{nullable, optional_number};

/// One of Paperspace's own templates.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OsTemplate {
    /// The template's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `LinuxHeadless`, `LinuxDesktop`, `WindowsDesktop`.
    #[serde(default, deserialize_with = "nullable")]
    pub agent_type: String,
    /// The operating system, as machines show it.
    #[serde(default, deserialize_with = "nullable")]
    pub operating_system_label: String,
    /// GB.
    #[serde(default, deserialize_with = "optional_number")]
    pub default_size_gb: Option<f64>,
    /// What machines it can be used for.
    #[serde(default, deserialize_with = "nullable")]
    pub available_machine_types: Vec<AvailableMachineType>,
}

/// A machine type of a template.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailableMachineType {
    /// A label such as `A4000`.
    pub machine_type_label: String,
    /// Whether it can be had now.
    #[serde(default, deserialize_with = "nullable")]
    pub is_available: bool,
}

/// A template that the team made from a machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomTemplate {
    /// The template's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `LinuxHeadless`, `LinuxDesktop`, `WindowsDesktop`.
    #[serde(default, deserialize_with = "nullable")]
    pub agent_type: String,
    /// The operating system, as machines show it.
    #[serde(default, deserialize_with = "nullable")]
    pub operating_system_label: String,
    /// The only region that it can be used in.
    pub region: String,
    /// GB.
    #[serde(default, deserialize_with = "optional_number")]
    pub default_size_gb: Option<f64>,
    /// What machines it can be used for.
    #[serde(default, deserialize_with = "nullable")]
    pub available_machine_types: Vec<AvailableMachineType>,
    /// The machine that it was made from.
    #[serde(default)]
    pub parent_machine_id: Option<String>,
    /// Set on a deleted template, where the API still shows one.
    #[serde(default)]
    pub dt_deleted: Option<Timestamp>,
}
