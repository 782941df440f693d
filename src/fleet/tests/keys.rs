//! Which keys an account is read with.

use std::sync::Arc;

use serde_json::json;

use super::{Fleet, POLLED, watch};
use crate::lifecycle::observe::Access;

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
    tokio::time::sleep(POLLED).await;
    fleet.world.sim("POST", "faults", &json!({"kind": "revoke-key"}));
    tokio::time::sleep(POLLED).await;
    assert_eq!(fleet.woken(), ["000000000001"]);
    assert!(!account.trusts(&client));
    assert_eq!(fleet.open("k1").await.access, Access::Rejected);
    fleet.world.sim("DELETE", "faults", &json!(null));
    tokio::time::sleep(POLLED).await;
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
    tokio::time::sleep(POLLED).await;
    assert!(fleet.world.calls("GET /machines") > 0, "the account is polled");
}
