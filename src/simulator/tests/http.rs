//! The server: what only a socket, a clock and a file can show.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::simulator::{DEVELOPMENT_KEY, Error, Options, Server};

fn options(state: Option<PathBuf>) -> Options {
    Options { listen: ([127, 0, 0, 1], 0).into(), keys: Vec::new(), time_scale: 1000.0, seed: 1, state }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(options: Options) -> Self {
        let stop = CancellationToken::new();
        let server = Server::bind(options, stop.clone()).await.unwrap();
        Self { address: server.address(), stop, task: tokio::spawn(server.run()) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// What comes back on the wire; empty for a broken connection.
    async fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {DEVELOPMENT_KEY}\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8(reply).unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let headers = if body.is_null() { "" } else { "content-type: application/json\r\n" };
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.raw(method, path, headers, &text).await;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }
}

fn machine() -> Value {
    json!({"name": "m", "machineType": "C5", "templateId": "t0nspur5", "diskSize": 50, "region": "ny2"})
}

#[tokio::test]
async fn a_machine_becomes_ready_over_http() {
    let server = Running::start(options(None)).await;
    let (status, reply) = server.call("POST", "/v1/machines", machine()).await;
    assert_eq!((status, &reply["data"]["state"]), (200, &json!("provisioning")));
    let path = format!("/v1/machines/{}", reply["data"]["id"].as_str().unwrap());
    for _ in 0..200 {
        if server.call("GET", &path, Value::Null).await.1["state"] == "ready" {
            return server.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the machine is not ready");
}

#[tokio::test]
async fn a_lost_reply_breaks_the_connection_after_the_effect() {
    let server = Running::start(options(None)).await;
    let fault = json!({"kind": "lose-reply", "method": "POST", "route": "/machines", "count": 1});
    server.call("POST", "/_sim/faults", fault).await;
    let reply = server.raw("POST", "/v1/machines", "content-type: application/json\r\n", &machine().to_string()).await;
    assert_eq!(reply, "");
    let truth = server.call("GET", "/_sim/truth", Value::Null).await.1;
    assert_eq!(truth["machines"].as_array().unwrap().len(), 1);
    server.call("POST", "/_sim/faults", json!({"kind": "drop", "count": 1})).await;
    let reply = server.raw("POST", "/v1/machines", "content-type: application/json\r\n", &machine().to_string()).await;
    assert_eq!(reply, "");
    let truth = server.call("GET", "/_sim/truth", Value::Null).await.1;
    assert_eq!(truth["machines"].as_array().unwrap().len(), 1);
    assert_eq!(truth["calls"]["POST /machines"], 2);
    server.stop().await;
}

#[tokio::test]
async fn errors_carry_their_headers_and_delays_are_waited_for() {
    let server = Running::start(options(None)).await;
    server.call("POST", "/_sim/faults", json!({"kind": "error", "status": 429, "retryAfter": 7, "count": 1})).await;
    let reply = server.raw("GET", "/v1/machines", "", "").await;
    assert!(reply.starts_with("HTTP/1.1 429") && reply.contains("retry-after: 7\r\n"), "{reply}");
    server.call("POST", "/_sim/faults", json!({"kind": "delay", "delayMs": 50, "count": 1})).await;
    let before = std::time::Instant::now();
    assert_eq!(server.call("GET", "/v1/machines", Value::Null).await.0, 200);
    assert!(before.elapsed() >= std::time::Duration::from_millis(50));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_undo_its_request() {
    let server = Running::start(options(None)).await;
    // Long enough for a busy machine to have sent the request before it gives up, and to look before the effect.
    server.call("POST", "/_sim/faults", json!({"kind": "delay", "delayMs": 1000, "count": 1})).await;
    let body = machine().to_string();
    let call = server.raw("POST", "/v1/machines", "content-type: application/json\r\n", &body);
    tokio::time::timeout(std::time::Duration::from_millis(300), call).await.unwrap_err();
    let machines = async || server.call("GET", "/_sim/truth", Value::Null).await.1["machines"].as_array().unwrap().len();
    assert_eq!(machines().await, 0);
    for _ in 0..500 {
        if machines().await == 1 {
            return server.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the request was undone");
}

#[tokio::test]
async fn the_state_file_outlives_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let server = Running::start(options(Some(path.clone()))).await;
    let id = server.call("POST", "/v1/machines", machine()).await.1["data"]["id"].clone();
    // As after a kill: nothing is saved on the way out.
    server.task.abort();
    let server = Running::start(options(Some(path))).await;
    assert_eq!(server.call("GET", "/v1/machines", Value::Null).await.1["items"][0]["id"], id);
    server.stop().await;
}

#[tokio::test]
async fn wrong_options_are_refused() {
    let stop = CancellationToken::new();
    let scale = Server::bind(Options { time_scale: 0.0, ..options(None) }, stop.clone()).await.unwrap_err();
    assert!(matches!(scale, Error::TimeScale(_)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    std::fs::write(&path, "not json").unwrap();
    let state = Server::bind(options(Some(path)), stop).await.unwrap_err();
    assert!(matches!(state, Error::State(..)));
}
