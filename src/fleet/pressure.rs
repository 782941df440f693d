//! Many accounts, many keys and an API in trouble, in virtual time: who waits, how many calls are made, and how it goes on.
#![allow(clippy::unwrap_used, clippy::unchecked_time_subtraction, reason = "tests: a panic is a failure")]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::keys::Setup;
use super::{Account, Interest, Keys, Opened, Wake};
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::Access;
use crate::metrics::Metrics;
use crate::paperspace::transport::{Failure, Reply, Transport};
use crate::paperspace::types::CreateMachine;
use crate::paperspace::{Client, ClientOptions, Error, Priority, Rate};
use crate::simulator::{KeySpec, Reply as Answer, Request, Simulator};

const RATE: u32 = 5;
const BURST: u32 = 10;

/// One call that reached the API.
#[derive(Clone, Debug)]
struct Call {
    key: String,
    method: String,
    path: String,
    at: Duration,
}

/// What the API does instead of answering.
type Mood = Box<dyn Fn(&Call) -> Option<(u16, Option<u64>)> + Send + Sync>;

/// The simulator, which answers after a while and may be in a mood.
struct Api {
    simulator: Mutex<Simulator>,
    began: Instant,
    mood: Mutex<Mood>,
    takes: Mutex<Duration>,
    calls: Mutex<Vec<Call>>,
    /// Now, and at most so far.
    pending: Mutex<(usize, usize)>,
}

struct Wire(Arc<Api>);

impl Transport for Wire {
    fn execute(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        let api = &self.0;
        let key = request.headers().get("authorization").and_then(|v| v.to_str().ok()?.strip_prefix("Bearer ")).unwrap_or_default();
        let path = request.url().path().trim_start_matches("/v1").to_owned();
        let call = Call { key: key.to_owned(), method: request.method().to_string(), path, at: api.began.elapsed() };
        api.calls.lock().unwrap().push(call.clone());
        {
            let mut pending = api.pending.lock().unwrap();
            pending.0 += 1;
            pending.1 = pending.1.max(pending.0);
        }
        async move {
            let takes = *api.takes.lock().unwrap();
            sleep(takes).await;
            api.pending.lock().unwrap().0 -= 1;
            let mut headers = HeaderMap::default();
            if let Some((status, retry_after)) = (api.mood.lock().unwrap())(&call) {
                if let Some(seconds) = retry_after {
                    headers.insert(RETRY_AFTER, seconds.into());
                }
                return Ok(Reply { status, headers, body: br#"{"code":"X","message":"trouble"}"#.to_vec() });
            }
            let sent = Request {
                method: call.method,
                path: request.url().path().to_owned(),
                query: request.url().query().unwrap_or_default().to_owned(),
                key: Some(call.key),
                body: request.body().and_then(|b| b.as_bytes()).unwrap_or_default().to_vec(),
                content_type: request.body().map(|_| "application/json".to_owned()),
            };
            let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            let now = epoch + SignedDuration::try_from(api.began.elapsed()).unwrap();
            match api.simulator.lock().unwrap().handle(now, &sent) {
                Answer::Json { status, body, .. } => Ok(Reply { status, headers, body: body.to_string().into_bytes() }),
                other => panic!("{other:?}"),
            }
        }
        .boxed()
    }
}

/// The fleet of an operator with the flags of production.
struct World {
    api: Arc<Api>,
    keys: Keys,
    woken: Arc<Mutex<Vec<String>>>,
    metrics: Arc<Metrics>,
}

impl World {
    /// One key for each of so many teams, `k0` of `t0` and so on, and a second of `t0`.
    fn new(teams: usize) -> Self {
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let keys = (0..teams).map(|n| format!("k{n}=t{n}")).chain(["second=t0".to_owned()]);
        let keys: Vec<KeySpec> = keys.map(|k| k.parse().unwrap()).collect();
        let began = Instant::now();
        let api = Arc::new(Api {
            simulator: Mutex::new(Simulator::new(epoch, 7, 1.0, &keys)),
            began,
            mood: Mutex::new(Box::new(|_| None)),
            takes: Mutex::new(Duration::from_millis(10)),
            calls: Mutex::default(),
            pending: Mutex::default(),
        });
        let (woken, metrics) = (Arc::new(Mutex::new(Vec::new())), Metrics::shared());
        let heard = woken.clone();
        let setup = Setup {
            options: ClientOptions { base_url: "http://127.0.0.1:1/v1".into(), ..ClientOptions::default() },
            rate: Rate::new(NonZeroU32::new(RATE).unwrap(), NonZeroU32::new(BURST).unwrap()),
            poll_interval: Duration::from_secs(30),
            process: "process".into(),
            per_machine: false,
            transition: Duration::from_secs(5),
            observer: metrics.clone(),
            now: Arc::new(move || began.elapsed()),
            wake: Arc::new(move |wake: Wake| heard.lock().unwrap().push(wake.name)),
            stop: CancellationToken::new(),
        };
        let keys = Keys::over(setup, Arc::new(Wire(api.clone()))).unwrap();
        Self { api, keys, woken, metrics }
    }

    async fn open(&self, key: &str) -> Opened {
        self.keys.open(&SecretString::from(key), false).await.unwrap()
    }

    /// All accounts, and their buckets full again.
    async fn opened(&self, teams: usize) -> Vec<(Arc<Account>, Client)> {
        let mut all = Vec::new();
        for n in 0..teams {
            let opened = self.open(&format!("k{n}")).await;
            all.push((opened.account.unwrap(), opened.client));
        }
        sleep(Duration::from_secs(10)).await;
        all
    }

    fn mood(&self, mood: impl Fn(&Call) -> Option<(u16, Option<u64>)> + Send + Sync + 'static) {
        *self.api.mood.lock().unwrap() = Box::new(mood);
    }

    fn takes(&self, time: Duration) {
        *self.api.takes.lock().unwrap() = time;
    }

    fn now(&self) -> Duration {
        self.api.began.elapsed()
    }

    fn calls_since(&self, since: Duration) -> Vec<Call> {
        self.api.calls.lock().unwrap().iter().filter(|call| call.at >= since).cloned().collect()
    }

    fn shows(&self, metric: &str) -> bool {
        self.metrics.encode().lines().any(|line| line == format!("paperspace_operator_{metric}"))
    }

    fn watch(account: &Account, uid: &str) {
        let wake = Wake { namespace: "default".into(), name: uid.into() };
        account.interest(uid, Interest { wake, mark: Mark::of_uid(uid), machine: None, seen: None });
    }
}

/// Fails on a window with more calls than the budget allows.
fn keeps_the_budget(calls: &[Call]) {
    for (at, first) in calls.iter().enumerate() {
        for (n, last) in calls[at..].iter().enumerate() {
            let allowed = f64::from(BURST) + f64::from(RATE) * (last.at - first.at).as_secs_f64();
            let calls = f64::from(u32::try_from(n + 1).unwrap());
            assert!(calls <= allowed + 1e-6, "{calls} calls from {:?} to {:?}", first.at, last.at);
        }
    }
}

/// Somebody who calls without pause, until stopped; an error is waited with for a second.
fn flood(client: &Client, priority: Priority) -> tokio::task::JoinHandle<()> {
    let client = client.clone().with_read_priority(priority);
    tokio::spawn(async move {
        loop {
            let result = match priority {
                Priority::Mutation => client.stop_machine("ps1").await.map(drop),
                _ => client.machine("ps1").await.map(drop),
            };
            if result.is_err_and(|error| !error.is_not_found()) {
                sleep(Duration::from_secs(1)).await;
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn one_account_that_floods_slows_none_of_the_other_49() {
    let world = World::new(50);
    let accounts = world.opened(50).await;
    let floods: Vec<_> = (0..200).map(|_| flood(&accounts[0].1, Priority::Mutation)).collect();
    sleep(Duration::from_secs(5)).await;
    let begin = world.now();
    let others = accounts[1..].iter().map(|(_, client)| async {
        // A burst, and then what the rate allows.
        for _ in 0..BURST + 10 * RATE {
            let _ = client.machine("ps1").await;
        }
    });
    join_all(others).await;
    let took = world.now() - begin;
    assert!(took < Duration::from_millis(10_900), "{took:?} for what the budget allows in ten seconds");
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn fifty_accounts_that_flood_have_each_their_rate_and_no_more() {
    let world = World::new(50);
    let accounts = world.opened(50).await;
    let begin = world.now();
    let floods: Vec<_> = accounts.iter().flat_map(|(_, client)| (0..20).map(|_| flood(client, Priority::Lookup))).collect();
    sleep(Duration::from_mins(1)).await;
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    let mut by_key: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    world.calls_since(begin).into_iter().for_each(|call| by_key.entry(call.key.clone()).or_default().push(call));
    assert_eq!(by_key.len(), 50);
    for (key, calls) in &by_key {
        keeps_the_budget(calls);
        let all = usize::try_from(BURST + 60 * RATE).unwrap();
        // The clock of tests wakes up to a millisecond late.
        assert!(calls.len() >= all - 3, "{key} made {} calls of {all}", calls.len());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_team_share_its_budget_from_their_first_call_on() {
    let world = World::new(1);
    let first = world.open("k0").await;
    let floods: Vec<_> = (0..20).map(|_| flood(&first.client, Priority::Idle)).collect();
    sleep(Duration::from_secs(30)).await;
    let begin = world.now();
    let second = world.open("second").await;
    let more: Vec<_> = (0..20).map(|_| flood(&second.client, Priority::Lookup)).collect();
    // And its session is the account's affair from now on.
    let _ = world.keys.open(&SecretString::from("second"), true).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    floods.iter().chain(&more).for_each(tokio::task::JoinHandle::abort);
    let calls = world.calls_since(begin);
    // The first session of the second key is paid for afterwards.
    let all = (world.now() - begin).as_secs_f64() * f64::from(RATE) + 1.0;
    assert!(f64::from(u32::try_from(calls.len()).unwrap()) <= all, "{} calls of {all}", calls.len());
    assert_eq!(calls.iter().filter(|c| c.path == "/auth/session").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_keys_that_open_nothing_are_as_one_account() {
    let world = Arc::new(World::new(1));
    let begin = world.now();
    let asking: Vec<_> = (0..100)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move {
                loop {
                    let opened = world.keys.open(&SecretString::from(format!("nothing-{n}")), true).await.unwrap();
                    assert_eq!(opened.access, Access::Rejected);
                }
            })
        })
        .collect();
    sleep(Duration::from_mins(1)).await;
    let (calls, before) = (world.calls_since(begin), world.now());
    keeps_the_budget(&calls);
    assert!(calls.len() > 290, "{}", calls.len());
    assert!(matches!(world.open("k0").await.access, Access::Open { .. }));
    assert!(world.now() - before < Duration::from_secs(21), "one that opens something has its turn: {:?}", world.now() - before);
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_429s_costs_one_call_for_each_pause_and_then_it_goes_on() {
    for retry_after in [None, Some(0), Some(3), Some(40)] {
        let world = World::new(1);
        let (_, client) = world.opened(1).await.remove(0);
        let floods: Vec<_> = (0..30).map(|n| flood(&client, [Priority::Mutation, Priority::Lookup, Priority::Idle][n % 3])).collect();
        sleep(Duration::from_secs(5)).await;
        world.mood(move |_| Some((429, retry_after)));
        let begin = world.now();
        sleep(Duration::from_mins(5)).await;
        let calls = world.calls_since(begin).len();
        // Those that were on their way already; then 1, 2, 4, 8, 16, 32, 60 s, or as asked for.
        let pauses = match retry_after {
            None | Some(0) => 6 + 4,
            Some(seconds) => usize::try_from(300 / seconds).unwrap() + 1,
        };
        assert!((2..=pauses + 2).contains(&calls), "{retry_after:?}: {calls} calls, {pauses} pauses");
        world.mood(|_| None);
        sleep(Duration::from_secs(62)).await;
        let begin = world.now();
        sleep(Duration::from_secs(20)).await;
        let calls = world.calls_since(begin);
        assert!(calls.len() >= 20 * 5 - 2, "{retry_after:?}: {} calls in 20 s after it", calls.len());
        floods.iter().for_each(tokio::task::JoinHandle::abort);
        keeps_the_budget(&world.calls_since(Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_api_is_called_at_the_rate_mutations_first_and_nobody_never() {
    let world = World::new(1);
    let (_, client) = world.opened(1).await.remove(0);
    world.takes(Duration::from_secs(20));
    let begin = world.now();
    // More than the rate of each.
    let floods: Vec<_> = [Priority::Mutation, Priority::Lookup, Priority::Idle]
        .into_iter()
        .flat_map(|priority| (0..300).map(|_| flood(&client, priority)).collect::<Vec<_>>())
        .collect();
    sleep(Duration::from_mins(2)).await;
    let calls = world.calls_since(begin);
    keeps_the_budget(&calls);
    assert!(calls.len() >= 600, "{}", calls.len());
    let most = world.api.pending.lock().unwrap().1;
    assert!(most <= usize::try_from(BURST + 20 * RATE).unwrap(), "{most} at once");
    let changes = calls.iter().filter(|call| call.method == "PATCH").count();
    assert!(changes * 100 >= calls.len() * 79, "{changes} changes of {}", calls.len());
    let text = world.metrics.encode();
    for priority in ["mutation", "lookup", "idle"] {
        assert!(text.contains(&format!("api_budget_wait_seconds_total{{priority=\"{priority}\"}}")), "{text}");
    }
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_down_is_left_alone_and_those_who_wait_are_woken_when_it_is_back() {
    let world = World::new(2);
    let accounts = world.opened(2).await;
    for (account, uid) in [(&accounts[0].0, "000000000001"), (&accounts[1].0, "000000000002")] {
        World::watch(account, uid);
    }
    sleep(Duration::from_secs(31)).await;
    let of_first = |call: &Call| call.key == "k0";
    world.mood(move |call| of_first(call).then_some((503, None)));
    let begin = world.now();
    let (account, client) = &accounts[0];
    let floods: Vec<_> = (0..30).map(|n| flood(client, [Priority::Mutation, Priority::Lookup, Priority::Idle][n % 3])).collect();
    sleep(Duration::from_mins(8)).await;
    let down = world.calls_since(begin).into_iter().filter(of_first).count();
    // A burst that was on its way when the fifth failure came, and looks after 5, 10, 20, 40, 80, 160 s, and up to a fifth more.
    assert!((8..=usize::try_from(BURST).unwrap() + 7).contains(&down), "{down} calls in eight minutes");
    assert!(world.shows("api_breaker_open 1") && world.shows("api_breaker_openings_total 1"), "{}", world.metrics.encode());
    assert!(world.calls_since(begin).iter().any(|call| call.key == "k1"), "another account goes on");
    account.waits_for_an_answer(Wake { namespace: "default".into(), name: "waits".into() });
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    world.mood(|_| None);
    let back = world.now();
    sleep(Duration::from_mins(6)).await;
    assert_eq!(world.woken.lock().unwrap().iter().filter(|name| *name == "waits").count(), 1);
    let first = world.calls_since(back).into_iter().find(of_first).unwrap();
    assert_eq!((first.method.as_str(), first.path.as_str()), ("GET", "/machines"), "the poll finds it out");
    assert!(world.shows("api_breaker_open 0") && world.shows("api_breaker_openings_total 1"), "{}", world.metrics.encode());
    keeps_the_budget(&world.calls_since(Duration::ZERO).into_iter().filter(of_first).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_permit_is_from_before_the_outage_is_not_sent_and_that_is_proof() {
    let world = World::new(1);
    let (_, client) = world.opened(1).await.remove(0);
    let permit = client.budget().acquire().await.unwrap();
    world.mood(|_| Some((500, None)));
    for _ in 0..5 {
        assert!(matches!(client.machine("ps1").await, Err(Error::Rejected { status: 500, .. })));
    }
    let error = client.create_machine(permit, &CreateMachine::default(), Duration::from_secs(1)).await.unwrap_err();
    assert!(error.proves_nothing_done() && !error.is_not_found() && !error.is_refusal(), "{error}");
    assert!(error.to_string().contains("HTTP 500") && error.to_string().contains("in 5 s"), "{error}");
    assert!(world.calls_since(Duration::ZERO).iter().all(|call| call.method == "GET"));
}
