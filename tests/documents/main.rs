//! What the documents beside the README say is so: commands, links, versions, and how many dependencies there are.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod dependencies;

use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENTS: [&str; 6] =
    ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/admission/README.md", "docs/dependencies.md", "docs/image.md"];

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

#[test]
fn each_command_exists() {
    let mut found = 0;
    for document in DOCUMENTS {
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
                ["cargo", "test", "--test", target, ..] => {
                    assert!(at(&format!("tests/{target}/main.rs")).exists(), "{document}: {command}");
                    found += 1;
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
    for document in DOCUMENTS {
        let text = text(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.starts_with("https://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = at(document).parent().unwrap().join(path);
            assert!(path.exists(), "{document}: there is no {link}");
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&path).unwrap();
                let anchors = there.lines().filter(|line| line.starts_with('#'));
                let mut anchors = anchors.map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"));
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
