//! Scripts, networks and templates on the simulator.

use std::time::Duration;

use paperspace_operator::paperspace::types::{CreateStartupScript, UpdateStartupScript};
use secrecy::SecretString;
use serde_json::json;

use crate::simulated::Simulated;

#[tokio::test]
async fn a_script_from_create_to_delete() {
    let sim = Simulated::fast().await;
    let machine = sim.machine_off().await;
    let permit = sim.client.budget().acquire().await.unwrap();
    let body = CreateStartupScript { name: "hello".into(), script: SecretString::from("echo hello"), is_run_once: true };
    let script = sim.client.create_startup_script(permit, &body, Duration::from_secs(5)).await.unwrap();
    assert_eq!((script.name.as_str(), script.is_run_once, script.is_enabled), ("hello", true, true));
    assert_eq!(sim.truth().await["startupScripts"][0]["script"], "echo hello");

    sim.client.assign_startup_script(&script.id, &machine.id).await.unwrap();
    assert_eq!(sim.client.startup_script(&script.id).await.unwrap().assigned_machine_ids, std::slice::from_ref(&machine.id));
    sim.client.unassign_startup_script(&script.id, &machine.id).await.unwrap();
    assert!(sim.client.startup_script(&script.id).await.unwrap().assigned_machine_ids.is_empty());

    let update =
        UpdateStartupScript { script: Some(SecretString::from("echo bye")), is_enabled: Some(false), ..UpdateStartupScript::default() };
    let updated = sim.client.update_startup_script(&script.id, &update).await.unwrap();
    assert_eq!((updated.name.as_str(), updated.is_enabled, updated.is_run_once), ("hello", false, true));
    assert_eq!(sim.truth().await["startupScripts"][0]["script"], "echo bye");
    assert_eq!(sim.client.startup_scripts().await.unwrap().len(), 1);

    sim.client.delete_startup_script(&script.id).await.unwrap();
    let error = loop {
        match sim.client.startup_script(&script.id).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(error.is_not_found() && error.to_string().contains("withheld"), "{error}");
    assert!(sim.client.assign_startup_script("scnone", &machine.id).await.unwrap_err().is_not_found());
    assert!(sim.client.startup_scripts().await.unwrap().iter().all(|script| script.dt_deleted.is_some()));
}

#[tokio::test]
async fn networks_are_read_and_missing_ones_are_null() {
    let sim = Simulated::slow().await;
    assert!(sim.client.private_networks().await.unwrap().is_empty());
    let created = sim.post("/v1/private-networks", json!({"name": "lab", "region": "ams1"})).await;
    let id = created["id"].as_str().unwrap();
    let network = sim.client.private_network(id).await.unwrap().unwrap();
    assert_eq!(network.name, "lab");
    assert!(network.region.to_lowercase().contains("ams1") && network.netmask == "255.255.255.0", "{network:?}");
    assert_eq!(sim.client.private_networks().await.unwrap(), [network]);
    assert_eq!(sim.client.private_network("nnone").await, Ok(None), "200 null, not 404");
}

#[tokio::test]
async fn templates_are_listed() {
    let sim = Simulated::fast().await;
    let templates = sim.client.os_templates().await.unwrap();
    let ubuntu = templates.iter().find(|template| template.id == "t0nspur5").unwrap();
    assert!(ubuntu.operating_system_label.contains("Ubuntu"));
    assert!(ubuntu.available_machine_types.iter().any(|available| available.machine_type_label == "C5" && available.is_available));

    assert!(sim.client.custom_templates().await.unwrap().is_empty());
    let machine = sim.machine_off().await;
    for n in 0..130 {
        sim.post("/v1/custom-templates", json!({"name": format!("mine-{n}"), "machineId": machine.id})).await;
    }
    // The API repeats rows across pages here.
    let custom = sim.client.custom_templates().await.unwrap();
    assert_eq!(custom.len(), 130);
    assert!(custom.iter().all(|template| template.parent_machine_id.as_deref() == Some(&machine.id)));
}
