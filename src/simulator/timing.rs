//! How long things take, in seconds before the time scale.
//!
//! The create event (37 s) and the start event (30 s) are measured; a stop takes about a minute by the documentation; the rest is
//! chosen to be plausible. What lingers does so because the real service was seen to answer before the state changes.

/// From a call to its event's `in progress`.
pub(super) const EVENT_BEGINS: f64 = 1.0;
/// `provisioning`: the whole create event.
pub(super) const PROVISION: f64 = 37.0;
/// A start that was accepted still shows `off`.
pub(super) const START_LINGERS: f64 = 3.0;
/// From the start call to `serviceready`.
pub(super) const SERVICES_UP: f64 = 24.0;
/// From the start call to `ready`: the whole start event.
pub(super) const START: f64 = 30.0;
/// From the start call to a dynamic address: later than `ready`, which is the harder case for a client.
pub(super) const DYNAMIC_ADDRESS: f64 = 33.0;
/// From the start call to the failed event, when there is no capacity.
pub(super) const NO_CAPACITY: f64 = 20.0;
/// A stop that was accepted still shows the old state.
pub(super) const STOP_LINGERS: f64 = 2.0;
/// The whole stop event.
pub(super) const STOP: f64 = 60.0;
/// A restart that was accepted still shows `ready`.
pub(super) const RESTART_LINGERS: f64 = 5.0;
/// The whole restart event.
pub(super) const RESTART: f64 = 75.0;
/// A change of type or disk that was accepted still shows `off`.
pub(super) const UPGRADE_LINGERS: f64 = 2.0;
/// The whole vm-upgrade event.
pub(super) const UPGRADE: f64 = 60.0;
/// The whole vm-migrate event.
pub(super) const MIGRATE: f64 = 10.0;
/// A deleted machine still answers.
pub(super) const DELETE: f64 = 25.0;
/// Snapshots and custom templates.
pub(super) const COPY: f64 = 30.0;
/// A deleted startup script still answers.
pub(super) const SCRIPT_GONE: f64 = 15.0;
