//! One lease of Kubernetes: asks and writes what [`super::election`] decides.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt as _;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;
use tracing::{debug, info, warn};

use super::Lost;
use super::election::{Election, Loss, Next, Record, Timing};
use super::guard::Place;
use crate::controller::Clock;
use crate::crd::FIELD_MANAGER;

/// How long giving back may take, at the very end of a process.
const PARTING: Duration = Duration::from_secs(2);

/// A lease that this operator holds or wants.
pub(super) struct Seat {
    api: Api<Lease>,
    name: String,
    me: String,
    timing: Timing,
    clock: Clock,
    election: Election,
    guard: Place,
    /// Whether it is this process's alone, to be given back.
    own: bool,
    /// As it was last seen.
    lease: Option<Lease>,
    looked: bool,
    /// What was last said about it.
    told: Option<String>,
}

impl Seat {
    /// Asks nothing yet.
    pub(super) fn new(api: Api<Lease>, name: String, me: String, own: bool, timing: Timing, clock: Clock, guard: Place) -> Self {
        let election = Election::new(me.clone(), timing);
        Self { api, name, me, timing, clock, election, guard, own, lease: None, looked: false, told: None }
    }

    /// Tries to get it, and then keeps it, until it is lost.
    pub(super) async fn hold(&mut self) -> Lost {
        loop {
            let now = self.clock.now();
            match self.election.next(&now) {
                Next::Wait(wait) => tokio::time::sleep(wait).await,
                Next::Look => self.look().await,
                Next::Write => self.write().await,
                Next::Lost(loss) => {
                    self.guard.tell(None);
                    let why = match loss {
                        Loss::Late => format!("it was not renewed within {}", humantime::format_duration(self.timing.deadline)),
                        Loss::Taken(holder) => format!("{holder} has taken it"),
                    };
                    return Lost { lease: self.name.clone(), why };
                }
            }
            self.guard.tell(self.election.since());
            self.say();
        }
    }

    /// Gives it back, so that nobody has to wait for its end.
    pub(super) async fn give_back(&mut self) {
        self.guard.tell(None);
        if !self.own || self.election.since().is_none() {
            return;
        }
        let given = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(&self.me) {
                spec.holder_identity = None;
                self.api.replace(&self.name, &params(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        match tokio::time::timeout(PARTING, given).await {
            Ok(Ok(())) => debug!(lease = self.name, "given back"),
            Ok(Err(error)) => debug!(lease = self.name, %error, "not given back: it expires"),
            Err(_) => debug!(lease = self.name, "not given back in time: it expires"),
        }
    }

    async fn look(&mut self) {
        let asked = self.clock.now();
        match self.within(self.api.get_opt(&self.name)).await {
            Ok(lease) => {
                self.election.saw(asked, &self.clock.now(), lease.as_ref().map(|lease| record(lease, self.timing.duration)));
                (self.lease, self.looked) = (lease, true);
            }
            Err(error) => self.trouble("it cannot be read", &error),
        }
    }

    async fn write(&mut self) {
        let lease = self.written();
        let sent = self.clock.now();
        let written = if lease.metadata.resource_version.is_some() {
            self.within(self.api.replace(&self.name, &params(), &lease)).await
        } else {
            self.within(self.api.create(&params(), &lease)).await
        };
        match written {
            Ok(lease) => {
                self.election.wrote(sent, &self.clock.now(), lease.resource_version().unwrap_or_default());
                self.lease = Some(lease);
            }
            // Somebody else wrote it, made it or removed it meanwhile.
            Err(Trouble::Kubernetes(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => self.election.conflicted(),
            Err(error) => self.trouble("it cannot be written", &error),
        }
    }

    /// The lease with this identity, over what was seen last.
    fn written(&self) -> Lease {
        let now = MicroTime(self.clock.now().wall);
        let mut lease = self.lease.clone().unwrap_or_default();
        if self.lease.is_none() {
            lease.metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        }
        lease.metadata.managed_fields = None;
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.me) {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |before| before.saturating_add(1)));
        }
        spec.holder_identity = Some(self.me.clone());
        spec.lease_duration_seconds = Some(i32::try_from(self.timing.duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX));
        spec.renew_time = Some(now);
        lease
    }

    /// One call, not for longer than the lease is held, and so long that two fit in.
    async fn within<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
        let limit = self.timing.deadline / 3;
        let limit = self.election.rest(&self.clock.now()).map_or(limit, |rest| rest.min(limit));
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(Trouble::Kubernetes),
            Err(_) => Err(Trouble::Slow(limit)),
        }
    }

    fn trouble(&mut self, what: &'static str, error: &Trouble) {
        warn!(lease = self.name, %error, "{what}; trying again");
        self.election.failed(&self.clock.now());
    }

    /// Says who has it, when that is news.
    fn say(&mut self) {
        let news = match (self.election.since(), self.election.holder()) {
            (Some(_), _) => "held".to_owned(),
            (None, None) => "waiting: it is not there yet".to_owned(),
            (None, Some(holder)) if holder != self.me => format!("waiting: it is held by {holder:?}"),
            (None, Some(_)) => return,
        };
        if self.looked && self.told.as_ref() != Some(&news) {
            info!(lease = self.name, identity = self.me, "{news}");
            self.told = Some(news);
        }
    }
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Kubernetes(kube::Error),
    #[error("no answer within {0:?}")]
    Slow(Duration),
}

fn record(lease: &Lease, duration: Duration) -> Record {
    let spec = lease.spec.as_ref();
    let says = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        holder: spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
        duration: says.map_or(duration, Duration::from_secs),
        version: lease.resource_version().unwrap_or_default(),
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}
