//! The processes of one run: a Kubernetes API that keeps an audit log, the simulated Paperspace, the operator.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::audit::Audit;
use super::calls::{Call, Record};
use super::figures::Observe;
use super::harness::Operator;
use super::harness::control_plane::{ControlPlane, work_dir};
use super::harness::simulator::Simulator;
use super::process;
use super::seen::Seen;
use super::settings::{self, POLL};

pub(crate) const NAMESPACE: &str = "fleet";

/// Nothing asked for so long is quiet.
const QUIET: Duration = Duration::from_secs(8);

pub(crate) struct World {
    pub(crate) size: usize,
    pub(crate) observe: Observe,
    pub(crate) plane: ControlPlane,
    pub(crate) client: kube::Client,
    pub(crate) sim: Simulator,
    pub(crate) operator: Operator,
    pub(crate) seen: Seen,
    pub(crate) audit: Audit,
    record: Record,
}

impl World {
    /// All of it, the operator not yet started.
    pub(crate) fn new(size: usize, observe: Observe) -> Self {
        let name = format!("{size}-{}", if observe == Observe::Shared { "shared" } else { "per-machine" });
        let plane = ControlPlane::own_with(&name, &["--audit", "system:serviceaccount:paperspace-operator:paperspace-operator"]);
        plane.kubectl(&["create", "namespace", NAMESPACE]);
        let (scale, transition) = settings::pace(size);
        let sim = Simulator::start(&name, &["k1=te1".to_owned()], &["--time-scale".to_owned(), scale.to_string()]);
        sim.call("POST", "teams/te1", Some(&json!({"maxMachines": size})));

        let kubeconfig = work_dir().join(format!("{name}.kubeconfig"));
        fs::write(&kubeconfig, plane.kubeconfig_of_the_operator().to_string()).expect("a kubeconfig");
        let rate = settings::rate(size).to_string();
        let mut flags: Vec<String> =
            ["--listen", "127.0.0.1:0", "--api-rate", &rate, "--api-burst", &rate, "--max-destroys-per-hour", "unlimited"]
                .map(str::to_owned)
                .into();
        flags.extend(["--transition-interval".to_owned(), format!("{}ms", transition.as_millis())]);
        flags.extend(observe.flag().map(str::to_owned));
        let environment = vec![
            ("PAPERSPACE_API_URL".to_owned(), sim.url()),
            ("PAPERSPACE_API_KEY".to_owned(), "k1".to_owned()),
            ("KUBECONFIG".to_owned(), kubeconfig.display().to_string()),
        ];
        let mut operator = Operator::new(&name, flags, environment);
        operator.binary = settings::operator();
        let client = plane.client();
        let seen = Seen::watch(&client);
        let audit = Audit::new(plane.dir.join("audit.log"));
        Self { size, observe, plane, client, sim, operator, seen, audit, record: Record::default() }
    }

    /// The same fleet, looked after by an operator that observes it in another way.
    pub(crate) fn observe_by(&mut self, observe: Observe) {
        self.observe = observe;
        self.operator.arguments.extend(observe.flag().map(str::to_owned));
        self.operator.start();
        self.until_quiet(&mut Vec::new());
    }

    /// The calls since this was last asked.
    pub(crate) fn calls(&mut self) -> Vec<Call> {
        self.record.since(&self.sim)
    }

    /// Waits until nothing is asked of Kubernetes any more, and collects the calls meanwhile. Machine by machine that never comes: false
    /// after two poll intervals.
    pub(crate) fn until_quiet(&mut self, calls: &mut Vec<Call>) -> bool {
        let (began, mut since, mut length) = (Instant::now(), Instant::now(), self.audit.length());
        while since.elapsed() < QUIET {
            if self.observe == Observe::PerMachine && began.elapsed() > POLL * 2 {
                return false;
            }
            std::thread::sleep(Duration::from_millis(200));
            calls.extend(self.calls());
            let now = self.audit.length();
            if now != length {
                (since, length) = (Instant::now(), now);
            }
        }
        true
    }

    /// CPU used so far by each process, in seconds.
    pub(crate) fn cpu(&self) -> Vec<(String, f64)> {
        let own = [("operator", self.operator.pid()), ("simulator", self.sim.process.lock().unwrap().id())];
        let pid = |server: &str| fs::read_to_string(self.plane.dir.join(format!("{server}.pid"))).ok()?.trim().parse().ok();
        let servers = self.plane.servers().into_iter().filter_map(|server| Some((server, pid(server)?)));
        own.into_iter().chain(servers).map(|(name, pid)| (name.to_owned(), process::cpu(pid))).collect()
    }
}

/// A line about how far it is.
pub(crate) fn say(text: &str) {
    eprintln!("bench: {text}");
}
