//! What the small Paperspace has besides machines, and what the small cluster has besides the resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::cloud::{rejected, transport, wall};
use crate::crd::ScriptSource;
use crate::lifecycle::observe::{Answer, ConfigMapLook, Facts, Listed, Listing, Question, SourceLook};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::{Outcome, Step};
use crate::paperspace::Error;
use crate::paperspace::types::{
    Accessor, AccountStanding, AvailableMachineType, CustomTemplate, Desktop, OsTemplate, PrivateNetwork, PublicIp, Snapshot,
    StartupScript, TeamUser, User,
};

#[derive(Default)]
pub(super) struct Estate {
    pub(super) os_templates: Vec<OsTemplate>,
    pub(super) custom_templates: Vec<CustomTemplate>,
    pub(super) networks: Vec<PrivateNetwork>,
    pub(super) users: Vec<TeamUser>,
    pub(super) public_ips: Vec<PublicIp>,
    pub(super) scripts: Vec<StartupScript>,
    pub(super) snapshots: Vec<Snapshot>,
    /// Users' ids, by machine.
    pub(super) accessors: BTreeMap<String, Vec<String>>,
    /// Users who may use no machine.
    pub(super) refuses: BTreeSet<String>,
    pub(super) desktop: Option<Desktop>,
    pub(super) standing: Option<AccountStanding>,
    /// The startup script's text.
    pub(super) text: Option<SourceLook>,
    pub(super) config_maps: BTreeMap<String, ConfigMapLook>,
    /// Texts of the scripts, by id.
    pub(super) texts: BTreeMap<String, ScriptText>,
    pub(super) next_script: u32,
    /// So many next lists of scripts are empty.
    pub(super) hidden_script_lists: u32,
    /// Lists still show these.
    pub(super) ghost_scripts: Vec<StartupScript>,
    /// Scripts cannot be listed.
    pub(super) scripts_down: bool,
    /// How often scripts were asked about.
    pub(super) script_looks: u32,
}

/// The team of the tests: two who are asked for often, and one of whom only the id is known.
pub(super) fn team() -> Vec<TeamUser> {
    let user =
        |id: &str, email: &str| TeamUser { user: User { id: id.to_owned(), email: email.to_owned() }, is_owner: false, is_admin: false };
    vec![user("u1", "ann@example.com"), user("u2", "bob@example.com"), user("u3", "")]
}

/// A script's text from a ConfigMap of this version.
pub(super) fn text(version: &str, text: &str) -> SourceLook {
    let source = ScriptSource { kind: "ConfigMap".to_owned(), uid: Some("map-uid".to_owned()), resource_version: Some(version.to_owned()) };
    SourceLook::Text { source, text: ScriptText::new(text) }
}

/// A template of Paperspace's own.
pub(super) fn os_template(id: &str, name: &str, label: &str, types: &[&str]) -> OsTemplate {
    let types = types.iter().map(|t| AvailableMachineType { machine_type_label: (*t).to_owned(), is_available: true });
    OsTemplate {
        id: id.to_owned(),
        name: name.to_owned(),
        agent_type: "LinuxHeadless".to_owned(),
        operating_system_label: label.to_owned(),
        default_size_gb: None,
        available_machine_types: types.collect(),
    }
}

/// A template of the team.
pub(super) fn custom_template(id: &str, name: &str, region: &str) -> CustomTemplate {
    CustomTemplate {
        id: id.to_owned(),
        name: name.to_owned(),
        agent_type: "LinuxHeadless".to_owned(),
        operating_system_label: "Ubuntu 22.04".to_owned(),
        region: region.to_owned(),
        default_size_gb: None,
        available_machine_types: Vec::new(),
        parent_machine_id: None,
        dt_deleted: None,
    }
}

/// A private network.
pub(super) fn network(id: &str, name: &str, region: &str) -> PrivateNetwork {
    let (id, name, region) = (id.to_owned(), name.to_owned(), region.to_owned());
    PrivateNetwork { id, name, region, network: "10.1.2.0".to_owned(), netmask: "255.255.255.0".to_owned(), dt_deleted: None }
}

impl Estate {
    /// What names in the specs of these tests usually mean.
    pub(super) fn usual() -> Self {
        Self {
            os_templates: vec![os_template("tmpl", "Server", "Ubuntu 22.04", &[])],
            custom_templates: vec![custom_template("tny", "mine", "ny2"), custom_template("tca", "mine", "ca1")],
            networks: ["ny2", "ca1"].iter().flat_map(|r| [network("n1", "lab", r), network("n2", "office", r)]).collect(),
            text: Some(text("1", "echo one")),
            users: team(),
            ..Self::default()
        }
    }

    /// Answers what is not about machines. `None`: it is.
    pub(super) fn answer(&mut self, question: &Question, began: Duration, down: Option<Error>, facts: &mut Facts) -> Option<()> {
        fn listed<T: Clone>(rows: &[T], began: Duration, down: Option<Error>) -> Option<Answer<Listed<T>>> {
            Some(down.map_or_else(|| Ok(Listed { began, items: Arc::new(rows.to_vec()) }), Err))
        }
        match question {
            Question::Listing { of: Listing::OsTemplates, .. } => facts.os_templates = listed(&self.os_templates, began, down),
            Question::Listing { of: Listing::CustomTemplates, .. } => facts.custom_templates = listed(&self.custom_templates, began, down),
            Question::Listing { of: Listing::Networks, .. } => facts.networks = listed(&self.networks, began, down),
            Question::Listing { of: Listing::Users, .. } => facts.users = listed(&self.users, began, down),
            Question::Listing { of: Listing::PublicIps, .. } => facts.public_ips = listed(&self.public_ips, began, down),
            Question::Listing { of: Listing::Scripts, .. } => {
                self.script_looks += 1;
                let hidden = self.hidden_script_lists > 0;
                self.hidden_script_lists = self.hidden_script_lists.saturating_sub(1);
                let rows: Vec<_> = self.scripts.iter().filter(|_| !hidden).chain(&self.ghost_scripts).cloned().collect();
                facts.scripts = listed(&rows, began, down.or_else(|| self.scripts_down.then(|| transport(true))));
            }
            Question::Listing { of: Listing::Snapshots, .. } => facts.snapshots = listed(&self.snapshots, began, down),
            Question::Accessors { id, .. } => {
                let ids = self.accessors.get(id).cloned().unwrap_or_default();
                let rows: Vec<Accessor> = ids.into_iter().map(|id| Accessor { user: self.user(&id), dt_deleted: None }).collect();
                facts.accessors = listed(&rows, began, down);
            }
            Question::Desktop { .. } => facts.desktop = Some(down.map_or_else(|| Ok(self.desktop.clone()), Err)),
            Question::Standing => facts.standing = Some(down.map_or_else(|| Ok(self.standing.clone()), Err)),
            Question::ScriptText => {
                facts.script_text = Some(self.text.clone().unwrap_or_else(|| SourceLook::Missing("there is no ConfigMap".to_owned())));
            }
            Question::ConfigMap { name } => {
                facts.config_maps.insert(name.clone(), self.config_maps.get(name).cloned().unwrap_or(ConfigMapLook::Absent));
            }
            _ => return None,
        }
        Some(())
    }

    fn user(&self, id: &str) -> User {
        let known = self.users.iter().map(|u| &u.user).find(|u| u.id == id).cloned();
        known.unwrap_or_else(|| User { id: id.to_owned(), email: String::new() })
    }

    /// A machine has one script.
    pub(super) fn assign(&mut self, script: &str, machine: &str) {
        self.unassign(machine);
        if let Some(script) = self.scripts.iter_mut().find(|s| s.id == script) {
            script.assigned_machine_ids.push(machine.to_owned());
        }
    }

    pub(super) fn unassign(&mut self, machine: &str) {
        self.scripts.iter_mut().for_each(|s| s.assigned_machine_ids.retain(|m| m != machine));
    }

    /// Does what a step asks that is not about machines. `None`: it is.
    pub(super) fn act(&mut self, step: &Step, now: Duration) -> Option<Result<Outcome, Error>> {
        let missing = || Err(rejected(404, "not found"));
        Some(match step {
            Step::CreateScript { name, text, run_once, .. } => {
                self.next_script += 1;
                let script = StartupScript {
                    id: format!("sc{}", self.next_script),
                    name: name.clone(),
                    is_enabled: true,
                    is_run_once: *run_once,
                    assigned_machine_ids: Vec::new(),
                    dt_created: wall(now),
                    dt_deleted: None,
                };
                self.texts.insert(script.id.clone(), text.clone());
                self.scripts.push(script.clone());
                Ok(Outcome::Script(Box::new(script)))
            }
            Step::UpdateScript { script, text, run_once } => match self.scripts.iter_mut().find(|s| s.id == *script) {
                Some(found) => {
                    found.is_run_once = *run_once;
                    self.texts.insert(script.clone(), text.clone());
                    Ok(Outcome::Script(Box::new(found.clone())))
                }
                None => missing(),
            },
            Step::DeleteScript { script } => {
                let before = self.scripts.len();
                self.scripts.retain(|s| s.id != *script);
                if self.scripts.len() < before { Ok(Outcome::Done) } else { missing() }
            }
            // Others are people's own, and there.
            Step::AssignScript { script, .. } if self.texts.contains_key(script) && self.scripts.iter().all(|s| s.id != *script) => {
                missing()
            }
            Step::AssignScript { script, machine } => {
                self.assign(script, machine);
                Ok(Outcome::Done)
            }
            Step::UnassignScript { machine, .. } => {
                self.unassign(machine);
                Ok(Outcome::Done)
            }
            Step::AddAccessor { user, .. } if self.refuses.contains(user) => Err(rejected(400, "may use no machine")),
            Step::AddAccessor { user, .. } if !self.users.iter().any(|u| u.user.id == *user) => missing(),
            Step::AddAccessor { machine, user } => {
                let there = self.accessors.entry(machine.clone()).or_default();
                assert!(!there.contains(user), "{user} is there already");
                there.push(user.clone());
                Ok(Outcome::Done)
            }
            Step::RemoveAccessor { machine, user } => {
                let there = self.accessors.entry(machine.clone()).or_default();
                let before = there.len();
                there.retain(|u| u != user);
                if there.len() < before { Ok(Outcome::Done) } else { missing() }
            }
            Step::AssignIp { ip, machine } => match self.public_ips.iter_mut().find(|p| p.ip == *ip) {
                Some(found) => {
                    found.assigned_machine_id.clone_from(machine);
                    Ok(Outcome::Done)
                }
                None => missing(),
            },
            _ => return None,
        })
    }

    /// Writes or removes a ConfigMap.
    pub(super) fn write(&mut self, step: &Step) {
        match step {
            Step::WriteConfigMap { name, data } => self.config_maps.insert(name.clone(), ConfigMapLook::Ours { data: data.clone() }),
            Step::DeleteConfigMap { name } => self.config_maps.remove(name),
            _ => None,
        };
    }
}
