//! What each kind of failure is taken for, and above all what it proves.

use std::time::Duration;

use paperspace_operator::paperspace::types::CreateMachine;
use paperspace_operator::paperspace::{Client, ConfigError, Error};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{Answer, KEY, Server, budget, client, json, options, read_request, reply};

const NOT_FOUND: &str = r#"{"code":"NOT_FOUND","message":"Machine not found"}"#;

/// The error of a `GET /machines/{id}` that was answered so.
async fn get(answer: Answer) -> Error {
    let server = Server::new([answer]).await;
    let error = server.client().machine("ps1").await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "sent once, whatever happens: {error}");
    error
}

/// The error of a `POST /machines` that was answered so, sent with a time-out of one second.
async fn create(answer: Answer) -> Error {
    let server = Server::new([answer]).await;
    let client = server.client();
    let permit = client.budget().acquire().await.unwrap();
    let error = client.create_machine(permit, &CreateMachine::default(), Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "sent once, whatever happens: {error}");
    error
}

#[track_caller]
fn assert_maybe_sent(error: &Error, says: &str) {
    assert!(matches!(error, Error::Transport { maybe_sent: true, .. }), "{error:?}");
    assert!(!error.proves_nothing_done() && !error.is_not_found(), "{error:?}");
    assert_eq!(error.kind(), "transport");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(&format!("http://{address}/v1")).machine("ps1").await.unwrap_err();
    assert!(matches!(error, Error::Transport { maybe_sent: false, .. }), "{error:?}");
    assert!(error.proves_nothing_done());
    assert!(error.to_string().starts_with("GET /machines/{id}: "), "{error}");
    assert!(error.to_string().to_lowercase().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_failed_tls_handshake_proves_it_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    // A machine without root certificates has no https at all, and says so.
    let client = match Client::new(&options(&url), SecretString::from(KEY), budget()) {
        Ok(client) => client,
        Err(error) => return assert!(matches!(error, ConfigError::Http { .. }), "{error}"),
    };
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = vec![0; 4096];
        let read = stream.read(&mut greeting).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 this is not TLS\r\n\r\n").await.unwrap();
        greeting.truncate(read);
        greeting
    });
    let error = client.machine("ps1").await.unwrap_err();
    assert!(matches!(error, Error::Transport { maybe_sent: false, .. }), "{error:?}");
    assert!(!String::from_utf8_lossy(&server.await.unwrap()).contains(KEY));
}

/// A connection kept open for the next request may be closed by the other side at any time.
#[tokio::test]
async fn a_create_on_a_dying_connection_is_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}/v1", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let mut creates = 0;
        // The first connection answers one request and swallows the next; a second connection would be a repetition.
        loop {
            let accepted = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
            let Ok(Ok((mut stream, _))) = accepted else { return creates };
            while let Some(request) = read_request(&mut stream).await {
                if request.starts_with("POST ") {
                    creates += 1;
                    break;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull").await.unwrap();
            }
        }
    });
    assert_eq!(client.session().await, Ok(None));
    let permit = client.budget().acquire().await.unwrap();
    let error = client.create_machine(permit, &CreateMachine::default(), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, Error::Transport { maybe_sent: true, .. }), "{error:?}");
    assert_eq!(server.await.unwrap(), 1);
}

#[tokio::test]
async fn a_connection_closed_before_or_in_the_reply_proves_nothing() {
    for (bytes, what) in [
        (&b""[..], "no reply"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "half a head"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":", "half a body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n", "no last chunk"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "another protocol"),
    ] {
        for error in [get(Answer::Raw(bytes.to_vec())).await, create(Answer::Raw(bytes.to_vec())).await] {
            assert!(matches!(error, Error::Transport { maybe_sent: true, .. }), "{what}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_timeout_proves_nothing() {
    let began = std::time::Instant::now();
    assert_maybe_sent(&create(Answer::Silence).await, "timed out");
    assert!(began.elapsed() < Duration::from_secs(4), "the call's own time-out counts, not the client's");
    // Nor does a head in time and a body that never ends in time.
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_vec();
    assert!(matches!(create(Answer::Raw(half)).await, Error::Transport { maybe_sent: true, .. }));
}

#[tokio::test]
async fn redirects_are_not_followed_and_leave_a_create_open() {
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let elsewhere = Server::new([json(200, "{}")]).await;
        let headers = format!("location: {}/machines\r\n", elsewhere.url);
        assert_maybe_sent(&get(reply(status, &headers, "")).await, &format!("HTTP {status}"));
        assert_maybe_sent(&create(reply(status, &headers, "")).await, "redirect");
        assert!(elsewhere.requests().is_empty(), "the key stays with its host");
    }
}

#[tokio::test]
async fn an_oversized_body_is_refused() {
    assert_maybe_sent(&get(Answer::Endless).await, "8388608");
    assert_maybe_sent(&create(Answer::Endless).await, "8388608");
}

#[tokio::test]
async fn the_apis_404_is_told_from_a_proxys() {
    let error = get(json(404, NOT_FOUND)).await;
    assert!(error.is_not_found() && error.is_refusal() && error.proves_nothing_done(), "{error:?}");
    assert_eq!(error.to_string(), "GET /machines/{id}: Machine not found (NOT_FOUND, HTTP 404)");
    for body in
        ["", "<html>404 Not Found</html>", "null", "[]", r#"{"message":"Not Found"}"#, r#"{"code":404,"message":"x"}"#, r#"{"error":"x"}"#]
    {
        let error = get(json(404, body)).await;
        assert!(matches!(&error, Error::Rejected { status: 404, from_api: false, code, .. } if code.is_empty()), "{body}: {error:?}");
        assert!(!error.is_not_found() && !error.is_refusal() && !error.proves_nothing_done(), "{body}");
    }
}

#[tokio::test]
async fn a_bad_gateway_shows_a_short_excerpt() {
    let page = format!("<html>\n<head><title>502 Bad Gateway</title></head>{}</html>", "<p>very long</p>".repeat(1000));
    let error = get(reply(502, "content-type: text/html\r\n", &page)).await;
    let Error::Rejected { status: 502, from_api: false, message, .. } = &error else { panic!("{error:?}") };
    assert!(message.starts_with("<html> <head><title>502 Bad Gateway") && message.len() <= 160, "{message}");
    assert_eq!(error.kind(), "server");
    assert!(matches!(get(reply(503, "", "")).await, Error::Rejected { status: 503, message, .. } if message == "no text"));
    assert!(matches!(
        get(Answer::Raw(b"HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec())).await,
        Error::Rejected { status: 500, .. }
    ));
}

/// What closes an attempt to create, and what leaves it open.
#[tokio::test]
async fn only_a_refusal_of_the_api_itself_closes_a_create() {
    for status in [400, 401, 402, 403, 404, 405, 412, 413, 415, 422, 429] {
        assert!(create(json(status, r#"{"code":"WORD","message":"no"}"#)).await.proves_nothing_done(), "{status}");
        assert!(!create(json(status, "no")).await.proves_nothing_done(), "{status} of a proxy");
    }
    for status in [200, 201, 202, 204, 302, 406, 408, 409, 410, 418, 425, 499, 500, 502, 503, 504, 529] {
        assert!(!create(json(status, r#"{"code":"WORD","message":"no"}"#)).await.proves_nothing_done(), "{status}");
    }
}

#[tokio::test]
async fn a_200_can_be_an_error_and_other_2xx_are_no_success() {
    let error = get(json(200, r#"{"code":"CONFLICT","message":"This machine is currently starting.","issues":[]}"#)).await;
    assert!(matches!(&error, Error::Rejected { status: 200, from_api: true, code, .. } if code == "CONFLICT"), "{error:?}");
    for status in [201, 202, 204] {
        let error = create(reply(status, "", if status == 204 { "" } else { "{}" })).await;
        assert!(matches!(error, Error::Rejected { from_api: false, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_200_that_is_not_as_documented_names_the_field() {
    for (body, field) in [
        ("", "."),
        ("{", "."),
        ("<html>", "."),
        ("null", "."),
        ("{}", "."),
        (r#"{"id":5}"#, "id"),
        (r#"{"id":"ps1","name":"n","machineType":"C5","state":"off","ram":"much"}"#, "ram"),
    ] {
        let error = get(json(200, body)).await;
        assert!(matches!(&error, Error::BadPayload { path, .. } if path == field), "{body}: {error:?}");
        assert!(!error.proves_nothing_done() && error.kind() == "bad_payload");
    }
}

#[tokio::test]
async fn the_apis_text_is_kept_with_its_issues_and_cleaned() {
    let body = r#"{"code":"BAD_REQUEST","message":"Validation\u0007 failed\u202e","issues":[{"message":"diskSize: too small"},{"message":"region:\nunknown"},7]}"#;
    let Error::Rejected { message, code, .. } = get(json(400, body)).await else { panic!() };
    assert_eq!((code.as_str(), message.as_str()), ("BAD_REQUEST", "Validation failed; diskSize: too small; region: unknown"));
    let body = r#"{"code":"BAD_REQUEST","message":"no","details":{"field":"name"}}"#;
    assert!(matches!(get(json(400, body)).await, Error::Rejected { from_api: true, message, .. } if message == "no"));
    let body = format!(r#"{{"code":"{}","message":"{}"}}"#, "no word", "ä".repeat(5000));
    let Error::Rejected { message, code, .. } = get(json(400, &body)).await else { panic!() };
    assert!(code.is_empty() && message.len() <= 1024 && message.ends_with('…'));
}

#[tokio::test]
async fn a_rejected_key_is_told_apart() {
    let error = get(json(401, r#"{"message":"Invalid API key"}"#)).await;
    assert!(error.is_unauthorized() && !error.is_refusal());
    assert_eq!(error.kind(), "unauthorized");
    assert!(error.to_string().contains("Invalid API key"));
}

#[tokio::test]
async fn a_429_silences_the_account() {
    let limited = r#"{"code":"TOO_MANY_REQUESTS","message":"slow down"}"#;
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (headers, wait) in [
        ("retry-after: 7\r\n".to_owned(), Some(7)),
        (format!("date: {date}\r\nretry-after: Sun, 06 Nov 1994 08:51:37 GMT\r\n"), Some(120)),
        (format!("date: {date}\r\nretry-after: {date}\r\n"), Some(0)),
        ("retry-after: 999999\r\n".to_owned(), Some(3600)),
        ("retry-after: -5\r\n".to_owned(), None),
        ("retry-after: soon\r\n".to_owned(), None),
        (String::new(), None),
    ] {
        let server = Server::new([reply(429, &headers, limited)]).await;
        let client = server.client();
        let error = client.machine("ps1").await.unwrap_err();
        assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{headers}");
        assert_eq!(error.kind(), "rate_limited");
        let paused = client.budget().paused_for();
        // No wait at all is no wish: the account's own pause holds.
        let wait = wait.unwrap_or(1).max(1);
        let short = Duration::from_secs(wait).saturating_sub(paused.unwrap());
        assert!(short < Duration::from_millis(900) && paused.unwrap() <= Duration::from_secs(wait), "{paused:?}");
    }
    // A wish to wait with another status is passed on, but the account goes on.
    let server = Server::new([reply(503, "retry-after: 7\r\n", "")]).await;
    let client = server.client();
    assert_eq!(client.machine("ps1").await.unwrap_err().retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(client.budget().paused_for(), None);
}
