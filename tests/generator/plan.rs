//! What a case does: rounds, and after each a rest.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::calls::{Call, DEVICES, PLACES, Pools, THREADS, call};

/// Processes that a case has at most at a time.
pub(crate) const PROCESSES: usize = 4;

/// One place of one process.
pub(crate) type Where = (usize, usize, usize);

/// What happens between two rests. Processes go by number: of as many as there are, the one that the
/// number comes to.
#[derive(Clone, Debug)]
pub(crate) enum Round {
    /// One process makes one call, and the model knows whether it can be refused.
    One(usize, Call),
    /// Several processes make calls at once, each on its threads.
    Many(Vec<(usize, Vec<Call>)>),
    /// The same, and one of them is killed after so many microseconds.
    Kill(Vec<(usize, Vec<Call>)>, usize, u64),
    /// A process begins, where there is room for one.
    Begin,
    /// A process ends as programs do, with all that it has.
    End(usize),
    /// A process has children by fork, vfork and posix_spawn; one of them lives on.
    Children(usize),
    /// A process resets or releases its primary context of a device, and takes it again.
    Reset(usize, usize),
    Release(usize, usize),
    /// Memory of one place is opened in another process: by a handle for that, by a descriptor, or by a handle for other
    /// nodes.
    Share(Where, Where),
    Pass(Where, Where),
    Send(Where, Where),
}

/// Who looks at a rest: asks what is free and for more than there is. That brings the process's own charges
/// and the sum of all up to date, so where nobody looks a fault shows that a look would mend.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Looks {
    Nobody,
    One(usize),
    All,
}

/// A round, and the rest behind it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) round: Round,
    pub(crate) looks: Looks,
}

/// Whether processes are killed in a case.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Deaths {
    None,
    Some,
}

fn device() -> std::ops::Range<usize> {
    0..DEVICES
}

/// Each round with a rest.
fn steps(
    round: impl Strategy<Value = Round>,
    many: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Step>> {
    let looks = prop_oneof![
        2 => Just(Looks::All),
        3 => Just(Looks::Nobody),
        3 => (0..PROCESSES).prop_map(Looks::One),
    ];
    vec((round, looks).prop_map(|(round, looks)| Step { round, looks }), many)
}

/// Rounds in which one call is made at a time.
pub(crate) fn single() -> impl Strategy<Value = Vec<Step>> {
    let process = 0..PROCESSES;
    let place = || (0..PROCESSES, 0..THREADS, 0..PLACES);
    steps(
        prop_oneof![
            40 => (process.clone(), call(Pools::With)).prop_map(|(process, call)| Round::One(process, call)),
            3 => Just(Round::Begin),
            1 => process.clone().prop_map(Round::End),
            1 => process.clone().prop_map(Round::Children),
            1 => (process.clone(), device()).prop_map(|(of, device)| Round::Reset(of, device)),
            1 => (process, device()).prop_map(|(of, device)| Round::Release(of, device)),
            3 => (place(), place()).prop_map(|(from, to)| Round::Share(from, to)),
            5 => (place(), place()).prop_map(|(from, to)| Round::Pass(from, to)),
            3 => (place(), place()).prop_map(|(from, to)| Round::Send(from, to)),
        ],
        1..80,
    )
}

/// Rounds in which processes and threads run beside each other.
pub(crate) fn crowded(deaths: Deaths, pools: Pools) -> impl Strategy<Value = Vec<Step>> {
    let process = 0..PROCESSES;
    let kills = if deaths == Deaths::Some { 8 } else { 0 };
    let many = || vec((0..PROCESSES, vec(call(pools), 1..60)), 1..=PROCESSES);
    steps(
        prop_oneof![
            8 => many().prop_map(Round::Many),
            kills => (many(), 0..PROCESSES, 0..20_000u64)
                .prop_map(|(many, whom, after)| Round::Kill(many, whom, after)),
            4 => Just(Round::Begin),
            1 => process.clone().prop_map(Round::Children),
            1 => (process.clone(), device()).prop_map(|(of, device)| Round::Reset(of, device)),
            1 => process.prop_map(Round::End),
        ],
        1..12,
    )
}
