//! Runs stateright over a world.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::calm::Calm;
use super::moves::{Move, Moves};
use super::rules::Bounds;
use super::world::{Fault, World, Wrong};

/// The model: the moves, and who is known to end well.
pub(super) struct Lifecycle {
    pub(super) moves: Moves,
    pub(super) calm: Calm,
}

impl Lifecycle {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { moves: Moves::new(bounds), calm: Calm::default() }
    }
}

/// S1.
pub(super) const TWICE: &str = "S1 there are never two machines for one resource";
/// S2.
pub(super) const LEAK: &str = "S2 no machine is left once its resource is gone";
/// S3.
pub(super) const DESTROYED: &str = "S3 nothing is destroyed that was not asked for";
/// L1.
pub(super) const STAYS: &str = "L1 a resource that stays can get its machine";
/// L2.
pub(super) const GOES: &str = "L2 a resource that is deleted can go";
/// So that what holds is not said of nothing.
const LIVES: &str = "the resource has its machine";
const GONE: &str = "the resource and its machine are gone";
/// Whoever waits says for how long.
pub(super) const WAKES: &str = "L3 nobody sleeps for ever";

impl Model for Lifecycle {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![self.moves.start()]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        self.moves.possible(world, moves);
    }

    fn next_state(&self, world: &World, happens: Move) -> Option<World> {
        self.moves.made(world, happens)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes(LIVES, |m: &Self, w: &World| w.made_for(w.uid) == 1 && w.object.is_some() && m.moves.is_bound(w)),
            Property::sometimes(GONE, |m: &Self, w: &World| w.object.is_none() && w.left != m.moves.bounds.faults),
            Property::always(TWICE, |_, w: &World| (0..=w.uid).all(|uid| w.made_for(uid) <= 1)),
            Property::always(LEAK, |_, w: &World| (0..=w.uid).all(|uid| w.made_for(uid) == 0 || w.object.is_some_and(|o| o.uid == uid))),
            Property::always(DESTROYED, |_, w: &World| w.wrong != Some(Wrong::Destroyed)),
            Property::always(WAKES, |_, w: &World| w.wrong != Some(Wrong::SleepsForEver)),
            Property::always(STAYS, |m: &Self, w: &World| w.object.is_none_or(|o| o.deleting) || m.calm.ends_well(&m.moves, w)),
            Property::always(GOES, |m: &Self, w: &World| w.object.is_none_or(|o| !o.deleting) || m.calm.ends_well(&m.moves, w)),
        ]
    }
}

/// What was violated, and how it came to that.
pub(super) struct Found {
    pub(super) property: &'static str,
    pub(super) path: Vec<Move>,
    pub(super) story: String,
}

/// Explores everything, until something is violated.
pub(super) fn explore(bounds: Bounds) -> Option<Found> {
    let began = Instant::now();
    let checker = Lifecycle::new(bounds).checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    let (lives, gone) = (discoveries.remove(LIVES), discoveries.remove(GONE));
    let found = discoveries.into_iter().min_by_key(|(_, path)| path.clone().into_actions().len());
    let deleted = bounds.has(Fault::Delete);
    assert!(found.is_some() || (lives.is_some() && gone.is_some() == deleted), "{}: nothing happens in this world", bounds.name);
    let moves = &checker.model().moves;
    let found = found.map(|(property, path)| {
        let path = path.into_actions();
        Found { property, story: story(moves, &path), path }
    });
    let (memories, statuses) = moves.store.sizes();
    println!(
        "{}{}: {} states, {} moves, depth {}, {} decisions, {memories} memories, {statuses} statuses, {:.1} s{}",
        bounds.name,
        bounds.without.map_or(String::new(), |w| format!(" without {w:?}")),
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        moves.decisions(),
        began.elapsed().as_secs_f64(),
        found.as_ref().map_or(String::new(), |f| format!(", violated in {} moves: {}", f.path.len(), f.property)),
    );
    found
}

/// A path, and what would follow if nothing went wrong any more.
fn story(moves: &Moves, path: &[Move]) -> String {
    let mut world = moves.start();
    let mut told = String::new();
    for happens in path {
        world = moves.made(&world, *happens).unwrap();
        told += &format!("{happens:?}\n    {}\n", moves.tell(&world));
    }
    told += "then, in peace:\n";
    for _ in 0..40 {
        let Some((happens, next)) = super::calm::next(moves, &world) else { break };
        world = next;
        told += &format!("{happens:?}\n    {}\n", moves.tell(&world));
    }
    told
}

/// Nothing is violated in this world.
pub(super) fn holds(bounds: Bounds) {
    if let Some(found) = explore(bounds) {
        panic!("{}: {}\n{}", bounds.name, found.property, found.story);
    }
}
