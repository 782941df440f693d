//! What carries an operator's calls: delays, faults and deaths on the way, the same for Kubernetes and for Paperspace.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http;
use futures::future::{BoxFuture, FutureExt};
use futures::{SinkExt as _, StreamExt as _};
use kube::client::Body;
use paperspace_operator::paperspace::Transport;
use paperspace_operator::paperspace::transport::{Failure, Reply};
use paperspace_operator::simulator;
use tokio::sync::oneshot;
use tokio::time::{sleep, sleep_until, timeout};

use super::faults::Fate;
use super::kubernetes;
use super::process::Process;
use super::world::World;

/// One operator's way to one API.
#[derive(Clone)]
pub(crate) struct Wire {
    world: Arc<World>,
    process: Arc<Process>,
}

/// A call that ended without its reply.
#[derive(Debug)]
struct Lost;

/// What is known of a call before it is made.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `kubernetes` or `paperspace`.
    pub(crate) api: &'static str,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
}

impl Call {
    /// Whether it can change anything.
    pub(crate) fn writes(&self) -> bool {
        self.method != "GET"
    }

    pub(crate) fn is_kubernetes(&self) -> bool {
        self.api == "kubernetes"
    }
}

impl Wire {
    pub(crate) fn kubernetes(world: &Arc<World>, process: &Arc<Process>) -> kube::Client {
        kube::Client::new(Self { world: world.clone(), process: process.clone() }, "default")
    }

    pub(crate) fn paperspace(world: &Arc<World>, process: &Arc<Process>) -> Self {
        Self { world: world.clone(), process: process.clone() }
    }

    /// Makes a call. It goes its way also when nobody waits for it any more.
    fn carry<T: Send + 'static>(
        &self,
        call: Call,
        content: &[u8],
        delay: impl FnOnce(&World) -> Duration + Send + 'static,
        effect: impl FnOnce(&World, Fate) -> T + Send + 'static,
        status: impl Fn(&T) -> String + Send + 'static,
    ) -> impl Future<Output = Result<T, Lost>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let Self { world, process } = self.clone();
        let key =
            format!("{} {} {} {}?{} {}", process.name, call.api, call.method, call.path, call.query, String::from_utf8_lossy(content));
        tokio::spawn(async move {
            let slot = world.gate.enter(key).await;
            // The dead send nothing. What they sent before arrives.
            if process.is_dead() {
                return;
            }
            let fate = world.fate(slot.number, &call);
            if fate == Fate::CrashBefore {
                world.tell(&process, &call, "dies before it");
                return process.die();
            }
            sleep_until(slot.effect).await;
            let late = delay(&world);
            if !late.is_zero() {
                sleep(late).await;
                world.gate.moment(Duration::ZERO).await;
            }
            if fate == Fate::Drop {
                world.tell(&process, &call, "dropped");
                let _ = answer.send(Err(Lost));
                return;
            }
            let reply = effect(&world, fate);
            world.tell(&process, &call, &format!("{}{fate}", status(&reply)));
            match fate {
                Fate::CrashAfter => return process.die(),
                Fate::LoseReply => {
                    let _ = answer.send(Err(Lost));
                    return;
                }
                _ => {}
            }
            if late.is_zero() {
                sleep_until(slot.reply).await;
            }
            // Whoever gave up or died does not hear it.
            if !process.is_dead() {
                let _ = answer.send(Ok(reply));
            }
        });
        async move {
            match answered.await {
                Ok(reply) => reply,
                Err(_) => pending().await,
            }
        }
    }
}

impl tower::Service<http::Request<Body>> for Wire {
    type Response = http::Response<axum::body::Body>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let wire = self.clone();
        async move {
            let request = kubernetes::Request::from_http(request).await;
            let call = Call { api: "kubernetes", method: request.method.clone(), path: request.path.clone(), query: request.query.clone() };
            let content = if call.path.ends_with("/events") { what_is_said(&request.body) } else { request.body.clone() };
            let seconds = call.query.split('&').find_map(|parameter| parameter.strip_prefix("timeoutSeconds=")?.parse().ok());
            let lasts = Duration::from_secs(seconds.unwrap_or(300));
            let life = wire.process.number;
            let effect = move |world: &World, fate: Fate| match fate {
                Fate::Answer(status) => refusal(status),
                _ => world.ask_kubernetes(life, request),
            };
            let status = |reply: &kubernetes::Reply| match reply {
                kubernetes::Reply::Answer { status, .. } => status.to_string(),
                kubernetes::Reply::Watch(_) => "watches".to_owned(),
            };
            let reply = wire.carry(call, &content, |_| Duration::ZERO, effect, status).await;
            match reply {
                Ok(kubernetes::Reply::Watch(lines)) => Ok(kubernetes::Reply::Watch(wire.on_the_way(lines, lasts)).into_http()),
                Ok(reply) => Ok(reply.into_http()),
                Err(Lost) => Err(std::io::Error::other("the connection broke")),
            }
        }
        .boxed()
    }
}

/// What an event says, without its name, which kube makes from the real time.
fn what_is_said(event: &[u8]) -> Vec<u8> {
    let event: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
    format!("{} {} {}", event["regarding"]["name"], event["reason"], event["note"]).into_bytes()
}

/// What Kubernetes answers instead of doing something.
fn refusal(status: u16) -> kubernetes::Reply {
    let reason = match status {
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "injected", "reason": reason, "code": status,
    });
    kubernetes::Reply::Answer { status, body: body.to_string().into_bytes() }
}

impl Wire {
    /// A watch's lines, each a little later, until its time is over.
    fn on_the_way(
        &self,
        mut lines: futures::channel::mpsc::UnboundedReceiver<Vec<u8>>,
        lasts: Duration,
    ) -> futures::channel::mpsc::UnboundedReceiver<Vec<u8>> {
        let (mut sender, arriving) = futures::channel::mpsc::unbounded();
        let Self { world, process } = self.clone();
        tokio::spawn(async move {
            let over = tokio::time::Instant::now() + lasts;
            while let Ok(Some(line)) = tokio::time::timeout_at(over, lines.next()).await {
                world.gate.moment(Duration::from_millis(2)).await;
                if process.is_dead() || sender.send(line).await.is_err() {
                    return;
                }
            }
            world.gate.moment(Duration::ZERO).await;
        });
        arriving
    }
}

impl Transport for Wire {
    fn execute(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        let limit = request.timeout().copied().unwrap_or(Duration::from_secs(30));
        let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let sent = simulator::Request {
            method: request.method().to_string(),
            path: request.url().path().to_owned(),
            query: request.url().query().unwrap_or_default().to_owned(),
            key: header("authorization").and_then(|v| v.strip_prefix("Bearer ").map(str::to_owned)),
            content_type: header("content-type"),
            body: request.body().and_then(|b| b.as_bytes()).unwrap_or_default().to_vec(),
        };
        let call = Call { api: "paperspace", method: sent.method.clone(), path: sent.path.clone(), query: sent.query.clone() };
        let (content, asked) = (sent.body.clone(), sent.clone());
        let delay = move |world: &World| world.paperspace().delay(world.now(), &asked);
        let effect = move |world: &World, _| world.ask_paperspace(&sent);
        let status = |reply: &simulator::Reply| match reply {
            simulator::Reply::Json { status, .. } | simulator::Reply::Text { status, .. } => status.to_string(),
            simulator::Reply::Broken => "broken".to_owned(),
        };
        let reply = self.carry(call, &content, delay, effect, status);
        async move {
            let broken = |message: &str| Err(Failure { maybe_sent: true, message: message.to_owned() });
            let (status, retry_after, body) = match timeout(limit, reply).await {
                Err(_) => return broken("operation timed out"),
                Ok(Err(Lost) | Ok(simulator::Reply::Broken)) => return broken("the connection broke"),
                Ok(Ok(simulator::Reply::Json { status, retry_after, body })) => (status, retry_after, body.to_string()),
                Ok(Ok(simulator::Reply::Text { status, retry_after, body })) => (status, retry_after, body),
            };
            let mut headers = http::HeaderMap::new();
            if let Some(seconds) = retry_after {
                headers.insert("retry-after", seconds.into());
            }
            Ok(Reply { status, headers, body: body.into_bytes() })
        }
        .boxed()
    }
}
