//! The texts of startup scripts: in the resource itself, in a ConfigMap, or in a labelled Secret.

use kube::ResourceExt;

use super::credentials::{LabelledSecrets, unreachable};
use super::objects::Objects;
use crate::crd::names::{USE_LABEL, USE_SCRIPT};
use crate::crd::{KeyRef, PaperspaceMachine, ScriptSource};
use crate::lifecycle::observe::SourceLook;
use crate::lifecycle::script_text::ScriptText;
use crate::paperspace;

/// Where startup scripts come from.
pub(super) struct Sources {
    objects: Objects,
    secrets: LabelledSecrets,
}

impl Sources {
    /// Read through these.
    pub(super) fn new(objects: Objects, secrets: LabelledSecrets) -> Self {
        Self { objects, secrets }
    }

    /// The text that the resource's startup script has now.
    pub(super) async fn text_of(&self, object: &PaperspaceMachine) -> SourceLook {
        let namespace = object.namespace().unwrap_or_default();
        let Some(script) = &object.spec.startup_script else { return SourceLook::Missing("there is no startup script".to_owned()) };
        if let Some(text) = &script.inline {
            let source = ScriptSource { kind: "PaperspaceMachine".to_owned(), uid: object.uid(), resource_version: None };
            return SourceLook::Text { source, text: ScriptText::new(text.as_str()) };
        }
        if let Some(reference) = &script.config_map_key_ref {
            return self.config_map(&namespace, reference).await;
        }
        match &script.secret_key_ref {
            Some(reference) => self.secret(&namespace, reference).await,
            None => SourceLook::Missing("the startup script is named by its id".to_owned()),
        }
    }

    async fn config_map(&self, namespace: &str, KeyRef { name, key }: &KeyRef) -> SourceLook {
        let map = match self.objects.read_config_map(namespace, name).await {
            Ok(Some(map)) => map,
            Ok(None) => {
                return SourceLook::Missing(format!(
                    "ConfigMap {namespace}/{name} with the startup script is not there: kubectl create configmap {name} -n {namespace} --from-file={key}=<file>"
                ));
            }
            Err(error) => return SourceLook::Unknown(unreachable(&error)),
        };
        let source = ScriptSource { kind: "ConfigMap".to_owned(), uid: map.uid(), resource_version: map.resource_version() };
        match map.data.as_ref().and_then(|data| data.get(key)).filter(|text| !text.is_empty()) {
            Some(text) => SourceLook::Text { source, text: ScriptText::new(text.as_str()) },
            None => SourceLook::Missing(no_key("ConfigMap", namespace, name, key)),
        }
    }

    async fn secret(&self, namespace: &str, KeyRef { name, key }: &KeyRef) -> SourceLook {
        if let Some(secret) = self.secrets.get(namespace, name, USE_SCRIPT) {
            let source = ScriptSource { kind: "Secret".to_owned(), uid: secret.uid(), resource_version: secret.resource_version() };
            let value = secret.data.as_ref().and_then(|d| d.get(key)).and_then(|v| String::from_utf8(v.0.clone()).ok());
            return match value.filter(|text| !text.is_empty()) {
                Some(text) => SourceLook::Text { source, text: ScriptText::new(text) },
                None => SourceLook::Missing(no_key("Secret", namespace, name, key)),
            };
        }
        match self.objects.secret_labels(namespace, name).await {
            Ok(None) => SourceLook::Missing(format!(
                "Secret {namespace}/{name} with the startup script is not there: kubectl create secret generic {name} -n {namespace} --from-file={key}=<file>, then kubectl label secret {name} -n {namespace} {USE_LABEL}={USE_SCRIPT}"
            )),
            Ok(Some(labels)) if labels.iter().any(|(k, v)| k == USE_LABEL && v == USE_SCRIPT) => {
                // Labelled just now, or this process has not listed the Secrets yet: nothing follows from that.
                SourceLook::Unknown(paperspace::Error::Kubernetes { message: format!("Secret {namespace}/{name} is being read") })
            }
            Ok(Some(_)) => SourceLook::NotLabelled(format!(
                "Secret {namespace}/{name} is not labelled for use as a startup script: kubectl label secret {name} -n {namespace} {USE_LABEL}={USE_SCRIPT}"
            )),
            Err(error) => SourceLook::Unknown(unreachable(&error)),
        }
    }
}

fn no_key(kind: &str, namespace: &str, name: &str, key: &str) -> String {
    format!(
        "{kind} {namespace}/{name} has no text under the key {key:?}: put the startup script there, or name another key in spec.startupScript"
    )
}
