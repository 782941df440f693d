//! Whatever is called, in whatever order: some things always hold, and everything comes to an end.

use serde_json::{Value, json};

use super::{Lab, machine};
use crate::simulator::rng::Rng;

fn pick<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    list[rng.below(list.len())]
}

fn one_of(lab: &mut Lab, rng: &mut Rng, list: &str, key: &str) -> String {
    let page = lab.get(&format!("{list}?limit=120"));
    let items = page["items"].as_array().unwrap();
    let item = items.get(rng.below(items.len()));
    format!("{list}/{}", item.map_or("none", |i| i[key].as_str().unwrap()))
}

fn call_something(lab: &mut Lab, rng: &mut Rng) {
    let path = one_of(lab, rng, "/machines", "id");
    let kind = pick(rng, &["static", "dynamic", "none"]);
    let (method, path, body) = match rng.below(14) {
        0 | 1 => {
            let fields = json!({"publicIpType": kind, "startOnCreate": rng.chance(0.5), "autoShutdownEnabled": rng.chance(0.2)});
            ("POST", "/machines".to_owned(), machine(&fields))
        }
        2 | 3 => ("PATCH", format!("{path}/start"), Value::Null),
        4 | 5 => ("PATCH", format!("{path}/stop"), Value::Null),
        6 => ("PATCH", format!("{path}/restart"), Value::Null),
        7 => ("DELETE", path, Value::Null),
        8 => ("PUT", path, json!({ "publicIpType": kind })),
        9 => ("PUT", path, json!({"machineType": pick(rng, &["C4", "C5", "C6"]), "diskSize": 100})),
        10 => ("PUT", path, json!({"autoShutdownEnabled": rng.chance(0.5), "autoShutdownTimeout": 1})),
        11 => {
            let ip = one_of(lab, rng, "/public-ips", "ip");
            ("PUT", ip, json!({"machineId": path.strip_prefix("/machines/").filter(|_| rng.chance(0.7))}))
        }
        12 => ("DELETE", one_of(lab, rng, "/public-ips", "ip"), Value::Null),
        _ => ("POST", format!("/_sim{path}"), json!({"state": pick(rng, &["off", "ready"])})),
    };
    let (status, reply) = lab.call(method, &path, &body);
    assert!(matches!(status, 200 | 400 | 404 | 409), "{method} {path} {body}: {status} {reply}");
}

fn check(truth: &Value) {
    let ips = truth["publicIps"].as_array().unwrap();
    for machine in truth["machines"].as_array().unwrap().iter().filter(|m| m["exists"] == true) {
        match machine["publicIpType"].as_str().unwrap() {
            "static" => {
                let ip = ips.iter().find(|ip| ip["ip"] == machine["publicIp"] && ip["exists"] == true).unwrap();
                assert_eq!(ip["assignedMachineId"], machine["id"]);
            }
            "dynamic" => assert!(machine["state"] != "off" || machine["publicIp"].is_null(), "{machine}"),
            _ => assert_eq!(machine["publicIp"], Value::Null),
        }
    }
    for ip in ips.iter().filter(|ip| ip.get("assignedMachineId").is_some()) {
        let owner = truth["machines"].as_array().unwrap().iter().find(|m| m["id"] == ip["assignedMachineId"]).unwrap();
        assert_eq!((&owner["exists"], &owner["publicIp"]), (&json!(true), &ip["ip"]));
    }
}

#[test]
fn some_things_always_hold() {
    for seed in 0..8 {
        let (mut lab, mut rng) = (Lab::new(), Rng::new(seed));
        for _ in 0..150 {
            call_something(&mut lab, &mut rng);
            if rng.chance(0.5) {
                lab.wait([1.0, 5.0, 40.0][rng.below(3)]);
            }
            check(&lab.truth());
        }
        // Longer than any auto-shutdown, then longer than any operation.
        lab.wait(170.0 * 3600.0);
        lab.get("/machines");
        lab.wait(300.0);
        let truth = lab.truth();
        check(&truth);
        for machine in truth["machines"].as_array().unwrap().iter().filter(|m| m["exists"] == true) {
            assert!(machine["state"] == "off" || machine["state"] == "ready", "{machine}");
        }
        for event in truth["events"].as_array().unwrap() {
            assert!(event["dtFinished"].is_string(), "seed {seed}: {event}");
        }
    }
}
