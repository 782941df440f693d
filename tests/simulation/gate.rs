//! The order in which things happen, decided by the seed alone.
//!
//! Everything that reaches Kubernetes or Paperspace passes here. What comes in the same millisecond is put into an order of its own content,
//! because the order in which the runtime and kube-runtime's hash maps bring it is chance; and every effect and every reply has a
//! millisecond to itself, so that nothing that follows from one can race with what follows from another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Longest way of a request or a reply, in milliseconds.
const LONGEST_WAY: u64 = 20;

/// The times of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// How many calls there were before.
    pub(crate) number: u64,
    /// When it takes effect.
    pub(crate) effect: Instant,
    /// When its reply is there.
    pub(crate) reply: Instant,
}

/// The one way in.
#[derive(Debug)]
pub(crate) struct Gate {
    seed: u64,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The millisecond of those that have arrived and have no place yet.
    tick: u64,
    arrived: Vec<(String, u64)>,
    placed: BTreeMap<u64, Slot>,
    used: BTreeSet<u64>,
    tickets: u64,
    served: u64,
}

impl Gate {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, started: Instant::now(), state: Mutex::default() }
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The place of a call among all others. `content` is what it says: calls of the same millisecond are put in its order.
    pub(crate) async fn enter(&self, content: String) -> Slot {
        let tick = self.now();
        let ticket = {
            let mut state = self.state();
            self.place(&mut state, tick);
            state.tickets += 1;
            let ticket = state.tickets;
            state.arrived.push((content, ticket));
            ticket
        };
        sleep_until(self.at(tick + 1)).await;
        let mut state = self.state();
        self.place(&mut state, tick + 1);
        state.placed.remove(&ticket).expect("a place for each ticket")
    }

    /// How many calls have been given a place.
    pub(crate) fn served(&self) -> u64 {
        self.state().served
    }

    /// A millisecond of one's own, about this far ahead.
    pub(crate) async fn moment(&self, ahead: Duration) {
        let tick = self.now() + u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX);
        let own = free(&mut self.state().used, tick + 1);
        sleep_until(self.at(own)).await;
    }

    /// Gives places to those who arrived before `tick`.
    fn place(&self, state: &mut State, tick: u64) {
        if state.tick < tick {
            let mut arrived = std::mem::take(&mut state.arrived);
            arrived.sort();
            for (_, ticket) in arrived {
                let number = state.served;
                state.served += 1;
                let way = |salt| 1 + mix(self.seed, number, salt) % LONGEST_WAY;
                let effect = free(&mut state.used, state.tick + 1 + way(1));
                let reply = free(&mut state.used, effect + way(2));
                state.placed.insert(ticket, Slot { number, effect: self.at(effect), reply: self.at(reply) });
            }
            state.tick = tick;
            state.used = state.used.split_off(&tick);
        }
    }

    fn at(&self, tick: u64) -> Instant {
        self.started + Duration::from_millis(tick)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first free millisecond from this one on, taken.
fn free(used: &mut BTreeSet<u64>, from: u64) -> u64 {
    let mut own = from;
    while !used.insert(own) {
        own += 1;
    }
    own
}

/// A number that three numbers decide (`SplitMix64`).
pub(crate) fn mix(seed: u64, number: u64, salt: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number.wrapping_mul(0xD134_2543_DE82_EF95)).wrapping_add(salt << 17);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
