//! A resource as a manifest: without what is there by itself.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::PaperspaceMachine;

/// The resource as YAML that begins with `---`, without the fields whose values are the schema's defaults.
pub fn manifest(object: &PaperspaceMachine) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut value = serde_json::to_value(object)?;
    let crd = super::crd();
    let schema = crd.spec.versions.iter().find_map(|v| v.schema.as_ref()?.open_api_v3_schema.as_ref());
    if let Some(schema) = schema {
        drop_defaults(&mut value, schema);
    }
    Ok(format!("---\n{}", serde_saphyr::to_string(&value)?))
}

fn drop_defaults(value: &mut Value, schema: &JSONSchemaProps) {
    let (Value::Object(fields), Some(properties)) = (value, &schema.properties) else { return };
    for (name, schema) in properties {
        if let Some(field) = fields.get_mut(name) {
            drop_defaults(field, schema);
            if schema.default.as_ref().is_some_and(|default| default.0 == *field) {
                fields.remove(name);
            }
        }
    }
}
