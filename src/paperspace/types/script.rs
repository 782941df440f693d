//! Startup scripts. Their text can be written, never read.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::read::nullable;

/// A startup script without its text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartupScript {
    /// The script's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it runs at all.
    #[serde(default, deserialize_with = "nullable")]
    pub is_enabled: bool,
    /// Whether it runs at the first start only.
    #[serde(default, deserialize_with = "nullable")]
    pub is_run_once: bool,
    /// The machines that run it.
    #[serde(default, deserialize_with = "nullable")]
    pub assigned_machine_ids: Vec<String>,
    /// When it was created, by the API's clock.
    pub dt_created: Timestamp,
    /// Set on a deleted script, where the API still shows one.
    #[serde(default)]
    pub dt_deleted: Option<Timestamp>,
}

/// Body of `POST /startup-scripts`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateStartupScript {
    /// Its name.
    pub name: String,
    /// Its text.
    #[serde(serialize_with = "expose")]
    pub script: SecretString,
    /// Whether it runs at the first start only.
    pub is_run_once: bool,
}

/// Body of `PUT /startup-scripts/{id}`: only what changes is sent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStartupScript {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose_some")]
    pub script: Option<SecretString>,
    /// Whether it runs at the first start only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_run_once: Option<bool>,
    /// Whether it runs at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_enabled: Option<bool>,
}

fn expose<S: Serializer>(text: &SecretString, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(text.expose_secret())
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn expose_some<S: Serializer>(text: &Option<SecretString>, s: S) -> Result<S::Ok, S::Error> {
    text.as_ref().map(ExposeSecret::expose_secret).serialize(s)
}
