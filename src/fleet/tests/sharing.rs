//! What many ask for is asked once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::super::Changes;
use super::Fleet;
use crate::lifecycle::names::Mark;

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
async fn a_machine_is_kept_once_however_many_lists_show_it() {
    let fleet = Fleet::new(&["k1=te1"]);
    let ids: Vec<String> = (0..130).map(|n| fleet.world.machine(&format!("m{n}-{n:012x}"))).collect();
    tokio::time::sleep(Duration::from_mins(5)).await;
    let (account, client) = fleet.account().await;
    let list = async || account.list(&client, account.now()).await.unwrap();
    let first = list().await;
    fleet.world.sim("POST", &format!("machines/{}", ids[7]), &json!({"state": "off"}));
    fleet.world.sim("DELETE", &format!("machines/{}", ids[8]), &json!(null));
    let second = list().await;
    let same = |id: &&String| second.machine(id).is_some_and(|machine| Arc::ptr_eq(machine, first.machine(id).unwrap()));
    let kept = ids.iter().filter(same).count();
    assert_eq!((first.len(), kept), (130, 128));
    let marks = [7, 8].map(|n| Mark::of_uid(&format!("{n:012x}")));
    let changes = second.changed_since(&first);
    assert_eq!(changes, Changes { ids: [ids[7].clone(), ids[8].clone()].into(), marks: marks.clone().into() });
    assert_eq!((second.changed_since(&second), first.changed_since(&second)), (Changes::default(), changes));
    assert_eq!(marks.map(|mark| second.marked(&mark).len()), [1, 0]);
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
async fn of_many_machines_a_few_in_transition_cost_a_get_each_and_many_one_list_an_interval() {
    let (interval, intervals, pages) = (Duration::from_secs(5), 12_u32, 8);
    for (count, gets, lists) in [(5_u32, 60..=65, 0..=0), (100, 0..=8, 11..=13)] {
        let fleet = Fleet::new(&["k1=te1"]);
        let ids: Vec<String> = (0..960).map(|n| fleet.world.machine(&format!("m{n}"))).collect();
        let (account, client) = fleet.account().await;
        account.list(&client, Duration::ZERO).await.unwrap();
        tokio::time::sleep(interval).await;
        let look = async |n: u32| {
            tokio::time::sleep(interval * n / count).await;
            for _ in 0..intervals {
                let begun_after = account.now().saturating_sub(interval);
                assert!(account.machine(&client, &ids[n as usize], begun_after).await.unwrap().began >= begun_after);
                tokio::time::sleep(interval).await;
            }
        };
        join_all((0..count).map(look)).await;
        let calls = |route| fleet.world.calls(route);
        let (got, listed) = (calls("GET /machines/{id}"), calls("GET /machines") / pages - 1);
        assert!(gets.contains(&got) && lists.contains(&listed), "{count} in transition: {got} GETs, {listed} lists");
    }
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
