//! One thread's looks, made by hand: containers are played from the ledger's container side.

use super::*;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;

use contract::{Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, create};
use ledger::{Allotment, DeviceIndex, Engine};

const GPU: [u8; 16] = [7; 16];
const BATCH_NS: u64 = 500_000;

struct Container {
    allotment: Allotment,
    device: DeviceIndex,
}

impl Container {
    fn make(root: &Path, id: u64, percent: u64) -> Self {
        let share = Percent::new(percent).unwrap();
        let device = DeviceSpec::new(DeviceUuid::gpu(GPU), Mib(1024), share);
        let folder = root.join(id.to_string());
        create(&folder, &AllotmentSpec::new(AllotmentId(id), vec![device])).unwrap();
        let folder = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let allotment = Allotment::open(&folder, 1).unwrap();
        allotment.take_slot().unwrap();
        let device = allotment.device(&GPU).unwrap();
        Self { allotment, device }
    }

    fn launch(&self, estimate_ns: u64) {
        self.allotment.commit(self.device, estimate_ns, 1);
    }

    /// Had the card without a break, in batches, until now.
    fn had(&self, batches: u64) {
        let begun_ns = clock::own_ns() - batches * BATCH_NS;
        for start_ns in (0..batches).map(|batch| begun_ns + batch * BATCH_NS) {
            self.launch(BATCH_NS);
            self.allotment.settle(self.device, BATCH_NS, BATCH_NS);
            let end_ns = start_ns + BATCH_NS;
            self.allotment.publish(self.device, Engine::Compute, start_ns, end_ns);
        }
    }
}

fn share(root: &Path, id: u64) -> (AllotmentId, Share) {
    let folder = root.join(id.to_string());
    (AllotmentId(id), Share { folder, class: Class::Batch, gang: None, holder: None })
}

#[test]
fn what_one_had_while_it_was_alone_it_does_not_owe_to_a_newcomer_at_work() {
    let root = tempfile::tempdir().unwrap();
    let [first, newcomer] =
        [(1, 25), (2, 75)].map(|(id, percent)| Container::make(root.path(), id, percent));
    let seat = Seat::new(Arc::default(), DeviceUuid::gpu(GPU));
    let mut keeper = Keeper::new(DeviceUuid::gpu(GPU), seat, Duration::MAX);
    keeper.shares = [share(root.path(), 1)].into();
    keeper.look_after();
    assert_eq!(keeper.look(), BEAT, "nobody looks at one that is alone");
    first.launch(BATCH_NS);
    sleep(Duration::from_millis(40));
    first.had(80);
    newcomer.launch(5_000_000);
    keeper.shares = [1, 2].map(|id| share(root.path(), id)).into();
    keeper.look_after();
    keeper.look();
    // As long as a batch is waited with.
    sleep(Duration::from_millis(5));
    keeper.look();
    let left_ns = first.allotment.credit(first.device).left_ns;
    assert!(left_ns > 0, "{left_ns} ns of credit");
}

#[test]
fn what_was_asleep_and_is_told_of_hides_nothing_that_comes_after() {
    let root = tempfile::tempdir().unwrap();
    let container = Container::make(root.path(), 1, 50);
    let (id, share) = share(root.path(), 1);
    let mut desk = Desk::open(id, &share, DeviceUuid::gpu(GPU)).unwrap();
    let running = |desk: &mut Desk| {
        desk.read(clock::own_ns());
        desk.reading().running
    };
    container.launch(BATCH_NS);
    assert_eq!(running(&mut desk), 1);
    let asleep = arbiter::Grant { pace: arbiter::Pace::Metered, credit_ns: 0, is_asleep: true };
    desk.grant(asleep);
    assert_eq!(running(&mut desk), 0, "it is not believed to be on the card");
    container.allotment.settle(container.device, BATCH_NS, BATCH_NS);
    container.launch(BATCH_NS);
    assert_eq!(running(&mut desk), 1);
}

#[path = "keeper_fuzz.rs"]
mod fuzz;
