//! Wrong values on the command line: the flag, the value and what is allowed, and exit code 2.

use std::process::{Command, Output};

fn run(words: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_paperspace-operator")).args(words).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "stdout is for results");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Subcommand, flag, value, and what the answer says is allowed.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("run", "--poll-interval", "soon", "durations such as 30s, 5m or 2h"),
    ("run", "--poll-interval", "30", "durations such as 30s, 5m or 2h"),
    ("run", "--poll-interval", "0s", "100ms to 24h"),
    ("run", "--transition-interval", "25h", "100ms to 24h"),
    ("run", "--create-settle", "-1s", "durations such as 30s, 5m or 2h"),
    ("run", "--cluster-id", "Prod", "1 to 20 lower case letters, digits and inner dashes"),
    ("run", "--cluster-id", "a-very-long-cluster-name", "1 to 20 lower case letters, digits and inner dashes"),
    ("run", "--cluster-id", "prod-", "1 to 20 lower case letters, digits and inner dashes"),
    ("run", "--listen", "8080", "invalid socket address"),
    ("run", "--concurrency", "0", "1..=1024"),
    ("run", "--concurrency", "many", "invalid digit"),
    ("run", "--api-rate", "0", "1..=1000"),
    ("run", "--api-burst", "1001", "1..=1000"),
    ("run", "--max-destroys-per-hour", "many", "whole numbers from 0, and unlimited"),
    ("run", "--max-destroys-per-hour", "-1", "whole numbers from 0, and unlimited"),
    ("run", "--stop-config-map", "Stop!", "lower case"),
    ("run", "--shard", "3/3", "I/N with 0 <= I < N <= 1000, such as 0/3"),
    ("run", "--shard", "2", "I/N with 0 <= I < N <= 1000, such as 0/3"),
    ("run", "--shard", "0/1001", "I/N with 0 <= I < N <= 1000, such as 0/3"),
    ("run", "--shard", "$(POD_INDEX)/3", "I/N with 0 <= I < N <= 1000, such as 0/3"),
    ("run", "--log-format", "xml", "possible values: text, json"),
    ("run", "--log", "loud", "levels (error, warn, info, debug, trace, off) and directives such as info,paperspace_operator=debug"),
    ("run", "--log", "info,hyper", "\"hyper\" is not a level"),
    ("run", "--admin-listen", "0.0.0.0:8081", "addresses of this machine alone, such as 127.0.0.1:8081"),
    ("run", "--admin-listen", "[::]:8081", "addresses of this machine alone"),
    ("run", "--admin-listen", "10.0.0.1:8081", "addresses of this machine alone"),
    ("run", "--admin-listen", "localhost:8081", "addresses of this machine alone"),
    ("run", "--watch-selector", "", "key in (a,b)"),
    ("run", "--watch-selector", "team>ml", "key in (a,b)"),
    ("run", "--watch-selector", "team in ml", "key in (a,b)"),
    ("orphans", "--output", "yaml", "possible values: table, json, ids"),
    ("orphans", "--why", "lost", "allowed are unmarked, marked, other-cluster, unassigned"),
    ("orphans", "--cluster-id", "Prod", "1 to 20 lower case letters, digits and inner dashes"),
    ("adopt-manifest", "--machine", "ps-1", "letters and digits, such as psvv2ew1gd4s"),
    ("adopt-manifest", "--machine", "", "letters and digits, such as psvv2ew1gd4s"),
    ("adopt-manifest", "--namespace", "a.b", "1 to 63 lower case letters, digits and inner dashes"),
    ("adopt-manifest", "--name", "A", "1 to 253 lower case letters, digits, and dashes and dots between them"),
    ("adopt-manifest", "--name", "a..b", "1 to 253 lower case letters, digits, and dashes and dots between them"),
    ("adopt-manifest", "--credentials", "key/", "SECRET and SECRET/KEY"),
    ("adopt-manifest", "--credentials", "Key", "SECRET and SECRET/KEY"),
    ("log", "--for", "soon", "durations such as 30s, 5m or 2h, and always"),
    ("log", "--admin-listen", "10.0.0.1:8081", "addresses of this machine alone"),
    ("simulate", "--listen", "localhost:x", "invalid socket address"),
    ("simulate", "--time-scale", "0", "numbers from 0.01 to 100000"),
    ("simulate", "--time-scale", "fast", "numbers from 0.01 to 100000"),
    ("simulate", "--seed", "-1", "invalid digit"),
];

#[test]
fn a_wrong_value_is_answered_with_the_flag_the_value_and_what_is_allowed() {
    for (subcommand, flag, value, allowed) in WRONG {
        let answer = refused(&run(&[subcommand, &format!("{flag}={value}")], &[]));
        for part in [*flag, &format!("'{value}'"), *allowed] {
            assert!(answer.contains(part), "{subcommand} {flag}={value}: {part:?} is not in:\n{answer}");
        }
    }
}

#[test]
fn a_wrong_value_from_the_environment_is_answered_so_too() {
    let answer = refused(&run(&["run"], &[("PAPERSPACE_OPERATOR_POLL_INTERVAL", "soon")]));
    assert!(answer.contains("--poll-interval") && answer.contains("'soon'") && answer.contains("30s, 5m or 2h"), "{answer}");
}

#[test]
fn an_unknown_flag_or_subcommand_or_none_is_wrong_usage() {
    assert!(refused(&run(&["run", "--api-keys"], &[])).contains("--api-keys"));
    assert!(refused(&run(&["start"], &[])).contains("start"));
    assert!(refused(&run(&[], &[])).contains("Usage"));
}

/// Flags show in process lists.
#[test]
fn a_key_is_never_a_flag_of_run() {
    let answer = refused(&run(&["run", "--api-key=secret"], &[]));
    assert!(answer.contains("--api-key") && !answer.contains("secret"), "{answer}");
}

#[test]
fn every_flag_has_an_environment_name_and_says_what_it_is() {
    let command = <paperspace_operator::args::Args as clap::CommandFactory>::command();
    for subcommand in command.get_subcommands() {
        for argument in subcommand.get_arguments().filter(|argument| argument.get_id() != "help" && argument.get_id() != "version") {
            assert!(argument.get_help().is_some(), "{} has no help", argument.get_id());
            // What is asked for with a word of its own, no environment does.
            if argument.is_positional() {
                continue;
            }
            let flag = argument.get_long().expect("a long flag");
            let name = argument.get_env().and_then(|name| name.to_str()).unwrap_or_else(|| panic!("--{flag} has no environment name"));
            let expected = flag.to_uppercase().replace('-', "_");
            let own = ["PAPERSPACE_API_URL", "PAPERSPACE_API_KEY_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT"].contains(&name);
            assert!(own || name == format!("PAPERSPACE_OPERATOR_{expected}"), "--{flag}: {name}");
        }
    }
}

#[test]
fn the_crd_or_its_reference_is_printed_and_nothing_else() {
    let printed = |words: &[&str]| {
        let output = run(words, &[]);
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(printed(&["crd"]), paperspace_operator::crd::yaml().unwrap());
    assert_eq!(printed(&["crd", "--reference"]), paperspace_operator::crd::reference::markdown());
}

#[test]
fn where_traces_go_is_checked_before_anything_is_done() {
    let refused = refused(&run(&["run"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@collector:4318")]));
    assert!(
        refused.contains("--otlp-endpoint") && refused.contains("allowed: http(s)://HOST") && !refused.contains("hunter2"),
        "{refused}"
    );
}

/// With nobody there, and with what nobody understands.
#[test]
fn the_log_of_no_operator_cannot_be_changed() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let nobody = run(&["log", "--admin-listen", &free], &[]);
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(nobody.status.code() == Some(1) && said.contains(&free) && said.contains("--admin-listen"), "{said}");
    assert!(refused(&run(&["log", "loud"], &[])).contains("\"loud\" is not a level; allowed are levels"));
}

/// Nothing is called before it is known whom to call, and as whom.
#[test]
fn a_command_that_asks_needs_a_key_and_an_address() {
    for words in [&["orphans"][..], &["adopt-manifest", "--machine", "ps1"]] {
        let key = ("PAPERSPACE_API_KEY", "some-key");
        assert!(refused(&run(words, &[])).contains("PAPERSPACE_API_KEY"));
        assert!(refused(&run(words, &[("PAPERSPACE_API_KEY", " ")])).contains("PAPERSPACE_API_KEY"));
        let missing = refused(&run(words, &[key, ("PAPERSPACE_API_KEY_FILE", "/nowhere/key")]));
        assert!(missing.contains("--api-key-file /nowhere/key"), "{missing}");
        let address = refused(&run(words, &[key, ("PAPERSPACE_API_URL", "http://example.com/v1")]));
        assert!(address.contains("--api-url") && address.contains("https"), "{address}");
    }
    assert!(refused(&run(&["adopt-manifest"], &[])).contains("--machine"));
}
