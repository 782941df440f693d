//! `deploy/admission` without a server, and in more cases than one is asked about in `tests/e2e`: the objects are of the published types with
//! nothing left over, every path in an expression is one that is there, and each expression says what its table says.

mod cases;
mod evaluate;
mod paths;

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicySpec,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::yaml;

const DIRECTORY: &str = "deploy/admission";

/// A document of the type, in which every field is one of the type's.
fn strictly<T: DeserializeOwned + Serialize>(document: &Value) -> T {
    let object: T = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(serde_json::to_value(&object).unwrap(), *document, "a field that the type does not have");
    object
}

/// The policies by name, each with its binding.
fn policies() -> Vec<(String, ValidatingAdmissionPolicySpec, ValidatingAdmissionPolicyBinding)> {
    let read = |file| {
        let [policy, binding] = &yaml::documents(file)[..] else { panic!("{}: a policy and its binding", file.display()) };
        let policy: ValidatingAdmissionPolicy = strictly(policy);
        (policy.metadata.name.unwrap(), policy.spec.unwrap(), strictly(binding))
    };
    yaml::files(DIRECTORY).iter().map(|file| read(file.as_path())).collect()
}

fn policy(name: &str) -> ValidatingAdmissionPolicySpec {
    policies().into_iter().find(|(of, ..)| of == name).unwrap_or_else(|| panic!("there is no policy {name}")).1
}

#[test]
fn each_policy_is_bound_everywhere_and_refuses() {
    let policies = policies();
    assert_eq!(policies.len(), 3);
    for (name, policy, binding) in policies {
        assert_eq!(binding.metadata.name.as_ref(), Some(&name));
        assert_eq!(serde_json::to_value(binding.spec).unwrap(), json!({"policyName": name, "validationActions": ["Deny"]}));
        assert_eq!(policy.failure_policy.as_deref(), Some("Fail"), "{name}");
        let rules = policy.match_constraints.unwrap().resource_rules.unwrap();
        for rule in rules {
            // Not the status: what the operator writes there is not asked about. A version by name, since a server checks types only then.
            assert_eq!(rule.resources.unwrap(), ["paperspacemachines"], "{name}");
            assert_eq!(
                (rule.api_groups.unwrap(), rule.api_versions.unwrap()),
                (vec!["paperspace-operator.dev".into()], vec!["v1alpha1".into()])
            );
        }
        for validation in policy.validations.unwrap() {
            assert_eq!(validation.reason.as_deref(), Some("Forbidden"), "{name}");
            assert!(validation.message.is_some_and(|message| !message.contains('\n')), "{name}: one line");
        }
    }
}

#[test]
fn each_path_in_an_expression_is_there() {
    for (name, policy, _) in policies() {
        let mut variables = BTreeSet::new();
        for variable in policy.variables.into_iter().flatten() {
            paths::check(&name, &variable.expression, &variables);
            assert!(variables.insert(variable.name));
        }
        for validation in policy.validations.unwrap() {
            paths::check(&name, &validation.expression, &variables);
            validation.message_expression.into_iter().for_each(|message| paths::check(&name, &message, &variables));
        }
    }
}

#[test]
fn a_path_that_is_not_there_is_noticed() {
    for wrong in [
        "object.spec.machinetype == ''",
        "!has(oldObject.spec.startupScript.secretRef)",
        "namespaceObject.spec.x",
        "variables.later",
        "objekt",
    ] {
        let noticed = std::panic::catch_unwind(|| paths::check("planted", wrong, &BTreeSet::new()));
        assert!(noticed.is_err(), "{wrong}");
    }
}

#[test]
fn they_are_applied_together_or_not_at_all() {
    let kustomization = yaml::documents(&yaml::at(&format!("{DIRECTORY}/kustomization.yaml"))).remove(0);
    let files: Vec<String> = yaml::files(DIRECTORY).iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(kustomization["resources"], json!(files));
    let readme = yaml::text(&yaml::at(&format!("{DIRECTORY}/README.md")));
    assert!(files.iter().all(|file| readme.contains(&format!("[{file}]({file})"))), "the README has each");
    for part in ["deploy", "deploy/operator", "deploy/sharded"] {
        assert!(!yaml::text(&yaml::at(&format!("{part}/kustomization.yaml"))).contains("admission"), "{part}");
    }
}
