//! The annotations that refine a share: only ever downwards, because only the percent is scheduled.

use contract::{Annotation, Percent, parse_memory, parse_whole_percent};

use crate::pod::Pod;
use crate::refusal::{Place, Refusal, Why};
use crate::rules::Rules;

/// Every refinement that the node would not follow.
pub(crate) fn faults(pod: Pod<'_>, largest: Option<Percent>, rules: &Rules) -> Vec<Refusal> {
    let checks: [(Annotation, Check); 4] = [
        (Annotation::GpuMemory, memory),
        (Annotation::GpuCompute, compute),
        (Annotation::ComputePolicy, policy),
        (Annotation::ComputeClass, class),
    ];
    let fault = |(annotation, check): (Annotation, Check)| {
        let name = rules.annotation(annotation);
        let value = pod.annotation(&name)?;
        let why = check(&name, value, largest).err()?;
        Some(Refusal { place: Place::Annotation(name), why })
    };
    checks.into_iter().filter_map(fault).collect()
}

type Check = fn(&str, &str, Option<Percent>) -> Result<(), Why>;

fn memory(_: &str, value: &str, _: Option<Percent>) -> Result<(), Why> {
    let expected = "an amount of memory with a unit, such as 12Gi";
    parse_memory(value).map(drop).map_err(|_| Why::Annotation { value: value.to_owned(), expected })
}

fn compute(name: &str, value: &str, largest: Option<Percent>) -> Result<(), Why> {
    let refused = |error| Why::Percent { name: name.to_owned(), value: value.to_owned(), error };
    let asked = parse_whole_percent(value).map_err(refused)?;
    match largest {
        Some(share) if asked > share => {
            Err(Why::AboveShare { asked: asked.get(), share: share.get() })
        }
        _ => Ok(()),
    }
}

fn policy(_: &str, value: &str, _: Option<Percent>) -> Result<(), Why> {
    match value {
        "fair" | "strict" => Ok(()),
        _ => Err(Why::Annotation { value: value.to_owned(), expected: "fair or strict" }),
    }
}

fn class(_: &str, value: &str, _: Option<Percent>) -> Result<(), Why> {
    match value {
        "latency" | "batch" => Ok(()),
        _ => Err(Why::Annotation { value: value.to_owned(), expected: "latency or batch" }),
    }
}
