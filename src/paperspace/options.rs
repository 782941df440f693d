//! Where the API is and how it is talked to, checked before the first call.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

/// The public endpoint.
pub const DEFAULT_URL: &str = "https://api.paperspace.com/v1";

/// How long one call may take, from connecting to the last byte of the reply.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of a [`Client`](super::Client).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// The endpoint, version included: [`DEFAULT_URL`].
    pub base_url: String,
    /// Whether `http` is allowed to a host other than this one; the key then crosses the network readable.
    pub allow_http: bool,
    /// Of one call, budget not included.
    pub request_timeout: Duration,
    /// The `User-Agent` header.
    pub user_agent: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            base_url: DEFAULT_URL.to_owned(),
            allow_http: false,
            request_timeout: DEFAULT_TIMEOUT,
            user_agent: concat!("paperspace-operator/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A setting that no client can be made from.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Not an endpoint.
    #[error("API URL {value:?}: {problem}; allowed: https://HOST[:PORT][/PATH], and http:// to a loopback address")]
    Url {
        /// The value, without a password.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key cannot be sent in a header. It is not shown.
    #[error("API key: {problem}; allowed: visible ASCII characters without spaces")]
    Key {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a header value.
    #[error("user agent {value:?}: allowed: visible ASCII characters and spaces")]
    UserAgent {
        /// The value.
        value: String,
    },
    /// No call can take no time.
    #[error("request time-out {value:?}: allowed: more than 0 s")]
    Timeout {
        /// The value.
        value: Duration,
    },
    /// The HTTP library would not start; most likely no root certificates are installed.
    #[error("HTTP client: {message}")]
    Http {
        /// What it says.
        message: String,
    },
}

impl ClientOptions {
    /// What carries requests over HTTP.
    pub fn http(&self) -> Result<std::sync::Arc<dyn super::Transport>, ConfigError> {
        Ok(std::sync::Arc::new(super::transport::Http::new(self, &self.endpoint()?)?))
    }

    /// The endpoint as a URL without a trailing slash, if it is one that the key may be sent to.
    pub fn endpoint(&self) -> Result<Url, ConfigError> {
        let refuse = |problem: &str| Err(ConfigError::Url { value: self.base_url.clone(), problem: problem.to_owned() });
        let mut url = match Url::parse(self.base_url.trim()) {
            Ok(url) => url,
            Err(error) => return refuse(&error.to_string()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            // The value is not repeated: it holds a password.
            let value = format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default());
            return Err(ConfigError::Url { value, problem: "a user or password does not belong here".to_owned() });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("a query or fragment does not belong here");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return refuse("no host");
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http || is_loopback(&url) => {}
            "http" => return refuse("the API key would be readable on the network"),
            _ => return refuse("unknown scheme"),
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }

    pub(super) fn user_agent(&self) -> Result<HeaderValue, ConfigError> {
        HeaderValue::from_str(&self.user_agent).map_err(|_| ConfigError::UserAgent { value: self.user_agent.clone() })
    }

    pub(super) fn timeout(&self) -> Result<Duration, ConfigError> {
        if self.request_timeout.is_zero() { Err(ConfigError::Timeout { value: self.request_timeout }) } else { Ok(self.request_timeout) }
    }
}

/// Whether the URL's host is this machine, whatever the network.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn endpoint(base_url: &str, allow_http: bool) -> Result<Url, ConfigError> {
        ClientOptions { base_url: base_url.to_owned(), allow_http, ..ClientOptions::default() }.endpoint()
    }

    #[test]
    fn endpoints_that_are_safe_for_a_key() {
        for (value, url) in [
            (DEFAULT_URL, DEFAULT_URL),
            ("https://api.example.com/v1/", "https://api.example.com/v1"),
            ("https://api.example.com", "https://api.example.com/"),
            (" https://api.example.com:8443/v1//", "https://api.example.com:8443/v1"),
            ("http://127.0.0.1:8585/v1", "http://127.0.0.1:8585/v1"),
            ("http://127.9.9.9/v1", "http://127.9.9.9/v1"),
            ("http://[::1]:8585/v1", "http://[::1]:8585/v1"),
            ("http://localhost:8585/v1", "http://localhost:8585/v1"),
        ] {
            assert_eq!(endpoint(value, false).unwrap().as_str(), url);
        }
        assert_eq!(endpoint("http://simulator:8585/v1", true).unwrap().as_str(), "http://simulator:8585/v1");
    }

    #[test]
    fn endpoints_that_are_not() {
        for value in [
            "",
            "api.paperspace.com/v1",
            "/v1",
            "ftp://api.paperspace.com",
            "http://api.paperspace.com/v1",
            "http://localhost.example.com/v1",
            "http://127.0.0.1.example.com/",
            "http://10.0.0.1/v1",
            "https://api.paperspace.com/v1?key=1",
            "https://api.paperspace.com/v1#a",
            "https://",
            "data:text/plain,x",
        ] {
            let error = endpoint(value, false).unwrap_err();
            assert!(matches!(&error, ConfigError::Url { value: shown, .. } if shown == value), "{value:?}: {error}");
            assert!(error.to_string().contains("allowed: https://"), "{error}");
        }
        assert!(endpoint("ftp://api.paperspace.com", true).is_err());
    }

    #[test]
    fn a_password_is_not_repeated() {
        let error = endpoint("https://me:hunter2@api.paperspace.com/v1", false).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
