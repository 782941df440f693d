//! What the small Paperspace has besides machines, and what the small cluster has besides the resource.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cloud::{rejected, wall};
use crate::crd::ScriptSource;
use crate::lifecycle::observe::{Answer, ConfigMapLook, Facts, Listed, Listing, Question, SourceLook};
use crate::lifecycle::script_text::ScriptText;
use crate::lifecycle::step::{Outcome, Step};
use crate::paperspace::Error;
use crate::paperspace::types::{
    Accessor, AccountStanding, CustomTemplate, Desktop, OsTemplate, PrivateNetwork, PublicIp, Snapshot, StartupScript, TeamUser, User,
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
    pub(super) desktop: Option<Desktop>,
    pub(super) standing: Option<AccountStanding>,
    /// The startup script's text.
    pub(super) text: Option<SourceLook>,
    pub(super) config_maps: BTreeMap<String, ConfigMapLook>,
    /// Texts of the scripts, by id.
    pub(super) texts: BTreeMap<String, ScriptText>,
    pub(super) next_script: u32,
}

/// A script's text from a ConfigMap of this version.
pub(super) fn text(version: &str, text: &str) -> SourceLook {
    let source = ScriptSource { kind: "ConfigMap".to_owned(), uid: Some("map-uid".to_owned()), resource_version: Some(version.to_owned()) };
    SourceLook::Text { source, text: ScriptText::new(text) }
}

impl Estate {
    /// Answers what is not about machines. `None`: it is.
    pub(super) fn answer(&self, question: &Question, began: Duration, down: Option<Error>, facts: &mut Facts) -> Option<()> {
        fn listed<T: Clone>(rows: &[T], began: Duration, down: Option<Error>) -> Option<Answer<Listed<T>>> {
            Some(down.map_or_else(|| Ok(Listed { began, items: Arc::new(rows.to_vec()) }), Err))
        }
        match question {
            Question::Listing { of: Listing::OsTemplates, .. } => facts.os_templates = listed(&self.os_templates, began, down),
            Question::Listing { of: Listing::CustomTemplates, .. } => facts.custom_templates = listed(&self.custom_templates, began, down),
            Question::Listing { of: Listing::Networks, .. } => facts.networks = listed(&self.networks, began, down),
            Question::Listing { of: Listing::Users, .. } => facts.users = listed(&self.users, began, down),
            Question::Listing { of: Listing::PublicIps, .. } => facts.public_ips = listed(&self.public_ips, began, down),
            Question::Listing { of: Listing::Scripts, .. } => facts.scripts = listed(&self.scripts, began, down),
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
            Step::AssignScript { .. } | Step::UnassignScript { .. } => Ok(Outcome::Done),
            Step::AddAccessor { machine, user } => {
                self.accessors.entry(machine.clone()).or_default().push(user.clone());
                Ok(Outcome::Done)
            }
            Step::RemoveAccessor { machine, user } => {
                self.accessors.entry(machine.clone()).or_default().retain(|u| u != user);
                Ok(Outcome::Done)
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
