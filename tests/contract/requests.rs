//! What goes over the wire, to the byte where it matters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use paperspace_operator::paperspace::types::{CreateMachine, CreateStartupScript, UpdateMachine, UpdateStartupScript};
use paperspace_operator::paperspace::{CallRecord, Error};
use secrecy::SecretString;

use crate::server::{KEY, Server, json};

/// What `$call` sends when nothing it can use comes back.
macro_rules! request {
    ($client:ident => $call:expr) => {{
        let server = Server::new([json(500, "{}")]).await;
        let $client = server.client();
        let _ = $call.await;
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
        let line = head.lines().next().unwrap().strip_suffix(" HTTP/1.1").unwrap().replacen(" /v1", " ", 1);
        (line, head.to_ascii_lowercase(), body.to_owned())
    }};
}

const NOW: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_call_has_its_route_and_the_key() {
    let script = CreateStartupScript { name: "n".into(), script: SecretString::from("s"), is_run_once: true };
    let create = CreateMachine { name: "n".into(), disk_size: 50, ..CreateMachine::default() };
    let sent = [
        (request!(c => c.list_machines()), "GET /machines?orderBy=dtCreated&order=asc&limit=120", ""),
        (request!(c => c.machine("ps1")), "GET /machines/ps1", ""),
        (
            request!(c => async { c.create_machine(c.budget().acquire().await.unwrap(), &create, NOW).await }),
            "POST /machines",
            r#"{"name":"n","machineType":"","templateId":"","diskSize":50,"region":""}"#,
        ),
        (
            request!(c => c.update_machine("ps1", &UpdateMachine { name: Some("m".into()), ..UpdateMachine::default() })),
            "PUT /machines/ps1",
            r#"{"name":"m"}"#,
        ),
        (request!(c => c.delete_machine("ps1")), "DELETE /machines/ps1", ""),
        (request!(c => c.start_machine("ps1")), "PATCH /machines/ps1/start", ""),
        (request!(c => c.stop_machine("ps1")), "PATCH /machines/ps1/stop", ""),
        (request!(c => c.restart_machine("ps1")), "PATCH /machines/ps1/restart", ""),
        (request!(c => c.accessors("ps1")), "GET /machines/ps1/accessors?orderBy=id&order=asc&limit=120", ""),
        (request!(c => c.add_accessor("ps1", "u2")), "POST /machines/ps1/accessors", r#"{"userId":"u2"}"#),
        (request!(c => c.remove_accessor("ps1", "u2")), "DELETE /machines/ps1/accessors/u2", ""),
        (request!(c => c.machine_events("ps1")), "GET /machine-events?machineId=ps1&orderBy=dtCreated&order=desc&limit=120", ""),
        (request!(c => c.machine_events_since(Timestamp::UNIX_EPOCH)), "GET /machine-events?orderBy=dtCreated&order=desc&limit=120", ""),
        (request!(c => c.machine_event("3f-9c")), "GET /machine-events/3f-9c", ""),
        (
            request!(c => c.availability("GPU+", "East Coast (NY2)")),
            "GET /machine-availability?machineType=GPU%2B&region=East+Coast+%28NY2%29",
            "",
        ),
        (request!(c => c.session()), "GET /auth/session", ""),
        (request!(c => c.team_users("te1")), "GET /teams/te1/users?orderBy=dtConfirmed&order=asc&limit=120", ""),
        (request!(c => c.public_ips()), "GET /public-ips?orderBy=dtCreated&order=asc&limit=120", ""),
        (request!(c => c.assign_public_ip("10.0.0.1", Some("ps1"))), "PUT /public-ips/10.0.0.1", r#"{"machineId":"ps1"}"#),
        (request!(c => c.assign_public_ip("10.0.0.1", None)), "PUT /public-ips/10.0.0.1", r#"{"machineId":null}"#),
        (request!(c => c.release_public_ip("10.0.0.1")), "DELETE /public-ips/10.0.0.1", ""),
        (request!(c => c.private_networks()), "GET /private-networks?orderBy=dtCreated&order=asc&limit=120", ""),
        (request!(c => c.private_network("n1")), "GET /private-networks/n1", ""),
        (request!(c => c.os_templates()), "GET /os-templates?orderBy=name&order=asc&limit=120", ""),
        (request!(c => c.custom_templates()), "GET /custom-templates?orderBy=dtCreated&order=asc&limit=120", ""),
        (request!(c => c.startup_scripts()), "GET /startup-scripts?orderBy=dtCreated&order=asc&limit=120", ""),
        (request!(c => c.startup_script("sc1")), "GET /startup-scripts/sc1", ""),
        (
            request!(c => async { c.create_startup_script(c.budget().acquire().await.unwrap(), &script, NOW).await }),
            "POST /startup-scripts",
            r#"{"name":"n","script":"s","isRunOnce":true}"#,
        ),
        (
            request!(c => c.update_startup_script("sc1", &UpdateStartupScript { is_enabled: Some(false), ..UpdateStartupScript::default() })),
            "PUT /startup-scripts/sc1",
            r#"{"isEnabled":false}"#,
        ),
        (request!(c => c.delete_startup_script("sc1")), "DELETE /startup-scripts/sc1", ""),
        (request!(c => c.assign_startup_script("sc1", "ps1")), "POST /startup-scripts/sc1/assign", r#"{"machineId":"ps1"}"#),
        (request!(c => c.unassign_startup_script("sc1", "ps1")), "POST /startup-scripts/sc1/unassign", r#"{"machineId":"ps1"}"#),
    ];
    for ((line, head, body), expected_line, expected_body) in sent {
        assert_eq!(line, expected_line);
        assert_eq!(body, expected_body, "{line}");
        assert!(head.contains(&format!("\r\nauthorization: bearer {KEY}")), "{head}");
        assert!(head.contains("\r\nuser-agent: paperspace-operator/"), "{head}");
        // The API refuses a PATCH that announces JSON and sends none.
        assert_eq!(head.contains("\r\ncontent-type:"), !body.is_empty(), "{head}");
    }
}

#[tokio::test]
async fn a_hostile_id_reaches_no_server() {
    let server = Server::new([]).await;
    for id in ["../auth/session", "", "ps1/stop", "ps1?x=y", ".."] {
        let error = server.client().delete_machine(id).await.unwrap_err();
        assert!(matches!(error, Error::Transport { maybe_sent: false, .. }), "{error:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn observers_hear_of_every_call() {
    let server = Server::new([json(200, "null"), json(404, r#"{"code":"NOT_FOUND","message":"gone"}"#)]).await;
    let calls: Arc<Mutex<Vec<CallRecord>>> = Arc::default();
    let heard = Arc::clone(&calls);
    let client = server.client().with_observer(Arc::new(move |call: &CallRecord| heard.lock().unwrap().push(*call)));
    assert_eq!(client.session().await, Ok(None));
    client.stop_machine("ps1").await.unwrap_err();
    drop(server);
    client.machine("ps1").await.unwrap_err();
    let told: Vec<_> = calls.lock().unwrap().iter().map(|call| (call.method, call.route, call.outcome, call.status)).collect();
    assert_eq!(
        told,
        [
            ("GET", "/auth/session", "ok", Some(200)),
            ("PATCH", "/machines/{id}/stop", "not_found", Some(404)),
            ("GET", "/machines/{id}", "transport", None)
        ]
    );
}
