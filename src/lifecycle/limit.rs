//! How many machines of an account may be destroyed within an hour: whatever goes wrong, a person has time to notice and to stop it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;

use super::backoff;
use super::delete;
use super::observe::Question;
use super::pass::{End, Flow, Pass};
use super::step::Step;

/// The time that the limit is for.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How often a resource whose machine has to wait looks again, at most: many may wait, and each look is a call.
const LOOKS: Duration = Duration::from_mins(5);

/// Goes on if this machine may be destroyed now.
pub(super) fn within(p: &mut Pass, id: &str) -> Flow<()> {
    let Some(most) = p.o.settings.max_destroys else { return Ok(()) };
    if most == 0 {
        let message = format!("machine {id} is kept: --max-destroys-per-hour=0, nothing is destroyed. {}", go_on(p));
        return Err(wait(p, Because::new(Reason::DestroysLimited, message).stuck(), None));
    }
    let begun_after = p.just_now();
    let destroyed = match &p.o.facts.destroyed {
        Some(Ok(destroyed)) if destroyed.began >= begun_after => destroyed,
        Some(Err(error)) => return Err(p.look_failed(error)),
        _ => return Err(p.ask(Question::Destroyed { begun_after })),
    };
    let Some(next) = destroyed.next_at(id, most, p.o.now.wall) else { return Ok(()) };
    let message = format!(
        "machine {id} waits: {most} machines of the account or more were destroyed in the last hour, by whomever, and --max-destroys-per-hour \
         allows no more. It goes on by itself as these grow older. {}",
        go_on(p)
    );
    let left = Duration::try_from(next.duration_since(p.o.now.wall)).unwrap_or_default();
    let after = backoff::jittered(left.min(LOOKS).max(Duration::from_secs(1)), p.uid());
    Err(wait(p, Because::new(Reason::DestroysLimited, message), Some(after)))
}

fn wait(p: &mut Pass, because: Because, after: Option<Duration>) -> End {
    p.held = Some(because);
    p.again = after;
    p.end(Step::Nothing)
}

fn go_on(p: &Pass) -> String {
    let keep = delete::how_to_keep_the_machine(p);
    format!("To let more go: run the operator with a higher --max-destroys-per-hour, or with unlimited. {keep}")
}

/// Machines of an account that were destroyed within the last hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Destroyed {
    /// When the list that says so began (monotonic).
    pub began: Duration,
    /// When, by machine.
    pub at: BTreeMap<String, Timestamp>,
}

impl Destroyed {
    /// When this machine may be destroyed, if not now. What was destroyed before and is still there counts once.
    pub fn next_at(&self, id: &str, most: u32, now: Timestamp) -> Option<Timestamp> {
        let mut at: Vec<Timestamp> =
            self.at.iter().filter(|(machine, at)| *machine != id && now.duration_since(**at) < HOUR).map(|(_, at)| *at).collect();
        at.sort_unstable();
        let too_many = at.len().checked_sub(usize::try_from(most).unwrap_or(usize::MAX))?;
        at.get(too_many).or(at.last()).map(|at| at.saturating_add(HOUR).unwrap_or(Timestamp::MAX))
    }
}
