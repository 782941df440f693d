//! Which key a resource has: its own Secret's, or the operator's where that may be used.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use kube::runtime::reflector::{ObjectRef, Store};
use secrecy::SecretString;

use super::objects::Objects;
use crate::crd::names::{USE_CREDENTIALS, USE_LABEL};
use crate::crd::{CredentialsRef, PaperspaceMachine};
use crate::lifecycle::observe::Access;
use crate::paperspace;
use crate::selector;

/// Who may use the operator's own key.
#[derive(Debug)]
pub(super) enum Allowed {
    /// Every namespace.
    All,
    /// These.
    Names(Vec<String>),
    /// Those with these labels.
    Labels(Selector),
}

impl Allowed {
    /// From the flag: `*`, names separated by commas, or a label selector.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::All);
        }
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        let wrong = || {
            format!(
                "--default-key-namespaces {text:?}: allowed are *, namespaces separated by commas, or a label selector such as team=ml,tier!=dev"
            )
        };
        if parts.is_empty() {
            return Err(wrong());
        }
        if !text.contains('=') {
            let valid = |p: &&str| p.len() <= 63 && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            return if parts.iter().all(valid) { Ok(Self::Names(parts.into_iter().map(str::to_owned).collect())) } else { Err(wrong()) };
        }
        selector::parse(text).map(Self::Labels).map_err(|_| wrong())
    }
}

/// The operator's own key: from a file that is read again when it changes, or from the environment.
pub(super) struct OwnKey {
    file: Option<PathBuf>,
    environment: Option<SecretString>,
    read: Mutex<Option<(SystemTime, Option<SecretString>)>>,
}

impl OwnKey {
    /// The file goes before the environment.
    pub(super) fn new(file: Option<PathBuf>, environment: Option<SecretString>) -> Self {
        Self { file, environment, read: Mutex::default() }
    }

    /// Whether it can change while the process runs.
    pub(super) fn may_change(&self) -> bool {
        self.file.is_some()
    }

    /// The key as it is now.
    pub(super) fn get(&self) -> Option<SecretString> {
        let Some(file) = &self.file else { return self.environment.clone() };
        // A mounted Secret is a link to a new file after each change.
        let modified = std::fs::metadata(file).and_then(|m| m.modified()).ok()?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = read.as_ref().filter(|(at, _)| *at == modified) {
            return key.clone();
        }
        let key = match std::fs::read_to_string(file) {
            Ok(text) => Some(text.trim().to_owned()).filter(|t| !t.is_empty()).map(SecretString::from),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the API key file cannot be read");
                None
            }
        };
        *read = Some((modified, key.clone()));
        key
    }
}

/// Where keys come from.
pub(super) struct Credentials {
    objects: Objects,
    own: OwnKey,
    allowed: Allowed,
    secrets: LabelledSecrets,
}

/// The Secrets that are labelled for use, by watched namespace (`None`: all).
#[derive(Clone, Default)]
pub(super) struct LabelledSecrets(Arc<RwLock<HashMap<Option<String>, Store<Secret>>>>);

impl LabelledSecrets {
    /// Those of a watched namespace.
    pub(super) fn watch(&self, namespace: Option<String>, store: Store<Secret>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(namespace, store);
    }

    /// The Secret of this name, if its label allows this use.
    pub(super) fn get(&self, namespace: &str, name: &str, purpose: &str) -> Option<Arc<Secret>> {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let store = secrets.get(&Some(namespace.to_owned())).or_else(|| secrets.get(&None))?;
        store.get(&ObjectRef::new(name).within(namespace)).filter(|secret| secret.labels().get(USE_LABEL).is_some_and(|l| l == purpose))
    }
}

impl Credentials {
    /// From these.
    pub(super) fn new(objects: Objects, own: OwnKey, allowed: Allowed, secrets: LabelledSecrets) -> Self {
        Self { objects, own, allowed, secrets }
    }

    /// The operator's own key.
    pub(super) fn own(&self) -> Option<SecretString> {
        self.own.get()
    }

    /// Whether the operator's own key can change while the process runs.
    pub(super) fn own_may_change(&self) -> bool {
        self.own.may_change()
    }

    /// The key that the resource says.
    pub(super) async fn key_of(&self, object: &PaperspaceMachine) -> Result<SecretString, Access> {
        let namespace = object.namespace().unwrap_or_default();
        match &object.spec.credentials_ref {
            Some(reference) => self.secret_key(&namespace, reference).await,
            None => self.default_for(&namespace).await,
        }
    }

    async fn secret_key(&self, namespace: &str, reference: &CredentialsRef) -> Result<SecretString, Access> {
        let CredentialsRef { name, key } = reference;
        if let Some(secret) = self.secrets.get(namespace, name, USE_CREDENTIALS) {
            let value = secret.data.as_ref().and_then(|d| d.get(key)).and_then(|v| String::from_utf8(v.0.clone()).ok());
            let value = value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
            return value.map(SecretString::from).ok_or_else(|| Access::Missing(format!("Secret {namespace}/{name} has no usable value under the key {key:?}: put the API key there, or name another key in spec.credentialsRef.key")));
        }
        match self.objects.secret_labels(namespace, name).await {
            Ok(None) => Err(Access::Missing(format!(
                "Secret {namespace}/{name} is not there: kubectl create secret generic {name} -n {namespace} --from-literal={key}=<API key>, then kubectl label secret {name} -n {namespace} {USE_LABEL}={USE_CREDENTIALS}"
            ))),
            Ok(Some(labels)) if labels.iter().any(|(k, v)| k == USE_LABEL && v == USE_CREDENTIALS) => {
                Err(Access::Missing(format!("Secret {namespace}/{name} is being read")))
            }
            Ok(Some(_)) => Err(Access::NotLabelled(format!(
                "Secret {namespace}/{name} is not labelled for use by the operator: kubectl label secret {name} -n {namespace} {USE_LABEL}={USE_CREDENTIALS}"
            ))),
            Err(error) => Err(Access::Unknown(unreachable(&error))),
        }
    }

    async fn default_for(&self, namespace: &str) -> Result<SecretString, Access> {
        let allowed = match &self.allowed {
            Allowed::All => true,
            Allowed::Names(names) => names.iter().any(|n| n == namespace),
            Allowed::Labels(selector) => {
                let labels: BTreeMap<String, String> =
                    self.objects.namespace_labels(namespace).await.map_err(|e| Access::Unknown(unreachable(&e)))?;
                selector.matches(&labels)
            }
        };
        if !allowed {
            return Err(Access::NotAllowed(format!(
                "the operator's own API key may not be used in namespace {namespace}: set spec.credentialsRef to a Secret with a key of your own"
            )));
        }
        self.own().ok_or_else(|| {
            Access::Missing(
                "there is no API key: set spec.credentialsRef to a Secret with one, or give the operator a key of its own".to_owned(),
            )
        })
    }
}

/// Kubernetes did not answer a question, or did not do what was asked: nothing is concluded from that.
pub(super) fn unreachable(error: &super::Error) -> paperspace::Error {
    let hint = if error.is_forbidden() {
        ". The operator's ServiceAccount lacks that right: see the roles that it was installed with"
    } else {
        ""
    };
    paperspace::Error::Kubernetes { message: format!("{error}{hint}") }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn labels(text: &str) -> BTreeMap<String, String> {
        text.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn who_may_use_the_operators_key_is_said_by_star_names_or_labels() {
        assert!(matches!(Allowed::parse("*"), Ok(Allowed::All)));
        assert!(matches!(Allowed::parse("ml, web"), Ok(Allowed::Names(n)) if n == ["ml", "web"]));
        let Ok(Allowed::Labels(selector)) = Allowed::parse("team=ml,tier!=dev") else { panic!("no selector") };
        assert!(selector.matches(&labels("team=ml")));
        assert!(selector.matches(&labels("team=ml,tier=prod")));
        assert!(!selector.matches(&labels("team=ml,tier=dev")));
        assert!(!selector.matches(&labels("tier=prod")));
    }

    #[test]
    fn nonsense_is_refused_with_the_flag_the_value_and_what_is_allowed() {
        for text in ["", ",", "UPPER", "a b", "=x"] {
            let message = Allowed::parse(text).unwrap_err();
            assert!(message.contains("--default-key-namespaces") && message.contains(text) && message.contains("allowed"), "{message}");
        }
    }

    #[test]
    fn the_key_file_is_read_again_when_it_changes_and_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("apiKey");
        let own = OwnKey::new(Some(file.clone()), Some(SecretString::from("environment")));
        let shown = || own.get().map(|k| k.expose_secret().to_owned());
        assert_eq!(shown(), None, "the file goes before the environment, also while it is not there");
        let write = |text: &str, at: u64| {
            std::fs::write(&file, text).unwrap();
            let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at);
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        };
        write("first\n", 1000);
        assert_eq!(shown().as_deref(), Some("first"));
        write("second", 2000);
        assert_eq!(shown().as_deref(), Some("second"));
        write(" \n", 3000);
        assert_eq!(shown(), None, "an empty file is no key");
    }
}
