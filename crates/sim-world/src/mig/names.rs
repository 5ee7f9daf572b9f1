//! What compute instances a GPU instance can hold, and what a MIG device is called.

use crate::mig::{COMPUTE_SLICES, ComputeInstance, GpuInstance, GpuProfile};

/// A kind of compute instance within a GPU instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeProfile {
    /// NVML's number for it, which is its number in the instance too.
    pub id: u32,
    /// Compute slices.
    pub slices: u32,
    /// How many of it fit in an undivided instance.
    pub count: u32,
    /// Streaming multiprocessors.
    pub sms: u32,
    /// Its name, such as `1c.3g.20gb`, or that of the instance where it is all of it.
    pub name: String,
}

/// What a GPU instance of profile `of`, on a card of this profile name, can be divided into.
#[must_use]
pub fn compute_profiles(card: &str, of: &GpuProfile) -> Vec<ComputeProfile> {
    let one_slice_sms = one_slice_sms(card);
    let sizes = [(0, 1), (1, 2), (2, 3), (3, 4), (4, COMPUTE_SLICES)];
    let fitting = sizes.into_iter().filter(|(_, slices)| *slices <= of.slices);
    fitting
        .map(|(id, slices)| ComputeProfile {
            id,
            slices,
            count: of.slices / slices,
            sms: if slices == of.slices { of.sms } else { slices * one_slice_sms },
            name: name(of, slices),
        })
        .collect()
}

/// What a MIG device with `slices` of such an instance is called.
fn name(of: &GpuProfile, slices: u32) -> String {
    match slices == of.slices {
        true => of.name.to_owned(),
        false => format!("{slices}c.{}", of.name),
    }
}

impl GpuInstance {
    /// What `compute` of this instance, on a card of this profile name, is.
    #[must_use]
    pub fn compute_profile(&self, card: &str, compute: &ComputeInstance) -> Option<ComputeProfile> {
        let of = self.kind(card)?;
        let all = compute_profiles(card, of);
        all.into_iter().find(|known| known.slices == compute.slices)
    }
}

/// Streaming multiprocessors of the smallest instance of a card.
fn one_slice_sms(card: &str) -> u32 {
    super::gpu_profiles(card).first().map_or(0, |smallest| smallest.sms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mig::gpu_profiles;

    #[test]
    fn a_device_that_is_all_of_its_instance_bears_the_instances_name() {
        let three = gpu_profiles("a100-40gb").iter().find(|p| p.name == "3g.20gb").unwrap();
        let names: Vec<String> =
            compute_profiles("a100-40gb", three).into_iter().map(|profile| profile.name).collect();
        assert_eq!(names, ["1c.3g.20gb", "2c.3g.20gb", "3g.20gb"]);
    }
}
