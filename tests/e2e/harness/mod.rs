//! What every end-to-end case stands on.
//!
//! ```ignore
//! #[test]
//! fn a_machine_comes_up() {
//!     let t = Test::new("comes-up");                                 // own namespace, own Paperspace, own operator
//!     t.apply(&t.machine("a", json!({"powerState": "Manual"})));     // kubectl apply; the rest of the spec has working defaults
//!     t.wait_ready("a");                                             // kubectl wait --for=condition=Ready
//!     t.sim.patch(&t.machine_id("a"), &json!({"state": "off"}));     // behind the operator's back
//!     t.wait_reason("a", "Ready", "ManualOff");
//!     t.end();                                                       // the invariant, then SIGTERM, which must end with exit code 0
//! }
//! ```
//!
//! - [`Test`]: one case. `Test::with(name, Setup { .. })` chooses keys and flags; [`Setup::SETTLING`] is for what waits until a create has
//!   settled. A case that ends before `end()` prints what can be seen: the operator's log, the namespace, the truth.
//! - [`Test::kubectl`] must succeed, [`Test::try_kubectl`] need not. Reading in a loop goes past kubectl ([`Test::get`]), which costs a
//!   tenth of a second of CPU a time.
//! - `Test::sim` is [`Simulator`]: truth, machines behind the operator's back, faults, calls that were counted. A minute passes in a second.
//! - `Test::operator` is [`Operator`]: `kill9`, `restart`, `stop`, `log`.
//! - [`Collector`] takes the traces of an operator that is started with `--otlp-endpoint`.
//! - [`Storm`] is a user who creates, changes and deletes at random while the API misbehaves, and what must hold of all that happened.
//! - [`Test::end`]: every machine that exists belongs to exactly one resource, none has two; [`Test::stays`] names those that are to stay.
//! - [`ControlPlane::shared`] is one cluster for all cases, started by the first; [`ControlPlane::own`] is another, for what would disturb.
//! - [`wait_for`] waits for a condition, [`holds_for`] watches one. Nothing here sleeps for a fixed time; "nothing happens" is waited out
//!   by [`Test::idle`], which counts the operator's looks instead of seconds.
//!
//! With `-- --nocapture` each case says how long it took. As many run at once as `.cargo/config.toml` says, since they mostly wait.
//!
//! Environment: `E2E_CONTROL_PLANE=DIR` uses the cluster that `tests/control-plane/up DIR` has started; `E2E_SEED=n` repeats a storm. Logs of failed runs stay in
//! `target/tmp/e2e-*`.

mod asked;
mod collector;
pub(crate) mod control_plane;
mod invariant;
mod operator;
mod random;
mod resources;
pub(crate) mod simulator;
mod storm;
mod test;
mod wire;

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) use collector::{Collector, Received};
pub(crate) use control_plane::{ControlPlane, work_dir};
pub(crate) use invariant::mark;
pub(crate) use operator::{BINARY, Operator, command};
pub(crate) use random::Random;
pub(crate) use resources::condition_of;
pub(crate) use storm::Storm;
pub(crate) use test::{Setup, Test};

/// How long a case waits for anything: much longer than it takes, since cores may be few and shared.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until there is an answer, or fails with what was waited for.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < timeout, "{timeout:?} have passed without: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks for as long as this, and fails as soon as it is not so: for what must not happen, where nothing can be waited for.
#[track_caller]
pub(crate) fn holds_for(duration: Duration, what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < duration {
        assert!(is(), "after {:?} it is not so any more: {what}", start.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a [`Setup`] wants: text that lives as long as the test.
pub(crate) fn fixed(text: impl Into<String>) -> &'static str {
    text.into().leak()
}

/// An address of this machine, with a port that is free.
pub(crate) fn free_address() -> &'static str {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    fixed(listener.local_addr().expect("an address").to_string())
}

/// Runs something asynchronous to its end; cases themselves are plain functions.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        paperspace_operator::paperspace::install_crypto_provider();
        tokio::runtime::Runtime::new().expect("a runtime")
    });
    runtime.block_on(work)
}
