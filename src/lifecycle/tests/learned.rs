//! What is learned from what a request came to: outcomes, memory, errors, and the waits that follow.

use super::cloud::{machine, rejected, transport, wall};
use super::world::{NAME, UID, secs};
use crate::lifecycle::backoff;
use crate::lifecycle::memory::{Memory, Reply};
use crate::lifecycle::observe::Moment;
use crate::lifecycle::step::{Outcome, Step, StepKind};
use crate::paperspace::Error;

#[test]
fn an_outcome_tells_what_a_reply_means() {
    let delete = Step::Delete { id: "ps".to_owned() };
    let release = Step::ReleaseIp { ip: "1.1.1.1".to_owned() };
    let unassign = Step::UnassignScript { script: "s".to_owned(), machine: "m".to_owned() };
    let not_found = || Err(rejected(404, "gone"));
    assert_eq!(Outcome::of_call(&release, not_found()), Outcome::Done);
    assert_eq!(Outcome::of_call(&unassign, not_found()), Outcome::Done);
    assert!(matches!(Outcome::of_call(&delete, not_found()), Outcome::Failed(_)), "it proves nothing of a machine");
    assert_eq!(Outcome::of_call(&release, Ok(Outcome::Done)), Outcome::Done);
    assert!(matches!(Outcome::of_call(&delete, Ok(Outcome::Machine(Box::new(machine("ps", "x"))))), Outcome::Machine(_)));
}

fn moment(t: u64) -> Moment {
    Moment { wall: wall(secs(t)), mono: secs(t) }
}

#[test]
fn memory_learns_what_a_request_proves() {
    let create = Step::Create { attempt: "a1".to_owned(), body: Box::default(), timeout: secs(30) };
    let learned = |outcome: &Outcome| Memory::default().learn(&create, outcome, Some(1), moment(5)).reply.unwrap();
    let made = Box::new(machine("ps", NAME));
    assert_eq!(learned(&Outcome::Machine(made.clone())), ("a1".to_owned(), Reply::Done(made)));
    assert!(matches!(learned(&Outcome::Failed(rejected(400, "no"))).1, Reply::Nothing(_)));
    assert!(matches!(learned(&Outcome::Failed(rejected(409, "?"))).1, Reply::Unclear(_)));
    assert!(matches!(learned(&Outcome::Failed(transport(true))).1, Reply::Unclear(_)));
    assert!(matches!(learned(&Outcome::Failed(transport(false))).1, Reply::Nothing(_)));
    assert!(matches!(learned(&Outcome::Done).1, Reply::Unclear(_)), "a success without a machine");
}

#[test]
fn memory_counts_failures_of_one_generation_and_forgets_them_on_success() {
    let start = Step::Start { id: "ps".to_owned() };
    let failed = Outcome::Failed(rejected(400, "no"));
    let mut memory = Memory::default();
    for t in 1..=3 {
        memory = memory.learn(&start, &failed, Some(1), moment(t));
    }
    assert_eq!(memory.troubles[&StepKind::Start].count, 3);
    memory = memory.learn(&start, &failed, Some(2), moment(4));
    assert_eq!((memory.troubles[&StepKind::Start].count, memory.troubles[&StepKind::Start].at), (1, secs(4)));
    assert!(memory.sent.is_empty());
    memory = memory.learn(&start, &Outcome::Done, Some(2), moment(5)).learn(&start, &Outcome::Done, Some(2), moment(6));
    assert!(memory.troubles.is_empty());
    assert_eq!((memory.sent[&StepKind::Start], memory.mutated), ((2, secs(6)), Some(secs(6))));
    memory = memory.learn(&start, &failed, Some(2), moment(7));
    assert_eq!(memory.sent[&StepKind::Start], (2, secs(6)), "a failure forgets no request");
}

#[test]
fn an_accepted_destruction_is_remembered_by_machine() {
    let delete = Step::Delete { id: "ps1".to_owned() };
    let memory = Memory::default().learn(&delete, &Outcome::Failed(transport(true)), None, moment(1));
    assert!(memory.accepted.is_empty() && memory.mutated.is_some());
    let memory = memory.learn(&delete, &Outcome::Done, None, moment(2));
    assert!(memory.accepted.contains("ps1"));
}

#[test]
fn the_chain_of_own_writes_breaks_at_the_first_strange_version() {
    let wrote = |m: Memory, before: &str, after: &str, finalizer| m.wrote(Some(before), Some(after.to_owned()), finalizer);
    let mut memory = wrote(Memory::default(), "1", "2", false);
    assert_eq!(memory.chain, None, "this process did not add the finalizer");
    memory = wrote(memory, "2", "3", true);
    memory = wrote(memory, "3", "4", false);
    assert_eq!(memory.chain.as_deref(), Some("4"));
    memory = wrote(memory, "5", "6", false);
    assert_eq!(memory.chain, None);
}

#[test]
fn errors_are_told_apart_by_what_they_prove() {
    let table = [
        // status, proves nothing was done, refusal
        (400, true, true),
        (401, true, false),
        (402, true, true),
        (403, true, true),
        (404, true, true),
        (408, false, false),
        (409, false, false),
        (412, true, true),
        (418, false, true),
        (422, true, true),
        (425, false, false),
        (429, true, false),
        (499, false, false),
        (500, false, false),
        (503, false, false),
    ];
    for (status, proves, refusal) in table {
        let error = rejected(status, "?");
        assert_eq!((error.proves_nothing_done(), error.is_refusal()), (proves, refusal), "{status}");
        let Error::Rejected { route, code, message, retry_after, .. } = error else { panic!() };
        let proxy = Error::Rejected { route, status, code, message, retry_after, from_api: false };
        assert!(!proxy.proves_nothing_done() && !proxy.is_refusal() && !proxy.is_not_found(), "a proxy's {status}");
    }
    assert!(transport(false).proves_nothing_done() && !transport(true).proves_nothing_done());
}

#[test]
fn waits_have_their_curves() {
    for (n, failure, refusal, repeat) in [(0, 1, 60, 10), (1, 1, 60, 10), (2, 2, 120, 20), (5, 16, 960, 160), (20, 300, 1800, 300)] {
        let within = |wait: std::time::Duration, base: u64| wait >= secs(base) && wait <= secs(base).mul_f64(1.2);
        assert!(within(backoff::after_failures(n, UID), failure), "{n}");
        assert!(within(backoff::after_refusals(n, UID), refusal), "{n}");
        assert_eq!(backoff::before_repeat(n), secs(repeat), "{n}");
    }
}
