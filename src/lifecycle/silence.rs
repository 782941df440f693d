//! What a resource does while nothing is sent for its account: it waits, and says so only where it has something to do, and not of a blip.

use std::time::Duration;

use crate::crd::conditions::{Because, READY, SYNCED};
use crate::crd::reason::Reason;
use crate::paperspace::Silence;
use crate::paperspace::budget::{Cause, News};

use super::backoff;
use super::pass::{End, Pass};
use super::step::{Event, Step};

/// How long the silence of a blip is, which nobody needs to be told of.
const BLIP: Duration = Duration::from_secs(10);
/// Over how long after that the resources of an account are spread which say so.
const SPREAD: Duration = Duration::from_secs(20);

impl Pass<'_> {
    /// Ends the pass of a resource that wants something now. It is woken when the API answers again, and looks by itself should that be
    /// missed.
    pub(super) fn silenced(&mut self, silence: &Silence) -> End {
        // What was drafted for a step that is not taken is not so: neither what it says nor when to go on.
        self.status = self.old().cloned().unwrap_or_default();
        self.events.clear();
        self.again = Some(backoff::jittered(silence.retry_after.max(Duration::from_secs(1)), self.uid()));
        let because = because(silence);
        let says = |kind| {
            let condition = self.old().and_then(|old| old.condition(kind));
            condition.is_some_and(|c| c.reason == because.reason.as_str() && c.observed_generation == self.generation())
        };
        let due = BLIP + SPREAD.mul_f64(backoff::fraction(self.uid()));
        if says(READY) && says(SYNCED) {
            return self.end_quietly(Step::Nothing);
        }
        if let Some(left) = due.checked_sub(silence.lasted).filter(|left| !left.is_zero()) {
            self.again(left);
            return self.end_quietly(Step::Nothing);
        }
        self.wait(because, None)
    }
}

/// The conditions' words: the same for as long as the silence lasts.
pub(super) fn because(silence: &Silence) -> Because {
    match silence.cause {
        Cause::Unavailable => Because::new(
            Reason::PaperspaceUnavailable,
            format!(
                "Paperspace's API does not answer; it goes on by itself when a look is answered, tried every five minutes at least. {}",
                silence.why
            ),
        ),
        Cause::RateLimited => Because::new(Reason::RateLimited, "Paperspace asks to slow down; it goes on by itself"),
    }
}

/// The event that tells of it, once for all resources of the account.
pub fn event(news: &News) -> Event {
    match news {
        News::Opened(why) => Event {
            warning: true,
            reason: "PaperspaceUnavailable",
            note: format!("Paperspace's API does not answer: until a look is answered, nothing else is sent for this account. {why}"),
        },
        News::Closed(lasted) => Event {
            warning: false,
            reason: "PaperspaceAvailable",
            note: format!("Paperspace's API answers again, after {} s", lasted.as_secs()),
        },
    }
}
