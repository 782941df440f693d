//! How traces reach their collector: over the HTTP client that everything else here uses, instead of a second one of the exporter's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::RETRY_AFTER;
use tokio::runtime::Handle;

use super::trouble::Trouble;
use crate::paperspace::{Reply, Transport};

/// Takes requests on the exporter's own thread, where they may wait, and sends them on the runtime.
pub(super) struct Collector {
    transport: Arc<dyn Transport>,
    runtime: Handle,
    timeout: Duration,
    trouble: Mutex<Trouble>,
}

impl Collector {
    /// To be made within the runtime.
    pub(super) fn new(transport: Arc<dyn Transport>, timeout: Duration) -> Self {
        Self { transport, runtime: Handle::current(), timeout, trouble: Mutex::default() }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Reply, HttpError> {
        let mut request = reqwest::Request::try_from(request)?;
        *request.timeout_mut() = Some(self.timeout);
        // Which of them is a token, nobody says.
        request.headers_mut().values_mut().for_each(|value| value.set_sensitive(true));
        let transport = self.transport.clone();
        let sent = self.runtime.spawn(async move { transport.execute(request).await });
        sent.await?.map_err(|failure| failure.message.into())
    }

    fn tell(&self, outcome: Result<u16, String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match outcome {
            Ok(200..=299) => {
                if trouble.over() {
                    tracing::info!("the collector takes traces again");
                }
                return;
            }
            Ok(status) => format!("HTTP {status}"),
            Err(error) => error,
        };
        if let Some(requests) = trouble.failed(Instant::now()) {
            tracing::warn!(error, requests, "the collector of --otlp-endpoint does not take traces: they are lost, and nothing else is");
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'this, 'sent>(&'this self, request: Request<Bytes>) -> BoxFuture<'sent, Result<Response<Bytes>, HttpError>>
    where
        'this: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let reply = self.send(request).await;
            self.tell(reply.as_ref().map(|reply| reply.status).map_err(ToString::to_string));
            let reply = reply?;
            let mut response = Response::builder().status(reply.status);
            if let Some(after) = reply.headers.get(RETRY_AFTER) {
                response = response.header(RETRY_AFTER, after);
            }
            Ok(response.body(reply.body.into())?)
        })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
