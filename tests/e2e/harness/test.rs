//! One case: its namespace, its Paperspace, its operator, and what is printed when it fails.

use std::fs;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::control_plane::{ControlPlane, work_dir};
use super::operator::Operator;
use super::simulator::{Simulator, TEAM};
use super::wire::Wire;
use super::{PATIENCE, block_on, wait_for};

/// The operator's own key.
pub(crate) const KEY: &str = "k1";

/// Cases that run at once, however many threads there are.
const AT_ONCE: usize = 6;
static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// What a case may choose.
pub(crate) struct Setup {
    /// Another cluster than the shared one.
    pub(crate) plane: Option<&'static ControlPlane>,
    /// The operator's own key (`PAPERSPACE_API_KEY`); none: only `credentialsRef` remains.
    pub(crate) own_key: Option<&'static str>,
    /// Keys that the simulator accepts, besides `k1=te1`.
    pub(crate) keys: &'static [&'static str],
    /// Further flags of `run`; of a flag given twice the last counts where it takes one value.
    pub(crate) flags: &'static [&'static str],
    /// Further flags of `simulate`.
    pub(crate) simulator_flags: &'static [&'static str],
    /// `--create-settle`: as long as nothing waits for it, so long that a busy machine keeps the fence, which is a twelfth of it.
    pub(crate) settle: &'static str,
    /// Do not start the operator yet.
    pub(crate) stopped: bool,
}

impl Setup {
    /// Nothing special.
    pub(crate) const USUAL: Self =
        Self { plane: None, own_key: Some(KEY), keys: &[], flags: &[], simulator_flags: &[], settle: "60s", stopped: false };

    /// For cases that wait until a create has settled. They must not count on each attempt that was written down being sent.
    pub(crate) const SETTLING: Self = Self { settle: "6s", ..Self::USUAL };
}

impl Default for Setup {
    fn default() -> Self {
        Self::USUAL
    }
}

/// A case.
pub(crate) struct Test {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) namespace: String,
    pub(crate) sim: Simulator,
    pub(crate) operator: Operator,
    pub(super) client: kube::Client,
    pub(super) stays: Mutex<Vec<String>>,
    began: Instant,
    ended: bool,
    _slot: Slot,
}

impl Test {
    /// A case with everything as usual. The name is that of the namespace.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, Setup::default())
    }

    /// A case with its own choices.
    pub(crate) fn with(name: &str, setup: Setup) -> Self {
        let slot = Slot::wait();
        let plane = setup.plane.unwrap_or_else(ControlPlane::shared);
        let began = Instant::now();
        // A cluster that is used again has the namespaces of the last run.
        let namespace = format!("{name}-{}", std::process::id());
        plane.kubectl(&["create", "namespace", &namespace]);
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut keys = owned(setup.keys);
        keys.push(format!("{KEY}={TEAM}"));
        let sim = Simulator::start(name, &keys, &owned(setup.simulator_flags));

        let kubeconfig = work_dir().join(format!("{name}.kubeconfig"));
        fs::write(&kubeconfig, plane.kubeconfig_of_the_operator().to_string()).expect("a kubeconfig");
        let mut flags = owned(&[
            "--listen",
            "127.0.0.1:0",
            "--poll-interval",
            "1s",
            "--transition-interval",
            "300ms",
            "--api-rate",
            "100",
            "--max-destroys-per-hour",
            "unlimited",
        ]);
        flags.extend(owned(&["--create-settle", setup.settle, "--api-burst", "100", "--watch-namespace", &namespace]));
        flags.extend(owned(setup.flags));
        // Of a repeated flag that takes one value, clap wants one: the case's.
        let flags = without_repetition(flags);
        let mut environment = vec![("PAPERSPACE_API_URL".to_owned(), sim.url())];
        environment.push(("KUBECONFIG".to_owned(), kubeconfig.display().to_string()));
        environment.extend(setup.own_key.map(|key| ("PAPERSPACE_API_KEY".to_owned(), key.to_owned())));
        let operator = Operator::new(name, flags, environment);
        if !setup.stopped {
            operator.start();
        }
        Self { plane, namespace, sim, operator, client: plane.client(), stays: Mutex::default(), began, ended: false, _slot: slot }
    }

    /// Another operator over the same namespace, not yet started; these flags come in place of the first one's.
    pub(crate) fn another_operator(&self, name: &str, flags: &[&str]) -> Operator {
        let mut arguments = self.operator.arguments.clone();
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Operator::new(&format!("{}-{name}", self.namespace), without_repetition(arguments), self.operator.environment.clone())
    }

    /// This operator reaches Kubernetes over the wire from now on.
    pub(crate) fn wire_to_kubernetes(&self, operator: &mut Operator) -> Wire {
        let mut config = self.plane.kubeconfig_of_the_operator();
        let server = &mut config["clusters"][0]["cluster"]["server"];
        let address = server.as_str().and_then(|url| url.strip_prefix("https://")).expect("a server");
        let wire = Wire::to(address.parse().expect("its address"));
        *server = json!(format!("https://{}", wire.address));
        let path = work_dir().join(format!("{}-wire.kubeconfig", self.namespace));
        fs::write(&path, config.to_string()).expect("a kubeconfig");
        operator.environment.retain(|(name, _)| name != "KUBECONFIG");
        operator.environment.push(("KUBECONFIG".to_owned(), path.display().to_string()));
        wire
    }

    /// The case has seen what it wanted: the invariant holds, and the operator ends in order.
    #[track_caller]
    pub(crate) fn end(mut self) {
        if let Err(Some(status)) = self.operator.running() {
            panic!("the operator ended by itself: {status}");
        }
        self.check_invariant();
        if self.operator.running().is_ok() {
            self.operator.stop();
        }
        assert!(!self.operator.log().contains("panicked at"), "the operator panicked");
        println!("{}: {:.1} s", self.namespace, self.began.elapsed().as_secs_f64());
        self.ended = true;
    }

    /// A machine that belongs to no resource, and shall not.
    pub(crate) fn stays(&self, id: &str) {
        self.stays.lock().unwrap().push(id.to_owned());
    }

    /// Waits until the operator has listed the machines `looks` times more: time enough for anything that it wanted to do. It lists only
    /// while there are resources.
    #[track_caller]
    pub(crate) fn idle(&self, looks: u64) {
        let lists = || self.sim.calls("GET /machines");
        let before = lists();
        wait_for("the operator's looks", PATIENCE, || (lists() >= before + looks).then_some(()));
    }

    fn report(&self) {
        let tail = |text: String, lines: usize| {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        };
        let kubectl = |args: &[&str]| self.try_kubectl(args).unwrap_or_else(|error| error);
        let truth = block_on(async { reqwest::get(format!("{}/_sim/truth", self.sim.url().trim_end_matches("/v1"))).await?.json().await });
        let truth: Value = truth.unwrap_or_default();
        println!("---- {}: the operator's log, its end\n{}", self.namespace, tail(self.operator.log(), 60));
        println!("---- kubectl get psm\n{}", kubectl(&["get", "psm", "-o", "wide"]));
        println!("---- kubectl describe psm\n{}", kubectl(&["describe", "psm"]));
        println!("---- the truth: machines\n{:#}\n---- calls\n{:#}", truth["machines"], truth["calls"]);
        println!("---- all logs: {}", work_dir().display());
        let _ = fs::write(work_dir().join("failed"), "");
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        if !self.ended {
            self.report();
            assert!(std::thread::panicking(), "a case ends with end()");
        }
    }
}

/// Keeps the last of flags given twice, those that may be repeated apart.
pub(super) fn without_repetition(flags: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut flags = flags.into_iter().peekable();
    while let Some(flag) = flags.next() {
        let value = flags.next_if(|value| !value.starts_with("--"));
        if let Some(at) = kept.iter().position(|k| *k == flag).filter(|_| !["--watch-namespace", "--api-key"].contains(&&*flag)) {
            kept.drain(at..at + 1 + usize::from(value.is_some()));
        }
        kept.push(flag);
        kept.extend(value);
    }
    kept
}

/// A place among the cases that run at once.
struct Slot;

impl Slot {
    fn wait() -> Self {
        let mut running = lock();
        while *running >= AT_ONCE {
            running = ENDED.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *lock() -= 1;
        ENDED.notify_one();
    }
}

fn lock() -> MutexGuard<'static, usize> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
