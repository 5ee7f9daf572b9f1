//! What people do to a running world.

use std::sync::atomic::Ordering::Relaxed;

use crate::admin::Change;
use crate::condition::Link;
use crate::daemon::state::{Answers, State, wrong};
use crate::events::Xid;
use crate::wire::Reply;

/// "GPU has fallen off the bus."
const XID_FELL_OFF: u64 = 79;

/// How a change went; refused with a reason.
type Done = Result<(), String>;

impl State {
    pub(super) fn change(&mut self, slot: u32, change: Change) -> Answers {
        let xid = xid_of(&change);
        let reply = match self.apply(change) {
            Ok(()) => Reply::Done,
            Err(reason) => return vec![(slot, wrong(&reason))],
        };
        let told = xid.map(|xid| self.tell(xid)).unwrap_or_default();
        [vec![(slot, reply)], told].concat()
    }

    fn apply(&mut self, change: Change) -> Done {
        match change {
            Change::DriverVersion { driver, cuda } => {
                (self.spec.driver_version, self.spec.cuda_version) = (driver, cuda);
            }
            Change::Mismatch { mismatched } => self.mismatched = mismatched,
            Change::Stop => self.stopping = true,
            Change::Links { card, peer, count } => self.link(card, peer, count)?,
            Change::MigMode { .. }
            | Change::CreateGpuInstance { .. }
            | Change::CreateComputeInstance { .. }
            | Change::DestroyGpuInstance { .. }
            | Change::DestroyComputeInstance { .. } => return self.divide(change),
            other => return self.change_card(other),
        }
        Ok(())
    }

    fn change_card(&mut self, change: Change) -> Done {
        let id = card_of(&change);
        let card = self.cards.get_mut(id as usize).ok_or_else(|| no_card(id))?;
        match change {
            Change::OtherUsed { bytes, .. } => card.set_other_used(bytes)?,
            Change::Vanish { .. } => card.page.lost.store(1, Relaxed),
            Change::Restore { .. } => card.page.lost.store(0, Relaxed),
            Change::Hang { hangs, .. } => card.page.hangs.store(hangs.into(), Relaxed),
            Change::Virtualisation { mode, .. } => card.condition.virtualisation = mode,
            Change::Licence { licensed, .. } => card.condition.licensed = licensed,
            Change::ComputeMode { mode, .. } => card.condition.compute_mode = mode,
            Change::Mps { pids, .. } => card.condition.mps = pids,
            Change::Numa { node, cpus, .. } => {
                (card.condition.numa_node, card.condition.cpus) = (Some(node), cpus);
            }
            _ => {}
        }
        Ok(())
    }

    /// Links two cards, each to the other.
    fn link(&mut self, card: u32, peer: u32, count: u32) -> Done {
        let known = |id: u32| (id as usize) < self.cards.len();
        if !known(card) || !known(peer) || card == peer {
            return Err(format!("cards {card} and {peer} cannot be linked"));
        }
        for (one, other) in [(card, peer), (peer, card)] {
            let links = &mut self.cards[one as usize].condition.links;
            links.retain(|link| link.peer != other);
            links.extend((count > 0).then_some(Link { peer: other, count }));
            links.sort_by_key(|link| link.peer);
        }
        Ok(())
    }

    /// `xid` for all who watch its card.
    fn tell(&self, xid: Xid) -> Answers {
        let watching = self.clients.iter().filter(|(_, client)| client.watches.contains(&xid.card));
        watching.map(|(slot, _)| (*slot, Reply::Xid(xid))).collect()
    }
}

pub(super) fn no_card(id: u32) -> String {
    format!("there is no card {id}")
}

/// What a change makes a card report.
fn xid_of(change: &Change) -> Option<Xid> {
    let (card, number, slice) = match change {
        Change::Xid { card, number } => (*card, *number, None),
        Change::SliceXid { card, number, slice } => (*card, *number, Some(*slice)),
        Change::Vanish { card } => (*card, XID_FELL_OFF, None),
        _ => return None,
    };
    Some(Xid { card, number, slice })
}

fn card_of(change: &Change) -> u32 {
    match change {
        Change::OtherUsed { card, .. }
        | Change::Xid { card, .. }
        | Change::SliceXid { card, .. }
        | Change::Hang { card, .. }
        | Change::Virtualisation { card, .. }
        | Change::Licence { card, .. }
        | Change::ComputeMode { card, .. }
        | Change::Mps { card, .. }
        | Change::Numa { card, .. }
        | Change::Vanish { card }
        | Change::Restore { card } => *card,
        _ => u32::MAX,
    }
}
