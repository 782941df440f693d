//! The image, started as a kubelet starts it by `deploy/operator`: its own user, no capability, no way to more rights, the root read-only, the
//! ServiceAccount's token and the API key as mounted files. A runtime other than containerd's does it, without limits of memory and CPU, and
//! in the network of this machine.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::harness::{ControlPlane, PATIENCE, Setup, Test, wait_for, work_dir};
use super::store::{Image, command};
use super::{output, top};

/// Where the image has its certificate authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A container's name, and the script that starts it in the foreground with the arguments of the program.
struct Container {
    name: String,
    script: PathBuf,
}

impl Container {
    fn new(name: &str, mounts: &[(&Path, &str)]) -> Self {
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

    fn script(&self) -> String {
        self.script.display().to_string()
    }

    /// The program's process, as this machine sees it.
    fn pid(&self) -> String {
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
fn account(plane: &ControlPlane, name: &str) -> PathBuf {
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
fn readable(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// Where a pod finds Kubernetes; here under a name, which has to be looked up.
fn environment_of_a_pod(plane: &ControlPlane) -> [(String, String); 2] {
    let config = plane.kubeconfig_of_the_operator();
    let (_, port) = config["clusters"][0]["cluster"]["server"].as_str().unwrap().rsplit_once(':').unwrap();
    [("KUBERNETES_SERVICE_HOST", "localhost"), ("KUBERNETES_SERVICE_PORT", port)].map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[test]
fn the_image_starts_and_says_its_version() {
    let container = Container::new("version", &[]);
    let said = output(Command::new(&container.script).arg("--version"));
    assert_eq!(said.trim(), format!("paperspace-operator {}", env!("CARGO_PKG_VERSION")));
    assert!(output(Command::new(&container.script).arg("crd")).contains("kind: CustomResourceDefinition"));
}

#[test]
fn a_machine_comes_up_and_goes_by_an_operator_that_has_no_right_and_can_write_nowhere() {
    let mut t = Test::with("image", Setup { own_key: None, stopped: true, ..Setup::USUAL });
    let (account, key) = (account(t.plane, "image-account"), work_dir().join("image-key"));
    fs::create_dir(&key).unwrap();
    fs::write(key.join("apiKey"), "k1").unwrap();
    readable(&key);
    let container = Container::new("operator", &[(&account, ACCOUNT), (&key, "/etc/paperspace-operator")]);
    t.operator.binary = container.script();
    t.operator.environment.retain(|(name, _)| name != "KUBECONFIG");
    t.operator.environment.extend(environment_of_a_pod(t.plane));
    t.operator.environment.push(("PAPERSPACE_API_KEY_FILE".to_owned(), "/etc/paperspace-operator/apiKey".to_owned()));
    t.operator.start();
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    has_no_right(&container.pid());
    t.delete("a");
    t.wait_gone("a");
    assert_eq!((t.sim.machines().len(), t.sim.calls("POST /machines")), (0, 1));
    t.end();
}

/// By what the kernel says of the process.
fn has_no_right(pid: &str) {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let status = read("status");
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        (field("Uid:"), field("Gid:"), field("Groups:")),
        ("65532 ".repeat(4).trim().to_owned(), "65532 ".repeat(4).trim().to_owned(), "65532".to_owned())
    );
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(&field(set), 16), Ok(0), "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    let mounts = read("mounts");
    for mount in mounts.lines() {
        let words: Vec<&str> = mount.split(' ').collect();
        // What every container has, in memory: `/dev` belongs to root, and what is shared between processes is no place for files.
        let of_the_runtime =
            ["/dev", "/proc", "/sys/fs/cgroup"].iter().any(|at| words[1] == *at || words[1].starts_with(&format!("{at}/")));
        assert!(words[3].split(',').any(|option| option == "ro") || of_the_runtime, "{mount}\nof\n{mounts}");
    }
    assert!(mounts.lines().any(|mount| mount.split(' ').nth(1) == Some("/")), "{mounts}");
    for file in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let open = fs::read_link(file.unwrap().path()).unwrap();
        let open = open.to_str().unwrap();
        assert!(
            ["/dev/null", "/dev/urandom"].contains(&open) || ["socket:", "pipe:", "anon_inode:"].iter().any(|kind| open.starts_with(kind)),
            "{open} is open"
        );
    }
}

#[test]
fn paperspace_is_trusted_by_the_bundle_in_the_image_and_found_by_its_name() {
    let mut t = Test::with("image-tls", Setup { stopped: true, ..Setup::USUAL });
    let front = Front::before(&t.sim.url(), &t.plane.dir.join("pki"));
    let (account, authorities) = (account(t.plane, "tls-account"), work_dir().join("tls-authorities"));
    fs::create_dir(&authorities).unwrap();
    fs::copy(t.plane.dir.join("pki/ca.crt"), authorities.join("bundle")).unwrap();
    readable(&authorities);
    t.operator.environment.retain(|(name, _)| name == "PAPERSPACE_API_KEY");
    t.operator.environment.extend(environment_of_a_pod(t.plane));
    t.operator.environment.push(("PAPERSPACE_API_URL".to_owned(), front.url.clone()));
    t.apply(&t.machine("a", json!({})));

    // The public authorities do not vouch for a test.
    let public = Container::new("public", &[(&account, ACCOUNT)]);
    let mut operator = t.another_operator("public", &[]);
    operator.binary = public.script();
    operator.start();
    wait_for("a certificate that is refused", PATIENCE, || operator.log().contains("UnknownIssuer").then_some(()));
    operator.stop();
    assert_eq!(t.sim.truth()["calls"], json!({}), "nothing was sent, the key least of all");

    let private = Container::new("private", &[(&account, ACCOUNT), (&authorities.join("bundle"), AUTHORITIES)]);
    t.operator.binary = private.script();
    t.operator.start();
    t.wait_ready("a");
    t.end();
}

/// TLS before the simulated Paperspace, with the certificate of the cluster's server, which is for `localhost` too.
struct Front {
    url: String,
    process: Child,
}

impl Front {
    fn before(url: &str, keys: &Path) -> Self {
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
