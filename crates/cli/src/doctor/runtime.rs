//! The container runtime: which it is, by its own word, and whether it has CDI.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kubelet::cri::VersionRequest;
use kubelet::cri::runtime_service_client::RuntimeServiceClient;
use kubelet::sockets;
use tokio::time::timeout;

use super::Finding;

const ABOUT: &str = "runtime";
/// How long it may take to say its name.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where runtimes listen, below the node's root.
const SOCKETS: [&str; 4] = [
    "run/containerd/containerd.sock",
    "run/crio/crio.sock",
    "run/k3s/containerd/containerd.sock",
    "run/k0s/containerd.sock",
];
/// Where containerd 1.7 is told of CDI.
const CONTAINERD: &str = "etc/containerd/config.toml";

/// Asks the first that answers; `needs_cdi` says whether shares come by CDI here.
pub(super) async fn look(root: &Path, needs_cdi: bool) -> Finding {
    let there = SOCKETS.iter().map(|path| root.join(path)).filter(|path| path.exists());
    let mut silent = None;
    for path in there {
        match timeout(PATIENCE, version(&path)).await {
            Ok(Ok((name, number))) => {
                let config = fs::read_to_string(root.join(CONTAINERD)).unwrap_or_default();
                return judge(&name, &number, needs_cdi, &config);
            }
            Ok(Err(why)) => silent = Some(format!("{}: {why}", path.display())),
            Err(_) => silent = Some(format!("{}: no answer in {PATIENCE:?}", path.display())),
        }
    }
    match silent {
        Some(seen) => {
            Finding::bad(ABOUT, seen, "no container starts: look at the runtime's log on the node")
        }
        None => {
            let seen = format!("no socket of containerd or CRI-O below {}", root.display());
            Finding::skipped(ABOUT, seen)
        }
    }
}

async fn version(path: &Path) -> Result<(String, String), String> {
    let channel = sockets::dial(path).await.map_err(|error| error.to_string())?;
    let request = VersionRequest { version: "v1".into() };
    let answer = RuntimeServiceClient::new(channel).version(request).await;
    let answer = answer.map_err(|status| status.message().to_owned())?.into_inner();
    Ok((answer.runtime_name, answer.runtime_version))
}

/// Whether CDI is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cdi {
    On,
    Off(&'static str),
    Unknown,
}

fn cdi(name: &str, number: &str, config: &str) -> Cdi {
    let mut numbers = number.trim_start_matches('v').split(['.', '-', '+', '~']);
    let mut next = || numbers.next().and_then(|text| text.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (next(), next()) else { return Cdi::Unknown };
    let switched = |line: &str| {
        let line: String = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        line == "enable_cdi=true"
    };
    match (name, (major, minor)) {
        ("containerd", (2.., _)) => Cdi::On,
        ("containerd", (1, 7)) if config.lines().any(switched) => Cdi::On,
        ("containerd", (1, 7)) => Cdi::Off(
            "put `enable_cdi = true` into /etc/containerd/config.toml, below [plugins.\"io.containerd.grpc.v1.cri\"], and restart it",
        ),
        ("containerd", _) => Cdi::Off("upgrade it to 1.7 or later"),
        ("cri-o", version) if version >= (1, 28) => Cdi::On,
        ("cri-o", _) => Cdi::Off("upgrade it to 1.28 or later"),
        _ => Cdi::Unknown,
    }
}

fn judge(name: &str, number: &str, needs_cdi: bool, config: &str) -> Finding {
    let said = format!("{name} {number}");
    match cdi(name, number, config) {
        Cdi::On => Finding::good(ABOUT, format!("{said}, with CDI")),
        Cdi::Off(todo) if needs_cdi => {
            let todo = format!("{todo}; or write `injection: mounts`: docs/injection.md");
            Finding::bad(ABOUT, format!("{said} has no CDI, and shares come by it"), todo)
        }
        Cdi::Off(_) => Finding::good(ABOUT, format!("{said}, without CDI, which is not asked for")),
        Cdi::Unknown if needs_cdi => {
            let todo = "a runtime without CDI drops the GPU in silence: look whether it has it";
            Finding::look(ABOUT, format!("{said}, which nothing here knows"), todo)
        }
        Cdi::Unknown => Finding::good(ABOUT, said),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn containerd_1_7_has_cdi_where_its_file_says_so() {
        let on = "[plugins.\"io.containerd.grpc.v1.cri\"]\n  enable_cdi = true # yes\n";
        let table = [
            ("containerd", "v2.1.4", "", Cdi::On),
            ("containerd", "1.7.24~ds1", on, Cdi::On),
            ("cri-o", "1.36.0", "", Cdi::On),
            ("docker", "27.0", "", Cdi::Unknown),
            ("containerd", "latest", "", Cdi::Unknown),
        ];
        for (name, number, config, expected) in table {
            assert_eq!(cdi(name, number, config), expected, "{name} {number}");
        }
        for (name, number, config) in [
            ("containerd", "1.7.24", "# enable_cdi = true"),
            ("containerd", "1.6.0", on),
            ("cri-o", "1.27.9", ""),
        ] {
            assert!(matches!(cdi(name, number, config), Cdi::Off(_)), "{name} {number}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_no_fault() {
        assert_eq!(judge("containerd", "1.6.2", false, "").state, State::Good);
        let finding = judge("containerd", "1.6.2", true, "");
        assert_eq!(finding.state, State::Bad);
        assert!(
            finding.todo.contains("1.7") && finding.todo.contains("injection: mounts"),
            "{finding:?}"
        );
    }
}
