//! One process in a share, as the shim would be it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, LimitsPage, create};
use ledger::{Allotment, DeviceIndex, Engine, Pace, Policy, clock};

/// The card of most tests, and another.
pub(crate) const GPU: [u8; 16] = [7; 16];
pub(crate) const OTHER: [u8; 16] = [8; 16];
/// How long a batch takes.
const BATCH: Duration = Duration::from_micros(500);

/// Makes the pages of a share.
pub(crate) fn make(root: &Path, id: u64, percent: u64, policy: Policy) {
    make_of(GPU, root, id, percent, policy);
}

/// The same of a card.
pub(crate) fn make_of(gpu: [u8; 16], root: &Path, id: u64, percent: u64, policy: Policy) {
    let share = Percent::new(percent).unwrap();
    let device = DeviceSpec::new(DeviceUuid::gpu(gpu), Mib(1024), share);
    let spec = AllotmentSpec::new(AllotmentId(id), vec![DeviceSpec { policy, ..device }]);
    create(&root.join(id.to_string()), &spec).unwrap();
}

/// What a container was told, as its pages say.
pub(crate) fn pace(root: &Path, id: u64) -> Pace {
    LimitsPage::open(&root.join(id.to_string())).unwrap().granted(0).unwrap().pace
}

pub(crate) struct Container {
    allotment: Allotment,
    device: DeviceIndex,
    launches: AtomicU64,
}

impl Container {
    pub(crate) fn open(root: &Path, id: u64) -> Self {
        Self::open_of(GPU, root, id)
    }

    pub(crate) fn open_of(gpu: [u8; 16], root: &Path, id: u64) -> Self {
        let folder = root.join(id.to_string());
        let folder = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let allotment = Allotment::open(&folder, 1).unwrap();
        allotment.take_slot().unwrap();
        let device = allotment.device(&gpu).unwrap();
        Self { allotment, device, launches: AtomicU64::new(0) }
    }

    pub(crate) fn pace(&self) -> Pace {
        self.allotment.pace(self.device)
    }

    pub(crate) fn beat(&self) -> u64 {
        self.allotment.beat(self.device)
    }

    pub(crate) fn left_ns(&self) -> i64 {
        self.allotment.credit(self.device).left_ns
    }

    pub(crate) fn launches(&self) -> u64 {
        self.launches.load(Relaxed)
    }

    /// Launches one batch after the other until `over`; what it had of the card.
    pub(crate) fn work_until(&self, card: &Mutex<()>, over: impl Fn() -> bool) -> Duration {
        let mut got = Duration::ZERO;
        while !over() {
            if self.pace() == Pace::Metered && self.left_ns() <= 0 {
                self.wait();
                continue;
            }
            let estimate = BATCH.as_nanos() as u64;
            self.allotment.commit(self.device, estimate, 1);
            let turn = card.lock().unwrap();
            let (start_ns, began) = (clock::own_ns(), Instant::now());
            std::thread::sleep(BATCH);
            let (end_ns, took) = (clock::own_ns(), began.elapsed());
            drop(turn);
            self.allotment.settle(self.device, estimate, took.as_nanos() as u64);
            self.allotment.publish(self.device, Engine::Compute, start_ns, end_ns);
            self.launches.fetch_add(1, Relaxed);
            got += took;
        }
        got
    }

    fn wait(&self) {
        let seen = self.allotment.grant_word(self.device);
        if self.left_ns() > 0 {
            return;
        }
        self.allotment.wait_begins(self.device);
        let began = Instant::now();
        self.allotment.await_grant(self.device, seen, 20_000_000);
        self.allotment.wait_ends(self.device, began.elapsed().as_nanos() as u64);
    }
}
