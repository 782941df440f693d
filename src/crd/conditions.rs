//! Conditions from reasons, and how a new set takes over from an old one.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::reason::{Progress, Reason, Truth};
use super::status::time;

/// The machine exists, is usable and is in the power state asked for.
pub const READY: &str = "Ready";
/// The spec is applied.
pub const SYNCED: &str = "Synced";
/// `spec.suspend` is set.
pub const SUSPENDED: &str = "Suspended";
/// The operator is working on it.
pub const RECONCILING: &str = "Reconciling";
/// Only a person can help.
pub const STALLED: &str = "Stalled";

/// A reason and a sentence for the person who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// The reason.
    pub reason: Reason,
    /// What happened and, where someone has to do something, what.
    pub message: String,
    /// How it goes on, where that is not what the reason's table says (a missing key counts as stuck after a while).
    pub progress: Progress,
}

impl Because {
    /// With the table's progress.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), progress: reason.progress() }
    }

    /// The same, but only a person can help by now.
    #[must_use]
    pub fn stuck(self) -> Self {
        Self { progress: Progress::Stuck, ..self }
    }
}

/// What the conditions are to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of the machine.
    pub ready: Because,
    /// Of the spec.
    pub synced: Because,
    /// Why deletion is held, if it is: then `Ready` goes on saying what the machine is.
    pub held: Option<Because>,
    /// Whether `spec.suspend` is set.
    pub suspended: bool,
    /// Whether there is a machine: without one, `Ready` is False where it would be Unknown.
    pub has_machine: bool,
}

/// The conditions of `summary`. The transition time of a condition whose status does not change is kept from `old`.
pub fn conditions(summary: &Summary, generation: Option<i64>, old: &[Condition], now: Timestamp) -> Vec<Condition> {
    let ready = match summary.ready.reason.ready() {
        Some(Truth::Unknown) | None if !summary.has_machine => Truth::False,
        known => known.unwrap_or(Truth::Unknown),
    };
    let mut all = vec![
        condition(READY, ready, &summary.ready),
        condition(SYNCED, summary.synced.reason.synced().unwrap_or(Truth::Unknown), &summary.synced),
    ];
    if summary.suspended {
        let because = Because::new(Reason::NotCreated, "spec.suspend is set: nothing is written to Paperspace");
        let mut suspended = condition(SUSPENDED, Truth::True, &because);
        "Suspended".clone_into(&mut suspended.reason);
        all.push(suspended);
    }
    // `max_by_key` takes the last of equals: a hold before Ready's reason before Synced's.
    let worst = [&summary.synced, &summary.ready].into_iter().chain(&summary.held).max_by_key(|b| b.progress);
    match worst {
        // A suspended resource is not being worked on, and that is what its owner wants.
        Some(because) if because.progress == Progress::Working && !summary.suspended => {
            all.push(condition(RECONCILING, Truth::True, because));
        }
        Some(because) if because.progress == Progress::Stuck => all.push(condition(STALLED, Truth::True, because)),
        _ => {}
    }
    for condition in &mut all {
        condition.observed_generation = generation;
        condition.last_transition_time = old
            .iter()
            .find(|o| o.type_ == condition.type_ && o.status == condition.status)
            .map_or_else(|| time(now), |o| o.last_transition_time.clone());
    }
    all
}

fn condition(kind: &str, status: Truth, because: &Because) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.as_str().to_owned(),
        reason: because.reason.as_str().to_owned(),
        message: because.message.clone(),
        observed_generation: None,
        last_transition_time: time(Timestamp::UNIX_EPOCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: Option<i64> = Some(3);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn summary(ready: Reason, synced: Reason) -> Summary {
        Summary {
            ready: Because::new(ready, "ready"),
            synced: Because::new(synced, "synced"),
            held: None,
            suspended: false,
            has_machine: true,
        }
    }

    fn find<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
        all.iter().find(|condition| condition.type_ == kind)
    }

    /// Type, status and reason of each, in order.
    fn brief(all: &[Condition]) -> Vec<(&str, &str, &str)> {
        all.iter().map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str())).collect()
    }

    #[test]
    fn a_machine_that_is_as_it_should_be_has_two_conditions() {
        let all = conditions(&summary(Reason::Running, Reason::Synced), GENERATION, &[], at(100));
        assert_eq!(brief(&all), [("Ready", "True", "Running"), ("Synced", "True", "Synced")]);
        assert!(all.iter().all(|c| c.observed_generation == GENERATION && c.last_transition_time == time(at(100))));
        assert_eq!(find(&all, READY).map(|c| c.message.as_str()), Some("ready"));
    }

    #[test]
    fn a_transition_time_is_kept_while_the_status_is_the_same() {
        let first = conditions(&summary(Reason::Starting, Reason::Synced), GENERATION, &[], at(100));
        let second = conditions(&summary(Reason::WaitingForAddress, Reason::Drifted), Some(4), &first, at(200));
        let times = |kind| find(&second, kind).map(|c| c.last_transition_time.0);
        assert_eq!(times(READY), Some(at(100)), "False before and after, for another reason");
        assert_eq!(times(SYNCED), Some(at(200)), "True before, False after");
        assert_eq!(times(RECONCILING), Some(at(100)), "True before and after");
        assert!(second.iter().all(|c| c.observed_generation == Some(4)));
    }

    #[test]
    fn a_condition_that_comes_back_is_a_transition() {
        let working = conditions(&summary(Reason::Starting, Reason::Synced), GENERATION, &[], at(100));
        let settled = conditions(&summary(Reason::Running, Reason::Synced), GENERATION, &working, at(200));
        let again = conditions(&summary(Reason::Stopping, Reason::Synced), GENERATION, &settled, at(300));
        assert_eq!(find(&settled, RECONCILING), None);
        assert_eq!(find(&again, RECONCILING).map(|c| c.last_transition_time.0), Some(at(300)));
    }

    #[test]
    fn the_same_again_is_equal() {
        let summary = summary(Reason::PendingStop, Reason::PendingStop);
        let first = conditions(&summary, GENERATION, &[], at(100));
        assert_eq!(conditions(&summary, GENERATION, &first, at(900)), first);
    }

    #[test]
    fn what_only_a_person_can_mend_comes_before_what_goes_on_by_itself() {
        let all = conditions(&summary(Reason::Starting, Reason::UpdateRejected), GENERATION, &[], at(1));
        assert_eq!(brief(&all)[2..], [("Stalled", "True", "UpdateRejected")]);
        assert_eq!(find(&all, STALLED).map(|c| c.message.as_str()), Some("synced"));
    }

    #[test]
    fn of_two_that_weigh_the_same_the_hold_speaks_then_ready() {
        let both = summary(Reason::CreateRejected, Reason::CreateRejected);
        assert_eq!(find(&conditions(&both, GENERATION, &[], at(1)), STALLED).map(|c| c.message.as_str()), Some("ready"));
        let held = Summary { held: Some(Because::new(Reason::DeletionProtected, "held")), ..both };
        let all = conditions(&held, GENERATION, &[], at(1));
        assert_eq!(find(&all, STALLED).map(|c| (c.reason.as_str(), c.message.as_str())), Some(("DeletionProtected", "held")));
        assert_eq!(find(&all, READY).map(|c| c.reason.as_str()), Some("CreateRejected"), "a hold changes nothing of the machine");
    }

    #[test]
    fn a_reason_can_become_stuck_with_time() {
        let mut late = summary(Reason::CredentialsMissing, Reason::CredentialsMissing);
        assert!(find(&conditions(&late, GENERATION, &[], at(1)), RECONCILING).is_some());
        late.ready = late.ready.stuck();
        let all = conditions(&late, GENERATION, &[], at(2));
        assert_eq!(brief(&all)[2..], [("Stalled", "True", "CredentialsMissing")]);
    }

    #[test]
    fn suspended_changes_neither_ready_nor_synced_and_is_no_work() {
        let suspended = Summary { suspended: true, ..summary(Reason::Running, Reason::Drifted) };
        let all = conditions(&suspended, GENERATION, &[], at(1));
        assert_eq!(brief(&all), [("Ready", "True", "Running"), ("Synced", "False", "Drifted"), ("Suspended", "True", "Suspended")]);
        let stuck = Summary { suspended: true, ..summary(Reason::Running, Reason::Duplicate) };
        assert!(find(&conditions(&stuck, GENERATION, &[], at(1)), STALLED).is_some(), "a person is needed all the same");
    }

    #[test]
    fn never_both_reconciling_and_stalled_and_each_only_when_true() {
        for (ready, synced) in Reason::ALL.iter().flat_map(|ready| Reason::ALL.iter().map(move |synced| (*ready, *synced))) {
            for (suspended, held) in [(false, None), (true, None), (false, Some(Because::new(Reason::DeletionHeld, "held")))] {
                let all = conditions(&Summary { held, suspended, ..summary(ready, synced) }, GENERATION, &[], at(1));
                let marks: Vec<&Condition> = all.iter().filter(|c| [RECONCILING, STALLED].contains(&c.type_.as_str())).collect();
                assert!(marks.len() <= 1 && marks.iter().all(|c| c.status == "True"), "{ready} and {synced}: {marks:?}");
                let kinds: std::collections::BTreeSet<&str> = all.iter().map(|c| c.type_.as_str()).collect();
                assert_eq!(kinds.len(), all.len(), "{ready} and {synced}");
            }
        }
    }
}
