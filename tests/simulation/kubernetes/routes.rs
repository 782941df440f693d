//! What is served, and what a path means.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Query;
use axum::http::Uri;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{CompiledSchema, compile_schema};
use serde_json::{Value, json};

use super::{Request, schema};

/// A kind of objects.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) name: String,
    pub(super) namespaced: bool,
    /// A custom resource: has a schema, generations, and no writes without a version.
    pub(super) custom: bool,
    /// The status is written only through its subresource.
    pub(super) status: bool,
    /// Of the whole object; null where there is none.
    pub(super) schema: Value,
    /// Its rules in CEL.
    pub(super) rules: Option<CompiledSchema>,
    /// Those that are not about the spec alone.
    pub(super) rules_of_status: Option<CompiledSchema>,
    /// Paths that field selectors may name, besides name and namespace.
    pub(super) selectable: Vec<String>,
}

/// The kinds of every cluster, as far as they are needed.
pub(super) fn built_in() -> Vec<Kind> {
    let kind = |group: &str, plural: &str, kind: &str, namespaced: bool| Kind {
        group: group.to_owned(),
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        name: kind.to_owned(),
        namespaced,
        custom: false,
        status: false,
        schema: Value::Null,
        rules: None,
        rules_of_status: None,
        selectable: Vec::new(),
    };
    vec![
        kind("", "namespaces", "Namespace", false),
        kind("", "secrets", "Secret", true),
        kind("", "configmaps", "ConfigMap", true),
        kind("events.k8s.io", "events", "Event", true),
        kind("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", false),
    ]
}

fn without_spec(schema: &Value) -> Value {
    let mut schema = schema.clone();
    schema["properties"]["spec"] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    schema
}

/// What is served for a definition. Made once for each: to compile its rules takes as long as a hundred writes.
pub(super) fn known(crd: &CustomResourceDefinition) -> Arc<Kind> {
    static KNOWN: Mutex<Vec<(CustomResourceDefinition, Arc<Kind>)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, kind)) = known.iter().find(|(known, _)| known == crd) {
        return kind.clone();
    }
    let kind = Arc::new(Kind::of_crd(crd));
    known.push((crd.clone(), kind.clone()));
    kind
}

impl Kind {
    fn of_crd(crd: &CustomResourceDefinition) -> Self {
        let spec = &crd.spec;
        let version = spec.versions.iter().find(|v| v.storage).expect("a stored version");
        let own = version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref());
        let own = serde_json::to_value(own).expect("a schema");
        Self {
            group: spec.group.clone(),
            version: version.name.clone(),
            plural: spec.names.plural.clone(),
            name: spec.names.kind.clone(),
            namespaced: spec.scope == "Namespaced",
            custom: true,
            status: version.subresources.as_ref().is_some_and(|s| s.status.is_some()),
            rules: Some(compile_schema(&own)),
            rules_of_status: Some(compile_schema(&without_spec(&own))),
            schema: schema::whole(own),
            selectable: version.selectable_fields.iter().flatten().map(|f| f.json_path.trim_start_matches('.').to_owned()).collect(),
        }
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The resource's name in messages.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The kind's name in messages.
    pub(super) fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.name.clone() } else { format!("{}.{}", self.name, self.group) }
    }

    pub(super) fn details(&self, name: &str) -> Value {
        let mut details = json!({"name": name, "kind": self.plural});
        if !self.group.is_empty() {
            details["group"] = self.group.clone().into();
        }
        details
    }
}

/// What a request is about.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: Arc<Kind>,
    /// Empty for kinds without namespaces, and for all namespaces.
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    /// The subresource, not the object.
    pub(super) status: bool,
    pub(super) metadata_only: bool,
    query: BTreeMap<String, String>,
}

impl Target {
    pub(super) fn find(kinds: &BTreeMap<String, Arc<Kind>>, request: &Request) -> Option<Self> {
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, status) = match rest {
            [plural] => (*plural, None, false),
            [plural, name] => (*plural, Some((*name).to_owned()), false),
            [plural, name, "status"] => (*plural, Some((*name).to_owned()), true),
            _ => return None,
        };
        let kind = kinds.get(plural).filter(|k| k.group == group && k.version == version)?.clone();
        if kind.namespaced && name.is_some() == namespace.is_empty() && name.is_some() || status && !kind.status {
            return None;
        }
        let uri: Uri = format!("/?{}", request.query).parse().ok()?;
        let Query(query) = Query::try_from_uri(&uri).ok()?;
        let metadata_only = request.accept.as_deref().is_some_and(|accept| accept.contains("as=PartialObjectMetadata"));
        Some(Self { kind, namespace: namespace.to_owned(), name, status, metadata_only, query })
    }

    /// A parameter of the query; empty is absent.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.param(name), Some("true" | "1"))
    }

    pub(super) fn watches(&self) -> bool {
        self.flag("watch")
    }

    /// The object's name, where the path has one.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(super) fn key(&self) -> String {
        super::store::key(&self.kind.plural, &self.namespace, self.name())
    }

    /// What the keys of all objects meant begin with.
    pub(super) fn prefix(&self) -> String {
        if self.namespace.is_empty() { format!("{}/", self.kind.plural) } else { format!("{}/{}/", self.kind.plural, self.namespace) }
    }
}
