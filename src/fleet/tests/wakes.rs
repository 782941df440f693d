//! Who is woken by what a list shows.

use std::time::Duration;

use serde_json::json;

use super::super::{Interest, Wake};
use super::{Fleet, POLLED, watch};
use crate::lifecycle::names::Mark;

#[tokio::test(start_paused = true)]
async fn only_the_resource_whose_machine_changed_is_woken() {
    let fleet = Fleet::new(&["k1=te1"]);
    let (one, two) = (fleet.world.machine("one-000000000001"), fleet.world.machine("two-000000000002"));
    tokio::time::sleep(Duration::from_mins(5)).await;
    let (account, _) = fleet.account().await;
    watch(&account, "000000000001", Some(&one));
    watch(&account, "000000000002", Some(&two));
    watch(&account, "000000000003", None);
    tokio::time::sleep(2 * POLLED).await;
    assert_eq!(fleet.woken(), Vec::<String>::new(), "the first list is news to nobody");
    fleet.world.sim("POST", &format!("machines/{two}"), &json!({"state": "off"}));
    tokio::time::sleep(POLLED).await;
    assert_eq!(fleet.woken(), ["000000000002"]);
    fleet.world.machine("three-000000000003");
    tokio::time::sleep(POLLED).await;
    assert!(fleet.woken().iter().all(|w| w == "000000000003"), "a machine with its mark appeared");
    fleet.world.sim("DELETE", &format!("machines/{one}"), &json!(null));
    tokio::time::sleep(POLLED).await;
    assert!(fleet.woken().contains(&"000000000001".to_owned()));
    account.forget("000000000002");
    fleet.world.sim("POST", &format!("machines/{two}"), &json!({"name": "x"}));
    tokio::time::sleep(POLLED).await;
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
        account.interest("one", Interest { wake, mark: Mark::of_uid("one"), machine: Some(id.clone()), seen: Some(look.into()) });
    };
    let set = |state: &str| fleet.world.sim("POST", &format!("machines/{id}"), &json!({"state": state}));
    see().await;
    set("off");
    tokio::time::sleep(POLLED).await;
    assert_eq!(fleet.woken(), ["one"], "the first list");
    set("ready");
    see().await;
    set("off");
    tokio::time::sleep(POLLED).await;
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
    tokio::time::sleep(POLLED).await;
    fleet.world.sim("POST", &format!("machines/{id}"), &json!({"name": "two"}));
    tokio::time::sleep(POLLED).await;
    assert_eq!(fleet.woken(), ["000000000001", "000000000002"]);
    let wake = Wake { namespace: "default".into(), name: "late".into() };
    account.interest("late", Interest { wake, mark: Mark::of_uid("late"), machine: Some(id), seen: Some(old.into()) });
    assert_eq!(fleet.woken(), ["late"]);
}
