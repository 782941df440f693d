//! What a reply means: a value, or which kind of failure.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::Error;
use super::text::{clean_text, clean_text_to};
use super::transport::Reply;

/// What is shown of a body that is not the API's.
const EXCERPT_BYTES: usize = 160;

/// The longest word of the API is 21 characters.
const MAX_CODE_BYTES: usize = 64;

/// Limits that are counted by the hour ask for as much. A longer wait would look like a dead operator, and is likelier a mistake than a
/// wish.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Stands for the API's text about a startup script.
const WITHHELD: &str = "the API's text is withheld, it could repeat the script";

/// Reads a reply. Only 200 is success, and only without the API's error object in it.
pub(super) fn read<T: DeserializeOwned>(route: &'static str, secret: bool, reply: &Reply) -> Result<T, Error> {
    match reply.status {
        200 => {}
        // Not an answer of the API: whoever sent it may have passed the request on before.
        status @ 300..400 => {
            return Err(Error::Transport {
                route,
                maybe_sent: true,
                message: format!("a redirect (HTTP {status}), which is not followed"),
            });
        }
        _ => return Err(rejected(route, secret, reply)),
    }
    // Nearly always. A body that may say otherwise is read with care, which costs several times as much.
    if let Ok(value) = serde_json::from_slice(&reply.body)
        && !may_be_an_error(&reply.body)
    {
        return Ok(value);
    }
    let bad = |path: String, message: &dyn std::fmt::Display| {
        let message = if secret { "not as documented".to_owned() } else { clean_text(&message.to_string()) };
        Error::BadPayload { route, path, message }
    };
    let value: Value = serde_json::from_slice(&reply.body).map_err(|error| bad(".".to_owned(), &error))?;
    if value.as_object().is_some_and(|object| object.len() <= 3 && ErrorObject::of(object).is_some()) {
        return Err(rejected(route, secret, reply));
    }
    serde_path_to_error::deserialize(value).map_err(|error| bad(clean_text(&error.path().to_string()), error.inner()))
}

/// Whether this could be the API's error object, or is no plain object at all.
fn may_be_an_error(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        code: Option<IgnoredAny>,
        message: Option<IgnoredAny>,
    }
    serde_json::from_slice(body).map_or(true, |Probe { code, message }| code.is_some() && message.is_some())
}

fn rejected(route: &'static str, secret: bool, reply: &Reply) -> Error {
    let retry_after = retry_after(&reply.headers);
    let value: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let object = value.as_ref().and_then(Value::as_object);
    let known = object.and_then(ErrorObject::of);
    let (code, message, from_api) = match (&known, object.and_then(|object| object.get("message")).and_then(Value::as_str)) {
        (Some(error), _) => (code(error.code), error.text(), true),
        (None, Some(message)) => (String::new(), clean_text(message), false),
        (None, None) => (String::new(), excerpt(&reply.body), false),
    };
    let message = if secret { WITHHELD.to_owned() } else { message };
    Error::Rejected { route, status: reply.status, code, message, from_api, retry_after }
}

/// `{code, message}` with whatever else.
struct ErrorObject<'a> {
    code: &'a str,
    message: &'a str,
    issues: &'a [Value],
}

impl<'a> ErrorObject<'a> {
    fn of(object: &'a Map<String, Value>) -> Option<Self> {
        let code = object.get("code")?.as_str()?;
        let message = object.get("message")?.as_str()?;
        let issues = object.get("issues").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Some(Self { code, message, issues })
    }

    fn text(&self) -> String {
        let issues = self.issues.iter().filter_map(|issue| issue.get("message").unwrap_or(issue).as_str());
        let text: Vec<&str> = std::iter::once(self.message).chain(issues).filter(|text| !text.trim().is_empty()).collect();
        clean_text(&text.join("; "))
    }
}

/// The API's word, if it is one: nothing else could be told from text.
fn code(code: &str) -> String {
    if code.len() <= MAX_CODE_BYTES && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        code.to_owned()
    } else {
        String::new()
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = clean_text_to(&String::from_utf8_lossy(body.get(..4 * EXCERPT_BYTES).unwrap_or(body)), EXCERPT_BYTES);
    if text.is_empty() { "no text".to_owned() } else { text }
}

/// The `Retry-After` header: seconds or a date. A date is measured from the reply's own `Date`, so that clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<f64>() {
        Duration::try_from_secs_f64(seconds).ok()?
    } else {
        let now = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?)).unwrap_or_else(Timestamp::now);
        Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}
