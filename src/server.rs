//! Probes and metrics over HTTP: /livez, /readyz, /metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How far the start is. One source of truth for the probe and the log.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

/// The stages of the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not yet anything.
    Starting,
    /// The CRD is not there.
    WaitingForCrd,
    /// Others work, or may still.
    StandingBy,
    /// Resources are being worked on.
    Ready,
}

impl Readiness {
    /// The start is this far.
    pub fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }

    /// How far the start is.
    pub fn get(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::WaitingForCrd,
            2 => Stage::StandingBy,
            _ => Stage::Ready,
        }
    }
}

#[derive(Clone)]
struct Shared {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    refresh: Arc<dyn Fn() + Send + Sync>,
}

/// Listens; the address is in use or may not be used otherwise.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves until stopped. `refresh` brings the gauges up to date before they are read.
pub async fn serve(
    listener: TcpListener,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    refresh: Arc<dyn Fn() + Send + Sync>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics))
        .with_state(Shared { readiness, metrics, refresh });
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.readiness.get() {
        Stage::Ready => (StatusCode::OK, "ok\n"),
        // Ready all the same: it does what it is there for. A StatefulSet that is updated waits for each new pod to be ready before it
        // ends the next old one, and the new ones stand by until the last old one has ended.
        Stage::StandingBy => (StatusCode::OK, "standing by: another process holds the lease\n"),
        Stage::WaitingForCrd => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the CustomResourceDefinition\n"),
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}

/// OpenMetrics for those who ask for it, as Prometheus does; the older format for others.
async fn show_metrics(State(shared): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    (shared.refresh)();
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let (kind, text) = if accepts.contains("application/openmetrics-text") {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", shared.metrics.encode())
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", shared.metrics.encode_classic())
    };
    ([(header::CONTENT_TYPE, kind)], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_operator_that_stands_by_or_works_is_ready_and_one_that_starts_is_not() {
        let (metrics, refresh): (_, Arc<dyn Fn() + Send + Sync>) = (Metrics::shared(), Arc::new(|| ()));
        let shared = Shared { readiness: Arc::default(), metrics, refresh };
        for (stage, ready) in [(Stage::Starting, 503), (Stage::WaitingForCrd, 503), (Stage::StandingBy, 200), (Stage::Ready, 200)] {
            shared.readiness.set(stage);
            assert_eq!(shared.readiness.get(), stage);
            assert_eq!(readyz(State(shared.clone())).await.into_response().status(), ready, "{stage:?}");
        }
    }
}
