//! The suite's stages that need no Kubernetes, with the real containerd, runc and etcd.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use e2e::components::{Places, Ports};
use e2e::image::Image;
use e2e::pki::Authority;
use e2e::{cluster, runtime};

/// A fetched file of this repository.
fn fetched(path: &str) -> PathBuf {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fetch").join(path);
    assert!(full.exists(), "{path} is missing: run `cargo xtask fetch`");
    full.canonicalize().unwrap()
}

/// Programs side by side, as in the folder of a release.
fn side_by_side(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for name in ["containerd", "ctr", "containerd-shim-runc-v2"] {
        symlink(fetched(&format!("containerd/usr/bin/{name}")), folder.join(name)).unwrap();
    }
    symlink(fetched("runc/usr/sbin/runc"), folder.join("runc")).unwrap();
    symlink(fetched("runc/usr/lib/x86_64-linux-gnu"), folder.join("lib")).unwrap();
}

#[test]
fn an_image_made_of_this_machines_programs_runs_in_the_real_containerd() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    side_by_side(&programs);
    let places = Places { root: folder.path().join("run") };
    fs::create_dir_all(&places.root).unwrap();
    let runtime = runtime::Runtime::start(&programs, &places, &places.at("cdi")).unwrap();
    let mut image = Image::new("localhost/probe:1", &["/bin/sh"]);
    for program in ["/bin/sh", "/bin/cat"] {
        image.add_program(Path::new(program), program).unwrap();
    }
    let note = folder.path().join("note");
    fs::write(&note, "of this machine\n").unwrap();
    image.add(&note, "/etc/note");
    runtime.import(&image, folder.path()).unwrap();
    runtime.import(&runtime::pause().unwrap(), folder.path()).unwrap();
    let ctr = runtime::Ctr::new(&programs, &places);
    let said = ctr.run(&image.name, "one", &["/bin/sh", "-c", "echo pid $$; cat /etc/note"]);
    assert_eq!(said.unwrap(), "pid 1\nof this machine\n");
    let why = ctr.run(&image.name, "two", &["/bin/sh", "-c", "exit 3"]).unwrap_err();
    assert!(why.to_string().contains(" -n k8s.io run "), "{why}");
}

#[test]
fn the_real_etcd_takes_clients_of_the_authority_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { root: folder.path().to_owned() };
    let authority = Authority::new(&places.at("pki")).unwrap();
    let own = authority.server("server", &["127.0.0.1", "localhost"]).unwrap();
    let [etcd, etcd_peer, api, kubelet] = cluster::free_ports().unwrap();
    let ports = Ports { etcd, etcd_peer, api, kubelet };
    let binaries = fetched("etcd/usr/bin");
    let mut etcd = cluster::start_etcd(&binaries, &places, ports, &authority, &own).unwrap();
    let ask = |with: Option<&e2e::pki::Identity>| {
        use ureq::tls::{ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
        let certificates = |path: &Path| {
            let pem = fs::read(path).unwrap();
            let items = parse_pem(&pem).filter_map(|item| match item.unwrap() {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            });
            items.collect::<Vec<_>>()
        };
        let roots = RootCerts::new_with_certs(&certificates(&authority.file()));
        let client = with.map(|identity| {
            let key = PrivateKey::from_pem(&fs::read(&identity.key).unwrap()).unwrap();
            ClientCert::new_with_certs(&certificates(&identity.certificate), key)
        });
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(roots).client_cert(client);
        let tls = tls.unversioned_rustls_crypto_provider(provider).build();
        let agent = ureq::Agent::from(ureq::Agent::config_builder().tls_config(tls).build());
        let url = format!("https://127.0.0.1:{}/health", ports.etcd);
        agent.get(url).call().and_then(|mut answer| answer.body_mut().read_to_string())
    };
    let client = authority.client("admin", "admin", Some("system:masters")).unwrap();
    let healthy = || ask(Some(&client)).is_ok_and(|said| said.contains("true"));
    etcd.wait_until("healthy", std::time::Duration::from_secs(60), healthy).unwrap();
    let stranger = Authority::new(&places.at("other")).unwrap();
    let stranger = stranger.client("admin", "admin", None).unwrap();
    assert!(ask(None).is_err(), "etcd takes everybody");
    assert!(ask(Some(&stranger)).is_err(), "etcd takes clients of another authority");
}

#[test]
fn binaries_that_are_missing_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kubelet"), "").unwrap();
    let missing = cluster::missing(folder.path());
    assert_eq!(missing.len(), 9);
    assert!(missing.contains(&"kube-apiserver") && !missing.contains(&"kubelet"), "{missing:?}");
    fs::write(folder.path().join("crio"), "").unwrap();
    let missing = cluster::missing(folder.path());
    assert!(missing.contains(&"skopeo") && !missing.contains(&"containerd"), "{missing:?}");
}
