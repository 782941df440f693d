//! What must hold at the end of every case: no machine without a resource, none with two, no resource with two.

use std::collections::BTreeMap;

use serde_json::Value;

use super::test::Test;

/// What the operator puts at the end of the machine's name.
pub(crate) fn mark(object: &Value) -> String {
    let uid = object["metadata"]["uid"].as_str().expect("a uid");
    uid.chars().filter(|c| *c != '-').take(12).collect()
}

impl Test {
    #[track_caller]
    pub(super) fn check_invariant(&self) {
        let (machines, resources) = (self.sim.machines(), self.all());
        let stays = self.stays.lock().unwrap();
        let mut wrong = Vec::new();
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for machine in &machines {
            let (id, name) = (machine["id"].as_str().unwrap(), machine["name"].as_str().unwrap());
            let belongs = |r: &&Value| r["status"]["machineId"] == id || name.ends_with(&format!("-{}", mark(r)));
            let owners: Vec<&str> = resources.iter().filter(belongs).map(|r| r["metadata"]["name"].as_str().unwrap()).collect();
            for owner in &owners {
                *count.entry(owner).or_default() += 1;
            }
            match (owners.len(), stays.iter().any(|stays| stays == id)) {
                (1, false) | (0, true) => {}
                (0, false) => wrong.push(format!("machine {id} ({name}) belongs to no resource")),
                (_, true) => wrong.push(format!("machine {id} ({name}) was to belong to nothing, and has {owners:?}")),
                (_, false) => wrong.push(format!("machine {id} ({name}) belongs to {owners:?}")),
            }
        }
        wrong.extend(count.iter().filter(|(_, n)| **n > 1).map(|(owner, n)| format!("{owner} has {n} machines")));
        wrong.extend(stays.iter().filter(|id| machines.iter().all(|m| m["id"] != **id)).map(|id| format!("machine {id} did not stay")));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
