//! `/private-networks`.

use serde_json::{Value, json};

use super::api::Context;
use super::catalog;
use super::choices;
use super::errors::Refusal;
use super::machine_routes::{has_name, region_filter};
use super::paging::{Ask, Page, Row};
use super::requests::{Field, Kind, optional, required};
use super::wire;
use super::world::World;

type Reply = Result<Value, Refusal>;

pub(super) fn list(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    let ask = Ask::read(&c.query, &["dtCreated", "name"], &["name", "region"])?;
    let region = region_filter(&c.query)?;
    let rows = c.stock(w).networks.iter().filter(|n| n.team == c.caller.team).map(|n| Row {
        id: n.id.clone(),
        key: if ask.order_by == "name" { n.name.clone() } else { String::new() },
        seq: n.seq,
        shown: n.exists && has_name(&c.query, &n.name) && region.is_none_or(|r| r == n.region),
        item: n,
    });
    Ok(Page::of(rows.collect(), &ask, false)?.body(wire::network))
}

const CREATE: &[Field] = &[required("name", Kind::Text(0)), required("region", Kind::Text(0)), optional("migrateMachines", Kind::Bool)];

pub(super) fn create(w: &mut World, c: &Context) -> Reply {
    c.caller.admin()?;
    let body = c.fields(CREATE)?;
    let region = catalog::region(body.must("region")).ok_or_else(|| choices::no_region(body.must("region")))?.code;
    let at = w.new_network(&c.caller.team, body.must("name"), region);
    if body.bool("migrateMachines") == Some(true) {
        let id = w.stock.networks[at].id.clone();
        let moves = |m: &super::machine::Machine| m.exists && m.team == c.caller.team && m.region == region && m.deactivation.is_none();
        for machine in w.stock.machines.positions(moves) {
            w.migrate(machine, &id);
        }
    }
    Ok(wire::network(&w.stock.networks[at]))
}

/// 200 and null for one that does not exist, and for default networks; not 404 as elsewhere.
pub(super) fn get(w: &mut World, c: &Context) -> Reply {
    c.caller.reader()?;
    Ok(w.find_network(&c.caller, c.param(0)).map_or(Value::Null, |at| wire::network(&w.stock.networks[at])))
}

fn find_to_change(w: &World, c: &Context) -> Result<usize, Refusal> {
    c.caller.admin()?;
    w.find_network(&c.caller, c.param(0)).ok_or_else(|| Refusal::not_found("Private network"))
}

const UPDATE: &[Field] = &[optional("name", Kind::Text(0))];

pub(super) fn update(w: &mut World, c: &Context) -> Reply {
    let at = find_to_change(w, c)?;
    let name = c.fields(UPDATE)?.owned("name");
    let network = &mut w.stock.networks[at];
    network.name = name.unwrap_or_else(|| std::mem::take(&mut network.name));
    Ok(wire::network(network))
}

pub(super) fn delete(w: &mut World, c: &Context) -> Reply {
    let at = find_to_change(w, c)?;
    let id = Some(c.param(0));
    if w.stock.machines.iter().any(|m| m.exists && (m.network_id.as_deref() == id || m.wanted_network_id.as_deref() == id)) {
        return Err(choices::network_in_use());
    }
    w.stock.networks[at].exists = false;
    Ok(json!({ "id": c.param(0) }))
}
