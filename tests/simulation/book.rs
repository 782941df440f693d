//! What was asked for, written down as it was asked, to be held against the truth at the end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::user::{NAMESPACE, is_settled};
use super::world::World;

/// Everything that anybody but the operator did.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By uid: the resource's name.
    pub(crate) born: BTreeMap<String, String>,
    /// By uid: since when it may be destroyed.
    pub(crate) deleted: BTreeMap<String, Timestamp>,
    /// Uids of resources whose machine is to stay.
    pub(crate) retained: BTreeSet<String>,
    /// Machines that were destroyed at the console.
    pub(crate) destroyed: BTreeSet<String>,
    /// By machine, where its name may not tell any more: the uid of its resource.
    pub(crate) known: BTreeMap<String, String>,
    /// Machines that were made at the console.
    pub(crate) by_hand: BTreeSet<String>,
    /// By resource name: how many restarts were asked for.
    pub(crate) restarts: BTreeMap<String, u64>,
    /// Addresses that are to stay when their machine goes.
    pub(crate) kept_addresses: BTreeSet<String>,
    /// Texts of startup scripts that were made by hand, by id.
    pub(crate) scripts_by_hand: BTreeMap<String, String>,
    /// Texts of startup scripts in ConfigMaps, by the name of the map.
    pub(crate) config_maps: BTreeMap<String, String>,
    /// Addresses may stay that nobody can know of: one that a change allocated just before the machine was destroyed at the console.
    pub(crate) addresses_may_stay: bool,
    /// What was wrong with the health of resources that operators wrote.
    pub(crate) unhealthy: BTreeSet<String>,
}

/// What the operator puts at the end of the machine's name.
fn mark(uid: &str) -> String {
    uid.chars().filter(|c| *c != '-').take(12).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn moment(value: &Value, field: &str) -> Option<Timestamp> {
    value[field].as_str().map(|text| text.parse().expect("a time"))
}

impl Book {
    /// The resource that a machine belongs to, dead or alive.
    fn owner(&self, machine: &Value) -> Option<&String> {
        let by_id = self.known.get(text(machine, "id"));
        by_id.or_else(|| self.by_name(machine))
    }

    fn by_name(&self, machine: &Value) -> Option<&String> {
        self.born.keys().find(|uid| text(machine, "name").ends_with(&format!("-{}", mark(uid))))
    }

    /// What the truth has that was not asked for. Empty is good.
    pub(crate) fn violations(&self, world: &World) -> Vec<String> {
        let truth = world.truth();
        let machines: Vec<&Value> = truth["machines"].as_array().expect("machines").iter().collect();
        let living = world.kubernetes().all("paperspacemachines");
        let mut wrong = self.doubled(&machines);
        for machine in &machines {
            wrong.extend(self.wrongly_there(machine, &living));
            wrong.extend(self.wrongly_gone(machine));
        }
        wrong.extend(living.iter().filter(|r| is_settled(r)).filter_map(|r| untrue(r, &machines)));
        wrong.extend(self.addresses(&truth));
        wrong.extend(self.scripts(&truth, &living, &machines));
        wrong.extend(self.restarted_too_often(&truth, &machines));
        wrong.extend(self.unhealthy.iter().cloned());
        wrong
    }

    /// No resource has two machines, at no time.
    fn doubled(&self, machines: &[&Value]) -> Vec<String> {
        let mut wrong = Vec::new();
        for uid in self.born.keys() {
            let mut own: Vec<&&Value> =
                machines.iter().filter(|m| self.owner(m) == Some(uid) && !self.by_hand.contains(text(m, "id"))).collect();
            own.sort_by_key(|m| moment(m, "dtCreated"));
            for pair in own.windows(2) {
                let ended = moment(pair[0], "dtDeleted");
                if ended.is_none_or(|ended| Some(ended) > moment(pair[1], "dtCreated")) {
                    let name = &self.born[uid];
                    wrong.push(format!("{name} had two machines at once: {} and {}", text(pair[0], "id"), text(pair[1], "id")));
                }
            }
        }
        wrong
    }

    /// Every machine that is there belongs to a resource that is there, or was to stay, or is nobody's business.
    fn wrongly_there(&self, machine: &Value, living: &[Value]) -> Option<String> {
        if machine["exists"] != true || !machine["dtDeleted"].is_null() {
            return None;
        }
        let id = text(machine, "id");
        let owners = living
            .iter()
            .filter(|r| r["status"]["machineId"] == id || Some(text(&r["metadata"], "uid")) == self.owner(machine).map(String::as_str));
        let stays = self.by_hand.contains(id) || self.owner(machine).is_some_and(|uid| self.retained.contains(uid));
        match owners.count() {
            1 => None,
            0 if stays => None,
            0 => Some(format!("machine {id} ({}) belongs to no resource", text(machine, "name"))),
            n => Some(format!("machine {id} ({}) belongs to {n} resources", text(machine, "name"))),
        }
    }

    /// Every machine that is gone was destroyed because somebody asked for it.
    fn wrongly_gone(&self, machine: &Value) -> Option<String> {
        let gone = moment(machine, "dtDeleted")?;
        let id = text(machine, "id");
        let asked = self.owner(machine).is_some_and(|uid| {
            // The truth has whole milliseconds, and so has the book.
            !self.retained.contains(uid) && self.deleted.get(uid).is_some_and(|deleted| *deleted <= gone)
        });
        (!asked && !self.destroyed.contains(id))
            .then(|| format!("machine {id} ({}) was destroyed and nobody asked for it", text(machine, "name")))
    }

    /// No owned startup script is left over or doubled, none of somebody else's is changed, and a settled resource's machine runs what the
    /// resource says.
    fn scripts(&self, truth: &Value, living: &[Value], machines: &[&Value]) -> Vec<String> {
        let all: Vec<&Value> = truth["startupScripts"].as_array().expect("scripts").iter().collect();
        let there = |s: &&&Value| s["exists"] == true && s["dtDeleted"].is_null();
        let mut wrong = Vec::new();
        for uid in self.born.keys() {
            let mut own: Vec<&&Value> = all.iter().filter(|s| self.by_name(s) == Some(uid)).collect();
            own.sort_by_key(|s| moment(s, "dtCreated"));
            for pair in own.windows(2) {
                let ended = moment(pair[0], "dtDeleted");
                if ended.is_none_or(|ended| Some(ended) > moment(pair[1], "dtCreated")) {
                    wrong.push(format!("{} had two startup scripts at once", self.born[uid]));
                }
            }
            let lives = living.iter().any(|r| text(&r["metadata"], "uid") == uid);
            let assigned = |s: &&&Value| {
                let runs = |m: &&&Value| m["startupScriptId"] == s["id"] && m["exists"] == true;
                machines.iter().any(|m| runs(&m))
            };
            let stays = |s: &&&Value| lives || self.retained.contains(uid) && assigned(s);
            wrong.extend(
                own.iter().copied().filter(there).filter(|s| !stays(s)).map(|s| format!("startup script {} is left over", text(s, "name"))),
            );
        }
        for (id, held) in &self.scripts_by_hand {
            if !all.iter().filter(there).any(|s| s["id"] == id.as_str() && s["script"] == held.as_str()) {
                wrong.push(format!("startup script {id} is somebody's own, and was changed or removed"));
            }
        }
        wrong.extend(living.iter().filter(|r| is_settled(r)).filter_map(|r| self.runs_another(r, &all, machines)));
        wrong
    }

    /// What a settled resource's machine runs at its start that it should not.
    fn runs_another(&self, resource: &Value, scripts: &[&Value], machines: &[&Value]) -> Option<String> {
        let (name, wish) = (text(&resource["metadata"], "name"), &resource["spec"]["startupScript"]);
        if !resource["spec"]["adopt"].is_null() && wish.is_null() || resource["spec"]["suspend"] == true {
            return None;
        }
        let machine = machines.iter().find(|m| m["id"] == resource["status"]["machineId"])?;
        let runs = scripts.iter().find(|s| s["id"] == machine["startupScriptId"] && s["exists"] == true && s["dtDeleted"].is_null());
        let wanted = wish["inline"].as_str().or_else(|| self.config_maps.get(text(&wish["configMapKeyRef"], "name")).map(String::as_str));
        let right = match (wanted, wish["scriptId"].as_str()) {
            (None, None) => machine["startupScriptId"].is_null(),
            (_, Some(id)) => machine["startupScriptId"] == id,
            (Some(wanted), _) => runs.is_some_and(|s| s["script"] == wanted && s["isRunOnce"] == (wish["runOnce"] == true)),
        };
        (!right).then(|| format!("{name} is settled, and its machine runs {runs:?} instead of {wish}"))
    }

    /// No static address is left over, and none is gone that was to stay.
    fn addresses(&self, truth: &Value) -> Vec<String> {
        let there: Vec<&Value> = truth["publicIps"].as_array().expect("addresses").iter().filter(|ip| ip["exists"] == true).collect();
        let kept = |ip: &&&Value| self.kept_addresses.contains(text(ip, "ip"));
        let left = there.iter().filter(|ip| ip["assignedMachineId"].is_null() && !self.addresses_may_stay && !kept(ip));
        let left = left.map(|ip| format!("the static address {} is left over", text(ip, "ip")));
        let gone = self.kept_addresses.iter().filter(|ip| there.iter().all(|there| there["ip"] != ip.as_str()));
        left.chain(gone.map(|ip| format!("the static address {ip} was to stay and is released"))).collect()
    }

    /// No machine was restarted more often than somebody asked for.
    fn restarted_too_often(&self, truth: &Value, machines: &[&Value]) -> Vec<String> {
        let events = truth["events"].as_array().expect("events");
        let mut done: BTreeMap<&str, u64> = BTreeMap::new();
        for event in events.iter().filter(|e| e["name"] == "restart") {
            let machine = machines.iter().find(|m| m["id"] == event["machineId"]);
            if let Some(uid) = machine.and_then(|m| self.owner(m)) {
                *done.entry(&self.born[uid]).or_default() += 1;
            }
        }
        let asked = |name: &str| self.restarts.get(name).copied().unwrap_or_default();
        done.iter()
            .filter(|(name, n)| **n > asked(name))
            .map(|(name, n)| format!("{name} was restarted {n} times, asked {}", asked(name)))
            .collect()
    }
}

/// What a settled resource says of its machine that is not so.
fn untrue(resource: &Value, machines: &[&Value]) -> Option<String> {
    let (name, status) = (text(&resource["metadata"], "name"), &resource["status"]);
    let Some(machine) = machines.iter().find(|m| m["id"] == status["machineId"] && m["exists"] == true) else {
        return Some(format!("{NAMESPACE}/{name} is settled and its machine {} is not there", status["machineId"]));
    };
    let differs = |field: &str, truth: &str| {
        (status[field] != machine[truth]).then(|| format!("{name}: status.{field} is {}, the truth {}", status[field], machine[truth]))
    };
    [differs("state", "state"), differs("machineName", "name"), differs("publicIp", "publicIp")].into_iter().flatten().next()
}
