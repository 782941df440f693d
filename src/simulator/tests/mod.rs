//! The service in virtual time: no socket, no clock, no waiting; only `http` has them.

#![expect(clippy::unwrap_used, reason = "tests")]

mod anything;
mod faults;
mod http;
mod limits;
mod machines;
mod meddling;
mod others;
mod power;
mod shapes;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{KeySpec, Reply, Request, Simulator};

/// A service with a clock, and who calls it.
struct Lab {
    sim: Simulator,
    now: Timestamp,
    key: String,
}

impl Lab {
    /// `admin` and `second` are admins of team `te1`, `member` a member of it, `stranger` an admin of `te2`.
    fn new() -> Self {
        Self::scaled(1.0)
    }

    fn scaled(scale: f64) -> Self {
        let now = "2025-03-01T00:00:00Z".parse().unwrap();
        let keys = ["admin=te1", "second=te1", "member=te1:member", "stranger=te2"];
        let keys: Vec<KeySpec> = keys.iter().map(|k| k.parse().unwrap()).collect();
        Self { sim: Simulator::new(now, 7, scale, &keys), now, key: "admin".to_owned() }
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Request {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = if path.starts_with("/_sim") { path.to_owned() } else { format!("/v1{path}") };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let content_type = (!body.is_empty()).then(|| "application/json".to_owned());
        let (method, query) = (method.to_owned(), query.to_owned());
        Request { method, path, query, key: Some(self.key.clone()), content_type, body }
    }

    fn reply(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let request = self.request(method, path, body);
        self.sim.handle(self.now, &request)
    }

    fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        match self.reply(method, path, body) {
            Reply::Json { status, body, .. } => (status, body),
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    fn ok(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, reply) = self.call(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {reply}");
        reply
    }

    fn refused(&mut self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, reply) = self.call(method, path, body);
        assert_ne!(status, 200, "{method} {path}: {reply}");
        assert!(reply["code"].is_string() && reply["message"].is_string(), "{reply}");
        (status, reply["message"].as_str().unwrap().to_owned())
    }

    fn get(&mut self, path: &str) -> Value {
        self.ok("GET", path, &Value::Null)
    }

    fn patch(&mut self, path: &str) -> Value {
        self.ok("PATCH", path, &Value::Null)
    }

    fn delete(&mut self, path: &str) -> Value {
        self.ok("DELETE", path, &Value::Null)
    }

    fn is_gone(&mut self, path: &str) -> bool {
        self.call("GET", path, &Value::Null).0 == 404
    }

    fn names(&mut self, path: &str) -> Vec<String> {
        let page = self.get(path);
        page["items"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
    }

    fn wait(&mut self, seconds: f64) {
        self.now = self.now.checked_add(SignedDuration::from_secs_f64(seconds)).unwrap();
    }

    fn as_key(&mut self, key: &str) {
        key.clone_into(&mut self.key);
    }

    /// A new machine's path.
    fn create(&mut self, fields: &Value) -> String {
        let reply = self.ok("POST", "/machines", &machine(fields));
        format!("/machines/{}", reply["data"]["id"].as_str().unwrap())
    }

    /// A machine that is off.
    fn create_off(&mut self, fields: &Value) -> String {
        let mut fields = fields.clone();
        fields["startOnCreate"] = false.into();
        let path = self.create(&fields);
        self.wait(38.0);
        path
    }

    /// A machine that is on, with all that comes after.
    fn create_ready(&mut self, fields: &Value) -> String {
        let path = self.create(fields);
        self.wait(75.0);
        assert_eq!(self.state(&path), "ready");
        path
    }

    fn state(&mut self, path: &str) -> String {
        self.get(path)["state"].as_str().unwrap().to_owned()
    }

    /// The states over time: each with the second in which it began.
    fn states(&mut self, path: &str, seconds: u32) -> Vec<(u32, String)> {
        let mut seen = vec![(0, self.state(path))];
        for second in 1..=seconds {
            self.wait(1.0);
            let state = self.state(path);
            if seen.last().unwrap().1 != state {
                seen.push((second, state));
            }
        }
        seen
    }

    /// Events of a machine, oldest first, as `name: state`.
    fn events(&mut self, path: &str) -> Vec<String> {
        let id = path.rsplit('/').next().unwrap();
        let page = self.get(&format!("/machine-events?machineId={id}&order=asc&limit=120"));
        let text = |e: &Value| format!("{}: {}", e["name"].as_str().unwrap(), e["state"].as_str().unwrap());
        page["items"].as_array().unwrap().iter().map(text).collect()
    }

    fn truth(&mut self) -> Value {
        self.get("/_sim/truth")
    }

    fn fault(&mut self, fault: &Value) {
        self.ok("POST", "/_sim/faults", fault);
    }
}

fn machine(fields: &Value) -> Value {
    let mut body = json!({"name": "m", "machineType": "C5", "templateId": "t0nspur5", "diskSize": 50, "region": "ny2"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn seen(states: &[(u32, &str)]) -> Vec<(u32, String)> {
    states.iter().map(|(second, state)| (*second, (*state).to_owned())).collect()
}

/// The last segment of a path.
fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}
