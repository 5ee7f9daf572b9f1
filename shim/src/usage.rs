//! What a share is shown to use, by CUDA and by NVML. The dead are found by who looks for them: a process
//! does so for its first answer, and while others hold anything again and again.

use crate::allotments::{MOST_SHARES, Share};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use ledger::{Usage, clock};

/// How long an answer may count somebody who has ended since the last look, in milliseconds.
const LONGEST_MS: u32 = 100;

/// Limit and use of a share. Costs no system call where nobody else holds anything of it.
pub(crate) fn of(share: Share) -> Usage {
    if let Some(looked) = LOOKED.get(usize::from(share.number))
        && is_due(share, looked)
    {
        looked.store(now_ms(), Relaxed);
        share.allotment.refresh(share.device);
    }
    share.allotment.usage(share.device)
}

fn is_due(share: Share, looked: &AtomicU32) -> bool {
    let last = looked.load(Relaxed);
    let is_old = || now_ms().wrapping_sub(last) >= LONGEST_MS;
    last == NEVER || share.allotment.others_hold(share.device) && is_old()
}

/// When the dead of each share were last looked for, in milliseconds.
#[unsafe(link_section = ".data")]
static LOOKED: [AtomicU32; MOST_SHARES] = [const { AtomicU32::new(NEVER) }; MOST_SHARES];
const NEVER: u32 = 0;

/// Never [`NEVER`].
fn now_ms() -> u32 {
    ((clock::own_tick_ns() / 1_000_000) as u32).max(NEVER + 1)
}
