//! Copies of a machine's disk.

use serde::Deserialize;

use super::read::nullable;

/// A snapshot. The API says neither its date nor its size.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The snapshot's id.
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The machine that it is of.
    #[serde(default, deserialize_with = "nullable")]
    pub machine_id: String,
    /// Taken by schedule.
    #[serde(default, deserialize_with = "nullable")]
    pub is_auto_snapshot: bool,
}
