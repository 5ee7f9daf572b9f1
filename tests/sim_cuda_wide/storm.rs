//! Every way to take memory at once.

use crate::run::script;

#[test]
fn eight_threads_that_take_memory_in_every_way_leave_nothing_behind() {
    script("storm", "everything");
}
