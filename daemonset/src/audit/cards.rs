//! Asks for all GPUs' processes at once, of a driver that is opened once for all. A GPU that does not answer holds up nobody: its question
//! stands until it is answered, and no second one is put meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::DeviceUuid;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::lister::{Lister, Listing, OnGpu};

/// How long one look waits for the slowest GPU.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);

type Answer = Result<Vec<OnGpu>, String>;

/// The GPUs that were asked and have not answered.
pub(super) struct Cards {
    lister: Arc<dyn Lister>,
    asked: BTreeMap<DeviceUuid, JoinHandle<Answer>>,
}

/// One look. The driver is let go of when its last question is answered.
struct Look {
    lister: Arc<dyn Lister>,
    opened: OnceLock<Result<Box<dyn Listing>, String>>,
}

impl Look {
    fn list(&self, gpu: DeviceUuid) -> Answer {
        match self.opened.get_or_init(|| self.lister.open()) {
            Ok(driver) => driver.list(gpu),
            Err(why) => Err(why.clone()),
        }
    }
}

impl Cards {
    pub(super) fn new(lister: Arc<dyn Lister>) -> Self {
        Self { lister, asked: BTreeMap::new() }
    }

    /// The processes on each of `gpus`, or why they are not known.
    pub(super) async fn look(
        &mut self,
        gpus: impl IntoIterator<Item = DeviceUuid>,
    ) -> BTreeMap<DeviceUuid, Answer> {
        let look = Arc::new(Look { lister: self.lister.clone(), opened: OnceLock::new() });
        for gpu in gpus {
            let look = look.clone();
            let ask = || tokio::task::spawn_blocking(move || look.list(gpu));
            self.asked.entry(gpu).or_insert_with(ask);
        }
        let until = Instant::now() + PATIENCE;
        let mut looks = BTreeMap::new();
        for (gpu, mut question) in std::mem::take(&mut self.asked) {
            let answer = match timeout_at(until, &mut question).await {
                Ok(answer) => answer.unwrap_or_else(|error| Err(error.to_string())),
                Err(_) => {
                    self.asked.insert(gpu, question);
                    Err("NVML does not answer for it".into())
                }
            };
            looks.insert(gpu, answer);
        }
        looks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    /// Answers for GPU 1 when it is let, for the others at once. Counts how often it is opened, and
    /// how many of those have not been let go of.
    #[derive(Clone)]
    struct Hanging {
        until: Arc<Mutex<Receiver<()>>>,
        opened: Arc<AtomicUsize>,
        _held: Arc<()>,
    }

    impl Lister for Hanging {
        fn open(&self) -> Result<Box<dyn Listing>, String> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(self.clone()))
        }
    }

    impl Listing for Hanging {
        fn list(&self, gpu: DeviceUuid) -> Answer {
            if gpu == uuid(1) {
                let _ = self.until.lock().unwrap().recv();
            }
            let pid = u32::from(gpu.bytes[0]);
            Ok(vec![OnGpu { pid, instance: None, bytes: None, busy_percent: 0, is_there: true }])
        }
    }

    #[tokio::test]
    async fn a_gpu_that_hangs_is_asked_once_and_holds_up_nobody() {
        let (wake, hanging) = channel();
        let (until, held) = (Arc::new(Mutex::new(hanging)), Arc::new(()));
        let lister = Hanging { until, opened: Arc::default(), _held: held.clone() };
        let opened = lister.opened.clone();
        let mut cards = Cards::new(Arc::new(lister));
        for _ in 0..2 {
            let looks = cards.look([uuid(0), uuid(1)]).await;
            assert_eq!(looks[&uuid(0)].as_ref().unwrap()[0].pid, 0);
            assert!(looks[&uuid(1)].as_ref().unwrap_err().contains("does not answer"));
        }
        wake.send(()).unwrap();
        let looks = cards.look([uuid(0), uuid(1)]).await;
        assert_eq!(looks[&uuid(1)].as_ref().unwrap()[0].pid, 1);
        drop(wake);
        // Once for each look, whatever hangs.
        assert_eq!(opened.load(Ordering::Relaxed), 3);
        let looks = cards.look((2..10).map(uuid)).await;
        assert!(looks.len() == 8 && looks.values().all(Result::is_ok));
        assert_eq!(opened.load(Ordering::Relaxed), 4);
        // All are let go of again: the lister itself and we hold one each.
        assert_eq!(Arc::strong_count(&held), 2);
    }
}
