//! Faults, as they meet calls.

use serde_json::{Value, json};

use super::{Lab, machine};
use crate::simulator::Reply;

#[test]
fn a_lost_reply_has_its_effect_and_a_drop_has_none() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "lose-reply", "method": "POST", "route": "/v1/machines", "count": 1}));
    assert_eq!(lab.reply("POST", "/machines", &machine(&json!({"name": "lost"}))), Reply::Broken);
    lab.fault(&json!({"kind": "drop", "method": "POST", "count": 1}));
    assert_eq!(lab.reply("POST", "/machines", &machine(&json!({"name": "dropped"}))), Reply::Broken);
    assert_eq!(lab.names("/machines"), ["lost"]);
    assert_eq!(lab.truth()["calls"], json!({"GET /machines": 1, "POST /machines": 2}));
}

#[test]
fn an_error_has_no_effect() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "error", "status": 429, "retryAfter": 3, "route": "/machines", "count": 1}));
    let reply = lab.reply("POST", "/machines", &machine(&json!({})));
    let Reply::Json { status, retry_after, body } = reply else { panic!("no answer") };
    assert_eq!((status, retry_after, &body["code"]), (429, Some(3), &json!("TOO_MANY_REQUESTS")));
    lab.fault(&json!({"kind": "error"}));
    assert_eq!(lab.refused("GET", "/machines", &Value::Null).0, 500);
    lab.delete("/_sim/faults");
    assert_eq!(lab.names("/machines"), Vec::<String>::new());
}

#[test]
fn a_proxy_answers_in_its_own_words() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "lose-reply", "status": 504, "text": "<html>", "route": "/machines", "count": 1}));
    let body = machine(&json!({"name": "made"}));
    assert_eq!(lab.reply("POST", "/machines", &body), Reply::Text { status: 504, retry_after: None, body: "<html>".to_owned() });
    lab.fault(&json!({"kind": "error", "status": 404, "text": "no such page", "count": 1}));
    assert_eq!(lab.reply("POST", "/machines", &body), Reply::Text { status: 404, retry_after: None, body: "no such page".to_owned() });
    assert_eq!(lab.names("/machines"), ["made"]);
}

#[test]
fn a_delay_is_told_in_advance() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "delay", "delayMs": 1500, "count": 1, "route": "/machines/{id}"}));
    let (one, list) = (lab.request("GET", "/machines/ps1", &Value::Null), lab.request("GET", "/machines", &Value::Null));
    assert_eq!(lab.sim.delay(lab.now, &list).as_millis(), 0);
    assert_eq!(lab.sim.delay(lab.now, &one).as_millis(), 1500);
    assert_eq!(lab.sim.delay(lab.now, &one).as_millis(), 0);
}

#[test]
fn a_stale_list_shows_the_state_before_the_last_change() {
    let mut lab = Lab::new();
    lab.create(&json!({"name": "a"}));
    let path = lab.create(&json!({"name": "b"}));
    lab.fault(&json!({"kind": "stale-list", "route": "/machines", "count": 1}));
    assert_eq!(lab.names("/machines"), ["a"]);
    assert_eq!(lab.names("/machines"), ["b", "a"]);
    lab.delete(&path);
    lab.wait(26.0);
    lab.fault(&json!({"kind": "stale-list", "count": 1}));
    assert_eq!(lab.names("/machines"), ["b", "a"]);
    assert!(lab.is_gone(&path), "only lists are stale");
}

#[test]
fn a_stale_list_can_lag_by_a_time() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "stale-list", "delayMs": 10_000}));
    let path = lab.create(&json!({"name": "a", "startOnCreate": false}));
    lab.wait(5.0);
    lab.create(&json!({"name": "b"}));
    assert_eq!(lab.names("/machines"), Vec::<String>::new());
    lab.wait(6.0);
    assert_eq!(lab.names("/machines"), ["a"]);
    lab.wait(6.0);
    assert_eq!(lab.names("/machines"), ["b", "a"]);
    lab.wait(25.0);
    assert_eq!(lab.state(&path), "off");
    assert_eq!(lab.get("/machines")["items"][1]["state"], "provisioning");
}

#[test]
fn a_shifted_page_misses_a_row() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({"name": "a"}));
    lab.create(&json!({"name": "b"}));
    lab.fault(&json!({"kind": "shift-page", "route": "/machines", "count": 1}));
    assert_eq!(lab.names("/machines").len(), 1);
    assert_eq!(lab.names("/machines").len(), 2);
    lab.fault(&json!({"kind": "shift-page", "id": super::id_of(&path)}));
    assert_eq!(lab.names("/machines"), ["b"]);
}

#[test]
fn without_capacity_a_machine_stays_off() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "no-capacity", "machineType": "C5", "region": "ny2", "count": 2}));
    let path = lab.create(&json!({}));
    lab.wait(120.0);
    assert_eq!(lab.state(&path), "off");
    let event = lab.get("/machine-events")["items"][0].clone();
    assert_eq!((&event["name"], &event["state"], &event["error"]), (&json!("start"), &json!("error"), &Value::Null));
    assert_eq!(lab.get("/machine-availability?machineType=C5&region=NY2"), json!({"available": false}));
    assert_eq!(lab.get("/machine-availability?machineType=C5&region=ca1"), json!({"available": true}));
    lab.patch(&format!("{path}/start"));
    lab.wait(10.0);
    assert_eq!(lab.refused("PATCH", &format!("{path}/start"), &Value::Null).1, "This machine is currently starting.");
    lab.wait(60.0);
    assert_eq!(lab.state(&path), "off");
    // The count has run out.
    lab.patch(&format!("{path}/start"));
    lab.wait(31.0);
    assert_eq!(lab.state(&path), "ready");
}

#[test]
fn a_revoked_key_is_a_bad_key() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "revoke-key", "key": "admin"}));
    assert_eq!(lab.get("/auth/session"), Value::Null);
    assert_eq!(lab.refused("GET", "/machines", &Value::Null).0, 401);
    lab.as_key("second");
    lab.get("/machines");
    lab.fault(&json!({"kind": "revoke-key"}));
    assert_eq!(lab.refused("GET", "/machines", &Value::Null).0, 401);
    lab.delete("/_sim/faults");
    lab.get("/machines");
}

#[test]
fn chance_is_seeded() {
    let mut lab = Lab::new();
    lab.fault(&json!({"kind": "error", "probability": 0.5}));
    let failed = (0..100).filter(|_| lab.call("GET", "/machines", &Value::Null).0 == 500).count();
    assert!((30..70).contains(&failed), "{failed}");
}

#[test]
fn a_fault_that_makes_no_sense_is_refused() {
    let mut lab = Lab::new();
    for fault in [json!({}), json!({"kind": "explode"}), json!({"kind": "drop", "rout": "/machines"}), json!({"kind": "delay"})] {
        assert_eq!(lab.refused("POST", "/_sim/faults", &fault).0, 400, "{fault}");
    }
    assert_eq!(lab.get("/_sim/faults")["faults"], json!([]));
}
