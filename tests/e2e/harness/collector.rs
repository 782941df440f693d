//! A collector of traces, by OTLP over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message as _;

use super::block_on;

/// One that listens as long as the tests run.
pub(crate) struct Collector {
    /// For `--otlp-endpoint`.
    pub(crate) endpoint: String,
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

/// A span, as far as tests ask.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) name: String,
    /// As OTLP numbers them: 1 is internal, 3 is a client's.
    pub(crate) kind: i32,
    /// 2 is an error.
    pub(crate) status: i32,
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) parent: Vec<u8>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
}

impl Received {
    /// The value of an attribute; empty without.
    pub(crate) fn says(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

impl Collector {
    pub(crate) fn start() -> Self {
        let received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>> = Arc::default();
        let kept = received.clone();
        let take = move |headers: HeaderMap, body: Bytes| async move { kept.lock().unwrap().push((headers, body)) };
        let app = Router::new().route("/v1/traces", post(take));
        let address = block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            tokio::spawn(async { axum::serve(listener, app).await });
            address
        });
        Self { endpoint: format!("http://{address}"), received }
    }

    /// The headers of what came.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.received.lock().unwrap().iter().map(|(headers, _)| headers.clone()).collect()
    }

    /// All that came, as it came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.received.lock().unwrap().iter().flat_map(|(_, body)| body.to_vec()).collect()
    }

    /// All spans that came.
    pub(crate) fn spans(&self) -> Vec<Received> {
        let bodies: Vec<Bytes> = self.received.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
        let mut spans = Vec::new();
        for body in bodies {
            let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.map(|resource| texts(resource.attributes)).unwrap_or_default();
                for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push(Received {
                        name: span.name,
                        kind: span.kind,
                        status: span.status.map_or(0, |status| status.code),
                        trace: span.trace_id,
                        id: span.span_id,
                        parent: span.parent_span_id,
                        attributes: texts(span.attributes),
                        resource: resource.clone(),
                    });
                }
            }
        }
        spans
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
