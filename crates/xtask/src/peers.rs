//! `cargo xtask peers`: real components of a cluster against ours, that are too large or move too fast for
//! every run. Where they cannot be brought, nothing ran, and that is what is said.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::dist::{self, Part};
use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The peers to meet; all of them if none is named.
    peers: Vec<Peer>,
    /// Fail where one cannot be brought.
    #[arg(long)]
    required: bool,
}

/// A component of a cluster.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Peer {
    /// The admission plugins of Kubernetes' API server, which are built from source: minutes, once.
    Admission,
    /// containerd of the second version. Every run of the tests meets the first.
    Containerd,
}

/// Does it.
pub(crate) fn run(args: Args) -> Result<()> {
    let all = if args.peers.is_empty() { Peer::value_variants().to_vec() } else { args.peers };
    for peer in all {
        match (peer.bring(), args.required) {
            (Ok(brought), _) => peer.meet(&brought)?,
            (Err(why), true) => return Err(why),
            (Err(why), false) => eprintln!("peers: {} DID NOT RUN: {why:#}", peer.what()),
        }
    }
    Ok(())
}

impl Peer {
    fn what(self) -> &'static str {
        match self {
            Self::Admission => "the real admission plugins",
            Self::Containerd => "containerd of the second version",
        }
    }

    /// What the tests are to meet.
    fn bring(self) -> Result<PathBuf> {
        match self {
            Self::Admission => built(&fetch::ensure(&[ADMISSION])?.part(ADMISSION)),
            Self::Containerd => Ok(fetch::ensure(&[CONTAINERD])?.part(CONTAINERD)),
        }
    }

    fn meet(self, brought: &Path) -> Result<()> {
        let mut tests = sh::cargo();
        tests.args(["test", "--locked", "-p"]);
        match self {
            Self::Admission => {
                tests.args(["aliquot-admission", "--test", "real", "real::", "--"]);
                tests.env("ALIQUOT_REAL_ADMISSION", brought)
            }
            Self::Containerd => {
                fetch::ensure(&["musl", "nvidia-535", "runc"])?;
                dist::ensure(&Part::ALL)?;
                tests.args(["aliquot-node-tests", "--test", "node", "containerd::", "--"]);
                tests.env("ALIQUOT_CONTAINERD", brought)
            }
        };
        sh::run(tests.arg("--nocapture"))
    }
}

/// Builds the program around the plugins as Debian builds Go: by paths, without modules or a network.
fn built(part: &Path) -> Result<PathBuf> {
    let program = sh::target("peers/real-admission");
    let source = sh::root().join("crates/admission/tests/real");
    let root = part.join("usr/lib/go-1.26");
    let mut go = Command::new(root.join("bin/go"));
    go.args(["build", "-o"]).arg(&program).arg(".").current_dir(source);
    let own = [
        ("GOROOT", root),
        ("GOPATH", part.join("usr/share/gocode")),
        ("GOCACHE", sh::target("peers/cache")),
    ];
    let words = [("GO111MODULE", "off"), ("GOTOOLCHAIN", "local"), ("CGO_ENABLED", "0")];
    go.envs(own).envs(words).env("GOENV", "off").env("GOFLAGS", "");
    sh::run(&mut go).context("cannot build the real admission plugins")?;
    Ok(program)
}

/// Its part.
const ADMISSION: &str = "kubernetes-admission";
/// Its part.
const CONTAINERD: &str = "containerd-2.1";
