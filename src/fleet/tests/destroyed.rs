//! What was destroyed within the last hour, and a place for one more.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::Fleet;
use crate::lifecycle::observe::Moment;

impl Fleet {
    fn moment(&self) -> Moment {
        let mono = self.world.started.elapsed();
        Moment { wall: self.world.epoch + SignedDuration::try_from(mono).unwrap(), mono }
    }

    /// Somebody makes a machine and destroys it.
    async fn destroyed_by_another(&self, name: &str) -> String {
        let (id, opened) = (self.world.machine(name), self.open("k2").await);
        opened.client.delete_machine(&id).await.unwrap();
        id
    }
}

#[tokio::test(start_paused = true)]
async fn what_anyone_destroyed_counts_for_an_hour() {
    let fleet = Fleet::new(&["k1=te1", "k2=te1"]);
    let (account, client) = fleet.account().await;
    let first = fleet.destroyed_by_another("a").await;
    tokio::time::sleep(Duration::from_mins(40)).await;
    let second = fleet.world.machine("b");
    client.delete_machine(&second).await.unwrap();
    let destroyed = account.destroyed(&client, account.now(), fleet.moment().wall).await.unwrap();
    assert!(destroyed.at.contains_key(&first) && destroyed.at.contains_key(&second), "{destroyed:?}");
    tokio::time::sleep(Duration::from_mins(30)).await;
    let destroyed = account.destroyed(&client, account.now(), fleet.moment().wall).await.unwrap();
    assert_eq!(destroyed.at.keys().collect::<Vec<_>>(), [&second]);
}

#[tokio::test(start_paused = true)]
async fn one_list_serves_all_who_ask_at_the_same_time_and_what_is_known_is_not_read_again() {
    let fleet = Fleet::new(&["k1=te1", "k2=te1"]);
    let (account, client) = fleet.account().await;
    // Each has several events.
    for n in 0..200 {
        fleet.world.machine(&format!("m{n}"));
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    let since = account.now();
    for _ in 0..50 {
        account.destroyed(&client, since, fleet.moment().wall).await.unwrap();
    }
    let first = fleet.world.calls("GET /machine-events");
    assert!(first > 1, "all pages of an hour");
    tokio::time::sleep(Duration::from_mins(10)).await;
    account.destroyed(&client, account.now(), fleet.moment().wall).await.unwrap();
    assert_eq!(fleet.world.calls("GET /machine-events"), first + 1, "only what is new");
}

#[tokio::test(start_paused = true)]
async fn places_are_taken_at_once_and_given_back_where_nothing_was_destroyed() {
    let fleet = Fleet::new(&["k1=te1", "k2=te1"]);
    let (account, client) = fleet.account().await;
    fleet.destroyed_by_another("a").await;
    account.destroyed(&client, account.now(), fleet.moment().wall).await.unwrap();
    let may = |id: &str, most| account.may_destroy(id, most, fleet.moment());
    assert!(may("b", Some(3)) && may("c", Some(3)));
    assert!(!may("d", Some(3)), "two that are on their way count, though no list has them");
    assert!(may("b", Some(3)), "the same again");
    assert!(may("d", None) && !may("e", Some(0)));
    account.did_not_destroy("c");
    assert!(may("d", Some(3)));
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert!(may("e", Some(1)), "an hour later they are no longer counted");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_is_no_list() {
    let fleet = Fleet::new(&["k1=te1", "k2=te1"]);
    let (account, client) = fleet.account().await;
    fleet.world.sim("POST", "faults", &json!({"route": "/machine-events", "kind": "error", "status": 500}));
    assert!(account.destroyed(&client, account.now(), fleet.moment().wall).await.is_err());
}
