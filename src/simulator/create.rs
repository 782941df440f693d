//! `POST /machines`.

use super::agenda::Step;
use super::catalog::{self, MachineType};
use super::choices;
use super::errors::Refusal;
use super::machine::{Accessor, IpType, Machine, State};
use super::requests::{Field, Fields, Kind, optional, required};
use super::timing;
use super::world::{Team, World};

pub(super) const IP_TYPES: Kind = Kind::OneOf(&["static", "dynamic", "none"]);
pub(super) const SNAPSHOT_FREQUENCIES: Kind = Kind::OneOf(&["hourly", "daily", "weekly", "monthly"]);
pub(super) const RESTORE_FREQUENCIES: Kind = Kind::OneOf(&["shutdown"]);

/// The body's fields.
pub(super) const BODY: &[Field] = &[
    required("name", Kind::Text(1)),
    required("machineType", Kind::Text(0)),
    required("templateId", Kind::Text(0)),
    required("diskSize", Kind::Positive),
    required("region", Kind::Text(0)),
    optional("networkId", Kind::Text(0)),
    optional("publicIpType", IP_TYPES),
    optional("autoSnapshotEnabled", Kind::Bool),
    optional("autoSnapshotFrequency", SNAPSHOT_FREQUENCIES),
    optional("autoSnapshotSaveCount", Kind::Number),
    optional("autoShutdownEnabled", Kind::Bool),
    optional("autoShutdownTimeout", Kind::Number),
    optional("autoShutdownForce", Kind::Bool),
    optional("takeInitialSnapshot", Kind::Bool),
    optional("restorePointEnabled", Kind::Bool),
    optional("restorePointFrequency", RESTORE_FREQUENCIES),
    optional("startupScriptId", Kind::Text(0)),
    optional("emailPassword", Kind::Bool),
    optional("startOnCreate", Kind::Bool),
    optional("enableNvlink", Kind::Bool),
    optional("accessorIds", Kind::Texts),
];

/// What a template gives to a machine.
struct Image {
    os: String,
    agent_type: String,
}

impl World {
    /// Creates a machine; its position and its event. Refused, nothing has changed.
    pub(super) fn create(&mut self, team: &str, body: &Fields) -> Result<(usize, String), Refusal> {
        let region = catalog::region(body.must("region")).ok_or_else(|| choices::no_region(body.must("region")))?.code;
        let label = body.must("machineType");
        self.check_type(team, label, region)?;
        let image = self.image(team, body.must("templateId"), label, region)?;
        self.check_references(team, region, body)?;
        check_auto_shutdown(body.number("autoShutdownTimeout"))?;

        let (seq, id) = (self.next_seq(), self.rng.id("ps"));
        let shutdown = body.bool("autoShutdownEnabled").unwrap_or(false);
        let snapshots = body.bool("autoSnapshotEnabled").unwrap_or(false);
        self.stock.machines.push(Machine {
            seq,
            id: id.clone(),
            team: team.to_owned(),
            exists: true,
            provisioned: false,
            name: body.must("name").to_owned(),
            state: State::Provisioning,
            os: image.os,
            agent_type: image.agent_type,
            machine_type: label.to_owned(),
            disk_size: body.number("diskSize").unwrap_or_default(),
            region: region.to_owned(),
            private_ip: None,
            network_id: None,
            wanted_network_id: body.owned("networkId"),
            public_ip: None,
            public_ip_type: IpType::None,
            auto_shutdown_enabled: shutdown,
            auto_shutdown_timeout: shutdown.then(|| body.number("autoShutdownTimeout").unwrap_or(choices::AUTO_SHUTDOWN_HOURS)),
            auto_shutdown_force: shutdown.then(|| body.bool("autoShutdownForce").unwrap_or(false)),
            auto_snapshot_enabled: snapshots,
            auto_snapshot_frequency: body.owned("autoSnapshotFrequency"),
            auto_snapshot_save_count: body.number("autoSnapshotSaveCount"),
            updates_pending: false,
            restore_point_enabled: body.bool("restorePointEnabled").unwrap_or(false),
            restore_point_frequency: body.owned("restorePointFrequency"),
            restore_point_snapshot_id: None,
            template_id: body.must("templateId").to_owned(),
            startup_script_id: body.owned("startupScriptId"),
            start_on_create: body.bool("startOnCreate").unwrap_or(choices::START_ON_CREATE),
            take_initial_snapshot: body.bool("takeInitialSnapshot"),
            email_password: body.bool("emailPassword"),
            enable_nvlink: body.bool("enableNvlink"),
            accessors: body.texts("accessorIds").into_iter().map(|u| Accessor { user_id: u.to_owned(), dt_deleted: None }).collect(),
            dt_created: self.now,
            dt_modified: self.now,
            dt_deleted: None,
            deactivation: None,
        });
        let at = self.stock.machines.len() - 1;
        self.places.insert(id.clone(), at);
        self.set_ip_type(at, IpType::parse(body.text("publicIpType").unwrap_or(choices::PUBLIC_IP_TYPE)));
        if let Some(script) = self.stock.scripts.iter_mut().find(|s| Some(s.id.as_str()) == body.text("startupScriptId")) {
            script.assigned_machine_ids.push(id.clone());
        }
        let event = self.open_event(team, Some(&id), "create");
        self.plan(timing::EVENT_BEGINS, &id, Some(&event), Step::Begin);
        self.plan(timing::PROVISION, &id, Some(&event), Step::Provisioned);
        Ok((at, event))
    }

    /// Whether the team may have this type here.
    pub(super) fn check_type(&self, team: &str, label: &str, region: &str) -> Result<MachineType, Refusal> {
        let spec = catalog::machine_type(label).ok_or_else(|| choices::no_type(label))?;
        if !spec.is_offered_in(region) {
            return Err(choices::type_not_here(label, region));
        }
        let is_approved = |t: &Team| t.approved.iter().any(|a| a == label);
        if choices::NEEDS_APPROVAL.contains(&label) && !self.team(team).is_some_and(is_approved) {
            return Err(choices::not_approved(label));
        }
        Ok(spec)
    }

    /// Whether Paperspace does anything for the team.
    pub(super) fn check_standing(&self, team: &str) -> Result<(), Refusal> {
        match self.team(team).and_then(|t| t.standing.as_deref()) {
            Some(words) => Err(choices::not_in_good_standing(words)),
            None => Ok(()),
        }
    }

    fn image(&self, team: &str, id: &str, label: &str, region: &str) -> Result<Image, Refusal> {
        let custom = self.stock.templates.iter().find(|t| t.id == id && t.team == team && t.exists && t.region == region);
        let base = custom.map_or(id, |t| t.base_template_id.as_str());
        let template = catalog::OS_TEMPLATES.iter().find(|t| t.id == base).ok_or_else(|| choices::no_template(id))?;
        if !template.runs_on(label) {
            return Err(choices::type_not_here(label, template.name));
        }
        Ok(Image { os: template.os.to_owned(), agent_type: template.agent_type.to_owned() })
    }

    fn check_references(&self, team: &str, region: &str, body: &Fields) -> Result<(), Refusal> {
        if let Some(id) = body.text("networkId") {
            let network = self.stock.networks.iter().find(|n| n.id == id && n.team == team && n.exists);
            let network = network.ok_or_else(|| Refusal::not_found("Network"))?;
            if network.region != region {
                return Err(Refusal::field("networkId", "The network is in another region"));
            }
        }
        if let Some(id) = body.text("startupScriptId")
            && !self.stock.scripts.iter().any(|s| s.id == id && s.team == team && s.exists && s.dt_deleted.is_none())
        {
            return Err(Refusal::not_found("Startup script"));
        }
        if let Some(stranger) = body.texts("accessorIds").into_iter().find(|id| !self.users.iter().any(|u| u.id == *id && u.team == team)) {
            return Err(Refusal::field("accessorIds", format!("User {stranger} is not in the team")));
        }
        let mine = || self.stock.machines.iter().filter(|m| m.team == team && m.exists);
        if choices::NAMES_ARE_UNIQUE && mine().any(|m| Some(m.name.as_str()) == body.text("name")) {
            return Err(Refusal::new(409, "A machine with this name exists."));
        }
        self.check_standing(team)?;
        let max = self.team(team).map_or(0, |t| t.max_machines);
        if u64::try_from(mine().count()).unwrap_or(u64::MAX) >= max {
            return Err(choices::over_quota(max));
        }
        Ok(())
    }
}

/// The range of the time-out, whether or not it is enabled.
pub(super) fn check_auto_shutdown(hours: Option<f64>) -> Result<(), Refusal> {
    match hours {
        Some(hours) if !choices::AUTO_SHUTDOWN_RANGE.contains(&hours) => Err(Refusal::field(
            "autoShutdownTimeout",
            format!("Number must be between {} and {}", choices::AUTO_SHUTDOWN_RANGE.start(), choices::AUTO_SHUTDOWN_RANGE.end()),
        )),
        _ => Ok(()),
    }
}
