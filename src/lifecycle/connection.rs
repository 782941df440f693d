//! How the machine is reached, published in a ConfigMap that the resource owns.
//!
//! That is a write to Kubernetes and none to Paperspace: it goes on under `suspend` and `managementPolicy: Observe`. The ConfigMap's name is
//! written down before it is made, so that it is found again when the field has gone; with the resource the garbage collector takes it. Somebody
//! else's is never touched.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::paperspace::{clean_text, types::Machine};

use super::observe::{ConfigMapLook, Question};
use super::pass::{Flow, Pass};
use super::step::{Step, StepKind};

/// Keeps the ConfigMap as the machine is.
pub(super) fn publish(p: &mut Pass, machine: &Machine) -> Flow<()> {
    let wanted = p.spec().write_connection_to.as_ref().map(|to| to.config_map_name.clone());
    let published = p.status.applied.as_ref().and_then(|applied| applied.connection.clone());
    if let Some(old) = published.clone().filter(|old| wanted.as_ref() != Some(old)) {
        return take_back(p, old);
    }
    let Some(name) = wanted else { return Ok(()) };
    if published.is_none() {
        p.applied().connection = Some(name);
        p.again(Duration::ZERO);
        return Err(p.end(Step::Nothing));
    }
    let wanted = data(machine);
    match look(p, &name)? {
        ConfigMapLook::Ours { data } if *data == wanted => {
            p.memory.troubles.remove(&StepKind::WriteConfigMap);
            Ok(())
        }
        ConfigMapLook::Absent | ConfigMapLook::Ours { .. } => do_it(p, Step::WriteConfigMap { name, data: wanted }),
        ConfigMapLook::Anothers => {
            let message = format!(
                "ConfigMap {name} is not this resource's and is left alone: name another in spec.writeConnectionTo, or delete it (kubectl delete configmap {name})"
            );
            not_written(p, message, None);
            Ok(())
        }
        ConfigMapLook::Unknown(error) => {
            not_written(p, format!("ConfigMap {name} cannot be read: {error}"), Some(Duration::from_mins(1)));
            Ok(())
        }
    }
}

/// Removes what was published under a name that the spec does not say any more.
fn take_back(p: &mut Pass, name: String) -> Flow<()> {
    match look(p, &name)? {
        ConfigMapLook::Ours { .. } => {
            p.applied().connection = None;
            do_it(p, Step::DeleteConfigMap { name })
        }
        ConfigMapLook::Absent | ConfigMapLook::Anothers => {
            p.applied().connection = None;
            p.again(Duration::ZERO);
            Err(p.end(Step::Nothing))
        }
        ConfigMapLook::Unknown(error) => {
            not_written(p, format!("ConfigMap {name} cannot be read, to be removed: {error}"), Some(Duration::from_mins(1)));
            Ok(())
        }
    }
}

fn look<'a>(p: &mut Pass<'a>, name: &str) -> Flow<&'a ConfigMapLook> {
    p.o.facts.config_maps.get(name).ok_or_else(|| p.ask(Question::ConfigMap { name: name.to_owned() }))
}

/// A step that failed (a quota, a policy, a right that is missing) is tried again ever more slowly, and nothing else waits for it.
fn do_it(p: &mut Pass, step: Step) -> Flow<()> {
    if let Some((_, left)) = p.blocked(step.kind()) {
        let error = p.memory.troubles.get(&step.kind()).map(|t| t.error.to_string()).unwrap_or_default();
        // What was not removed is still to be removed.
        p.applied().connection = p.old().and_then(|old| old.applied.as_ref()?.connection.clone());
        not_written(p, format!("the ConfigMap of spec.writeConnectionTo cannot be written: {error}"), Some(left));
        return Ok(());
    }
    p.again(Duration::ZERO);
    Err(p.end(step))
}

fn not_written(p: &mut Pass, message: String, again: Option<Duration>) {
    p.synced = Because::new(Reason::ConnectionNotWritten, message);
    if let Some(again) = again {
        p.again(again);
    }
}

/// What there is of it; what there is not has no key.
fn data(machine: &Machine) -> BTreeMap<String, String> {
    let user = machine.agent_type.starts_with("Linux").then(|| "paperspace".to_owned());
    let all = [
        ("host", machine.public_ip.clone()),
        ("privateIp", machine.private_ip.clone()),
        ("user", user),
        ("machineId", Some(machine.id.clone())),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), clean_text(&value?)))).collect()
}
