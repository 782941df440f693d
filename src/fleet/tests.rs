//! The fleet against the simulator, in virtual time and without a socket.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::keys::Setup;
use super::{Account, Interest, Keys, Opened, Wake};
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::Access;
use crate::paperspace::transport::{Failure, Reply, Transport};
use crate::paperspace::{Client, ClientOptions};
use crate::simulator::{KeySpec, Reply as Answer, Request, Simulator};

/// The simulator as a transport, whose every call takes 10 ms.
struct World {
    simulator: Mutex<Simulator>,
    started: Instant,
    epoch: Timestamp,
}

impl World {
    fn new(keys: &[&str]) -> Arc<Self> {
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let keys: Vec<KeySpec> = keys.iter().map(|k| k.parse().unwrap()).collect();
        Arc::new(Self { simulator: Mutex::new(Simulator::new(epoch, 7, 1.0, &keys)), started: Instant::now(), epoch })
    }

    fn send(&self, request: &Request) -> Answer {
        let now = self.epoch + SignedDuration::try_from(self.started.elapsed()).unwrap();
        self.simulator.lock().unwrap().handle(now, request)
    }

    fn sim(&self, method: &str, path: &str, body: &Value) -> Value {
        let request =
            Request { method: method.into(), path: format!("/_sim/{path}"), body: body.to_string().into_bytes(), ..Request::default() };
        match self.send(&request) {
            Answer::Json { status: 200, body, .. } => body,
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    fn calls(&self, route: &str) -> u64 {
        self.sim("GET", "truth", &json!(null))["calls"][route].as_u64().unwrap_or_default()
    }

    fn machine(&self, name: &str) -> String {
        let body = json!({"name": name, "machineType": "C5", "templateId": "t0nspur5", "diskSize": 50, "region": "ny2", "team": "te1"});
        self.sim("POST", "machines", &body)["id"].as_str().unwrap().to_owned()
    }
}

/// A handle of its own, because the trait is the client's and `Arc` is not ours.
struct Wire(Arc<World>);

impl Transport for Wire {
    fn execute(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let key = request.headers().get("authorization").and_then(|v| v.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
            let sent = Request {
                method: request.method().to_string(),
                path: request.url().path().to_owned(),
                query: request.url().query().unwrap_or_default().to_owned(),
                key,
                content_type: None,
                body: request.body().and_then(|b| b.as_bytes()).unwrap_or_default().to_vec(),
            };
            match self.0.send(&sent) {
                Answer::Json { status, body, .. } => {
                    Ok(Reply { status, headers: HeaderMap::default(), body: body.to_string().into_bytes() })
                }
                Answer::Text { status, body, .. } => Ok(Reply { status, headers: HeaderMap::default(), body: body.into_bytes() }),
                Answer::Broken => Err(Failure { maybe_sent: true, message: "connection closed".into() }),
            }
        }
        .boxed()
    }
}

struct Fleet {
    world: Arc<World>,
    keys: Keys,
    woken: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl Fleet {
    fn new(keys: &[&str]) -> Self {
        Self::observed(keys, false)
    }

    fn observed(keys: &[&str], per_machine: bool) -> Self {
        let world = World::new(keys);
        let (woken, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (heard, started) = (woken.clone(), Instant::now());
        let many = NonZeroU32::new(1000).unwrap();
        let setup = Setup {
            options: ClientOptions { base_url: "http://127.0.0.1:1/v1".into(), ..ClientOptions::default() },
            rate: (many, many),
            poll_interval: Duration::from_secs(30),
            transition: Duration::from_secs(5),
            per_machine,
            observer: Arc::new(|_: &crate::paperspace::CallRecord| {}),
            now: Arc::new(move || started.elapsed()),
            wake: Arc::new(move |wake: Wake| heard.lock().unwrap().push(wake.name)),
            stop: stop.clone(),
        };
        let keys = Keys::over(setup, Arc::new(Wire(world.clone()))).unwrap();
        Self { world, keys, woken, stop }
    }

    async fn open(&self, key: &str) -> Opened {
        self.keys.open(&SecretString::from(key), false).await.unwrap()
    }

    async fn account(&self) -> (Arc<Account>, Client) {
        let opened = self.open("k1").await;
        (opened.account.unwrap(), opened.client)
    }

    fn woken(&self) -> Vec<String> {
        std::mem::take(&mut self.woken.lock().unwrap())
    }
}

fn watch(account: &Account, uid: &str, machine: Option<&str>) {
    let wake = Wake { namespace: "default".into(), name: uid.into() };
    account.interest(uid, Interest { wake, mark: Mark::of_uid(uid), machine: machine.map(str::to_owned), seen: None });
}

#[tokio::test(start_paused = true)]
async fn an_idle_account_costs_one_list_each_interval_and_nothing_else() {
    let fleet = Fleet::new(&["k1=te1"]);
    for n in 0..121 {
        fleet.world.machine(&format!("m{n}"));
    }
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", None);
    tokio::time::sleep(Duration::from_hours(1) + Duration::from_secs(1)).await;
    assert_eq!(fleet.world.calls("GET /machines"), 2 * 120, "two pages, every 30 s");
    assert_eq!(fleet.world.calls("GET /auth/session"), 1);
    assert_eq!(fleet.world.calls("GET /machines/{id}"), 0);
    assert_eq!(fleet.woken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn looked_at_one_by_one_fifty_idle_machines_cost_fifty_times_the_calls_and_no_list() {
    for (per_machine, lists, gets) in [(false, 119..=122, 0..=2), (true, 0..=0, 50 * 118..=50 * 122)] {
        let fleet = Fleet::observed(&["k1=te1"], per_machine);
        let (account, client) = fleet.account().await;
        // What a controller does: a pass at first, and another as often as it is told to.
        let pass = async |n: u64| {
            let uid = format!("{n:012x}");
            let id = fleet.world.machine(&format!("m-{uid}"));
            loop {
                account.machine(&client, &id, Duration::ZERO).await.unwrap();
                watch(&account, &uid, Some(&id));
                tokio::time::sleep(fleet.keys.looks_every(&uid).unwrap_or(Duration::MAX)).await;
                assert!(account.unobserved_for() < Duration::from_secs(2), "no outage: somebody else was looked at");
            }
        };
        let _ = tokio::time::timeout(Duration::from_hours(1), join_all((0..50).map(pass))).await;
        let calls = |route| fleet.world.calls(route);
        let (listed, got) = (calls("GET /machines"), calls("GET /machines/{id}"));
        assert!(lists.contains(&listed) && gets.contains(&got), "{listed} lists and {got} GETs, per machine: {per_machine}");
        assert!(!per_machine || fleet.woken().is_empty(), "nobody knows of a change but who looks");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_listed_for_when_nobody_asks() {
    let fleet = Fleet::new(&["k1=te1"]);
    fleet.account().await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(fleet.world.calls("GET /machines"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_who_ask_at_once_share_one_list() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lists = join_all((0..100).map(|_| account.list(&client, Duration::from_millis(500)))).await;
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!(fleet.world.calls("GET /machines"), 1);
    let later = account.list(&client, account.snapshot().unwrap().began + Duration::from_nanos(1)).await.unwrap();
    assert_eq!(fleet.world.calls("GET /machines"), 2, "a list that began too early does not do");
    assert!(later.began > Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_creates_in_ten_minutes_cost_one_list_of_each_kind_of_template() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    let now = || account.now();
    // As the core asks: what is ten minutes old is good enough. All at once, then one by one.
    let create = || async {
        let a_while_ago = account.now().saturating_sub(Duration::from_mins(10));
        account.listings.os_templates.get(now, a_while_ago, client.os_templates()).await.unwrap();
        account.listings.custom_templates.get(now, a_while_ago, client.custom_templates()).await.unwrap();
    };
    join_all((0..500).map(|_| create())).await;
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        create().await;
    }
    assert_eq!((fleet.world.calls("GET /os-templates"), fleet.world.calls("GET /custom-templates")), (1, 1));
    tokio::time::sleep(Duration::from_mins(10)).await;
    create().await;
    assert_eq!((fleet.world.calls("GET /os-templates"), fleet.world.calls("GET /custom-templates")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_for_a_list_that_failed_share_the_failure() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    fleet.world.sim("POST", "faults", &json!({"route": "/machines", "kind": "error", "status": 500}));
    let lists = join_all((0..20).map(|_| account.list(&client, Duration::ZERO))).await;
    assert!(lists.iter().all(Result::is_err));
    assert_eq!(fleet.world.calls("GET /machines"), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_resource_whose_machine_changed_is_woken() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (one, two) = (fleet.world.machine("one-000000000001"), fleet.world.machine("two-000000000002"));
    tokio::time::sleep(Duration::from_mins(5)).await;
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", Some(&one));
    watch(&account, "000000000002", Some(&two));
    watch(&account, "000000000003", None);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(fleet.woken(), Vec::<String>::new(), "the first list is news to nobody");
    fleet.world.sim("POST", &format!("machines/{two}"), &json!({"state": "off"}));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fleet.woken(), ["000000000002"]);
    fleet.world.machine("three-000000000003");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(fleet.woken().iter().all(|w| w == "000000000003"), "a machine with its mark appeared");
    fleet.world.sim("DELETE", &format!("machines/{one}"), &json!(null));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(fleet.woken().contains(&"000000000001".to_owned()));
    account.forget("000000000002");
    fleet.world.sim("POST", &format!("machines/{two}"), &json!({"name": "x"}));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(!fleet.woken().contains(&"000000000002".to_owned()), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_says_something_else_than_was_seen_wakes_whatever_the_list_before_said() {
    let fleet = Fleet::new(&["k1=te1"]);
    let id = fleet.world.machine("one-000000000001");
    tokio::time::sleep(Duration::from_mins(5)).await;
    let (account, client) = fleet.account().await;
    let see = async || {
        let look = account.get(&client, &id).await.unwrap();
        let wake = Wake { namespace: "default".into(), name: "one".into() };
        account.interest("one", Interest { wake, mark: Mark::of_uid("one"), machine: Some(id.clone()), seen: Some(look) });
    };
    let set = |state: &str| fleet.world.sim("POST", &format!("machines/{id}"), &json!({"state": state}));
    see().await;
    set("off");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fleet.woken(), ["one"], "the first list");
    set("ready");
    see().await;
    set("off");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fleet.woken(), ["one"], "off, seen ready, off again");
}

#[tokio::test(start_paused = true)]
async fn all_that_look_at_one_machine_are_woken_and_who_has_seen_an_older_list_at_once() {
    let fleet = Fleet::new(&["k1=te1"]);
    let id = fleet.world.machine("one");
    let (account, client) = fleet.account().await;
    let old = account.machine(&client, &id, Duration::ZERO).await.unwrap();
    watch(&account, "000000000001", Some(&id));
    watch(&account, "000000000002", Some(&id));
    tokio::time::sleep(Duration::from_secs(31)).await;
    fleet.world.sim("POST", &format!("machines/{id}"), &json!({"name": "two"}));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fleet.woken(), ["000000000001", "000000000002"]);
    let wake = Wake { namespace: "default".into(), name: "late".into() };
    account.interest("late", Interest { wake, mark: Mark::of_uid("late"), machine: Some(id), seen: Some(old) });
    assert_eq!(fleet.woken(), ["late"]);
}

#[tokio::test(start_paused = true)]
async fn few_machines_in_transition_are_looked_at_one_by_one_and_many_by_a_list() {
    let fleet = Fleet::new(&["k1=te1"]);
    let ids: Vec<String> = (0..10).map(|n| fleet.world.machine(&format!("m{n}"))).collect();
    let (account, client) = fleet.account().await;
    let now = || account.unobserved_for();
    account.machine(&client, &ids[0], now()).await.unwrap();
    assert_eq!((fleet.world.calls("GET /machines/{id}"), fleet.world.calls("GET /machines")), (1, 0));
    for id in &ids {
        let look = account.machine(&client, id, Duration::from_millis(1)).await.unwrap();
        assert_eq!(look.machine.map(|m| m.id).as_ref(), Some(id));
    }
    assert_eq!((fleet.world.calls("GET /machines/{id}"), fleet.world.calls("GET /machines")), (2, 1), "one page costs less than nine GETs");
}

#[tokio::test(start_paused = true)]
async fn that_a_machine_is_not_there_is_said_only_by_a_get() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    account.list(&client, Duration::ZERO).await.unwrap();
    let late = fleet.world.machine("late");
    assert!(account.machine(&client, &late, Duration::ZERO).await.unwrap().machine.is_some(), "younger than the list");
    assert!(account.machine(&client, "psnone", Duration::ZERO).await.unwrap().machine.is_none());
    assert_eq!(fleet.world.calls("GET /machines/{id}"), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_team_share_its_account_and_a_members_key_is_not_polled_with() {
    let fleet = Fleet::new(&["k1=te1", "k2=te1", "k3=te1:member", "k4=te2"]);
    let (first, second, member, other) = (fleet.open("k1").await, fleet.open("k2").await, fleet.open("k3").await, fleet.open("k4").await);
    let account = first.account.unwrap();
    assert!(Arc::ptr_eq(&account, &second.account.unwrap()));
    assert_eq!(member.access, Access::Open { team: "te1".into(), admin: false });
    assert!(!account.trusts(&member.client));
    assert!(!Arc::ptr_eq(&account, &other.account.unwrap()));
    assert_eq!(fleet.open("wrong").await.access, Access::Rejected);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_stops_being_accepted_is_noticed_and_everyone_is_told() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    watch(&account, "000000000001", None);
    tokio::time::sleep(Duration::from_secs(31)).await;
    fleet.world.sim("POST", "faults", &json!({"kind": "revoke-key"}));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
    assert!(!account.trusts(&client));
    assert_eq!(fleet.open("k1").await.access, Access::Rejected);
    fleet.world.sim("DELETE", "faults", &json!(null));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(matches!(fleet.open("k1").await.access, Access::Open { .. }), "bad news do not last");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_refused_once_is_polled_with_again_as_soon_as_its_session_says_so() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    watch(&account, "000000000001", None);
    // Somebody's call was refused, so soon after the session was read that bad news would not be asked about again.
    account.drop_client(&client);
    assert!(matches!(fleet.open("k1").await.access, Access::Open { .. }));
    assert!(account.trusts(&client));
    assert_eq!(fleet.world.calls("GET /auth/session"), 2);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(fleet.world.calls("GET /machines"), 1, "the account is polled");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_after_ten_minutes_and_its_end_once() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", None);
    tokio::time::sleep(Duration::from_secs(31)).await;
    fleet.world.sim("POST", "faults", &json!({"kind": "error", "status": 503}));
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(fleet.woken(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
    assert!(account.unobserved_for() > Duration::from_mins(18));
    fleet.world.sim("DELETE", "faults", &json!(null));
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
    assert!(account.unobserved_for() <= Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn polling_ends_when_told_to() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", None);
    fleet.stop.cancel();
    fleet.keys.stopped().await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(fleet.world.calls("GET /machines"), 0);
}
