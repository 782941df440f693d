//! `/auth/session`, `/billing/account-standing`, `/teams/{teamId}/users`, `/os-templates`, `/public-ips`.

use serde_json::{Value, json};

use super::api::Context;
use super::catalog;
use super::choices;
use super::errors::Refusal;
use super::keys::Role;
use super::machine_routes::{has_name, region_filter};
use super::paging::{Ask, Page, Row};
use super::requests::{Field, Kind, required};
use super::wire;
use super::world::World;

type Reply = Result<Value, Refusal>;

pub(super) fn session(w: &mut World, c: &Context) -> Reply {
    let user = w.users.iter().find(|u| u.id == c.caller.user);
    user.zip(w.team(&c.caller.team)).map(|(user, team)| wire::session(user, team)).ok_or_else(Refusal::unauthorized)
}

pub(super) fn users(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    let ask = Ask::read(&c.query, &["dtConfirmed"], &["role"])?;
    let role = match c.query.get("role") {
        None => None,
        Some("member") => Some(Role::Member),
        Some("admin") => Some(Role::Admin),
        Some("owner") => Some(Role::Owner),
        Some(_) => return Err(Refusal::field("role", "Invalid enum value. Expected 'member' | 'admin' | 'owner'")),
    };
    if c.param(0) != c.caller.team {
        return Err(Refusal::not_found("Team"));
    }
    let rows = w.users.iter().filter(|u| u.team == c.caller.team).map(|u| Row {
        id: u.id.clone(),
        key: String::new(),
        seq: u.seq,
        shown: role.is_none_or(|r| r == u.role),
        item: u,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::team_user))
}

/// `GET /billing/account-standing`, which only older and internal descriptions of the API have.
pub(super) fn standing(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    let words = w.team(&c.caller.team).and_then(|t| t.standing.clone());
    Ok(json!({"hasPaymentMethod": true, "isAdminLocked": false, "isInGoodStanding": words.is_none(), "messages": Vec::from_iter(words)}))
}

pub(super) fn os_templates(_: &mut World, c: &Context) -> Reply {
    let ask = Ask::read(&c.query, &["name"], &["name"])?;
    let rows = catalog::OS_TEMPLATES.iter().map(|t| Row {
        id: t.id.to_owned(),
        key: t.name.to_owned(),
        seq: 0,
        shown: has_name(&c.query, t.name),
        item: t,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::os_template))
}

pub(super) fn ips(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    let ask = Ask::read(&c.query, &["dtCreated"], &["region"])?;
    let region = region_filter(&c.query)?;
    let rows = c.stock(w).public_ips.iter().filter(|p| p.team == c.caller.team).map(|p| Row {
        id: p.ip.clone(),
        key: String::new(),
        seq: p.seq,
        shown: p.exists && region.is_none_or(|r| r == p.region),
        item: p,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::public_ip))
}

const CLAIM: &[Field] = &[required("region", Kind::Text(0))];

pub(super) fn claim_ip(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let body = c.fields(CLAIM)?;
    let region = catalog::region(body.must("region")).ok_or_else(|| choices::no_region(body.must("region")))?;
    let at = w.claim_ip(&c.caller.team, region.code);
    Ok(wire::public_ip(&w.stock.public_ips[at]))
}

const ASSIGN_IP: &[Field] = &[required("machineId", Kind::TextOrNull)];

pub(super) fn assign_ip(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let at = w.find_ip(&c.caller, c.param(0))?;
    let body = c.fields(ASSIGN_IP)?;
    let machine = body.text("machineId").map(|id| w.find(&c.caller, id)).transpose()?;
    w.assign_ip(at, machine)?;
    Ok(wire::public_ip(&w.stock.public_ips[at]))
}

pub(super) fn release_ip(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let at = w.find_ip(&c.caller, c.param(0))?;
    w.unassign_ip(at);
    w.stock.public_ips[at].exists = false;
    Ok(json!({ "ip": c.param(0) }))
}
