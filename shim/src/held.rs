//! What each device pointer was charged.
use crate::charge::Charge;
pub(crate) fn remember(_address: u64, _charge: Charge) {}
pub(crate) fn forget(_address: u64) -> Option<Charge> {
    None
}
