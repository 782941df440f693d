//! Networks and addresses.

use jiff::Timestamp;
use serde::Deserialize;

use super::read::nullable;

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

/// A network of the team's own, in one region.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivateNetwork {
    /// The network's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its address, `10.1.2.0`.
    #[serde(default, deserialize_with = "nullable")]
    pub network: String,
    /// Its mask, `255.255.255.0`.
    #[serde(default, deserialize_with = "nullable")]
    pub netmask: String,
    /// Set on a deleted network, where the API still shows one.
    #[serde(default)]
    pub dt_deleted: Option<Timestamp>,
}
