//! The MutatingAdmissionPolicy: fractions become percent, and tolerations and a RuntimeClass come with every GPU.
//!
//! CEL cannot refuse from here, and the API server would answer a fraction that is left with no more
//! than "must be an integer". So a fraction that is no share is handed on, in thousandths, under a name
//! that no node has: the validating policy refuses it with a sentence, and without that policy its pod
//! is placed nowhere.

use super::common::{ASKS, SHARED, Variable};
use crate::rules::Rules;

/// More containers than this are not looked at; their fractions are refused by the API server.
const CONTAINERS: usize = 64;

/// A text in hundredths of a GPU: the nearest whole number within 0 to 200, 0 for what is no quantity.
const HUNDREDTHS: &str = "
    !isQuantity($text) || quantity($text).isLessThan(quantity('0')) ? 0 :
    quantity($text).isGreaterThan(quantity('2')) ? 200 :
    int(quantity($text).asApproximateFloat() * 100.0 + 0.5)";

/// Whether a text is exactly the share that its hundredths say.
const EXACT: &str = "
    ($hundredths >= 1 && $hundredths <= 100 && isQuantity($text) &&
    quantity($text).compareTo(quantity(string($hundredths) + 'e-2')) == 0)";

/// A text in thousandths of a GPU, cut off far above any number of GPUs.
const THOUSANDTHS: &str = "
    quantity($text).isGreaterThan(quantity('1000000')) ? '1000000000' :
    string(int(quantity($text).asApproximateFloat() * 1000.0))";

/// The containers with their paths, and what the annotation asks for the one that it is for.
const PLACES: &str = "
    $indices.filter(i, i < size(variables.initial)).map(i, {
      'path': dyn(variables.path + '/spec/initContainers/' + string(i)),
      'container': dyn(variables.initial[i]),
      'asked': dyn(variables.chosen != '' && variables.chosen == variables.initial[i].?name.orValue('') ?
        variables.asked : '')
    }) +
    $indices.filter(i, i < size(variables.regular)).map(i, {
      'path': dyn(variables.path + '/spec/containers/' + string(i)),
      'container': dyn(variables.regular[i]),
      'asked': dyn((variables.chosen == '' ? i == 0 : variables.chosen == variables.regular[i].?name.orValue('')) ?
        variables.asked : '')
    })";

/// What limits and requests ask for by fraction: what stands there, else what stands in the other, else
/// the annotation.
const TEXTS: &str = "
    variables.places.map(p, {
      'path': p.path,
      'resources': dyn(p.container.?resources.hasValue()),
      'hasLimits': dyn(p.container.?resources.?limits.hasValue()),
      'hasRequests': dyn(p.container.?resources.?requests.hasValue()),
      'limits': p.container.?resources.?limits.orValue({}),
      'requests': p.container.?resources.?requests.orValue({}),
      'asked': p.asked
    }).map(p, {
      'path': p.path, 'resources': p.resources,
      'hasLimits': p.hasLimits, 'hasRequests': p.hasRequests,
      'limits': p.limits, 'requests': p.requests,
      'limit': p.limits[?'$fraction'].orValue(p.requests[?'$fraction'].orValue(p.asked)),
      'request': p.requests[?'$fraction'].orValue(p.limits[?'$fraction'].orValue(p.asked))
    }).filter(p, p.limit != '')";

/// The same with its numbers, and whether they are shares. In an update the fraction is what its author
/// says; in a create a percent that differs is refused.
const SHARES: &str = "
    variables.texts.map(p, {
      'path': p.path, 'resources': p.resources,
      'hasLimits': p.hasLimits, 'hasRequests': p.hasRequests,
      'limits': p.limits, 'requests': p.requests,
      'limit': p.limit, 'request': p.request,
      'limitPercent': dyn($hundredths_of_limit),
      'requestPercent': dyn($hundredths_of_request)
    }).map(p, {
      'path': p.path, 'resources': p.resources,
      'hasLimits': p.hasLimits, 'hasRequests': p.hasRequests,
      'limits': p.limits, 'requests': p.requests,
      'limit': p.limit, 'request': p.request,
      'limitPercent': p.limitPercent, 'requestPercent': p.requestPercent,
      'isShare': dyn($exact_limit && $exact_request && (request.operation == 'UPDATE' ||
        quantity(p.limits[?'$percent'].orValue(string(p.limitPercent))).compareTo(quantity(string(p.limitPercent))) == 0 &&
        quantity(p.requests[?'$percent'].orValue(string(p.requestPercent))).compareTo(quantity(string(p.requestPercent))) == 0))
    }).filter(p, p.isShare || '$fraction' in p.limits || '$fraction' in p.requests)";

/// One list of operations for each share.
const PATCHES: &str = "
    variables.leftAlone ? [] : variables.shares.map(p,
      (p.resources ? [] : [JSONPatch{op: 'add', path: p.path + '/resources', value: {}}]) +
      (p.hasLimits ? [] : [JSONPatch{op: 'add', path: p.path + '/resources/limits', value: {}}]) +
      (p.hasRequests ? [] : [JSONPatch{op: 'add', path: p.path + '/resources/requests', value: {}}]) +
      ('$fraction' in p.limits ? [JSONPatch{op: 'remove', path: p.path + '/resources/limits/$fraction_key'}] : []) +
      ('$fraction' in p.requests ? [JSONPatch{op: 'remove', path: p.path + '/resources/requests/$fraction_key'}] : []) +
      (p.isShare ? [
        JSONPatch{op: 'add', path: p.path + '/resources/limits/$percent_key', value: string(p.limitPercent)},
        JSONPatch{op: 'add', path: p.path + '/resources/requests/$percent_key', value: string(p.requestPercent)}
      ] : [
        JSONPatch{op: 'add', path: p.path + '/resources/limits/$refused_key', value: $thousandths_of_limit},
        JSONPatch{op: 'add', path: p.path + '/resources/requests/$refused_key', value: $thousandths_of_request}
      ])
    ).flatten()";

/// Every toleration that is not there, for a pod, and for a DaemonSet, whose controller compares its
/// template with nodes before there is a pod.
const TOLERATIONS: &str = "
    variables.leftAlone || !variables.asks || !(request.kind.kind in ['Pod', 'DaemonSet']) ? [] :
    !variables.pod.?spec.?tolerations.hasValue() ?
      [JSONPatch{op: 'add', path: variables.path + '/spec/tolerations', value: $tolerations}] :
      $tolerations.filter(t, !(t in variables.pod.?spec.?tolerations.orValue([]))).map(t,
        JSONPatch{op: 'add', path: variables.path + '/spec/tolerations/-', value: t})";

/// The RuntimeClass, for a pod that names none. Empty: there is none to be given.
const RUNTIME_CLASS: &str = "
    '$runtime' == '' || variables.leftAlone || !variables.asks || request.kind.kind != 'Pod' ||
    variables.pod.?spec.?runtimeClassName.hasValue() ? [] :
      [JSONPatch{op: 'add', path: '/spec/runtimeClassName', value: '$runtime'}]";

/// Where the pod lies in the object.
const PATH: &str = "
    request.kind.kind == 'Pod' ? '' :
    request.kind.kind == 'PodTemplate' ? '/template' :
    request.kind.kind == 'CronJob' ? '/spec/jobTemplate/spec/template' :
    '/spec/template'";

/// The variables, in the order in which they need each other.
pub(super) fn variables() -> Vec<(&'static str, String)> {
    let own = [("path", PATH), ASKS, ("places", PLACES), ("texts", TEXTS), ("shares", SHARES)];
    let all = SHARED.iter().chain(own.iter());
    all.map(|(name, text): &Variable| (*name, expanded(text))).collect()
}

/// The mutations, of which the rules may have nothing for two.
pub(super) fn mutations(rules: &Rules) -> Vec<String> {
    let tolerations = (!rules.tolerations().is_empty()).then_some(TOLERATIONS);
    let all = [Some(PATCHES), tolerations, rules.runtime_class().map(|_| RUNTIME_CLASS)];
    all.into_iter().flatten().map(expanded).collect()
}

/// `template` with the expressions of this file filled in; the words stay.
fn expanded(template: &str) -> String {
    let numbers: Vec<_> = (0..CONTAINERS).map(|index| index.to_string()).collect();
    let of = |template: &str, text: &str, hundredths: &str| {
        one_line(template).replace("$text", text).replace("$hundredths", hundredths)
    };
    let fill = [
        ("$indices", format!("[{}]", numbers.join(", "))),
        ("$hundredths_of_limit", of(HUNDREDTHS, "p.limit", "")),
        ("$hundredths_of_request", of(HUNDREDTHS, "p.request", "")),
        ("$exact_limit", of(EXACT, "p.limit", "p.limitPercent")),
        ("$exact_request", of(EXACT, "p.request", "p.requestPercent")),
        ("$thousandths_of_limit", of(THOUSANDTHS, "p.limit", "")),
        ("$thousandths_of_request", of(THOUSANDTHS, "p.request", "")),
    ];
    fill.iter().fold(template.to_owned(), |text, (name, with)| text.replace(name, with))
}

fn one_line(template: &str) -> String {
    template.split_whitespace().collect::<Vec<_>>().join(" ")
}
