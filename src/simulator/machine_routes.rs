//! `/machines`, `/machine-events`, `/machine-availability`.

use serde_json::{Value, json};

use super::api::Context;
use super::catalog;
use super::choices;
use super::create;
use super::errors::Refusal;
use super::machine::State;
use super::machine::{Accessor, Event, Machine};
use super::paging::{Ask, Page, Row};
use super::requests::{Field, Fields, Kind, Query, required};
use super::update;
use super::wire;
use super::world::World;

type Reply = Result<Value, Refusal>;

pub(super) fn list(w: &mut World, c: &Context) -> Reply {
    let ask = Ask::read(&c.query, &["dtCreated", "name", "state"], &["name", "region", "agentType", "machineType"])?;
    let region = region_filter(&c.query)?;
    let (agent, kind) = (c.query.get("agentType"), c.query.get("machineType"));
    let machines = &c.stock(w).machines;
    let shown = |m: &Machine| {
        World::sees(&c.caller, m)
            && has_name(&c.query, &m.name)
            && region.is_none_or(|r| r == m.region)
            && agent.is_none_or(|a| a == m.agent_type)
            && kind.is_none_or(|k| k == m.machine_type)
    };
    let of_team = |m: &Machine| m.team == c.caller.team;
    if ask.order_by == "dtCreated" {
        // What a poll of a large account asks for, over and over.
        let at = |id: &str| w.position(id).filter(|at| machines.get(*at).is_some_and(of_team));
        let row = |at: usize| Some(&machines[at]).filter(|m| shown(m)).map(|m| (m.id.clone(), m));
        return Ok(Page::in_order(&ask, machines.len(), at, row)?.body(wire::machine));
    }
    let rows = machines.iter().filter(|m| of_team(m)).map(|m| Row {
        id: m.id.clone(),
        key: if ask.order_by == "name" { m.name.clone() } else { m.state.as_str().to_owned() },
        seq: m.seq,
        shown: shown(m),
        item: m,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::machine))
}

/// The code that a `region` parameter names.
pub(super) fn region_filter(query: &Query) -> Result<Option<&'static str>, Refusal> {
    let Some(text) = query.get("region") else { return Ok(None) };
    catalog::region(text).map(|r| Some(r.code)).ok_or_else(|| choices::no_region(text))
}

/// Whether a `name` parameter lets this name through.
pub(super) fn has_name(query: &Query, name: &str) -> bool {
    query.get("name").is_none_or(|wanted| if choices::NAME_FILTER_IS_SUBSTRING { name.contains(wanted) } else { name == wanted })
}

pub(super) fn create(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let body = c.fields(create::BODY)?;
    let (at, event) = w.create(&c.caller.team, &body)?;
    Ok(w.machine_and_event(at, Some(&event)))
}

pub(super) fn get(w: &mut World, c: &Context) -> Reply {
    let at = w.find(&c.caller, c.param(0))?;
    Ok(wire::machine(&w.stock.machines[at]))
}

pub(super) fn update(w: &mut World, c: &Context) -> Reply {
    let at = w.find_to_change(&c.caller, c.param(0))?;
    let body = c.fields(update::BODY)?;
    let event = w.update(at, &body)?;
    Ok(w.machine_and_event(at, event.as_deref()))
}

pub(super) fn delete(w: &mut World, c: &Context) -> Reply {
    let at = w.find_to_change(&c.caller, c.param(0))?;
    let event = w.delete(at)?;
    Ok(w.machine_and_event(at, Some(&event)))
}

pub(super) fn start(w: &mut World, c: &Context) -> Reply {
    power(w, c, World::start)
}

pub(super) fn stop(w: &mut World, c: &Context) -> Reply {
    power(w, c, World::stop)
}

pub(super) fn restart(w: &mut World, c: &Context) -> Reply {
    power(w, c, World::restart)
}

fn power(w: &mut World, c: &Context, call: fn(&mut World, usize) -> Result<String, Refusal>) -> Reply {
    let at = w.find(&c.caller, c.param(0))?;
    c.fields(&[])?;
    let event = call(w, at)?;
    Ok(w.machine_and_event(at, Some(&event)))
}

pub(super) fn accessors(w: &mut World, c: &Context) -> Reply {
    let ask = Ask::read(&c.query, &["id"], &[])?;
    let machine = &w.stock.machines[w.find(&c.caller, c.param(0))?];
    let rows = machine.accessors.iter().filter_map(|a| {
        let user = w.users.iter().find(|u| u.id == a.user_id)?;
        Some(Row { id: user.id.clone(), key: user.id.clone(), seq: 0, shown: a.dt_deleted.is_none(), item: (a, user) })
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(|(a, user)| wire::accessor(a, user)))
}

pub(super) fn desktop(w: &mut World, c: &Context) -> Reply {
    let machine = &w.stock.machines[w.find(&c.caller, c.param(0))?];
    if machine.state != State::Ready || !machine.agent_type.ends_with("Desktop") {
        return Err(choices::no_desktop());
    }
    let hostname = machine.public_ip.clone().unwrap_or_else(|| format!("{}.desktop.example.com", machine.id));
    Ok(if machine.agent_type.starts_with("Windows") {
        json!({"windows": {"hostname": hostname, "port": choices::RDP_PORT, "publicIp": machine.public_ip}})
    } else {
        json!({"vnc": {"hostname": hostname, "port": choices::VNC_PORT, "password": "not-to-be-shown"}})
    })
}

const ACCESSOR: &[Field] = &[required("userId", Kind::Text(0))];

pub(super) fn add_accessor(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let at = w.find(&c.caller, c.param(0))?;
    let body: Fields = c.fields(ACCESSOR)?;
    let user = body.must("userId");
    if !w.users.iter().any(|u| u.id == user && u.team == c.caller.team) {
        return Err(Refusal::not_found("User"));
    }
    let accessors = &mut w.stock.machines[at].accessors;
    match accessors.iter_mut().find(|a| a.user_id == user) {
        Some(known) => known.dt_deleted = None,
        None => accessors.push(Accessor { user_id: user.to_owned(), dt_deleted: None }),
    }
    one_accessor(w, at, user)
}

pub(super) fn accessor(w: &mut World, c: &Context) -> Reply {
    let at = w.find(&c.caller, c.param(0))?;
    if !w.stock.machines[at].accessors.iter().any(|a| a.user_id == c.param(1) && a.dt_deleted.is_none()) {
        return Err(Refusal::not_found("Accessor"));
    }
    one_accessor(w, at, c.param(1))
}

pub(super) fn remove_accessor(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let at = w.find(&c.caller, c.param(0))?;
    let now = w.now;
    let found = w.stock.machines[at].accessors.iter_mut().find(|a| a.user_id == c.param(1) && a.dt_deleted.is_none());
    found.ok_or_else(|| Refusal::not_found("Accessor"))?.dt_deleted = Some(now);
    one_accessor(w, at, c.param(1))
}

fn one_accessor(w: &World, at: usize, user: &str) -> Reply {
    let accessor = w.stock.machines[at].accessors.iter().find(|a| a.user_id == user);
    let user = w.users.iter().find(|u| u.id == user);
    accessor.zip(user).map(|(a, u)| wire::accessor(a, u)).ok_or_else(|| Refusal::not_found("Accessor"))
}

pub(super) fn events(w: &mut World, c: &Context) -> Reply {
    let ask = Ask::read(&c.query, &["dtCreated"], &["machineId"])?;
    let machine = c.query.get("machineId");
    let rows = w.events.iter().filter(|e| e.team == c.caller.team).map(|e| Row {
        id: e.id.clone(),
        key: String::new(),
        seq: e.seq,
        shown: machine.is_none_or(|m| e.machine_id.as_deref() == Some(m)) && sees_event(w, c, e),
        item: e,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::event))
}

pub(super) fn event(w: &mut World, c: &Context) -> Reply {
    let event = w.event(c.param(0)).filter(|e| e.team == c.caller.team && sees_event(w, c, e));
    event.map(wire::event).ok_or_else(|| Refusal::not_found("Machine event"))
}

/// Events outlive their machine; members see those of machines assigned to them.
fn sees_event(w: &World, c: &Context, event: &Event) -> bool {
    !c.caller.is_member || event.machine_id.as_deref().is_some_and(|id| w.find(&c.caller, id).is_ok())
}

pub(super) fn availability(w: &mut World, c: &Context) -> Reply {
    let must = |name| c.query.get(name).ok_or_else(|| Refusal::field(name, "Required"));
    let (label, region) = (must("machineType")?, must("region")?);
    let spec = catalog::machine_type(label).ok_or_else(|| choices::no_type(label))?;
    let region = catalog::region(region).ok_or_else(|| choices::no_region(region))?.code;
    Ok(json!({ "available": spec.is_offered_in(region) && !w.faults.may_starve(label, region) }))
}
