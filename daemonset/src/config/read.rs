//! Text to [`Section`]: whole or not at all, and everything that is wrong is said at once.

use std::collections::BTreeMap;
use std::fmt;

use serde_saphyr::{Error, Location, Spanned};

use super::section::{ComputeSection, GpuPin, PoolSection, Section};
use super::words::PoolName;

/// After so many unknown keys the rest is not looked for.
const ENOUGH: usize = 20;

/// Names that pools must not take.
const OWN_RESOURCES: [&str; 3] = ["gpu", "gpu-percent", "gpu-fraction"];

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// The line in the file, from 1; 0 where none can be told.
    pub line: u64,
    /// What is wrong, with its value, and what to write.
    pub what: String,
}

/// A file that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ConfigError {
    /// All that is wrong, by line.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}

/// Reads a configuration.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong in it.
pub fn parse(text: &str) -> Result<Section, ConfigError> {
    let (section, mut problems) = tolerant(text);
    if let Some(section) = &section {
        check(section, &pools_of(section), false, &mut problems);
    }
    problems.sort();
    match section {
        Some(section) if problems.is_empty() => Ok(section),
        _ => Err(ConfigError { problems }),
    }
}

/// Reads on behind each value that cannot be as if it were not there, so that one run tells of them
/// all. Everything but `set` may be left out, so that this makes no mistakes of its own.
fn tolerant(text: &str) -> (Option<Section>, Vec<Problem>) {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut problems: Vec<Problem> = Vec::new();
    loop {
        // An empty file says nothing, which is all right.
        let read = serde_saphyr::from_str::<Option<Section>>(&lines.join("\n"));
        let error = match read {
            Ok(section) => return (Some(section.unwrap_or_default()), problems),
            Err(error) => error,
        };
        let follows = matches!(error.without_snippet(), Error::SerdeMissingField { .. });
        if !follows || problems.is_empty() {
            problems.push(problem(&error));
        }
        let at = problems.last().map_or(0, |problem| problem.line as usize);
        if problems.len() == ENOUGH || !is_of_a_value(&error) || !leave_out(&mut lines, at) {
            return (None, problems);
        }
    }
}

/// Whether the text is YAML, and only says what cannot be.
fn is_of_a_value(error: &Error) -> bool {
    matches!(
        error.without_snippet(),
        Error::SerdeUnknownField { .. }
            | Error::SerdeUnknownVariant { .. }
            | Error::SerdeInvalidType { .. }
            | Error::SerdeInvalidValue { .. }
            | Error::InvalidScalar { .. }
            | Error::Message { .. }
    )
}

/// Empties line `at` and what is indented below it; false where nothing is there.
fn leave_out(lines: &mut [&str], at: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some(key) = at.checked_sub(1).and_then(|at| lines.get(at)).copied() else { return false };
    if key.trim().is_empty() {
        return false;
    }
    lines[at - 1] = "";
    let is_item = key.trim_start().starts_with('-');
    for line in &mut lines[at..] {
        let belongs = indent(line) > indent(key) || line.trim().is_empty();
        // The items of a key's list may stand below it without an indent.
        let item = indent(line) == indent(key) && line.trim_start().starts_with("- ");
        if !belongs && (is_item || !item) {
            break;
        }
        *line = "";
    }
    true
}

fn problem(error: &Error) -> Problem {
    let error = error.without_snippet();
    let line = error.location().map_or(0, |location| location.line());
    let what = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("there is no key `{field}` here: {}", instead(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not possible here: {}", instead(variant, expected))
        }
        other => one_line(&plain(other)),
    };
    Problem { line, what }
}

/// The library's words, without the place that it puts behind them.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn instead(word: &str, known: &[&str]) -> String {
    let likeness = |known: &&&str| {
        let (word, known) = (word.to_lowercase().replace(['-', '_'], ""), known.to_lowercase());
        (strsim::jaro_winkler(&word, &known.replace('-', "")) * 1000.0) as u32
    };
    match known.iter().max_by_key(likeness).filter(|best| likeness(best) > 800) {
        Some(best) => format!("did you mean `{best}`?"),
        None => format!("write one of {}", known.join(", ")),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

type Pools = BTreeMap<PoolName, Spanned<PoolSection>>;

fn pools_of(section: &Section) -> Pools {
    section.pools.clone().unwrap_or_default()
}

/// What one key alone does not tell.
fn check(section: &Section, pools: &Pools, nested: bool, problems: &mut Vec<Problem>) {
    for pin in section.gpus.iter().flatten() {
        problems.extend(pin_problem(&pin.value, pools).map(|what| at(pin.referenced, what)));
    }
    problems.extend(pool_problems(section));
    let of_pools =
        section.pools.iter().flatten().filter_map(|(_, pool)| pool.value.compute.as_ref());
    for compute in section.compute.iter().chain(of_pools) {
        problems.extend(compute_problem(&compute.value).map(|what| at(compute.referenced, what)));
    }
    for taint in section.startup_taints.iter().flatten() {
        if !is_key(&taint.value) {
            let what = format!(
                "{:?} is not the key of a taint: write it as in example.com/gpu-not-ready",
                taint.value
            );
            problems.push(at(taint.referenced, what));
        }
    }
    let Some(nodes) = &section.nodes else { return };
    if nested {
        let what = "there are no nodes within nodes: write each beside the others".into();
        return problems.push(at(nodes.referenced, what));
    }
    for node in &nodes.value {
        let there = node.set.pools.as_ref().unwrap_or(pools);
        check(&node.set, there, true, problems);
        // Pins that hold there as well, of pools that do not.
        let inherited = section.gpus.iter().flatten().filter(|_| node.set.gpus.is_none());
        let lost = |pool: &&PoolName| pools.contains_key(*pool) && !there.contains_key(*pool);
        for pin in inherited {
            let Some(pool) = pin.value.pool.as_ref().filter(lost) else { continue };
            let what = format!(
                "there is no pool `{pool}` where a section of nodes sets pools: add it there, or set gpus \
                 beside them"
            );
            problems.push(at(pin.referenced, what));
        }
    }
}

fn pin_problem(pin: &GpuPin, pools: &Pools) -> Option<String> {
    let unnamed =
        pin.index.is_none() && pin.uuid.is_none() && pin.pci.is_none() && pin.product.is_none();
    let idle = pin.mode.is_none() && pin.pool.is_none() && pin.cordon.is_none();
    let known = || pools.keys().map(PoolName::as_str).collect::<Vec<_>>();
    match &pin.pool {
        _ if unnamed => Some("this pin names no GPU: add index, uuid, pci or product".into()),
        _ if idle => Some("this pin says nothing of its GPU: add mode, pool or cordon".into()),
        Some(_) if pin.mode.is_some() => {
            Some("a pool has a mode of its own: leave out either mode or pool".into())
        }
        Some(pool) if !pools.contains_key(pool) && pools.is_empty() => {
            Some(format!("there is no pool `{pool}`: add it under pools"))
        }
        Some(pool) if !pools.contains_key(pool) => {
            Some(format!("there is no pool `{pool}`: {}", instead(pool.as_str(), &known())))
        }
        _ => None,
    }
}

fn pool_problems(section: &Section) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken = BTreeMap::new();
    for (name, pool) in section.pools.iter().flatten() {
        let resource = pool.value.resource.as_ref();
        let resource = resource.map_or_else(|| format!("gpu-{name}"), ToString::to_string);
        if OWN_RESOURCES.contains(&&*resource) || resource.starts_with("mig-") {
            let what = format!("`{resource}` is a resource of every node: name the pool's another");
            problems.push(at(pool.referenced, what));
        }
        for resource in [format!("{resource}-percent"), resource] {
            if let Some(other) = taken.insert(resource.clone(), name) {
                let what = format!("the pools {other} and {name} both offer `{resource}`");
                problems.push(at(pool.referenced, what));
            }
        }
    }
    problems
}

fn compute_problem(compute: &ComputeSection) -> Option<String> {
    let pipes = compute.mps_pipe_directory.as_ref();
    match compute.quantum_ms {
        Some(ms) if !(1..=10).contains(&ms) => {
            Some(format!("a quantum of {ms} ms is not possible: write 1 to 10"))
        }
        _ if pipes.is_some_and(|path| path.is_relative()) => {
            Some("mpsPipeDirectory is a path of the node: begin it with /".into())
        }
        _ => None,
    }
}

fn is_key(text: &str) -> bool {
    let name = |name: &str| {
        let inner = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        !name.is_empty() && name.len() <= 63 && inner
    };
    match text.split_once('/') {
        Some((domain, rest)) => contract::Domain::parse(domain).is_ok() && name(rest),
        None => name(text),
    }
}

fn at(location: Location, what: String) -> Problem {
    Problem { line: location.line(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_with_its_line_and_what_to_write() {
        let table = [
            (
                "\ndefaultmode: whole",
                "line 2: there is no key `defaultmode` here: did you mean `defaultMode`?",
            ),
            ("default-mode: whole", "did you mean `defaultMode`?"),
            ("defaultMode: hole", "line 1: `hole` is not possible here: did you mean `whole`?"),
            ("weather: fine", "line 1: there is no key `weather` here: write one of domain, "),
            ("domain: a b", "line 1: \"a b\" is not a domain"),
            ("domain: a\n  - b", "line "),
            ("gpus:\n- {uuid: GPU-1, mode: whole}", "line 2: not a GPU or MIG UUID"),
            ("gpus:\n- {mode: whole}", "line 2: this pin names no GPU"),
            ("gpus:\n- {index: 0}", "line 2: this pin says nothing"),
            ("gpus:\n- {index: -1, mode: whole}", "line 2: "),
            ("gpus:\n- index: 0\n  pool: a", "line 2: there is no pool `a`: add it under pools"),
            (
                "pools: {training: {}}\ngpus:\n- {index: 0, pool: trainin}",
                "line 3: there is no pool `trainin`: did you mean `training`?",
            ),
            (
                "pools: {a: {}}\ngpus:\n- {index: 0, pool: a, mode: whole}",
                "line 3: a pool has a mode of its own",
            ),
            (
                "pools:\n  a: {resource: gpu-b}\n  b: {}",
                "line 3: the pools a and b both offer `gpu-b-percent`",
            ),
            (
                "pools: {a: {}}\ngpus:\n- {index: 0, pool: a}\nnodes:\n- {names: [x], set: {pools: {b: {}}}}",
                "line 3: there is no pool `a` where a section of nodes sets pools",
            ),
            ("pools:\n  a: {resource: gpu}", "line 2: `gpu` is a resource of every node"),
            ("compute: {quantumMs: 0}", "line 1: a quantum of 0 ms is not possible: write 1 to 10"),
            ("compute: {backEnd: mpss}", "did you mean `mps`?"),
            ("compute: {policy: lax}", "`lax` is not possible here"),
            ("compute: {mpsPipeDirectory: tmp}", "line 1: mpsPipeDirectory is a path of the node"),
            ("pools:\n  a: {compute: {quantumMs: 11}}", "line 2: a quantum of 11 ms"),
            ("startupTaints: [a/b/c]", "line 1: \"a/b/c\" is not the key of a taint"),
            ("nodes:\n- set:\n    nodes:\n    - set: {}", "there are no nodes within nodes"),
            (
                "health: {xids: {63: explode}}",
                "line 1: `explode` is not possible here: write one of ignore, ",
            ),
        ];
        for (text, part) in table {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(part), "{text}\n{message}");
        }
    }

    #[test]
    fn a_section_of_nodes_may_set_pools_where_it_sets_the_pins_or_keeps_those_that_are_named() {
        let with = |set: &str| {
            let all = "pools: {a: {}}\ngpus:\n- {index: 0, pool: a}\nnodes:\n- {set: {";
            parse(&format!("{all}{set}}}}}"))
        };
        for set in ["pools: {a: {mode: whole}, b: {}}", "pools: {b: {}}, gpus: []", "gpus: []"] {
            assert!(with(set).is_ok(), "{set}: {:?}", with(set));
        }
    }

    #[test]
    fn unknown_keys_and_what_lies_below_them_are_all_told_in_one_run() {
        let text =
            "domian: a\nmig:\n  strategie: none\nplacment:\n  a: 1\n  b: 2\naudit:\n  x: 1\n";
        let problems = parse(text).unwrap_err().problems;
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 3, 4, 8], "{problems:?}");
    }

    #[test]
    fn a_value_that_cannot_be_hides_no_other_mistake() {
        let text = "defaultMode: hole\nmgi: {}\ngpus:\n- {mode: whole}\n- index: x\n  mode: whole\n\
                    - {index: 1, mode: all}\nhonestAdvertising: maybe\n";
        let problems = parse(text).unwrap_err().problems;
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 7, 8], "{problems:?}");
    }

    #[test]
    fn the_file_in_the_documentation_is_right() {
        let text = include_str!("../../../docs/configuration.md");
        let file = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
        let section = parse(file.unwrap()).unwrap();
        assert!(section.nodes.is_some() && section.startup_taints.is_some());
    }

    #[test]
    fn an_empty_file_says_nothing_and_is_right() {
        for text in ["", "# nothing\n", "{}", "mig:\n"] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z: \\-\\[\\]{}\n'\"&*!|]{0,60}") {
            let _ = parse(&text);
        }
    }
}
