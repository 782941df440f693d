//! The client itself: what it holds, and the one way out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Request, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::budget::{Budget, Came, Change, Permit, Priority};
use super::call::Call;
use super::observe::{CallObserver, CallRecord};
use super::options::{ClientOptions, ConfigError};
use super::transport::Transport;
use super::{Error, reply, spans};

/// The API as one key sees it. Clones share connections and budget.
///
/// Every call waits for the account's [`Budget`] first, except the creating ones, which take a [`Permit`] got before. Where the budget says
/// that nothing is to be sent for a while, calls fail with [`Error::NotSent`].
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    endpoint: Arc<Url>,
    /// Marked sensitive: not shown by Debug, not compressed into HTTP/2's shared table.
    authorization: HeaderValue,
    /// To take it out of what others say.
    key: SecretString,
    budget: Arc<Budget>,
    timeout: Duration,
    observer: Option<Arc<dyn CallObserver>>,
    reads: Priority,
    /// What the next call spends.
    held: Option<Arc<Mutex<Option<Permit>>>>,
}

impl Client {
    /// A client for one key. Nothing is sent yet, and the key never to another host than that of the options.
    pub fn new(options: &ClientOptions, key: SecretString, budget: Arc<Budget>) -> Result<Self, ConfigError> {
        Self::with_transport(options, key, budget, options.http()?)
    }

    /// A client whose requests are carried by something else than HTTP.
    pub fn with_transport(
        options: &ClientOptions,
        key: SecretString,
        budget: Arc<Budget>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            transport,
            endpoint: Arc::new(options.endpoint()?),
            authorization: authorization(&key)?,
            key,
            budget,
            timeout: options.timeout()?,
            observer: None,
            reads: Priority::default(),
            held: None,
        })
    }

    /// The same endpoint and connections for another key and its account's budget.
    pub fn with_key(&self, key: SecretString, budget: Arc<Budget>) -> Result<Self, ConfigError> {
        Ok(Self { authorization: authorization(&key)?, key, budget, ..self.clone() })
    }

    /// The same client, whose calls `observer` hears of.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same client, whose reads wait for their turn as `priority` says; changes always go first.
    #[must_use]
    pub fn with_read_priority(mut self, priority: Priority) -> Self {
        self.reads = priority;
        self
    }

    /// Whether both use the same key.
    pub fn same_key(&self, other: &Self) -> bool {
        self.authorization == other.authorization
    }

    /// The same client, whose next call spends this permit instead of waiting for one: for a caller that has to know when it is sent.
    #[must_use]
    pub fn spending(&self, permit: Permit) -> Self {
        Self { held: Some(Arc::new(Mutex::new(Some(permit)))), ..self.clone() }
    }

    /// The account's budget.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The endpoint, without a trailing slash.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str().trim_end_matches('/')
    }

    /// Sends a call when the budget allows it.
    pub(super) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let priority = if call.changes_something() { Priority::Mutation } else { self.reads };
        let ready = self.prepare(call, self.timeout)?;
        let held = self.held.as_ref().and_then(|held| held.lock().unwrap_or_else(PoisonError::into_inner).take());
        let permit = match held {
            Some(permit) => permit,
            None => self.budget.acquire_as(priority).await.map_err(|silence| Error::NotSent { route: ready.route, silence })?,
        };
        self.deliver(permit, ready).await
    }

    /// Sends a call at once.
    pub(super) async fn send_now<T: DeserializeOwned>(&self, permit: Permit, call: Call<'_>, timeout: Duration) -> Result<T, Error> {
        let ready = self.prepare(call, timeout)?;
        self.deliver(permit, ready).await
    }

    /// What cannot be sent fails here, before it costs a token.
    fn prepare(&self, call: Call<'_>, timeout: Duration) -> Result<Ready, Error> {
        let (route, secret, (method, path)) = (call.route, call.secret, call.method_and_path());
        let mut request = call.request(&self.endpoint, &self.authorization)?;
        *request.timeout_mut() = Some(timeout);
        Ok(Ready { request, route, method, path, secret })
    }

    async fn deliver<T: DeserializeOwned>(&self, permit: Permit, ready: Ready) -> Result<T, Error> {
        let Ready { request, route, method, path, secret } = ready;
        let (waited, priority) = (permit.waited(), permit.priority());
        let token = permit.spend().map_err(|silence| Error::NotSent { route, silence })?;
        let sent = Instant::now();
        let span = spans::call(&self.endpoint, method, path);
        let reply = self.transport.execute(request).instrument(span.clone()).await;
        let duration = sent.elapsed();
        let status = reply.as_ref().ok().map(|reply| reply.status);
        let result = match reply {
            Ok(reply) => reply::read(route, secret, &reply),
            Err(failure) => Err(Error::Transport { route, maybe_sent: failure.maybe_sent, message: failure.message }),
        };
        let result = result.map_err(|error| self.without_key(error));
        spans::ended(&span, status, result.as_ref().err());

        let change = match &result {
            Ok(_) => self.budget.came(token, Came::Well),
            Err(error) if status == Some(429) => self.budget.came(token, Came::RateLimited(error.retry_after())),
            Err(error) if status.is_none_or(|status| status >= 500 || (300..400).contains(&status)) => {
                self.budget.came(token, Came::Failed(&error.to_string(), error.retry_after()))
            }
            Err(_) => self.budget.came(token, Came::Answered),
        };
        let outcome = result.as_ref().map_or_else(Error::kind, |_| "ok");
        match &result {
            // The API's 404 is an answer that callers expect; so is no machine of theirs.
            Ok(_) | Err(Error::Rejected { status: 404, from_api: true, .. }) => {
                tracing::debug!(method, route = path, status, outcome, ?duration, ?waited, "called");
            }
            Err(_) => tracing::warn!(method, route = path, status, outcome, ?duration, ?waited, "call failed"),
        }
        if let Some(observer) = &self.observer {
            observer.observe(&CallRecord { method, route: path, outcome, status, duration, waited, priority });
        }
        self.tell(change);
        result
    }

    fn tell(&self, change: Option<Change>) {
        match change {
            None => return,
            Some(Change::Opened) => tracing::warn!("the API does not answer: nothing but a look now and then is sent for the account"),
            Some(Change::Closed) => tracing::info!("the API answers again"),
        }
        if let Some(observer) = &self.observer {
            observer.breaker(change == Some(Change::Opened));
        }
    }

    /// The error, should its text repeat the key ("unknown key ...").
    fn without_key(&self, mut error: Error) -> Error {
        /// Shorter ones are no keys, and would be found in any text.
        const SHORTEST_KEY: usize = 8;
        let key = self.key.expose_secret();
        let (Error::Transport { message, .. } | Error::Rejected { message, .. } | Error::BadPayload { message, .. }) = &mut error else {
            return error;
        };
        if key.len() >= SHORTEST_KEY && message.contains(key) {
            *message = message.replace(key, "[API key]");
        }
        error
    }
}

/// A call on its way out.
struct Ready {
    request: Request,
    route: &'static str,
    method: &'static str,
    path: &'static str,
    secret: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint()).field("reads", &self.reads).finish_non_exhaustive()
    }
}

fn authorization(key: &SecretString) -> Result<HeaderValue, ConfigError> {
    let key = key.expose_secret();
    if key.is_empty() {
        return Err(ConfigError::Key { problem: "it is empty" });
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ConfigError::Key { problem: "it holds a character that cannot be sent, perhaps a line break at its end" });
    }
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| ConfigError::Key { problem: "it cannot be sent" })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
