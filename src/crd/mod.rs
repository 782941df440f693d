//! The Kubernetes API of the operator: the `PaperspaceMachine` resource, its schema and its CEL rules. No behaviour.
//!
//! [`crd`] is the one source of `crds/`; a test fails when the two differ.

pub mod conditions;
pub mod names;
pub mod reason;
pub mod spec;
pub mod status;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

pub use names::{ADDRESS_OF_MACHINE, FIELD_MANAGER, FINALIZER, RECONCILE_REQUESTED, RESTART_REQUESTED};
pub use spec::*;
pub use status::*;

/// The name of the CRD.
pub const CRD_NAME: &str = "paperspacemachines.paperspace-operator.dev";

/// The CRD, ready to apply: derived from the Rust types, then made what the derive cannot say.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = PaperspaceMachine::crd();
    // Leaving the group out of a Helm, Argo CD or Flux clean-up: a CRD that goes takes every resource with it.
    crd.metadata.annotations = Some(
        [
            ("helm.sh/resource-policy", "keep"),
            ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false"),
            ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    );
    for version in &mut crd.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            each_schema(root, &mut tidy);
            if let Some(status) = root.properties.as_mut().and_then(|p| p.get_mut("status")) {
                // kstatus reads a missing observedGeneration as current: a new object would count as done before it was seen.
                status.default = Some(k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSON(
                    serde_json::json!({"observedGeneration": -1}),
                ));
            }
        }
    }
    crd
}

/// Optional fields are derived as nullable, where null is kept and means something else than absent; here null is absent.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    // Rust's unsigned widths are no formats that Kubernetes knows.
    if schema.format.as_deref().is_some_and(|f| f.starts_with("uint")) {
        schema.format = Some(if schema.format.as_deref() == Some("uint64") { "int64" } else { "int32" }.to_owned());
    }
}

fn each_schema(schema: &mut JSONSchemaProps, act: &mut impl FnMut(&mut JSONSchemaProps)) {
    act(schema);
    for child in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        each_schema(child, act);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        each_schema(items, act);
    }
}
