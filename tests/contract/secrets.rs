//! What must not be seen: the key, and the text of startup scripts.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paperspace_operator::paperspace::types::{CreateStartupScript, UpdateStartupScript};
use paperspace_operator::paperspace::{Client, ConfigError, Error};
use secrecy::SecretString;

use crate::server::{Answer, Server, budget, json, options};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that any crate logs, at the most talkative level, while calls succeed and fail.
#[tokio::test]
async fn neither_logs_nor_debug_nor_errors_show_the_key() {
    const KEY: &str = "feedfacefeedfacefeedfacefeedface";
    const SCRIPT: &str = "curl -H 'token: hunter2' https://example.com";
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).try_init().unwrap();

    let echo = format!(r#"{{"code":"UNAUTHORIZED","message":"unknown key {KEY}"}}"#);
    let server = Server::new([
        json(200, "null"),
        json(401, &echo),
        json(502, &format!("<html>{KEY}</html>")),
        json(200, &format!(r#""{KEY}""#)),
        Answer::Raw(Vec::new()),
        json(200, "null"),
    ])
    .await;
    let client = Client::new(&options(&server.url), SecretString::from(KEY), budget()).unwrap();
    client.session().await.unwrap();
    let mut shown = vec![format!("{client:?} {:?}", client.budget())];
    for _ in 0..4 {
        let error = client.session().await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let script = CreateStartupScript { name: "n".into(), script: SecretString::from(SCRIPT), is_run_once: false };
    shown.push(format!("{script:?}"));
    let permit = client.budget().acquire().await.unwrap();
    client.create_startup_script(permit, &script, Duration::from_secs(5)).await.unwrap_err();

    let shown = shown.concat();
    assert!(!shown.contains(KEY), "{shown}");
    assert!(shown.contains("unknown key [API key]"), "{shown}");
    assert_eq!(server.requests().iter().filter(|request| request.contains(KEY)).count(), 6, "it was sent all the same");
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("/auth/session") && log.contains("hyper"), "the log was captured");
    assert!(!log.contains(KEY) && !log.contains("hunter2"));
    assert!(!shown.contains("hunter2"));
}

#[tokio::test]
async fn the_apis_words_about_scripts_are_withheld() {
    const TEXT: &str = "export PASSWORD=hunter2";
    let said =
        |status| json(status, &format!(r#"{{"code":"BAD_REQUEST","message":"bad script: {TEXT}","issues":[{{"message":"{TEXT}"}}]}}"#));
    let update = UpdateStartupScript { script: Some(SecretString::from(TEXT)), ..UpdateStartupScript::default() };
    for answer in [
        said(400),
        said(200),
        json(400, &format!(r#"{{"message":"{TEXT}"}}"#)),
        json(400, &format!(r#"{{"code":"{TEXT}","message":"x"}}"#)),
        json(500, TEXT),
        json(200, &format!(r#""{TEXT}""#)),
        json(200, &format!(r#"{{"id":{{"{TEXT}":1}}}}"#)),
    ] {
        let server = Server::new([answer]).await;
        let error = server.client().update_startup_script("sc1", &update).await.unwrap_err();
        assert!(!format!("{error} {error:?} {update:?}").contains("hunter2"), "{error:?}");
    }
    // The API's word and what it proves are kept.
    let server = Server::new([said(400)]).await;
    let error = server.client().update_startup_script("sc1", &update).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected { status: 400, from_api: true, code, .. } if code == "BAD_REQUEST"), "{error:?}");
}

#[tokio::test]
async fn a_key_that_cannot_be_sent_is_a_configuration_error() {
    for key in ["", "key\n", "key\r\nx-evil: 1", "two words", "schlüssel", "\0"] {
        let error = Client::new(&options("http://127.0.0.1:1/v1"), SecretString::from(key), budget()).unwrap_err();
        assert!(matches!(error, ConfigError::Key { .. }), "{error:?}");
    }
}
