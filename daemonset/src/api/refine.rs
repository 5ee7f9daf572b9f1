//! What a pod's annotations make of its share: less, never more. Pure.

use std::collections::BTreeMap;

use contract::{Annotation, Domain, Mib, parse_memory};
use ledger::agent::DeviceSpec;
use ledger::{AtLimit, Policy};

use crate::arbiter::Class;

/// What annotations ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refinement {
    /// `gpu-memory`.
    pub memory: Option<Mib>,
    /// `gpu-compute`.
    pub compute: Option<u32>,
    /// `compute-policy`.
    pub policy: Option<Policy>,
    /// `compute-class`: who goes first, each within its own share.
    pub class: Class,
    /// Whether the administrator has its namespace observed only: no annotation says this.
    pub observe: bool,
}

impl Refinement {
    /// What the annotations under `domain` ask for. A sentence about each that cannot be understood goes with it; the others count.
    #[must_use]
    pub fn parse(
        annotations: &BTreeMap<String, String>,
        domain: Domain<'_>,
    ) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let get = |annotation: Annotation| {
            let name = domain.annotation(annotation).to_string();
            annotations.get(&name).map(|text| (name, text.trim()))
        };
        let (memory, compute) = (get(Annotation::GpuMemory), get(Annotation::GpuCompute));
        let policy = get(Annotation::ComputePolicy);
        let class = get(Annotation::ComputeClass);
        let mut wrong = |name: String, text: &str, why: &str| {
            problems.push(format!("{name}: {text:?} does not count: {why}"));
        };
        let mut refinement = Self::default();
        if let Some((name, text)) = memory {
            match parse_memory(text) {
                Ok(memory) => refinement.memory = Some(memory),
                Err(error) => wrong(name, text, &error.to_string()),
            }
        }
        if let Some((name, text)) = compute {
            match text.parse() {
                Ok(compute @ 1..=100) => refinement.compute = Some(compute),
                _ => wrong(name, text, "write a percent of the GPU from 1 to 100"),
            }
        }
        if let Some((name, text)) = policy {
            match text {
                "fair" => refinement.policy = Some(Policy::Fair),
                "strict" => refinement.policy = Some(Policy::Strict),
                _ => wrong(name, text, "write fair or strict"),
            }
        }
        if let Some((name, text)) = class {
            match text {
                "latency" => refinement.class = Class::Latency,
                "batch" => refinement.class = Class::Batch,
                _ => wrong(name, text, "write latency or batch"),
            }
        }
        (refinement, problems)
    }

    /// The share `spec` as refined, and a sentence about all that would have made it more.
    #[must_use]
    pub fn apply(&self, spec: &DeviceSpec) -> (DeviceSpec, Vec<String>) {
        let (mut refined, mut problems) = (spec.clone(), Vec::new());
        let share = Mib::floor_of_bytes(spec.hard);
        match self.memory {
            Some(memory) if memory > share => problems.push(format!(
                "{} of memory do not count: only less than the share's {share} can be asked for",
                memory
            )),
            Some(memory) if memory.bytes() < spec.context_estimate => problems.push(format!(
                "{memory} of memory do not count: one CUDA context takes about {} of this GPU",
                Mib::floor_of_bytes(spec.context_estimate)
            )),
            Some(memory) => refined.hard = memory.bytes(),
            None => {}
        }
        match self.compute {
            Some(compute) if compute > spec.cap => problems.push(format!(
                "{compute} percent of compute do not count: the share has {}",
                spec.cap
            )),
            Some(compute) => (refined.weight, refined.cap) = (compute, compute),
            None => {}
        }
        refined.policy = self.policy.unwrap_or(spec.policy);
        if self.observe {
            // Who observes delays nothing either.
            (refined.policy, refined.at_limit) = (Policy::Observe, AtLimit::Observe);
        }
        (refined, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;
    use contract::Percent;

    fn refined(annotations: &[(&str, &str)]) -> (DeviceSpec, Vec<String>) {
        let name = |word: &str| format!("a.com/{word}");
        let all = annotations.iter().map(|(word, text)| (name(word), (*text).to_owned())).collect();
        let (refinement, mut problems) = Refinement::parse(&all, Domain::parse("a.com").unwrap());
        let share = DeviceSpec::new(uuid(0), Mib(16000), Percent::new(50).unwrap());
        let (spec, more) = refinement.apply(&share.with_context_estimate(Mib(300).bytes()));
        problems.extend(more);
        (spec, problems)
    }

    fn numbers(spec: &DeviceSpec) -> (u64, u32, u32, Policy) {
        (spec.hard >> 20, spec.weight, spec.cap, spec.policy)
    }

    #[test]
    fn what_is_observed_only_refuses_and_delays_nothing_whatever_its_pod_says() {
        let spec = DeviceSpec::new(uuid(0), Mib(16_000), Percent::new(50).unwrap());
        let refinement =
            Refinement { policy: Some(Policy::Strict), observe: true, ..Refinement::default() };
        let (refined, problems) = refinement.apply(&spec);
        assert_eq!((refined.policy, refined.at_limit), (Policy::Observe, AtLimit::Observe));
        assert_eq!((refined.hard, problems), (spec.hard, Vec::new()));
    }

    #[test]
    fn annotations_make_a_share_smaller_and_say_how_it_is_computed() {
        let all = [("gpu-memory", "12Gi"), ("gpu-compute", "30"), ("compute-policy", "strict")];
        let (spec, problems) = refined(&all);
        assert_eq!(numbers(&spec), (12 * 1024, 30, 30, Policy::Strict));
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_class_is_latency_where_the_pod_says_so_and_batch_where_it_says_nothing() {
        let class = |text: Option<&str>| {
            let all = text.map(|text| ("a.com/compute-class".to_owned(), text.to_owned()));
            let domain = Domain::parse("a.com").unwrap();
            Refinement::parse(&all.into_iter().collect(), domain).0.class
        };
        let found = [None, Some("latency"), Some("batch")].map(class);
        assert_eq!(found, [Class::Batch, Class::Latency, Class::Batch]);
    }

    #[test]
    fn what_would_make_it_more_or_is_no_value_is_refused_alone() {
        let table = [
            ("gpu-memory", "17Gi", "only less than the share's 16000MiB"),
            ("gpu-memory", "12", "does not count"),
            ("gpu-memory", "100Mi", "one CUDA context takes about 300MiB"),
            ("gpu-compute", "51", "the share has 50"),
            ("gpu-compute", "0", "write a percent"),
            ("compute-policy", "unlimited", "write fair or strict"),
            ("compute-class", "urgent", "write latency or batch"),
        ];
        for (word, text, part) in table {
            let is_policy = word == "compute-policy";
            let both = [(word, text), ("compute-policy", "strict")];
            let (spec, problems) = refined(if is_policy { &both[..1] } else { &both });
            assert_eq!(problems.len(), 1, "{word} {text}: {problems:?}");
            assert!(problems[0].contains(part), "{problems:?}");
            let policy = if is_policy { Policy::Fair } else { Policy::Strict };
            assert_eq!(numbers(&spec), (16000, 50, 50, policy), "{word} {text}");
        }
    }
}
