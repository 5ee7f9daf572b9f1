//! Which GPU is used how: pinned by UUID or index, otherwise the default.

use std::str::FromStr;

use contract::DeviceUuid;
use serde::{Deserialize, Serialize};

/// How a GPU is given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// To one container at a time, without the shim.
    Whole,
    /// In hundredths, through the shim.
    #[default]
    Shared,
}

/// What names a GPU in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selector {
    /// NVML's index.
    Index(u32),
    /// The UUID.
    Uuid(DeviceUuid),
}

/// One `GPU=MODE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pin {
    /// Which GPU.
    pub gpu: Selector,
    /// How it is used.
    pub mode: Mode,
}

/// The modes of all GPUs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Modes {
    /// For a GPU that no pin names.
    pub default: Mode,
    /// The first that names a GPU wins.
    pub pins: Vec<Pin>,
}

/// A text that is no `GPU=MODE`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    /// No `=`, or not a mode behind it.
    #[error("`{0}` is no mode of a GPU: write INDEX=MODE or UUID=MODE with MODE whole or shared")]
    Shape(String),
    /// Neither an index nor a UUID.
    #[error("`{0}` names no GPU: write its index, or its UUID as `nvidia-smi -L` prints it")]
    Selector(String),
}

impl Modes {
    /// The mode of one GPU.
    #[must_use]
    pub fn of(&self, uuid: DeviceUuid, index: u32) -> Mode {
        let names = |pin: &&Pin| match pin.gpu {
            Selector::Index(pinned) => pinned == index,
            Selector::Uuid(pinned) => pinned == uuid,
        };
        self.pins.iter().find(names).map_or(self.default, |pin| pin.mode)
    }
}

impl FromStr for Selector {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let by_index = text.parse().map(Self::Index).ok();
        let by_uuid = || text.parse().map(Self::Uuid).ok();
        by_index.or_else(by_uuid).ok_or_else(|| PinError::Selector(text.to_owned()))
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let shape = || PinError::Shape(text.to_owned());
        let (gpu, mode) = text.split_once('=').ok_or_else(shape)?;
        let mode = match mode {
            "whole" => Mode::Whole,
            "shared" => Mode::Shared,
            _ => return Err(shape()),
        };
        Ok(Self { gpu: gpu.parse()?, mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;

    #[test]
    fn a_pin_by_uuid_or_index_beats_the_default() {
        let pins = vec!["1=whole".parse().unwrap(), format!("{}=whole", uuid(2)).parse().unwrap()];
        let modes = Modes { default: Mode::Shared, pins };
        let of = [0, 1, 2].map(|n| modes.of(uuid(n), u32::from(n)));
        assert_eq!(of, [Mode::Shared, Mode::Whole, Mode::Whole]);
    }

    #[test]
    fn what_is_no_pin_is_refused_with_its_text() {
        for text in ["", "1", "1=", "1=half", "x=whole", "GPU-1=whole", "-1=whole", "=whole"] {
            let message = text.parse::<Pin>().unwrap_err().to_string();
            assert!(message.contains(text.split('=').next().unwrap()), "{text}: {message}");
        }
    }
}
