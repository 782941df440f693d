//! The paths below `/v1`.

use serde_json::Value;

use super::api::Context;
use super::errors::Refusal;
use super::world::World;
use super::{copy_routes as copies, machine_routes as machines, network_routes as networks, script_routes as scripts, team_routes as team};

/// What answers a route.
pub(super) type Handler = fn(&mut World, &Context) -> Result<Value, Refusal>;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Open,
    /// Who has a key; others get 200 and null.
    Session,
    /// Who has a key; others get 401.
    Key,
}

/// One operation.
pub(super) struct Route {
    method: &'static str,
    template: &'static str,
    pub(super) access: Access,
    pub(super) handler: Handler,
}

const fn route(method: &'static str, template: &'static str, handler: Handler) -> Route {
    Route { method, template, access: Access::Key, handler }
}

const ROUTES: &[Route] = &[
    Route { method: "GET", template: "/auth/session", access: Access::Session, handler: team::session },
    Route { method: "GET", template: "/os-templates", access: Access::Open, handler: team::os_templates },
    route("GET", "/machines", machines::list),
    route("POST", "/machines", machines::create),
    route("GET", "/machines/{id}", machines::get),
    route("PUT", "/machines/{id}", machines::update),
    route("DELETE", "/machines/{id}", machines::delete),
    route("PATCH", "/machines/{id}/start", machines::start),
    route("PATCH", "/machines/{id}/stop", machines::stop),
    route("PATCH", "/machines/{id}/restart", machines::restart),
    route("GET", "/machines/{id}/accessors", machines::accessors),
    route("POST", "/machines/{id}/accessors", machines::add_accessor),
    route("GET", "/machines/{id}/accessors/{userId}", machines::accessor),
    route("DELETE", "/machines/{id}/accessors/{userId}", machines::remove_accessor),
    route("GET", "/machines/{id}/desktop", machines::desktop),
    route("GET", "/machine-events", machines::events),
    route("GET", "/machine-events/{id}", machines::event),
    route("GET", "/machine-availability", machines::availability),
    route("GET", "/public-ips", team::ips),
    route("POST", "/public-ips", team::claim_ip),
    route("PUT", "/public-ips/{ip}", team::assign_ip),
    route("DELETE", "/public-ips/{ip}", team::release_ip),
    route("GET", "/teams/{teamId}/users", team::users),
    route("GET", "/billing/account-standing", team::standing),
    route("GET", "/startup-scripts", scripts::list),
    route("POST", "/startup-scripts", scripts::create),
    route("GET", "/startup-scripts/{id}", scripts::get),
    route("PUT", "/startup-scripts/{id}", scripts::update),
    route("DELETE", "/startup-scripts/{id}", scripts::delete),
    route("POST", "/startup-scripts/{id}/assign", scripts::assign),
    route("POST", "/startup-scripts/{id}/unassign", scripts::unassign),
    route("GET", "/private-networks", networks::list),
    route("POST", "/private-networks", networks::create),
    route("GET", "/private-networks/{id}", networks::get),
    route("PUT", "/private-networks/{id}", networks::update),
    route("DELETE", "/private-networks/{id}", networks::delete),
    route("GET", "/snapshots", copies::snapshots),
    route("POST", "/snapshots", copies::create_snapshot),
    route("GET", "/snapshots/{id}", copies::snapshot),
    route("PUT", "/snapshots/{id}", copies::rename_snapshot),
    route("DELETE", "/snapshots/{id}", copies::delete_snapshot),
    route("POST", "/snapshots/{id}/restore", copies::restore_snapshot),
    route("GET", "/custom-templates", copies::templates),
    route("POST", "/custom-templates", copies::create_template),
    route("GET", "/custom-templates/{id}", copies::template),
    route("PUT", "/custom-templates/{id}", copies::rename_template),
    route("DELETE", "/custom-templates/{id}", copies::delete_template),
];

/// What a path leads to.
pub(super) struct Found {
    pub(super) template: &'static str,
    /// None where the path exists, but not with this method.
    pub(super) route: Option<&'static Route>,
    pub(super) params: Vec<String>,
}

/// The route of a path below `/v1`.
pub(super) fn find(method: &str, path: &str) -> Option<Found> {
    let found = |route: &'static Route| matches(route.template, path).map(|params| (route, params));
    let exact = ROUTES.iter().filter(|r| r.method == method).find_map(found);
    let (route, params) = exact.or_else(|| ROUTES.iter().find_map(found))?;
    Some(Found { template: route.template, route: (route.method == method).then_some(route), params })
}

fn matches(template: &str, path: &str) -> Option<Vec<String>> {
    let (mut segments, mut params) = (path.split('/'), Vec::new());
    for expected in template.split('/') {
        let segment = segments.next()?;
        if expected.starts_with('{') && !segment.is_empty() {
            params.push(segment.to_owned());
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(params)
}

/// Whether the route is a list that can be stale: of what [`super::world::Stock`] holds.
pub(super) fn is_list_of_stock(template: &str) -> bool {
    ["/machines", "/public-ips", "/startup-scripts", "/private-networks", "/snapshots", "/custom-templates"].contains(&template)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_templates() {
        let found = find("GET", "/machines/ps1/accessors/u1").unwrap();
        assert_eq!((found.template, found.params), ("/machines/{id}/accessors/{userId}", vec!["ps1".to_owned(), "u1".to_owned()]));
        assert!(find("GET", "/machines").unwrap().route.is_some());
        assert!(find("PATCH", "/machines").unwrap().route.is_none());
        for path in ["", "/", "/machine", "/machines/", "/machines/ps1/explode", "/templates"] {
            assert!(find("GET", path).is_none(), "{path}");
        }
    }
}
