//! What both policies look at: the variables that find the pod, its containers and its annotations.
//!
//! Only what a 1.36 API server was seen to have is used: variables, optional chaining, `quantity`,
//! lists with one-level `flatten`, and no macros of newer environments.

use serde_json::{Value, json};

use super::words::Words;

/// A variable's name and its expression.
pub(super) type Variable = (&'static str, &'static str);

/// The variables of both policies. `dyn` keeps the type checker from holding the fields of one kind
/// against those of another.
pub(super) const SHARED: [Variable; 9] = [
    (
        "pod",
        "
        request.kind.kind == 'Pod' ? dyn(object) :
        request.kind.kind == 'PodTemplate' ? dyn(object).?template.orValue({}) :
        request.kind.kind == 'CronJob' ? dyn(object).?spec.?jobTemplate.?spec.?template.orValue({}) :
        dyn(object).?spec.?template.orValue({})",
    ),
    (
        "before",
        "
        request.operation != 'UPDATE' ? dyn({}) :
        request.kind.kind == 'Pod' ? dyn(oldObject) :
        request.kind.kind == 'PodTemplate' ? dyn(oldObject).?template.orValue({}) :
        request.kind.kind == 'CronJob' ? dyn(oldObject).?spec.?jobTemplate.?spec.?template.orValue({}) :
        dyn(oldObject).?spec.?template.orValue({})",
    ),
    ("annotations", "variables.pod.?metadata.?annotations.orValue({})"),
    (
        "leftAlone",
        "
        'kubernetes.io/config.mirror' in variables.annotations ||
        request.operation == 'UPDATE' &&
        variables.pod.?spec.orValue({}) == variables.before.?spec.orValue({}) &&
        variables.annotations == variables.before.?metadata.?annotations.orValue({})",
    ),
    ("regular", "variables.pod.?spec.?containers.orValue([])"),
    ("initial", "variables.pod.?spec.?initContainers.orValue([])"),
    ("all", "variables.initial + variables.regular"),
    // What the annotation asks for; empty where there is none, so a blank stands for an empty text.
    // Templates hand theirs on to their pods.
    (
        "asked",
        "
        request.kind.kind != 'Pod' || !('$fraction' in variables.annotations) ? dyn('') :
        variables.annotations['$fraction'] == '' ? dyn(' ') : variables.annotations['$fraction']",
    ),
    ("chosen", "variables.annotations[?'$container'].orValue('')"),
];

/// Whether any container asks for a GPU of ours.
pub(super) const ASKS: Variable = (
    "asks",
    "
    variables.asked != '' || variables.all.exists(c,
      $wholes.exists(name,
        c.?resources.?limits[?name].orValue('0') != '0' || c.?resources.?requests[?name].orValue('0') != '0') ||
      c.?resources.?limits.orValue({}).exists(name, name == '$fraction' ||
        name.startsWith('$mig') && c.?resources.?limits[?name].orValue('0') != '0' ||
        name.startsWith('$domain/') && name.matches('-percent$')) ||
      c.?resources.?requests.orValue({}).exists(name, name == '$fraction' ||
        name.startsWith('$mig') && c.?resources.?requests[?name].orValue('0') != '0' ||
        name.startsWith('$domain/') && name.matches('-percent$')))",
);

/// Variables as the API has them.
pub(super) fn variables<'a>(
    words: &Words,
    all: impl IntoIterator<Item = &'a Variable>,
) -> Vec<Value> {
    let one = |(name, text): &Variable| json!({ "name": name, "expression": words.fill(text) });
    all.into_iter().map(one).collect()
}
