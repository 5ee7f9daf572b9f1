//! `aliquot-bench-looks`: what one look of the arbiter at a GPU's containers takes, without reading and
//! writing their pages. The containers are those that the arbiter's own tests play, on their card.

#[path = "../../crates/arbiter/tests/shares/card.rs"]
mod card;
#[path = "../../crates/arbiter/tests/shares/flight.rs"]
mod flight;
#[path = "../../crates/arbiter/tests/shares/load.rs"]
#[expect(dead_code, reason = "other loads are for tests")]
mod load;
#[path = "../../crates/arbiter/tests/shares/tenant.rs"]
#[expect(dead_code, reason = "what each got is for tests")]
mod tenant;
#[path = "../../crates/arbiter/tests/shares/world.rs"]
#[expect(dead_code, reason = "what was found is for tests")]
mod world;

use std::sync::Mutex;
use std::time::Instant;

use arbiter::Terms;

use load::Load;
use tenant::Tenant;
use world::{MS, SECOND, World};

/// How long each is played, in nanoseconds of the played card.
const PLAYED_NS: u64 = 20 * SECOND;
/// What each look took, in nanoseconds.
static TOOK: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn main() {
    println!("{:<34} {:>8} {:>9} {:>9}", "", "looks", "median us", "p99 us");
    let some = Load::saturating(MS / 2);
    let tiny = Load::saturating(5_000);
    let long = Load::saturating(3 * MS);
    let eight = vec![(12, some.clone()); 8];
    let cases = [
        ("two of 50", vec![(50, some.clone()), (50, some.clone())]),
        ("25 of 5 us kernels, 75", vec![(25, tiny), (75, some.clone())]),
        ("3 ms kernels, 30 and 70", vec![(30, long.clone()), (70, long)]),
        ("20, 30, 50", vec![(20, some.clone()), (30, some.clone()), (50, some)]),
        ("eight of 12", eight),
    ];
    for (name, tenants) in cases {
        let tenants =
            tenants.into_iter().map(|(percent, load)| Tenant::new(Terms::fair(percent), load));
        let mut world = World::new(tenants.collect());
        world.around_look = timed;
        world.run_until(PLAYED_NS);
        let mut took = std::mem::take(&mut *TOOK.lock().expect("one thread"));
        took.sort_unstable();
        let at = |part: f64| took[(took.len() as f64 * part) as usize] as f64 / 1e3;
        println!("{name:<34} {:>8} {:>9.2} {:>9.2}", took.len(), at(0.5), at(0.99));
    }
}

fn timed(look: &mut dyn FnMut()) {
    let began = Instant::now();
    look();
    TOOK.lock().expect("one thread").push(began.elapsed().as_nanos() as u64);
}
