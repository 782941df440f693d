//! What `adopt-manifest` prints, for any machine that the simulated Paperspace can have: it is accepted by the schema and its rules, survives
//! YAML, and differs from the machine in nothing but the mark that the claim adds.

use paperspace_operator::crd::{PaperspaceMachine, PaperspaceMachineStatus, minimal};
use paperspace_operator::lifecycle::diff::diff;
use paperspace_operator::lifecycle::manifest::{Manifest, manifest};
use paperspace_operator::paperspace::types::Machine;
use paperspace_operator::simulator::{KeySpec, Reply, Request, Simulator};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

use super::schema::violations;

const UID: &str = "3f9c2a7b-51de-4c1a-9f00-000000000001";

/// One of these values, or the field left as it is.
fn field(name: &'static str, values: Value) -> BoxedStrategy<Option<(&'static str, Value)>> {
    let Value::Array(values) = values else { panic!("a list of values") };
    proptest::option::of(proptest::sample::select(values)).prop_map(move |value| value.map(|value| (name, value))).boxed()
}

/// What lies over a machine of the console. The simulator refuses some of it.
fn fields() -> impl Strategy<Value = Value> {
    let marked = format!("a-prod-{}", "123456789e12");
    let all = vec![
        field("name", json!(["by hand", "on", "1e5", "Größe", "", marked, "x-3f9c2a7b51de", "#", "a: b", "x".repeat(300)])),
        field("machineType", json!(["C1", "C10", "A4000", "GPU+", "V100-32Gx4", "H100x8", "new!"])),
        field("region", json!(["ny2", "ca1", "Europe (AMS1)"])),
        field("diskSize", json!([50, 77, 100, 1000, 16_000, 16_001, 49, 0.5, 2000.4])),
        field("networkId", json!([null, "nwhoe4ox", "n-odd"])),
        field("publicIpType", json!(["static", "dynamic", "none"])),
        field("state", json!(["off", "ready", "starting", "provisioning", "upgrading"])),
        field("autoShutdownEnabled", json!([true, false])),
        field("autoShutdownTimeout", json!([null, 1, 6, 168, 169, 1.5])),
        field("autoShutdownForce", json!([null, true, false])),
        field("autoSnapshotEnabled", json!([true, false])),
        field("autoSnapshotFrequency", json!([null, "hourly", "daily", "weekly", "monthly", "yearly"])),
        field("autoSnapshotSaveCount", json!([null, 0, 1, 9, 10, 11])),
        field("restorePointEnabled", json!([true, false])),
        field("restorePointFrequency", json!([null, "shutdown"])),
        field("restorePointSnapshotId", json!([null, "slqafgu4n6gxge", "sl odd"])),
    ];
    all.prop_map(|fields| fields.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect::<Value>())
}

/// The machine as a client reads it; nothing where the simulator does not have such a one.
fn machine(fields: &Value) -> Option<Machine> {
    let keys: Vec<KeySpec> = vec!["k1=te1".parse().unwrap()];
    let epoch: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut simulator = Simulator::new(epoch, 7, 1.0, &keys);
    let mut call = |seconds: i64, method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let key = Some("k1".to_owned());
        let request = Request { method: method.to_owned(), path: path.to_owned(), body, key, ..Request::default() };
        match simulator.handle(epoch + jiff::SignedDuration::from_secs(seconds), &request) {
            Reply::Json { status: 200, body, .. } => Some(body),
            _ => None,
        }
    };
    let made = json!({"name": "by hand", "machineType": "C5", "templateId": "t0nspur5", "region": "ny2", "diskSize": 50, "team": "te1"});
    let id = call(0, "POST", "/_sim/machines", &made)?["id"].as_str()?.to_owned();
    call(300, "POST", &format!("/_sim/machines/{id}"), fields)?;
    Some(serde_json::from_value(call(300, "GET", &format!("/v1/machines/{id}"), &Value::Null)?).unwrap())
}

#[test]
fn whatever_machine_the_simulator_can_have_its_manifest_is_accepted_and_differs_in_the_mark_alone() {
    let (mut printed, mut refused) = (0, 0);
    let cases = ProptestConfig::default().cases;
    let config = ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_260_101),
        cases,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    for _ in 0..cases {
        let fields = fields().new_tree(&mut runner).unwrap().current();
        for private in [true, false] {
            let Some(machine) = machine(&fields) else { continue };
            match manifest(&machine, private) {
                Err(sentences) => {
                    assert!(!sentences.is_empty() && sentences.iter().all(|s| !s.is_empty()));
                    refused += 1;
                }
                Ok(made) => {
                    check(&machine, made).unwrap_or_else(|wrong| panic!("{wrong}\nseed 20260101, fields {fields}\n{machine:#?}"));
                    printed += 1;
                }
            }
        }
    }
    assert!(printed > cases / 4 && refused > cases / 10, "{printed} printed and {refused} refused of {cases}: that says little");
}

fn check(machine: &Machine, Manifest { mut object, left_out }: Manifest) -> Result<(), String> {
    let yaml = minimal::manifest(&object).map_err(|error| error.to_string())?;
    if !yaml.starts_with("---\n") {
        return Err(format!("it does not begin with ---:\n{yaml}"));
    }
    let value: Value = serde_saphyr::from_str(&yaml).map_err(|error| format!("{error}\n{yaml}"))?;
    let read: PaperspaceMachine = serde_json::from_value(value.clone()).map_err(|error| format!("{error}\n{yaml}"))?;
    if read != object {
        return Err(format!("read again it is another one:\n{yaml}"));
    }
    let found = violations(&value, None);
    if !found.is_empty() {
        return Err(format!("{found:?}\n{yaml}"));
    }
    object.metadata.uid = Some(UID.to_owned());
    object.metadata.namespace = Some("default".to_owned());
    let differences = diff(&object, &PaperspaceMachineStatus::default(), None, machine);
    if differences.iter().any(|d| d.field != "machineName") {
        return Err(format!("{differences:?}\n{yaml}"));
    }
    // What is on is in the manifest, or said to be left out.
    let spec = &object.spec;
    for (name, on, there) in [
        ("autoShutdown", machine.auto_shutdown_enabled, spec.auto_shutdown.is_some()),
        ("autoSnapshot", machine.auto_snapshot_enabled, spec.auto_snapshot.is_some()),
        ("restorePoint", machine.restore_point_enabled, spec.restore_point.is_some()),
    ] {
        let said = left_out.iter().any(|sentence| sentence.starts_with(name));
        if on != (there || said) || there && said {
            return Err(format!("{name}: on {on}, there {there}, said {said}"));
        }
    }
    Ok(())
}

/// Defaults are left out, and what a reader of YAML could take for something else than text is quoted.
#[test]
fn a_manifest_says_what_differs_from_the_defaults_and_nothing_else() {
    let machine = machine(&json!({"name": "on-123456789e12", "state": "off"})).unwrap();
    let Manifest { object, .. } = manifest(&machine, false).unwrap();
    let yaml = minimal::manifest(&object).unwrap();
    let expected = format!(
        "---\napiVersion: paperspace-operator.dev/v1alpha1\nkind: PaperspaceMachine\nmetadata:\n  name: \"on\"\nspec:\n  adopt:\n    machineId: {}\n    \
         replaceMark: \"123456789e12\"\n  diskSizeGB: 50\n  machineType: C5\n  powerState: Manual\n  publicIp:\n    type: None\n  region: NY2\n",
        machine.id
    );
    assert_eq!(yaml.replace('\'', "\""), expected);
}
