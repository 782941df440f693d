//! Creating, changing and listing machines.

use serde_json::{Value, json};

use super::{Lab, id_of, machine, seen};

#[test]
fn a_create_body_is_closed_and_checked() {
    let mut lab = Lab::new();
    let issues = |lab: &mut Lab, body: &Value| -> Vec<String> {
        let (status, reply) = lab.call("POST", "/machines", body);
        assert_eq!((status, &reply["code"]), (400, &json!("BAD_REQUEST")));
        reply["issues"].as_array().unwrap().iter().map(|i| i["path"][0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(issues(&mut lab, &json!({})), ["name", "machineType", "templateId", "diskSize", "region"]);
    for (field, value) in [
        ("name", json!("")),
        ("diskSize", json!(0)),
        ("publicIpType", json!("public")),
        ("autoSnapshotFrequency", json!("yearly")),
        ("restorePointFrequency", json!("start")),
        ("autoShutdownTimeout", json!(0.5)),
        ("autoShutdownTimeout", json!(169)),
        ("startOnCreate", json!("maybe")),
        ("accessorIds", json!("u1")),
        ("accessorIds", json!(["u1"])),
        ("networkId", Value::Null),
        ("labels", json!({})),
    ] {
        assert_eq!(issues(&mut lab, &machine(&json!({ field: value }))), [field]);
    }
    assert_eq!(lab.truth()["machines"], json!([]));
    assert_eq!(lab.truth()["publicIps"], json!([]));
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut lab = Lab::new();
    for (fields, status, word) in [
        (json!({"machineType": "c5"}), 400, "c5"),
        (json!({"templateId": "t0"}), 404, "t0"),
        (json!({"region": "nyc"}), 400, "nyc"),
        (json!({"machineType": "A100-80G", "region": "ca1"}), 400, "ca1"),
        (json!({"templateId": "tvimtol9"}), 400, "C5"),
        (json!({"machineType": "H100"}), 403, "approval"),
        (json!({"networkId": "n1"}), 404, "Network"),
        (json!({"startupScriptId": "sc1"}), 404, "script"),
    ] {
        let (got, message) = lab.refused("POST", "/machines", &machine(&fields));
        assert_eq!(got, status, "{fields}: {message}");
        assert!(message.contains(word), "{fields}: {message}");
    }
    assert_eq!(lab.truth()["machines"], json!([]));
}

#[test]
fn an_approval_can_be_given() {
    let mut lab = Lab::new();
    lab.ok("POST", "/_sim/teams/te1", &json!({"approved": ["H100x8"]}));
    lab.create(&json!({"machineType": "H100x8", "templateId": "tvimtol9"}));
    assert_eq!(lab.refused("POST", "/machines", &machine(&json!({"machineType": "H100"}))).0, 403);
}

#[test]
fn a_team_has_a_quota() {
    let mut lab = Lab::new();
    lab.ok("POST", "/_sim/teams/te1", &json!({"maxMachines": 1}));
    assert_eq!(lab.get("/auth/session")["team"]["maxMachines"], 1);
    let path = lab.create(&json!({}));
    let (status, message) = lab.refused("POST", "/machines", &machine(&json!({})));
    assert_eq!(status, 403);
    assert!(message.contains("limit of 1"), "{message}");
    lab.delete(&path);
    lab.wait(26.0);
    lab.create(&json!({}));
}

#[test]
fn regions_in_any_spelling() {
    let mut lab = Lab::new();
    for (region, long) in [("ca1", "West Coast (CA1)"), ("AMS1", "Europe (AMS1)"), ("East Coast (NY2)", "East Coast (NY2)")] {
        let path = lab.create(&json!({ "region": region }));
        assert_eq!(lab.get(&path)["region"], long);
    }
    assert_eq!(lab.get("/machines?region=West+Coast+%28CA1%29")["items"].as_array().unwrap().len(), 1);
    assert_eq!(lab.refused("GET", "/machines?region=nyc", &Value::Null).0, 400);
}

#[test]
fn names_are_not_unique_and_defaults_are_the_documented_ones() {
    let mut lab = Lab::new();
    lab.create(&json!({}));
    let path = lab.create(&json!({}));
    assert_eq!(lab.names("/machines"), ["m", "m"]);
    let machine = lab.get(&path);
    assert_eq!(machine["publicIpType"], "none");
    assert_eq!(machine["autoShutdownEnabled"], false);
    assert_eq!(machine["autoShutdownTimeout"], Value::Null);
    assert_eq!(machine["os"], "Ubuntu 22.04 Server");
    assert_eq!(machine["agentType"], "LinuxHeadless");
}

#[test]
fn lists_are_paged_filtered_and_ordered() {
    let mut lab = Lab::new();
    for (name, kind) in [("b1", "C5"), ("a1", "C6"), ("c2", "C5")] {
        lab.create_off(&json!({"name": name, "machineType": kind}));
    }
    assert_eq!(lab.names("/machines"), ["c2", "a1", "b1"]);
    assert_eq!(lab.names("/machines?order=asc"), ["b1", "a1", "c2"]);
    assert_eq!(lab.names("/machines?orderBy=name&order=asc"), ["a1", "b1", "c2"]);
    assert_eq!(lab.names("/machines?name=1"), ["a1", "b1"]);
    assert_eq!(lab.names("/machines?machineType=C6"), ["a1"]);
    assert_eq!(lab.names("/machines?agentType=LinuxDesktop"), Vec::<String>::new());
    let first = lab.get("/machines?limit=2");
    assert_eq!(first["hasMore"], true);
    let next = first["nextPage"].as_str().unwrap();
    // The cursor survives the end of what it points at.
    lab.ok("DELETE", &format!("/_sim/machines/{next}"), &Value::Null);
    assert_eq!(lab.names(&format!("/machines?limit=2&after={next}")), ["b1"]);
    assert_eq!(lab.refused("GET", "/machines?limit=121", &Value::Null).0, 400);
}

#[test]
fn simple_fields_change_at_once() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({}));
    let body = json!({
        "id": id_of(&path), "name": "n", "autoSnapshotEnabled": true, "autoSnapshotFrequency": "daily", "autoSnapshotSaveCount": 3,
        "restorePointEnabled": true, "restorePointFrequency": "shutdown",
    });
    let reply = lab.ok("PUT", &path, &body);
    assert!(reply.get("event").is_none());
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&reply["data"][field], value);
    }
    assert_eq!(lab.get(&path), reply["data"]);
    assert_eq!(lab.refused("PUT", &path, &json!({"region": "ca1"})).0, 400);
    assert_eq!(lab.refused("PUT", &path, &json!({"id": "ps2"})).0, 400);
    assert_eq!(lab.refused("PUT", &path, &json!({"name": null})).0, 400);
    assert_eq!(lab.refused("PUT", &path, &json!({"restorePointSnapshotId": "sl1"})).0, 404);
}

#[test]
fn a_resize_needs_the_machine_off() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({}));
    for body in [json!({"machineType": "C6"}), json!({"diskSize": 100}), json!({"name": "n", "diskSize": 100})] {
        assert_eq!(lab.refused("PUT", &path, &body).0, 400);
    }
    assert_eq!(lab.get(&path)["name"], "m", "a refused change changes nothing");
    lab.ok("PUT", &path, &json!({"machineType": "C5", "diskSize": 50}));
    lab.patch(&format!("{path}/stop"));
    lab.wait(61.0);
    let reply = lab.ok("PUT", &path, &json!({"machineType": "C6", "diskSize": "100"}));
    assert_eq!((&reply["event"]["name"], &reply["data"]["state"]), (&json!("vm-upgrade"), &json!("off")));
    assert_eq!(lab.refused("PATCH", &format!("{path}/start"), &Value::Null).1, "This machine is currently upgrading.");
    assert_eq!(lab.refused("PUT", &path, &json!({"diskSize": 250})).0, 409);
    assert_eq!(lab.states(&path, 90), seen(&[(0, "off"), (2, "upgrading"), (60, "off")]));
    let machine = lab.get(&path);
    assert_eq!((&machine["machineType"], &machine["cpus"]), (&json!("C6"), &json!(8)));
    assert_eq!(machine["storageTotal"], "107374182400");
    assert_eq!(lab.events(&path).last().unwrap(), "vm-upgrade: done");
}

#[test]
fn a_resize_grows_the_disk_and_keeps_to_the_group() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({"machineType": "A4000", "diskSize": 100}));
    for body in [json!({"diskSize": 50}), json!({"machineType": "C5"}), json!({"machineType": "P4000"}), json!({"machineType": "A4001"})] {
        assert_eq!(lab.refused("PUT", &path, &body).0, 400, "{body}");
    }
    lab.ok("PUT", &path, &json!({"machineType": "A6000"}));
}

#[test]
fn a_change_of_enabled_auto_shutdown_does_not_take() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({"autoShutdownEnabled": true, "autoShutdownTimeout": 8}));
    for body in
        [json!({"autoShutdownTimeout": 24}), json!({"autoShutdownEnabled": true, "autoShutdownTimeout": 24, "autoShutdownForce": true})]
    {
        let machine = lab.ok("PUT", &path, &body)["data"].clone();
        assert_eq!((&machine["autoShutdownTimeout"], &machine["autoShutdownForce"]), (&json!(8), &json!(false)));
    }
    assert_eq!(lab.ok("PUT", &path, &json!({"autoShutdownEnabled": false}))["data"]["autoShutdownTimeout"], Value::Null);
    let again = json!({"autoShutdownEnabled": true, "autoShutdownTimeout": 24, "autoShutdownForce": true});
    let machine = lab.ok("PUT", &path, &again)["data"].clone();
    assert_eq!((&machine["autoShutdownTimeout"], &machine["autoShutdownForce"]), (&json!(24), &json!(true)));
    // The clock runs from the change.
    lab.wait(23.0 * 3600.0);
    assert_eq!(lab.state(&path), "ready");
    lab.wait(3700.0);
    assert_eq!(lab.state(&path), "off");
    assert_eq!(lab.refused("PUT", &path, &json!({"autoShutdownTimeout": 0})).0, 400);
}

#[test]
fn disabled_auto_shutdown_does_not_come() {
    let mut lab = Lab::new();
    let path = lab.create_ready(&json!({"autoShutdownEnabled": true, "autoShutdownTimeout": 1}));
    lab.ok("PUT", &path, &json!({"autoShutdownEnabled": false}));
    lab.wait(7200.0);
    assert_eq!(lab.state(&path), "ready");
}

#[test]
fn networks_are_joined_but_not_the_default_one() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    let default = lab.get(&path)["networkId"].clone();
    assert_eq!(lab.refused("PUT", &path, &json!({ "networkId": default })).0, 404);
    assert_eq!(lab.get(&format!("/private-networks/{}", default.as_str().unwrap())), Value::Null);
    let network = lab.ok("POST", "/private-networks", &json!({"name": "n", "region": "NY2"}))["id"].clone();
    let reply = lab.ok("PUT", &path, &json!({ "networkId": network }));
    assert_eq!((&reply["event"]["name"], &reply["data"]["networkId"]), (&json!("vm-migrate"), &default));
    assert_eq!(lab.refused("PUT", &path, &json!({ "networkId": network })).0, 409);
    lab.wait(10.0);
    let machine = lab.get(&path);
    assert_eq!(machine["networkId"], network);
    assert!(machine["privateIp"].as_str().unwrap().starts_with("10.0.1."));
    assert!(lab.ok("PUT", &path, &json!({ "networkId": network })).get("event").is_none());
    assert_eq!(lab.refused("PUT", &path, &json!({ "networkId": default })).0, 404);
    let elsewhere = lab.ok("POST", "/private-networks", &json!({"name": "n", "region": "ca1"}))["id"].clone();
    assert_eq!(lab.refused("PUT", &path, &json!({ "networkId": elsewhere })).0, 400);
    assert_eq!(lab.refused("POST", "/machines", &machine_on(&elsewhere)).0, 400);
    let created = lab.create_off(&machine_on(&network));
    assert_eq!(lab.get(&created)["networkId"], network);
}

fn machine_on(network: &Value) -> Value {
    machine(&json!({ "networkId": network }))
}

#[test]
fn a_static_address_is_there_at_once_and_outlives_the_machine() {
    let mut lab = Lab::new();
    let reply = lab.ok("POST", "/machines", &machine(&json!({"publicIpType": "static"})));
    let (id, ip) = (reply["data"]["id"].clone(), reply["data"]["publicIp"].clone());
    assert!(ip.is_string());
    let ips = lab.get("/public-ips");
    assert_eq!((&ips["items"][0]["ip"], &ips["items"][0]["assignedMachineId"]), (&ip, &id));
    let path = format!("/machines/{}", id.as_str().unwrap());
    lab.wait(80.0);
    lab.delete(&path);
    lab.wait(26.0);
    let ips = lab.get("/public-ips");
    assert_eq!(ips["items"][0]["ip"], ip);
    assert!(ips["items"][0].get("assignedMachineId").is_none());
    assert_eq!(lab.delete(&format!("/public-ips/{}", ip.as_str().unwrap())), json!({ "ip": ip }));
    assert_eq!(lab.get("/public-ips")["items"], json!([]));
}

#[test]
fn a_static_address_survives_power_off_and_stays_when_changed_away() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    let ip = lab.ok("PUT", &path, &json!({"publicIpType": "static"}))["data"]["publicIp"].clone();
    assert!(ip.is_string());
    lab.ok("PUT", &path, &json!({"publicIpType": "static"}));
    assert_eq!(lab.get("/public-ips")["items"].as_array().unwrap().len(), 1);
    lab.patch(&format!("{path}/start"));
    lab.wait(40.0);
    assert_eq!(lab.get(&path)["publicIp"], ip);
    let machine = lab.ok("PUT", &path, &json!({"publicIpType": "none"}))["data"].clone();
    assert_eq!(machine["publicIp"], Value::Null);
    assert_eq!(lab.get("/public-ips")["items"][0]["ip"], ip);
}

#[test]
fn a_dynamic_address_comes_late_and_goes_with_the_power() {
    let mut lab = Lab::new();
    let path = lab.create(&json!({"publicIpType": "dynamic"}));
    lab.wait(68.0);
    let machine = lab.get(&path);
    assert_eq!((&machine["state"], &machine["publicIp"]), (&json!("ready"), &Value::Null));
    lab.wait(4.0);
    let first = lab.get(&path)["publicIp"].clone();
    assert!(first.is_string());
    lab.patch(&format!("{path}/stop"));
    lab.wait(59.0);
    assert_eq!(lab.get(&path)["publicIp"], first);
    lab.wait(1.0);
    assert_eq!(lab.get(&path)["publicIp"], Value::Null);
    lab.patch(&format!("{path}/start"));
    lab.wait(34.0);
    let second = lab.get(&path)["publicIp"].clone();
    assert!(second.is_string() && second != first);
    assert_eq!(lab.get("/public-ips")["items"], json!([]), "dynamic addresses are no resources");
    lab.ok("PUT", &path, &json!({"publicIpType": "none"}));
    lab.ok("PUT", &path, &json!({"publicIpType": "dynamic"}));
    lab.wait(34.0);
    assert!(lab.get(&path)["publicIp"].is_string());
}

#[test]
fn an_initial_snapshot_becomes_the_restore_point() {
    let mut lab = Lab::new();
    let fields = json!({"takeInitialSnapshot": true, "restorePointEnabled": true, "restorePointFrequency": "shutdown"});
    let path = lab.create_off(&fields);
    let snapshots = lab.get(&format!("/snapshots?machineId={}", id_of(&path)));
    assert_eq!(lab.get(&path)["restorePointSnapshotId"], snapshots["items"][0]["id"]);
}

#[test]
fn a_long_list_is_walked_in_both_orders_and_past_machines_that_went_meanwhile() {
    let mut lab = Lab::new();
    let made: Vec<String> = (0..70).map(|n| id_of(&lab.create_off(&json!({"name": format!("m{n}")}))).to_owned()).collect();
    lab.as_key("stranger");
    lab.create(&json!({"name": "other"}));
    lab.as_key("admin");
    for order in ["asc", "desc"] {
        let mut due: Vec<String> = made.clone();
        if order == "desc" {
            due.reverse();
        }
        let (mut walked, mut path) = (Vec::new(), format!("/machines?limit=20&order={order}"));
        loop {
            let page = lab.get(&path);
            walked.extend(page["items"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextPage"].as_str() else { break };
            path = format!("/machines?limit=20&order={order}&after={next}");
        }
        assert_eq!(walked, due, "{order}");
        assert_eq!(lab.get(&format!("/machines?limit=2&order={order}&after={}", due[9]))["items"][1]["id"], json!(due[11]));
    }
    lab.delete(&format!("/_sim/machines/{}", made[40]));
    let page = lab.get(&format!("/machines?limit=2&order=asc&after={}", made[40]));
    assert_eq!([&page["items"][0]["id"], &page["items"][1]["id"]], [&json!(made[41]), &json!(made[42])]);
    assert_eq!(lab.call("GET", "/machines?after=ps0", &Value::Null).0, 400);
    lab.as_key("stranger");
    assert_eq!(lab.call("GET", &format!("/machines?after={}", made[0]), &Value::Null).0, 400, "another team's machine is no cursor");
}
