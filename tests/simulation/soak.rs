//! Random lives of many resources under everything that can go wrong, each decided by its seed; then calm, and the truth must be what was
//! asked for. A failure is made as short as it can be, and printed with its seed.
//!
//! `SOAK_SEEDS=2000` runs so many (200 by default), `SOAK_SEED=17` runs one and prints what happened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::faults::Plan;
use super::life::{Action, Happening, life};
use super::process;
use super::user::{Done, User, is_settled};
use super::world::{KEY, World, simulate};

/// For how long nothing may change at the end.
const QUIET: Duration = Duration::from_mins(1);

/// How many shorter lives are tried for a failure.
const SHORTENINGS: usize = 300;

/// Lives this life; what was wrong at its end, and its history.
fn live(seed: u64, life: &[Happening]) -> (Vec<String>, Vec<String>) {
    simulate(async {
        let world = World::new(seed, None, &[]);
        let user = User::new(&world);
        process::keep_running(&world, 0);
        user.secret("key", KEY).await;
        for Happening { after, action } in life {
            tokio::time::sleep(*after).await;
            happen(&user, action).await;
        }
        calm(&user).await;
        let mut wrong = end(&user).await.err().into_iter().collect::<Vec<_>>();
        wrong.extend(world.book().violations(&world));
        if wrong.is_empty() {
            wrong.extend(clean_up(&user).await.err());
            wrong.extend(world.book().violations(&world));
        }
        (wrong, world.history())
    })
}

async fn happen(user: &User, action: &Action) {
    let world = &user.world;
    match action {
        Action::Create { name, spec } if user.get(name).is_none() => user.create(name, spec).await,
        Action::Create { .. } => {}
        Action::Edit { name, spec } => user.edit(name, spec.clone()).await,
        Action::Delete { name } => user.delete(name).await,
        Action::Restart { name, value } => user.restart(name, value).await,
        Action::Look { name, value } => user.annotate(name, "paperspace-operator.dev/reconcile-requested-at", value).await,
        Action::Wipe { name } => {
            world.book().addresses_may_stay = true;
            user.wipe_status(name).await;
        }
        Action::Console { name, fields } => user.change_at_console(name, fields).await,
        Action::Destroy { name } => {
            world.book().addresses_may_stay = true;
            user.destroy_at_console(name).await;
        }
        Action::Key { key } => user.secret("key", key).await,
        Action::Paperspace { fault } => {
            world.note(&format!("fault: {fault}"));
            world.sim("POST", "faults", fault);
        }
        Action::PaperspaceIsWell => drop(world.sim("DELETE", "faults", &json!(null))),
        Action::Kubernetes { permille } => world.plan(Plan::Kubernetes { permille: *permille }),
        Action::BreakWatches => world.kubernetes().break_watches(),
        Action::Compact => world.kubernetes().compact(),
        Action::Bookmark => world.kubernetes().bookmark(),
        Action::Kill => process::kill_all(world),
        Action::SecondOperator => drop(process::start(world, 1001 + world.gate.now())),
    }
}

/// Nothing goes wrong any more, and one operator is left.
async fn calm(user: &User) {
    user.world.note("calm");
    user.world.plan(Plan::Calm);
    user.world.sim("DELETE", "faults", &json!(null));
    user.secret("key", KEY).await;
    process::kill_all(&user.world);
    user.secret("key-of-te2", "key-of-te2").await;
    for name in user.names() {
        user.edit(&name, json!({"suspend": false, "deletionProtection": false})).await;
        // What came to be while the Secret held another team's key is that team's.
        let team = user.get(&name).map(|object| object["status"]["account"]["team"].clone());
        if team == Some(json!("te2")) {
            user.edit(&name, json!({"credentialsRef": {"name": "key-of-te2"}})).await;
        }
    }
}

/// What lives becomes what its spec says, what was deleted goes, and then nothing happens any more.
async fn end(user: &User) -> Done {
    // The last thing that happened has to be seen first.
    tokio::time::sleep(QUIET).await;
    for name in user.names() {
        let over = |object: &serde_json::Value| !object["metadata"]["deletionTimestamp"].is_null();
        if user.get(&name).as_ref().is_some_and(over) {
            user.until_gone(&name).await?;
        } else {
            user.until(&name, "Ready and Synced", |object| object.is_none_or(is_settled)).await?;
        }
    }
    user.until_quiet(QUIET).await
}

/// Everything is deleted.
async fn clean_up(user: &User) -> Done {
    let names = user.names();
    for name in &names {
        user.delete(name).await;
    }
    for name in &names {
        user.until_gone(name).await?;
    }
    Ok(())
}

/// What went wrong in this seed's life, made short.
fn failure(seed: u64) -> Option<String> {
    let attempt = |life: &[Happening]| {
        catch_unwind(AssertUnwindSafe(|| live(seed, life))).unwrap_or_else(|_| (vec!["it panicked".to_owned()], Vec::new()))
    };
    let mut life = life(seed);
    let (mut wrong, mut history) = attempt(&life);
    if wrong.is_empty() {
        return None;
    }
    let (whole, mut tries, mut chunk) = (life.len(), 0, life.len().div_ceil(2));
    while chunk > 0 && tries < SHORTENINGS {
        let mut from = 0;
        while from < life.len() && tries < SHORTENINGS {
            let mut shorter = life.clone();
            // What is left out takes no less time.
            let gone: Duration = shorter.drain(from..(from + chunk).min(life.len())).map(|h| h.after).sum();
            if let Some(next) = shorter.get_mut(from) {
                next.after += gone;
            }
            tries += 1;
            match attempt(&shorter) {
                (still, then) if !still.is_empty() => (life, wrong, history) = (shorter, still, then),
                _ => from += chunk,
            }
        }
        chunk /= 2;
    }
    let shown: Vec<String> = life.iter().map(|h| format!("  after {:?}: {:?}", h.after, h.action)).collect();
    let (wrong, left) = (wrong.join("\n"), life.len());
    Some(format!(
        "seed {seed}: {wrong}\n---- what happened ({left} of {whole} happenings are enough)\n{}\n---- the history\n{}",
        shown.join("\n"),
        history.join("\n")
    ))
}

#[test]
fn one_seed_is_one_life() {
    for seed in [3, 4] {
        let (one, other) = (live(seed, &life(seed)).1, live(seed, &life(seed)).1);
        let differ = one.iter().zip(&other).position(|(one, other)| one != other);
        assert_eq!(differ.map(|at| (&one[at], &other[at])), None, "seed {seed}: in line {differ:?} of {}", one.len());
    }
}

#[test]
fn after_any_life_the_truth_is_what_was_asked_for() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SOAK_SEED") {
        let (wrong, history) = live(seed, &life(seed));
        println!("{}\n{}", history.join("\n"), wrong.join("\n"));
        assert!(wrong.is_empty(), "{}", failure(seed).unwrap_or_default());
        return;
    }
    let seeds = number("SOAK_SEEDS").unwrap_or(200);
    let (next, failures) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    // A few failures tell as much as all.
                    if seed > seeds || failures.lock().unwrap().len() >= 3 {
                        break;
                    }
                    if let Some(failure) = failure(seed) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("soak: {seeds} seeds, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
