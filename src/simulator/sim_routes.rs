//! `/_sim`: the truth, and changes behind everybody's back. No key needed: this is for tests.
//!
//! | call | what |
//! |---|---|
//! | `GET /_sim/truth` | everything, the deleted included; `calls` counts requests by method and route, those that a fault met too |
//! | `GET /_sim/calls?after=N` | when they arrived, those after the first N: `{next, dropped, calls: [[milliseconds, route, id of the path]]}` |
//! | `POST /_sim/machines` | a machine as made on the console: the body of `POST /machines`, and `team` |
//! | `POST /_sim/machines/{id}` | lays fields over the machine, without an event; a `state` ends what is under way |
//! | `DELETE /_sim/machines/{id}` | destroys it at once |
//! | `POST /_sim/users` | a user without a key: `{team?, role?, email?}` |
//! | `POST /_sim/teams/{id}` | `{maxMachines?, approved?, standing?}` |
//! | `GET`, `POST`, `DELETE /_sim/faults` | shows, adds, clears; see [`super::faults`] |

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api::Request;
use super::catalog;
use super::create;
use super::errors::Refusal;
use super::faults::Fault;
use super::keys::{DEVELOPMENT_TEAM, Role};
use super::machine::{IpType, Machine, State};
use super::requests::{Fields, Query};
use super::wire;
use super::world::World;

pub(super) fn handle(w: &mut World, request: &Request) -> Result<Value, Refusal> {
    let body = || -> Result<Value, Refusal> {
        let text: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
        serde_json::from_slice(text).map_err(|e| Refusal::unreadable(e.to_string()))
    };
    let path: Vec<&str> = request.path.split('/').skip(2).collect();
    let before = w.stock.clone();
    let result = match (request.method.as_str(), path.as_slice()) {
        ("GET", ["truth"]) => return Ok(truth(w)),
        ("GET", ["calls"]) => {
            let after = Query::parse(&request.query).get("after").and_then(|n| n.parse().ok());
            return Ok(w.arrivals.after(after.unwrap_or(0)));
        }
        ("GET", ["faults"]) => return Ok(json!({ "faults": w.faults.all() })),
        ("POST", ["faults"]) => return add_fault(w, body()?),
        ("DELETE", ["faults"]) => {
            w.faults.clear();
            return Ok(json!({}));
        }
        ("POST", ["machines"]) => create(w, body()?),
        ("POST", ["machines", id]) => merge(w, id, body()?),
        ("DELETE", ["machines", id]) => find(w, id).map(|at| {
            w.destroy(at);
            truth_of_machine(&w.stock.machines[at])
        }),
        ("POST", ["users"]) => add_user(w, body()?),
        ("POST", ["teams", id]) => change_team(w, id, body()?),
        _ => Err(Refusal::not_found(&request.path)),
    };
    if result.is_ok() {
        w.remember(before);
    }
    result
}

fn truth(w: &World) -> Value {
    let accessors = w.stock.machines.iter().flat_map(|m| {
        m.accessors.iter().map(
            |a| json!({ "machineId": m.id, "userId": a.user_id, "exists": m.exists && a.dt_deleted.is_none(), "dtDeleted": a.dt_deleted }),
        )
    });
    let with = |mut body: Value, team: &str, exists: bool| {
        body["team"] = team.into();
        body["exists"] = exists.into();
        body
    };
    let stock = &w.stock;
    let scripts = stock.scripts.iter().map(|s| {
        let mut body = with(wire::script(s), &s.team, s.exists);
        body["script"] = s.script.clone().into();
        body
    });
    json!({
        "now": wire::time(w.now),
        "machines": stock.machines.iter().map(truth_of_machine).collect::<Vec<_>>(),
        "publicIps": stock.public_ips.iter().map(|p| with(wire::public_ip(p), &p.team, p.exists)).collect::<Vec<_>>(),
        "startupScripts": scripts.collect::<Vec<_>>(),
        "privateNetworks": stock.networks.iter().map(|n| with(wire::network(n), &n.team, n.exists)).collect::<Vec<_>>(),
        "snapshots": stock.snapshots.iter().map(|s| with(wire::snapshot(s), &s.team, s.exists)).collect::<Vec<_>>(),
        "customTemplates": stock.templates.iter().map(|t| with(wire::custom_template(t), &t.team, t.exists)).collect::<Vec<_>>(),
        "accessors": accessors.collect::<Vec<_>>(),
        "events": w.events.iter().map(wire::event).collect::<Vec<_>>(),
        "users": w.users.iter().map(|u| json!({ "id": u.id, "email": u.email, "team": u.team, "role": u.role })).collect::<Vec<_>>(),
        "teams": w.teams,
        "calls": w.calls,
    })
}

/// As the API gives it, and what the API does not tell.
fn truth_of_machine(m: &Machine) -> Value {
    let mut body = wire::machine(m);
    body["team"] = m.team.clone().into();
    body["exists"] = m.exists.into();
    body["diskSize"] = wire::number(m.disk_size);
    body["templateId"] = m.template_id.clone().into();
    body["startupScriptId"] = m.startup_script_id.clone().into();
    body["startOnCreate"] = m.start_on_create.into();
    body["takeInitialSnapshot"] = m.take_initial_snapshot.into();
    body["emailPassword"] = m.email_password.into();
    body["enableNvlink"] = m.enable_nvlink.into();
    let accessors = m.accessors.iter().filter(|a| a.dt_deleted.is_none());
    body["accessorIds"] = accessors.map(|a| a.user_id.clone()).collect::<Vec<_>>().into();
    body
}

fn add_fault(w: &mut World, body: Value) -> Result<Value, Refusal> {
    let fault: Fault = serde_json::from_value(body).map_err(|e| Refusal::new(400, e.to_string()))?;
    w.faults.add(fault).map_err(|e| Refusal::new(400, e))?;
    Ok(json!({ "faults": w.faults.all() }))
}

fn find(w: &World, id: &str) -> Result<usize, Refusal> {
    w.position(id).filter(|at| w.stock.machines[*at].exists).ok_or_else(|| Refusal::not_found("Machine"))
}

/// As the console creates one: the body of `POST /machines`, and `team`.
fn create(w: &mut World, mut body: Value) -> Result<Value, Refusal> {
    let team = body.as_object_mut().and_then(|b| b.remove("team"));
    let team = team.as_ref().and_then(Value::as_str).unwrap_or(DEVELOPMENT_TEAM).to_owned();
    let body = Fields::read(&body, create::BODY, None)?;
    w.ensure_team(&team);
    let (at, _) = w.create(&team, &body)?;
    Ok(truth_of_machine(&w.stock.machines[at]))
}

/// What `POST /_sim/machines/{id}` may not change: who the machine is, and what follows from other fields.
const FIXED: &[&str] = &["seq", "id", "team", "provisioned", "wantedNetworkId", "deactivation", "exists", "accessors"];

/// Lays the given fields over the machine. A state, even the one that it has, ends what was under way.
fn merge(w: &mut World, id: &str, body: Value) -> Result<Value, Refusal> {
    let at = find(w, id)?;
    let Value::Object(fields) = body else { return Err(Refusal::new(400, "the body must be an object")) };
    let has_state = fields.contains_key("state");
    let old = w.stock.machines[at].clone();
    let mut new = overlay(&old, fields)?;
    new.dt_modified = w.now;
    let (state, ip_type) = (new.state, new.public_ip_type);
    new.public_ip_type = old.public_ip_type;
    let has_new_address = new.public_ip != old.public_ip;
    let has_new_clock = (new.auto_shutdown_enabled, new.auto_shutdown_timeout) != (old.auto_shutdown_enabled, old.auto_shutdown_timeout);
    w.stock.machines[at] = new;
    if has_state {
        w.cancel_power(id);
        enter(w, at, state);
    } else if has_new_clock && state.is_up() {
        w.plan_auto_shutdown(at);
    }
    if has_new_address {
        w.stock.machines[at].public_ip_type = ip_type;
    } else {
        w.set_ip_type(at, ip_type);
    }
    Ok(truth_of_machine(&w.stock.machines[at]))
}

fn overlay(old: &Machine, fields: Map<String, Value>) -> Result<Machine, Refusal> {
    let mut value = serde_json::to_value(old).map_err(|e| Refusal::new(500, e.to_string()))?;
    for (name, mut field) in fields {
        if name == "region" {
            let region = field.as_str().and_then(catalog::region).ok_or_else(|| Refusal::field("region", "no such region"))?;
            field = region.code.into();
        }
        if FIXED.contains(&name.as_str()) || value.get(&name).is_none() {
            return Err(Refusal::field(&name, "not a field that can be merged"));
        }
        value[&name] = field;
    }
    serde_json::from_value(value).map_err(|e| Refusal::new(400, e.to_string()))
}

/// What goes with being in a state.
fn enter(w: &mut World, at: usize, state: State) {
    if state != State::Provisioning && !w.stock.machines[at].provisioned {
        w.finish_provisioning(at);
    }
    match state {
        State::Off => w.set_off(at),
        State::Ready | State::ServiceReady => {
            w.plan_auto_shutdown(at);
            if w.stock.machines[at].public_ip_type == IpType::Dynamic && w.stock.machines[at].public_ip.is_none() {
                let address = w.new_public_address();
                w.stock.machines[at].public_ip = Some(address);
            }
        }
        _ => {}
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewUser {
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    email: Option<String>,
}

/// Another user of a team, without a key: someone to assign machines to.
fn add_user(w: &mut World, body: Value) -> Result<Value, Refusal> {
    let new: NewUser = serde_json::from_value(body).map_err(|e| Refusal::new(400, e.to_string()))?;
    let team = new.team.unwrap_or_else(|| DEVELOPMENT_TEAM.to_owned());
    w.ensure_team(&team);
    let id = w.add_user(&team, new.role.unwrap_or(Role::Member));
    let user = w.users.iter_mut().find(|u| u.id == id).ok_or_else(|| Refusal::not_found("User"))?;
    if let Some(email) = new.email {
        user.email = email;
    }
    Ok(json!({ "id": user.id, "email": user.email, "team": user.team, "role": user.role }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TeamChange {
    #[serde(default)]
    max_machines: Option<u64>,
    #[serde(default)]
    approved: Option<Vec<String>>,
    /// Empty: nothing is in the way any more.
    #[serde(default)]
    standing: Option<String>,
}

/// The team's quota, the types that it is approved for, and what is in its way.
fn change_team(w: &mut World, id: &str, body: Value) -> Result<Value, Refusal> {
    let change: TeamChange = serde_json::from_value(body).map_err(|e| Refusal::new(400, e.to_string()))?;
    w.ensure_team(id);
    let team = w.teams.iter_mut().find(|t| t.id == id).ok_or_else(|| Refusal::not_found("Team"))?;
    team.max_machines = change.max_machines.unwrap_or(team.max_machines);
    team.approved = change.approved.unwrap_or_else(|| std::mem::take(&mut team.approved));
    team.standing = change.standing.or_else(|| team.standing.take()).filter(|words| !words.is_empty());
    serde_json::to_value(&*team).map_err(|e| Refusal::new(500, e.to_string()))
}
