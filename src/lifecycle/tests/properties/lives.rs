//! Whole lives, with adoption, observation, lost memory and lost replies: never two machines of one resource, in the end none, and none
//! destroyed that the resource neither made nor claimed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::cloud::{Fault, machine};
use super::super::world::{Looks, World, open, secs};
use super::answers;
use super::anything;
use super::fixed_point::settle;
use crate::crd::{
    ADDRESS_OF_MACHINE, Adopt, CreationOutcome, DeletionPolicy, ManagementPolicy, OnDifference, PaperspaceMachineSpec,
    PaperspaceMachineStatus, RESTART_REQUESTED,
};
use crate::lifecycle::observe::KeySource;
use crate::lifecycle::step::{Requeue, StepKind};
use crate::properties::{Dice, check};

const KINDS: [StepKind; 7] =
    [StepKind::Create, StepKind::Update, StepKind::Delete, StepKind::Start, StepKind::Stop, StepKind::AssignIp, StepKind::UnassignIp];

/// What is there before the resource is, and belongs to others or to nobody.
const OTHERS: [(&str, &str); 3] = [("psx", "mine"), ("psy", "other-aaaaaaaaaaaa"), ("psz", "ml-train")];

struct Life {
    world: World,
    story: String,
    /// One list in a life may miss a machine: two in a row are beyond what can be known.
    may_hide: bool,
}

fn adopt(d: &mut Dice) -> Adopt {
    let replace_mark = d.maybe(|_| "aaaaaaaaaaaa".to_owned());
    let on_difference = d.pick(&[OnDifference::Apply, OnDifference::Hold]);
    Adopt { machine_id: d.pick(&["psx", "psy", "ps10", "nosuch"]).to_owned(), replace_mark, on_difference }
}

impl Life {
    fn new(d: &mut Dice) -> Self {
        let mut spec = anything::valid_spec(d);
        spec.adopt = if d.one_in(4) { Some(adopt(d)) } else { None };
        spec.template_id = Some("tmpl".to_owned());
        spec.region = "NY2".to_owned();
        spec.deletion_policy = None;
        let mut world = World::new(|s| *s = spec);
        world.cloud.estate.public_ips.push(answers::own_address());
        for (id, name) in OTHERS {
            let mut other = machine(id, name);
            other.dt_created -= secs(86_400);
            world.cloud.machines.push(other);
        }
        Self { world, story: String::new(), may_hide: true }
    }

    /// Whether the schema's rules let `adopt` be added now.
    fn may_adopt(&self) -> bool {
        let status = self.world.status();
        let open = |o| matches!(o, CreationOutcome::Open | CreationOutcome::Bound);
        self.world.object.spec.adopt.is_none() && status.machine_id.is_none() && !status.creation.is_some_and(|c| open(c.outcome))
    }

    fn turn(&mut self, d: &mut Dice) {
        let (what, may_adopt) = (d.below(12), self.may_adopt());
        let world = &mut self.world;
        match what {
            0 | 1 => world.crash(),
            2 => world.edit_status(|s| *s = PaperspaceMachineStatus::default()),
            3 => world.conflicts = 1,
            4 => world.looks.hidden_lists = u32::from(std::mem::take(&mut self.may_hide)),
            5 => world.looks.lagging_gets = 1,
            6 => {
                let team = d.pick(&["te2", "te1"]);
                // Before it has its address a resource whose status is lost knows no team.
                if world.object.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ADDRESS_OF_MACHINE)) {
                    world.access.insert(KeySource::Own, open(team));
                }
            }
            7 => {
                let old = world.object.spec.clone();
                let mut new = PaperspaceMachineSpec { adopt: old.adopt, deletion_policy: None, ..anything::valid_spec(d) };
                (new.template_id, new.region) = (old.template_id, old.region);
                // The rules ask for a machine to observe.
                if new.adopt.is_none() && world.status().machine_id.is_none() {
                    new.management_policy = old.management_policy;
                }
                world.edit(|s| *s = new);
            }
            8 if may_adopt => {
                let adopt = adopt(d);
                world.edit(|s| s.adopt = Some(adopt));
            }
            9 => world.annotate(RESTART_REQUESTED, &d.below(100).to_string()),
            _ => {
                let late = Fault::Late(secs(1 + u64::try_from(d.below(100)).unwrap()));
                let kind = d.pick(&KINDS);
                let fault = d.pick(&[Fault::LoseReply, Fault::Drop, Fault::Refuse(400, "no"), late]);
                world.fault(kind, fault);
            }
        }
        let _ = writeln!(self.story, "{:?}: something happens, {what}", self.world.now);
    }

    fn pass(&mut self) -> Result<(), String> {
        let decision = self.world.pass();
        let _ = writeln!(self.story, "{:?}: {} {}", self.world.now, decision.step.kind().as_str(), self.world.conditions());
        let after = if let Requeue::After(after) = decision.requeue { after } else { secs(60) };
        self.world.sleep(after.min(secs(60)));
        self.check()
    }

    /// The machines that requests made and that are still there.
    fn made(&self) -> Vec<&str> {
        self.world.cloud.machines.iter().map(|m| m.id.as_str()).filter(|id| self.world.cloud.born.contains(*id)).collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.made().len() > 1 {
            return Err(format!("two machines: {:?}", self.made()));
        }
        if self.world.cloud.estate.public_ips.is_empty() {
            return Err("an address of the team's own was released".to_owned());
        }
        let mine = self.world.object.spec.adopt.as_ref().map(|a| a.machine_id.as_str()).filter(|_| self.world.said("Adopted") > 0);
        let here: BTreeSet<&str> = self.world.cloud.machines.iter().map(|m| m.id.as_str()).collect();
        let lost = OTHERS.into_iter().find(|(id, _)| !here.contains(id) && Some(*id) != mine);
        lost.map_or(Ok(()), |(id, _)| Err(format!("{id} was destroyed, which is nobody's business here")))
    }

    /// Nothing gets in the way any more, and the machine is to go with the resource.
    fn end(&mut self) -> Result<(), String> {
        let world = &mut self.world;
        world.looks = Looks::default();
        world.cloud.faults.clear();
        world.conflicts = 0;
        world.access.insert(KeySource::Own, open("te1"));
        world.edit(|s| {
            (s.suspend, s.deletion_protection, s.management_policy) = (false, false, ManagementPolicy::Manage);
            s.deletion_policy = Some(DeletionPolicy::Delete);
        });
        let unfinished =
            world.object.metadata.finalizers.as_ref().is_some_and(|f| !f.is_empty()) && world.now.as_millis().is_multiple_of(2);
        if !unfinished {
            settle(world, &mut self.story)?;
            self.check()?;
        }
        self.world.delete();
        settle(&mut self.world, &mut self.story)?;
        // What was late comes by then.
        self.world.sleep(secs(400));
        self.check()?;
        if self.world.exists {
            return Err(format!("still there: {}", self.world.conditions()));
        }
        if self.made().is_empty() { Ok(()) } else { Err(format!("left behind: {:?}", self.made())) }
    }
}

#[test]
fn whatever_a_life_was_nothing_is_doubled_left_behind_or_taken_from_others() {
    check(
        400,
        |d| d.split(600),
        |mut d| {
            let mut life = Life::new(&mut d);
            let lived = (0..d.below(50)).try_for_each(|_| {
                if d.one_in(3) {
                    life.turn(&mut d);
                }
                life.pass()
            });
            let ended = lived.and_then(|()| life.end());
            ended.map_err(|why| format!("{why}\n{}\n{:#?}\n{:#?}", life.story, life.world.object, life.world.memory))
        },
    );
}
