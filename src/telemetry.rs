//! Logs, to stderr: stdout is for results.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts logging. The filter is a level or directives; a wrong one is reported with what is allowed.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    // kube's own span around every pass repeats what ours says.
    let quieter = if filter.contains(['=', ',']) { filter.to_owned() } else { format!("{filter},kube_runtime=warn") };
    let filter = EnvFilter::try_new(quieter)
        .map_err(|e| format!("--log {filter:?}: {e}; allowed are levels (error, warn, info, debug, trace) and directives such as info,paperspace_operator=debug"))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => logs.with_target(false).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}
