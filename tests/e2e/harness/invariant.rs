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
        let Value::Array(mut scripts) = self.sim.truth()["startupScripts"].take() else { panic!("no startup scripts in the truth") };
        scripts.retain(|s| s["exists"] == true && s["dtDeleted"].is_null());
        let gone = |id: &&String| machines.iter().chain(&scripts).all(|there| there["id"] != **id);
        wrong.extend(stays.iter().filter(gone).map(|id| format!("{id} did not stay")));
        scripts.retain(|s| !stays.iter().any(|id| s["id"] == id.as_str()));
        wrong.extend(wrong_scripts(&scripts, &resources, &machines));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Startup scripts with a mark that no resource has, and that no machine which is to stay runs; and those of a resource that has several.
fn wrong_scripts(scripts: &[Value], resources: &[Value], machines: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for script in scripts {
        let name = script["name"].as_str().unwrap();
        let is_marked = name.rsplit_once('-').is_some_and(|(_, mark)| mark.len() == 12 && mark.bytes().all(|b| b.is_ascii_hexdigit()));
        let owner = resources.iter().find(|r| name.ends_with(&format!("-{}", mark(r))));
        match owner {
            Some(owner) => *count.entry(owner["metadata"]["name"].as_str().unwrap()).or_default() += 1,
            None if is_marked && !machines.iter().any(|m| m["startupScriptId"] == script["id"]) => {
                wrong.push(format!("startup script {name} belongs to no resource"));
            }
            None => {}
        }
    }
    wrong.extend(count.iter().filter(|(_, n)| **n > 1).map(|(owner, n)| format!("{owner} has {n} startup scripts")));
    wrong
}
