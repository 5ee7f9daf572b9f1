//! What a namespace may ask for, by annotations of the Namespace itself: who may only write into it cannot
//! lift them. A ValidatingAdmissionPolicy beside the webhook as beside the policies (clusters of 1.30 and
//! later); the webhook is never told of Namespaces.

use serde_json::{Value, json};

use super::common::{SHARED, Variable};
use super::validating::{Rule, SHARES};
use super::words::Words;

/// The Namespace's own words. An object of no namespace has none. `dyn`, as in the shared variables.
const LIMITS: Variable = (
    "limits",
    "dyn(namespaceObject) == null ? dyn({}) : dyn(namespaceObject).?metadata.?annotations.orValue({})",
);

/// By container, the resources of ours that the namespace may not have. Without `flatten`, which an API
/// server has from 1.34 on.
const BEYOND: Variable = (
    "beyond",
    "
    !('$domain/allowed-resources' in variables.limits) ? [] :
    variables.all.map(c,
      c.?resources.?limits.orValue({}).filter(name, name.startsWith('$domain/') &&
        !(',' + variables.limits['$domain/allowed-resources'] + ',').contains(',' + name + ',')) +
      c.?resources.?requests.orValue({}).filter(name, name.startsWith('$domain/') &&
        !(',' + variables.limits['$domain/allowed-resources'] + ',').contains(',' + name + ','))
    ).filter(names, size(names) > 0)",
);

/// By container, the shares of pools that are larger than the namespace may have. Their names all end
/// alike; that of the pool without a name is looked at apart, because its sentence says more.
const LARGE: Variable = (
    "large",
    "
    !variables.limits[?'$domain/largest-percent'].orValue('').matches('^[0-9]{1,3}$') ? [] :
    variables.all.map(c,
      c.?resources.?limits.orValue({}).filter(name, name.startsWith('$domain/') && name.matches('-percent$') &&
        name != '$percent' && quantity(string(c.resources.limits[name])).isGreaterThan(
          quantity(variables.limits['$domain/largest-percent']))) +
      c.?resources.?requests.orValue({}).filter(name, name.startsWith('$domain/') && name.matches('-percent$') &&
        name != '$percent' && quantity(string(c.resources.requests[name])).isGreaterThan(
          quantity(variables.limits['$domain/largest-percent'])))
    ).filter(names, size(names) > 0)",
);

/// Whether any container has a share, of whichever pool.
const HAS_SHARE: Variable = (
    "hasShare",
    "
    variables.asked != '' || variables.all.exists(c,
      c.?resources.?limits.orValue({}).exists(name, name.startsWith('$domain/') && name.matches('-percent$')) ||
      c.?resources.?requests.orValue({}).exists(name, name.startsWith('$domain/') && name.matches('-percent$')))",
);

/// Names in a list are between commas, without blanks. Who writes no compute policy has what the node's configuration
/// says, which is `fair` where it says nothing.
const RULES: [Rule; 6] = [
    Rule {
        holds: "
        !('$domain/largest-percent' in variables.limits) ||
        variables.limits['$domain/largest-percent'].matches('^[0-9]{1,3}$')",
        message: "
        'the namespace: its annotation $domain/largest-percent is \"' + variables.limits['$domain/largest-percent'] +
        '\", which is no whole number of percent: its owner has to put it right'",
    },
    Rule {
        holds: "
        !variables.limits[?'$domain/largest-percent'].orValue('').matches('^[0-9]{1,3}$') ||
        !variables.shares.exists(s, s.percent > int(variables.limits['$domain/largest-percent']))",
        message: "
        'container \"' + variables.shares.filter(s, s.percent > int(variables.limits['$domain/largest-percent']))[0].name +
        '\": asks for ' + string(variables.shares.filter(s, s.percent > int(variables.limits['$domain/largest-percent']))[0].percent) +
        '% of a GPU, and this namespace may have at most ' + variables.limits['$domain/largest-percent'] + '%'",
    },
    Rule {
        holds: "size(variables.large) == 0",
        message: "
        'the pod: asks for more of ' + variables.large[0][0] + ' than this namespace may have, which is ' +
        variables.limits['$domain/largest-percent'] + '%'",
    },
    Rule {
        holds: "size(variables.beyond) == 0",
        message: "
        'the pod: asks for ' + variables.beyond[0][0] +
        ', and this namespace may have ' + variables.limits['$domain/allowed-resources'] + ' only'",
    },
    Rule {
        holds: "
        !('$domain/allowed-compute-policies' in variables.limits) || !('$policy' in variables.annotations) ||
        (',' + variables.limits['$domain/allowed-compute-policies'] + ',').contains(',' + variables.annotations['$policy'] + ',')",
        message: "
        'annotation $policy: \"' + variables.annotations['$policy'] + '\" is not what this namespace may have: ' +
        variables.limits['$domain/allowed-compute-policies']",
    },
    Rule {
        holds: "
        !('$domain/allowed-compute-policies' in variables.limits) || '$policy' in variables.annotations ||
        !variables.hasShare ||
        (',' + variables.limits['$domain/allowed-compute-policies'] + ',').contains(',fair,')",
        message: "
        'annotation $policy: is not there, and this namespace may have ' +
        variables.limits['$domain/allowed-compute-policies'] + ' only: write it'",
    },
];

/// The policy's variables and rules, as the API has them.
pub(super) fn spec(words: &Words) -> Value {
    let own = [SHARES, LIMITS, LARGE, BEYOND, HAS_SHARE];
    json!({
        "failurePolicy": "Fail",
        "variables": super::common::variables(words, SHARED.iter().chain(own.iter())),
        "validations": RULES.iter().map(|rule| rule.validation(words)).collect::<Vec<_>>(),
    })
}
