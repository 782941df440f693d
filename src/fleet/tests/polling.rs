//! How often an account is read of nobody's asking.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::{Fleet, POLLED, watch};

#[tokio::test(start_paused = true)]
async fn an_idle_account_costs_one_list_each_interval_and_nothing_else() {
    let fleet = Fleet::new(&["k1=te1"]);
    for n in 0..121 {
        fleet.world.machine(&format!("m{n}"));
    }
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", None);
    tokio::time::sleep(Duration::from_hours(10)).await;
    let calls = fleet.world.calls("GET /machines");
    assert!((2 * 1199..=2 * 1201).contains(&calls), "two pages, every 30 s on average: {calls}");
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
            // Uids are random, and what comes of them is spread.
            let uid = format!("{:012x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
            let id = fleet.world.machine(&format!("m-{uid}"));
            loop {
                account.machine(&client, &id, Duration::ZERO).await.unwrap();
                watch(&account, &uid, Some(&id));
                tokio::time::sleep(fleet.keys.looks_every(&uid).unwrap_or(Duration::MAX)).await;
                assert!(account.unobserved_for() < POLLED, "no outage");
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
async fn more_look_ups_than_the_budget_allows_do_not_keep_the_account_from_being_listed() {
    let fleet = Fleet::with(&["k1=te1"], false, 5);
    let id = fleet.world.machine("m");
    let (account, client) = fleet.account().await;
    watch(&account, "000000000001", Some(&id));
    let look = async || while account.get(&client, &id).await.is_ok() {};
    let _ = tokio::time::timeout(Duration::from_mins(10), join_all((0..50).map(|_| look()))).await;
    assert!(fleet.world.calls("GET /machines/{id}") > 2900, "the look-ups wait for each other");
    let lists = fleet.world.calls("GET /machines");
    assert!((5..=20).contains(&lists), "{lists} lists in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_listed_for_when_nobody_asks() {
    let fleet = Fleet::new(&["k1=te1"]);
    fleet.account().await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(fleet.world.calls("GET /machines"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_after_ten_minutes_and_its_end_once() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", None);
    tokio::time::sleep(POLLED).await;
    fleet.world.sim("POST", "faults", &json!({"kind": "error", "status": 503}));
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(fleet.woken(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
    assert!(account.unobserved_for() > Duration::from_mins(18));
    fleet.world.sim("DELETE", "faults", &json!(null));
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
    assert!(account.unobserved_for() < POLLED);
}

#[tokio::test(start_paused = true)]
async fn that_no_key_opens_the_account_any_more_is_told_once_too() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (account, client) = fleet.account().await;
    watch(&account, "000000000001", None);
    tokio::time::sleep(Duration::from_secs(31)).await;
    account.drop_client(&client);
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(fleet.woken(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
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
