//! ConfigMaps: what is published in them, and what startup scripts are read from.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::{Resource, ResourceExt};

use super::Error;
use super::credentials::unreachable;
use super::objects::{Objects, Written, within, written};
use crate::crd::{FIELD_MANAGER, PaperspaceMachine};
use crate::lifecycle::observe::ConfigMapLook;

impl Objects {
    fn config_maps(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// A ConfigMap, or nothing if there is none.
    pub(super) async fn read_config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, Error> {
        within("reading a ConfigMap", self.config_maps(namespace).get_opt(name)).await
    }

    /// What is in the ConfigMap of this name, seen from this resource.
    pub(super) async fn config_map(&self, object: &PaperspaceMachine, name: &str) -> ConfigMapLook {
        match self.read_config_map(&object.namespace().unwrap_or_default(), name).await {
            Ok(None) => ConfigMapLook::Absent,
            Ok(Some(map)) if is_ours(&map, object) => ConfigMapLook::Ours { data: map.data.unwrap_or_default() },
            Ok(Some(_)) => ConfigMapLook::Anothers,
            Err(error) => ConfigMapLook::Unknown(unreachable(&error)),
        }
    }

    /// Makes the ConfigMap say exactly this, if there is none or it is the resource's.
    pub(super) async fn write_config_map(
        &self,
        object: &PaperspaceMachine,
        name: &str,
        data: &BTreeMap<String, String>,
    ) -> Result<Written, Error> {
        let namespace = object.namespace().unwrap_or_default();
        let api = self.config_maps(&namespace);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.read_config_map(&namespace, name).await? {
            Some(map) if !is_ours(&map, object) => Ok(Written::Conflict),
            Some(mut map) => {
                map.data = Some(data.clone());
                written(within("writing the connection's ConfigMap", api.replace(name, &params, &map)).await, |_| None)
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(name.to_owned()),
                    // Without `blockOwnerDeletion`, for which some clusters ask for more rights than the operator has.
                    owner_references: Some(
                        object.controller_owner_ref(&()).into_iter().map(|o| OwnerReference { block_owner_deletion: None, ..o }).collect(),
                    ),
                    labels: Some([("app.kubernetes.io/managed-by".to_owned(), FIELD_MANAGER.to_owned())].into()),
                    ..ObjectMeta::default()
                };
                let map = ConfigMap { metadata, data: Some(data.clone()), ..ConfigMap::default() };
                written(within("creating the connection's ConfigMap", api.create(&params, &map)).await, |_| None)
            }
        }
    }

    /// Removes the ConfigMap, if it is the resource's.
    pub(super) async fn delete_config_map(&self, object: &PaperspaceMachine, name: &str) -> Result<Written, Error> {
        let namespace = object.namespace().unwrap_or_default();
        let Some(map) = self.read_config_map(&namespace, name).await?.filter(|map| is_ours(map, object)) else {
            return Ok(Written::As(None));
        };
        let preconditions = Preconditions { uid: map.uid(), resource_version: map.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        written(within("removing the connection's ConfigMap", self.config_maps(&namespace).delete(name, &params)).await, |_| None)
    }
}

/// Whether the resource owns the ConfigMap: by uid, so that a new object of the same name does not.
fn is_ours(map: &ConfigMap, object: &PaperspaceMachine) -> bool {
    let uid = object.uid().unwrap_or_default();
    map.owner_references().iter().any(|owner| owner.uid == uid && owner.kind == PaperspaceMachine::kind(&()))
}
