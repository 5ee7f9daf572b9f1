//! What the daemon tells of its processes and of everything.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use crate::admin::{CardReport, Report};
use crate::daemon::account::CardState;
use crate::daemon::state::State;
use crate::wire::{Kind, PROCESSES_PER_PACKET, Place, Process, Reply};

/// How many processes a report lists per card.
const REPORTED_PROCESSES: usize = 32;

impl State {
    pub(super) fn some_processes(&self, id: u32, slice: Place, from: u32) -> Reply {
        let mut all = self.processes(id);
        all.retain(|process| slice.is_none() || process.slice == slice);
        let from = (from as usize).min(all.len());
        let to = (from + PROCESSES_PER_PACKET).min(all.len());
        Reply::Processes { processes: all[from..to].to_vec(), more: to < all.len() }
    }

    /// Who holds memory on card `id`, in order of pid.
    fn processes(&self, id: u32) -> Vec<Process> {
        let mut by_pid: BTreeMap<(u32, Place), Process> = BTreeMap::new();
        let everyone = self.clients.iter();
        let held = everyone.flat_map(|(slot, client)| {
            client.held.iter().map(move |(at, held)| (slot, client, at, held))
        });
        for (slot, client, (card, place), held) in held {
            if *card != id || held.iter().all(|bytes| *bytes == 0) {
                continue;
            }
            let host_pid = client.peer.pid;
            let process = by_pid.entry((host_pid, *place)).or_insert_with(|| Process {
                host_pid,
                used_bytes: 0,
                kinds: [0; Kind::ALL.len()],
                slice: *place,
                slots: Vec::new(),
            });
            process.used_bytes += held.iter().sum::<u64>();
            process.kinds.iter_mut().zip(held).for_each(|(sum, bytes)| *sum += bytes);
            process.slots.push(*slot);
        }
        by_pid.into_values().collect()
    }

    pub(super) fn report(&self) -> Report {
        let card = |card: &CardState| {
            let mut processes = self.processes(card.info.id);
            processes.truncate(REPORTED_PROCESSES);
            // One packet must hold it all.
            processes.iter_mut().for_each(|process| process.slots.clear());
            CardReport {
                id: card.info.id,
                name: card.info.profile.name.clone(),
                profile: card.info.profile.short_name.clone(),
                uuid: card.info.uuid_text(),
                pci: card.info.pci,
                lost: card.is_lost(),
                memory: card.memory(),
                other_used: card.other_used,
                hangs: card.page.hangs.load(Relaxed) != 0,
                waited: card.page.waited.load(Relaxed),
                condition: card.condition.clone(),
                peak_used: card.peak,
                processes,
            }
        };
        Report {
            root: self.root.clone(),
            daemon_pid: std::process::id(),
            driver_version: self.spec.driver_version.clone(),
            cuda_version: self.spec.cuda_version,
            connections: self.clients.len() as u32,
            cards: self.cards.iter().map(card).collect(),
        }
    }
}
