//! The HTTP server: sockets, the wall clock and the state file around the [`Simulator`].

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::api::{Reply, Request, Simulator};
use super::keys::{DEVELOPMENT_KEY, DEVELOPMENT_TEAM, KeySpec, Role};
use super::persist;

/// What the simulator is told on the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The keys that are accepted; none means [`DEVELOPMENT_KEY`] for [`DEVELOPMENT_TEAM`].
    pub keys: Vec<KeySpec>,
    /// How many times shorter the service's durations are. Timestamps stay real.
    pub time_scale: f64,
    /// Decides ids and every choice of chance.
    pub seed: u64,
    /// Kept across restarts in this file.
    pub state: Option<PathBuf>,
}

/// Why the simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The time scale is not a positive number.
    #[error("time scale {0} is not a number above 0")]
    TimeScale(f64),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The state file cannot be read or written.
    #[error("state file {0}: {1}")]
    State(PathBuf, #[source] io::Error),
    /// The server failed.
    #[error("serving: {0}")]
    Serve(#[source] io::Error),
}

/// A simulator that listens, and answers once it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    simulator: Mutex<Simulator>,
    state: Option<PathBuf>,
    stop: CancellationToken,
}

/// Runs the simulator until `stop`; says `listening on http://ADDR` on stdout when it answers.
pub async fn serve(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let server = Server::bind(options, stop).await?;
    #[expect(clippy::print_stdout, reason = "the line that scripts wait for")]
    {
        println!("listening on http://{}", server.address());
    }
    server.run().await
}

impl Server {
    /// Reads the state and listens.
    pub async fn bind(options: Options, stop: CancellationToken) -> Result<Self, Error> {
        if !(options.time_scale.is_finite() && options.time_scale > 0.0) {
            return Err(Error::TimeScale(options.time_scale));
        }
        let development = [KeySpec { key: DEVELOPMENT_KEY.to_owned(), team: DEVELOPMENT_TEAM.to_owned(), role: Role::Admin }];
        let keys = if options.keys.is_empty() { &development[..] } else { &options.keys };
        let simulator = match &options.state {
            Some(path) => persist::load(path).map_err(|e| Error::State(path.clone(), e))?,
            None => None,
        };
        let simulator = match simulator {
            Some(world) => Simulator::with(world, options.time_scale, keys),
            None => Simulator::new(Timestamp::now(), options.seed, options.time_scale, keys),
        };
        let listener = TcpListener::bind(options.listen).await.map_err(|e| Error::Listen(options.listen, e))?;
        let address = listener.local_addr().map_err(|e| Error::Listen(options.listen, e))?;
        let shared = Arc::new(Shared { simulator: Mutex::new(simulator), state: options.state, stop });
        shared.save(&*shared.simulator.lock().await)?;
        Ok(Self { listener, address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until stopped.
    pub async fn run(self) -> Result<(), Error> {
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(Arc::clone(&self.shared))
            .into_make_service_with_connect_info::<Breaker>();
        let stop = self.shared.stop.clone().cancelled_owned();
        let served = axum::serve(BreakableListener(self.listener), app).with_graceful_shutdown(stop).await;
        self.shared.save(&*self.shared.simulator.lock().await)?;
        served.map_err(Error::Serve)
    }
}

/// Larger than any startup script.
const BODY_LIMIT: usize = 1 << 20;

impl Shared {
    /// Only calls are saved: what happens by itself follows from the state and the time.
    fn save(&self, simulator: &Simulator) -> Result<(), Error> {
        match &self.state {
            Some(path) => persist::save(path, &simulator.world).map_err(|e| Error::State(path.clone(), e)),
            None => Ok(()),
        }
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let Ok(body) = body else {
        return reply(413, None, &super::errors::Refusal::new(413, "Request body is too large").body());
    };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let request = Request {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        key: header(header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer ")).map(str::to_owned),
        content_type: header(header::CONTENT_TYPE).map(str::to_owned),
        body: body.to_vec(),
    };
    let delay = shared.simulator.lock().await.delay(Timestamp::now(), &request);
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shared.stop.cancelled() => {}
        }
    }
    let mut simulator = shared.simulator.lock().await;
    let before = simulator.changes();
    let answer = simulator.handle(Timestamp::now(), &request);
    // Before the answer: what was acknowledged survives even a kill.
    if simulator.changes() != before
        && let Err(error) = shared.save(&simulator)
    {
        tracing::error!(%error, "the state was not saved");
    }
    drop(simulator);
    match answer {
        Reply::Json { status, retry_after, body } => reply(status, retry_after, &body),
        Reply::Broken => {
            breaker.0.store(true, Ordering::Relaxed);
            // Never arrives: writing to the connection fails now.
            Response::new(Body::empty())
        }
    }
}

fn reply(status: u16, retry_after: Option<u64>, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json; charset=utf-8"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Connections that can be broken from the inside, so that a client gets a transport error instead of an answer.
struct BreakableListener(TcpListener);

/// Set: the connection is dead.
#[derive(Clone, Debug)]
struct Breaker(Arc<AtomicBool>);

struct BreakableStream {
    stream: TcpStream,
    broken: Arc<AtomicBool>,
}

impl Listener for BreakableListener {
    type Io = BreakableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (BreakableStream { stream, broken: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, BreakableListener>> for Breaker {
    fn connect_info(stream: IncomingStream<'_, BreakableListener>) -> Self {
        Self(Arc::clone(&stream.io().broken))
    }
}

impl BreakableStream {
    fn check(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for BreakableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for BreakableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

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
}
