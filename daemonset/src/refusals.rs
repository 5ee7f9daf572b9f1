//! The last calls that were refused, and what the GPUs had then. Kept in a file for whoever asks why a pod does
//! not run: who asks for devices, the kubelet says only in the pod's own status; whose start it is, mostly.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::DeviceUuid;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::warn;

use crate::durable;
use crate::text;

/// How many are kept.
const KEPT: usize = 64;
/// Between two writes of the file.
const PAUSE: Duration = Duration::from_millis(500);

/// One call that was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// When, in seconds since 1970.
    pub at: u64,
    /// How many devices were asked for.
    pub asked: usize,
    /// The pod, with its namespace, whose start was refused; `None` where nobody said which.
    #[serde(default)]
    pub pod: Option<String>,
    /// The sentence that the pod's status carries.
    pub why: String,
    /// What each shared GPU had left.
    pub left: Vec<Left>,
}

/// What a GPU had left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Left {
    /// Which.
    #[serde(with = "text")]
    pub gpu: DeviceUuid,
    /// NVML's index.
    pub index: u32,
    /// Percents that nobody held.
    pub percent: usize,
    /// Why nothing of it could be allocated.
    pub sick: Option<String>,
}

/// The refused calls of this node.
#[derive(Debug, Default)]
pub struct Refusals {
    recent: Mutex<Recent>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Recent {
    calls: VecDeque<Refused>,
    counts: BTreeMap<&'static str, u64>,
}

impl Refusals {
    /// Those that an earlier agent wrote to `path`; none where they cannot be read.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let calls = read(path).into();
        let recent = Mutex::new(Recent { calls, counts: BTreeMap::new() });
        Self { recent, changed: watch::Sender::new(()) }
    }

    /// Remembers one, under a word for the metrics. A pod that is refused again for the same reason is one: as often
    /// as it is tried, it takes no place of others'.
    pub fn add(&self, word: &'static str, call: Refused) {
        let mut recent = self.recent();
        *recent.counts.entry(word).or_default() += 1;
        let is_again =
            |it: &Refused| it.pod.is_some() && (&it.pod, &it.why) == (&call.pod, &call.why);
        recent.calls.retain(|it| !is_again(it));
        recent.calls.push_back(call);
        let over = recent.calls.len().saturating_sub(KEPT);
        recent.calls.drain(..over);
        drop(recent);
        self.changed.send_replace(());
    }

    /// How many there were since the agent started, by the metrics' word.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.recent().counts.clone()
    }

    /// Writes them to `path` after each change until `stop` is true.
    pub async fn keep_written(&self, path: &Path, mut stop: watch::Receiver<bool>) {
        let mut changed = self.changed.subscribe();
        // What was refused before this began is a change too.
        if !self.recent().calls.is_empty() {
            changed.mark_changed();
        }
        loop {
            tokio::select! {
                _ = changed.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let calls = self.recent().calls.clone();
            let text = serde_json::to_vec(&calls).expect("a refusal is plain data");
            if let Err(error) = durable::replace(path, &text) {
                warn!(%error, "refusals are not written down");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls in the file at `path`, the oldest first; none where there is no such file.
#[must_use]
pub fn read(path: &Path) -> Vec<Refused> {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;

    fn call(at: u64) -> Refused {
        let left = Left { gpu: uuid(0), index: 0, percent: 30, sick: None };
        Refused { at, asked: 50, pod: None, why: "no room".into(), left: vec![left] }
    }

    #[test]
    fn a_pod_that_is_refused_again_and_again_takes_one_place() {
        let refusals = Refusals::default();
        refusals.add("refused", call(0));
        for at in 1..100 {
            refusals.add("runtime", Refused { pod: Some("team/a".into()), ..call(at) });
        }
        let calls: Vec<_> = refusals.recent().calls.iter().map(|call| call.at).collect();
        assert_eq!((calls, refusals.counts()["runtime"]), (vec![0, 99], 99));
    }

    #[tokio::test]
    async fn the_last_refusals_survive_the_agent_and_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refusals.json");
        let refusals = Refusals::load(&path);
        for at in 0..100 {
            refusals.add("refused", call(at));
        }
        let (stop, stopped) = watch::channel(false);
        let write = refusals.keep_written(&path, stopped);
        let wait = async {
            while read(&path).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.send_replace(true);
        };
        tokio::join!(write, wait);
        let again = Refusals::load(&path);
        assert_eq!(refusals.counts()["refused"], 100);
        let calls: Vec<_> = again.recent().calls.iter().map(|call| call.at).collect();
        assert_eq!(calls, (36..100).collect::<Vec<_>>());
    }
}
