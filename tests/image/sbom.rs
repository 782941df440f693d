//! The list that `make sbom` writes is what Cargo builds the program from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::store::command;
use super::{output, top};

/// Named twice by jiff: once for an optional feature, which is off, and once for a condition that is never met. `cargo metadata`, which the
/// tool asks, does not tell the two from one that is on.
const NAMED_AND_NOT_THERE: &str = "jiff-static";

#[test]
fn it_names_what_the_program_is_built_from_and_nothing_that_only_tests_need() {
    let sbom: Value = serde_json::from_str(&output(&mut command("deploy/image/sbom"))).unwrap();
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let about = &sbom["metadata"];
    assert_eq!(about["timestamp"], "2026-01-01T00:00:00.000000000Z");
    let program = (&about["component"]["name"], &about["component"]["version"]);
    assert_eq!(program, (&env!("CARGO_PKG_NAME").into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(!sbom.to_string().contains(top().to_str().unwrap()), "where it was made is nobody's business");

    let checksums = checksums();
    let mut named = BTreeSet::new();
    for component in sbom["components"].as_array().unwrap() {
        let (name, version) = (component["name"].as_str().unwrap(), component["version"].as_str().unwrap());
        assert_eq!(component["hashes"][0]["content"], checksums[&format!("{name} {version}")], "{name}");
        assert_eq!(component["purl"], format!("pkg:cargo/{name}@{version}"));
        assert!(component["licenses"].is_array(), "{name}");
        named.insert(format!("{name} v{version}"));
    }
    let mut there = tree();
    there.remove(&format!("{} v{}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")));
    let missing: Vec<&String> = there.difference(&named).collect();
    assert!(missing.is_empty(), "not named: {missing:?}");
    let more: Vec<&str> = named.difference(&there).map(|package| package.split(' ').next().unwrap()).collect();
    assert_eq!(more, [NAMED_AND_NOT_THERE], "named, and not in the program");
}

/// What the program needs on this machine, by Cargo's own resolution.
fn tree() -> BTreeSet<String> {
    let said = output(command("rustc").arg("-vV"));
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let flags = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target", host];
    let said = output(command("cargo").args(flags));
    let package = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    said.lines().filter(|line| !line.is_empty()).map(package).collect()
}

/// Of each package, as `name version`, what Cargo.lock holds it to.
fn checksums() -> BTreeMap<String, String> {
    let lock = fs::read_to_string(top().join("Cargo.lock")).unwrap();
    let field = |package: &str, name: &str| {
        let line = package.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split('"').nth(1).unwrap_or_default().to_owned()
    };
    let packages = lock.split("[[package]]").skip(1);
    packages.map(|package| (format!("{} {}", field(package, "name"), field(package, "version")), field(package, "checksum"))).collect()
}
