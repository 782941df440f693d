//! Faults that are injected on purpose, through `/_sim/faults`.
//!
//! | kind | what |
//! |---|---|
//! | `lose-reply` | the effect happens, then the connection breaks without an answer; with `status` that is answered instead of the truth |
//! | `drop` | the connection breaks, nothing has happened |
//! | `error` | an answer with `status` (500 by default) and the API's error body, nothing has happened |
//! | `delay` | `delayMs` (real time, not scaled) pass before anything happens; the effect comes even when the client has gone meanwhile |
//! | `stale-list` | a list answers from the state before the last change, or with `delayMs` from the state that long ago |
//! | `shift-page` | one row is left out of a page of a list, `id` if given, else any |
//! | `no-capacity` | starts find no capacity and `/machine-availability` says so; `machineType` and `region` narrow it |
//! | `revoke-key` | the key (`key`, else every key) is a bad one |
//!
//! An answer in place of the true one is the API's JSON, or `text` as a proxy on the way would send it, with `retryAfter` as a header.
//!
//! `method` and `route` choose the calls: a route template such as `/machines/{id}/start` or a concrete path, with or without `/v1`.
//! Without them every call is meant. `no-capacity` does not look at them, since a start happens after its call.
//! `count` is how many times a fault takes effect; without it, until the faults are cleared. `probability` is per chance to
//! take effect, 1 by default. Faults are not kept across a restart.

use serde::{Deserialize, Serialize};

use super::rng::Rng;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    LoseReply,
    Drop,
    Error,
    Delay,
    StaleList,
    ShiftPage,
    NoCapacity,
    RevokeKey,
}

/// One fault, as `POST /_sim/faults` takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) retry_after: Option<u64>,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) delay_ms: Option<u64>,
    /// How many times more.
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    probability: Option<f64>,
    #[serde(default)]
    machine_type: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
}

/// The call that a fault may meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// Without `/v1`.
    pub(super) template: &'a str,
    /// Without `/v1`.
    pub(super) path: &'a str,
}

/// The faults in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one, or says why it makes no sense.
    pub(super) fn add(&mut self, fault: Fault) -> Result<(), String> {
        if fault.kind == Kind::Delay && fault.delay_ms.is_none() {
            return Err("a delay needs delayMs".to_owned());
        }
        if fault.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err("probability is between 0 and 1".to_owned());
        }
        if fault.status.is_some_and(|s| !(200..=599).contains(&s)) {
            return Err("status is between 200 and 599".to_owned());
        }
        self.0.push(fault);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How long the stalest list looks back, in milliseconds.
    pub(super) fn look_back(&self) -> Option<u64> {
        self.0.iter().filter(|f| f.kind == Kind::StaleList && f.count != Some(0)).filter_map(|f| f.delay_ms).max()
    }

    pub(super) fn all(&self) -> &[Fault] {
        &self.0
    }

    /// The first fault of this kind that meets the call, counted as having taken effect.
    pub(super) fn fire(&mut self, kind: Kind, call: Call<'_>, rng: &mut Rng) -> Option<Fault> {
        self.take(rng, |fault| fault.kind == kind && fault.meets(call))
    }

    /// Whether this key is refused now.
    pub(super) fn revokes(&mut self, key: &str, call: Call<'_>, rng: &mut Rng) -> bool {
        let meets = |f: &Fault| f.kind == Kind::RevokeKey && f.meets(call) && f.key.as_deref().is_none_or(|k| k == key);
        self.take(rng, meets).is_some()
    }

    /// Whether a start of this type finds no capacity; counts.
    pub(super) fn starves(&mut self, machine_type: &str, region: &str, rng: &mut Rng) -> bool {
        self.take(rng, |f| f.kind == Kind::NoCapacity && f.concerns(machine_type, region)).is_some()
    }

    /// Whether a start of this type might find no capacity; does not count.
    pub(super) fn may_starve(&self, machine_type: &str, region: &str) -> bool {
        self.0.iter().any(|f| f.kind == Kind::NoCapacity && f.count != Some(0) && f.concerns(machine_type, region))
    }

    fn take(&mut self, rng: &mut Rng, meets: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let fault = self
            .0
            .iter_mut()
            .find(|f| f.count != Some(0) && meets(f) && f.probability.is_none_or(|probability| rng.chance(probability)))?;
        if let Some(count) = &mut fault.count {
            *count -= 1;
        }
        Some(fault.clone())
    }
}

impl Fault {
    fn meets(&self, call: Call<'_>) -> bool {
        self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(call.method))
            && self.route.as_deref().is_none_or(|route| {
                let route = route.strip_prefix("/v1").unwrap_or(route);
                route == call.path || without_names(route) == without_names(call.template)
            })
    }

    fn concerns(&self, machine_type: &str, region: &str) -> bool {
        self.machine_type.as_deref().is_none_or(|t| t == machine_type)
            && self.region.as_deref().is_none_or(|r| super::catalog::region(r).is_some_and(|r| r.code == region))
    }
}

/// `/machines/{id}` and `/machines/{machineId}` are one route.
fn without_names(route: &str) -> String {
    route.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: serde_json::Value) -> Faults {
        let mut faults = Faults::default();
        faults.add(serde_json::from_value(value).unwrap()).unwrap();
        faults
    }

    const START: Call<'_> = Call { method: "PATCH", template: "/machines/{id}/start", path: "/machines/ps1/start" };

    #[test]
    fn a_route_is_a_template_or_a_path_with_or_without_the_version() {
        let rng = &mut Rng::new(0);
        for route in ["/machines/{id}/start", "/v1/machines/{machineId}/start", "/machines/ps1/start", "/v1/machines/ps1/start"] {
            assert!(faults(json!({"kind": "drop", "route": route})).fire(Kind::Drop, START, rng).is_some(), "{route}");
        }
        for route in ["/machines/{id}", "/machines/ps2/start"] {
            assert!(faults(json!({"kind": "drop", "route": route})).fire(Kind::Drop, START, rng).is_none(), "{route}");
        }
        assert!(faults(json!({"kind": "drop", "method": "patch"})).fire(Kind::Drop, START, rng).is_some());
        assert!(faults(json!({"kind": "drop", "method": "GET"})).fire(Kind::Drop, START, rng).is_none());
        assert!(faults(json!({"kind": "drop"})).fire(Kind::Error, START, rng).is_none());
    }

    #[test]
    fn a_count_runs_out() {
        let rng = &mut Rng::new(0);
        let mut faults = faults(json!({"kind": "error", "count": 2}));
        let fired = (0..5).filter(|_| faults.fire(Kind::Error, START, rng).is_some()).count();
        assert_eq!(fired, 2);
    }

    #[test]
    fn asking_for_capacity_does_not_use_a_count_up() {
        let rng = &mut Rng::new(0);
        let mut faults = faults(json!({"kind": "no-capacity", "machineType": "A4000", "region": "NY2", "count": 1}));
        assert!(faults.may_starve("A4000", "ny2"));
        assert!(!faults.may_starve("A4000", "ca1"));
        assert!(!faults.starves("C5", "ny2", rng));
        assert!(faults.starves("A4000", "ny2", rng));
        assert!(!faults.may_starve("A4000", "ny2"));
    }

    #[test]
    fn a_fault_that_makes_no_sense_is_refused() {
        assert!(serde_json::from_value::<Fault>(json!({"kind": "drop", "rout": "/machines"})).is_err());
        assert!(serde_json::from_value::<Fault>(json!({"kind": "explode"})).is_err());
        for value in [json!({"kind": "delay"}), json!({"kind": "drop", "probability": 2}), json!({"kind": "error", "status": 99})] {
            assert!(Faults::default().add(serde_json::from_value(value).unwrap()).is_err());
        }
    }
}
