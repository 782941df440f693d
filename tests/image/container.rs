//! What a container of the image is started with.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::harness::{ControlPlane, PATIENCE, wait_for, work_dir};
use super::store::{Image, command};
use super::top;

/// A container's name, and the script that starts it in the foreground with the arguments of the program.
pub(crate) struct Container {
    name: String,
    pub(crate) script: PathBuf,
}

impl Container {
    pub(crate) fn new(name: &str, mounts: &[(&Path, &str)]) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let script = work_dir().join(format!("{name}.sh"));
        let mut podman = command("podman");
        podman.args(["run", "--rm", "--name", &name, "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--network", "host"]);
        podman.args(["--security-opt", "no-new-privileges", "--env", "PAPERSPACE_*", "--env", "KUBERNETES_*", "--pull", "never"]);
        // Whatever becomes of this test, it ends.
        podman.args(["--timeout", "600"]);
        // podman's own limits are higher than what a process may give itself that is in a container already.
        podman.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]);
        for (from, to) in mounts {
            podman.args(["--volume", &format!("{}:{to}:ro", from.display())]);
        }
        podman.arg(&Image::shared().name);
        let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
        let environment = podman.get_envs().filter_map(|(name, value)| Some(format!("export {}={}\n", name.to_str()?, quoted(value?))));
        let words: Vec<String> = podman.get_args().map(quoted).collect();
        let text = format!("#!/bin/sh\n{}exec podman {} \"$@\"\n", environment.collect::<String>(), words.join(" "));
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { name, script }
    }

    pub(crate) fn script(&self) -> String {
        self.script.display().to_string()
    }

    /// The program's process, as this machine sees it.
    pub(crate) fn pid(&self) -> String {
        let ask = || command("podman").args(["inspect", "--format", "{{.State.Pid}}", &self.name]).output().unwrap();
        let pid = || String::from_utf8(ask().stdout).unwrap().trim().to_owned();
        wait_for("a container that runs", PATIENCE, || Some(pid()).filter(|pid| !["", "0"].contains(&pid.as_str())))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = command("podman").args(["rm", "--force", "--ignore", "--time", "0", &self.name]).output();
    }
}

/// What a pod of the operator finds in its ServiceAccount's directory.
pub(crate) fn account(plane: &ControlPlane, name: &str) -> PathBuf {
    let directory = work_dir().join(name);
    fs::create_dir(&directory).unwrap();
    let config = plane.kubeconfig_of_the_operator();
    fs::write(directory.join("token"), config["users"][0]["user"]["token"].as_str().unwrap()).unwrap();
    fs::write(directory.join("namespace"), "paperspace-operator").unwrap();
    fs::copy(plane.dir.join("pki/ca.crt"), directory.join("ca.crt")).unwrap();
    readable(&directory);
    directory
}

/// The files in it, for the user of the image too.
pub(crate) fn readable(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// Where a pod finds Kubernetes; here under a name, which has to be looked up.
pub(crate) fn environment_of_a_pod(plane: &ControlPlane) -> [(String, String); 2] {
    let config = plane.kubeconfig_of_the_operator();
    let (_, port) = config["clusters"][0]["cluster"]["server"].as_str().unwrap().rsplit_once(':').unwrap();
    [("KUBERNETES_SERVICE_HOST", "localhost"), ("KUBERNETES_SERVICE_PORT", port)].map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// TLS before the simulated Paperspace, with the certificate of the cluster's server, which is for `localhost` too.
pub(crate) struct Front {
    pub(crate) url: String,
    process: Child,
}

impl Front {
    pub(crate) fn before(url: &str, keys: &Path) -> Self {
        let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/v1")).unwrap();
        let mut python = Command::new("python3");
        python.arg(top().join("tests/image/tls.py")).arg(address).args([keys.join("server.crt"), keys.join("server.key")]);
        let mut process = python.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { url: format!("https://localhost:{}/v1", port.trim()), process }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
