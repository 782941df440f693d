//! `paperspace-operator log`: which logs the operator beside this writes. The image has no other program that could ask.

use std::time::Duration;

use super::Printed;
use crate::args::{Lasts, LogArgs};
use crate::controller::Stopped;

/// Asks, or changes first.
pub async fn run(args: LogArgs) -> Result<Printed, Stopped> {
    let LogArgs { filter, lasts, admin_listen: address } = args;
    let failed = |error: reqwest::Error| {
        let hint = if error.is_connect() { "; is there an operator with this --admin-listen?" } else { "" };
        Stopped::Failed(format!("{address}: {}{hint}", error.without_url()))
    };
    // No certificates: an image that has none could not ask otherwise.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(5)).build().map_err(failed)?;
    let url = format!("http://{address}/log");
    let request = match filter {
        None => client.get(url),
        Some(filter) => {
            let request = client.put(url).body(filter.to_string());
            match lasts {
                Lasts::For(lasts) => request.query(&[("for", humantime::format_duration(lasts).to_string())]),
                Lasts::Always => request,
            }
        }
    };
    let reply = request.send().await.map_err(failed)?;
    let status = reply.status();
    let said = reply.text().await.map_err(failed)?;
    if !status.is_success() {
        return Err(Stopped::Failed(format!("{address} answers {status} {}", said.trim())));
    }
    Ok(Printed { result: said, notes: Vec::new() })
}
