//! One run: a fleet of one size, observed in one way, from its first resource to the operator's restart.

use super::creation;
use super::figures::{Creation, Figures, Observe};
use super::settings::{self, Settings};
use super::world::{World, say};
use super::{idle, latency, restart};

/// A larger fleet is made once: most of a run's time goes into that, and most of it is the API server's.
const MADE_FOR_EACH: usize = 3000;

/// A fleet of this size, observed in each of these ways.
pub(crate) fn runs(settings: &Settings, size: usize, modes: &[Observe], mut done: impl FnMut(Figures)) {
    let mut world: Option<World> = None;
    for &observe in modes {
        say(&format!("{size} resources, {observe:?}"));
        let before = world.take().filter(|_| size > MADE_FOR_EACH);
        let (mut now, creation) = if let Some(mut world) = before {
            world.observe_by(observe);
            (world, None)
        } else {
            let mut world = World::new(size, observe);
            let creation = creation::measure(&mut world);
            (world, Some(creation))
        };
        done(run(&mut now, settings, creation));
        now.operator.stop();
        assert!(!now.operator.log().contains("panicked at"), "the operator panicked");
        if size <= MADE_FOR_EACH {
            now.plane.stop();
        }
        world = Some(now);
    }
}

fn run(world: &mut World, settings: &Settings, creation: Option<Creation>) -> Figures {
    let (size, (time_scale, transition)) = (world.size, settings::pace(world.size));
    Figures {
        size,
        observe: world.observe,
        rate: settings::rate(size),
        time_scale,
        transition_milliseconds: transition.as_millis(),
        poll_seconds: settings::POLL.as_secs(),
        creation,
        idle: idle::measure(world, settings),
        spec_change: latency::of_spec_changes(world),
        cloud_change: latency::of_cloud_changes(world),
        restart: restart::measure(world),
    }
}
