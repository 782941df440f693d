//! Whatever calls there are and whatever comes of them: the rate is kept, no token is wasted, nobody waits for ever.
#![allow(clippy::unchecked_time_subtraction, reason = "tests: a panic is a failure")]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::rule::{Asked, Came, Rule};
use super::{Cause, Priority};
use crate::paperspace::Rate;
use crate::properties::{Dice, check};

const CLASSES: [Priority; 3] = [Priority::Mutation, Priority::Lookup, Priority::Idle];

/// Something that happens, after a while.
#[derive(Clone, Debug)]
enum Event {
    Ask(Priority),
    /// Of those who wait, this one gives up.
    GiveUp(usize),
    /// Of the permits, this one goes back.
    GiveBack(usize),
    Send(usize),
    Come(usize, Fate),
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Well,
    Answered,
    RateLimited(Option<u64>),
    Failed,
}

#[derive(Clone, Debug)]
struct Case {
    rate: u32,
    burst: u32,
    events: Vec<(Duration, Event)>,
}

fn case(d: &mut Dice, fates: &[Fate], waits: &[u64]) -> Case {
    let (rate, burst) = (d.pick(&[1, 3, 5, 50, 1000]), d.pick(&[1, 2, 10, 40]));
    let storm = d.one_in(2);
    let events = d.several(220, |d| {
        let after = Duration::from_millis(if storm { d.pick(&[0, 0, 0, 1]) } else { d.pick(waits) });
        let at = d.below(8);
        let event = match d.below(12) {
            0..=5 => Event::Ask(d.pick(&[Priority::Mutation, Priority::Mutation, Priority::Lookup, Priority::Idle])),
            6 => Event::GiveUp(at),
            7 => Event::GiveBack(at),
            8 | 9 => Event::Send(at),
            _ => Event::Come(at, d.pick(fates)),
        };
        (after, event)
    });
    Case { rate, burst, events }
}

/// A world around the rule: who waits, who has a permit, what is on its way, what was sent when.
struct World {
    rule: Rule,
    now: Duration,
    waiting: BTreeMap<u64, Priority>,
    permits: BTreeMap<u64, Duration>,
    flying: Vec<(u64, Duration)>,
    sent: Vec<Duration>,
    /// Who got a token, and which classes waited then; and whenever somebody gave up, which did after that.
    granted: Vec<(Option<Priority>, [bool; 3])>,
}

impl World {
    fn new(case: &Case) -> Self {
        let positive = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            rule: Rule::new(Rate::new(positive(case.rate), positive(case.burst)), 0.5),
            now: Duration::from_secs(100),
            waiting: BTreeMap::new(),
            permits: BTreeMap::new(),
            flying: Vec::new(),
            sent: Vec::new(),
            granted: Vec::new(),
        }
    }

    /// Everyone asks, until nobody gets anything. When somebody wants to ask again.
    fn serve(&mut self) -> Option<Duration> {
        loop {
            let mut wake = None;
            let before = self.waiting.len();
            for (id, priority) in self.waiting.clone() {
                match self.rule.ask(id, priority, self.now) {
                    Asked::Granted => {
                        self.granted.push((Some(priority), self.waits()));
                        self.waiting.remove(&id);
                        self.permits.insert(id, self.now);
                    }
                    Asked::Refused(_) => {
                        self.rule.leave(id);
                        self.waiting.remove(&id);
                    }
                    Asked::Wait(at) => wake = Some(at),
                    Asked::WaitForOthers => {}
                }
            }
            if self.waiting.len() == before {
                return wake;
            }
        }
    }

    fn waits(&self) -> [bool; 3] {
        CLASSES.map(|class| self.waiting.values().any(|c| *c == class))
    }

    fn pass_to(&mut self, then: Duration) -> Result<(), String> {
        while let Some(wake) = self.serve() {
            if wake <= self.now {
                return Err(format!("asks again at {wake:?}, which is now"));
            }
            if wake > then {
                break;
            }
            self.now = wake;
        }
        self.now = then;
        Ok(())
    }

    fn happen(&mut self, event: &Event) {
        let nth = |map: Vec<u64>, at: usize| map.get(at % map.len().max(1)).copied();
        let permit = |world: &Self, at| nth(world.permits.keys().copied().collect(), at);
        match event {
            Event::Ask(priority) => {
                let id = self.rule.join(*priority);
                self.waiting.insert(id, *priority);
            }
            Event::GiveUp(at) => {
                if let Some(id) = nth(self.waiting.keys().copied().collect(), *at) {
                    self.waiting.remove(&id);
                    self.rule.leave(id);
                    self.granted.push((None, self.waits()));
                }
            }
            Event::GiveBack(at) => {
                if let Some(id) = permit(self, *at) {
                    self.permits.remove(&id);
                    self.rule.give_back(id);
                }
            }
            Event::Send(at) => {
                if let Some(id) = permit(self, *at) {
                    let granted = self.permits.remove(&id).unwrap_or_default();
                    // An older one is not used: the fence.
                    if self.now >= granted + Duration::from_secs(10) {
                        self.rule.give_back(id);
                    } else if self.rule.send(id, self.now).is_ok() {
                        self.flying.push((id, self.now));
                        self.sent.push(self.now);
                    }
                }
            }
            Event::Come(at, fate) => {
                if !self.flying.is_empty() {
                    let (id, sent) = self.flying.remove(at % self.flying.len());
                    let came = match fate {
                        Fate::Well => Came::Well,
                        Fate::Answered => Came::Answered,
                        Fate::RateLimited(wait) => Came::RateLimited(wait.map(Duration::from_secs)),
                        Fate::Failed => Came::Failed("x", None),
                    };
                    let _ = self.rule.came(id, sent, self.now, came);
                }
            }
        }
    }

    fn live(case: &Case) -> Result<Self, String> {
        let mut world = Self::new(case);
        for (after, event) in &case.events {
            let then = world.now + *after;
            world.pass_to(then)?;
            world.happen(event);
        }
        world.serve();
        Ok(world)
    }
}

/// In any window, measured at the moments of sending.
fn keeps_the_rate(case: &Case, sent: &[Duration]) -> Result<(), String> {
    for (at, first) in sent.iter().enumerate() {
        for (n, last) in sent[at..].iter().enumerate() {
            let allowed = f64::from(case.burst) + f64::from(case.rate) * (*last - *first).as_secs_f64();
            let calls = u32::try_from(n + 1).unwrap_or(u32::MAX);
            if f64::from(calls) > allowed + 1e-6 {
                return Err(format!("{calls} calls from {first:?} to {last:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn the_rate_is_kept_in_every_window_whatever_comes_of_the_calls() {
    let fates = [Fate::Well, Fate::Answered, Fate::RateLimited(None), Fate::RateLimited(Some(3)), Fate::Failed, Fate::Failed];
    check(
        3000,
        |d| case(d, &fates, &[0, 1, 40, 400, 6000]),
        |case| {
            let world = World::live(&case)?;
            keeps_the_rate(&case, &world.sent)
        },
    );
}

/// As long as all goes well: a class that waits has one of so many tokens.
#[test]
fn no_class_that_waits_is_passed_over_for_ever() {
    check(
        3000,
        |d| case(d, &[Fate::Well], &[0, 1, 40]),
        |case| {
            let world = World::live(&case)?;
            for (class, bound) in [(Priority::Lookup, 8), (Priority::Idle, 16)] {
                let mut passed = 0;
                for (got, waits) in &world.granted {
                    passed = if *got == Some(class) || !waits[class as usize] { 0 } else { passed + u32::from(got.is_some()) };
                    if passed >= bound {
                        return Err(format!("{class:?} was passed over {passed} times"));
                    }
                }
            }
            Ok(())
        },
    );
}

/// Everyone who waits and is patient gets a token as soon as the rate allows for one: the last of them when all of their number are grown.
#[test]
fn no_token_is_left_while_somebody_waits() {
    let make = |d: &mut Dice| {
        let (rate, burst) = (d.pick(&[1_u32, 3, 5, 50]), d.pick(&[1_u32, 2, 10]));
        (rate, burst, d.several(150, |d| (Duration::from_millis(d.pick(&[0, 0, 3])), d.pick(&CLASSES))))
    };
    check(1000, make, |(rate, burst, calls)| {
        let mut world = World::new(&Case { rate, burst, events: Vec::new() });
        let begin = world.now;
        let mut came = Duration::ZERO;
        for (after, priority) in &calls {
            came += *after;
            world.pass_to(begin + came)?;
            world.happen(&Event::Ask(*priority));
            send_all(&mut world);
        }
        while !world.waiting.is_empty() {
            send_all(&mut world);
            let wake = world.serve();
            if !world.waiting.is_empty() {
                world.now = wake.filter(|wake| *wake > world.now).ok_or("nobody wakes those who wait")?;
            }
        }
        send_all(&mut world);
        let (n, period) = (u32::try_from(calls.len()).unwrap_or(u32::MAX), Duration::from_nanos(1_000_000_000_u64.div_ceil(rate.into())));
        let latest = begin + came.max(period * n.saturating_sub(burst)) + period;
        let last = world.sent.last().copied().unwrap_or(begin);
        if world.sent.len() == calls.len() && last <= latest {
            Ok(())
        } else {
            Err(format!("{} of {n}, the last at {last:?}, not {latest:?}", world.sent.len()))
        }
    });
}

fn send_all(world: &mut World) {
    loop {
        world.serve();
        if world.permits.is_empty() {
            return;
        }
        world.happen(&Event::Send(0));
    }
}

/// Whatever has come of the calls: an hour later a look gets its token, and if that is answered a change gets one.
#[test]
fn after_everything_it_goes_on() {
    let fates = [Fate::RateLimited(None), Fate::RateLimited(Some(3600)), Fate::Failed, Fate::Failed, Fate::Failed, Fate::Answered];
    check(
        2000,
        |d| case(d, &fates, &[0, 1, 40, 400, 6000]),
        |case| {
            let mut world = World::live(&case)?;
            world.now += Duration::from_secs(3700);
            for priority in [Priority::Lookup, Priority::Mutation] {
                for id in std::mem::take(&mut world.waiting).into_keys() {
                    world.rule.leave(id);
                }
                world.happen(&Event::Ask(priority));
                let then = world.now + Duration::from_secs(2);
                world.pass_to(then)?;
                let Some(at) = world.permits.keys().next_back().copied().filter(|_| world.waiting.is_empty()) else {
                    return Err(format!("{priority:?} waits: {:?}", world.rule));
                };
                let silent = world.rule.silence(world.now).map(|s| s.cause);
                world.rule.send(at, world.now).map_err(|s| format!("{priority:?}: {s}"))?;
                let _ = world.rule.came(at, world.now, world.now, Came::Well);
                if silent == Some(Cause::Unavailable) && world.rule.is_open() {
                    return Err("an answer does not close it".to_owned());
                }
            }
            Ok(())
        },
    );
}

/// While nothing is answered at most one look is sent for each pause, and nothing else.
#[test]
fn an_api_that_is_down_gets_one_look_for_each_pause() {
    check(
        500,
        |d| (d.pick(&[1_u32, 5, 1000]), d.pick(&[5_u32, 40]), d.several(400, |d| d.pick(&CLASSES))),
        |(rate, burst, classes)| {
            let mut world = World::new(&Case { rate, burst, events: Vec::new() });
            let begin = world.now;
            for priority in &classes {
                world.happen(&Event::Ask(*priority));
                let then = world.now + Duration::from_secs(1);
                world.pass_to(then)?;
                send_all(&mut world);
                while !world.flying.is_empty() {
                    world.happen(&Event::Come(0, Fate::Failed));
                }
            }
            // Five that open it, and looks after at least 5, 10, 20, 40, 80, 160 s, and then every five minutes.
            let minutes = (world.now - begin).as_secs();
            let looks = [5, 15, 35, 75, 155, 315].iter().filter(|after| **after <= minutes).count();
            let most = 5 + looks;
            if world.sent.len() <= most { Ok(()) } else { Err(format!("{} calls in {minutes} s", world.sent.len())) }
        },
    );
}
