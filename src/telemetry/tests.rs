//! What is written, on the way that it really takes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use kube::client::Body;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn filter(text: &str) -> LogFilter {
    text.parse().unwrap()
}

fn logging(filter: &LogFilter, format: LogFormat) -> (Written, tracing::subscriber::DefaultGuard, reload::Handle<EnvFilter, Registry>) {
    let written = Written::default();
    let writer = written.clone();
    let (layer, handle) = layer(filter, format, move || writer.clone(), false);
    (written, tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)), handle)
}

/// A Kubernetes API whose list of Secrets breaks off.
fn broken_api() -> kube::Client {
    let reply = r#"{"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [{"data": {"apiKey": "c2VjcmV0LWtleQ=="}"#;
    let service = tower::service_fn(move |_: opentelemetry_http::Request<Body>| async move {
        Ok::<_, std::convert::Infallible>(opentelemetry_http::Response::new(Body::from(reply.as_bytes().to_vec())))
    });
    kube::Client::new(service, "default")
}

#[tokio::test]
async fn a_reply_of_kubernetes_that_cannot_be_read_is_not_written_down() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let (written, _guard, _) = logging(&filter("trace,kube_runtime=trace"), format);
        let error = Api::<Secret>::all(broken_api()).list(&ListParams::default()).await.unwrap_err();
        tracing::warn!(%error, "Secrets cannot be listed");
        let text = written.text();
        assert!(text.contains("Secrets cannot be listed"), "{text}");
        assert!(!text.contains("c2VjcmV0LWtleQ"), "{text}");
    }
}

/// What the test above is there for; should kube have stopped to do so, the exception can go.
#[tokio::test]
async fn kube_would_write_it_down() {
    let written = Written::default();
    let writer = written.clone();
    let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    Api::<Secret>::all(broken_api()).list(&ListParams::default()).await.unwrap_err();
    assert!(written.text().contains("c2VjcmV0LWtleQ"));
}

#[test]
fn another_filter_counts_at_once_and_the_change_is_told_by_whichever_lets_it_through() {
    let (written, _guard, handle) = logging(&filter("warn"), LogFormat::Text);
    let logs = Logs::new(filter("warn"), move |filter| handle.reload(filter.compiled()).unwrap());
    tracing::info!("one");
    logs.ask(filter("debug"), None);
    tracing::debug!("two");
    logs.ask(filter("error"), None);
    tracing::warn!("three");
    let text = written.text();
    for (line, is) in [("one", false), ("two", true), ("three", false), ("before=warn now=debug", true), ("before=debug now=error", true)] {
        assert_eq!(text.contains(line), is, "{line}: {text}");
    }
}

#[test]
fn a_span_of_level_error_is_in_lines_of_any_level() {
    for level in ["error", "trace"] {
        let (written, _guard, _) = logging(&filter(level), LogFormat::Json);
        tracing::error_span!("reconcile", object = "a", machine = tracing::field::Empty).in_scope(|| {
            tracing::error!("before");
            tracing::Span::current().record("machine", "ps1");
            tracing::error!("after");
        });
        let lines: Vec<serde_json::Value> = written.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["span"], serde_json::json!({"name": "reconcile", "object": "a"}));
        assert_eq!(lines[1]["span"], serde_json::json!({"name": "reconcile", "object": "a", "machine": "ps1"}));
        assert_eq!((&lines[1]["message"], &lines[1]["level"]), (&"after".into(), &"ERROR".into()));
    }
}
