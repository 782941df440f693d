//! Which resources this operator serves. Another one may serve the rest, or nobody.

use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};

use super::seen::Seen;
use crate::args::RunArgs;
use crate::crd::PaperspaceMachine;
use crate::shard::Shard;

/// Which resources this operator serves, of those in the namespaces that it watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    labels: Selector,
    shard: Option<Shard>,
}

impl Served {
    /// As the flags say.
    pub(super) fn of(args: &RunArgs) -> Self {
        Self { labels: args.watch_selector.clone().unwrap_or_default(), shard: args.shard }
    }

    /// Whether nothing is left out.
    pub(super) fn all(&self) -> bool {
        self.labels.selects_all() && self.shard.is_none()
    }

    /// What the API leaves out by itself.
    pub(super) fn labels(&self) -> Option<String> {
        (!self.labels.selects_all()).then(|| self.labels.to_string())
    }

    /// Whether a resource that the API gave under [`Self::labels`] is served.
    pub(super) fn takes(&self, seen: &Seen) -> bool {
        self.is_ours(seen.uid())
    }

    /// Whether this resource, just read, is served.
    pub(super) fn serves(&self, object: &PaperspaceMachine) -> bool {
        self.labels.matches(object.labels()) && self.is_ours(&object.uid().unwrap_or_default())
    }

    fn is_ours(&self, uid: &str) -> bool {
        self.shard.is_none_or(|shard| shard.serves(uid))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crd::PaperspaceMachineSpec;

    fn served(flags: &[&str]) -> Served {
        use clap::Parser as _;
        let words = ["paperspace-operator", "run"].iter().chain(flags);
        let crate::args::Args { command: crate::args::Command::Run(args) } = crate::args::Args::parse_from(words) else { panic!("run") };
        Served::of(&args)
    }

    #[test]
    fn a_shard_serves_its_own_and_asks_the_api_for_all() {
        let shards = ["0/3", "1/3", "2/3"].map(|shard| served(&["--shard", shard]));
        assert!(shards.iter().all(|served| !served.all() && served.labels().is_none()));
        for uid in (0..30).map(|n| format!("uid-{n}")) {
            let mut object = PaperspaceMachine::new("a", PaperspaceMachineSpec::default());
            object.metadata.uid = Some(uid.clone());
            let seen: Seen = serde_json::from_value(serde_json::to_value(&object).unwrap()).unwrap();
            let serving = shards.iter().filter(|served| served.serves(&object)).count();
            assert_eq!((serving, shards.iter().filter(|served| served.takes(&seen)).count()), (1, 1), "{uid}");
        }
    }

    #[test]
    fn without_the_flag_all_are_served_and_with_it_those_with_the_labels() {
        let object = |team: &str| {
            let mut object = PaperspaceMachine::new("a", PaperspaceMachineSpec::default());
            object.metadata.labels = Some([("team".to_owned(), team.to_owned())].into());
            object
        };
        let all = served(&[]);
        assert!(all.all() && all.labels().is_none() && all.serves(&object("web")));
        let some = served(&["--watch-selector", "team in (ml)"]);
        assert_eq!((some.all(), some.labels().as_deref()), (false, Some("team in (ml)")));
        assert!(some.serves(&object("ml")) && !some.serves(&object("web")));
        assert!(!some.serves(&PaperspaceMachine::new("a", PaperspaceMachineSpec::default())));
    }
}
