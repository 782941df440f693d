//! What the README names exists: files, headings, flags, targets, fields, events, metrics.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use paperspace_operator::args::Args;
use paperspace_operator::crd::names;
use paperspace_operator::lifecycle::orphans::Why;
use serde_json::Value;

use super::markdown::{anchors, blocks, code, first_column, links, prose};
use super::schema::{openapi, violations};
use super::{apart, readme, text as text_of, top};

#[test]
fn each_manifest_is_accepted() {
    let mut names = BTreeSet::new();
    for block in blocks(&readme()).iter().filter(|block| block.language == "yaml") {
        let name = block.text.lines().next().unwrap();
        assert!(name.starts_with("# ") && name.contains(".yaml") && names.insert(name.to_owned()), "{name}: to be a file name of its own");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&block.text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for machine in documents.iter().filter(|document| document["kind"] == "PaperspaceMachine") {
            let found = violations(machine, None);
            assert!(found.is_empty(), "{name}: {found:?}");
        }
    }
    assert!(names.contains("# workstation.yaml"));
}

#[test]
fn each_link_leads_somewhere() {
    let text = prose(&readme());
    for link in links(&text).into_iter().filter(|link| !link.starts_with("https://")) {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        assert!(path.is_empty() || top().join(path).exists(), "there is no {link}");
        let there = || if path.is_empty() { text.clone() } else { prose(&text_of(path)) };
        assert!(anchor.is_empty() || anchors(&there()).iter().any(|a| a == anchor), "there is no heading {link}");
    }
}

#[test]
fn each_flag_exists() {
    let command = Args::command();
    let flags: Vec<String> = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .map(|a| format!("--{}", a.get_long().unwrap_or_default()))
        .collect();
    let texts = prose(&(readme() + &text_of("docs/operations.md")));
    for flag in code(&texts).into_iter().filter(|code| code.starts_with("--")) {
        assert!(flags.iter().any(|f| f == flag), "there is no flag {flag}");
    }
}

/// They are not run here, the demo apart: `make test` would run itself.
#[test]
fn each_target_exists() {
    let text = readme();
    let commands =
        blocks(&text).into_iter().filter(|b| b.language == "sh").flat_map(|b| b.text.lines().map(str::to_owned).collect::<Vec<_>>());
    let prose = prose(&text);
    let all = commands.chain(code(&prose).into_iter().map(str::to_owned)).filter(|command| command.starts_with("make "));
    let mut targets = BTreeSet::new();
    for command in all {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let dry = apart("make").arg("-n").args(&words).current_dir(top()).output().unwrap();
        assert!(dry.status.success(), "{command}: {}", String::from_utf8_lossy(&dry.stderr));
        targets.insert(words[0].to_owned());
    }
    for target in ["demo", "demo-stop", "test", "lint", "image", "crd"] {
        assert!(targets.contains(target), "make {target} is not mentioned");
    }
}

#[test]
fn each_field_exists() {
    let text = prose(&readme());
    for cell in first_column(&text, "field") {
        for field in code(cell) {
            assert!(openapi()["properties"]["spec"]["properties"].get(field).is_some(), "spec has no {field}");
        }
    }
}

#[test]
fn the_events_are_those_of_the_code() {
    let sources = std::fs::read_dir(top().join("src/lifecycle")).unwrap().map(|entry| entry.unwrap().path());
    let code_of_core: String = sources.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let sent =
        |call: &str| code_of_core.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>();
    let sent: BTreeSet<String> =
        ["normal(\"", "warning(\"", "let_go(\"", "warning(\n            \""].iter().flat_map(|call| sent(call)).collect();
    let text = prose(&readme());
    let told: BTreeSet<String> = first_column(&text, "event").into_iter().flat_map(code).map(str::to_owned).collect();
    let missing: Vec<&String> = sent.difference(&told).collect();
    // A refused change is told under the reason's name too.
    assert!(missing.iter().all(|event| *event == "UpdateRejected"), "not in the table of events: {missing:?}");
    for event in &told {
        assert!(code_of_core.contains(&format!("\"{event}\"")), "{event} is never sent");
    }
}

#[test]
fn the_words_for_why_are_those_of_the_code() {
    let text = prose(&text_of("docs/operations.md"));
    let told: Vec<&str> = first_column(&text, "`WHY`").into_iter().flat_map(code).collect();
    assert_eq!(told, Why::ALL.map(Why::as_str));
}

#[test]
fn names_that_users_type_are_spelt_as_in_the_code() {
    let text = readme();
    for name in [names::RESTART_REQUESTED, names::RECONCILE_REQUESTED, names::ADDRESS_OF_MACHINE] {
        assert!(text.contains(&format!("| `{name}` |")), "{name}");
    }
    assert!(text.contains(&format!("{}={}", names::USE_LABEL, names::USE_CREDENTIALS)));
    // Those that have labels are shown only once they have a value.
    let metrics = std::fs::read_to_string(top().join("src/metrics.rs")).unwrap();
    let (_, named) = text.split_once("`paperspace_operator_`").unwrap();
    let mut named = code(named.split("\n\n").nth(1).unwrap());
    let mut known: Vec<&str> = metrics.split("registry.register(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}
