//! What the operator shows of itself: promtool takes it, and a Prometheus that scrapes it can answer every query of the dashboard.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::harness::{ControlPlane, PATIENCE, Setup, Test, block_on, free_address, wait_for, work_dir};

fn get(url: &str) -> Option<String> {
    block_on(async { reqwest::get(url).await.ok()?.text().await.ok() })
}

/// A Prometheus that asks one operator every second.
struct Prometheus {
    address: &'static str,
    process: Child,
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let (address, home) = (free_address(), work_dir().join("prometheus"));
        fs::create_dir_all(&home).unwrap();
        let config = json!({"scrape_configs": [{
            "job_name": "paperspace-operator", "scrape_interval": "1s", "static_configs": [{"targets": [target]}],
        }]});
        fs::write(home.join("prometheus.yml"), config.to_string()).unwrap();
        let log = File::create(work_dir().join("prometheus.log")).unwrap();
        let mut command = Command::new("prometheus");
        command.arg("--config.file=prometheus.yml").arg("--storage.tsdb.path=data").arg(format!("--web.listen-address={address}"));
        let process = command.current_dir(&home).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        Self { address, process: process.expect("prometheus: `make test` installs it") }
    }

    /// How many series the query gives.
    fn ask(&self, query: &str) -> Result<usize, String> {
        let url = reqwest::Url::parse_with_params(&format!("http://{}/api/v1/query", self.address), [("query", query)]).unwrap();
        let answer: Value = serde_json::from_str(&get(url.as_str()).ok_or("no answer")?).map_err(|error| error.to_string())?;
        if answer["status"] != "success" {
            return Err(format!("{query}: {answer}"));
        }
        Ok(answer["data"]["result"].as_array().map_or(0, Vec::len))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Every query of the dashboard, by what its panel is called.
fn queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().unwrap().clone();
        targets.into_iter().map(move |target| (title.clone(), target["expr"].as_str().unwrap().to_owned()))
    };
    panels.iter().flat_map(of).collect()
}

fn promtool_takes(metrics: &str) {
    let mut promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("promtool");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    assert!(out.status.success(), "{}\n{metrics}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_query_of_the_dashboard_is_answered_by_what_a_working_operator_shows() {
    // What no resource has is counted by an operator of all namespaces, and each series needs something to happen.
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own("monitoring")));
    let address = free_address();
    let flags = &*Vec::leak(vec!["--listen", address, "--lease-namespace", "default"]);
    let mut t = Test::with("monitoring", Setup { plane: Some(plane), flags, stopped: true, ..Setup::SETTLING });
    let at = t.operator.arguments.iter().position(|flag| flag == "--watch-namespace").unwrap();
    t.operator.arguments.drain(at..at + 2);
    t.operator.start();
    let prometheus = Prometheus::start(address);
    let id = t.sim.create_machine(&json!({"machineType": "A4000"}));
    t.stays(&id);
    t.sim.fault(&json!({"kind": "lose-reply", "method": "POST", "route": "/machines", "count": 1}));
    t.apply(&t.machine("lost", json!({})));
    t.wait_ready("lost");
    t.apply(&t.machine("drifts", json!({"resizePolicy": "WhenStopped"})));
    t.wait_ready("drifts");
    t.patch_spec("drifts", json!({"machineType": "C7"}));
    t.wait_reason("drifts", "Synced", "PendingStop");
    plane.kubectl(&["--namespace", "default", "create", "configmap", "paperspace-operator-stop"]);

    let metrics = || get(&format!("http://{address}/metrics")).unwrap_or_default();
    let stopped = "paperspace_operator_restrained{reason=\"EmergencyStop\"} 1";
    wait_for("the stop", PATIENCE, || metrics().contains(stopped).then_some(()));
    // The fleet is counted with each list.
    for line in [
        "paperspace_operator_leader 1",
        "paperspace_operator_build_info{version=",
        "paperspace_operator_machines{state=\"ready\",machine_type=\"A4000\",region=",
        "paperspace_operator_create_requests_total{outcome=\"unclear\"} 1",
        "paperspace_operator_unclear_creates_resolved_total{outcome=\"found\"} 1",
        "paperspace_operator_unsettled_resources{reason=\"PendingStop\"} 1",
        "paperspace_operator_drifts 1",
        "paperspace_operator_orphans{kind=\"machine\"} 1",
        "paperspace_operator_time_to_ready_seconds_count 2",
        &format!("paperspace_operator_hourly_usd{{namespace=\"{}\"}} 0.16", t.namespace),
    ] {
        wait_for(line, PATIENCE, || metrics().contains(line).then_some(()));
    }
    promtool_takes(&metrics());

    for (panel, query) in queries() {
        let what = format!("an answer to {query:?} ({panel})");
        wait_for(&what, PATIENCE, || prometheus.ask(&query).is_ok_and(|series| series > 0).then_some(()));
    }
    plane.kubectl(&["--namespace", "default", "delete", "configmap", "paperspace-operator-stop"]);
    drop(prometheus);
    t.end();
    plane.stop();
}
