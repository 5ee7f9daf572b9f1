//! MIG as people change it: what the rules allow, unless somebody uses what would change; and the files
//! by which the driver shows it and gives access.

use std::fs;
use std::path::{Path, PathBuf};

use crate::admin::Change;
use crate::daemon::account::CardState;
use crate::daemon::change::no_card;
use crate::daemon::state::State;
use crate::locate::capability_node;
use crate::mig::{Mig, MigError, capability, gpu_profiles};
use crate::spec::{Spec, uuid_v4};

type Done = Result<(), String>;

impl State {
    pub(super) fn divide(&mut self, change: Change) -> Done {
        let id = match change {
            Change::MigMode { card, .. }
            | Change::CreateGpuInstance { card, .. }
            | Change::CreateComputeInstance { card, .. }
            | Change::DestroyGpuInstance { card, .. }
            | Change::DestroyComputeInstance { card, .. } => card,
            _ => return Ok(()),
        };
        self.refuse_in_use(id, &change).map_err(|error| error.to_string())?;
        let Self { root, spec, cards, .. } = self;
        let card = cards.get_mut(id as usize).ok_or_else(|| no_card(id))?;
        card.divide(spec, change).map_err(|error| error.to_string())?;
        show(root, card.info.minor, &card.condition.mig)
            .map_err(|error| format!("cannot write below {}: {error}", root.display()))
    }

    fn in_mig_mode(&self, id: u32) -> bool {
        self.cards.get(id as usize).is_some_and(|card| card.condition.mig.current)
    }

    /// Refuses what would change under somebody who holds memory.
    fn refuse_in_use(&self, id: u32, change: &Change) -> Result<(), MigError> {
        let gone: Box<dyn Fn(Option<[u32; 2]>) -> bool> = match *change {
            Change::MigMode { current, .. } if self.in_mig_mode(id) != current => {
                Box::new(|_| true)
            }
            Change::DestroyComputeInstance { gpu_instance, compute_instance, .. } => {
                Box::new(move |place| place == Some([gpu_instance, compute_instance]))
            }
            _ => Box::new(|_| false),
        };
        let user = self.clients.values().find(|client| {
            client.held.iter().any(|((card, place), held)| {
                *card == id && gone(*place) && held.iter().any(|bytes| *bytes > 0)
            })
        });
        match user {
            Some(client) => Err(MigError::InUse { what: format!("pid {}", client.peer.pid) }),
            None => Ok(()),
        }
    }
}

impl CardState {
    fn divide(&mut self, spec: &Spec, change: Change) -> Result<(), MigError> {
        let (card, id) = (self.info.profile.short_name.as_str(), self.info.id);
        if gpu_profiles(card).is_empty() {
            return Err(MigError::NotSupported { card: card.to_owned() });
        }
        let uuid = |gpu: u32, compute: u32| uuid(spec, [id, gpu, compute]);
        let mig = &mut self.condition.mig;
        match change {
            Change::MigMode { current, pending, .. } => {
                (mig.current, mig.pending) = (current, pending);
                if !current {
                    mig.instances.clear();
                }
            }
            Change::CreateGpuInstance { profile, start, compute, .. } => {
                let gpu = mig.create(card, &profile, start)?;
                if compute {
                    mig.create_compute(card, gpu, None, uuid)?;
                }
            }
            Change::CreateComputeInstance { gpu_instance, slices, .. } => {
                mig.create_compute(card, gpu_instance, slices, uuid)?;
            }
            Change::DestroyGpuInstance { gpu_instance, .. } => mig.destroy(gpu_instance)?,
            Change::DestroyComputeInstance { gpu_instance, compute_instance, .. } => {
                mig.destroy_compute(gpu_instance, compute_instance)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The UUID of the MIG device of these numbers: of a card, a GPU instance and a compute instance.
fn uuid(spec: &Spec, numbers: [u32; 3]) -> [u8; 16] {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut uuid =
        uuid_v4(spec.number(&[b"mig upper", &bytes]), spec.number(&[b"mig lower", &bytes]));
    // As the driver's: made from names.
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid
}

/// Makes the driver's files for a card anew: `proc/driver/nvidia/capabilities/gpu<N>/mig/…/access`, the
/// nodes that they name, and the list of all minor numbers.
pub(super) fn show(root: &Path, minor: u32, mig: &Mig) -> std::io::Result<()> {
    let folder = root.join(format!("proc/driver/nvidia/capabilities/gpu{minor}/mig"));
    let nodes = (0..15).flat_map(|gpu| {
        let compute = (0..8).map(move |one| capability(minor, gpu, Some(one)));
        compute.chain([capability(minor, gpu, None)])
    });
    nodes.for_each(|node| drop(fs::remove_file(capability_node(root, node))));
    let _ = fs::remove_dir_all(&folder);
    list_minors(root)?;
    for gpu in &mig.instances {
        let below = folder.join(format!("gi{}", gpu.id));
        give_access(root, &below, capability(minor, gpu.id, None))?;
        for one in &gpu.compute {
            let below = below.join(format!("ci{}", one.id));
            give_access(root, &below, capability(minor, gpu.id, Some(one.id)))?;
        }
    }
    Ok(())
}

fn give_access(root: &Path, folder: &Path, minor: u32) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    // 0o444, in decimal as the driver prints it.
    let text = format!("DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
    fs::write(folder.join("access"), text)?;
    let node = capability_node(root, minor);
    node.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(node, "")
}

/// The driver lists the minor numbers of all instances that there could be.
fn list_minors(root: &Path) -> std::io::Result<()> {
    let file: PathBuf = root.join("proc/driver/nvidia-caps/mig-minors");
    if file.exists() {
        return Ok(());
    }
    let mut text = "config 1\nmonitor 2\n".to_owned();
    for card in 0..crate::MAX_CARDS as u32 {
        for gpu in 0..15 {
            text += &format!("gpu{card}/gi{gpu}/access {}\n", capability(card, gpu, None));
            for one in 0..8 {
                let minor = capability(card, gpu, Some(one));
                text += &format!("gpu{card}/gi{gpu}/ci{one}/access {minor}\n");
            }
        }
    }
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(file, text)
}
