//! Runs stateright over a world.

use std::collections::BTreeMap;
use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::calm::{self, Calm};
use super::moves::{Move, Moves};
use super::rules::{Bounds, Without};
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

    fn ends_well(&self, world: &World) -> bool {
        self.calm.ends_well(&self.moves, world)
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

/// The model in the checker's hands, which keeps it for itself.
struct Shared(Arc<Lifecycle>);

impl Model for Shared {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![self.0.moves.start()]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        self.0.moves.possible(world, moves);
    }

    fn next_state(&self, world: &World, happens: Move) -> Option<World> {
        self.0.moves.made(world, happens)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes(LIVES, |_, w: &World| w.made_for(w.uid) == 1 && w.is_bound()),
            Property::sometimes(GONE, |m: &Self, w: &World| w.object.is_none() && w.left != m.0.moves.bounds.faults),
            Property::always(TWICE, |_, w: &World| (0..=w.uid).all(|uid| w.made_for(uid) <= 1)),
            Property::always(LEAK, |m: &Self, w: &World| {
                m.0.moves.bounds.retain || (0..=w.uid).all(|uid| w.made_for(uid) == 0 || w.object.is_some_and(|o| o.uid == uid))
            }),
            Property::always(DESTROYED, |_, w: &World| w.wrong != Some(Wrong::Destroyed)),
            Property::always(WAKES, |_, w: &World| w.wrong != Some(Wrong::SleepsForEver)),
            Property::always(STAYS, |m: &Self, w: &World| w.object.is_none_or(|o| o.deleting) || m.0.ends_well(w)),
            Property::always(GOES, |m: &Self, w: &World| w.object.is_none_or(|o| !o.deleting) || m.0.ends_well(w)),
        ]
    }
}

/// What a run came to.
pub(super) struct Explored {
    /// What was violated, and how.
    pub(super) violated: BTreeMap<&'static str, Vec<Move>>,
    checker: Arc<Lifecycle>,
}

impl Explored {
    /// How something came to be violated, and what would follow if nothing went wrong any more.
    pub(super) fn story(&self, property: &str) -> String {
        let moves = &self.checker.moves;
        let mut world = moves.start();
        let mut told = vec![moves.tell(&world)];
        let mut tell = |happens: Move, world: &World| told.push(format!("{happens:?}\n    {}", moves.tell(world)));
        for happens in &self.violated[property] {
            world = moves.made(&world, *happens).unwrap();
            tell(*happens, &world);
        }
        for _ in 0..40 {
            let Some((happens, next)) = calm::next(moves, &world) else { break };
            world = next;
            tell(happens, &world);
        }
        told.join("\n")
    }
}

/// Explores until all of these are violated, or everything; with none given, until anything is.
pub(super) fn explore(bounds: Bounds, until: &[&'static str]) -> Explored {
    let until = if until.is_empty() { HasDiscoveries::AnyFailures } else { HasDiscoveries::AllOf(until.iter().copied().collect()) };
    let model = Arc::new(Lifecycle::new(bounds));
    let checker = Shared(model.clone()).checker().threads(2).finish_when(until).spawn_bfs().join();
    let mut violated: BTreeMap<&str, Vec<Move>> = checker.discoveries().into_iter().map(|(p, path)| (p, path.into_actions())).collect();
    let (lives, gone) = (violated.remove(LIVES), violated.remove(GONE));
    let moves = &model.moves;
    let (memories, statuses) = moves.store.sizes();
    let faults = bounds.told_faults();
    let without = bounds.without.map_or(String::new(), |w| format!(" without {w:?}"));
    let said: Vec<String> = violated.iter().map(|(p, path)| format!("{} after {} moves", &p[..2], path.len())).collect();
    println!(
        "{}{faults}{without}: {} states, {} moves, depth {}, {} decisions, {memories} memories, {statuses} statuses. {}",
        bounds.name,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        moves.decisions(),
        if violated.is_empty() { "All holds".to_owned() } else { format!("Violated: {}", said.join(", ")) },
    );
    let happened = lives.is_some() && gone.is_some() == bounds.has(Fault::Delete);
    assert!(!violated.is_empty() || happened, "{}: nothing happens in this world", bounds.name);
    Explored { violated, checker: model }
}

/// Nothing is violated in this world.
pub(super) fn holds(bounds: Bounds) {
    let explored = explore(bounds, &[]);
    if let Some(property) = explored.violated.keys().next() {
        panic!("{}: {property}\n{}", bounds.name, explored.story(property));
    }
}

/// Without the rule just these are violated, each for itself.
pub(super) fn breaks(world: Bounds, rule: Without, properties: &[&'static str]) {
    let explored = explore(world.without(rule), properties);
    for property in properties {
        assert!(explored.violated.contains_key(property), "{}: without {rule:?} this still holds: {property}", world.name);
        if std::env::var_os("MODEL_STORY").is_some() {
            println!("{property}\n{}", explored.story(property));
        }
    }
}
