//! `/startup-scripts`.

use serde_json::Value;

use super::agenda::Step;
use super::api::Context;
use super::errors::Refusal;
use super::machine_routes::has_name;
use super::paging::{Ask, Page, Row};
use super::requests::{Field, Kind, optional, required};
use super::resources::Script;
use super::timing;
use super::wire;
use super::world::World;

type Reply = Result<Value, Refusal>;

pub(super) fn list(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    let ask = Ask::read(&c.query, &["dtCreated", "name"], &["name"])?;
    let rows = c.stock(w).scripts.iter().filter(|s| s.team == c.caller.team).map(|s| Row {
        id: s.id.clone(),
        key: if ask.order_by == "name" { s.name.clone() } else { String::new() },
        seq: s.seq,
        shown: s.exists && has_name(&c.query, &s.name),
        item: s,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::script))
}

const CREATE: &[Field] = &[required("name", Kind::Text(0)), required("script", Kind::Text(0)), optional("isRunOnce", Kind::Bool)];

pub(super) fn create(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let body = c.fields(CREATE)?;
    let (seq, id) = (w.next_seq(), w.rng.id("sc"));
    let script = Script {
        seq,
        id,
        team: c.caller.team.clone(),
        exists: true,
        name: body.must("name").to_owned(),
        script: body.must("script").to_owned(),
        is_enabled: true,
        is_run_once: body.bool("isRunOnce").unwrap_or(false),
        assigned_machine_ids: Vec::new(),
        dt_created: w.now,
        dt_deleted: None,
    };
    let reply = wire::script(&script);
    w.stock.scripts.push(script);
    Ok(reply)
}

fn find(w: &World, c: &Context) -> Result<usize, Refusal> {
    let found = w.stock.scripts.iter().position(|s| s.id == c.param(0) && s.team == c.caller.team && s.exists);
    found.ok_or_else(|| Refusal::not_found("Startup script"))
}

/// One that is not on its way out.
fn find_to_change(w: &World, c: &Context) -> Result<usize, Refusal> {
    c.caller.admin()?;
    let at = find(w, c)?;
    if w.stock.scripts[at].dt_deleted.is_some() { Err(Refusal::not_found("Startup script")) } else { Ok(at) }
}

pub(super) fn get(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    Ok(wire::script(&w.stock.scripts[find(w, c)?]))
}

const UPDATE: &[Field] = &[
    optional("name", Kind::Text(0)),
    optional("script", Kind::Text(0)),
    optional("isRunOnce", Kind::Bool),
    optional("isEnabled", Kind::Bool),
];

pub(super) fn update(w: &mut World, c: &Context) -> Reply {
    let at = find_to_change(w, c)?;
    let body = c.fields(UPDATE)?;
    let script = &mut w.stock.scripts[at];
    script.name = body.owned("name").unwrap_or_else(|| std::mem::take(&mut script.name));
    script.script = body.owned("script").unwrap_or_else(|| std::mem::take(&mut script.script));
    script.is_run_once = body.bool("isRunOnce").unwrap_or(script.is_run_once);
    script.is_enabled = body.bool("isEnabled").unwrap_or(script.is_enabled);
    Ok(wire::script(script))
}

/// The script still answers for a while, with its date of deletion.
pub(super) fn delete(w: &mut World, c: &Context) -> Reply {
    let at = find_to_change(w, c)?;
    let now = w.now;
    let script = &mut w.stock.scripts[at];
    script.dt_deleted = Some(now);
    script.assigned_machine_ids.clear();
    let (id, reply) = (script.id.clone(), wire::script(script));
    for machine in w.stock.machines.positions(|m| m.startup_script_id.as_ref() == Some(&id)) {
        w.stock.machines[machine].startup_script_id = None;
    }
    w.plan(timing::SCRIPT_GONE, &id, None, Step::ScriptGone);
    Ok(reply)
}

const ASSIGN: &[Field] = &[required("machineId", Kind::Text(0))];

pub(super) fn assign(w: &mut World, c: &Context) -> Reply {
    let at = find_to_change(w, c)?;
    let machine = w.find(&c.caller, c.fields(ASSIGN)?.must("machineId"))?;
    let id = w.stock.machines[machine].id.clone();
    // A machine has one script.
    for script in &mut w.stock.scripts {
        script.assigned_machine_ids.retain(|m| *m != id);
    }
    let script = &mut w.stock.scripts[at];
    script.assigned_machine_ids.push(id);
    w.stock.machines[machine].startup_script_id = Some(script.id.clone());
    Ok(wire::script(script))
}

pub(super) fn unassign(w: &mut World, c: &Context) -> Reply {
    let at = find_to_change(w, c)?;
    let machine = w.find(&c.caller, c.fields(ASSIGN)?.must("machineId"))?;
    let (script, machine) = (&mut w.stock.scripts[at], &mut w.stock.machines[machine]);
    script.assigned_machine_ids.retain(|m| *m != machine.id);
    if machine.startup_script_id.as_ref() == Some(&script.id) {
        machine.startup_script_id = None;
    }
    Ok(wire::script(script))
}

impl World {
    pub(super) fn script_gone(&mut self, id: &str) {
        for script in self.stock.scripts.iter_mut().filter(|s| s.id == id) {
            script.exists = false;
        }
    }
}
