//! From a request to a reply: time, faults, key, route, body, in that order. Still without IO.

use jiff::Timestamp;
use serde_json::Value;

use super::choices;
use super::errors::{Refusal, code};
use super::faults::{Call, Fault, Kind};
use super::keys::KeySpec;
use super::requests::{Fields, Query};
use super::routes::{self, Access, Found};
use super::sim_routes;
use super::world::{Caller, Stale, Stock, World};

/// A request, as far as the service looks at it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What follows the question mark, still encoded.
    pub query: String,
    /// The token of `Authorization: Bearer`.
    pub key: Option<String>,
    /// The `Content-Type`, if there is one.
    pub content_type: Option<String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// An answer.
    Json {
        /// The HTTP status.
        status: u16,
        /// Seconds, for a `Retry-After` header.
        retry_after: Option<u64>,
        /// The body.
        body: Value,
    },
    /// An answer that is not the API's, from a proxy on the way.
    Text {
        /// The HTTP status.
        status: u16,
        /// Seconds, for a `Retry-After` header.
        retry_after: Option<u64>,
        /// The body.
        body: String,
    },
    /// The connection breaks; there is no answer.
    Broken,
}

impl Reply {
    /// What a fault answers.
    fn injected(fault: Fault) -> Self {
        let (status, retry_after) = (fault.status.unwrap_or(500), fault.retry_after);
        match fault.text {
            Some(body) => Self::Text { status, retry_after, body },
            None => Self::Json { status, retry_after, body: Refusal::new(status, format!("{} (injected)", code(status))).body() },
        }
    }

    fn of(result: Result<Value, Refusal>) -> Self {
        match result {
            Ok(body) => Self::Json { status: 200, retry_after: None, body },
            Err(refusal) => Self::Json { status: refusal.status, retry_after: None, body: refusal.body() },
        }
    }
}

/// The simulated service: a state machine that is given the time with every call.
#[derive(Debug)]
pub struct Simulator {
    pub(super) world: World,
    changes: u64,
}

/// What a handler gets.
pub(super) struct Context {
    /// Empty for routes that need no key.
    pub(super) caller: Caller,
    pub(super) params: Vec<String>,
    pub(super) query: Query,
    pub(super) body: Value,
    /// A list answers from the past.
    stale: Option<Stale>,
}

impl Context {
    pub(super) fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }

    /// The stock that a list shows.
    pub(super) fn stock<'w>(&self, world: &'w World) -> &'w Stock {
        self.stale.map_or(&world.stock, |stale| world.stale_stock(stale))
    }

    /// The body's fields; the path's id may be repeated.
    pub(super) fn fields(&self, fields: &[super::requests::Field]) -> Result<Fields, Refusal> {
        Fields::read(&self.body, fields, self.params.first().map(String::as_str))
    }
}

impl Simulator {
    /// An empty service. `time_scale` 60 makes durations sixty times shorter; timestamps are never scaled.
    pub fn new(now: Timestamp, seed: u64, time_scale: f64, keys: &[KeySpec]) -> Self {
        Self::with(World::new(now, seed), time_scale, keys)
    }

    pub(super) fn with(mut world: World, time_scale: f64, keys: &[KeySpec]) -> Self {
        world.scale = time_scale;
        world.places = world.stock.machines.iter().enumerate().map(|(at, m)| (m.id.clone(), at)).collect();
        world.set_keys(keys);
        Self { world, changes: 0 }
    }

    /// When something happens next without a call.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.world.next_due()
    }

    /// Goes up with every call that may have changed something.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// A request came in at this moment: it may still have to wait for others.
    pub fn arrived(&mut self, at: Timestamp, request: &Request) {
        if let Some(Found { template, params, .. }) = find(request) {
            self.world.arrivals.add(at, &request.method, template, params.into_iter().next());
        }
    }

    /// How long the call is to be held back before [`Self::handle`]; counts as the fault's effect.
    pub fn delay(&mut self, now: Timestamp, request: &Request) -> std::time::Duration {
        self.world.advance(now);
        let found = find(request).map(|found| found.template);
        let delay = found.and_then(|template| {
            let call = Call { method: &request.method, template, path: below_v1(request) };
            self.world.faults.fire(Kind::Delay, call, &mut self.world.rng).and_then(|f| f.delay_ms)
        });
        std::time::Duration::from_millis(delay.unwrap_or(0))
    }

    /// Answers one request.
    pub fn handle(&mut self, now: Timestamp, request: &Request) -> Reply {
        self.world.advance(now);
        if request.path == "/_sim" || request.path.starts_with("/_sim/") {
            self.changes += u64::from(request.method != "GET");
            return Reply::of(sim_routes::handle(&mut self.world, request));
        }
        let Some(found) = find(request) else {
            return Reply::of(Err(Refusal::new(404, format!("Route {}:{} not found", request.method, request.path))));
        };
        *self.world.calls.entry(format!("{} {}", request.method, found.template)).or_default() += 1;
        self.answer(request, &found)
    }

    fn answer(&mut self, request: &Request, found: &Found) -> Reply {
        let call = Call { method: &request.method, template: found.template, path: below_v1(request) };
        let World { faults, rng, .. } = &mut self.world;
        if faults.fire(Kind::Drop, call, rng).is_some() {
            return Reply::Broken;
        }
        if let Some(fault) = faults.fire(Kind::Error, call, rng) {
            return Reply::injected(fault);
        }
        let result = self.serve(request, found, call);
        let World { faults, rng, .. } = &mut self.world;
        match faults.fire(Kind::LoseReply, call, rng) {
            None => Reply::of(result),
            Some(fault) if fault.status.is_none() => Reply::Broken,
            Some(fault) => Reply::injected(fault),
        }
    }

    fn serve(&mut self, request: &Request, found: &Found, call: Call<'_>) -> Result<Value, Refusal> {
        let Some(route) = &found.route else {
            return Err(Refusal::new(405, format!("{} is not supported here", request.method)));
        };
        let World { faults, rng, .. } = &mut self.world;
        let revoked = request.key.as_deref().is_some_and(|key| faults.revokes(key, call, rng));
        let known = request.key.as_deref().filter(|_| !revoked).and_then(|key| self.world.caller(key));
        let caller = match (route.access, known) {
            (Access::Session, None) => return Ok(Value::Null),
            (Access::Key, None) => return Err(Refusal::unauthorized()),
            (_, Some(caller)) => caller,
            (Access::Open, None) => Caller { team: String::new(), user: String::new(), is_member: true },
        };
        let mut context =
            Context { caller, params: found.params.clone(), query: Query::parse(&request.query), body: read_body(request)?, stale: None };
        if request.method == "GET" {
            return self.read(route.handler, &mut context, call, routes::is_list_of_stock(found.template));
        }
        let before = self.world.stock.clone();
        let result = (route.handler)(&mut self.world, &context);
        if result.is_ok() {
            self.changes += 1;
            self.world.remember(before);
        }
        result
    }

    fn read(&mut self, handler: routes::Handler, context: &mut Context, call: Call<'_>, may_be_stale: bool) -> Result<Value, Refusal> {
        let World { faults, rng, .. } = &mut self.world;
        if may_be_stale {
            context.stale = faults.fire(Kind::StaleList, call, rng).map(|fault| fault.delay_ms.map_or(Stale::BeforeLastChange, Stale::Ago));
        }
        let mut body = handler(&mut self.world, context)?;
        let World { faults, rng, .. } = &mut self.world;
        if let Some(items) = body.get_mut("items").and_then(Value::as_array_mut).filter(|items| !items.is_empty())
            && let Some(fault) = faults.fire(Kind::ShiftPage, call, rng)
        {
            match fault.id {
                None => drop(items.remove(rng.below(items.len()))),
                Some(id) => items.retain(|item| item["id"] != id.as_str()),
            }
        }
        Ok(body)
    }
}

fn find(request: &Request) -> Option<Found> {
    if request.path.starts_with("/v1/") { routes::find(&request.method, below_v1(request)) } else { None }
}

fn below_v1(request: &Request) -> &str {
    request.path.strip_prefix("/v1").unwrap_or(&request.path)
}

/// The body as JSON; null for calls that have none.
fn read_body(request: &Request) -> Result<Value, Refusal> {
    let content_type = request.content_type.as_deref().map(|t| t.split(';').next().unwrap_or(t).trim().to_ascii_lowercase());
    let is_json = content_type.as_deref() == Some("application/json");
    match request.method.as_str() {
        // Clients send bodies with DELETE, which the service does not look at.
        "GET" | "DELETE" => Ok(Value::Null),
        "PATCH" if request.body.is_empty() && is_json => Err(choices::empty_json()),
        "PATCH" if request.body.is_empty() => Ok(Value::Object(serde_json::Map::new())),
        _ if !is_json => Err(choices::not_json(content_type.as_deref().unwrap_or("none"))),
        _ if request.body.is_empty() => Err(choices::empty_json()),
        _ => serde_json::from_slice(&request.body).map_err(|error| Refusal::unreadable(error.to_string())),
    }
}
