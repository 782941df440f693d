//! The operator as a process of its own.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use super::control_plane::work_dir;
use super::{PATIENCE, wait_for};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_paperspace-operator");

/// An operator that runs, was stopped or was killed.
#[derive(Debug)]
pub(crate) struct Operator {
    /// What is started: this build's, unless somebody measures another.
    pub(crate) binary: String,
    /// Those of the next start.
    pub(crate) arguments: Vec<String>,
    /// That of the next start.
    pub(crate) environment: Vec<(String, String)>,
    log: PathBuf,
    process: Mutex<Option<Child>>,
}

/// The binary with nothing of the caller's configuration.
pub(crate) fn command() -> Command {
    command_of(BINARY)
}

fn command_of(binary: &str) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["PAPERSPACE_", "KUBE", "OTEL_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command.current_dir(work_dir().join("cases")).stdin(Stdio::null());
    command
}

impl Operator {
    /// Not yet started.
    pub(crate) fn new(name: &str, arguments: Vec<String>, environment: Vec<(String, String)>) -> Self {
        let log = work_dir().join(format!("{name}.operator.log"));
        Self { binary: BINARY.to_owned(), arguments, environment, log, process: Mutex::default() }
    }

    /// Starts it; the log goes on.
    pub(crate) fn start(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "the operator runs already");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = command_of(&self.binary);
        command.arg("run").args(&self.arguments).envs(self.environment.iter().map(|(n, v)| (n, v)));
        *process = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("the operator's binary"));
    }

    /// Kills it without a chance to finish anything.
    pub(crate) fn kill9(&self) {
        let mut child = self.process.lock().unwrap().take().expect("a running operator");
        child.kill().expect("kill -9");
        child.wait().expect("its end");
    }

    /// Ends it in order, which must give exit code 0.
    #[track_caller]
    pub(crate) fn stop(&self) {
        let mut child = self.process.lock().unwrap().take().expect("a running operator");
        signal(&child, "TERM");
        let status = wait_for("the operator's end after SIGTERM", PATIENCE, || child.try_wait().expect("a child"));
        assert!(status.success(), "the operator ended with {status}");
    }

    /// Ends it in order, where it still runs, and starts it anew.
    pub(crate) fn restart(&self) {
        if self.process.lock().unwrap().is_some() {
            self.stop();
        }
        self.start();
    }

    /// Whether it runs; else how it ended, if it ended by itself.
    pub(crate) fn running(&self) -> Result<(), Option<ExitStatus>> {
        match self.process.lock().unwrap().as_mut() {
            None => Err(None),
            Some(child) => child.try_wait().expect("a child").map_or(Ok(()), |status| Err(Some(status))),
        }
    }

    /// Sends it a signal, such as `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.lock().unwrap().as_ref().expect("a running operator"), name);
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.lock().unwrap().as_ref().expect("a running operator").id()
    }

    /// Its memory in use, in MB.
    pub(crate) fn megabytes(&self) -> u64 {
        let pid = self.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running operator");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        resident.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// How much it has written so far, in bytes.
    pub(crate) fn written(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    /// What it has written after that much.
    pub(crate) fn log_after(&self, written: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut log) = File::open(&self.log) {
            log.seek(SeekFrom::Start(written)).expect("a log file");
            log.read_to_end(&mut text).expect("a log file");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// All that it has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status();
    assert!(sent.expect("sh").success(), "kill -{name} {}", child.id());
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
