//! The HTTP server: sockets, the wall clock and the state file around the [`Simulator`].

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::api::{Reply, Request, Simulator};
use super::connection::{BreakableListener, Breaker};
use super::errors::Refusal;
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
    let arrived = Timestamp::now();
    let Ok(body) = body else {
        return json(413, None, &Refusal::new(413, "Request body is too large").body());
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
    // A task of its own: a client that goes away does not undo its request.
    match tokio::spawn(handle(shared, arrived, request)).await {
        Ok(Reply::Json { status, retry_after, body }) => json(status, retry_after, &body),
        Ok(Reply::Text { status, retry_after, body }) => response(status, retry_after, "text/html", body),
        Ok(Reply::Broken) => {
            breaker.break_now();
            // Never arrives.
            Response::new(Body::empty())
        }
        Err(_) => json(500, None, &Refusal::new(500, "The simulator failed").body()),
    }
}

async fn handle(shared: Arc<Shared>, arrived: Timestamp, request: Request) -> Reply {
    let delay = {
        let mut simulator = shared.simulator.lock().await;
        simulator.arrived(arrived, &request);
        simulator.delay(Timestamp::now(), &request)
    };
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
    answer
}

fn json(status: u16, retry_after: Option<u64>, body: &serde_json::Value) -> Response {
    response(status, retry_after, "application/json; charset=utf-8", body.to_string())
}

fn response(status: u16, retry_after: Option<u64>, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
