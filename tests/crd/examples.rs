//! The examples are what the API server accepts, and what their comments say.

use paperspace_operator::crd::names::{USE_CREDENTIALS, USE_LABEL};
use paperspace_operator::crd::{PaperspaceMachine, PowerState};
use serde_json::Value;

use super::schema::violations;
use super::yaml;

const EXAMPLES: &str = "deploy/examples";

fn machines() -> Vec<(String, Value)> {
    let mut machines = Vec::new();
    for file in yaml::files(EXAMPLES) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for document in yaml::documents(&file).into_iter().filter(|document| document["kind"] == "PaperspaceMachine") {
            machines.push((name.clone(), document));
        }
    }
    machines
}

#[test]
fn each_is_accepted_and_has_no_unknown_field() {
    for (name, machine) in machines() {
        let found = violations(&machine, None);
        assert!(found.is_empty(), "{name}: {found:?}");
        assert_eq!(machine["apiVersion"], "paperspace-operator.dev/v1alpha1", "{name}");
        serde_json::from_value::<PaperspaceMachine>(machine).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn each_file_has_a_header_and_a_machine_of_its_name() {
    for file in yaml::files(EXAMPLES) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(yaml::text(&file).starts_with("# "), "{name} does not begin with a comment");
        assert!(
            machines().iter().any(|(of, machine)| *of == name && machine["metadata"]["name"] == *name),
            "{name} has no machine of that name"
        );
    }
}

#[test]
fn each_secret_is_labelled_and_holds_no_key() {
    for document in yaml::files(EXAMPLES).iter().flat_map(|file| yaml::documents(file)).filter(|document| document["kind"] == "Secret") {
        assert_eq!(document["metadata"]["labels"][USE_LABEL], USE_CREDENTIALS);
        assert_eq!(document["stringData"]["apiKey"], "put-the-key-here");
    }
}

/// The request of Paperspace's own page: P4000, `tz0ireoj`, 50 GB, New York, shut down after six hours.
#[test]
fn the_first_is_the_machine_of_paperspaces_own_documentation() {
    let (_, machine) = machines().into_iter().find(|(name, _)| name == "auto-shutdown").unwrap();
    let spec = serde_json::from_value::<PaperspaceMachine>(machine).unwrap().spec;
    assert_eq!(spec.machine_name.as_deref(), Some("test machine"));
    assert_eq!((spec.machine_type.as_str(), spec.template_id.as_deref()), ("P4000", Some("tz0ireoj")));
    assert_eq!((spec.region.as_str(), spec.disk_size_gb), ("NY2", 50));
    assert_eq!(spec.auto_shutdown.map(|s| s.timeout_hours), Some(6));
    assert_eq!(spec.power_state, PowerState::Manual);
}
