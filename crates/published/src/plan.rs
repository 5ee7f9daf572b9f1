//! Where the scheduler's extender meant a pod's shares to lie: an annotation that the binding writes and
//! the node agent reads, such as `GPU-…=50,GPU-…=25@1767225600`.
//!
//! It is a hint. Kubelets admit in another order than pods were bound, and a share that takes the hole
//! that was meant for another leaves that one without a place.

use std::fmt;
use std::str::FromStr;

use contract::Percent;

/// A share and its GPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// The GPU's UUID.
    pub gpu: String,
    /// What is taken of it.
    pub share: Percent,
}

/// A pod's shares in the order in which its containers get them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// The shares.
    pub shares: Vec<Planned>,
    /// When it was made, in seconds since 1970.
    pub made_at_unix_s: u64,
}

/// A text that is no plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a plan: expected GPU-…=PERCENT, more of them behind commas, and @SECONDS")]
pub struct NoPlan;

impl Plan {
    /// How long one is believed in: by then a kubelet has admitted the pod, or refused it.
    pub const BELIEVED_S: u64 = 300;

    /// Whether it is still to be believed at `now_unix_s`. Clocks of machines differ a little.
    #[must_use]
    pub fn is_fresh(&self, now_unix_s: u64) -> bool {
        self.made_at_unix_s.abs_diff(now_unix_s) < Self::BELIEVED_S
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Planned { gpu, share }) in self.shares.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{gpu}={}", share.get())?;
        }
        write!(f, "@{}", self.made_at_unix_s)
    }
}

impl FromStr for Plan {
    type Err = NoPlan;

    fn from_str(text: &str) -> Result<Self, NoPlan> {
        let (shares, at) = text.rsplit_once('@').ok_or(NoPlan)?;
        let planned = |text: &str| {
            let (gpu, percent) = text.split_once('=').ok_or(NoPlan)?;
            let share = Percent::new(percent.parse().map_err(|_| NoPlan)?).map_err(|_| NoPlan)?;
            Ok(Planned { gpu: gpu.to_owned(), share })
        };
        let shares = shares.split(',').filter(|text| !text.is_empty());
        let shares = shares.map(planned).collect::<Result<_, _>>()?;
        Ok(Self { shares, made_at_unix_s: at.parse().map_err(|_| NoPlan)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_is_read() {
        let planned =
            |gpu: &str, share| Planned { gpu: gpu.to_owned(), share: Percent::new(share).unwrap() };
        let shares = vec![planned("GPU-a", 50), planned("MIG-b", 7)];
        let plan = Plan { shares, made_at_unix_s: 1_767_225_600 };
        assert_eq!(plan.to_string(), "GPU-a=50,MIG-b=7@1767225600");
        assert_eq!(plan.to_string().parse(), Ok(plan));
        assert_eq!("@5".parse(), Ok(Plan { shares: Vec::new(), made_at_unix_s: 5 }));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in ["", "GPU-a=50", "GPU-a@1", "GPU-a=0@1", "GPU-a=101@1", "GPU-a=50@x", ",=@"] {
            assert_eq!(text.parse::<Plan>(), Err(NoPlan), "{text}");
        }
    }

    #[test]
    fn a_plan_is_believed_in_for_a_while() {
        let plan = Plan { made_at_unix_s: 1_000, ..Plan::default() };
        assert!(plan.is_fresh(1_299) && plan.is_fresh(999));
        assert!(!plan.is_fresh(1_300) && !plan.is_fresh(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<Plan>();
        }
    }
}
