//! What there is, told to people.

use super::canon;
use super::moves::Moves;
use super::world::{Operator, Origin, Way, World};

impl Moves {
    /// For people.
    pub(super) fn tell(&self, world: &World) -> String {
        let object = world.object.map_or("gone".to_owned(), |o| {
            let s = &self.store.standing(o.status);
            let creation = s.creation.as_ref().map(|c| format!("{} {:?}", c.id, c.outcome));
            let marks = [(o.finalizer, "finalizer"), (o.deleting, "deleting"), (o.address.is_some(), "annotated")];
            let marks: Vec<&str> = marks.into_iter().filter(|m| m.0).map(|m| m.1).collect();
            format!("{} {} {}", marks.join(" "), creation.unwrap_or_default(), s.machine_id.as_deref().unwrap_or("unbound"))
        });
        let machines = world.machines.iter().enumerate().filter(|(_, m)| m.origin != Origin::Nowhere);
        let machines: Vec<String> = machines.map(|(n, m)| format!("ps{n} {:?} {:?} {}", m.origin, m.state, m.age.max(m.gone))).collect();
        let posts: Vec<String> =
            world.posts.iter().filter(|p| p.state != Way::Free).map(|p| format!("POST {:?} {}", p.state, p.age)).collect();
        let operators: Vec<String> = world.operators.iter().take(self.bounds.operators).map(|o| self.tell_operator(o)).collect();
        format!("{object} | {} | {}\n        {}", machines.join(", "), posts.join(", "), operators.join("\n        "))
    }

    fn tell_operator(&self, operator: &Operator) -> String {
        let m = self.store.remembered(operator.memory);
        let ago = |at: &std::time::Duration| canon::NOW.as_secs().abs_diff(at.as_secs()) / super::rules::TICK.as_secs();
        let missing: Vec<String> = m.missing.iter().map(|(id, at)| format!("{id} missing {}", ago(at))).collect();
        format!(
            "{:?}; {} {} {} {} {} accepted {:?} {}",
            operator.stage,
            m.chain.as_ref().map_or("", |_| "chain"),
            m.attempt.as_ref().map_or(String::new(), |a| format!("{} {:?} seen {}", a.id, a.outcome, ago(&a.since))),
            m.write_ahead.as_ref().map_or(String::new(), |w| format!("may send {} {}", w.id, ago(&w.sent.mono))),
            m.reply.as_ref().map_or("", |_| "reply"),
            m.evidence.as_ref().map_or(String::new(), |e| format!("{} lists for {} since {}", e.lists.len(), e.key, ago(&e.since))),
            m.accepted,
            missing.join(", "),
        )
    }
}
