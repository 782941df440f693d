//! Replies against the field lists of the API's `OpenAPI` document, which are written down here once more: `name:kind`, where the
//! kind is `s`tring, `n`umber, `b`oolean, 64-bit `i`nteger (a string on the wire), `t`ime, `o`bject or `l`ist, `?` may be null, and
//! `~` may be missing. Objects are closed.

use serde_json::{Value, json};

use super::{Lab, id_of, machine};

/// `MachineEvent`.
const EVENT: &str = "id:s name:s state:s machineId:s? dtCreated:t dtStarted:t? dtFinished:t? error:s?";
/// `Machine`.
const MACHINE: &str = "id:s name:s state:s os:s machineType:s agentType:s cpus:n ram:i storageTotal:i storageUsed:i accelerators:l?~ region:s \
    privateIp:s? networkId:s? publicIp:s? publicIpType:s autoShutdownEnabled:b autoShutdownTimeout:n? autoShutdownForce:b? \
    autoSnapshotEnabled:b autoSnapshotFrequency:s? autoSnapshotSaveCount:n? updatesPending:b restorePointEnabled:b \
    restorePointFrequency:s? restorePointSnapshotId:s? usageRate:n storageRate:n dtCreated:t dtModified:t dtDeleted:t? \
    reservation:o?";
/// Of a machine.
const ACCELERATOR: &str = "name:s memory:i? count:n";
/// Every list.
const PAGE: &str = "hasMore:b nextPage:s~ items:l";
/// Of a machine.
const ACCESSOR: &str = "user:o dtDeleted:t?~";
/// Of an accessor.
const PERSON: &str = "id:s email:s firstName:s?~ lastName:s?~ publicProfileImageUrl:s?~";
/// `GET /auth/session`.
const SESSION: &str = "user:o team:o";
/// Of a session.
const SESSION_USER: &str = "firstName:s? lastName:s? email:s dtCreated:t dtConfirmed:t? teamMemberships:l isPhoneVerified:b isPasswordAuthEnabled:b \
    isQrCodeBasedMfaEnabled:b isQrCodeBasedMfaConfirmed:b preferences:o?~ id:s analyticsId:n metadata:o";
/// Of a session.
const SESSION_TEAM: &str = "namespace:s isPrivate:b maxMachines:n id:s analyticsId:n";
/// Of a session.
const MEMBERSHIP: &str = "team:o isOwner:b isAdmin:b";
/// Of a membership.
const MEMBERSHIP_TEAM: &str = "name:s id:s namespace:s publicProfileImageUrl:s?~ isUserTeam:b dtCreated:t";
/// An address.
const PUBLIC_IP: &str = "ip:s region:s assignedMachineId:s~ dtCreated:t";
/// A startup script.
const SCRIPT: &str = "id:s name:s description:s? isEnabled:b isRunOnce:b assignedMachineIds:l dtCreated:t dtDeleted:t?";
/// A private network.
const NETWORK: &str = "id:s name:s region:s network:s netmask:s dtCreated:t dtDeleted:t?~";
/// A snapshot.
const SNAPSHOT: &str = "id:s name:s machineId:s isAutoSnapshot:b";
/// A custom template.
const CUSTOM_TEMPLATE: &str = "id:s name:s agentType:s operatingSystemLabel:s region:s defaultSizeGb:n availableMachineTypes:l parentMachineId:s \
    dtCreated:t dtDeleted:t?~";
/// An OS template.
const OS_TEMPLATE: &str = "id:s name:s agentType:s operatingSystemLabel:s defaultSizeGb:n? availableMachineTypes:l dtCreated:t";
/// A user of a team.
const TEAM_USER: &str = "isAdmin:b isOwner:b dtConfirmed:t?~ user:o";
/// Of a user of a team.
const TEAM_USER_USER: &str = "id:s email:s firstName:s?~ lastName:s?~ publicProfileImageUrl:s?~ lastActive:t?~";
/// Of a template.
const TYPE: &str = "machineTypeLabel:s isAvailable:b";
/// What `POST /machines` takes.
const CREATE: &str = "name machineType templateId networkId diskSize region publicIpType autoSnapshotEnabled autoSnapshotFrequency \
    autoSnapshotSaveCount autoShutdownEnabled autoShutdownTimeout autoShutdownForce takeInitialSnapshot restorePointEnabled \
    restorePointFrequency startupScriptId emailPassword startOnCreate enableNvlink accessorIds";
/// What `PUT /machines/{id}` takes.
const UPDATE: &str = "name machineType diskSize networkId publicIpType autoSnapshotEnabled autoSnapshotFrequency autoSnapshotSaveCount \
    autoShutdownEnabled autoShutdownTimeout autoShutdownForce restorePointEnabled restorePointFrequency \
    restorePointSnapshotId";

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|t| t.len() == 24 && t.ends_with('Z') && t.parse::<jiff::Timestamp>().is_ok())
}

fn check(value: &Value, shape: &str) {
    let object = value.as_object().unwrap();
    let mut known = Vec::new();
    for field in shape.split_whitespace() {
        let (name, kind) = field.split_once(':').unwrap();
        known.push(name);
        let Some(value) = object.get(name) else {
            assert!(kind.ends_with('~'), "{name} is missing in {value}");
            continue;
        };
        let fits = match kind.as_bytes()[0] {
            _ if value.is_null() => kind.contains('?'),
            b's' => value.is_string(),
            b'n' => value.is_number(),
            b'b' => value.is_boolean(),
            b'i' => value.as_str().is_some_and(|n| n.parse::<u64>().is_ok()),
            b't' => is_time(value),
            b'o' => value.is_object(),
            b'l' => value.is_array(),
            other => panic!("{other}"),
        };
        assert!(fits, "{field} does not fit {value}");
    }
    for name in object.keys() {
        assert!(known.contains(&name.as_str()), "{name} is in no document");
    }
}

fn check_page(page: &Value, shape: &str) {
    check(page, PAGE);
    let items = page["items"].as_array().unwrap();
    assert!(!items.is_empty());
    for item in items {
        check(item, shape);
    }
}

/// Event and data, and nothing else.
fn check_envelope(reply: &Value, shape: &str) {
    check(reply, "event:o data:o");
    check(&reply["event"], EVENT);
    check(&reply["data"], shape);
}

#[test]
fn machines_and_events() {
    let mut lab = Lab::new();
    let reply = lab.ok("POST", "/machines", &machine(&json!({"machineType": "A4000x2", "publicIpType": "static"})));
    check_envelope(&reply, MACHINE);
    check(&reply["data"]["accelerators"][0], ACCELERATOR);
    let path = format!("/machines/{}", reply["data"]["id"].as_str().unwrap());
    check(&lab.get(&path), MACHINE);
    lab.wait(80.0);
    check(&lab.get(&path), MACHINE);
    check_page(&lab.get("/machines"), MACHINE);
    check_page(&lab.get("/machine-events"), EVENT);
    let id = lab.get("/machine-events?limit=1")["items"][0]["id"].clone();
    check(&lab.get(&format!("/machine-events/{}", id.as_str().unwrap())), EVENT);
    for verb in ["restart", "stop"] {
        check_envelope(&lab.patch(&format!("{path}/{verb}")), MACHINE);
    }
    lab.wait(80.0);
    check_envelope(&lab.patch(&format!("{path}/start")), MACHINE);
    check(&lab.ok("PUT", &path, &json!({"name": "n"})), "data:o");
    check_envelope(&lab.delete(&path), MACHINE);
}

#[test]
fn fields_of_bodies() {
    let names = |fields: &[super::super::requests::Field]| {
        let mut names: Vec<_> = fields.iter().map(|f| f.name).collect();
        names.sort_unstable();
        names
    };
    let sorted = |list: &'static str| {
        let mut names: Vec<_> = list.split_whitespace().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(super::super::create::BODY), sorted(CREATE));
    assert_eq!(names(super::super::update::BODY), sorted(UPDATE));
}

#[test]
fn people() {
    let mut lab = Lab::new();
    let session = lab.get("/auth/session");
    check(&session, SESSION);
    check(&session["user"], SESSION_USER);
    check(&session["team"], SESSION_TEAM);
    check(&session["user"]["teamMemberships"][0], MEMBERSHIP);
    check(&session["user"]["teamMemberships"][0]["team"], MEMBERSHIP_TEAM);
    let users = lab.get("/teams/te1/users");
    check_page(&users, TEAM_USER);
    check(&users["items"][0]["user"], TEAM_USER_USER);
    let path = lab.create(&json!({}));
    let accessor = lab.ok("POST", &format!("{path}/accessors"), &json!({"userId": users["items"][0]["user"]["id"]}));
    check(&accessor, ACCESSOR);
    check(&accessor["user"], PERSON);
    check_page(&lab.get(&format!("{path}/accessors")), ACCESSOR);
}

#[test]
fn what_else_there_is() {
    let mut lab = Lab::new();
    let path = lab.create_off(&json!({}));
    let of = json!({"name": "x", "machineId": id_of(&path)});
    let ip = lab.ok("POST", "/public-ips", &json!({"region": "ny2"}));
    check(&ip, PUBLIC_IP);
    check(&lab.ok("PUT", &format!("/public-ips/{}", ip["ip"].as_str().unwrap()), &json!({"machineId": id_of(&path)})), PUBLIC_IP);
    check_page(&lab.get("/public-ips"), PUBLIC_IP);
    check(&lab.ok("POST", "/startup-scripts", &json!({"name": "s", "script": "x"})), SCRIPT);
    check_page(&lab.get("/startup-scripts"), SCRIPT);
    check(&lab.ok("POST", "/private-networks", &json!({"name": "n", "region": "ny2"})), NETWORK);
    check_page(&lab.get("/private-networks"), NETWORK);
    check_envelope(&lab.ok("POST", "/snapshots", &of), SNAPSHOT);
    check_page(&lab.get("/snapshots"), SNAPSHOT);
    check_envelope(&lab.ok("POST", "/custom-templates", &of), CUSTOM_TEMPLATE);
    check_page(&lab.get("/custom-templates"), CUSTOM_TEMPLATE);
    let templates = lab.get("/os-templates");
    check_page(&templates, OS_TEMPLATE);
    check(&templates["items"][0]["availableMachineTypes"][0], TYPE);
}
