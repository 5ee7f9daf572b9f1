//! Which GPU is used how: the first pin that matches it, otherwise the default.

use std::str::FromStr;

use contract::DeviceUuid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Config, GpuPin};
use crate::inventory::{Gpu, Kind, Membership};

/// How a GPU is given out.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// To one container at a time, without the shim.
    Whole,
    /// In hundredths, through the shim.
    #[default]
    Shared,
    /// As whoever takes a free GPU first wants it, until the last has given it back.
    Auto,
}

impl Mode {
    /// Whether devices of this kind are offered. Slices follow from the GPU, not from its mode.
    #[must_use]
    pub fn allows(self, kind: Kind) -> bool {
        match kind {
            Kind::Whole => self != Self::Shared,
            Kind::Percent => self != Self::Whole,
            Kind::Slice => false,
        }
    }
}

/// What the configuration says of one GPU.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// How it is used.
    pub mode: Mode,
    /// The pool that it belongs to.
    pub pool: Option<Membership>,
    /// Why nothing new may be allocated on it.
    pub cordon: Option<String>,
}

/// A text that is no `GPU=MODE`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    /// No `=`, or not a mode behind it.
    #[error(
        "`{0}` is no mode of a GPU: write INDEX=MODE or UUID=MODE with MODE whole, \
             shared or auto"
    )]
    Shape(String),
    /// Neither an index nor a UUID.
    #[error("`{0}` names no GPU: write its index, or its UUID as `nvidia-smi -L` prints it")]
    Selector(String),
}

impl Config {
    /// What holds for a GPU: mode and pool of the first pin that names one of them and matches; a
    /// cordon by any that matches.
    #[must_use]
    pub fn plan(&self, gpu: &Gpu) -> Plan {
        let matching = || self.gpus.iter().filter(|pin| pin.matches(gpu));
        let use_of = matching().find(|pin| pin.mode.is_some() || pin.pool.is_some());
        let named = use_of.and_then(|pin| pin.pool.as_ref());
        let pool = named.and_then(|name| Some((name, self.pools.get(name)?)));
        let mode = pool.map(|(_, pool)| pool.mode).or(use_of.and_then(|pin| pin.mode));
        Plan {
            mode: mode.unwrap_or(self.default_mode),
            pool: pool.map(|(name, pool)| Membership {
                name: name.to_string(),
                resource: pool.resource.to_string(),
            }),
            cordon: matching().find_map(|pin| pin.cordon.clone()),
        }
    }
}

impl GpuPin {
    fn matches(&self, gpu: &Gpu) -> bool {
        self.index.is_none_or(|index| index == gpu.index)
            && self.uuid.is_none_or(|uuid| uuid == gpu.uuid)
            && self.pci.as_ref().is_none_or(|pci| pci.is(&gpu.pci))
            && self.product.as_ref().is_none_or(|product| product.matches(&gpu.name))
    }
}

/// `INDEX=MODE` or `UUID=MODE`.
impl FromStr for GpuPin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let shape = || PinError::Shape(text.to_owned());
        let (gpu, mode) = text.split_once('=').ok_or_else(shape)?;
        let mode = <Mode as clap::ValueEnum>::from_str(mode, false).map_err(|_| shape())?;
        let index: Option<u32> = gpu.parse().ok();
        let uuid: Option<DeviceUuid> = gpu.parse().ok();
        if index.is_none() && uuid.is_none() {
            return Err(PinError::Selector(gpu.to_owned()));
        }
        Ok(Self { index, uuid, mode: Some(mode), ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Section, Who, parse};
    use crate::inventory::tests::{gpu, uuid};

    fn v100(n: u8) -> Gpu {
        gpu(n, Mode::Shared)
    }

    fn config(text: &str) -> Config {
        Config::new(&parse(text).unwrap(), &Section::default(), &Who::default())
    }

    #[test]
    fn a_pin_by_uuid_index_address_or_product_beats_the_default() {
        let config = config(&format!(
            "gpus:\n- {{index: 1, mode: whole}}\n- {{uuid: {}, mode: whole}}\n\
             - {{pci: '0000:03:00.0', mode: whole}}\n- {{product: 'T4*', mode: whole}}\n",
            uuid(2)
        ));
        let of = [0, 1, 2, 3].map(|n| config.plan(&v100(n)).mode);
        assert_eq!(of, [Mode::Shared, Mode::Whole, Mode::Whole, Mode::Whole]);
        let t4 = Gpu { name: "T4".into(), ..v100(0) };
        assert_eq!(config.plan(&t4).mode, Mode::Whole);
    }

    #[test]
    fn the_first_pin_with_a_use_counts_and_any_cordon_does() {
        let config = config(
            "pools: {a: {mode: whole}}\ngpus:\n- {index: 0, cordon: loud}\n- {index: 0, pool: a}\n\
             - {product: '*', mode: shared}\n",
        );
        let plan = config.plan(&v100(0));
        assert_eq!((plan.mode, plan.cordon.as_deref()), (Mode::Whole, Some("loud")));
        assert_eq!(plan.pool.unwrap().resource, "gpu-a");
        assert_eq!(config.plan(&v100(1)), Plan::default());
    }

    #[test]
    fn all_that_a_pin_says_has_to_match() {
        let config = config("gpus:\n- {index: 0, product: '*A100*', mode: whole}\n");
        assert_eq!(config.plan(&v100(0)).mode, Mode::Shared);
    }

    #[test]
    fn what_is_no_pin_is_refused_with_its_text() {
        for text in ["", "1", "1=", "1=half", "x=whole", "GPU-1=whole", "-1=whole", "=whole"] {
            let message = text.parse::<GpuPin>().unwrap_err().to_string();
            assert!(message.contains(text.split('=').next().unwrap()), "{text}: {message}");
        }
    }
}
