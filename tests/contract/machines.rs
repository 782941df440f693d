//! Machines, their events, their users and their addresses on the simulator.

use std::collections::HashSet;

use paperspace_operator::paperspace::Error;
use paperspace_operator::paperspace::types::{
    CreateMachine, EventState, MachineState, PublicIpType, RestorePointFrequency, SnapshotFrequency, UpdateMachine,
};
use serde_json::json;

use crate::server::KEY;
use crate::simulated::{MEMBER_KEY, Simulated, TEAM, body};

#[tokio::test]
async fn a_machine_from_create_to_delete() {
    let sim = Simulated::fast().await;
    let permit = sim.client.budget().acquire().await.unwrap();
    let created = sim.client.create_machine(permit, &body("life"), std::time::Duration::from_secs(5)).await.unwrap();
    let (event, machine) = (created.event.unwrap(), created.data);
    assert_eq!((event.name.as_str(), event.machine_id.as_ref()), ("create", Some(&machine.id)));
    assert_eq!((machine.name.as_str(), machine.machine_type.as_str(), &machine.state), ("life", "C5", &MachineState::Provisioning));
    let id = machine.id.as_str();

    let ready = sim.until(id, &MachineState::Ready).await;
    assert_eq!((ready.cpus, ready.ram, ready.storage_total), (4.0, 8 << 30, 50 << 30));
    assert!(ready.private_ip.is_some() && ready.network_id.is_some() && ready.region.contains("NY2"), "{ready:?}");

    let restart = sim.client.restart_machine(id).await.unwrap().event.unwrap();
    assert_eq!(restart.name, "restart");
    sim.finished(&restart.id).await;
    let stopped = sim.client.stop_machine(id).await.unwrap();
    assert_eq!(stopped.event.unwrap().name, "stop");
    sim.until(id, &MachineState::Off).await;
    let started = sim.client.start_machine(id).await.unwrap();
    let event = started.event.unwrap();
    assert_eq!((event.name.as_str(), event.is_unfinished()), ("start", true));
    let event = sim.finished(&event.id).await;
    assert_eq!((&event.state, event.is_unfinished(), event.error), (&EventState::Done, false, None));

    let events = sim.client.machine_events(id).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["start", "stop", "restart", "start", "create"], "the newest first");

    let deleted = sim.client.delete_machine(id).await.unwrap();
    assert_eq!(deleted.event.unwrap().name, "deactivate");
    let error = loop {
        match sim.client.machine(id).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(error.is_not_found(), "{error:?}");
    assert!(sim.client.list_machines().await.unwrap().is_empty());
    assert!(sim.client.delete_machine(id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn every_field_of_a_create_arrives() {
    let sim = Simulated::slow().await;
    let script = sim.post("/v1/startup-scripts", json!({"name": "s", "script": "true"})).await;
    let network = sim.post("/v1/private-networks", json!({"name": "n", "region": "ny2"})).await;
    let user = sim.truth().await["users"][0]["id"].as_str().unwrap().to_owned();
    let create = CreateMachine {
        accessor_ids: vec![user.clone()],
        name: "everything".into(),
        machine_type: "A100-80Gx8".into(),
        template_id: "t0nspur5".into(),
        disk_size: 100,
        region: "East Coast (NY2)".into(),
        network_id: network["id"].as_str().map(str::to_owned),
        public_ip_type: Some(PublicIpType::Static),
        auto_snapshot_enabled: Some(true),
        auto_snapshot_frequency: Some(SnapshotFrequency::Weekly),
        auto_snapshot_save_count: Some(3),
        auto_shutdown_enabled: Some(true),
        auto_shutdown_timeout: Some(8),
        auto_shutdown_force: Some(true),
        take_initial_snapshot: Some(true),
        restore_point_enabled: Some(true),
        restore_point_frequency: Some(RestorePointFrequency::Shutdown),
        startup_script_id: script["id"].as_str().map(str::to_owned),
        email_password: Some(false),
        start_on_create: Some(false),
        enable_nvlink: Some(true),
    };
    let machine = sim.create(&create).await.unwrap();
    assert_eq!((&machine.public_ip_type, machine.public_ip.is_some()), (&PublicIpType::Static, true));
    assert_eq!((machine.auto_shutdown_enabled, machine.auto_shutdown_timeout, machine.auto_shutdown_force), (true, Some(8.0), Some(true)));
    assert_eq!(machine.auto_snapshot_frequency, Some(SnapshotFrequency::Weekly));
    assert_eq!((machine.auto_snapshot_enabled, machine.auto_snapshot_save_count), (true, Some(3.0)));
    assert_eq!((machine.restore_point_enabled, &machine.restore_point_frequency), (true, &Some(RestorePointFrequency::Shutdown)));
    assert_eq!(machine.accelerators.len(), 1);
    let truth = &sim.truth().await["machines"][0];
    assert_eq!(truth["startupScriptId"], script["id"]);
    assert_eq!(truth["accessorIds"], json!([user]));
    for (field, value) in [
        ("startOnCreate", json!(false)),
        ("takeInitialSnapshot", json!(true)),
        ("emailPassword", json!(false)),
        ("enableNvlink", json!(true)),
        ("diskSize", json!(100)),
    ] {
        assert_eq!(truth[field], value, "{field}");
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let sim = Simulated::fast().await;
    let machine = sim.machine_off().await;
    let rename = UpdateMachine { name: Some("renamed".into()), ..UpdateMachine::default() };
    let renamed = sim.client.update_machine(&machine.id, &rename).await.unwrap().data;
    assert_eq!((renamed.name.as_str(), &renamed.machine_type), ("renamed", &machine.machine_type));

    let resize = UpdateMachine { machine_type: Some("C6".into()), disk_size: Some(100), ..UpdateMachine::default() };
    let event = sim.client.update_machine(&machine.id, &resize).await.unwrap().event.unwrap();
    sim.finished(&event.id).await;
    let resized = sim.until(&machine.id, &MachineState::Off).await;
    assert_eq!((resized.machine_type.as_str(), resized.storage_total), ("C6", 100 << 30));

    let settings = UpdateMachine {
        public_ip_type: Some(PublicIpType::Static),
        auto_snapshot_enabled: Some(true),
        auto_snapshot_frequency: Some(SnapshotFrequency::Monthly),
        auto_snapshot_save_count: Some(2),
        auto_shutdown_enabled: Some(true),
        auto_shutdown_timeout: Some(24),
        auto_shutdown_force: Some(false),
        ..UpdateMachine::default()
    };
    sim.client.update_machine(&machine.id, &settings).await.unwrap();
    let read = sim.client.machine(&machine.id).await.unwrap();
    assert_eq!((&read.public_ip_type, read.public_ip.is_some()), (&PublicIpType::Static, true));
    assert_eq!((read.auto_snapshot_frequency, read.auto_snapshot_save_count), (Some(SnapshotFrequency::Monthly), Some(2.0)));
    assert_eq!((read.auto_shutdown_timeout, read.auto_shutdown_force), (Some(24.0), Some(false)));

    for bad in [
        UpdateMachine { disk_size: Some(50), ..UpdateMachine::default() },
        UpdateMachine { machine_type: Some("Z80".into()), ..UpdateMachine::default() },
    ] {
        let error = sim.client.update_machine(&machine.id, &bad).await.unwrap_err();
        assert!(error.is_refusal(), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_create_is_said_and_proves_that_nothing_was_done() {
    let sim = Simulated::slow().await;
    for (wrong, says) in [
        (CreateMachine { machine_type: "Z80".into(), ..body("a") }, "Z80"),
        (CreateMachine { template_id: "tnone".into(), ..body("a") }, "tnone"),
        (CreateMachine { region: "mars1".into(), ..body("a") }, "mars1"),
        (CreateMachine { name: String::new(), ..body("a") }, "; "),
        (CreateMachine { disk_size: 0, ..body("a") }, "; "),
        (CreateMachine { machine_type: "H100".into(), ..body("a") }, "approval"),
    ] {
        let error = sim.create(&wrong).await.unwrap_err();
        assert!(error.proves_nothing_done() && error.is_refusal(), "{error:?}");
        assert!(matches!(&error, Error::Rejected { message, .. } if message.contains(says)), "{error}");
    }
    let truth = sim.truth().await;
    assert_eq!((truth["machines"].as_array().unwrap().len(), &truth["calls"]["POST /machines"]), (0, &json!(6)));
}

#[tokio::test]
async fn a_lost_reply_leaves_a_machine_and_says_maybe() {
    let sim = Simulated::slow().await;
    for (kind, machines) in [("drop", 0), ("lose-reply", 1)] {
        sim.fault(json!({"kind": kind, "method": "POST", "route": "/machines", "count": 1})).await;
        let error = sim.create(&body("lost")).await.unwrap_err();
        assert!(matches!(error, Error::Transport { maybe_sent: true, .. }), "{kind}: {error:?}");
        assert!(!error.proves_nothing_done());
        assert_eq!(sim.client.list_machines().await.unwrap().len(), machines, "{kind}");
    }
    assert_eq!(sim.truth().await["calls"]["POST /machines"], 2, "nothing was repeated");
    let permit = sim.client.budget().acquire().await.unwrap();
    sim.fault(json!({"kind": "delay", "delayMs": 500, "method": "POST", "route": "/machines", "count": 1})).await;
    let timeout = std::time::Duration::from_millis(100);
    let error = sim.client.create_machine(permit, &body("late"), timeout).await.unwrap_err();
    assert!(matches!(error, Error::Transport { maybe_sent: true, .. }), "{error:?}");
}

#[tokio::test]
async fn every_injected_status_is_told() {
    let sim = Simulated::slow().await;
    for (status, code) in [
        (400, "BAD_REQUEST"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_SUPPORTED"),
        (408, "TIMEOUT"),
        (409, "CONFLICT"),
        (412, "PRECONDITION_FAILED"),
        (413, "PAYLOAD_TOO_LARGE"),
        (429, "TOO_MANY_REQUESTS"),
        (499, "CLIENT_CLOSED_REQUEST"),
        (500, "INTERNAL_SERVER_ERROR"),
    ] {
        let client = sim.client_of(KEY);
        sim.fault(json!({"kind": "error", "status": status, "retryAfter": 3, "count": 1})).await;
        let error = client.list_machines().await.unwrap_err();
        let Error::Rejected { status: read, code: word, from_api: true, retry_after, route, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*read, word.as_str(), *route), (status, code, "GET /machines"));
        assert_eq!(*retry_after, Some(std::time::Duration::from_secs(3)));
        assert_eq!(client.budget().paused_for().is_some(), status == 429);
    }
}

#[tokio::test]
async fn a_list_of_three_pages_is_complete() {
    let sim = Simulated::slow().await;
    let mut ids = Vec::new();
    for n in 0..250 {
        ids.push(sim.create(&body(&format!("m{n}"))).await.unwrap().id);
    }
    let listed: Vec<_> = sim.client.list_machines().await.unwrap().into_iter().map(|machine| machine.id).collect();
    assert_eq!(listed, ids, "the oldest first, each once");
    assert_eq!(sim.truth().await["calls"]["GET /machines"], 3);
    sim.fault(json!({"kind": "shift-page", "count": 1})).await;
    let shifted: HashSet<_> = sim.client.list_machines().await.unwrap().into_iter().map(|machine| machine.id).collect();
    assert_eq!(shifted.len(), 249);
}

#[tokio::test]
async fn busy_machines_and_unknown_ones_are_refused() {
    let sim = Simulated::slow().await;
    let machine = sim.create(&body("busy")).await.unwrap();
    let error = sim.client.start_machine(&machine.id).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected { from_api: true, message, .. } if message.contains("currently")), "{error:?}");
    for error in [
        sim.client.machine("psnone").await.unwrap_err(),
        sim.client.start_machine("psnone").await.unwrap_err(),
        sim.client.stop_machine("psnone").await.unwrap_err(),
        sim.client.restart_machine("psnone").await.unwrap_err(),
        sim.client.delete_machine("psnone").await.unwrap_err(),
        sim.client.update_machine("psnone", &UpdateMachine::default()).await.unwrap_err(),
        sim.client.accessors("psnone").await.unwrap_err(),
        sim.client.machine_event("none").await.unwrap_err(),
    ] {
        assert!(error.is_not_found(), "{error:?}");
    }
    assert!(sim.client.machine_events("psnone").await.unwrap().is_empty());
}

#[tokio::test]
async fn without_capacity_a_machine_stays_off_and_an_event_says_so() {
    let sim = Simulated::fast().await;
    assert_eq!(sim.client.availability("C5", "ny2").await, Ok(true));
    sim.fault(json!({"kind": "no-capacity", "machineType": "C5"})).await;
    assert_eq!(sim.client.availability("C5", "East Coast (NY2)").await, Ok(false));
    assert!(sim.client.availability("Z80", "ny2").await.unwrap_err().is_refusal());
    let machine = sim.machine_off().await;
    let event = sim.client.start_machine(&machine.id).await.unwrap().event.unwrap();
    let event = sim.finished(&event.id).await;
    assert_eq!((&event.state, event.error), (&EventState::Error, None));
    assert_eq!(sim.client.machine(&machine.id).await.unwrap().state, MachineState::Off);
}

#[tokio::test]
async fn keys_say_who_they_are() {
    let sim = Simulated::slow().await;
    let session = sim.client.session().await.unwrap().unwrap();
    assert_eq!((session.team.id.as_str(), session.is_admin()), (TEAM, true));
    let member = sim.client_of(MEMBER_KEY).session().await.unwrap().unwrap();
    assert_eq!((member.team.id.as_str(), member.is_admin()), (TEAM, false));
    assert_ne!(member.user.id, session.user.id);

    let stranger = sim.client_of("no-such-key");
    assert_eq!(stranger.session().await, Ok(None), "200 null, not 401");
    assert!(stranger.list_machines().await.unwrap_err().is_unauthorized());
    sim.fault(json!({"kind": "revoke-key"})).await;
    assert_eq!(sim.client.session().await, Ok(None));
    assert!(sim.client.list_machines().await.unwrap_err().is_unauthorized());
    sim.clear_faults().await;
    assert!(sim.client.session().await.unwrap().is_some());
}

#[tokio::test]
async fn members_see_only_machines_assigned_to_them() {
    let sim = Simulated::slow().await;
    let machine = sim.create(&body("shared")).await.unwrap();
    let member = sim.client_of(MEMBER_KEY);
    let user = member.session().await.unwrap().unwrap().user.id;
    assert!(member.list_machines().await.unwrap().is_empty());
    assert!(member.machine(&machine.id).await.unwrap_err().is_not_found());
    let permit = member.budget().acquire().await.unwrap();
    let error = member.create_machine(permit, &body("mine"), std::time::Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected { status: 403, .. }) && error.proves_nothing_done(), "{error:?}");

    let accessor = sim.client.add_accessor(&machine.id, &user).await.unwrap();
    assert_eq!(accessor.user.id, user);
    assert_eq!(sim.client.accessors(&machine.id).await.unwrap().len(), 1);
    assert_eq!(member.list_machines().await.unwrap().len(), 1);
    assert_eq!(sim.client.remove_accessor(&machine.id, &user).await.unwrap().user.id, user);
    assert!(sim.client.accessors(&machine.id).await.unwrap().is_empty());
    assert!(sim.client.add_accessor(&machine.id, "unone").await.unwrap_err().is_not_found());

    let users = sim.client.team_users(TEAM).await.unwrap();
    assert_eq!(users.len(), 2);
    assert!(users.iter().any(|member| member.user.id == user && !member.is_admin && member.user.email.contains('@')), "{users:?}");
    assert!(sim.client.team_users("tenone").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn addresses_are_moved_and_released() {
    let sim = Simulated::fast().await;
    assert!(sim.client.public_ips().await.unwrap().is_empty());
    let machine = sim.machine_off().await;
    let claimed = sim.post("/v1/public-ips", json!({"region": "ny2"})).await;
    let ip = claimed["ip"].as_str().unwrap();
    assert_eq!(sim.client.assign_public_ip(ip, Some(&machine.id)).await.unwrap().assigned_machine_id, Some(machine.id.clone()));
    let listed = sim.client.public_ips().await.unwrap();
    assert_eq!((listed.len(), listed[0].ip.as_str(), &listed[0].assigned_machine_id), (1, ip, &Some(machine.id.clone())));
    assert_eq!(sim.client.machine(&machine.id).await.unwrap().public_ip.as_deref(), Some(ip));
    assert_eq!(sim.client.assign_public_ip(ip, None).await.unwrap().assigned_machine_id, None);
    sim.client.release_public_ip(ip).await.unwrap();
    assert!(sim.client.public_ips().await.unwrap().is_empty());
    assert!(sim.client.release_public_ip(ip).await.unwrap_err().is_not_found());
    assert!(sim.client.assign_public_ip(ip, None).await.unwrap_err().is_not_found());
}
