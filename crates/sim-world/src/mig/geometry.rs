//! What may be made of a card and what may be unmade, by the rules of the hardware: memory slices do not
//! overlap, compute slices do not either, and media engines are given once.

use crate::mig::names::compute_profiles;
use crate::mig::{ComputeInstance, GpuInstance, Mig, gpu_profiles};

/// Why a card is not divided as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigError {
    /// The card has no MIG.
    #[error("{card} cannot be divided by MIG")]
    NotSupported {
        /// The card's profile.
        card: String,
    },
    /// MIG mode is off.
    #[error("MIG mode is off: turn it on first")]
    Off,
    /// No such profile.
    #[error("{card} has no GPU instance profile {profile:?}; it has {known}")]
    Profile {
        /// The card's profile.
        card: String,
        /// What was asked for.
        profile: String,
        /// What there is.
        known: String,
    },
    /// No such compute profile.
    #[error("an instance of {profile} has no compute instance of {slices} slices")]
    Compute {
        /// The instance's profile.
        profile: String,
        /// What was asked for.
        slices: u32,
    },
    /// There is no room left.
    #[error("insufficient resources: no room for another {what}")]
    Full {
        /// What was asked for.
        what: String,
    },
    /// There is no such instance.
    #[error("there is no {what}")]
    Missing {
        /// Which.
        what: String,
    },
    /// Somebody uses it.
    #[error("in use by another client: {what}")]
    InUse {
        /// What, and by whom.
        what: String,
    },
}

/// Lanes of a card's page beside the whole card's.
const LANES: u32 = 7;

impl Mig {
    /// Makes a GPU instance, at `start` or where it fits first. Answers its ID.
    ///
    /// # Errors
    /// [`MigError`]; nothing is changed then.
    pub fn create(
        &mut self,
        card: &str,
        profile: &str,
        start: Option<u32>,
    ) -> Result<u32, MigError> {
        if !self.current {
            return Err(MigError::Off);
        }
        let kinds = gpu_profiles(card);
        let kind = kinds.iter().find(|kind| kind.name == profile).ok_or_else(|| {
            let known: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
            let (card, profile) = (card.to_owned(), profile.to_owned());
            MigError::Profile { card, profile, known: known.join(", ") }
        })?;
        let full = || MigError::Full { what: profile.to_owned() };
        let alike = self.instances.iter().filter(|one| one.profile == profile).count();
        let fits = |at: &&u32| {
            start.is_none_or(|wanted| wanted == **at) && self.is_free(card, **at, kind.size)
        };
        // As seen of the driver: the first instance of three slices lies behind the other's place.
        let start = match kind.slices {
            3 => kind.starts.iter().rev().find(fits),
            _ => kind.starts.iter().find(fits),
        };
        let start = *start.ok_or_else(full)?;
        if alike as u32 >= kind.count {
            return Err(full());
        }
        let first = match kind.size {
            8 => 0,
            4 => 1,
            2 => 3,
            _ => 7,
        };
        let taken = |id: &u32| self.instances.iter().any(|one| one.id == *id);
        let id = (first..).find(|id| !taken(id)).unwrap_or(first);
        self.instances.push(GpuInstance {
            id,
            profile: profile.to_owned(),
            start,
            compute: Vec::new(),
        });
        self.instances.sort_by_key(|one| one.id);
        Ok(id)
    }

    /// Makes a compute instance of `slices`, or of all slices of its GPU instance. `uuid` names it by
    /// both its IDs. Answers its ID.
    ///
    /// # Errors
    /// [`MigError`]; nothing is changed then.
    pub fn create_compute(
        &mut self,
        card: &str,
        gpu_instance: u32,
        slices: Option<u32>,
        uuid: impl Fn(u32, u32) -> [u8; 16],
    ) -> Result<u32, MigError> {
        let lanes = self.instances.iter().flat_map(|one| &one.compute).map(|one| one.lane);
        let lanes: Vec<u32> = lanes.collect();
        let instance = self.instance(gpu_instance)?;
        let missing = || MigError::Missing { what: format!("GPU instance {gpu_instance}") };
        let kind = instance.kind(card).ok_or_else(missing)?;
        let slices = slices.unwrap_or(kind.slices);
        let known = compute_profiles(card, kind);
        if !known.iter().any(|profile| profile.slices == slices) {
            return Err(MigError::Compute { profile: kind.name.to_owned(), slices });
        }
        let full = || MigError::Full { what: format!("{slices}c.{}", kind.name) };
        let is_free = |at: &u32| {
            instance.compute.iter().all(|c| at + slices <= c.start || c.start + c.slices <= *at)
        };
        let start = (0..=kind.slices - slices).find(is_free).ok_or_else(full)?;
        let lane = (1..=LANES).find(|lane| !lanes.contains(lane)).ok_or_else(full)?;
        let taken = |id: &u32| instance.compute.iter().any(|one| one.id == *id);
        let id = (0..).find(|id| !taken(id)).unwrap_or(0);
        let uuid = uuid(gpu_instance, id);
        instance.compute.push(ComputeInstance { id, slices, start, uuid, lane });
        instance.compute.sort_by_key(|one| one.id);
        Ok(id)
    }

    /// Unmakes a GPU instance that holds no compute instance.
    ///
    /// # Errors
    /// [`MigError::Missing`] or [`MigError::InUse`].
    pub fn destroy(&mut self, gpu_instance: u32) -> Result<(), MigError> {
        if !self.instance(gpu_instance)?.compute.is_empty() {
            let what = format!("GPU instance {gpu_instance} holds compute instances");
            return Err(MigError::InUse { what });
        }
        self.instances.retain(|one| one.id != gpu_instance);
        Ok(())
    }

    /// Unmakes a compute instance.
    ///
    /// # Errors
    /// [`MigError::Missing`].
    pub fn destroy_compute(&mut self, gpu_instance: u32, compute: u32) -> Result<(), MigError> {
        let instance = self.instance(gpu_instance)?;
        let before = instance.compute.len();
        instance.compute.retain(|one| one.id != compute);
        match instance.compute.len() < before {
            true => Ok(()),
            false => Err(MigError::Missing {
                what: format!("compute instance {compute} in GPU instance {gpu_instance}"),
            }),
        }
    }

    /// How many more instances of a profile fit.
    #[must_use]
    pub fn remaining(&self, card: &str, profile: &str) -> u32 {
        let mut trial = self.clone();
        let fit = std::iter::from_fn(|| trial.create(card, profile, None).ok());
        fit.count() as u32
    }

    fn instance(&mut self, id: u32) -> Result<&mut GpuInstance, MigError> {
        let what = format!("GPU instance {id}");
        let found = self.instances.iter_mut().find(|one| one.id == id);
        found.ok_or(MigError::Missing { what })
    }

    fn is_free(&self, card: &str, start: u32, size: u32) -> bool {
        self.instances.iter().all(|one| {
            let taken = one.kind(card).map_or(0, |kind| kind.size);
            start + size <= one.start || one.start + taken <= start
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on() -> Mig {
        Mig { current: true, pending: true, ..Mig::default() }
    }

    fn uuid(gpu: u32, compute: u32) -> [u8; 16] {
        [gpu as u8 * 16 + compute as u8; 16]
    }

    #[test]
    fn every_profile_fits_as_often_as_its_table_says() {
        for card in ["a100-40gb", "a100-80gb", "h100-80gb"] {
            for kind in gpu_profiles(card) {
                assert_eq!(on().remaining(card, kind.name), kind.count, "{card} {}", kind.name);
            }
        }
    }

    #[test]
    fn instances_share_neither_memory_nor_media_engines() {
        let mut mig = on();
        assert_eq!(mig.create("a100-40gb", "3g.20gb", None), Ok(1));
        assert_eq!(mig.create("a100-40gb", "2g.10gb", None), Ok(3));
        assert!(matches!(mig.create("a100-40gb", "4g.20gb", None), Err(MigError::Full { .. })));
        assert_eq!(mig.create("a100-40gb", "1g.5gb+me", None), Ok(7));
        assert!(matches!(mig.create("a100-40gb", "1g.5gb+me", None), Err(MigError::Full { .. })));
        assert_eq!(mig.remaining("a100-40gb", "1g.5gb"), 1);
    }

    #[test]
    fn compute_instances_divide_the_slices_of_their_gpu_instance() {
        let mut mig = on();
        let gpu = mig.create("a100-40gb", "3g.20gb", None).unwrap();
        assert_eq!(mig.create_compute("a100-40gb", gpu, Some(1), uuid), Ok(0));
        assert_eq!(mig.create_compute("a100-40gb", gpu, Some(2), uuid), Ok(1));
        let full = mig.create_compute("a100-40gb", gpu, Some(1), uuid);
        assert!(matches!(full, Err(MigError::Full { .. })), "{full:?}");
        assert!(matches!(mig.destroy(gpu), Err(MigError::InUse { .. })));
        assert_eq!(mig.destroy_compute(gpu, 0), Ok(()));
        assert_eq!(mig.destroy_compute(gpu, 1), Ok(()));
        assert_eq!(mig.destroy(gpu), Ok(()));
    }

    #[test]
    fn a_card_without_mig_mode_is_not_divided() {
        assert_eq!(Mig::default().create("a100-40gb", "1g.5gb", None), Err(MigError::Off));
        let unknown = on().create("t4", "1g.5gb", None).unwrap_err().to_string();
        assert!(unknown.starts_with("t4 has no GPU instance profile"), "{unknown}");
    }
}
