//! The README and the operations guide are true: their tables are what the code says, their manifests are accepted, their commands work in
//! the order in which they stand there, and the demo that the README begins with runs to its end and leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod commands;
mod demo;
mod generated;
mod kubelet;
mod markdown;
mod mentioned;
mod operations;
mod owners;
#[path = "../crd/schema.rs"]
#[allow(dead_code, reason = "the tests of the CRD use more of it")]
mod schema;
mod told;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the repository.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap()
}

fn readme() -> String {
    text("README.md")
}

fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_paperspace-operator").into()
}

/// A command that knows nothing of the real Paperspace, of other clusters, or of proxies.
fn apart(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let kept = ["PAPERSPACE_OPERATOR_CACHE", "PAPERSPACE_OPERATOR_ENVTEST"].contains(&name.as_ref());
        if name == "KUBECONFIG" || name.starts_with("OTEL_") || name.starts_with("MAKE") || name.starts_with("PAPERSPACE_") && !kept {
            command.env_remove(name.as_ref());
        }
    }
    command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost").env("KUBERC", "off");
    command
}

/// Processes whose working directory is below this one.
fn processes_below(directory: &Path) -> Vec<String> {
    let of = |entry: std::fs::DirEntry| {
        let at = std::fs::read_link(entry.path().join("cwd")).ok()?;
        at.starts_with(directory).then(|| std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " "))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| of(entry.ok()?)).collect()
}
