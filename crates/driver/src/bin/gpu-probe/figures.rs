//! What the simulated card of this kind should be, by what a real one has answered: the profile's text with the
//! figures that were found, each marked `measured`. Everything else stays as it is written there.

use serde_json::Value;

/// Bytes in a MiB.
const MIB: f64 = 1_048_576.0;

/// A figure of a profile: its section (empty: none), its name, its value.
struct Figure(&'static str, &'static str, u64);

/// The profile `text` with what `answers` say. What was not answered stays.
pub(crate) fn corrected(text: &str, answers: &Value) -> String {
    let figures = figures(answers);
    let (mut section, mut lines) = ("", Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let its = |Figure(of, name, _): &&Figure| {
            *of == section && line.split(" = ").next() == Some(name)
        };
        lines.push(match figures.iter().find(its) {
            Some(Figure(_, name, value)) => format!("{name} = {value} # measured"),
            None => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}

fn figures(answers: &Value) -> Vec<Figure> {
    let number = |path: &str| answers.pointer(path).and_then(Value::as_f64);
    let mib = |path| number(path).map(|bytes| bytes / MIB);
    let found = [
        ("memory", "total_mib", mib("/subject/nvml_memory/total")),
        ("memory", "reserved_mib", mib("/subject/nvml_memory/reserved")),
        ("memory", "context_mib", mib("/context/primary_bytes")),
        ("compute", "sms", number("/subject/multiprocessors")),
        ("compute", "slice_us", slice_us(answers)),
        ("compute", "switch_us", number("/time_slice/switch_us")),
    ];
    let figure = |(section, name, value): (_, _, Option<f64>)| {
        let value = value.filter(|value| *value >= 0.0)?;
        Some(Figure(section, name, value.round() as u64))
    };
    found.into_iter().filter_map(figure).collect()
}

/// Between the ends of two kernels with a pause lie the other's slice, a kernel of one's own, and two changes
/// from one process to the other. The usual pause of both workers.
fn slice_us(answers: &Value) -> Option<f64> {
    let of = &answers["time_slice"];
    let workers = of["together"].as_array()?;
    let pauses = workers.iter().map(|one| one["pause_ms"]["p50"].as_f64());
    let pauses = pauses.collect::<Option<Vec<_>>>()?;
    let pause_us = pauses.iter().sum::<f64>() / pauses.len().max(1) as f64 * 1e3;
    let (kernel_us, switch_us) = (of["kernel_us"].as_f64()?, of["switch_us"].as_f64()?);
    Some(pause_us - kernel_us - 2.0 * switch_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sim_world::Profile;

    const V100: &str = include_str!("../../../../sim-world/profiles/v100-32gb.toml");

    /// As the probe has it of a card on which a slice takes 3 ms, and a change 40 µs.
    fn answers() -> Value {
        let worker = json!({"pauses": 300, "pause_ms": {"p10": 3.1, "p50": 3.18, "p90": 3.3}});
        json!({
            "subject": {
                "simulated": false, "multiprocessors": 84,
                "nvml_memory": {"total": 34_359_738_368_u64, "reserved": 314_572_800, "used": 0},
            },
            "context": {"primary_bytes": 367_001_600, "module_bytes": 0},
            "time_slice": {"kernel_us": 100, "switch_us": 40.2, "together": [worker, worker]},
        })
    }

    #[test]
    fn a_profile_takes_the_figures_that_a_card_has_answered_and_reads_as_one() {
        let text = corrected(V100, &answers());
        let profile: Profile = toml::from_str(&text).unwrap();
        let (memory, compute) = (&profile.memory, &profile.compute);
        assert_eq!((memory.total_mib, memory.reserved_mib, memory.context_mib), (32768, 300, 350));
        assert_eq!((compute.sms, compute.slice_us, compute.switch_us), (84, 3000, 40));
        assert!(text.contains("slice_us = 3000 # measured\n"), "{text}");
        let differ = text.lines().zip(V100.lines()).filter(|(new, old)| new != old).count();
        assert_eq!(differ, 5, "total_mib was measured and the same: {text}");
        assert_eq!(text.lines().count(), V100.lines().count());
    }

    #[test]
    fn what_was_not_answered_or_cannot_be_stays_as_it_was() {
        let error = json!({"error": "no second process"});
        let mut some = answers();
        (some["time_slice"], some["context"]["primary_bytes"]) = (error, Value::Null);
        let profile: Profile = toml::from_str(&corrected(V100, &some)).unwrap();
        let before: Profile = toml::from_str(V100).unwrap();
        assert_eq!(profile.compute.slice_us, before.compute.slice_us);
        assert_eq!(profile.memory.context_mib, before.memory.context_mib);
        assert_eq!(corrected(V100, &json!({})), V100);
        some["time_slice"] = json!({"switch_us": -3.0});
        assert_eq!(
            toml::from_str::<Profile>(&corrected(V100, &some)).unwrap().compute.switch_us,
            before.compute.switch_us
        );
    }
}
