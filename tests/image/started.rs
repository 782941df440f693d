//! The image, started as a kubelet starts it by `deploy/operator`: its own user, no capability, no way to more rights, the root read-only, the
//! ServiceAccount's token and the API key as mounted files. A runtime other than containerd's does it, without limits of memory and CPU, and
//! in the network of this machine.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::container::{Container, Front, account, environment_of_a_pod, readable};
use super::harness::{PATIENCE, Setup, Test, wait_for, work_dir};
use super::output;

/// Where the image has its certificate authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

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
