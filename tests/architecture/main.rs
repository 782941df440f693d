//! The border of the pure core: `src/lifecycle` and `src/crd` know no runtime, no clients, no clocks, no randomness and no files.

use std::fs;
use std::path::{Path, PathBuf};

/// What no line of the core may contain.
const FORBIDDEN: [&str; 17] = [
    "tokio",
    "reqwest",
    "axum",
    "kube::Client",
    "kube::Api",
    "kube::client",
    "kube::api::Api",
    "kube::runtime",
    "time::Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
    "std::fs",
    "std::net",
    "async fn",
    ".await",
];

/// Each forbidden word with its line; comments do not count.
fn violations(source: &str) -> Vec<String> {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let line = flat(&code(line));
        let words = FORBIDDEN.iter().filter(|word| line.contains(*word));
        found.extend(words.map(|word| format!("line {}: {word}", number + 1)));
    }
    found
}

/// `use kube::{Client, Api}` as the paths that it stands for.
fn flat(line: &str) -> String {
    let Some((prefix, rest)) = line.split_once('{').filter(|(prefix, _)| prefix.trim_start().starts_with("use ")) else {
        return line.to_owned();
    };
    let names = rest.trim_end_matches([';', '}']).split(',');
    names.map(|name| prefix.to_owned() + name.trim().trim_matches(['{', '}'])).collect::<Vec<_>>().join(" ")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_core_is_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for folder in ["lifecycle", "crd"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 20, "only {} files were found: the scan looks in the wrong place", files.len());
    let mut all = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        all.extend(violations(&source).into_iter().map(|v| format!("{}: {v}", file.display())));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_scan_would_catch_each_of_them() {
    for word in FORBIDDEN {
        assert_eq!(violations(&format!("fn f() {{\n    {word}\n}}\n")), [format!("line 2: {word}")]);
    }
}

#[test]
fn the_scan_sees_through_grouped_imports_and_over_comments() {
    assert_eq!(violations("use kube::{Resource, Client};\n"), ["line 1: kube::Client"]);
    assert_eq!(violations("use std::time::{Duration, Instant};\n"), ["line 1: time::Instant"]);
    assert_eq!(violations("use std::{fs, fmt};\n"), ["line 1: std::fs"]);
    assert!(violations("// tokio is not used here\nuse kube::CustomResourceExt;\n").is_empty());
}
