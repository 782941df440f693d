//! What is in the image, and that it is the same whoever builds it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::harness::work_dir;
use super::store::{Image, command};
use super::{output, top};

/// What a release may have, in MB, not compressed.
const MEGABYTES: f64 = 25.0;
/// Without optimisation there is more of it.
const MEGABYTES_FOR_TESTS: f64 = 50.0;

#[test]
fn the_program_needs_no_library_and_no_linker() {
    let binary = &Image::shared().binary;
    let said = output(Command::new("readelf").args(["--wide", "--program-headers", "--dynamic"]).arg(binary));
    for word in ["INTERP", "NEEDED"] {
        assert!(!said.contains(word), "{said}");
    }
    // Position-independent all the same, so that addresses are random.
    assert!(said.contains("Elf file type is DYN"), "{said}");
}

#[test]
fn the_same_program_and_time_make_the_same_image_whoever_builds_it() {
    let image = Image::shared();
    let copy = work_dir().join("another-program");
    fs::copy(&image.binary, &copy).unwrap();
    // Neither its mode nor its time is of the program.
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(Image::build(copy, "again", "buildah", &[]).id, image.id);
}

#[test]
fn another_architecture_is_a_flag_and_no_change_of_the_dockerfile() {
    let image = Image::shared();
    // This machine's program, for want of another: what is asked is whether anything else in the image is bound to this machine.
    let other = Image::build(image.binary.clone(), "other", "podman", &["IMAGE_FLAGS=--platform linux/arm64"]).inspect();
    let this = image.inspect();
    assert_eq!((&other["Os"], &other["Architecture"]), (&json!("linux"), &json!("arm64")));
    assert_eq!((&other["RootFS"], &other["Config"]), (&this["RootFS"], &this["Config"]));
}

#[test]
fn it_says_what_it_is_and_runs_as_the_user_that_the_deployment_names() {
    let said = Image::shared().inspect();
    let config = &said["Config"];
    assert_eq!(config["Entrypoint"], json!(["/paperspace-operator"]));
    assert_eq!(config["Cmd"], json!(["run"]));
    assert_eq!(config["ExposedPorts"], json!({"8080/tcp": {}}));
    let mut labels: BTreeMap<String, String> = serde_json::from_value(config["Labels"].clone()).unwrap();
    let revision = labels.remove("org.opencontainers.image.revision").unwrap();
    assert!(revision == "unknown" || revision.len() == 12, "{revision}");
    let expected =
        [("title", "paperspace-operator"), ("description", env!("CARGO_PKG_DESCRIPTION")), ("licenses", env!("CARGO_PKG_LICENSE"))];
    let expected = expected.into_iter().chain([("version", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(labels, expected.map(|(name, value)| (format!("org.opencontainers.image.{name}"), value.to_owned())).collect());
    assert_eq!(said["Created"], "2026-01-01T00:00:00Z");

    // A kubelet that is to see to `runAsNonRoot` has to see a number. The chart's pod is this one, says tests/crd.
    let deployment: Value = serde_saphyr::from_str(&fs::read_to_string(top().join("deploy/operator/deployment.yaml")).unwrap()).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let (security, container) = (&pod["securityContext"], &pod["containers"][0]);
    assert_eq!(config["User"], json!(format!("{}:{}", security["runAsUser"], security["runAsGroup"])));
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(format!("{}/tcp", container["ports"][0]["containerPort"]), "8080/tcp");
    assert_eq!(container["command"], Value::Null, "the image's own");
}

/// A Dockerfile that is used without `make` says the same.
#[test]
fn the_dockerfile_has_the_version_of_the_program() {
    let file = fs::read_to_string(top().join("deploy/Dockerfile")).unwrap();
    assert!(file.contains(&format!("ARG VERSION={}\n", env!("CARGO_PKG_VERSION"))));
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(file.contains(&format!("ARG BUILDER=rust:{rust}-")) && file.contains(&format!("with Rust {rust} or newer")));
}

#[test]
fn in_it_are_the_program_and_the_certificate_authorities_alone() {
    let layers = Image::shared().layers();
    let [layer] = &layers[..] else { panic!("{} layers", layers.len()) };
    let listed = output(Command::new("tar").args(["--numeric-owner", "--full-time", "--utc", "--list", "--verbose", "--file"]).arg(layer));
    let mut size = 0;
    let entries: Vec<String> = listed
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [mode, owner, bytes, date, time, path] = words[..] else { panic!("{line}") };
            assert_eq!((owner, date, time), ("0/0", "2026-01-01", "00:00:00"), "{line}");
            size += bytes.parse::<u64>().unwrap();
            format!("{mode} {path}")
        })
        .collect();
    assert_eq!(
        entries,
        [
            "drwxr-xr-x etc/",
            "drwxr-xr-x etc/ssl/",
            "drwxr-xr-x etc/ssl/certs/",
            "-r--r--r-- etc/ssl/certs/ca-certificates.crt",
            "-r-xr-xr-x paperspace-operator",
        ]
    );
    let megabytes = f64::from(u32::try_from(size).unwrap()) / 1e6;
    println!("the image: {megabytes:.1} MB");
    assert!(megabytes < if Image::is_of_tests() { MEGABYTES_FOR_TESTS } else { MEGABYTES }, "{size} bytes");
}

/// What is sent to whoever builds: what the Dockerfile copies, and not `target/`.
#[test]
fn the_context_is_what_the_dockerfile_copies() {
    let file = fs::read_to_string(top().join("deploy/Dockerfile")).unwrap();
    let steps = file.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--from"));
    let copied: Vec<&str> = steps.flat_map(|rest| rest.rsplit_once(' ').unwrap().0.split(' ')).collect();
    let all = work_dir().join("all.Dockerfile");
    fs::write(&all, "FROM scratch\nCOPY . /\n").unwrap();
    output(command("podman").args(["build", "--quiet", "--tag", "localhost/context:test", "--file"]).arg(&all).arg("."));
    let context = Image { binary: PathBuf::new(), name: "localhost/context:test".to_owned(), id: String::new() };
    let listed = output(Command::new("tar").args(["--list", "--file"]).arg(&context.layers()[0]));
    let sent: Vec<&str> = listed.lines().filter(|path| !path.ends_with('/')).collect();
    for path in &sent {
        assert!(copied.iter().any(|copied| path == copied || path.starts_with(&format!("{copied}/"))), "{path} is sent");
    }
    for path in copied {
        assert!(sent.iter().any(|sent| *sent == path || sent.starts_with(&format!("{path}/"))), "{path} is not sent");
    }
}

/// And the bundle is one: each certificate in it can be a root.
#[test]
fn the_certificate_authorities_are_read_by_what_reads_them() {
    let layers = Image::shared().layers();
    let pem =
        output(Command::new("tar").args(["--extract", "--to-stdout", "--file"]).arg(&layers[0]).arg("etc/ssl/certs/ca-certificates.crt"));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    assert!(roots.len() > 50, "{} authorities", roots.len());
}

#[test]
fn what_cannot_run_in_it_is_not_put_into_it() {
    // The tests' own program needs the C library.
    let mut make = command("make");
    make.args(["image", "IMAGE=localhost/dynamic:test", "TOOL=podman"]).arg(format!("BINARY={}", super::harness::BINARY));
    let refused = make.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("needs a dynamic linker"), "{said}");
}
