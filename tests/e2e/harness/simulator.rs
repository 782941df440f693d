//! The simulated Paperspace as a process of its own, with what the tests may ask and change behind everybody's back.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::block_on;
use super::control_plane::work_dir;
use super::operator::command;
use super::test::{KEY, without_repetition};

/// The team of the operator's key.
pub(crate) const TEAM: &str = "te1";

/// A simulator that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Simulator {
    pub(crate) process: Mutex<Child>,
    address: String,
    arguments: Vec<String>,
    log: PathBuf,
    http: reqwest::Client,
}

impl Simulator {
    /// `keys` as `--api-key` takes them; further flags may follow.
    pub(crate) fn start(name: &str, keys: &[String], flags: &[String]) -> Self {
        let log = work_dir().join(format!("{name}.simulator.log"));
        let mut arguments: Vec<String> = ["simulate", "--time-scale", "60"].map(str::to_owned).into();
        arguments.extend(keys.iter().flat_map(|key| ["--api-key".to_owned(), key.clone()]));
        arguments.extend_from_slice(flags);
        // A case may have another time scale.
        let arguments = without_repetition(arguments);
        let (process, address) = spawn(&arguments, "127.0.0.1:0", &log);
        let http = block_on(async { reqwest::Client::builder().no_proxy().build().expect("an HTTP client") });
        Self { process: Mutex::new(process), address, arguments, log, http }
    }

    /// Paperspace is down: nobody listens any more.
    pub(crate) fn down(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().expect("kill -9");
        process.wait().expect("its end");
    }

    /// Paperspace is up again, at the same address; with `--state` it remembers.
    pub(crate) fn up(&self) {
        let (process, _) = spawn(&self.arguments, self.address.trim_start_matches("http://"), &self.log);
        *self.process.lock().unwrap() = process;
    }

    /// Where the API is: `http://127.0.0.1:PORT/v1`.
    pub(crate) fn url(&self) -> String {
        format!("{}/v1", self.address)
    }

    /// Everything, the deleted included.
    #[track_caller]
    pub(crate) fn truth(&self) -> Value {
        self.call("GET", "truth", None)
    }

    /// The machines that exist and are not being deleted.
    #[track_caller]
    pub(crate) fn machines(&self) -> Vec<Value> {
        let Value::Array(all) = self.truth()["machines"].take() else { panic!("no machines in the truth") };
        all.into_iter().filter(|m| m["exists"] == json!(true) && m["dtDeleted"].is_null()).collect()
    }

    /// A machine as it is, also one that is gone.
    #[track_caller]
    pub(crate) fn machine(&self, id: &str) -> Value {
        let truth = self.truth();
        truth["machines"].as_array().and_then(|all| all.iter().find(|m| m["id"] == id)).unwrap_or_else(|| panic!("no machine {id}")).clone()
    }

    /// Lays fields over a machine.
    #[track_caller]
    pub(crate) fn patch(&self, id: &str, fields: &Value) -> Value {
        self.call("POST", &format!("machines/{id}"), Some(fields))
    }

    /// Destroys a machine at once.
    #[track_caller]
    pub(crate) fn destroy(&self, id: &str) {
        self.call("DELETE", &format!("machines/{id}"), None);
    }

    /// A machine as somebody makes one on the console; returns its id.
    #[track_caller]
    pub(crate) fn create_machine(&self, over: &Value) -> String {
        let mut body = json!({
            "name": "by hand", "machineType": "C5", "templateId": "t0nspur5", "region": "ny2", "diskSize": 50, "publicIpType": "dynamic",
            "team": TEAM,
        });
        for (name, value) in over.as_object().expect("an object") {
            body[name] = value.clone();
        }
        self.call("POST", "machines", Some(&body))["id"].as_str().expect("an id").to_owned()
    }

    /// Injects a fault; see the table in `src/simulator/faults.rs`.
    #[track_caller]
    pub(crate) fn fault(&self, fault: &Value) {
        self.call("POST", "faults", Some(fault));
    }

    #[track_caller]
    pub(crate) fn clear_faults(&self) {
        self.call("DELETE", "faults", None);
    }

    /// How often a route was called, such as `POST /machines` or `PATCH /machines/{id}/start`.
    #[track_caller]
    pub(crate) fn calls(&self, route: &str) -> u64 {
        self.truth()["calls"][route].as_u64().unwrap_or(0)
    }

    /// All calls that could have changed something, by route.
    #[track_caller]
    pub(crate) fn writes(&self) -> Value {
        let mut calls = self.truth()["calls"].take();
        if let Value::Object(calls) = &mut calls {
            calls.retain(|route, _| !route.starts_with("GET "));
        }
        calls
    }

    /// Calls the API as the operator's user does, which counts among the calls; must succeed.
    #[track_caller]
    pub(crate) fn as_user(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, &format!("{}{path}", self.url()), Some(body))
    }

    /// Calls `/_sim/…`, which must answer 200.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send(method, &format!("{}/_sim/{path}", self.address), body)
    }

    /// The same, where it may be refused or nobody listens.
    pub(crate) fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.try_send(method, &format!("{}/_sim/{path}", self.address), body)
    }

    #[track_caller]
    fn send(&self, method: &str, url: &str, body: Option<&Value>) -> Value {
        self.try_send(method, url, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
    }

    fn try_send(&self, method: &str, url: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut request = self.http.request(method.parse().expect("a method"), url).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = block_on(async {
            let reply = request.send().await?;
            Ok::<_, reqwest::Error>((reply.status(), reply.text().await?))
        });
        let (status, text) = answer.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(serde_json::from_str(&text).expect("JSON")) } else { Err(format!("{status} {text}")) }
    }
}

fn spawn(arguments: &[String], listen: &str, log: &Path) -> (Child, String) {
    let log = File::options().create(true).append(true).open(log).expect("a log file");
    let mut command = command();
    command.args(arguments).args(["--listen", listen]);
    let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the simulator");
    let mut lines = BufReader::new(process.stdout.take().expect("its stdout")).lines();
    let said = lines.next().and_then(Result::ok).unwrap_or_default();
    let address = said.strip_prefix("listening on ").unwrap_or_else(|| panic!("the simulator said {said:?}")).to_owned();
    (process, address)
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }
}
