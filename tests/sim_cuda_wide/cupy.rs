//! CuPy, as it comes from its makers.

use crate::run::with;
use crate::world::{RUNTIMES, fetched};

#[test]
fn both_pools_of_cupy_hold_on_the_card_what_they_say() {
    let parts = [RUNTIMES[0], "cupy"].map(|part| fetched(part).display().to_string());
    with("pool_of_cupy", &[&parts[0], &parts[1]]);
}
