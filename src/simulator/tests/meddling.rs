//! `/_sim`, and what is kept.

use serde_json::{Value, json};

use super::{Lab, id_of};
use crate::simulator::{KeySpec, Simulator, persist};

fn sim(path: &str) -> String {
    format!("/_sim/machines/{}", id_of(path))
}

#[test]
fn fields_change_behind_everybodys_back() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({"publicIpType": "dynamic"}));
    lab.ok(
        "POST",
        &sim(&path),
        &json!({"name": "n", "autoShutdownEnabled": true, "autoShutdownTimeout": 1, "diskSize": 250, "region": "CA1"}),
    );
    let machine = lab.get(&path);
    assert_eq!((&machine["name"], &machine["storageTotal"]), (&json!("n"), &json!("268435456000")));
    assert_eq!(machine["region"], "West Coast (CA1)");
    assert_eq!(lab.events(&path).len(), 2, "no event tells of it");
    lab.wait(3700.0);
    assert_eq!(lab.state(&path), "off", "auto-shutdown is in force");
    for fields in [json!({"id": "ps1"}), json!({"colour": "red"}), json!({"state": "broken"}), json!({"diskSize": "big"}), json!([])] {
        assert_eq!(lab.refused("POST", &sim(&path), &fields).0, 400, "{fields}");
    }
    assert_eq!(lab.refused("POST", "/_sim/machines/ps1", &json!({})).0, 404);
}

#[test]
fn a_state_can_be_set_and_ends_what_was_under_way() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({"publicIpType": "dynamic"}));
    lab.ok("POST", &sim(&path), &json!({"state": "ready"}));
    let machine = lab.get(&path);
    assert_eq!((&machine["state"], &machine["cpus"]), (&json!("ready"), &json!(4)));
    assert!(machine["publicIp"].is_string() && machine["networkId"].is_string());
    assert_eq!(lab.events(&path), ["create: cancelled"]);
    lab.ok("POST", &sim(&path), &json!({"state": "off"}));
    assert_eq!(lab.get(&path)["publicIp"], Value::Null);
    lab.wait(200.0);
    assert_eq!(lab.state(&path), "off");
    lab.patch(&format!("{path}/start"));
    lab.wait(5.0);
    lab.ok("POST", &sim(&path), &json!({"state": "off"}));
    lab.wait(200.0);
    assert_eq!(lab.state(&path), "off");
    assert_eq!(lab.events(&path).last().unwrap(), "start: cancelled");
}

#[test]
fn addresses_can_be_changed_too() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    lab.ok("POST", &sim(&path), &json!({"publicIpType": "static"}));
    assert!(lab.get(&path)["publicIp"].is_string());
    assert_eq!(lab.get("/public-ips")["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_machine_can_be_destroyed_at_once() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({"publicIpType": "static"}));
    lab.delete(&sim(&path));
    assert!(lab.is_gone(&path));
    assert_eq!(lab.get("/machines")["items"], json!([]));
    assert!(lab.get("/public-ips")["items"][0].get("assignedMachineId").is_none());
    assert_eq!(lab.refused("DELETE", &sim(&path), &Value::Null).0, 404);
    lab.wait(200.0);
    assert_eq!(lab.truth()["machines"][0]["exists"], false);
}

#[test]
fn a_machine_can_be_made_as_on_the_console() {
    let mut lab = Lab::new();
    let mut body = super::machine(&json!({"name": "by hand"}));
    body["team"] = "te1".into();
    let made = lab.ok("POST", "/_sim/machines", &body);
    assert_eq!((&made["team"], &made["templateId"], &made["startOnCreate"]), (&json!("te1"), &json!("t0nspur5"), &json!(true)));
    assert_eq!(lab.names("/machines"), ["by hand"]);
    assert_eq!(lab.truth()["calls"], json!({"GET /machines": 1}), "not a call of the API");
}

#[test]
fn users_can_be_made() {
    let mut lab = Lab::new();
    let user = lab.ok("POST", "/_sim/users", &json!({"team": "te1", "email": "a@example.com"}));
    assert_eq!(user["role"], "member");
    lab.create(&json!({"accessorIds": [user["id"]]}));
    assert_eq!(lab.truth()["accessors"][0]["userId"], user["id"]);
    assert_eq!(lab.truth()["machines"][0]["accessorIds"], json!([user["id"]]));
    assert_eq!(lab.refused("POST", "/_sim/users", &json!({"name": "a"})).0, 400);
    assert_eq!(lab.refused("GET", "/_sim/lies", &Value::Null).0, 404);
}

#[test]
fn the_truth_counts_calls_by_route() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({}));
    lab.get(&path);
    lab.get(&path);
    lab.as_key("wrong");
    lab.call("GET", &path, &Value::Null);
    lab.call("GET", "/nothing", &Value::Null);
    assert_eq!(lab.truth()["calls"], json!({"POST /machines": 1, "GET /machines/{id}": 3}));
}

#[test]
fn a_saved_world_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.json");
    assert!(persist::load(&file).unwrap().is_none());
    let mut lab = Lab::new();
    let path = lab.create(&json!({"publicIpType": "static", "autoShutdownEnabled": true, "autoShutdownTimeout": 6}));
    lab.ok("POST", "/startup-scripts", &json!({"name": "s", "script": "x"}));
    lab.wait(50.0);
    let session = lab.get("/auth/session");
    let before = lab.truth();
    persist::save(&file, &lab.sim.world).unwrap();

    let keys: Vec<KeySpec> = ["admin=te1", "new=te1"].iter().map(|k| k.parse().unwrap()).collect();
    let mut again = Lab { sim: Simulator::with(persist::load(&file).unwrap().unwrap(), 1.0, &keys), now: lab.now, key: "admin".to_owned() };
    let mut after = again.truth();
    assert_eq!(after["users"].as_array_mut().unwrap().pop().unwrap()["role"], "admin", "the new key's user");
    assert_eq!(after, before);
    assert_eq!(again.get("/auth/session"), session, "a key keeps its user");
    assert_eq!(again.state(&path), "starting");
    again.wait(30.0);
    assert_eq!(again.state(&path), "ready");
    again.as_key("second");
    assert_eq!(again.get("/auth/session"), Value::Null, "a key that is not given any more is none");
    // Ids do not come twice.
    again.as_key("new");
    let other = again.create(&json!({}));
    assert_ne!(path, other);
}

#[test]
fn the_same_seed_and_calls_give_the_same_world() {
    let run = || {
        let mut lab = Lab::new();
        lab.create(&json!({"publicIpType": "dynamic"}));
        lab.wait(100.0);
        lab.truth()
    };
    assert_eq!(run(), run());
}
