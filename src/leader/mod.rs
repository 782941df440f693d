//! Who of several operators may act: leases in Kubernetes.
//!
//! An operator that runs for office holds two leases while it works, and ends with either:
//!
//! - `paperspace-operator-shards`, whose holder is a *number of shards*. All operators with that number hold it together, and renew it in
//!   turns. While the number is being changed, operators of both numbers run, and either could claim a resource: those of the new number
//!   stand by until none of the old one can act any more.
//! - One for each shard (`paperspace-operator-0-of-3`; `paperspace-operator` where there are no shards), whose holder is one process.
//!
//! [`election`] decides, `lease` asks and writes, [`guard`] keeps a process that comes too late from acting. A lease is no fence for
//! Paperspace: a request that was sent before it was lost may arrive after. That never makes a second machine, because the creation
//! protocol (see [`crate::lifecycle`]) asks nothing of leases.
//!
//! Of the crates for this, those for this version of kube force an expired lease away without a version, so that two that see it expire may
//! both win, or do not tell their holder that renewals fail.

pub mod election;
pub mod guard;
mod lease;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod tests;

use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use crate::controller::Clock;
use crate::shard::Shard;
use election::Timing;
use guard::Guard;
use lease::Seat;

/// What all leases of this operator begin with.
const NAME: &str = "paperspace-operator";

/// An operator that runs for its two leases.
pub struct Campaign {
    seats: [Seat; 2],
    guard: Guard,
}

/// Why it may not act any more.
#[derive(Debug, thiserror::Error)]
#[error("the lease {lease} is lost: {why}; another process may serve what this one did")]
pub struct Lost {
    lease: String,
    why: String,
}

impl Campaign {
    /// Asks nothing yet. The client should be nobody else's: one that waits, or is guarded, cannot renew in time.
    pub fn new(client: &Client, namespace: &str, shard: Option<Shard>, timing: Timing, clock: &Clock) -> Self {
        let guard = Guard::closed(clock.clone(), timing.deadline, 2);
        let count = shard.map_or(1, |shard| shard.count().get());
        let own = shard.map_or(NAME.to_owned(), |shard| format!("{NAME}-{}-of-{}", shard.index(), shard.count()));
        let seat = |place, name, me, own| {
            let leases = Api::namespaced(client.clone(), namespace);
            Seat::new(leases, name, me, own, timing, clock.clone(), guard.place(place))
        };
        let shards = if count == 1 { "1 shard".to_owned() } else { format!("{count} shards") };
        // The first is others' too: it is not this one's to give back.
        let seats = [seat(0, format!("{NAME}-shards"), shards, false), seat(1, own, identity(), true)];
        Self { seats, guard }
    }

    /// Says whether this operator may act.
    pub fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// Runs, and when both are won holds them, until they are given back or one is lost. They are to be given back after the work has ended.
    pub async fn run(mut self, give_back: CancellationToken) -> Result<(), Lost> {
        let [shards, own] = &mut self.seats;
        let lost = async {
            tokio::select! {
                lost = shards.hold() => lost,
                lost = own.hold() => lost,
            }
        };
        if let Some(lost) = give_back.run_until_cancelled(lost).await {
            return Err(lost);
        }
        for seat in &mut self.seats {
            seat.give_back().await;
        }
        Ok(())
    }
}

/// A name that no other process has, also not one of the same pod.
fn identity() -> String {
    let pod = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| NAME.to_owned());
    format!("{pod}_{:016x}", rand::random::<u64>())
}
