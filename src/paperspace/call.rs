//! One request, described by its route.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;

use super::Error;
use super::text::clean_text;

/// A call of the API: a route with its arguments, a query and a body.
pub(super) struct Call<'a> {
    pub(super) route: &'static str,
    arguments: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<Result<Vec<u8>, serde_json::Error>>,
    /// The API's words about this call could repeat a startup script, which may hold secrets: they are not kept.
    pub(super) secret: bool,
}

impl<'a> Call<'a> {
    /// `route` is a method and a path, `PUT /machines/{id}`; `arguments` take the places of the segments in braces.
    pub(super) fn new(route: &'static str, arguments: &[&'a str]) -> Self {
        Self { route, arguments: arguments.to_vec(), query: Vec::new(), body: None, secret: false }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body));
        self
    }

    pub(super) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// `("PUT", "/machines/{id}")`.
    pub(super) fn method_and_path(&self) -> (&'static str, &'static str) {
        self.route.split_once(' ').unwrap_or(("", self.route))
    }

    pub(super) fn changes_something(&self) -> bool {
        self.method_and_path().0 != "GET"
    }

    /// The request. A body brings a content type with it; without one there must be none: the API refuses a PATCH that announces JSON
    /// and sends nothing.
    pub(super) fn request(self, endpoint: &Url, authorization: &HeaderValue) -> Result<Request, Error> {
        let (method, path) = self.method_and_path();
        let unsent = |message: String| Error::Transport { route: self.route, maybe_sent: false, message };
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| unsent(error.to_string()))?;
        let mut request = Request::new(method, url(endpoint, path, &self.arguments).map_err(unsent)?);
        if !self.query.is_empty() {
            request.url_mut().query_pairs_mut().extend_pairs(&self.query);
        }
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        if let Some(body) = self.body {
            let unsent = |message: String| Error::Transport { route: self.route, maybe_sent: false, message };
            let body = body.map_err(|error| unsent(error.to_string()))?;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }
}

/// The endpoint's URL with the path behind it. An argument is one segment and stays one: ids have no use for a character that means
/// something in a URL, so one that has it (`../x`) is refused rather than encoded; a proxy on the way may decode it.
fn url(endpoint: &Url, path: &str, arguments: &[&str]) -> Result<Url, String> {
    let mut url = endpoint.clone();
    let mut arguments = arguments.iter();
    {
        let mut segments = url.path_segments_mut().map_err(|()| "the endpoint has no path".to_owned())?;
        segments.pop_if_empty();
        for segment in path.split('/').skip(1) {
            let segment = if segment.starts_with('{') { arguments.next().copied().unwrap_or_default() } else { segment };
            if !is_segment(segment) {
                return Err(format!("{:?} is not an id", clean_text(segment)));
            }
            segments.push(segment);
        }
    }
    Ok(url)
}

fn is_segment(text: &str) -> bool {
    const MARKS: &[u8] = b"-_.:~";
    (1..=255).contains(&text.len()) && text != "." && text != ".." && text.bytes().all(|b| b.is_ascii_alphanumeric() || MARKS.contains(&b))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn build(call: Call<'_>, endpoint: &str) -> Result<Request, Error> {
        call.request(&Url::parse(endpoint).unwrap(), &HeaderValue::from_static("Bearer x"))
    }

    #[test]
    fn routes_become_urls() {
        for endpoint in ["https://api.example.com/v1", "https://api.example.com/v1/"] {
            let request = build(Call::new("DELETE /machines/{id}/accessors/{userId}", &["ps1", "u2"]), endpoint).unwrap();
            assert_eq!(request.method(), "DELETE");
            assert_eq!(request.url().as_str(), "https://api.example.com/v1/machines/ps1/accessors/u2");
        }
        let request =
            build(Call::new("GET /machines", &[]).query("after", "a b&c=d").query("limit", "120"), "https://api.example.com").unwrap();
        assert_eq!(request.url().as_str(), "https://api.example.com/machines?after=a+b%26c%3Dd&limit=120");
    }

    #[test]
    fn a_hostile_id_changes_no_route_and_is_not_sent() {
        for id in ["", ".", "..", "../x", "a/b", "a%2fb", "a?b", "a#b", "a\\b", "a b", "ä", "a\nb", ";x", "a@b", &"x".repeat(256)] {
            let error = build(Call::new("GET /machines/{id}", &[id]), "https://api.example.com/v1").unwrap_err();
            assert!(matches!(error, Error::Transport { maybe_sent: false, .. }), "{id:?}: {error}");
        }
        for id in ["psvv2ew1gd4s", "10.0.0.1", "3f9c2a7b-51de", "..."] {
            assert!(build(Call::new("GET /machines/{id}", &[id]), "https://api.example.com/v1").is_ok());
        }
    }

    #[test]
    fn only_a_body_has_a_content_type() {
        for route in ["PATCH /machines/{id}/start", "DELETE /machines/{id}", "GET /machines/{id}"] {
            let request = build(Call::new(route, &["ps1"]), "https://api.example.com/v1").unwrap();
            assert!(request.body().is_none() && !request.headers().contains_key(CONTENT_TYPE), "{route}");
        }
        let request = build(Call::new("POST /machines", &[]).json(&serde_json::json!({"a": 1})), "https://api.example.com/v1").unwrap();
        assert_eq!(request.body().unwrap().as_bytes().unwrap(), br#"{"a":1}"#);
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    }
}
