//! The agent's side: making an allotment's folder, changing its limits, reading what its container
//! wrote.
//!
//! It maps only `limits`, which no tenant can write. The ledger is read with `pread`; each value is
//! checked, and a file that was cut, grown or scribbled is an error, never a fault.

mod create;
mod grant;
mod image;
mod limits_page;
mod measure;
mod read;
mod snapshot;
mod spec;
mod times;

pub use create::{Draft, Files, Passing, Room, create, recreate};
pub use grant::Granted;
pub use limits_page::{LimitsPage, update};
pub use measure::Seen;
pub use read::{read_ledger, read_limits};
pub use snapshot::{Corrections, DeviceUse, LedgerSnapshot, LimitsSnapshot, SlotUse};
pub use spec::{AllotmentSpec, DeviceSpec};
pub use times::{DeviceTime, IntervalClaim, TimeReader};
