//! The container image: built around the static program by each tool that is here, looked into, and started as `deploy/` has it started, with
//! no right, on a root that cannot be written to. What is started is the program of the image, under podman and a real runtime, against the
//! cluster and the simulated Paperspace of the end-to-end tests.
//!
//! No registry is asked for anything: the stage of the Dockerfile that compiles is not run here. What it runs is: `deploy/image/static` and
//! `deploy/image/root`.
//!
//! The program is built without optimisation, which takes minutes; `IMAGE_BINARY=file` has all of it done with another static one, such as the
//! release that `make static` builds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, clippy::print_stdout, missing_docs, reason = "tests")]

mod container;
mod contents;
mod document;
mod sbom;
mod started;
mod store;

#[path = "../e2e/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use more of it")]
mod harness;

#[path = "../readme/markdown.rs"]
#[allow(dead_code, reason = "the tests of the README use more of it")]
mod markdown;

use std::path::Path;
use std::process::{Command, Stdio};

/// The top of the repository.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What it prints; it must succeed.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}
