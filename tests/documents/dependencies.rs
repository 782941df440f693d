//! `docs/dependencies.md` counts as Cargo.lock does.

use std::collections::{BTreeMap, BTreeSet};

use super::text;

const SELF: &str = env!("CARGO_PKG_NAME");

/// Each package, as `name version`, with those it needs.
struct Lock(BTreeMap<String, Vec<String>>);

impl Lock {
    fn read() -> Self {
        let lock = text("Cargo.lock");
        let quoted = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
        let mut packages = BTreeMap::new();
        for package in lock.split("[[package]]").skip(1) {
            let field = |name: &str| quoted(package.lines().find(|line| line.starts_with(name)).unwrap());
            let needs = package.lines().filter(|line| line.starts_with(" \"")).map(quoted).collect();
            assert!(packages.insert(format!("{} {}", field("name = "), field("version = ")), needs).is_none());
        }
        Self(packages)
    }

    /// A need is written without the version where there is one only.
    fn find(&self, need: &str) -> &str {
        let fits = |package: &&String| *package == need || package.split(' ').next() == Some(need);
        self.0.keys().find(fits).unwrap_or_else(|| panic!("there is no {need}"))
    }

    fn without(&self, crate_: &str) -> usize {
        let (mut seen, mut open) = (BTreeSet::new(), vec![self.find(SELF)]);
        while let Some(package) = open.pop() {
            if seen.insert(package) {
                open.extend(self.0[package].iter().map(|need| self.find(need)).filter(|need| need.split(' ').next() != Some(crate_)));
            }
        }
        seen.len()
    }
}

#[test]
fn the_counts_are_those_of_the_lock_file() {
    let (lock, document) = (Lock::read(), text("docs/dependencies.md"));
    assert_eq!(lock.without(""), lock.0.len(), "each package is needed by something");
    let named = lock.0[lock.find(SELF)].len();
    let said = format!(
        "`Cargo.lock` has {} packages, this one among them, on all platforms and with those that only tests need; `Cargo.toml` names {named}.",
        lock.0.len()
    );
    assert!(document.replace('\n', " ").contains(&said), "to be said: {said}");

    let rows: Vec<Vec<&str>> =
        document.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| line.split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 5, "the table is not found any more");
    for row in rows {
        lock.find(row[1]);
        assert_eq!(row[2], (lock.0.len() - lock.without(row[1])).to_string(), "what goes with {}", row[1]);
    }
}

/// What is kept out on purpose, whoever would bring it.
#[test]
fn there_is_one_library_for_tls_and_one_for_cryptography() {
    let lock = Lock::read();
    for name in ["openssl-sys", "native-tls", "aws-lc-sys", "serde_yaml"] {
        assert!(!lock.0.keys().any(|package| package.split(' ').next() == Some(name)), "{name}");
    }
    lock.find("ring");
}
