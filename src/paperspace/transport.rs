//! Requests out, whole replies in. What a reply means is not known here.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use reqwest::header::HeaderMap;
use reqwest::{Method, Request, Url};

use super::options::{ClientOptions, ConfigError, is_loopback};
use super::text::clean_text;

/// Longer replies are refused; a page of 120 machines has a tenth of it.
pub const MAX_REPLY_BYTES: usize = 8 << 20;

/// Connecting that takes longer has failed: unlike a time-out of the whole call it proves that nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed before servers and middleboxes do: a request on a connection that the other side is just closing may
/// have been sent or not, which is expensive to settle for a create.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Over HTTP/2 all calls share one connection. One that is dead behind a proxy, which still answers for it, would fail every call until the
/// process ends: while calls wait, it has to answer pings. Together not longer than a call may take, so that no slow answer is cut short.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A reply, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_REPLY_BYTES`].
    pub body: Vec<u8>,
}

/// No reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether the request may have reached the API: false only if no connection was ever made.
    pub maybe_sent: bool,
    /// Why, without the URL.
    pub message: String,
}

/// What carries requests: HTTP, or in tests the simulator itself, in the same process and in virtual time.
///
/// An implementation sends each request at most once, follows no redirect and keeps to the request's own time-out.
pub trait Transport: Send + Sync {
    /// Sends one request.
    fn execute(&self, request: Request) -> BoxFuture<'_, Result<Reply, Failure>>;
}

/// A transport through which reads always go, and changes while they may: asked as the last thing before each is sent. What is not sent is
/// certainly not done.
pub struct Gate<M> {
    inner: Arc<dyn Transport>,
    may_change: M,
}

impl<M: Fn() -> Result<(), String> + Send + Sync + 'static> Gate<M> {
    /// `may_change` says why not, where not.
    pub fn before(inner: Arc<dyn Transport>, may_change: M) -> Arc<dyn Transport> {
        Arc::new(Self { inner, may_change })
    }
}

impl<M: Fn() -> Result<(), String> + Send + Sync> Transport for Gate<M> {
    fn execute(&self, request: Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        async move {
            if request.method() != Method::GET {
                (self.may_change)().map_err(|message| Failure { maybe_sent: false, message })?;
            }
            self.inner.execute(request).await
        }
        .boxed()
    }
}

/// The transport of production: HTTP/1.1 or 2, TLS by rustls, no retries, no redirects.
pub(super) struct Http {
    client: reqwest::Client,
}

impl Http {
    /// Connects to nothing yet.
    ///
    /// A proxy is taken from `HTTPS_PROXY` and `NO_PROXY`, as users of restricted networks expect, but only for `https` to another
    /// host: such a proxy passes encrypted bytes on and never sees the key. `http` always goes straight to its host.
    pub(super) fn new(options: &ClientOptions, endpoint: &Url) -> Result<Self, ConfigError> {
        install_crypto_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(options.user_agent()?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .https_only(endpoint.scheme() == "https")
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT);
        if endpoint.scheme() != "https" || is_loopback(endpoint) {
            builder = builder.no_proxy();
        }
        if endpoint.scheme() != "https" {
            // Without this an image that has no root certificates could not even use http.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| ConfigError::Http { message: describe(error) })?;
        Ok(Self { client })
    }
}

impl Transport for Http {
    fn execute(&self, request: Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        async move {
            let mut response = self.client.execute(request).await.map_err(failure)?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failure)? {
                if body.len() + chunk.len() > MAX_REPLY_BYTES {
                    return Err(Failure { maybe_sent: true, message: format!("a reply of more than {MAX_REPLY_BYTES} bytes") });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply { status, headers, body })
        }
        .boxed()
    }
}

fn failure(error: reqwest::Error) -> Failure {
    // A time-out while connecting under the call's own time-out is not told apart from a later one: it counts as sent.
    Failure { maybe_sent: !error.is_connect(), message: describe(error) }
}

/// The error and what caused it. The URL goes: its query is of no use here.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    clean_text(&message)
}

/// Makes ring the process's TLS library, if none was chosen. Once is enough, more does no harm.
///
/// The HTTP library panics without one. `main` calls this first, [`Client::new`](super::Client::new) again for everyone else.
pub fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
