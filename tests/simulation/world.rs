//! One run: a cluster, an account, a clock that nobody waits for, and the operators between them.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use paperspace_operator::args::RunArgs;
use paperspace_operator::simulator::{self, KeySpec, Simulator};
use serde_json::{Value, json};

use super::book::Book;
use super::faults::{Fate, Plan};
use super::gate::Gate;
use super::kubernetes::{self, Kubernetes};
use super::planted::{Mistake, Planted};
use super::process::{self, Process};
use super::wire::Call;

/// The operator's own key.
pub(crate) const KEY: &str = "own-key-of-te1";
/// Its team.
pub(crate) const TEAM: &str = "te1";
/// A key of another team, and one of a member of the first.
pub(crate) const OTHERS: [&str; 3] = ["second-key-of-te1=te1", "key-of-te2=te2", "member-of-te1=te1:member"];

/// Deriving it takes as long as a short run.
static CRD: LazyLock<CustomResourceDefinition> = LazyLock::new(paperspace_operator::crd::crd);

/// Everything but the operators.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) flags: RunArgs,
    pub(crate) gate: Gate,
    /// Every life of an operator so far.
    pub(crate) lives: Mutex<Vec<Arc<Process>>>,
    epoch: Timestamp,
    kubernetes: Arc<Mutex<Kubernetes>>,
    paperspace: Mutex<Simulator>,
    plan: Mutex<(Plan, u64)>,
    planted: Option<Planted>,
    history: Mutex<Vec<String>>,
    book: Mutex<Book>,
    /// When something was last changed by an operator, in milliseconds.
    changed: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world that a seed decides, with a mistake planted in the operator, or none.
    pub(crate) fn new(seed: u64, mistake: Option<Mistake>, flags: &[&str]) -> Arc<Self> {
        // kube's back-off takes its jitter from this thread's.
        fastrand::seed(seed);
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let own = format!("{KEY}={TEAM}");
        let keys: Vec<KeySpec> = OTHERS.iter().chain([&own.as_str()]).map(|key| key.parse().expect("a key")).collect();
        let mut kubernetes = Kubernetes::new(seed);
        kubernetes.install(&CRD);
        // Nothing here is written against them, and they cost half of the time.
        kubernetes.leave_rules_out();
        Arc::new(Self {
            seed,
            flags: process::flags(flags),
            gate: Gate::new(seed),
            lives: Mutex::default(),
            epoch,
            kubernetes: Arc::new(Mutex::new(kubernetes)),
            paperspace: Mutex::new(Simulator::new(epoch, seed, 1.0, &keys)),
            plan: Mutex::new((Plan::Calm, 0)),
            planted: mistake.map(Planted::new),
            history: Mutex::default(),
            book: Mutex::default(),
            changed: Mutex::default(),
        })
    }

    /// The true time.
    pub(crate) fn now(&self) -> Timestamp {
        self.epoch + SignedDuration::from_millis(i64::try_from(self.gate.now()).unwrap_or(i64::MAX))
    }

    pub(crate) fn kubernetes(&self) -> MutexGuard<'_, Kubernetes> {
        lock(&self.kubernetes)
    }

    pub(crate) fn paperspace(&self) -> MutexGuard<'_, Simulator> {
        lock(&self.paperspace)
    }

    /// A client without faults or delays, for users.
    pub(crate) fn client(self: &Arc<Self>) -> kube::Client {
        let world = self.clone();
        kubernetes::client(self.kubernetes.clone(), Arc::new(move || world.now()))
    }

    /// From now on calls go wrong as the plan says.
    pub(crate) fn plan(&self, plan: Plan) {
        *lock(&self.plan) = (plan, self.gate.served());
    }

    /// How many calls the operators have made since the plan was made.
    pub(crate) fn calls_of_plan(&self) -> u64 {
        self.gate.served() - lock(&self.plan).1
    }

    /// What becomes of an operator's call, which is the one of this number.
    pub(crate) fn fate(&self, number: u64, call: &Call) -> Fate {
        let plan = lock(&self.plan);
        plan.0.fate(self.seed, number - plan.1, call)
    }

    /// Paperspace's answer, as an operator with the planted mistake understands it.
    pub(crate) fn ask_paperspace(&self, request: &simulator::Request) -> simulator::Reply {
        let reply = self.paperspace().handle(self.now(), request);
        match &self.planted {
            Some(planted) => planted.paperspace(request, reply),
            None => reply,
        }
    }

    /// The same of Kubernetes.
    pub(crate) fn ask_kubernetes(&self, life: u64, request: kubernetes::Request) -> kubernetes::Reply {
        let Some(planted) = &self.planted else {
            let reply = self.kubernetes().handle(self.now(), &request);
            self.look_at_health(&request);
            return reply;
        };
        let reads = request.method == "GET" && request.path.contains("/paperspacemachines/");
        let reply = self.kubernetes().handle(self.now(), &planted.request(request));
        if reads { planted.read(life, reply) } else { reply }
    }

    /// What tools of GitOps say of a resource that an operator wrote has to be right, in every run.
    fn look_at_health(&self, request: &kubernetes::Request) {
        let written = (request.method != "GET").then(|| request.path.split_once("/paperspacemachines/")).flatten();
        let Some((_, name)) = written else { return };
        let name = name.trim_end_matches("/status");
        let wrong = self.kubernetes().view("paperspacemachines", super::user::NAMESPACE, name).and_then(super::health::look);
        self.book().unhealthy.extend(wrong);
    }

    /// Writes an operator's call down.
    pub(crate) fn tell(&self, process: &Process, call: &Call, what: &str) {
        if call.writes() && !call.path.contains("/events") {
            *lock(&self.changed) = self.gate.now();
        }
        let Call { api, method, path, query } = call;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        self.note(&format!("{}: {api} {method} {path}{query}: {what}", process.name));
    }

    /// Writes down what happens.
    pub(crate) fn note(&self, what: &str) {
        lock(&self.history).push(format!("{:>10} {what}", self.gate.now()));
    }

    pub(crate) fn history(&self) -> Vec<String> {
        lock(&self.history).clone()
    }

    /// For how long no operator has changed anything.
    pub(crate) fn quiet_for(&self) -> Duration {
        Duration::from_millis(self.gate.now().saturating_sub(*lock(&self.changed)))
    }

    /// Calls `/_sim/…`: behind everybody's back.
    pub(crate) fn sim(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = simulator::Request {
            method: method.to_owned(),
            path: format!("/_sim/{path}"),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            ..simulator::Request::default()
        };
        match self.paperspace().handle(self.now(), &request) {
            simulator::Reply::Json { status: 200, body, .. } => body,
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    /// Calls the API as another admin of the team does at the console.
    pub(crate) fn as_admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = simulator::Request {
            method: method.to_owned(),
            path: format!("/v1/{path}"),
            key: Some("second-key-of-te1".to_owned()),
            content_type: Some("application/json".to_owned()),
            body: body.to_string().into_bytes(),
            ..simulator::Request::default()
        };
        match self.paperspace().handle(self.now(), &request) {
            simulator::Reply::Json { status: 200, body, .. } => body,
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    /// What was asked for.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Everything that Paperspace knows, the deleted included.
    pub(crate) fn truth(&self) -> Value {
        self.sim("GET", "truth", &json!(null))
    }

    /// The machines that exist and are not being destroyed.
    pub(crate) fn machines(&self) -> Vec<Value> {
        let Value::Array(all) = self.truth()["machines"].take() else { panic!("no machines in the truth") };
        all.into_iter().filter(|m| m["exists"] == json!(true) && m["dtDeleted"].is_null()).collect()
    }
}

/// Runs something in a time of its own, in which waiting takes no time.
pub(crate) fn simulate<T>(work: impl Future<Output = T>) -> T {
    paperspace_operator::paperspace::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(work)
}
