//! The operator as a process that can die at any moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser as _;
use jiff::SignedDuration;
use paperspace_operator::args::{Args, Command, RunArgs};
use paperspace_operator::controller::{Clock, Operator, Outside};
use paperspace_operator::server::Readiness;
use secrecy::SecretString;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::gate::mix;
use super::wire::Wire;
use super::world::{KEY, World};

/// How long nothing runs after a death.
const DOWN: Duration = Duration::from_secs(2);

/// One life of an operator.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    /// Which life it is.
    pub(crate) number: u64,
    dead: AtomicBool,
    task: Mutex<Option<AbortHandle>>,
    died: tokio::sync::Notify,
}

impl Process {
    /// `kill -9`: from now on nothing leaves it, and nobody waits for its replies.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::Release);
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        self.died.notify_one();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }
}

/// The flags of every operator here: those of production.
pub(crate) fn flags(more: &[&str]) -> RunArgs {
    let flags = ["paperspace-operator", "run", "--api-url", "http://127.0.0.1:1/v1"];
    // A run has hours in which more machines go than in life.
    let limit: &[&str] = if more.contains(&"--max-destroys-per-hour") { &[] } else { &["--max-destroys-per-hour", "unlimited"] };
    let Command::Run(args) = Args::parse_from(flags.iter().chain(limit).chain(more)).command else { panic!("the flags of run") };
    *args
}

/// Starts an operator now.
pub(crate) fn start(world: &Arc<World>, number: u64) -> Arc<Process> {
    start_measured(world, number).0
}

/// The same, and what `/metrics` would show.
pub(crate) fn start_measured(world: &Arc<World>, number: u64) -> (Arc<Process>, impl Fn() -> String + use<>) {
    let process = Arc::new(Process {
        name: format!("operator {number}"),
        number,
        dead: AtomicBool::default(),
        task: Mutex::default(),
        died: tokio::sync::Notify::new(),
    });
    let seed = world.seed;
    // No two machines have the same time.
    let skew = SignedDuration::from_millis(i64::try_from(mix(seed, number, 3) % 4000).unwrap_or_default() - 2000);
    let (wall, nonces) = (world.clone(), std::sync::atomic::AtomicU64::new(0));
    let outside = Outside {
        kubernetes: Wire::kubernetes(world, &process),
        paperspace: Arc::new(Wire::paperspace(world, &process)),
        clock: Clock::with_wall(move || wall.now() + skew),
        namespace: super::user::NAMESPACE.to_owned(),
        nonce: Arc::new(move || format!("{:016x}", mix(seed ^ (number << 32), nonces.fetch_add(1, Ordering::Relaxed), 4))),
    };
    let operator = Operator::new(&world.flags, Some(SecretString::from(KEY)), outside, CancellationToken::new()).expect("good settings");
    let (metrics, refresh) = (operator.metrics(), operator.gauges());
    let task = tokio::spawn(async move { operator.run(&Arc::new(Readiness::default())).await });
    *process.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    world.lives.lock().unwrap_or_else(PoisonError::into_inner).push(process.clone());
    (process, move || {
        refresh();
        metrics.encode()
    })
}

/// Keeps an operator running: whenever it dies, another one starts a little later.
pub(crate) fn keep_running(world: &Arc<World>, first: u64) {
    let world = world.clone();
    tokio::spawn(async move {
        for number in (first..).step_by(2) {
            let process = start(&world, number);
            process.died.notified().await;
            world.note(&format!("{} died", process.name));
            world.gate.moment(DOWN).await;
        }
    });
}

/// `kill -9` of every operator there is.
pub(crate) fn kill_all(world: &World) {
    let lives: Vec<Arc<Process>> = world.lives.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    lives.iter().filter(|life| !life.is_dead()).for_each(|life| life.die());
}
