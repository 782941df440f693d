//! Whatever Paperspace says of a machine: it is a resource that equals it, under a name that Kubernetes takes, or it is said why not.

use std::time::Duration;

use super::super::cloud::wall;
use super::super::world::UID;
use super::answers;
use super::anything;
use crate::crd::PaperspaceMachineStatus;
use crate::lifecycle::diff::diff;
use crate::lifecycle::manifest::{manifest, resource_name};
use crate::paperspace::types::Machine;
use crate::properties::{Dice, check};

fn is_dns_label(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len()) && name.starts_with(edge) && name.ends_with(edge) && name.chars().all(|c| edge(c) || c == '-')
}

fn machine(d: &mut Dice) -> Machine {
    let id = if d.one_in(8) { "y".repeat(d.below(70)) } else { anything::id(d) };
    let mut machine = answers::machine(d, id, wall(Duration::ZERO));
    if d.one_in(2) {
        machine.name = d.text();
    }
    machine
}

#[test]
fn any_machine_is_a_resource_that_equals_it_or_it_is_said_why_not() {
    let promise = |(machine, other, private): (Machine, Machine, bool)| {
        let mut object = match manifest(&machine, private) {
            Err(sentences) if sentences.iter().all(|s| !s.is_empty()) && !sentences.is_empty() => return Ok(()),
            Err(sentences) => return Err(format!("refused with {sentences:?}")),
            Ok(made) => made.object,
        };
        object.metadata.uid = Some(UID.to_owned());
        for name in [resource_name(&machine, &[]), resource_name(&machine, std::slice::from_ref(&other))] {
            if !is_dns_label(&name) {
                return Err(format!("{name:?} is no name"));
            }
        }
        let differences = diff(&object, &PaperspaceMachineStatus::default(), None, &machine);
        if differences.iter().all(|d| d.field == "machineName") { Ok(()) } else { Err(format!("{differences:?}")) }
    };
    check(2000, |d| (machine(d), machine(d), d.one_in(2)), promise);
}
