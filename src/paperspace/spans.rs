//! A call in traces, by OpenTelemetry's conventions for HTTP clients. The URL as it was sent is left out: ids would make every call another
//! one, and queries are of no use there.

use reqwest::Url;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use super::Error;

/// A call that is about to be sent; `path` is that of the route, `/machines/{id}`.
pub(super) fn call(endpoint: &Url, method: &'static str, path: &'static str) -> Span {
    let template = format!("{}{path}", endpoint.path().trim_end_matches('/'));
    info_span!(
        "call",
        otel.name = format!("{method} {template}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        url.template = template,
        server.address = endpoint.host_str(),
        server.port = endpoint.port_or_known_default(),
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// The call came back, or did not.
pub(super) fn ended(span: &Span, status: Option<u16>, error: Option<&Error>) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    // The API's own 404 is an answer.
    let Some(error) = error.filter(|error| !error.is_not_found()) else { return };
    match status.filter(|status| *status >= 400) {
        Some(status) => span.record("error.type", display(status)),
        None => span.record("error.type", error.kind()),
    };
    span.record("otel.status_code", "ERROR");
}
