//! Every behaviour that is not known of the real service, decided here and nowhere else.
//!
//! A client must not depend on any of these. Each is one constant, so that a test can be run against the other answer too.

use super::errors::Refusal;

/// Page size when `limit` is absent. Unknown.
pub(super) const DEFAULT_LIMIT: usize = 15;

/// Whether the last page says `nextPage: null` (the description) or leaves it out (the schema). Unknown.
pub(super) const NULL_NEXT_PAGE_AT_END: bool = false;

/// Whether `name` filters match any part of the name; two clients behave as if so. Case matters. Unknown.
pub(super) const NAME_FILTER_IS_SUBSTRING: bool = true;

/// `GET /custom-templates` was seen to give items again on the next page; whether always is unknown.
pub(super) const CUSTOM_TEMPLATES_REPEAT: bool = true;

/// Machines that a team may have. The real default is unknown; `POST /_sim/teams/{id}` changes it.
pub(super) const MAX_MACHINES: u64 = 1000;

/// Types that need an approval (`POST /_sim/teams/{id}` with `approved` gives it). That H100 does is documented, the rest unknown.
pub(super) const NEEDS_APPROVAL: &[&str] = &["H100", "H100x8"];

/// `startOnCreate` when absent: the schema has no default, the console and the older API say true.
pub(super) const START_ON_CREATE: bool = true;

/// `publicIpType` when absent: as the official example came back.
pub(super) const PUBLIC_IP_TYPE: &str = "none";

/// Hours of `autoShutdownTimeout` when it is enabled without one. Unknown; the older API's sample.
pub(super) const AUTO_SHUTDOWN_HOURS: f64 = 168.0;

/// Hours that `autoShutdownTimeout` may have. Whether the server checks the documented range is unknown.
pub(super) const AUTO_SHUTDOWN_RANGE: std::ops::RangeInclusive<f64> = 1.0..=168.0;

/// Changing the time-out or the force of an enabled auto-shutdown is accepted and does nothing; seen by a client, cause unknown.
pub(super) const AUTO_SHUTDOWN_CHANGE_IS_IGNORED: bool = true;

/// A start of a machine that is up does nothing and answers 200 (the older API did so). Unknown.
pub(super) const START_WHEN_UP_IS_OK: bool = true;

/// A stop of a machine that is off does nothing and answers 200 (the older API did so). Unknown.
pub(super) const STOP_WHEN_OFF_IS_OK: bool = true;

/// A stop while starting or restarting ends that and stops. Unknown; one client does send it.
pub(super) const STOP_ENDS_A_START: bool = true;

/// A restart while restarting begins anew (documented of the older API). Unknown.
pub(super) const RESTART_WHILE_RESTARTING_IS_OK: bool = true;

/// A running machine can be deleted: the documentation says to stop it first, clients do not. Unknown.
pub(super) const DELETE_WHEN_ON_IS_OK: bool = true;

/// A second DELETE while the first is under way answers 200 with the first one's event. Unknown.
pub(super) const SECOND_DELETE_IS_OK: bool = true;

/// A machine whose deletion was accepted shows `dtDeleted` as long as it still answers. Unknown.
pub(super) const DELETED_SHOWS_DATE: bool = true;

/// A start without capacity ends in an event `error` with `error: null` (seen) and a `dtFinished` or none (both seen).
pub(super) const NO_CAPACITY_EVENT_FINISHES: bool = true;

/// A restart keeps the dynamic address. Unknown.
pub(super) const RESTART_KEEPS_DYNAMIC_ADDRESS: bool = true;

/// A member may change and delete the machines assigned to it. Unknown.
pub(super) const MEMBER_MAY_CHANGE_ASSIGNED: bool = true;

/// A member may read the team's addresses, scripts, networks, templates and users. Unknown; it may not change them.
pub(super) const MEMBER_READS_TEAM: bool = true;

/// Names of machines need not be unique (clients behave so). Unknown.
pub(super) const NAMES_ARE_UNIQUE: bool = false;

/// A value that a PUT repeats is no change, also where a change would need the machine off. Unknown.
pub(super) const SAME_VALUE_IS_NO_CHANGE: bool = true;

/// Query parameters that no document names are ignored. Unknown (bodies are closed).
pub(super) const UNKNOWN_QUERY_IS_IGNORED: bool = true;

/// Work of another kind is under way. Only the text for a pending start is known, neither its status nor its code.
pub(super) fn busy(doing: &str) -> Refusal {
    Refusal::new(409, format!("This machine is currently {doing}."))
}

/// A restart of a machine that is off. Unknown.
pub(super) fn restart_when_off() -> Refusal {
    Refusal::new(400, "This machine is off.")
}

/// A type or disk change of a machine that is not off; that it must be off is documented, the answer unknown.
pub(super) fn not_off() -> Refusal {
    Refusal::new(400, "The machine must be off to change its type or disk size.")
}

/// A `templateId` that does not exist. Unknown.
pub(super) fn no_template(id: &str) -> Refusal {
    Refusal::new(404, format!("Template {id} was not found."))
}

/// A `machineType` that does not exist; its case counts. Unknown.
pub(super) fn no_type(label: &str) -> Refusal {
    Refusal::new(400, format!("Machine type {label} does not exist."))
}

/// A `region` that does not exist. Unknown.
pub(super) fn no_region(region: &str) -> Refusal {
    Refusal::new(400, format!("Region {region} does not exist."))
}

/// A type that the region or the template does not have. Unknown.
pub(super) fn type_not_here(label: &str, place: &str) -> Refusal {
    Refusal::new(400, format!("Machine type {label} is not available in {place}."))
}

/// A type that the team may not use. Unknown.
pub(super) fn not_approved(label: &str) -> Refusal {
    Refusal::new(403, format!("Your team needs approval to use {label}."))
}

/// The team has a bill to pay, say. Unknown; the command-line tool asks for the account's standing before it creates or starts machines.
pub(super) fn not_in_good_standing(words: &str) -> Refusal {
    Refusal::new(402, words)
}

/// How many ports up a desktop of Linux is reached. Unknown; the schema says a port.
pub(super) const VNC_PORT: u16 = 5900;

/// The port of a desktop of Windows.
pub(super) const RDP_PORT: u16 = 3389;

/// A machine without a desktop, or one that is off. Unknown.
pub(super) fn no_desktop() -> Refusal {
    Refusal::new(400, "This machine has no desktop now.")
}

/// The team has as many machines as it may. Unknown.
pub(super) fn over_quota(max: u64) -> Refusal {
    Refusal::new(403, format!("Your team has reached its limit of {max} machines."))
}

/// A private network that machines are on cannot be deleted; that is documented, the answer unknown.
pub(super) fn network_in_use() -> Refusal {
    Refusal::new(409, "The network has machines.")
}

/// A template is made of a machine that is off; that is documented, the answer unknown.
pub(super) fn template_needs_off() -> Refusal {
    Refusal::new(400, "The machine must be off to make a template of it.")
}

/// A JSON content type without a body on PATCH. That it is refused is known, neither status nor text.
pub(super) fn empty_json() -> Refusal {
    Refusal::new(400, "Body cannot be empty when content-type is set to 'application/json'")
}

/// A body that is not declared to be JSON where one is needed. Unknown.
pub(super) fn not_json(content_type: &str) -> Refusal {
    Refusal::new(415, format!("Unsupported Media Type: {content_type}"))
}
