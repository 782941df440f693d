//! Logs, to stderr (stdout is for results), whose filter can be changed while the program runs; and traces, where somebody collects them.

mod collector;
mod filter;
pub mod level;
mod logs;
mod traces;
mod trouble;

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::args::LogFormat;
pub use filter::LogFilter;
pub use logs::Logs;
use traces::Traces;

/// What was started.
pub struct Telemetry {
    /// Which logs are written.
    pub logs: Logs,
    traces: Option<Traces>,
}

impl Telemetry {
    /// Sends the traces that are still here, for a few seconds at most.
    pub async fn end(self) {
        if let Some(traces) = self.traces {
            traces.end().await;
        }
    }
}

/// Starts logging, and tracing if `otlp_endpoint` or the environment asks for it. To be called within the runtime, once.
pub fn init(filter: LogFilter, format: LogFormat, otlp_endpoint: Option<&str>) -> Result<Telemetry, String> {
    let traces = Traces::start(otlp_endpoint, |name| std::env::var(name).ok())?;
    let (layer, handle) = layer(&filter, format, std::io::stderr, std::io::stderr().is_terminal());
    // Whatever is logged: what a trace is made of is the same.
    let exported = traces.as_ref().map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), tracing::Level::INFO))
    });
    tracing_subscriber::registry().with(layer).with(exported).init();
    if let Some(traces) = &traces {
        tracing::info!("traces go to {}", traces.origin);
    }
    let apply = move |filter: &LogFilter| {
        // Fails only where nothing is logged any more.
        let _ = handle.reload(filter.compiled());
    };
    Ok(Telemetry { logs: Logs::new(filter, apply), traces })
}

/// What writes the logs, and how another filter is put into it.
fn layer<W>(
    filter: &LogFilter,
    format: LogFormat,
    writer: W,
    ansi: bool,
) -> (impl Layer<Registry> + use<W>, reload::Handle<EnvFilter, Registry>)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (which, handle) = reload::Layer::new(filter.compiled());
    let logs = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(ansi);
    let logs = match format {
        LogFormat::Text => logs.with_target(false).boxed(),
        LogFormat::Json => logs.json().flatten_event(true).boxed(),
    };
    (logs.with_filter(which.and(filter_fn(filter::never_shows_a_secret))), handle)
}

#[cfg(test)]
mod tests;
