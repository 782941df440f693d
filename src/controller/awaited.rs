//! Looks at a machine of which nothing is expected but that it changes: one that shows nothing new makes a pass over its resource superfluous.
//! Where many machines come up, most of the passes would be such.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;

use super::context::{Context, Slot};
use super::gather::Looked;
use super::seen::{Seen, gist};
use crate::crd::PaperspaceMachine;
use crate::fleet::Account;
use crate::lifecycle::step::{Decision, Requeue};
use crate::paperspace::{Client, types::Machine};

/// For how long looks alone are enough where nothing else is waited for.
const A_WHILE: Duration = Duration::from_mins(10);

/// What a pass left to happen to the machine.
pub(super) struct Awaited {
    account: Arc<Account>,
    client: Client,
    /// As that pass saw it.
    machine: Machine,
    /// What of the resource is worth a pass when it changes, after that pass.
    gist: u64,
    every: Duration,
    /// When a pass is due whatever the machine looks like.
    until: Duration,
}

impl Awaited {
    /// After a pass that decided so, and left the resource as this object is.
    pub(super) fn after(context: &Context, object: &PaperspaceMachine, decision: &Decision, looked: Option<Looked>) -> Option<Box<Self>> {
        let Looked { account, client, machine } = looked?;
        let (every, within) = match (decision.requeue, decision.same_for) {
            (Requeue::After(every), Some(within)) => (every, within),
            // Where no list tells of changes, these looks are how they are found.
            (Requeue::After(after), None) => (context.keys.looks_every(&object.uid()?)?, after),
            (Requeue::OnChange, _) => (context.keys.looks_every(&object.uid()?)?, A_WHILE),
        };
        let until = context.clock.mono() + within;
        Some(Box::new(Self { account, client, machine, gist: gist(&object.metadata, object.status.as_ref()), every, until }))
    }

    /// Looks at the machine. When to look again, if it is as it was and nothing else asks for a pass.
    pub(super) async fn look(seen: &Seen, context: &Context, slot: &mut Slot, was_woken: bool) -> Option<Action> {
        let awaited = slot.awaited.take()?;
        let now = context.clock.mono();
        if was_woken || now >= awaited.until || seen.gist() != awaited.gist {
            return None;
        }
        let look = awaited.account.machine(&awaited.client, &awaited.machine.id, now.saturating_sub(awaited.every)).await;
        look.ok()?.machine.filter(|machine| *machine == awaited.machine)?;
        let every = context.keys.looks_every(seen.uid()).into_iter().fold(awaited.every, Duration::min);
        slot.awaited = Some(awaited);
        tracing::trace!("nothing new");
        Some(Action::requeue(every))
    }
}
