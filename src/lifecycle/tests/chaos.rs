//! Lives under random faults: whatever happens, there is never a second machine, none is left over, and it converges.

use super::cloud::Fault;
use super::world::{NAME, World, api_down, open, secs};
use crate::crd::{ADDRESS_OF_MACHINE, PaperspaceMachineStatus, PowerState, PublicIpKind, PublicIpSpec, RESTART_REQUESTED, ResizePolicy};
use crate::lifecycle::observe::KeySource;
use crate::lifecycle::step::{Requeue, StepKind};
use crate::paperspace::types::MachineState;

/// Of a seed, the next of its numbers below `bound` (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

const CALLS: [StepKind; 7] =
    [StepKind::Create, StepKind::Update, StepKind::Resize, StepKind::Start, StepKind::Stop, StepKind::Delete, StepKind::ReleaseIp];

fn trouble(world: &mut World, dice: &mut Dice) {
    match dice.below(12) {
        0 => world.crash(),
        1 => world.conflicts = 1,
        2 => world.looks.hidden_lists = 1,
        3 => world.looks.lagging_gets = 1,
        4 => world.looks.down = Some(api_down()),
        5 => world.looks.down = None,
        // With the mark off the name and the memory gone too nobody could know: a limit of the protocol.
        6 if dice.one_in(4) && world.cloud.machines.iter().all(|m| m.name == NAME) => {
            world.edit_status(|s| *s = PaperspaceMachineStatus::default());
        }
        7 if world.object.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ADDRESS_OF_MACHINE)) => {
            let team = if dice.one_in(2) { "te1" } else { "te2" };
            world.access.insert(KeySource::Own, open(team));
        }
        8 => world.looks.ghosts = world.cloud.machines.clone(),
        9 => world.looks.lagging_rows = world.cloud.machines.clone(),
        _ => {
            let kind = CALLS[usize::try_from(dice.below(7)).unwrap()];
            let fault = match dice.below(4) {
                0 => Fault::LoseReply,
                1 => Fault::Drop,
                2 => Fault::Refuse(400, "no"),
                _ if kind == StepKind::Create => Fault::Late(secs(1 + dice.below(110))),
                // An API that says so and does not is not believed of addresses: they are not looked at again.
                _ if kind == StepKind::ReleaseIp => Fault::LoseReply,
                _ => Fault::Ignore,
            };
            world.fault(kind, fault);
        }
    }
}

fn wish(world: &mut World, dice: &mut Dice) {
    match dice.below(7) {
        0 => world.edit(|s| s.power_state = PowerState::Stopped),
        1 => world.edit(|s| s.power_state = PowerState::Running),
        2 => world.edit(|s| s.power_state = PowerState::Manual),
        3 => world.edit(|s| {
            s.resize_policy = ResizePolicy::StopAndStart;
            s.disk_size_gb += 50;
        }),
        4 => world.edit(|s| s.suspend = !s.suspend),
        5 => {
            let kind = if dice.one_in(3) { PublicIpKind::Dynamic } else { PublicIpKind::Static };
            world.edit(|s| s.public_ip = Some(PublicIpSpec { kind, reclaim_policy: None, address: None }));
        }
        _ => world.annotate(RESTART_REQUESTED, &dice.below(1000).to_string()),
    }
}

/// Somebody at the console.
fn console(world: &mut World, dice: &mut Dice) {
    let Some(machine) = world.cloud.machines.first_mut() else { return };
    match dice.below(3) {
        0 => machine.state = MachineState::Off,
        1 if world.object.status.as_ref().is_some_and(|s| s.machine_id.is_some()) => machine.name = "renamed".to_owned(),
        1 => {}
        _ => world.cloud.machines.clear(),
    }
}

fn calm(world: &mut World) {
    world.looks = super::world::Looks::default();
    world.cloud.faults.clear();
    world.conflicts = 0;
    world.access.insert(KeySource::Own, open("te1"));
    if world.object.spec.suspend {
        world.edit(|s| s.suspend = false);
    }
}

fn live(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(|_| ());
    let (mut deleted, mut wiped) = (false, false);
    for _ in 0..60 {
        if dice.one_in(3) {
            let known = world.status().creation.is_some();
            trouble(&mut world, &mut dice);
            wiped |= known && world.status().creation.is_none();
        }
        if dice.one_in(12) {
            wish(&mut world, &mut dice);
        }
        if dice.one_in(20) {
            console(&mut world, &mut dice);
        }
        if dice.one_in(80) && !deleted {
            deleted = true;
            world.delete();
        }
        if !world.exists {
            break;
        }
        match world.pass().requeue {
            Requeue::After(after) => world.sleep(after.min(secs(60))),
            Requeue::OnChange => world.sleep(secs(60)),
        }
        assert!(world.cloud.machines.len() <= 1, "seed {seed}: two machines\n{:?}", world.steps);
    }
    calm(&mut world);
    // The slowest back-off is half an hour, and what a restart leaves unclear takes the settling time.
    for _ in 0..4 {
        if world.exists {
            world.run();
        }
    }
    let end = format!("seed {seed}: {}\n{:?}\n{:#?}", world.conditions(), world.steps, world.status().operation);
    if !deleted {
        assert_eq!(world.cloud.machines.len(), 1, "{end}");
        assert!(world.conditions().contains("Ready=True"), "{end}");
        assert!(world.conditions().contains("Synced=True") || world.conditions().contains("UpdateRejected"), "{end}");
        world.delete();
        world.run();
    }
    assert!(!world.exists, "{end}");
    assert!(world.cloud.machines.is_empty(), "{end}");
    // An address that came to a machine which was destroyed at the console before it was looked at again is known to nobody.
    let unknown = world.said("AddressNotReleased") > 0 || world.said("MachineVanished") > 0 || wiped;
    assert!(unknown || world.cloud.addresses.is_empty(), "{:?} left over, {end}\n{:?}", world.cloud.addresses, world.steps);
}

#[test]
fn whatever_happens_there_is_one_machine_and_then_none() {
    for seed in 1..=300 {
        live(seed);
    }
}
