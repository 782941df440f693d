//! Traces by OTLP, HTTP with protobuf: off, unless somebody says where they go. What the standard variables of OpenTelemetry say counts.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};

use super::collector::Collector;
use crate::paperspace::{ClientOptions, ConfigError};

/// How long the end of the process waits for traces that are on their way.
const AT_THE_END: Duration = Duration::from_secs(3);

/// What is exported, and where to.
pub(super) struct Traces {
    pub(super) provider: SdkTracerProvider,
    /// Without the path, which may have a token in it.
    pub(super) origin: String,
}

/// The environment: the value of a variable.
type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Traces {
    /// None, if nobody asks for them. To be called within the runtime.
    pub(super) fn start(endpoint: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        // As the standard has it: what is set to nothing is not set.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Some((name, url)) = destination(endpoint, &variable) else { return Ok(None) };
        let options = ClientOptions { base_url: url, allow_http: true, ..ClientOptions::default() };
        let refused = |error| match error {
            ConfigError::Url { value, problem } => {
                // A query may have a token in it.
                let shown = value.split(['?', '#']).next().unwrap_or_default();
                format!("{name} {shown:?}: {problem}; allowed: http(s)://HOST[:PORT][/PATH]")
            }
            other => format!("{name}: {other}"),
        };
        let url = options.endpoint().map_err(refused)?;
        let collector = Collector::new(options.http().map_err(refused)?, timeout(&variable));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(url.as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(collector)
            .build()
            .map_err(|error| format!("{name}: {error}"))?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(&variable))
            .with_span_processor(BatchSpanProcessor::builder(exporter).build())
            .build();
        Ok(Some(Self { provider, origin: url.origin().ascii_serialization() }))
    }

    pub(super) async fn end(self) {
        let Self { provider, .. } = self;
        // A collector that does not answer in time has been complained about.
        let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(AT_THE_END)).await;
    }
}

/// The URL for traces, with who says it.
fn destination(endpoint: Option<&str>, variable: &Variable<'_>) -> Option<(&'static str, String)> {
    const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if is_off {
        return None;
    }
    let of_traces = variable(OF_TRACES).map(|url| (OF_TRACES, url));
    let of_all = endpoint.filter(|url| !url.is_empty()).map(|url| ("--otlp-endpoint", format!("{}/v1/traces", url.trim_end_matches('/'))));
    of_traces.or(of_all)
}

/// In milliseconds.
fn timeout(variable: &Variable<'_>) -> Duration {
    let said = variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| variable("OTEL_EXPORTER_OTLP_TIMEOUT"));
    let said = said.and_then(|value| value.parse().ok()).filter(|milliseconds| *milliseconds > 0);
    said.map_or(opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis)
}

/// Who this is. What the environment says comes last, and so counts.
fn resource(variable: &Variable<'_>) -> Resource {
    let mut resource = Resource::builder_empty()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    // The pod's name.
    if let Some(host) = variable("HOSTNAME") {
        resource = resource.with_attribute(KeyValue::new("service.instance.id", host));
    }
    resource = resource.with_detector(Box::new(TelemetryResourceDetector)).with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name),
        None => resource,
    }
    .build()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(endpoint: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        destination(endpoint, &variable).map(|(_, url)| url)
    }

    #[test]
    fn traces_are_off_unless_somebody_says_where_they_go() {
        assert_eq!(at(None, &[]), None);
        assert_eq!(at(Some(""), &[]), None);
        for endpoint in ["http://collector:4318", "http://collector:4318/"] {
            assert_eq!(at(Some(endpoint), &[]).unwrap(), "http://collector:4318/v1/traces");
            assert_eq!(at(Some(endpoint), &[("OTEL_SDK_DISABLED", "TRUE")]), None);
            assert_eq!(at(Some(endpoint), &[("OTEL_TRACES_EXPORTER", "none")]), None);
        }
        let own = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/as/it/is")];
        assert_eq!(at(Some("http://collector:4318"), &own).unwrap(), "http://traces/as/it/is");
        assert_eq!(at(None, &own).unwrap(), "http://traces/as/it/is");
    }

    #[tokio::test]
    async fn a_wrong_endpoint_is_refused_without_showing_a_password_or_token() {
        let refused = |endpoint: &str| Traces::start(Some(endpoint), |_| None).err().unwrap();
        for endpoint in ["collector:4318", "ftp://collector", "http://collector?token=hunter2", "http://me:hunter2@collector:4318"] {
            let said = refused(endpoint);
            assert!(said.starts_with("--otlp-endpoint ") && said.contains("allowed: http(s)://HOST"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_request_takes_as_long_as_the_environment_allows() {
        let of = |name: &'static str, value: &'static str| timeout(&|asked: &str| (asked == name).then(|| value.to_owned()));
        assert_eq!(of("", ""), Duration::from_secs(10));
        assert_eq!(of("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"), Duration::from_millis(2500));
        assert_eq!(of("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"), Duration::from_secs(10));
    }

    #[test]
    fn the_environment_may_name_the_service() {
        let name = |given: Option<&str>| {
            let resource = resource(&|asked: &str| given.filter(|_| asked == "OTEL_SERVICE_NAME").map(str::to_owned));
            resource.get(&opentelemetry::Key::from_static_str("service.name")).unwrap().to_string()
        };
        assert_eq!((name(None).as_str(), name(Some("mine")).as_str()), ("paperspace-operator", "mine"));
    }
}
