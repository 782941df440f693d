//! What the documents beside the README say is so: commands, links, versions, and how many dependencies there are.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod dependencies;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Every document that is written by hand.
fn documents() -> Vec<String> {
    let (mut left, mut found) = (vec![at("")], Vec::new());
    while let Some(directory) = left.pop() {
        for path in std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !["target", "mutants.out"].contains(&name.as_str()) {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(at("")).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Between backticks, and in lines that are indented as code.
fn code(text: &str) -> Vec<&str> {
    let blocks = text.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| line.split(" # ").next().unwrap().trim());
    text.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| line.split('`').skip(1).step_by(2)).chain(blocks).collect()
}

/// A filter is a part of a test's name: of a function after `#[test]`, or the module that is a file or directory.
fn names_a_test(under: &str, filter: &str, document: &str) {
    let filter = filter.rsplit("::").next().unwrap();
    let mut left = vec![at(under)];
    while let Some(path) = left.pop() {
        if path.file_stem().is_some_and(|name| name == filter) {
            return;
        }
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let mut tests = source.lines().skip_while(|line| !line.contains("test]")).filter_map(|line| line.trim().strip_prefix("fn "));
            if tests.any(|test| test.split('(').next().unwrap().contains(filter)) {
                return;
            }
        }
    }
    panic!("{document}: no test in {under} is called {filter}");
}

#[test]
fn each_command_exists() {
    let mut found = 0;
    for document in &documents() {
        for command in code(&text(document)) {
            let words: Vec<&str> = command.split_whitespace().skip_while(|word| word.contains('=')).collect();
            match words[..] {
                ["make", ref targets @ ..] if !targets.is_empty() => {
                    let mut make = Command::new("make");
                    std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAKE")).for_each(|(name, _)| {
                        make.env_remove(name);
                    });
                    let dry = make.arg("-n").args(targets).current_dir(at("")).output().unwrap();
                    assert!(dry.status.success(), "{document}: {command}: {}", String::from_utf8_lossy(&dry.stderr));
                    found += 1;
                }
                ["cargo", "test", "--test", target, ref filter @ ..] => {
                    assert!(at(&format!("tests/{target}/main.rs")).exists(), "{document}: {command}");
                    for filter in filter {
                        names_a_test(&format!("tests/{target}"), filter, document);
                    }
                    found += 1;
                }
                ["cargo", "test", "--lib", ref filter @ ..] => {
                    for filter in filter {
                        names_a_test("src", filter, document);
                    }
                }
                ["kubectl", .., "-k", path] => assert!(at(path).join("kustomization.yaml").exists(), "{document}: {command}"),
                _ => {}
            }
        }
    }
    assert!(found > 10, "{found} commands: they are not found any more");
}

/// CONTRIBUTING has what has to pass, and every layer of tests.
#[test]
fn nothing_that_has_to_pass_is_left_out() {
    let (document, ci) = (text("CONTRIBUTING.md"), text(".ci/run"));
    for command in ci.lines().filter_map(|line| line.strip_prefix("timed ")) {
        assert!(code(&document).contains(&command), "{command}");
    }
    for entry in std::fs::read_dir(at("tests")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.join("main.rs").exists()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        assert!(document.contains(&format!("(tests/{name})")), "tests/{name}");
    }
}

#[test]
fn each_link_leads_somewhere() {
    let mut found = 0;
    for document in &documents() {
        let text = text(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.starts_with("https://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { at(document) } else { at(document).parent().unwrap().join(path) };
            assert!(path.exists(), "{document}: there is no {link}");
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&path).unwrap();
                let kept = |c: &char| c.is_alphanumeric() || ['-', '_'].contains(c);
                let headings = there.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| {
                    line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-").chars().filter(kept).collect::<String>()
                });
                assert!(anchors.any(|a| a == anchor), "{document}: there is no heading {link}");
            }
            found += 1;
        }
    }
    assert!(found > 10, "{found} links: they are not found any more");
}

#[test]
fn the_changelog_has_the_version_that_this_is() {
    let version = env!("CARGO_PKG_VERSION");
    let log = text("CHANGELOG.md");
    let released = log.lines().any(|line| line.starts_with(&format!("## [{version}] - ")));
    assert!(released || log.contains(&format!("What will be {version}.")), "{version}");
    assert!(log.lines().any(|line| line == "## [Unreleased]"));
}
