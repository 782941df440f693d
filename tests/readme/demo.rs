//! `make demo` runs to its end, and leaves nothing behind, also when it is interrupted.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{apart, binary, processes_below, top};

/// One at a time: each starts a whole Kubernetes API.
static ALONE: Mutex<()> = Mutex::new(());

/// `make demo` as a terminal would start it, in a group of its own and with Ctrl-C heard.
fn make_demo(directory: &Path) -> Child {
    apart("env")
        .args(["--default-signal=INT", "make", "demo"])
        .env("DEMO_BINARY", binary())
        .env("TMPDIR", directory)
        .current_dir(top())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::fs::File::create(directory.join("out")).unwrap()))
        .stderr(Stdio::from(std::fs::File::options().create(true).append(true).open(directory.join("out")).unwrap()))
        .spawn()
        .unwrap()
}

fn output(directory: &Path) -> String {
    let mut text = String::new();
    std::fs::File::open(directory.join("out")).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Waits until the output says so, or ends the demo.
fn until_said(directory: &Path, demo: &mut Child, words: &str) {
    let end = Instant::now() + Duration::from_mins(30);
    while !output(directory).contains(words) {
        let over = demo.try_wait().unwrap().is_some() || Instant::now() > end;
        if over && !output(directory).contains(words) {
            signal("TERM", demo);
            panic!("the demo did not come to {words:?}:\n{}", output(directory));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn signal(name: &str, demo: &Child) {
    let _ = Command::new("kill").arg(format!("-{name}")).arg("--").arg(format!("-{}", demo.id())).status();
}

fn nothing_is_left(directory: &Path) {
    assert_eq!(processes_below(directory), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| name != "out").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_shows_the_life_of_a_machine_and_leaves_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let mut demo = make_demo(directory.path());
    until_said(directory.path(), &mut demo, "Nothing is left running.");
    assert!(demo.wait().unwrap().success());
    let shown = output(directory.path());
    let mut rest = shown.as_str();
    for step in [
        "minimal created",
        "True    Running",
        "\"state\":\"ready\"",
        "autoShutdown would fight powerState Running",
        "True    Stopped",
        "True    Running",
        "DriftDetected",
        "DriftCorrected",
        "\"autoShutdownEnabled\":false",
        "$ kubectl describe psm minimal",
        "\"minimal\" deleted",
        "\"items\":[]",
        "\"POST /machines\":1",
    ] {
        (_, rest) = rest.split_once(step).unwrap_or_else(|| panic!("{step:?} is not shown, or not in its place:\n{shown}"));
    }
    nothing_is_left(directory.path());
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, words) in [("INT", "Starting a Kubernetes API"), ("INT", "$ kubectl get psm minimal --watch"), ("TERM", "== 5.")] {
        let directory = tempfile::tempdir().unwrap();
        let mut demo = make_demo(directory.path());
        until_said(directory.path(), &mut demo, words);
        std::thread::sleep(Duration::from_millis(700));
        // Twice, as when make passes on what the terminal has sent already.
        signal(name, &demo);
        signal(name, &demo);
        let _ = demo.wait().unwrap();
        // A killed make does not wait for what it started.
        let end = Instant::now() + Duration::from_secs(20);
        while !processes_below(directory.path()).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(Duration::from_millis(500));
        nothing_is_left(directory.path());
        assert!(!output(directory.path()).contains("Nothing is left running"), "it was over already");
    }
}
