//! What a decision may meet, and how it is brought to one.

use std::time::Duration;

use super::super::cloud::wall;
use super::super::world::MARK;
use super::{answers, anything, estate, remembered};
use crate::crd::*;
use crate::lifecycle::decide::decide;
use crate::lifecycle::limit::Destroyed;
use crate::lifecycle::memory::Memory;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{Answer, Facts, ListView, Listed, Listing, MachineLook, Moment, Observation, Question, Quota, Settings};
use crate::lifecycle::restraint::Restraint;
use crate::lifecycle::step::{Decision, Next};
use crate::paperspace::Silence;
use crate::paperspace::types::Machine;
use crate::properties::Dice;

/// Far more questions than any decision needs with so few machines; the shell gives up after 64.
const MOST_QUESTIONS: usize = 24;

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) object: PaperspaceMachine,
    pub(super) began: Moment,
    pub(super) settings: Settings,
    pub(super) memory: Memory,
    pub(super) unobserved_for: Duration,
    pub(super) silence: Option<Silence>,
    pub(super) restraint: Option<Restraint>,
    pub(super) marked: Vec<Machine>,
    pub(super) facts: Facts,
    pub(super) answers: Dice,
}

pub(super) fn case(d: &mut Dice) -> Case {
    let now = Moment {
        wall: wall(Duration::from_secs(5000)),
        mono: d.pick(&[Duration::from_secs(4000), Duration::ZERO, Duration::from_secs(1 << 33)]),
    };
    let mut case = Case {
        object: anything::object(d, now.wall),
        began: now,
        settings: anything::settings(d),
        memory: Memory::default(),
        unobserved_for: d.pick(&[Duration::ZERO, Duration::from_secs(29), Duration::from_secs(700), Duration::from_secs(1 << 33)]),
        silence: if d.one_in(8) { Some(answers::silence(d)) } else { None },
        restraint: if d.one_in(8) { Some(d.pick(&[Restraint::DryRun, Restraint::Stopped("stopped".into())])) } else { None },
        marked: vec![],
        facts: Facts::default(),
        answers: d.split(120),
    };
    if !d.one_in(4) {
        case.memory = remembered::memory(d, now);
    }
    match d.below(6) {
        0 => remembered::written_ahead(d, &mut case.object, &mut case.memory, now),
        1 => remembered::script_written_ahead(d, &mut case.object, &mut case.memory, now),
        _ => {}
    }
    // Answers that are there already may be older than what is needed.
    if d.one_in(3) {
        for question in [
            Question::CrdTerminating,
            Question::List { begun_after: Duration::ZERO },
            Question::Machine { id: anything::id(d), begun_after: Duration::ZERO },
            Question::Direct { id: anything::id(d), begun_after: Duration::ZERO },
        ] {
            let past = Moment { mono: remembered::before(d, now.mono), ..now };
            answer(&question, &case.object, &mut case.facts, past, d);
        }
    }
    case.marked = d.several(2, |d| {
        let id = anything::id(d);
        answers::machine(d, id, now.wall)
    });
    case
}

/// What came of a case: the decision, with what it was made from.
pub(super) struct Decided {
    pub(super) decision: Decision,
    pub(super) facts: Facts,
    pub(super) asked: Vec<Question>,
    pub(super) now: Moment,
}

/// Asks the core and answers anything, as fresh as it was asked for, while clocks go as they like.
pub(super) fn drive(case: &Case) -> Result<Decided, String> {
    let mut d = case.answers.clone();
    let (mut facts, mut memory, mut now) = (case.facts.clone(), case.memory.clone(), case.began);
    let mut asked = Vec::new();
    while asked.len() < MOST_QUESTIONS {
        let observation = Observation {
            object: &case.object,
            began: case.began,
            now,
            nonce: "now",
            settings: &case.settings,
            memory: &memory,
            unobserved_for: case.unobserved_for,
            silence: case.silence.clone(),
            restraint: case.restraint.as_ref(),
            marked: &case.marked,
            quota: Quota::default(),
            facts: &facts,
        };
        match decide(&observation) {
            Next::Act(decision) => return Ok(Decided { decision: *decision, facts, asked, now }),
            Next::Ask(question, remembered) => {
                memory = *remembered;
                now.mono += d.pick(&[Duration::ZERO, Duration::from_millis(20), Duration::from_secs(6), Duration::from_secs(200)]);
                now.wall = if d.one_in(8) {
                    anything::around(&mut d, now.wall)
                } else {
                    wall(Duration::from_secs(5000)) + (now.mono - case.began.mono)
                };
                answer(&question, &case.object, &mut facts, now, &mut d);
                asked.push(question);
            }
        }
    }
    Err(format!("asks for ever: {asked:#?}"))
}

fn answer(question: &Question, object: &PaperspaceMachine, facts: &mut Facts, now: Moment, d: &mut Dice) {
    let machine = |d: &mut Dice, id: String| {
        let machine = answers::machine(d, id, now.wall);
        if d.one_in(3) { machine } else { answers::agreeing(d, object, machine) }
    };
    let look = |d: &mut Dice, id: &str, begun_after: Duration| {
        or_error(d, |d| {
            let machine = if d.one_in(3) { None } else { Some(machine(d, id.to_owned())) };
            // Absence is said by a GET alone.
            let direct = machine.is_none() || matches!(question, Question::Direct { .. }) || d.one_in(2);
            MachineLook { began: now.mono.max(begun_after), direct, machine }
        })
    };
    match question {
        Question::Access { key, reread } => {
            facts.access.insert(*key, (answers::access(d), *reread));
        }
        Question::List { begun_after } => {
            facts.list = Some(or_error(d, |d| ListView {
                began: now.mono.max(*begun_after),
                machines: d.several(2, |d| {
                    let id = anything::id(d);
                    answers::machine(d, id, now.wall)
                }),
            }));
        }
        Question::Machine { id, begun_after } => {
            facts.machines.insert(id.clone(), look(d, id, *begun_after));
        }
        Question::Direct { id, begun_after } => {
            facts.direct.insert(id.clone(), look(d, id, *begun_after));
        }
        Question::Events { id } => {
            facts.events.insert(id.clone(), or_error(d, |d| d.several(4, |d| answers::event(d, now.wall))));
        }
        Question::Destroyed { begun_after } => {
            facts.destroyed = Some(or_error(d, |d| Destroyed {
                began: now.mono.max(*begun_after),
                at: d.several(3, |d| (anything::id(d), anything::around(d, now.wall))).into_iter().collect(),
            }));
        }
        Question::Availability => facts.available = Some(or_error(d, |d| !d.one_in(3))),
        Question::CrdTerminating => facts.crd_terminating = Some(d.one_in(4)),
        other => answer_of_estate(other, facts, now, d),
    }
}

/// Whatever else an account and a cluster may have.
fn answer_of_estate(question: &Question, facts: &mut Facts, now: Moment, d: &mut Dice) {
    macro_rules! listed {
        ($field:ident, $after:expr, $row:expr) => {
            facts.$field = Some(or_error(d, |d| Listed { began: now.mono.max(*$after), items: std::sync::Arc::new(d.several(3, $row)) }))
        };
    }
    match question {
        Question::Listing { of: Listing::OsTemplates, begun_after } => listed!(os_templates, begun_after, estate::os_template),
        Question::Listing { of: Listing::CustomTemplates, begun_after } => listed!(custom_templates, begun_after, estate::custom_template),
        Question::Listing { of: Listing::Networks, begun_after } => listed!(networks, begun_after, estate::network),
        Question::Listing { of: Listing::Users, begun_after } => listed!(users, begun_after, estate::team_user),
        Question::Listing { of: Listing::PublicIps, begun_after } => listed!(public_ips, begun_after, estate::public_ip),
        Question::Listing { of: Listing::Scripts, begun_after } => listed!(scripts, begun_after, |d| estate::script(d, now.wall)),
        Question::Listing { of: Listing::Snapshots, begun_after } => listed!(snapshots, begun_after, estate::snapshot),
        Question::Accessors { begun_after, .. } => listed!(accessors, begun_after, estate::accessor),
        Question::Desktop { .. } => facts.desktop = Some(or_error(d, |d| d.maybe(estate::desktop))),
        Question::Standing => facts.standing = Some(or_error(d, |d| d.maybe(estate::standing))),
        Question::ScriptText => facts.script_text = Some(estate::source(d)),
        Question::ConfigMap { name } => {
            facts.config_maps.insert(name.clone(), estate::config_map(d));
        }
        other => unreachable!("answered before: {other:?}"),
    }
}

fn or_error<T>(d: &mut Dice, one: impl FnOnce(&mut Dice) -> T) -> Answer<T> {
    if d.one_in(16) { Err(answers::error(d)) } else { Ok(one(d)) }
}

pub(super) fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

pub(super) fn read_only(case: &Case) -> bool {
    case.object.spec.suspend || case.object.spec.management_policy == ManagementPolicy::Observe
}

pub(super) fn deleting(case: &Case) -> bool {
    case.object.metadata.deletion_timestamp.is_some()
}

pub(super) fn before(case: &Case) -> PaperspaceMachineStatus {
    case.object.status.clone().unwrap_or_default()
}

/// What the pass saw of this machine last.
pub(super) fn seen<'a>(decided: &'a Decided, id: &str) -> Option<&'a Machine> {
    let looks = [decided.facts.machines.get(id), decided.facts.direct.get(id)];
    let looks = looks.into_iter().flatten().filter_map(|look| look.as_ref().ok());
    looks.max_by_key(|look| look.began).and_then(|look| look.machine.as_ref())
}

pub(super) fn is_ours(machine: &Machine) -> bool {
    Mark::of_name(&machine.name).is_some_and(|mark| mark.as_str() == MARK)
}

pub(super) fn is_anothers(machine: &Machine) -> bool {
    Mark::of_name(&machine.name).is_some_and(|mark| mark.as_str() != MARK)
}
