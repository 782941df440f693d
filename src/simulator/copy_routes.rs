//! `/snapshots` and `/custom-templates`: copies of machines. Their content is not simulated.

use serde_json::{Value, json};

use super::agenda::Step;
use super::api::Context;
use super::choices;
use super::errors::Refusal;
use super::machine::State;
use super::machine_routes::has_name;
use super::paging::{Ask, Page, Row};
use super::requests::{Field, Kind, optional, required};
use super::resources::{CustomTemplate, Snapshot};
use super::timing;
use super::wire;
use super::world::World;

type Reply = Result<Value, Refusal>;

const OF_MACHINE: &[Field] = &[required("name", Kind::Text(0)), required("machineId", Kind::Text(0))];

impl World {
    /// An event that comes to its end by itself.
    fn copy_event(&mut self, machine: usize, name: &str) -> Value {
        let (team, id) = self.whose(machine);
        let event = self.open_event(&team, Some(&id), name);
        self.plan(timing::EVENT_BEGINS, &id, Some(&event), Step::Begin);
        self.plan(timing::COPY, &id, Some(&event), Step::Finish);
        self.event(&event).map_or(Value::Null, wire::event)
    }

    /// What was asked for at creation: a snapshot, which is then also the restore point.
    pub(super) fn take_initial_snapshot(&mut self, machine: usize) {
        if self.stock.machines[machine].take_initial_snapshot != Some(true) {
            return;
        }
        let at = self.take_snapshot(machine, "Initial snapshot");
        let machine = &mut self.stock.machines[machine];
        if machine.restore_point_enabled {
            machine.restore_point_snapshot_id = Some(self.stock.snapshots[at].id.clone());
        }
    }

    /// A snapshot of a machine; its position.
    pub(super) fn take_snapshot(&mut self, machine: usize, name: &str) -> usize {
        let (team, machine_id) = self.whose(machine);
        let (seq, id) = (self.next_seq(), self.rng.id("sl"));
        let name = name.to_owned();
        self.stock.snapshots.push(Snapshot { seq, id, team, exists: true, name, machine_id, is_auto_snapshot: false });
        self.stock.snapshots.len() - 1
    }
}

pub(super) fn snapshots(w: &mut World, c: &Context) -> Reply {
    let ask = Ask::read(&c.query, &["dtCreated", "name"], &["machineId"])?;
    let machine = c.query.get("machineId");
    let rows = c.stock(w).snapshots.iter().filter(|s| s.team == c.caller.team).map(|s| Row {
        id: s.id.clone(),
        key: if ask.order_by == "name" { s.name.clone() } else { String::new() },
        seq: s.seq,
        shown: s.exists && machine.is_none_or(|m| m == s.machine_id) && w.find(&c.caller, &s.machine_id).is_ok(),
        item: s,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::snapshot))
}

/// Positions of a snapshot and of its machine, which the caller must see.
fn find_snapshot(w: &World, c: &Context) -> Result<(usize, usize), Refusal> {
    let at = w.stock.snapshots.iter().position(|s| s.id == c.param(0) && s.exists).ok_or_else(|| Refusal::not_found("Snapshot"))?;
    let machine = w.find(&c.caller, &w.stock.snapshots[at].machine_id).map_err(|_| Refusal::not_found("Snapshot"))?;
    Ok((at, machine))
}

pub(super) fn snapshot(w: &mut World, c: &Context) -> Reply {
    let (at, _) = find_snapshot(w, c)?;
    Ok(wire::snapshot(&w.stock.snapshots[at]))
}

pub(super) fn create_snapshot(w: &mut World, c: &Context) -> Reply {
    let body = c.fields(OF_MACHINE)?;
    let machine = w.find_to_change(&c.caller, body.must("machineId"))?;
    let at = w.take_snapshot(machine, body.must("name"));
    let event = w.copy_event(machine, "snapshot-create");
    Ok(json!({ "event": event, "data": wire::snapshot(&w.stock.snapshots[at]) }))
}

const RENAME_SNAPSHOT: &[Field] = &[optional("name", Kind::Text(0))];

pub(super) fn rename_snapshot(w: &mut World, c: &Context) -> Reply {
    let (at, _) = find_snapshot(w, c)?;
    let name = c.fields(RENAME_SNAPSHOT)?.owned("name");
    let snapshot = &mut w.stock.snapshots[at];
    snapshot.name = name.unwrap_or_else(|| std::mem::take(&mut snapshot.name));
    Ok(wire::snapshot(snapshot))
}

pub(super) fn delete_snapshot(w: &mut World, c: &Context) -> Reply {
    let (at, machine) = find_snapshot(w, c)?;
    w.stock.snapshots[at].exists = false;
    let event = w.copy_event(machine, "snapshot-delete");
    Ok(json!({ "event": event, "data": wire::snapshot(&w.stock.snapshots[at]) }))
}

const RESTORE: &[Field] = &[optional("createSnapshotBeforeRestore", Kind::Bool)];

pub(super) fn restore_snapshot(w: &mut World, c: &Context) -> Reply {
    let (at, machine) = find_snapshot(w, c)?;
    if c.fields(RESTORE)?.bool("createSnapshotBeforeRestore") == Some(true) {
        w.take_snapshot(machine, "Before restore");
    }
    let event = w.copy_event(machine, "snapshot-restore");
    Ok(json!({ "event": event, "data": wire::snapshot(&w.stock.snapshots[at]) }))
}

pub(super) fn templates(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    let ask = Ask::read(&c.query, &["dtCreated", "name"], &["name", "machineId"])?;
    let machine = c.query.get("machineId");
    let rows = c.stock(w).templates.iter().filter(|t| t.team == c.caller.team).map(|t| Row {
        id: t.id.clone(),
        key: if ask.order_by == "name" { t.name.clone() } else { String::new() },
        seq: t.seq,
        shown: t.exists && has_name(&c.query, &t.name) && machine.is_none_or(|m| m == t.parent_machine_id),
        item: t,
    });
    Ok(Page::of(rows.collect(), &ask, choices::CUSTOM_TEMPLATES_REPEAT)?.body(wire::custom_template))
}

fn find_template(w: &World, c: &Context) -> Result<usize, Refusal> {
    let found = w.stock.templates.iter().position(|t| t.id == c.param(0) && t.team == c.caller.team && t.exists);
    found.ok_or_else(|| Refusal::not_found("Template"))
}

pub(super) fn template(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    Ok(wire::custom_template(&w.stock.templates[find_template(w, c)?]))
}

/// Only of a machine that is off; the template stays in its region.
pub(super) fn create_template(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let body = c.fields(OF_MACHINE)?;
    let at = w.find(&c.caller, body.must("machineId"))?;
    if let Some(busy) = w.doing(at) {
        return Err(choices::busy(busy));
    }
    let (seq, id) = (w.next_seq(), w.rng.id("t"));
    let machine = &w.stock.machines[at];
    if machine.state != State::Off {
        return Err(choices::template_needs_off());
    }
    let parent = w.stock.templates.iter().find(|t| t.id == machine.template_id);
    let template = CustomTemplate {
        seq,
        id,
        team: machine.team.clone(),
        exists: true,
        name: body.must("name").to_owned(),
        agent_type: machine.agent_type.clone(),
        os: machine.os.clone(),
        region: machine.region.clone(),
        size_gb: machine.disk_size,
        base_template_id: parent.map_or(&machine.template_id, |t| &t.base_template_id).clone(),
        parent_machine_id: machine.id.clone(),
        dt_created: w.now,
    };
    let data = wire::custom_template(&template);
    w.stock.templates.push(template);
    Ok(json!({ "event": w.copy_event(at, "template-create"), "data": data }))
}

const RENAME_TEMPLATE: &[Field] = &[required("name", Kind::Text(0))];

pub(super) fn rename_template(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let at = find_template(w, c)?;
    c.fields(RENAME_TEMPLATE)?.must("name").clone_into(&mut w.stock.templates[at].name);
    Ok(wire::custom_template(&w.stock.templates[at]))
}

pub(super) fn delete_template(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let at = find_template(w, c)?;
    w.stock.templates[at].exists = false;
    Ok(wire::custom_template(&w.stock.templates[at]))
}
