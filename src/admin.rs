//! What may be changed while the operator runs, over HTTP, on an address that only this machine reaches: in a pod, its own containers and
//! whoever may exec into it or forward a port of it.
//!
//! `GET /log` says which logs are written. `PUT /log` with a filter as its body changes that; with `?for=10m` it goes back by itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::args::duration;
use crate::telemetry::{LogFilter, Logs};

/// In bytes; a filter has dozens.
const MOST: usize = 4096;

/// Listens; port 0 takes one that is free.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(listen).await?;
    tracing::info!("`paperspace-operator log` is answered on {}", listener.local_addr()?);
    Ok(listener)
}

/// Serves until it is dropped: whatever it is asked ends at once, and nothing waits for it.
pub async fn serve(listener: TcpListener, logs: Logs) {
    let app = Router::new()
        .route("/log", get(show).put(change))
        .layer(DefaultBodyLimit::max(MOST))
        .layer(middleware::from_fn(only_from_here))
        .with_state(logs.clone());
    // Neither ends.
    tokio::select! {
        _ = axum::serve(listener, app).into_future() => {}
        () = logs.put_back() => {}
    }
}

async fn show(State(logs): State<Logs>) -> String {
    logs.describe()
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "for")]
    lasts: Option<String>,
}

async fn change(State(logs): State<Logs>, Query(Change { lasts }): Query<Change>, filter: String) -> Response {
    let asked = || -> Result<(LogFilter, Option<Duration>), String> {
        let lasts = lasts.map(|lasts| duration(&lasts).map_err(|problem| format!("for={lasts}: {problem}"))).transpose()?;
        Ok((filter.parse()?, lasts))
    };
    match asked() {
        Ok((filter, lasts)) => {
            logs.ask(filter, lasts);
            logs.describe().into_response()
        }
        Err(problem) => (StatusCode::BAD_REQUEST, problem + "\n").into_response(),
    }
}

/// A browser on this machine can be brought to call this address by any page. Such a request says which page it is for (`Origin`), or was
/// meant for another host, whose name was made to lead here.
async fn only_from_here(request: Request, next: Next) -> Response {
    if is_from_here(request.headers()) { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

fn is_from_here(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    host.is_some_and(is_this_machine) && another.is_none() && !headers.contains_key(header::ORIGIN)
}

/// With a port or without.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn allowed(headers: &[(header::HeaderName, &str)]) -> bool {
        is_from_here(&headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
    }

    #[test]
    fn who_calls_this_machine_by_its_address_or_as_localhost_is_answered() {
        for host in ["127.0.0.1:8081", "127.0.0.1", "localhost:8081", "LOCALHOST", "[::1]:8081", "[::1]", "127.9.9.9:1"] {
            assert!(allowed(&[(header::HOST, host)]), "{host}");
        }
    }

    #[test]
    fn a_page_in_a_browser_is_not_whatever_name_leads_here() {
        for host in ["example.com", "example.com:8081", "127.0.0.1.example.com", "localhost.example.com:8081", "10.0.0.1:8081", "", ":8081"]
        {
            assert!(!allowed(&[(header::HOST, host)]), "{host}");
        }
        assert!(!allowed(&[]));
        assert!(!allowed(&[(header::HOST, "127.0.0.1:8081"), (header::ORIGIN, "https://example.com")]));
        assert!(!allowed(&[(header::HOST, "127.0.0.1:8081"), (header::ORIGIN, "null")]));
    }
}
