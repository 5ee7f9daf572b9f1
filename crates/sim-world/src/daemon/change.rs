//! What people do to a running world.

use std::sync::atomic::Ordering::Relaxed;

use crate::admin::Change;
use crate::daemon::state::{Answers, State, wrong};
use crate::events::Xid;
use crate::wire::Reply;

/// "GPU has fallen off the bus."
const XID_FELL_OFF: u64 = 79;

impl State {
    pub(super) fn change(&mut self, slot: u32, change: Change) -> Answers {
        let done = vec![(slot, Reply::Done)];
        let id = match change {
            Change::DriverVersion { driver, cuda } => {
                (self.spec.driver_version, self.spec.cuda_version) = (driver, cuda);
                return done;
            }
            Change::Stop => {
                self.stopping = true;
                return done;
            }
            Change::OtherUsed { card, .. } | Change::Xid { card, .. } => card,
            Change::Vanish { card } | Change::Restore { card } => card,
        };
        let Some(card) = self.cards.get_mut(id as usize) else {
            return vec![(slot, wrong(&format!("there is no card {id}")))];
        };
        let xid = match change {
            Change::OtherUsed { bytes, .. } => {
                return vec![(slot, card.set_other_used(bytes))];
            }
            Change::Xid { number, .. } => number,
            Change::Vanish { .. } => {
                card.page.lost.store(1, Relaxed);
                XID_FELL_OFF
            }
            _ => {
                card.page.lost.store(0, Relaxed);
                return done;
            }
        };
        [done, self.tell(Xid { card: id, number: xid })].concat()
    }

    /// `xid` for all who watch its card.
    fn tell(&self, xid: Xid) -> Answers {
        let watching = self.clients.iter().filter(|(_, client)| client.watches.contains(&xid.card));
        watching.map(|(slot, _)| (*slot, Reply::Xid(xid))).collect()
    }
}
