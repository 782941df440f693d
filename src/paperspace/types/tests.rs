//! What readers put up with and what they do not, and what writers send.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// The reply that the API's documentation shows for a create, with the placeholders of a machine being provisioned.
pub(in crate::paperspace) fn documented() -> Value {
    json!({
        "id": "psvv2ew1gd4s", "name": "new-machine", "state": "provisioning", "os": "Ubuntu 20.04 Desktop", "machineType": "P4000",
        "agentType": "LinuxDesktop", "cpus": 1, "ram": "0", "storageTotal": "0", "storageUsed": "0",
        "accelerators": [{"name": "Quadro P4000", "memory": "8589934592", "count": 1}],
        "region": "East Coast (NY2)", "privateIp": null, "networkId": null, "publicIp": null, "publicIpType": "none",
        "autoShutdownEnabled": true, "autoShutdownTimeout": 6, "autoShutdownForce": false, "autoSnapshotEnabled": false,
        "autoSnapshotFrequency": null, "autoSnapshotSaveCount": null, "updatesPending": false, "restorePointEnabled": false,
        "restorePointFrequency": null, "restorePointSnapshotId": null, "usageRate": 0.51, "storageRate": 0.007,
        "dtCreated": "2024-04-30T15:51:24.565Z", "dtModified": "2024-04-30T15:51:24.565Z", "dtDeleted": null, "reservation": null
    })
}

fn machine(field: &str, value: Value) -> Result<Machine, serde_json::Error> {
    let mut machine = documented();
    machine[field] = value;
    serde_json::from_value(machine)
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_documented_machine_is_read() {
    let machine: Machine = read(documented());
    assert_eq!((machine.id.as_str(), &machine.state, machine.ram), ("psvv2ew1gd4s", &MachineState::Provisioning, 0));
    assert_eq!(machine.accelerators, [Accelerator { name: "Quadro P4000".into(), memory: 8 << 30, count: 1.0 }]);
    assert_eq!((machine.auto_shutdown_timeout, machine.usage_rate, machine.dt_deleted), (Some(6.0), Some(0.51), None));
}

#[test]
fn whole_numbers_come_as_numbers_or_strings() {
    for (value, bytes) in [
        (json!(53_687_091_200_u64), 53_687_091_200),
        (json!("53687091200"), 53_687_091_200),
        (json!(" 53687091200 "), 53_687_091_200),
        (json!(53_687_091_200.0), 53_687_091_200),
        (json!(u64::MAX), u64::MAX),
        (json!("18446744073709551615"), u64::MAX),
        (json!(0), 0),
        (Value::Null, 0),
    ] {
        for field in ["ram", "storageTotal"] {
            let machine = machine(field, value.clone()).unwrap();
            assert_eq!(if field == "ram" { machine.ram } else { machine.storage_total }, bytes, "{field}: {value}");
        }
    }
    for value in
        [json!(-1), json!("-1"), json!(1.5), json!("1.5"), json!(1e30), json!("50 GB"), json!(""), json!(true), json!([]), json!({})]
    {
        assert!(machine("ram", value.clone()).is_err(), "{value}");
    }
}

#[test]
fn other_numbers_do_too() {
    for (value, number) in
        [(json!(6), Some(6.0)), (json!("6"), Some(6.0)), (json!(0.5), Some(0.5)), (json!("0.5"), Some(0.5)), (Value::Null, None)]
    {
        for field in ["autoShutdownTimeout", "autoSnapshotSaveCount", "usageRate", "storageRate"] {
            let machine = machine(field, value.clone()).unwrap();
            let read = match field {
                "autoShutdownTimeout" => machine.auto_shutdown_timeout,
                "autoSnapshotSaveCount" => machine.auto_snapshot_save_count,
                "usageRate" => machine.usage_rate,
                _ => machine.storage_rate,
            };
            assert_eq!(read, number, "{field}: {value}");
        }
    }
    for value in ["P4000 hourly", "", "NaN", "inf"] {
        assert!(machine("usageRate", json!(value)).is_err(), "{value}");
    }
}

#[test]
fn null_and_absent_are_the_same_wherever_a_value_may_be_missing() {
    let needed = ["id", "name", "state", "machineType", "region", "publicIpType", "dtCreated"];
    let fields: Vec<String> = documented().as_object().unwrap().keys().cloned().collect();
    for field in fields {
        let mut absent = documented();
        absent.as_object_mut().unwrap().remove(&field);
        let absent: Option<Machine> = serde_json::from_value(absent).ok();
        let null = machine(&field, Value::Null).ok();
        assert_eq!(absent.is_some(), !needed.contains(&field.as_str()), "{field}");
        assert_eq!(absent, null, "{field}");
    }
}

#[test]
fn unknown_fields_and_words_do_no_harm() {
    assert!(machine("colour", json!({"r": 1})).is_ok());
    assert_eq!(machine("state", json!("hibernating")).unwrap().state, MachineState::Unknown("hibernating".into()));
    assert_eq!(machine("publicIpType", json!("v6")).unwrap().public_ip_type.as_str(), "v6");
    // The same word in another spelling is another word: nothing is guessed about states.
    assert_eq!(machine("state", json!("serviceReady")).unwrap().state, MachineState::Unknown("serviceReady".into()));
    assert!(machine("state", json!(5)).is_err());
}

#[test]
fn words_survive_the_round_trip() {
    for word in ["off", "starting", "stopping", "restarting", "serviceready", "ready", "upgrading", "provisioning", "new word"] {
        let state: MachineState = read(json!(word));
        assert_eq!(matches!(state, MachineState::Unknown(_)), word == "new word");
        assert_eq!((serde_json::to_value(&state).unwrap(), state.to_string()), (json!(word), word.to_owned()));
    }
    assert_eq!(read::<EventState>(json!("in progress")), EventState::InProgress);
}

#[test]
fn events_tell_whether_they_are_over() {
    let event = |state: &str, finished: Value, error: Value| {
        read::<MachineEvent>(json!({
            "id": "e", "name": "create", "state": state, "machineId": null, "dtCreated": "2024-04-30T15:51:24.565Z", "dtStarted": null,
            "dtFinished": finished, "error": error
        }))
    };
    let at = json!("2024-04-30T15:52:24.565Z");
    for (state, finished, unfinished) in [
        ("new", Value::Null, true),
        ("in progress", Value::Null, true),
        ("paused", Value::Null, true),
        ("done", Value::Null, false),
        ("error", Value::Null, false),
        ("cancelled", Value::Null, false),
        ("new", at.clone(), false),
        ("in progress", at.clone(), false),
        ("error", at.clone(), false),
    ] {
        assert_eq!(event(state, finished.clone(), Value::Null).is_unfinished(), unfinished, "{state} {finished}");
    }
    assert_eq!(event("error", at, json!("no capacity")).error.as_deref(), Some("no capacity"));
}

#[test]
fn an_update_may_come_without_an_event() {
    for reply in [json!({"data": documented()}), json!({"data": documented(), "event": null})] {
        assert_eq!(read::<MachineAndEvent>(reply).event, None);
    }
    // The bare machine is not that envelope.
    assert!(serde_json::from_value::<MachineAndEvent>(documented()).is_err());
}

#[test]
fn sessions_tell_who_is_an_admin() {
    let session = |memberships: Value| {
        read::<Session>(json!({
            "user": {"id": "u1", "email": "a@example.com", "firstName": null, "teamMemberships": memberships},
            "team": {"id": "te1", "namespace": "t", "isPrivate": true, "maxMachines": "5", "analyticsId": null}
        }))
    };
    let of = |team: &str, owner: Value, admin: Value| json!([{"team": {"id": team, "name": "n"}, "isOwner": owner, "isAdmin": admin}]);
    for (memberships, admin) in [
        (of("te1", json!(true), json!(false)), true),
        (of("te1", json!(false), json!(true)), true),
        (of("te1", json!(false), json!(false)), false),
        (of("te1", Value::Null, Value::Null), false),
        (of("te2", json!(true), json!(true)), false),
        (json!([]), false),
        (Value::Null, false),
    ] {
        assert_eq!(session(memberships.clone()).is_admin(), admin, "{memberships}");
    }
    assert_eq!(session(json!([])).team.max_machines, Some(5.0));
}

#[test]
fn other_resources_are_read() {
    let created = "2024-04-30T15:51:24.565Z";
    let ip: PublicIp = read(json!({"ip": "1.2.3.4", "region": "East Coast (NY2)", "assignedMachineId": null, "dtCreated": created}));
    assert_eq!((ip.ip.as_str(), ip.assigned_machine_id), ("1.2.3.4", None));
    let script: StartupScript = read(json!({
        "id": "sc1", "name": "n", "description": null, "isEnabled": true, "isRunOnce": false, "assignedMachineIds": ["ps1"],
        "dtCreated": created, "dtDeleted": null
    }));
    assert!(script.is_enabled && script.assigned_machine_ids == ["ps1"]);
    let network: PrivateNetwork =
        read(json!({"id": "n1", "name": "n", "region": "ny2", "network": "10.1.2.0", "netmask": "255.255.255.0", "dtCreated": created}));
    assert_eq!((network.network.as_str(), network.dt_deleted), ("10.1.2.0", None));
    let template: OsTemplate = read(json!({
        "id": "t1", "name": "Ubuntu", "agentType": "LinuxHeadless", "operatingSystemLabel": "Ubuntu 22.04", "defaultSizeGb": null,
        "availableMachineTypes": [{"machineTypeLabel": "C5", "isAvailable": true}], "dtCreated": created
    }));
    assert!(template.available_machine_types[0].is_available);
    let template: CustomTemplate =
        read(json!({"id": "t2", "name": "mine", "region": "ams1", "defaultSizeGb": 100, "parentMachineId": "ps1", "dtCreated": created}));
    assert_eq!((template.default_size_gb, template.parent_machine_id.as_deref()), (Some(100.0), Some("ps1")));
    let accessor: Accessor = read(json!({"user": {"id": "u1", "email": "a@example.com", "lastName": null}}));
    assert_eq!((accessor.user.email.as_str(), accessor.dt_deleted), ("a@example.com", None));
    let member: TeamUser =
        read(json!({"isAdmin": true, "isOwner": false, "dtConfirmed": null, "user": {"id": "u1", "email": "a@example.com"}}));
    assert!(member.is_admin && !member.is_owner);
}

#[test]
fn bodies_hold_only_what_is_set() {
    assert_eq!(serde_json::to_value(UpdateMachine::default()).unwrap(), json!({}));
    let update = UpdateMachine { public_ip_type: Some(PublicIpType::Static), auto_shutdown_timeout: Some(6), ..UpdateMachine::default() };
    assert_eq!(serde_json::to_value(update).unwrap(), json!({"publicIpType": "static", "autoShutdownTimeout": 6}));
    let create = serde_json::to_value(CreateMachine::default()).unwrap();
    let fields: Vec<&str> = create.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 5, "the required ones: {fields:?}");
}
