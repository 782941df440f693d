//! While nothing is sent for the account: nothing is begun, nothing is concluded, and only those say so who want something.

use std::time::Duration;

use super::cloud::wall;
use super::world::{World, secs};
use crate::crd::PowerState;
use crate::lifecycle::memory::WriteAhead;
use crate::lifecycle::observe::Moment;
use crate::lifecycle::step::{Requeue, Step, StepKind};
use crate::paperspace::budget::Cause;
use crate::paperspace::{Error, Silence};

/// Nothing has been answered for so long; a look is tried in 40 s.
fn silence(lasted: u64) -> Silence {
    let why = "GET /machines: no text (, HTTP 503)".to_owned();
    Silence { cause: Cause::Unavailable, why, lasted: secs(lasted), retry_after: secs(40) }
}

fn silent(world: &mut World, lasted: u64) {
    world.looks.silence = Some(silence(lasted));
    world.looks.down = Some(Error::NotSent { route: "GET /machines", silence: silence(lasted) });
}

fn wait(world: &mut World) -> Duration {
    match world.pass().requeue {
        Requeue::After(after) => after,
        Requeue::OnChange => panic!("on change: {}", world.conditions()),
    }
}

#[test]
fn a_change_is_not_begun_though_its_machine_was_seen() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.looks.silence = Some(silence(60));
    world.forget_log();
    let again = wait(&mut world);
    assert!(again >= secs(40) && again <= secs(48), "{again:?}");
    assert!(world.steps.is_empty() && world.said.is_empty(), "the event is one for the account: {:?}", world.said);
    assert_eq!(
        world.conditions(),
        "Ready=Unknown/PaperspaceUnavailable Synced=Unknown/PaperspaceUnavailable Reconciling=True/PaperspaceUnavailable"
    );
    world.looks.silence = None;
    world.run();
    assert_eq!(world.steps.first(), Some(&StepKind::Stop));
}

#[test]
fn of_a_blip_nothing_is_written_and_of_an_outage_once() {
    let mut world = World::running(|_| ());
    world.edit(|s| s.power_state = PowerState::Stopped);
    world.forget_log();
    for lasted in [0, 5, 9] {
        silent(&mut world, lasted);
        assert!(wait(&mut world) <= secs(40));
        world.sleep(secs(3));
    }
    assert_eq!(world.status_writes, 0);
    for lasted in [31, 60, 3600] {
        silent(&mut world, lasted);
        wait(&mut world);
        world.sleep(secs(60));
    }
    assert_eq!(world.status_writes, 1);
}

#[test]
fn no_attempt_is_written_down_that_would_not_be_sent() {
    let mut world = World::new(|_| ());
    world.step();
    world.looks.silence = Some(silence(60));
    world.forget_log();
    for _ in 0..5 {
        assert!(wait(&mut world) >= secs(1), "it does not go round in circles");
    }
    assert!(world.steps.is_empty() && world.object.status.as_ref().unwrap().creation.is_none(), "{:?}", world.steps);
    world.looks.silence = None;
    world.run();
    assert_eq!(world.cloud.machines.len(), 1);
}

#[test]
fn a_request_that_was_not_sent_is_no_attempt_that_failed() {
    let world = World::running(|_| ());
    let error = Error::NotSent { route: "PATCH /machines/{id}/stop", silence: silence(0) };
    let now = Moment { wall: wall(world.now), mono: world.now };
    let before = world.memory.clone();
    let stop = Step::Stop { id: "ps1".to_owned() };
    let learnt = before.clone().learn(&stop, &crate::lifecycle::step::Outcome::Failed(error.clone()), Some(1), now);
    assert_eq!(learnt, before);
    // But what was written down is known not to have been sent.
    let create = Step::Restart { id: "ps1".to_owned(), operation: "n1".to_owned(), off: false };
    let before = crate::lifecycle::memory::Memory { write_ahead: Some(WriteAhead { id: "n1".to_owned(), sent: now }), ..before };
    let learnt = before.learn(&create, &crate::lifecycle::step::Outcome::Failed(error.clone()), Some(1), now);
    assert_eq!((learnt.write_ahead, learnt.troubles.len()), (None, 0));
    assert_eq!(learnt.reply, Some(("n1".to_owned(), crate::lifecycle::memory::Reply::Nothing(error))));
}

#[test]
fn what_goes_waits_and_lets_nothing_go() {
    let mut world = World::running(|_| ());
    world.delete();
    silent(&mut world, 60);
    for _ in 0..200 {
        world.step();
        world.sleep(secs(60));
    }
    assert!(world.exists && world.cloud.machines.iter().all(|m| m.dt_deleted.is_none()), "no absence was seen");
    assert!(!world.steps.contains(&StepKind::RemoveFinalizer));
}
