//! Each container with what it asks for, the annotation's share included.

use contract::{Annotation, Percent, parse_fraction};

use crate::admit::Operation;
use crate::ask::Ask;
use crate::pod::{Container, Pod};
use crate::refusal::{Place, Refusal, Why};
use crate::rules::Rules;

/// A container and its ask.
pub(crate) struct Asking<'a> {
    pub(crate) container: Container<'a>,
    pub(crate) ask: Ask,
}

/// Reads all containers.
///
/// # Errors
/// Every number that is wrong, container by container.
pub(crate) fn read<'a>(pod: Pod<'a>, rules: &Rules) -> Result<Vec<Asking<'a>>, Vec<Refusal>> {
    let (mut asking, mut wrong) = (Vec::new(), Vec::new());
    for container in pod.containers() {
        let place = || container.place();
        match Ask::read(container.value, rules) {
            Ok(ask) => asking.push(Asking { container, ask }),
            Err(whys) => wrong.extend(whys.into_iter().map(|why| Refusal { place: place(), why })),
        }
    }
    if wrong.is_empty() { Ok(asking) } else { Err(wrong) }
}

/// Gives the annotation's fraction to the container that it is for.
///
/// # Errors
/// What is no fraction, or for a container that is not there.
pub(crate) fn annotate(
    pod: Pod<'_>,
    asking: &mut [Asking<'_>],
    rules: &Rules,
) -> Result<(), Refusal> {
    let name = rules.fraction();
    let Some(value) = pod.annotation(&name) else { return Ok(()) };
    let place = Place::Annotation(name.clone());
    let share = parse_fraction(value).map_err(|error| Refusal {
        place,
        why: Why::Fraction { name: name.clone(), value: value.to_owned(), error },
    })?;
    let target = target(pod, asking, rules)?;
    match target.ask.fraction {
        Some(written) if written != share => Err(Refusal {
            place: target.container.place(),
            why: Why::TwoShares { name, fraction: share, percent: written },
        }),
        _ => {
            target.ask.fraction = Some(share);
            Ok(())
        }
    }
}

/// The container that the annotation is for: the one it names, or the first regular one.
fn target<'a, 'b>(
    pod: Pod<'_>,
    asking: &'b mut [Asking<'a>],
    rules: &Rules,
) -> Result<&'b mut Asking<'a>, Refusal> {
    let annotation = rules.annotation(Annotation::GpuContainer);
    let wanted = pod.annotation(&annotation);
    let fits = |one: &Asking<'_>| match wanted {
        Some(name) => one.container.name() == name,
        None => one.container.is_regular(),
    };
    let found = asking.iter().position(fits);
    found.map(|index| &mut asking[index]).ok_or_else(|| {
        let names: Vec<_> = pod.containers().map(|container| container.name()).collect();
        let name = wanted.unwrap_or_default().to_owned();
        let why = Why::UnknownContainer { name, has: names.join(", ") };
        Refusal { place: Place::Annotation(annotation), why }
    })
}

/// Every container that has two shares which differ. A template that is applied again brings its
/// fraction back beside the percent that stands there: then the fraction is what its author says now.
pub(crate) fn contradictions(
    asking: &[Asking<'_>],
    operation: Operation,
    rules: &Rules,
) -> Vec<Refusal> {
    let differ = |one: &Asking<'_>| match (one.ask.fraction, one.ask.percent) {
        (Some(fraction), Some(percent)) if fraction != percent => Some(Refusal {
            place: one.container.place(),
            why: Why::TwoShares { name: rules.fraction(), fraction, percent },
        }),
        _ => None,
    };
    match operation {
        Operation::Create => asking.iter().filter_map(differ).collect(),
        Operation::Update => Vec::new(),
    }
}

/// Whole GPUs and MIG slices beside shares.
pub(crate) fn mixtures(asking: &[Asking<'_>], rules: &Rules) -> Vec<Refusal> {
    if largest_share(asking).is_none() {
        return Vec::new();
    }
    let share = rules.fraction();
    let mut wrong = Vec::new();
    if let Some(whole) = asking.iter().find_map(|one| one.ask.whole.clone()) {
        wrong.push(Why::WholeAndShare { whole, share: share.clone() });
    }
    if let Some(mig) = asking.iter().find_map(|one| one.ask.mig.clone()) {
        wrong.push(Why::MigAndShare { mig, share });
    }
    wrong.into_iter().map(|why| Refusal { place: Place::Pod, why }).collect()
}

/// The largest share of the pod's containers.
pub(crate) fn largest_share(asking: &[Asking<'_>]) -> Option<Percent> {
    asking.iter().filter_map(|one| one.ask.share()).max()
}
