//! Counts what the accounts have that no resource has, for the metrics. Only an operator that watches all namespaces can know.
//!
//! Machines are those of the account's shared list, at no extra call. Startup scripts and addresses are listed once an hour, and are what they
//! were then: a script that goes with its resource before the next list must not look left over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::reconcile::Watched;
use super::watch::Listed;
use crate::fleet::{Account, Belongings};
use crate::lifecycle::orphans::{self, Kind, Living, Orphan};
use crate::metrics::{NoLabel, OrphanLabel};

/// How often it is asked what is due. The first look comes this long after the start: there is more to do then.
const TICK: Duration = Duration::from_mins(5);
/// How often an account's scripts and addresses are listed.
const HOUR: Duration = Duration::from_hours(1);

/// What no resource has, as far as it is known.
pub(super) struct Orphans {
    context: Arc<Context>,
    /// Set once everything was listed.
    resources: OnceLock<Store<Watched>>,
    /// By team: when its scripts and addresses were last asked for, and what was found.
    looks: Mutex<HashMap<String, Look>>,
}

struct Look {
    asked: Duration,
    found: Option<Vec<Orphan>>,
}

impl Orphans {
    /// Nothing is known yet.
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, resources: OnceLock::new(), looks: Mutex::default() }
    }

    /// Looks until stopped. To be called only where all namespaces are watched.
    pub(super) async fn look(self: Arc<Self>, stores: Arc<Mutex<Vec<Store<Watched>>>>, listed: Listed, stop: CancellationToken) {
        if stop.run_until_cancelled(listed.wait()).await.is_none() {
            return;
        }
        let Some(store) = stores.lock().unwrap_or_else(PoisonError::into_inner).first().cloned() else { return };
        let _ = self.resources.set(store);
        while stop.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
            for account in self.context.keys.all_accounts() {
                if self.is_due(&account.team) && stop.run_until_cancelled(self.look_at(&account)).await.is_none() {
                    return;
                }
            }
        }
    }

    fn is_due(&self, team: &str) -> bool {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.get(team).is_none_or(|look| self.context.clock.mono().saturating_sub(look.asked) >= HOUR)
    }

    async fn look_at(&self, account: &Account) {
        let asked = self.context.clock.mono();
        let (Some(mut living), Some(snapshot)) = (self.living(), account.polled()) else { return };
        let Some(read) = account.belongings().await else { return };
        let found = match read {
            // Resources come before what they make and go after it: who was there before or after the lists may have made what they show.
            Ok(Belongings { scripts, addresses }) => self.living().map(|after| {
                living.extend(after);
                let mut found = orphans::scripts(&scripts.items, &living, None);
                found.extend(orphans::addresses(&addresses.items, snapshot.machines(), &living));
                found
            }),
            Err(error) => {
                tracing::debug!(team = account.team, %error, "scripts and addresses could not be listed");
                None
            }
        };
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).insert(account.team.clone(), Look { asked, found });
    }

    /// The resources of all namespaces; nothing where one cannot be read or not all are known.
    fn living(&self) -> Option<Living> {
        let mut living = Living::default();
        for resource in self.resources.get()?.state() {
            let DeserializeGuard(Ok(object)) = resource.as_ref() else { return None };
            living.add(object);
        }
        Some(living)
    }

    /// Brings the gauges up to date, and takes back those that are not known.
    pub(super) fn count(&self) {
        let accounts: Vec<Arc<Account>> = self.context.keys.all_accounts().into_iter().filter(|a| a.counts().1 > 0).collect();
        // The lists first: the resource of a machine that is in one is there already.
        let lists: Option<Vec<_>> = accounts.iter().map(|account| account.polled()).collect();
        let living = self.living().filter(|_| !accounts.is_empty());
        let machines = lists.zip(living.as_ref()).map(|(lists, living)| {
            let all = lists.iter().map(|list| orphans::machines(list.machines(), living, None));
            all.collect::<Vec<_>>().concat()
        });
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let others: Option<Vec<_>> = accounts.iter().map(|account| looks.get(&account.team)?.found.clone()).collect();
        let others = others.filter(|_| living.is_some()).map(|all| all.concat());
        let metrics = &self.context.metrics;
        for (kind, known) in [(Kind::Machine, &machines), (Kind::Script, &others), (Kind::Address, &others)] {
            let label = OrphanLabel { kind: kind.as_str() };
            if let Some(known) = known {
                let count = known.iter().filter(|orphan| orphan.kind == kind).count();
                metrics.orphans.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
            } else {
                metrics.orphans.remove(&label);
            }
        }
        if let Some(machines) = &machines {
            metrics.orphan_hourly_usd.get_or_create(&NoLabel {}).set(orphans::hourly_rates(machines).0);
        } else {
            metrics.orphan_hourly_usd.clear();
        }
    }
}
