//! What is made of what was seen. Pure.

use super::Finding;

/// The oldest branch whose functions the shim knows.
const OLDEST: u32 = 470;
/// The oldest branch that NVIDIA still maintains, and until when (its list of data-center drivers).
const MAINTAINED: (u32, &str) = (580, "August 2028");
/// The newest branch that the simulation plays.
const NEWEST: u32 = 615;

/// A driver's version.
pub(super) fn driver(version: &str) -> Finding {
    const ABOUT: &str = "driver";
    let (oldest, until) = MAINTAINED;
    let branch = version.split('.').next().and_then(|text| text.parse::<u32>().ok());
    match branch {
        None => Finding::look(
            ABOUT,
            format!("version {version:?}"),
            "no branch can be read from it: say so in an issue",
        ),
        Some(branch) if branch < OLDEST => {
            let todo = format!("install {OLDEST} or later; {oldest} is maintained until {until}");
            Finding::bad(ABOUT, format!("{version} is older than what the shim knows"), todo)
        }
        Some(branch) if branch < oldest => {
            let todo = format!("it works; NVIDIA maintains {oldest} until {until}");
            Finding::look(ABOUT, format!("{version}, of a branch that has ended"), todo)
        }
        Some(branch) if branch > NEWEST => {
            let todo = "it should work; run `cargo xtask gpu-test` on it and say what it finds";
            Finding::look(ABOUT, format!("{version}, later than every tested one"), todo)
        }
        Some(_) => Finding::good(ABOUT, version),
    }
}

/// The sockets in the kubelet's folder of device plugins that may be of somebody who offers GPUs.
pub(super) fn rivals(sockets: &[String], ours: &str) -> Finding {
    const ABOUT: &str = "plugins";
    let words = ["nvidia", "gpu", "hami", "vgpu", "mig"];
    let is_other = |name: &&String| {
        let lower = name.to_lowercase();
        !name.starts_with(ours) && words.iter().any(|word| lower.contains(word))
    };
    let others: Vec<_> = sockets.iter().filter(is_other).map(String::as_str).collect();
    if others.is_empty() {
        return Finding::good(ABOUT, "nobody else offers GPUs here");
    }
    let todo = "two plugins hand the same GPU out twice: remove the other from this node";
    Finding::look(ABOUT, format!("others may offer GPUs: {}", others.join(", ")), todo)
}

/// What nvidia-smi says within a share of one percent of `percent`, beside what the card has.
pub(super) fn within(said_mib: u64, card_mib: u64, percent: u64) -> Finding {
    const ABOUT: &str = "a share";
    if said_mib <= card_mib * percent / 100 {
        return Finding::good(ABOUT, format!("{percent}% shows {said_mib} of {card_mib} MiB"));
    }
    let seen = format!("{percent}% shows {said_mib} of {card_mib} MiB: the shim did not load");
    Finding::bad(ABOUT, seen, "look whether /etc/ld.so.preload is read here: docs/injection.md")
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_driver_is_judged_by_its_branch() {
        let table = [
            ("460.106.00", State::Bad, "470"),
            ("535.261.03", State::Look, "580"),
            ("580.95.05", State::Good, ""),
            ("615.20.01", State::Good, ""),
            ("700.10.01", State::Look, "gpu-test"),
            ("unknown", State::Look, "issue"),
        ];
        for (version, state, todo) in table {
            let finding = driver(version);
            assert_eq!(finding.state, state, "{version}");
            assert!(finding.todo.contains(todo), "{version}: {}", finding.todo);
        }
    }

    #[test]
    fn other_peoples_sockets_are_named_and_ours_are_not() {
        let all = ["kubelet.sock", "aliquot-gpu-1.sock", "nvidia-gpu.sock", "rdma.sock"];
        let all: Vec<_> = all.map(str::to_owned).to_vec();
        let finding = rivals(&all, "aliquot-");
        assert_eq!(finding.state, State::Look);
        assert!(finding.seen.ends_with(": nvidia-gpu.sock"), "{}", finding.seen);
        assert_eq!(rivals(&all[..2], "aliquot-").state, State::Good);
    }

    #[test]
    fn a_share_that_shows_the_whole_card_is_bad() {
        assert_eq!(within(3251, 32510, 10).state, State::Good);
        assert_eq!(within(32768, 32510, 10).state, State::Bad);
    }
}
