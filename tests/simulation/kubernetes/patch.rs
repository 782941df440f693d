//! What the body of a PUT or PATCH asks for.

use serde_json::Value;

use super::Request;
use super::errors::Refusal;
use super::routes::Target;

pub(super) enum Write {
    Replace(Value),
    Json(json_patch::Patch),
    Merge(Value),
    Apply { config: Value, force: bool },
}

impl Write {
    pub(super) fn of(request: &Request, target: &Target) -> Result<Self, Refusal> {
        let content_type = request.content_type.as_deref().unwrap_or("application/json");
        match (request.method.as_str(), content_type.split(';').next().unwrap_or_default()) {
            ("PUT", "application/json") => json(&request.body).map(Self::Replace),
            ("PATCH", "application/json-patch+json") => json(&request.body).map(Self::Json),
            ("PATCH", "application/merge-patch+json") => json(&request.body).map(Self::Merge),
            ("PATCH", "application/apply-patch+yaml") => {
                let mut config: Value = json(&request.body)?;
                without_nulls(&mut config);
                if target.param("fieldManager").is_none() {
                    return Err(Refusal::invalid_options("fieldManager", "Required value: is required for apply patch"));
                }
                if config["metadata"].get("managedFields").is_some() {
                    return Err(Refusal::bad_request("metadata.managedFields must be nil"));
                }
                Ok(Self::Apply { config, force: target.flag("force") })
            }
            _ => Err(Refusal::unsupported_media_type(content_type)),
        }
    }

    /// The object that is asked for, where that is no matter of who owns what.
    pub(super) fn from(&self, live: &Value) -> Result<Value, Refusal> {
        match self {
            Self::Replace(object) | Self::Apply { config: object, .. } => Ok(object.clone()),
            Self::Merge(patch) => {
                let mut object = live.clone();
                json_patch::merge(&mut object, patch);
                Ok(object)
            }
            Self::Json(patch) => {
                let mut object = live.clone();
                json_patch::patch(&mut object, patch).map_err(|_| Refusal::patch_failed())?;
                Ok(object)
            }
        }
    }
}

/// The body of a request.
pub(super) fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("the body of the request cannot be read: {error}")))
}

/// Null is absent.
pub(super) fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
