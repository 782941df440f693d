//! A `kube::Client` over the API, and what it is made of.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http;
use futures::StreamExt as _;
use jiff::Timestamp;

use super::{Kubernetes, Reply, Request};

impl Request {
    /// From what the client sends.
    pub(crate) async fn from_http(request: http::Request<kube::client::Body>) -> Self {
        let (parts, body) = request.into_parts();
        let header = |name: http::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: header(http::header::CONTENT_TYPE),
            accept: header(http::header::ACCEPT),
            body: body.collect_bytes().await.expect("a body from memory").to_vec(),
        }
    }
}

impl Reply {
    /// To what the client reads.
    pub(crate) fn into_http(self) -> http::Response<Body> {
        let (status, body) = match self {
            Self::Answer { status, body } => (status, Body::from(body)),
            Self::Watch(lines) => (200, Body::from_stream(lines.map(|line| Ok::<_, Infallible>(Bytes::from(line))))),
        };
        let response = http::Response::builder().status(status).header(http::header::CONTENT_TYPE, "application/json");
        response.body(body).expect("a response")
    }
}

/// A client without faults or delays. Needs a tokio runtime.
pub(crate) fn client(kubernetes: Arc<Mutex<Kubernetes>>, now: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> kube::Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (kubernetes, now) = (kubernetes.clone(), now.clone());
        async move {
            let request = Request::from_http(request).await;
            let reply = kubernetes.lock().unwrap_or_else(PoisonError::into_inner).handle(now(), &request);
            Ok::<_, Infallible>(reply.into_http())
        }
    });
    kube::Client::new(service, "default")
}
