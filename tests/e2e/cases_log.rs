//! The log filter of an operator that runs: seen and changed from beside it, and by nobody else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output};

use serde_json::json;

use super::harness::{BINARY, PATIENCE, Setup, Test, command, free_address, wait_for};

const ANSWERED: &str = "`paperspace-operator log` is answered on ";

/// Where the operator listens, which it says.
fn admin(t: &Test) -> String {
    wait_for("the address", PATIENCE, || {
        let log = t.operator.log();
        Some(log.split(ANSWERED).nth(1)?.lines().next()?.trim_end_matches('"').split('"').next()?.to_owned())
    })
}

fn log(address: &str, words: &[&str]) -> Output {
    command().args(["log", "--admin-listen", address]).args(words).output().expect("the binary")
}

/// What the command prints; it must succeed.
#[track_caller]
fn said(address: &str, words: &[&str]) -> String {
    let output = log(address, words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A request as it stands here; the status and the body that are answered.
fn raw(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn put(address: &str, query: &str, host: &str, filter: &str, more: &str) -> (u16, String) {
    let length = filter.len();
    raw(
        address,
        &format!("PUT /log{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{filter}"),
    )
}

#[test]
fn the_filter_is_said_and_changed_by_the_command_and_goes_back_by_itself() {
    let t = Test::with("log", Setup { flags: &["--admin-listen", "127.0.0.1:0"], ..Setup::USUAL });
    let address = admin(&t);
    assert_eq!(said(&address, &[]), "info\n");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    assert!(!t.operator.log().contains("DEBUG"));

    assert_eq!(said(&address, &["debug"]), "debug\nfor 10m, then info\n");
    wait_for("lines of level debug", PATIENCE, || t.operator.log().contains("DEBUG").then_some(()));
    assert_eq!(said(&address, &["warn,paperspace_operator=info", "--for=always"]).lines().next(), Some("warn,paperspace_operator=info"));
    assert_eq!(said(&address, &["trace", "--for", "1s"]), "trace\nfor 1s, then info\n");
    wait_for("the filter of the start", PATIENCE, || (said(&address, &[]) == "info\n").then_some(()));
    let log = t.operator.log();
    for change in
        ["before=info now=debug lasts=\"10m\"", "now=warn,paperspace_operator=info", "now=trace lasts=\"1s\"", "before=trace now=info"]
    {
        assert_eq!(log.lines().filter(|line| line.contains("INFO") && line.contains(change)).count(), 1, "{change}");
    }
    // What was being written then is written by now.
    t.idle(1);
    let before = t.operator.written();
    t.idle(2);
    let after = t.operator.log_after(before);
    assert!(!after.contains("TRACE") && !after.contains("DEBUG"), "{after}");
    t.end();
}

#[test]
fn a_wrong_filter_is_answered_as_on_the_command_line_and_changes_nothing() {
    let t = Test::with("log-wrong", Setup { flags: &["--admin-listen", "127.0.0.1:0"], ..Setup::USUAL });
    let address = admin(&t);
    let sentence = "\"loud\" is not a level; allowed are levels (error, warn, info, debug, trace, off) and directives such as \
                    info,paperspace_operator=debug";
    assert_eq!(put(&address, "", &address, "loud", ""), (400, format!("{sentence}\n")));
    let on_the_command_line = command().args(["run", "--log=loud"]).output().unwrap();
    assert!(String::from_utf8(on_the_command_line.stderr).unwrap().contains(sentence));
    for lasts in ["soon", "0s", "25h", "-1s"] {
        let (status, answer) = put(&address, &format!("?for={lasts}"), &address, "debug", "");
        assert!(
            status == 400 && answer.contains(&format!("for={lasts}: allowed are durations")) || answer.contains("such as 30s"),
            "{answer}"
        );
    }
    let long = "info,".repeat(2000);
    assert_eq!(put(&address, "", &address, &long, "").0, 413);
    assert_eq!(said(&address, &[]), "info\n");
    t.end();
}

/// A page can have a browser send requests here, to a name of its own that leads to this machine, or to this address.
#[test]
fn nobody_changes_it_from_elsewhere() {
    let public = free_address();
    let flags = &*Vec::leak(vec!["--admin-listen", "127.0.0.1:0", "--listen", public]);
    let t = Test::with("log-elsewhere", Setup { flags, ..Setup::USUAL });
    let address = admin(&t);
    for host in ["example.com", "example.com:8081", "10.0.0.1:8081", ""] {
        assert_eq!(put(&address, "", host, "trace", "").0, 403, "{host:?}");
        let get = format!("GET /log HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(&address, &get).0, 403, "{host:?}");
    }
    assert_eq!(put(&address, "", &address, "trace", "Origin: http://example.com\r\n").0, 403);
    let preflight = format!(
        "OPTIONS /log HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nOrigin: http://example.com\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
    );
    assert_eq!(raw(&address, &preflight).0, 403);
    let form = format!("POST /log HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 5\r\n\r\ntrace");
    assert_eq!(raw(&address, &form).0, 405, "what a form can send");
    assert_eq!(said(&address, &[]), "info\n");

    // The address that others reach has no such thing, and this one has nothing else.
    assert_eq!(put(public, "", public, "trace", "").0, 404);
    assert_eq!(raw(&address, &format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).0, 404);
    t.end();
}

/// But for the pod: here the operator is a process.
#[test]
fn the_commands_of_the_document_work() {
    let t = Test::with("log-document", Setup { flags: &["--admin-listen", "127.0.0.1:0"], ..Setup::USUAL });
    let address = admin(&t);
    let script = |line: &str| match line.split_once(" -- /paperspace-operator ") {
        Some((_, words)) => Some(format!("'{BINARY}' {words}")),
        None => Some(format!("curl -sSf --noproxy '*' {}", line.strip_prefix("curl ")?.replace("127.0.0.1:8081", &address))),
    };
    let scripts: Vec<String> = include_str!("../../docs/logging.md").lines().filter_map(script).collect();
    assert_eq!(scripts.len(), 7, "{scripts:?}");
    for script in scripts {
        let output = Command::new("sh").args(["-c", &script]).env("PAPERSPACE_OPERATOR_ADMIN_LISTEN", &address).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{script}: {output:?}");
    }
    t.end();
}
