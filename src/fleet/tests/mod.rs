//! The fleet against the simulator, in virtual time and without a socket.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod destroyed;
mod keys;
mod polling;
mod sharing;
mod wakes;

use super::keys::Setup;
use super::{Account, Interest, Keys, Opened, Wake};
use crate::lifecycle::names::Mark;
use crate::paperspace::transport::{Failure, Reply, Transport};
use crate::paperspace::{Client, ClientOptions};
use crate::simulator::{KeySpec, Reply as Answer, Request, Simulator};

/// When the account was surely listed again.
const POLLED: Duration = Duration::from_secs(34);

/// The simulator as a transport, whose every call takes 10 ms.
struct World {
    simulator: Mutex<Simulator>,
    started: Instant,
    epoch: Timestamp,
}

impl World {
    fn new(keys: &[&str]) -> Arc<Self> {
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let keys: Vec<KeySpec> = keys.iter().map(|k| k.parse().unwrap()).collect();
        Arc::new(Self { simulator: Mutex::new(Simulator::new(epoch, 7, 1.0, &keys)), started: Instant::now(), epoch })
    }

    fn send(&self, request: &Request) -> Answer {
        let now = self.epoch + SignedDuration::try_from(self.started.elapsed()).unwrap();
        self.simulator.lock().unwrap().handle(now, request)
    }

    fn sim(&self, method: &str, path: &str, body: &Value) -> Value {
        let request =
            Request { method: method.into(), path: format!("/_sim/{path}"), body: body.to_string().into_bytes(), ..Request::default() };
        match self.send(&request) {
            Answer::Json { status: 200, body, .. } => body,
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    fn calls(&self, route: &str) -> u64 {
        self.sim("GET", "truth", &json!(null))["calls"][route].as_u64().unwrap_or_default()
    }

    fn machine(&self, name: &str) -> String {
        let body = json!({"name": name, "machineType": "C5", "templateId": "t0nspur5", "diskSize": 50, "region": "ny2", "team": "te1"});
        self.sim("POST", "machines", &body)["id"].as_str().unwrap().to_owned()
    }
}

/// A handle of its own, because the trait is the client's and `Arc` is not ours.
struct Wire(Arc<World>);

impl Transport for Wire {
    fn execute(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let key = request.headers().get("authorization").and_then(|v| v.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
            let sent = Request {
                method: request.method().to_string(),
                path: request.url().path().to_owned(),
                query: request.url().query().unwrap_or_default().to_owned(),
                key,
                content_type: None,
                body: request.body().and_then(|b| b.as_bytes()).unwrap_or_default().to_vec(),
            };
            match self.0.send(&sent) {
                Answer::Json { status, body, .. } => {
                    Ok(Reply { status, headers: HeaderMap::default(), body: body.to_string().into_bytes() })
                }
                Answer::Text { status, body, .. } => Ok(Reply { status, headers: HeaderMap::default(), body: body.into_bytes() }),
                Answer::Broken => Err(Failure { maybe_sent: true, message: "connection closed".into() }),
            }
        }
        .boxed()
    }
}

struct Fleet {
    world: Arc<World>,
    keys: Keys,
    woken: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl Fleet {
    fn new(keys: &[&str]) -> Self {
        Self::observed(keys, false)
    }

    fn observed(keys: &[&str], per_machine: bool) -> Self {
        Self::with(keys, per_machine, 1000)
    }

    fn with(keys: &[&str], per_machine: bool, rate: u32) -> Self {
        let world = World::new(keys);
        let (woken, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (heard, started) = (woken.clone(), Instant::now());
        let many = NonZeroU32::new(rate).unwrap();
        let setup = Setup {
            options: ClientOptions { base_url: "http://127.0.0.1:1/v1".into(), ..ClientOptions::default() },
            rate: crate::paperspace::Rate::new(many, many),
            poll_interval: Duration::from_secs(30),
            transition: Duration::from_secs(5),
            process: "process".into(),
            per_machine,
            observer: Arc::new(|_: &crate::paperspace::CallRecord| {}),
            now: Arc::new(move || started.elapsed()),
            wake: Arc::new(move |wake: Wake| heard.lock().unwrap().push(wake.name)),
            stop: stop.clone(),
        };
        let keys = Keys::over(setup, Arc::new(Wire(world.clone()))).unwrap();
        Self { world, keys, woken, stop }
    }

    async fn open(&self, key: &str) -> Opened {
        self.keys.open(&SecretString::from(key), false).await.unwrap()
    }

    async fn account(&self) -> (Arc<Account>, Client) {
        let opened = self.open("k1").await;
        (opened.account.unwrap(), opened.client)
    }

    fn woken(&self) -> Vec<String> {
        std::mem::take(&mut self.woken.lock().unwrap())
    }
}

fn watch(account: &Account, uid: &str, machine: Option<&str>) {
    let wake = Wake { namespace: "default".into(), name: uid.into() };
    account.interest(uid, Interest { wake, mark: Mark::of_uid(uid), machine: machine.map(str::to_owned), seen: None });
}
