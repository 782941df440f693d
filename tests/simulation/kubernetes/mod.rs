//! A Kubernetes API in memory, for the simulation: a state machine that is given the time with every call, without IO, clock or chance.
//!
//! It answers what the operator and its users ask, as the real server does: `kubernetes_suite` holds both to the same behaviours. What it
//! does not know it refuses or leaves out. Not evaluated: formats, patterns. Not there: dry runs, strategic merge patches, deletion of
//! collections, garbage collection by owner.
//!
//! | file | what |
//! |---|---|
//! | `routes` | which kind, object and subresource a path means |
//! | `reads`, `watch` | GET, LIST with paging; WATCH |
//! | `create`, `update`, `delete` | the writes, and what the server itself does to an object with each |
//! | `patch` | from the body of a PUT or PATCH to the object that is asked for |
//! | `apply`, `fieldset`, `merge` | who owns which field: server-side apply |
//! | `schema` | the schema of a custom resource: pruning, defaults, faults |
//! | `check` | all that an object is refused for |
//! | `selectors` | label and field selectors |
//! | `store` | objects, versions, history |
//! | `controllers` | what other controllers of a cluster do: the end of namespaces and of resource definitions |
//! | `errors` | the Status of a refusal |
//! | `http` | a `kube::Client` over it |

#![allow(dead_code, reason = "several test binaries use it, none uses all of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod apply;
mod check;
mod controllers;
mod create;
mod delete;
mod errors;
mod fieldset;
mod http;
mod merge;
mod patch;
mod reads;
mod routes;
mod schema;
mod selectors;
mod store;
mod update;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::channel::mpsc::UnboundedReceiver;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use check::Rules;
use errors::{Outcome, Refusal};
#[allow(unused_imports, reason = "see above")]
pub(crate) use http::client;
use routes::{Kind, Target};
use store::{Store, Stored};

/// A request, as far as the API looks at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Upper case.
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// What follows the question mark, still encoded.
    pub(crate) query: String,
    pub(crate) content_type: Option<String>,
    pub(crate) accept: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An answer, in JSON.
    Answer { status: u16, body: Vec<u8> },
    /// A watch: each item is one line. It ends when the API drops the other end.
    Watch(UnboundedReceiver<Vec<u8>>),
}

/// The API with everything that is stored in it.
#[derive(Debug)]
pub(crate) struct Kubernetes {
    store: Store,
    /// By plural.
    kinds: BTreeMap<String, Arc<Kind>>,
    rules: Rules,
    seed: u64,
    uids: u64,
}

impl Kubernetes {
    /// An empty cluster with the namespace `default`. Uids are made from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let kinds = routes::built_in().into_iter().map(|kind| (kind.plural.clone(), Arc::new(kind))).collect();
        let mut new = Self { store: Store::default(), kinds, rules: Rules::All, seed, uids: 0 };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}).to_string();
        let request = Request {
            method: "POST".to_owned(),
            path: "/api/v1/namespaces".to_owned(),
            body: namespace.into_bytes(),
            ..Request::default()
        };
        new.handle(Timestamp::UNIX_EPOCH, &request);
        new
    }

    /// Serves this custom resource, at once.
    pub(crate) fn install(&mut self, crd: &CustomResourceDefinition) {
        let kind = routes::known(crd);
        self.kinds.insert(kind.plural.clone(), kind);
        let mut object = serde_json::to_value(crd).expect("a definition");
        object["apiVersion"] = "apiextensions.k8s.io/v1".into();
        object["kind"] = "CustomResourceDefinition".into();
        object["status"] = json!({"conditions": [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"},
        ]});
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        object["metadata"]["uid"] = self.uid().into();
        let stored = Stored { object, managers: apply::Managers::default(), reads_otherwise: false };
        self.store.put(store::key(controllers::DEFINITIONS, "", &name), stored);
    }

    /// Leaves the rules in CEL out from now on: to evaluate them takes longer than all the rest of a write.
    pub(crate) fn leave_rules_out(&mut self) {
        self.rules = Rules::None;
    }

    /// Answers one request.
    pub(crate) fn handle(&mut self, now: Timestamp, request: &Request) -> Reply {
        let reply = self.answer(now, request);
        self.run_controllers(now);
        reply.unwrap_or_else(Refusal::reply)
    }

    fn answer(&mut self, now: Timestamp, request: &Request) -> Result<Reply, Refusal> {
        let target = Target::find(&self.kinds, request).ok_or_else(Refusal::no_route)?;
        let shape = |(status, body): (u16, Value)| {
            let body = if target.metadata_only { reads::metadata_only(body) } else { body };
            Reply::Answer { status, body: body.to_string().into_bytes() }
        };
        let outcome: Outcome = match (request.method.as_str(), &target.name) {
            ("GET", None) if target.watches() => return self.watch(&target).map(Reply::Watch),
            ("GET", None) => self.list(&target),
            ("GET", Some(_)) => self.get(&target),
            ("POST", None) => self.create(now, &target, request),
            ("PUT" | "PATCH", Some(_)) => self.update(now, &target, request),
            ("DELETE", Some(_)) => self.delete(now, &target, request),
            _ => Err(Refusal::method_not_allowed()),
        };
        outcome.map(shape)
    }

    /// The object as it is stored.
    pub(crate) fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.store.get(&store::key(resource, namespace, name)).map(|stored| stored.object.clone())
    }

    /// The same without a copy.
    pub(crate) fn view(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.store.get(&store::key(resource, namespace, name)).map(|stored| &stored.object)
    }

    /// All objects of a resource, such as "events".
    pub(crate) fn all(&self, resource: &str) -> Vec<Value> {
        self.store.below(&format!("{resource}/")).map(|(_, stored)| stored.object.clone()).collect()
    }

    /// Every open watch ends.
    pub(crate) fn break_watches(&mut self) {
        self.store.watches.end("");
    }

    /// Versions before the present one are forgotten: open watches are told so and end, and what asks for an older one gets 410.
    pub(crate) fn compact(&mut self) {
        self.store.compact();
    }

    /// Tells watches that allow it which version they have reached.
    pub(crate) fn bookmark(&mut self) {
        let version = self.store.version();
        self.store.watches.bookmark(version);
    }

    /// A new uid: in the form of a random UUID, and different in its first twelve digits from all others of this cluster.
    fn uid(&mut self) -> String {
        self.uids += 1;
        let (high, low) = (mixed(self.seed ^ mixed(self.uids)), mixed(self.seed.wrapping_add(self.uids << 32)));
        let digits = format!("{high:016x}{low:016x}");
        format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
    }
}

/// SplitMix64's way from a counter to well-mixed bits.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A time as Kubernetes writes it.
fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
