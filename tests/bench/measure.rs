//! One run: a fleet of one size, observed in one way, from its first resource to the operator's restart.

use super::figures::{Figures, Observe};
use super::settings::{self, Settings};
use super::world::{World, say};
use super::{creation, idle, latency, restart};

pub(crate) fn run(settings: &Settings, size: usize, observe: Observe) -> Figures {
    say(&format!("{size} resources, {observe:?}"));
    let mut world = World::new(size, observe);
    let (time_scale, transition) = settings::pace(size);
    let creation = creation::measure(&mut world);
    let idle = idle::measure(&mut world, settings);
    let spec_change = latency::of_spec_changes(&mut world);
    let cloud_change = latency::of_cloud_changes(&mut world);
    let restart = restart::measure(&mut world);
    world.operator.stop();
    assert!(!world.operator.log().contains("panicked at"), "the operator panicked");
    world.plane.stop();
    Figures {
        size,
        observe,
        rate: settings::rate(size),
        time_scale,
        transition_milliseconds: transition.as_millis(),
        poll_seconds: settings::POLL.as_secs(),
        creation,
        idle,
        spec_change,
        cloud_change,
        restart,
    }
}
