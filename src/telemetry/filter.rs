//! Which logs are written, as people say it.

use std::fmt;
use std::str::FromStr;

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// A level, or directives such as `info,paperspace_operator=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |problem: &str| {
            format!(
                "{problem}; allowed are levels (error, warn, info, debug, trace, off) and directives such as info,paperspace_operator=debug"
            )
        };
        let text = text.trim();
        // It would be taken for a module, of which everything is written, and of all others nothing.
        let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
        let odd = text.split(',').map(str::trim).find(|part| !part.contains(['=', '[']) && !is_level(part));
        if let Some(odd) = odd {
            return Err(refused(&format!("{odd:?} is not a level")));
        }
        EnvFilter::try_new(text).map_err(|error| refused(&error.to_string()))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LogFilter {
    /// For the library that applies it.
    pub(super) fn compiled(&self) -> EnvFilter {
        // kube's own span around every pass repeats what ours says.
        EnvFilter::new(if self.0.contains(['=', ',']) { self.0.clone() } else { format!("{},kube_runtime=warn", self.0) })
    }

    /// Whether something of level info may be written.
    pub(super) fn shows_info(&self) -> bool {
        self.compiled().max_level_hint().is_none_or(|most| most >= LevelFilter::INFO)
    }
}

/// Whatever the filter: a reply of the Kubernetes API that kube cannot read, it writes down as it came, at `warn`, and that may be a list of
/// Secrets. The error that comes of it is reported without. Of all that the libraries below us say at `trace` nothing else repeats a header
/// or a body.
pub(super) fn never_shows_a_secret(about: &Metadata<'_>) -> bool {
    about.target() != "kube_client::client"
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_allowed() {
        for text in ["info", "TRACE", "off", " debug\n", "info,paperspace_operator=debug", "warn,hyper=trace,kube_runtime=off", "a[b]=info"]
        {
            let filter: LogFilter = text.parse().unwrap();
            assert_eq!(filter.to_string(), text.trim());
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_what_is_allowed() {
        for text in ["", "loud", "debgu", "info,", "info,hyper", "paperspace_operator=loud", "a[b=info", "info debug"] {
            let refused = text.parse::<LogFilter>().unwrap_err();
            assert!(refused.contains("; allowed are levels"), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_level_alone_leaves_out_what_kube_says_of_each_pass() {
        let compiled = |text: &str| text.parse::<LogFilter>().unwrap().compiled().to_string();
        assert!(compiled("debug").contains("kube_runtime=warn"));
        assert!(!compiled("debug,kube_runtime=trace").contains("kube_runtime=warn"));
        let shows = |text: &str| text.parse::<LogFilter>().unwrap().shows_info();
        assert_eq!(["off", "warn", "info", "trace", "warn,paperspace_operator=info"].map(shows), [false, false, true, true, true]);
    }
}
