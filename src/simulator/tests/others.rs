//! Sessions, roles, accessors, and what a team has besides machines.

use serde_json::{Value, json};

use super::{Lab, id_of, machine};
use crate::simulator::Reply;

#[test]
fn a_session_says_who_and_a_bad_key_gets_null() {
    let mut lab = Lab::new();
    let session = lab.get("/auth/session");
    assert_eq!(session["team"]["id"], "te1");
    let membership = &session["user"]["teamMemberships"][0];
    assert_eq!((&membership["team"]["id"], &membership["isAdmin"]), (&json!("te1"), &json!(true)));
    lab.as_key("second");
    assert_ne!(lab.get("/auth/session")["user"]["id"], session["user"]["id"]);
    lab.as_key("member");
    assert_eq!(lab.get("/auth/session")["user"]["teamMemberships"][0]["isAdmin"], false);
    lab.as_key("wrong");
    assert_eq!(lab.get("/auth/session"), Value::Null);
    let (status, reply) = lab.call("GET", "/machines", &Value::Null);
    assert_eq!((status, &reply["code"]), (401, &json!("UNAUTHORIZED")));
    let mut request = lab.request("GET", "/auth/session", &Value::Null);
    request.key = None;
    assert_eq!(lab.sim.handle(lab.now, &request), Reply::Json { status: 200, retry_after: None, body: Value::Null });
}

#[test]
fn unknown_routes_and_methods_are_json_too() {
    let mut lab = Lab::new();
    for path in ["/templates", "/machines/ps1/explode", "/nothing"] {
        let (status, reply) = lab.call("GET", path, &Value::Null);
        assert_eq!((status, &reply["code"]), (404, &json!("NOT_FOUND")));
    }
    let (status, reply) = lab.call("PATCH", "/machines", &Value::Null);
    assert_eq!((status, &reply["code"]), (405, &json!("METHOD_NOT_SUPPORTED")));
}

#[test]
fn a_patch_is_picky_about_its_content_type() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    let mut send = |content_type: Option<&str>, body: &str| {
        let mut request = lab.request("PATCH", &format!("{path}/start"), &Value::Null);
        request.content_type = content_type.map(str::to_owned);
        request.body = body.as_bytes().to_vec();
        match lab.sim.handle(lab.now, &request) {
            Reply::Json { status, .. } => status,
            _ => 0,
        }
    };
    assert_eq!(send(Some("application/json"), ""), 400);
    assert_eq!(send(Some("application/json; charset=utf-8"), ""), 400);
    assert_eq!(send(Some("application/json"), "{\"force\": true}"), 400);
    assert_eq!(send(Some("application/json"), "{"), 400);
    assert_eq!(send(None, ""), 200);
    // The start is pending now: past the body, then.
    assert_eq!(send(Some("text/plain"), ""), 409);
    assert_eq!(send(Some("application/json"), "{}"), 409);
}

#[test]
fn a_body_must_be_json() {
    let mut lab = Lab::new();
    let mut request = lab.request("POST", "/machines", &machine(&json!({})));
    request.content_type = None;
    let status = |reply| if let Reply::Json { status, .. } = reply { status } else { 0 };
    assert_eq!(status(lab.sim.handle(lab.now, &request)), 415);
    request.content_type = Some("application/json".to_owned());
    request.body = b"{".to_vec();
    let Reply::Json { body, .. } = lab.sim.handle(lab.now, &request) else { panic!("no answer") };
    assert_eq!(body["code"], "PARSE_ERROR");
    request.body.clear();
    assert_eq!(status(lab.sim.handle(lab.now, &request)), 400);
}

#[test]
fn teams_do_not_see_each_other() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({"publicIpType": "static"}));
    let ip = lab.get(&path)["publicIp"].as_str().unwrap().to_owned();
    let event = lab.get("/machine-events")["items"][0]["id"].as_str().unwrap().to_owned();
    lab.as_key("stranger");
    for (method, path, body) in [
        ("GET", path.clone(), Value::Null),
        ("PUT", path.clone(), json!({"name": "n"})),
        ("DELETE", path.clone(), Value::Null),
        ("PATCH", format!("{path}/start"), Value::Null),
        ("GET", format!("{path}/accessors"), Value::Null),
        ("GET", format!("/machine-events/{event}"), Value::Null),
        ("DELETE", format!("/public-ips/{ip}"), Value::Null),
        ("GET", "/teams/te1/users".to_owned(), Value::Null),
    ] {
        assert_eq!(lab.refused(method, &path, &body).0, 404, "{method} {path}");
    }
    for path in ["/machines", "/machine-events", "/public-ips"] {
        assert_eq!(lab.get(path)["items"], json!([]));
    }
}

#[test]
fn a_member_sees_only_what_is_assigned_to_it() {
    let mut lab = Lab::new();
    lab.as_key("member");
    let user = lab.get("/auth/session")["user"]["id"].clone();
    lab.as_key("admin");
    let (mine, other) = (lab.create_off(&json!({"name": "mine", "accessorIds": [user]})), lab.create_off(&json!({"name": "other"})));
    lab.as_key("member");
    assert_eq!(lab.names("/machines"), ["mine"]);
    assert_eq!(lab.get("/machine-events")["items"].as_array().unwrap().len(), 1);
    assert!(lab.is_gone(&other));
    for (method, path) in [("PATCH", format!("{other}/start")), ("DELETE", other.clone())] {
        assert_eq!(lab.refused(method, &path, &Value::Null).0, 404);
    }
    lab.patch(&format!("{mine}/start"));
    for (path, body) in [
        ("/machines", machine(&json!({}))),
        ("/public-ips", json!({"region": "ny2"})),
        ("/startup-scripts", json!({"name": "s", "script": ""})),
        ("/private-networks", json!({"name": "n", "region": "ny2"})),
    ] {
        let (status, reply) = lab.call("POST", path, &body);
        assert_eq!((status, &reply["code"]), (403, &json!("FORBIDDEN")), "{path}");
    }
    assert_eq!(lab.get("/public-ips")["items"], json!([]));
    assert_eq!(lab.refused("POST", &format!("{mine}/accessors"), &json!({"userId": user})).0, 403);
}

#[test]
fn accessors_come_and_go() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    let users = lab.get("/teams/te1/users");
    assert_eq!(users["items"].as_array().unwrap().len(), 3);
    let members = lab.get("/teams/te1/users?role=member");
    let user = members["items"][0]["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
    lab.as_key("member");
    assert!(lab.is_gone(&path));
    lab.as_key("admin");
    let list = format!("{path}/accessors");
    let one = format!("{list}/{user}");
    assert!(lab.is_gone(&one));
    assert_eq!(lab.refused("POST", &list, &json!({"userId": "u1"})).0, 404);
    let accessor = lab.ok("POST", &list, &json!({ "userId": user }));
    assert_eq!((&accessor["user"]["id"], &accessor["dtDeleted"]), (&json!(user), &Value::Null));
    assert_eq!(lab.get(&list)["items"], json!([accessor]));
    assert_eq!(lab.get(&one), accessor);
    lab.as_key("member");
    lab.get(&path);
    lab.as_key("admin");
    assert!(lab.delete(&one)["dtDeleted"].is_string());
    assert!(lab.is_gone(&one));
    assert_eq!(lab.get(&list)["items"], json!([]));
    assert_eq!(lab.refused("DELETE", &one, &Value::Null).0, 404);
    lab.ok("POST", &list, &json!({ "userId": user }));
    assert_eq!(lab.truth()["accessors"].as_array().unwrap().len(), 1);
}

#[test]
fn addresses_are_claimed_assigned_and_released() {
    let mut lab = Lab::new();
    let (a, b) = (lab.create_off(&json!({})), lab.create_off(&json!({"publicIpType": "static"})));
    let ip = lab.ok("POST", "/public-ips", &json!({"region": "ny2"}));
    assert!(ip.get("assignedMachineId").is_none());
    let path = format!("/public-ips/{}", ip["ip"].as_str().unwrap());
    lab.ok("PUT", &path, &json!({"machineId": id_of(&a)}));
    let machine = lab.get(&a);
    assert_eq!((&machine["publicIp"], &machine["publicIpType"]), (&ip["ip"], &json!("static")));
    let had = lab.get(&b)["publicIp"].clone();
    lab.ok("PUT", &path, &json!({"machineId": id_of(&b)}));
    assert_eq!(lab.get(&a)["publicIpType"], "none");
    assert_eq!(lab.get(&b)["publicIp"], ip["ip"]);
    assert_ne!(had, ip["ip"]);
    assert_eq!(lab.get("/public-ips?region=ny2")["items"].as_array().unwrap().len(), 2);
    lab.ok("PUT", &path, &json!({"machineId": null}));
    assert_eq!(lab.get(&b)["publicIp"], Value::Null);
    assert_eq!(lab.refused("PUT", &path, &json!({})).0, 400);
    assert_eq!(lab.refused("PUT", &path, &json!({"machineId": "ps1"})).0, 404);
    let elsewhere = lab.ok("POST", "/public-ips", &json!({"region": "ca1"}));
    let elsewhere = format!("/public-ips/{}", elsewhere["ip"].as_str().unwrap());
    assert_eq!(lab.refused("PUT", &elsewhere, &json!({"machineId": id_of(&a)})).0, 400);
    lab.delete(&elsewhere);
    assert_eq!(lab.refused("DELETE", &elsewhere, &Value::Null).0, 404);
    assert_eq!(lab.refused("POST", "/public-ips", &json!({"region": "nyc"})).0, 400);
}

#[test]
fn scripts_keep_their_text_to_themselves() {
    let mut lab = Lab::new();
    let script = lab.ok("POST", "/startup-scripts", &json!({"name": "s", "script": "echo secret", "isRunOnce": true}));
    let id = script["id"].clone();
    assert!(!script.to_string().contains("secret"));
    let path = format!("/startup-scripts/{}", id.as_str().unwrap());
    let machine = lab.create_off(&json!({ "startupScriptId": id }));
    assert_eq!(lab.get(&path)["assignedMachineIds"], json!([id_of(&machine)]));
    assert_eq!(lab.truth()["machines"][0]["startupScriptId"], id);
    assert_eq!(lab.truth()["startupScripts"][0]["script"], "echo secret");
    let of = json!({"machineId": id_of(&machine)});
    assert_eq!(lab.ok("POST", &format!("{path}/unassign"), &of)["assignedMachineIds"], json!([]));
    assert_eq!(lab.truth()["machines"][0]["startupScriptId"], Value::Null);
    lab.ok("POST", &format!("{path}/assign"), &of);
    let changed = lab.ok("PUT", &path, &json!({"name": "t", "isEnabled": false}));
    assert_eq!((&changed["name"], &changed["isEnabled"], &changed["isRunOnce"]), (&json!("t"), &json!(false), &json!(true)));
    assert_eq!(lab.names("/startup-scripts?name=t"), ["t"]);
    assert!(lab.delete(&path)["dtDeleted"].is_string());
    assert_eq!(lab.refused("DELETE", &path, &Value::Null).0, 404);
    assert!(lab.get(&path)["dtDeleted"].is_string(), "still there for a while");
    lab.wait(16.0);
    assert!(lab.is_gone(&path));
    assert_eq!(lab.get("/startup-scripts")["items"], json!([]));
}

#[test]
fn a_machine_has_one_script() {
    let mut lab = Lab::new();
    let machine = lab.create_off(&json!({}));
    let of = json!({"machineId": id_of(&machine)});
    let ids: Vec<_> = ["a", "b"].map(|name| lab.ok("POST", "/startup-scripts", &json!({"name": name, "script": ""}))["id"].clone()).into();
    for id in &ids {
        lab.ok("POST", &format!("/startup-scripts/{}/assign", id.as_str().unwrap()), &of);
    }
    assert_eq!(lab.get(&format!("/startup-scripts/{}", ids[0].as_str().unwrap()))["assignedMachineIds"], json!([]));
    lab.delete(&machine);
    lab.wait(26.0);
    assert_eq!(lab.get(&format!("/startup-scripts/{}", ids[1].as_str().unwrap()))["assignedMachineIds"], json!([]));
}

#[test]
fn networks_answer_null_where_there_is_none() {
    let mut lab = Lab::new();
    assert_eq!(lab.get("/private-networks/n1"), Value::Null);
    let early = lab.create_off(&json!({}));
    let network = lab.ok("POST", "/private-networks", &json!({"name": "n", "region": "ny2", "migrateMachines": true}));
    let path = format!("/private-networks/{}", network["id"].as_str().unwrap());
    assert_eq!(lab.get(&path), network);
    assert_eq!(lab.ok("PUT", &path, &json!({"name": "o"}))["name"], "o");
    assert_eq!(lab.names("/private-networks?region=NY2"), ["o"]);
    lab.wait(11.0);
    assert_eq!(lab.get(&early)["networkId"], network["id"]);
    assert_eq!(lab.refused("DELETE", &path, &Value::Null).0, 409);
    lab.delete(&early);
    lab.wait(26.0);
    assert_eq!(lab.delete(&path), json!({"id": network["id"]}));
    assert_eq!(lab.get(&path), Value::Null);
    assert_eq!(lab.refused("DELETE", &path, &Value::Null).0, 404);
}

#[test]
fn snapshots_go_with_their_machine_and_templates_stay() {
    let mut lab = Lab::new();
    let machine = lab.create_ready(&json!({}));
    let of = json!({"name": "x", "machineId": id_of(&machine)});
    let reply = lab.ok("POST", "/snapshots", &of);
    assert_eq!(reply["event"]["name"], "snapshot-create");
    let snapshot = format!("/snapshots/{}", reply["data"]["id"].as_str().unwrap());
    assert_eq!(lab.ok("PUT", &snapshot, &json!({"name": "y"}))["name"], "y");
    assert_eq!(lab.ok("PUT", &machine, &json!({"restorePointSnapshotId": id_of(&snapshot)}))["data"]["state"], "ready");
    assert_eq!(lab.ok("POST", &format!("{snapshot}/restore"), &json!({}))["event"]["name"], "snapshot-restore");
    assert_eq!(lab.refused("POST", "/custom-templates", &of).0, 400);
    lab.patch(&format!("{machine}/stop"));
    lab.wait(61.0);
    let reply = lab.ok("POST", "/custom-templates", &of);
    assert_eq!(reply["event"]["name"], "template-create");
    let template = format!("/custom-templates/{}", reply["data"]["id"].as_str().unwrap());
    lab.wait(31.0);
    assert!(lab.events(&machine).iter().all(|e| e.ends_with("done")));
    lab.delete(&machine);
    lab.wait(26.0);
    assert!(lab.is_gone(&snapshot));
    lab.get(&template);
    let copy = lab.create_off(&json!({"templateId": id_of(&template)}));
    assert_eq!(lab.get(&copy)["os"], "Ubuntu 22.04 Server");
    assert_eq!(lab.refused("POST", "/machines", &super::machine(&json!({"templateId": id_of(&template), "region": "ca1"}))).0, 404);
    assert_eq!(lab.ok("PUT", &template, &json!({"name": "z"}))["name"], "z");
    lab.delete(&template);
    assert!(lab.is_gone(&template));
}

#[test]
fn custom_templates_come_twice_across_pages() {
    let mut lab = Lab::new();
    let machine = lab.create_off(&json!({}));
    for name in ["a", "b", "c"] {
        lab.ok("POST", "/custom-templates", &json!({"name": name, "machineId": id_of(&machine)}));
    }
    let first = lab.get("/custom-templates?limit=2&order=asc");
    let next = first["nextPage"].as_str().unwrap();
    assert_eq!(lab.names(&format!("/custom-templates?limit=2&order=asc&after={next}")), ["b", "c"]);
}

#[test]
fn os_templates_need_no_key() {
    let mut lab = Lab::new();
    lab.as_key("wrong");
    let templates = lab.get("/os-templates?limit=120");
    let all = templates["items"].as_array().unwrap();
    assert!(all.iter().any(|t| t["id"] == "t0nspur5"));
    assert_eq!(lab.names("/os-templates?name=CentOS"), ["CentOS 7"]);
}

#[test]
fn availability_follows_the_matrix() {
    let mut lab = Lab::new();
    let mut ask = |query: &str| lab.call("GET", &format!("/machine-availability?{query}"), &Value::Null);
    assert_eq!(ask("machineType=A4000&region=ams1"), (200, json!({"available": true})));
    assert_eq!(ask("machineType=A6000&region=ams1"), (200, json!({"available": false})));
    for query in ["machineType=A4000", "region=ny2", "machineType=a4000&region=ny2", "machineType=A4000&region=nyc"] {
        assert_eq!(ask(query).0, 400, "{query}");
    }
}
