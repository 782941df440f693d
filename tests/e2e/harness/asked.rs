//! Whether a resource has what its spec asks for, by the truth, and whether its status says so.

use serde_json::{Value, json};

use super::invariant::mark;
use super::resources::condition_of;

/// The resource's machine, and in what it or the status differs from what is asked for.
pub(super) fn differences<'v>(object: &Value, truth: &'v Value) -> (Option<&'v Value>, Vec<String>) {
    let status = &object["status"];
    let mut wrong = conditions(object);
    let found = truth["machines"].as_array().unwrap().iter().find(|m| m["id"] == status["machineId"] && m["exists"] == json!(true));
    let Some(machine) = found else {
        wrong.push(format!("no machine, status.machineId is {}", status["machineId"]));
        return (None, wrong);
    };
    let mut compare = |what: &str, is: &Value, wanted: Value| {
        if *is != wanted {
            wrong.push(format!("{what} is {is}, not {wanted}"));
        }
    };
    let spec = &object["spec"];
    let meta = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let usual = format!("{}-{}", text(&meta["namespace"]), text(&meta["name"]));
    let base = spec["machineName"].as_str().unwrap_or(&usual);
    compare("the machine's name", &machine["name"], json!(format!("{base}-{}", mark(object))));
    match spec["powerState"].as_str() {
        Some("Running") => compare("the machine's state", &machine["state"], json!("ready")),
        Some("Stopped") => compare("the machine's state", &machine["state"], json!("off")),
        _ => {}
    }
    compare("the machine's type", &machine["machineType"], spec["machineType"].clone());
    compare("the machine's disk", &json!(machine["diskSize"].as_f64()), json!(spec["diskSizeGB"].as_f64()));
    if let Some(kind) = spec["publicIp"]["type"].as_str() {
        compare("the kind of address", &machine["publicIpType"], json!(kind.to_lowercase()));
    }
    let snapshots = &spec["autoSnapshot"];
    compare("autoSnapshotEnabled", &machine["autoSnapshotEnabled"], json!(snapshots.is_object()));
    if snapshots.is_object() {
        compare("autoSnapshotFrequency", &machine["autoSnapshotFrequency"], json!(text(&snapshots["frequency"]).to_lowercase()));
        compare("autoSnapshotSaveCount", &json!(machine["autoSnapshotSaveCount"].as_f64()), json!(snapshots["keep"].as_f64()));
    }
    let shutdown = &spec["autoShutdown"];
    compare("autoShutdownEnabled", &machine["autoShutdownEnabled"], json!(shutdown.is_object()));
    if shutdown.is_object() {
        compare("autoShutdownTimeout", &json!(machine["autoShutdownTimeout"].as_f64()), json!(shutdown["timeoutHours"].as_f64()));
        compare("autoShutdownForce", &machine["autoShutdownForce"], shutdown["force"].clone());
    }
    compare("status.state", &status["state"], machine["state"].clone());
    compare("status.machineName", &status["machineName"], machine["name"].clone());
    compare("status.publicIp", &status["publicIp"], machine["publicIp"].clone());
    compare("status.creation.outcome", &status["creation"]["outcome"], json!("Bound"));
    compare("status.drift", &status["drift"].as_array().is_some_and(|d| !d.is_empty()).into(), json!(false));
    compare("an operation that is not closed", &json!(status["operation"]["state"] == "Open"), json!(false));
    compare("the finalizers", &meta["finalizers"], json!(["paperspace-operator.dev/machine"]));
    let address = &meta["annotations"]["paperspace-operator.dev/machine"];
    compare("the machine's address", address, json!(format!("te1/{}/{}", text(&machine["id"]), mark(object))));
    (Some(machine), wrong)
}

/// All conditions are those of a resource that is as it should be.
fn conditions(object: &Value) -> Vec<String> {
    let generation = &object["metadata"]["generation"];
    let mut wrong = Vec::new();
    for kind in ["Ready", "Synced"] {
        match condition_of(object, kind) {
            Some(c) if c["status"] == "True" && c["observedGeneration"] == *generation => {}
            other => wrong.push(format!("{kind} of generation {generation} is {}", other.unwrap_or_default())),
        }
    }
    wrong.extend(["Reconciling", "Stalled"].iter().filter_map(|kind| condition_of(object, kind)).map(|c| format!("there is {c}")));
    if object["status"]["observedGeneration"] != *generation {
        wrong.push(format!("observedGeneration is {}, not {generation}", object["status"]["observedGeneration"]));
    }
    wrong
}
