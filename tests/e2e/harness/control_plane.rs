//! The cluster: started once for all cases, with everything of `deploy/` in it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{PATIENCE, block_on, wait_for};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A cluster in a directory.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) dir: PathBuf,
}

/// Where this run keeps what it writes. A reaper of its own, which outlives the test process however that ends, stops what still runs
/// there and removes it; after a failure the logs stay.
pub(crate) fn work_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory to work in");
        let reaper = r#"
            while kill -0 "$1" 2>/dev/null; do sleep 1; done
            for process in /proc/[0-9]*; do
                case $(readlink "$process/cwd" 2>/dev/null) in "$2"/cases) kill -9 "${process#/proc/}" 2>/dev/null ;; esac
            done
            for plane in "$2"/plane-*; do "$3" "$plane"; rm -rf "$plane/etcd"; done
            [ -e "$2/failed" ] || rm -rf "$2"
        "#;
        fs::create_dir_all(dir.join("cases")).expect("a directory for the cases");
        #[expect(clippy::zombie_processes, reason = "it outlives this process")]
        let _reaper = Command::new("sh")
            .args(["-c", reaper, "reaper", &std::process::id().to_string()])
            .arg(&dir)
            .arg(format!("{ROOT}/tests/control-plane/down"))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh");
        dir
    })
}

impl ControlPlane {
    /// The one of all cases.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| {
            let plane = match std::env::var_os("E2E_CONTROL_PLANE") {
                Some(dir) => Self { dir: dir.into() },
                None => Self::start("shared", &[]),
            };
            plane.install();
            plane
        })
    }

    /// Another one, with `deploy/` in it, for a case that would disturb others.
    pub(crate) fn own(name: &str) -> Self {
        Self::own_with(name, &[])
    }

    /// The same, started with these flags of `up`.
    pub(crate) fn own_with(name: &str, flags: &[&str]) -> Self {
        let plane = Self::start(name, flags);
        plane.install();
        plane
    }

    /// An empty one whose kube-apiserver serves custom resources by itself, whatever its version.
    pub(crate) fn alone(name: &str) -> Self {
        Self::start(name, &["--alone"])
    }

    fn start(name: &str, flags: &[&str]) -> Self {
        let dir = work_dir().join(format!("plane-{name}"));
        let mut up = Command::new(format!("{ROOT}/tests/control-plane/up"));
        // What it starts keeps its stdout and stderr: a pipe would never end.
        let status = up.arg(&dir).args(flags).stdin(Stdio::null()).stdout(Stdio::null()).status().expect("tests/control-plane/up");
        assert!(status.success(), "tests/control-plane/up: {status}");
        Self { dir }
    }

    /// Kills one of its servers and starts it again after that many seconds, until the cluster answers again.
    pub(crate) fn restart(&self, server: &str, seconds: &str) {
        let mut restart = Command::new(format!("{ROOT}/tests/control-plane/restart"));
        let status = restart.arg(&self.dir).args([server, seconds]).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.expect("tests/control-plane/restart").success(), "tests/control-plane/restart {server}");
    }

    /// Its servers.
    pub(crate) fn servers(&self) -> Vec<&'static str> {
        let all = ["etcd", "kube-apiserver", "apiextensions-apiserver", "kube-controller-manager"];
        all.into_iter().filter(|server| self.dir.join(format!("{server}.pid")).exists()).collect()
    }

    /// Stops it; at the end of the run that happens anyway.
    pub(crate) fn stop(&self) {
        let status = Command::new(format!("{ROOT}/tests/control-plane/down")).arg(&self.dir).status().expect("tests/control-plane/down");
        assert!(status.success(), "tests/control-plane/down: {status}");
    }

    /// Everything of `deploy/`. kubectl's own check knows the old server's idea of a CRD only, hence `--validate=false` there.
    fn install(&self) {
        self.install_crd();
        self.kubectl(&["apply", "-k", "deploy/operator"]);
    }

    /// The resource definition, until it is served.
    pub(crate) fn install_crd(&self) {
        self.kubectl(&["apply", "--validate=false", "-k", "deploy/crd"]);
        // `kubectl wait` fails on a definition that has no conditions yet.
        let established = ["wait", "--for=condition=Established", "crd/paperspacemachines.paperspace-operator.dev", "--timeout=1s"];
        wait_for("the definition is served", PATIENCE, || self.try_kubectl(&established).ok());
    }

    /// kubectl as cluster admin, in the project's root; must succeed.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
    }

    /// kubectl as cluster admin: stdout, or stderr where it fails.
    pub(crate) fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.dir.join("bin/kubectl"));
        command.args(args).current_dir(ROOT).stdin(Stdio::null());
        command.env("KUBECONFIG", self.kubeconfig()).env("KUBECACHEDIR", self.dir.join("kubectl-cache"));
        let output = command.output().expect("kubectl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr) + &text(&output.stdout)) }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// A client as cluster admin.
    pub(crate) fn client(&self) -> kube::Client {
        block_on(async {
            let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig()).expect("a kubeconfig");
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
            kube::Client::try_from(config.expect("a configuration")).expect("a client")
        })
    }

    /// A kubeconfig of the operator's ServiceAccount, so that it runs with exactly the rights of `deploy/`.
    pub(crate) fn kubeconfig_of_the_operator(&self) -> Value {
        let token = self.kubectl(&["-n", "paperspace-operator", "create", "token", "paperspace-operator", "--duration=3h"]);
        let all: Value = serde_json::from_str(&self.kubectl(&["config", "view", "--raw", "-o", "json"])).expect("JSON");
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "operator",
            "clusters": [{"name": "cluster", "cluster": all["clusters"][0]["cluster"]}],
            "users": [{"name": "operator", "user": {"token": token.trim()}}],
            "contexts": [{"name": "operator", "context": {"cluster": "cluster", "user": "operator"}}],
        })
    }
}
