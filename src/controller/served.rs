//! Which resources this operator serves. Another one may serve the rest, or nobody.

use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};

use super::seen::Seen;
use crate::args::RunArgs;
use crate::crd::PaperspaceMachine;

/// Which resources this operator serves, of those in the namespaces that it watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    labels: Selector,
}

impl Served {
    /// As the flags say.
    pub(super) fn of(args: &RunArgs) -> Self {
        Self { labels: args.watch_selector.clone().unwrap_or_default() }
    }

    /// Whether nothing is left out.
    pub(super) fn all(&self) -> bool {
        self.labels.selects_all()
    }

    /// What the API leaves out by itself.
    pub(super) fn labels(&self) -> Option<String> {
        (!self.labels.selects_all()).then(|| self.labels.to_string())
    }

    /// Whether a resource that the API gave under [`Self::labels`] is served.
    #[expect(clippy::unused_self, reason = "every resource that the API gives, as yet")]
    pub(super) fn takes(&self, _: &Seen) -> bool {
        true
    }

    /// Whether this resource, just read, is served.
    pub(super) fn serves(&self, object: &PaperspaceMachine) -> bool {
        self.labels.matches(object.labels())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::PaperspaceMachineSpec;

    #[test]
    fn without_the_flag_all_are_served_and_with_it_those_with_the_labels() {
        let served = |flags: &[&str]| {
            use clap::Parser as _;
            let words = ["paperspace-operator", "run"].iter().chain(flags);
            let crate::args::Args { command: crate::args::Command::Run(args) } = crate::args::Args::parse_from(words) else {
                panic!("run")
            };
            Served::of(&args)
        };
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
