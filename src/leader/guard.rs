//! Keeps an operator whose leases may have expired from changing anything.
//!
//! Losing a lease ends the process, but a process that was frozen goes on in the middle of whatever it did. So each change, on Paperspace
//! and in Kubernetes, asks here as the last thing before it is sent.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request as HttpRequest};
use kube::client::{Body, ClientBuilder};
use tokio::sync::watch;
use tower::filter::FilterLayer;

use crate::controller::Clock;
use crate::lifecycle::observe::Moment;
use crate::paperspace::Transport;
use crate::paperspace::transport::Gate;

/// Whether this process may act. Cheap to ask.
#[derive(Clone)]
pub struct Guard {
    clock: Clock,
    deadline: Duration,
    /// When each lease was last confirmed.
    confirmed: Arc<watch::Sender<Vec<Option<Moment>>>>,
}

/// Where the confirmations of one lease are told.
pub(super) struct Place {
    index: usize,
    confirmed: Arc<watch::Sender<Vec<Option<Moment>>>>,
}

/// A change that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("not sent: this process's lease has expired")]
pub struct Refused;

impl Guard {
    /// Of so many leases, none of which is held.
    pub(super) fn closed(clock: Clock, deadline: Duration, leases: usize) -> Self {
        Self { clock, deadline, confirmed: Arc::new(watch::Sender::new(vec![None; leases])) }
    }

    pub(super) fn place(&self, index: usize) -> Place {
        Place { index, confirmed: self.confirmed.clone() }
    }

    /// Whether all leases are held.
    pub fn may_act(&self) -> bool {
        self.all_held(&self.confirmed.borrow())
    }

    /// Waits until all leases are held.
    pub async fn opens(&self) {
        // What is told must not be asked for again while it is looked at: with somebody waiting to tell more, neither would go on. Fails only
        // without a sender, and this is one.
        let _ = self.confirmed.subscribe().wait_for(|confirmed| self.all_held(confirmed)).await;
    }

    /// By both clocks: a monotonic one stands still while a machine is suspended.
    fn all_held(&self, confirmed: &[Option<Moment>]) -> bool {
        let now = self.clock.now();
        confirmed.iter().all(|since| since.is_some_and(|since| now.at_most_since(&since) < self.deadline))
    }

    /// The same transport, through which nothing is changed without a lease. What is not sent is certainly not done.
    pub fn transport(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        let guard = self.clone();
        Gate::before(inner, move || if guard.may_act() { Ok(()) } else { Err(Refused.to_string()) })
    }

    /// A Kubernetes client through which nothing is changed without a lease.
    pub fn kubernetes(&self, config: kube::Config) -> kube::Result<kube::Client> {
        let guard = self.clone();
        let pass = move |request: HttpRequest<Body>| {
            if request.method() == Method::GET || guard.may_act() { Ok(request) } else { Err(Refused) }
        };
        Ok(ClientBuilder::try_from(config)?.with_layer(&FilterLayer::new(pass)).build())
    }
}

impl Place {
    pub(super) fn tell(&self, since: Option<Moment>) {
        self.confirmed.send_if_modified(|all| {
            let changed = all[self.index] != since;
            all[self.index] = since;
            changed
        });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use futures::future::{BoxFuture, FutureExt as _};
    use reqwest::Request;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::paperspace::transport::{Failure, Reply};

    const DEADLINE: Duration = Duration::from_secs(10);

    /// Counts what reaches it.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Transport for Counter {
        fn execute(&self, _: Request) -> BoxFuture<'_, Result<Reply, Failure>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            async { Ok(Reply { status: 200, headers: HeaderMap::new(), body: Vec::new() }) }.boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_changed_before_all_leases_are_held_or_after_one_has_expired() {
        let clock = Clock::start();
        let guard = Guard::closed(clock.clone(), DEADLINE, 2);
        let counter = Arc::new(Counter::default());
        let transport = guard.transport(counter.clone());
        let send = async |method: Method| {
            crate::paperspace::install_crypto_provider();
            let request = reqwest::Client::builder().no_proxy().build().unwrap().request(method, "http://127.0.0.1/").build().unwrap();
            transport.execute(request).await
        };
        let refused = |answer: Result<Reply, Failure>| answer.err().map(|failure| failure.maybe_sent);

        guard.place(0).tell(Some(clock.now()));
        assert_eq!(refused(send(Method::POST).await), Some(false), "the second one is another's");
        assert_eq!((refused(send(Method::GET).await), counter.0.load(Ordering::Relaxed)), (None, 1), "to look is allowed");
        guard.place(1).tell(Some(clock.now()));
        guard.opens().await;
        tokio::time::advance(DEADLINE / 2).await;
        guard.place(0).tell(Some(clock.now()));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(refused(send(method).await), None);
        }
        tokio::time::advance(DEADLINE / 2).await;
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(refused(send(method).await), Some(false), "the second one was not renewed");
        }
        assert_eq!(counter.0.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn who_waits_for_a_lease_does_not_stand_in_the_way_of_who_tells_of_it() {
        const TIMES: usize = 50_000;
        let clock = Clock::start();
        let guard = Guard::closed(clock.clone(), Duration::from_hours(1), 1);
        let place = guard.place(0);
        place.tell(Some(clock.now()));
        let (done, all_done) = mpsc::channel();
        let told = done.clone();
        thread::spawn(move || {
            (0..TIMES).for_each(|_| place.tell(Some(clock.now())));
            told.send(()).unwrap();
        });
        thread::spawn(move || {
            (0..TIMES).for_each(|_| futures::executor::block_on(guard.opens()));
            done.send(()).unwrap();
        });
        for _ in 0..2 {
            all_done.recv_timeout(Duration::from_mins(2)).expect("they wait for each other");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_ran_on_while_the_other_stood_still_closes_it() {
        let wall = Arc::new(std::sync::Mutex::new(jiff::Timestamp::UNIX_EPOCH));
        let shown = wall.clone();
        let clock = Clock::with_wall(move || *shown.lock().unwrap());
        let guard = Guard::closed(clock.clone(), DEADLINE, 1);
        guard.place(0).tell(Some(clock.now()));
        assert!(guard.may_act());
        *wall.lock().unwrap() += DEADLINE;
        assert!(!guard.may_act());
    }
}
