//! The ValidatingAdmissionPolicy: what cannot be is refused, in the words of the webhook.
//!
//! It looks at what all mutation left and believes none of it, so a mutation that did not take place
//! admits nothing that it should not.

use serde_json::{Value, json};

use super::common::{ASKS, SHARED, Variable};
use super::words::Words;

/// A rule: what has to hold, and what is said where it does not.
pub(super) struct Rule {
    pub(super) holds: &'static str,
    pub(super) message: &'static str,
}

impl Rule {
    /// As the API has it.
    pub(super) fn validation(&self, words: &Words) -> Value {
        json!({
            "expression": format!("variables.leftAlone || (\n{}\n)", words.fill(self.holds)),
            "messageExpression": format!("'aliquot: ' + (\n{}\n)", words.fill(self.message)),
            "reason": "Invalid",
        })
    }
}

/// The containers with a share, and its percent; 1000000 stands for anything above.
pub(super) const SHARES: Variable = (
    "shares",
    "
    variables.all.map(c, {
      'name': dyn(c.?name.orValue('')),
      'text': dyn(c.?resources.?limits[?'$percent'].orValue(c.?resources.?requests[?'$percent'].orValue('')))
    }).filter(s, s.text != '').map(s, {
      'name': s.name,
      'percent': dyn(quantity(s.text).isGreaterThan(quantity('1000000')) ? 1000000 :
        int(quantity(s.text).asApproximateFloat()))
    })",
);

/// The containers' shares of pools with names, in limits and in requests.
const POOLED: Variable = (
    "pooled",
    "
    variables.all.map(c,
      c.?resources.?limits.orValue({}).filter(name, name.startsWith('$domain/') && name.matches('-percent$') &&
        name != '$percent').map(name, {
          'name': dyn(c.?name.orValue('')), 'resource': dyn(name), 'text': dyn(string(c.resources.limits[name])) }) +
      c.?resources.?requests.orValue({}).filter(name, name.startsWith('$domain/') && name.matches('-percent$') &&
        name != '$percent').map(name, {
          'name': dyn(c.?name.orValue('')), 'resource': dyn(name), 'text': dyn(string(c.resources.requests[name])) })
    ).flatten().map(s, {
      'name': s.name,
      'resource': s.resource,
      'percent': dyn(quantity(s.text).isGreaterThan(quantity('1000000')) ? 1000000 :
        int(quantity(s.text).asApproximateFloat()))
    })",
);

/// What the mutating policy handed on because it is no share, in thousandths.
const REFUSED: Variable = (
    "refused",
    "
    variables.all.map(c, {
      'name': dyn(c.?name.orValue('')),
      'text': dyn(c.?resources.?limits[?'$refused'].orValue(c.?resources.?requests[?'$refused'].orValue('')))
    }).filter(s, s.text != '').map(s, {
      'name': s.name,
      'thousandths': dyn(int(quantity(s.text).asApproximateFloat()))
    })",
);

/// The containers whose fraction nobody rewrote. A whole number passes the API server by itself.
const LEFT: Variable = (
    "left",
    "
    variables.all.filter(c, c.?resources.?limits[?'$fraction'].hasValue() ||
      c.?resources.?requests[?'$fraction'].hasValue()).map(c, c.?name.orValue(''))",
);

const HAS_SHARE: Variable = (
    "hasShare",
    "size(variables.shares) > 0 || size(variables.pooled) > 0 || variables.asked != ''",
);

const PERCENTS: Variable =
    ("percents", "variables.shares.map(s, s.percent) + variables.pooled.map(s, s.percent)");

/// The largest share, 0 where there is none.
const LARGEST: Variable = (
    "largest",
    "
    size(variables.percents) == 0 ? dyn(0) :
    variables.percents.filter(p, !variables.percents.exists(other, other > p))[0]",
);

/// The names of the containers that the annotation is for: one or none.
const TARGETS: Variable = (
    "targets",
    "
    (variables.chosen == '' ? variables.regular.filter(c, c == variables.regular[0]) :
      variables.all.filter(c, c.?name.orValue('') == variables.chosen)).map(c, c.?name.orValue(''))",
);

/// The resources of whole GPUs of which some container has more than none.
const WHOLE: Variable = (
    "whole",
    "
    $wholes.filter(name, variables.all.exists(c,
      c.?resources.?limits[?name].orValue('0') != '0' || c.?resources.?requests[?name].orValue('0') != '0'))",
);

const MIG: Variable = (
    "slices",
    "
    variables.all.map(c,
      c.?resources.?limits.orValue({}).filter(name, name.startsWith('$mig') &&
        c.?resources.?limits[?name].orValue('0') != '0') +
      c.?resources.?requests.orValue({}).filter(name, name.startsWith('$mig') &&
        c.?resources.?requests[?name].orValue('0') != '0')
    ).flatten()",
);

/// The variables, in the order in which they need each other.
pub(super) fn variables() -> impl Iterator<Item = &'static Variable> {
    static OWN: [Variable; 11] =
        [ASKS, SHARES, POOLED, REFUSED, LEFT, HAS_SHARE, PERCENTS, LARGEST, TARGETS, WHOLE, MIG];
    SHARED.iter().chain(OWN.iter())
}

/// The rules. The first that does not hold is what a user reads.
pub(super) const RULES: [Rule; 16] = [
    Rule {
        holds: "size(variables.refused) == 0",
        message: "
        'container \"' + variables.refused[0].name + '\": $fraction: \"' + string(variables.refused[0].thousandths) + 'm\" is ' + (
          variables.refused[0].thousandths == 0 ?
            'zero, which is no share: ask for at least 0.01 of a GPU, or for none at all' :
          variables.refused[0].thousandths > 1000 ?
            'more than one GPU: write a fraction of one from 0.01 to 1, or ask for whole GPUs with the resource `gpu`' :
          variables.refused[0].thousandths % 10 != 0 ?
            'finer than one percent: shares go in steps of 0.01, from 0.01 to 1' :
            string(variables.refused[0].thousandths / 10) + '%, and $percent asks for ' + (
              variables.shares.exists(s, s.name == variables.refused[0].name) ?
              string(variables.shares.filter(s, s.name == variables.refused[0].name)[0].percent) + '%' : 'something else'
            ) + ': one container has one share, so write one of them')",
    },
    Rule {
        holds: "size(variables.left) == 0",
        message: "
        'container \"' + variables.left[0] + '\": $fraction was not made into $percent, and no node has it: apply the policies again, or write $percent'",
    },
    Rule {
        holds: "!variables.shares.exists(s, s.percent < 1)",
        message: "
        'container \"' + variables.shares.filter(s, s.percent < 1)[0].name + '\": $percent: \"' +
        string(variables.shares.filter(s, s.percent < 1)[0].percent) +
        '\" is no share: ask for 1 to 100 percent of one GPU, or for none at all'",
    },
    Rule {
        holds: "!variables.shares.exists(s, s.percent > 100)",
        message: "
        'container \"' + variables.shares.filter(s, s.percent > 100)[0].name + '\": $percent: \"' +
        string(variables.shares.filter(s, s.percent > 100)[0].percent) +
        '\" is more than one GPU: write 1 to 100 percent of one, or ask for whole GPUs with the resource `gpu`'",
    },
    Rule {
        holds: "!variables.pooled.exists(s, s.percent < 1)",
        message: "
        'container \"' + variables.pooled.filter(s, s.percent < 1)[0].name + '\": ' +
        variables.pooled.filter(s, s.percent < 1)[0].resource + ': \"' +
        string(variables.pooled.filter(s, s.percent < 1)[0].percent) +
        '\" is no share: ask for 1 to 100 percent of one GPU, or for none at all'",
    },
    Rule {
        holds: "!variables.pooled.exists(s, s.percent > 100)",
        message: "
        'container \"' + variables.pooled.filter(s, s.percent > 100)[0].name + '\": ' +
        variables.pooled.filter(s, s.percent > 100)[0].resource + ': \"' +
        string(variables.pooled.filter(s, s.percent > 100)[0].percent) +
        '\" is more than one GPU: write 1 to 100 percent of one, or ask for whole GPUs with the resource `gpu`'",
    },
    Rule {
        holds: "
        variables.asked == '' ||
        size(variables.targets) == 1 && variables.shares.exists(s, s.name == variables.targets[0] &&
          isQuantity(variables.asked) &&
          quantity(variables.asked).compareTo(quantity(string(s.percent) + 'e-2')) == 0)",
        message: "
        size(variables.targets) != 1 ?
          'annotation $container: names container \"' + variables.chosen + '\", which the pod does not have: it has ' +
            variables.all.map(c, c.?name.orValue('')).join(', ') :
          'annotation $fraction: \"' + variables.asked + '\" is not the share that container \"' +
            variables.targets[0] + '\" has: write a fraction of one GPU in steps of 0.01, from 0.01 to 1, and no other share beside it'",
    },
    Rule {
        holds: "
        !variables.hasShare || size(variables.whole) == 0",
        message: "
        'the pod: asks for whole GPUs (' + variables.whole[0] + ') and for a share of one ($fraction): put them into two pods, or write $fraction: 1 for a whole GPU that is metered'",
    },
    Rule {
        holds: "!variables.hasShare || size(variables.slices) == 0",
        message: "
        'the pod: asks for ' + variables.slices[0] + ' and for a share of a GPU ($fraction): a MIG slice is not divided further, so put them into two pods'",
    },
    Rule {
        holds: "
        !variables.hasShare || !variables.all.exists(c, c.?securityContext.?privileged.orValue(false))",
        message: "
        'container \"' + variables.all.filter(c, c.?securityContext.?privileged.orValue(false))[0].?name.orValue('') +
        '\": is privileged, and so sees every GPU of its node: a share cannot be held to it; remove securityContext.privileged, or ask for whole GPUs'",
    },
    Rule {
        holds: "
        !variables.hasShare || !variables.all.exists(c, c.?env.orValue([]).exists(e,
          e.?name.orValue('') == 'NVIDIA_VISIBLE_DEVICES' &&
          (e.?valueFrom.hasValue() || !(e.?value.orValue('') in ['', 'void', 'none']))))",
        message: "
        'container \"' + variables.all.filter(c, c.?env.orValue([]).exists(e,
          e.?name.orValue('') == 'NVIDIA_VISIBLE_DEVICES' &&
          (e.?valueFrom.hasValue() || !(e.?value.orValue('') in ['', 'void', 'none']))))[0].?name.orValue('') +
        '\": sets NVIDIA_VISIBLE_DEVICES to ' +
        variables.all.map(c, c.?env.orValue([]).filter(e, e.?name.orValue('') == 'NVIDIA_VISIBLE_DEVICES' &&
          (e.?valueFrom.hasValue() || !(e.?value.orValue('') in ['', 'void', 'none'])))
          .map(e, '\"' + e.?value.orValue('a reference') + '\"')).flatten()[0] +
        ', which would show it GPUs beside its share: remove the variable, the GPU is given with the share'",
    },
    Rule {
        holds: "
        !variables.hasShare || !('$memory' in variables.annotations) ||
        variables.annotations['$memory'].matches('^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)$') &&
        !quantity(variables.annotations['$memory']).isLessThan(quantity('1Mi'))",
        message: "
        'annotation $memory: \"' + variables.annotations['$memory'] + '\" is not an amount of memory with a unit, such as 12Gi'",
    },
    Rule {
        holds: "
        !variables.hasShare || !('$compute' in variables.annotations) ||
        isQuantity(variables.annotations['$compute']) &&
        !quantity(variables.annotations['$compute']).isLessThan(quantity('1')) &&
        !quantity(variables.annotations['$compute']).isGreaterThan(quantity(string(variables.largest))) &&
        quantity(variables.annotations['$compute']).compareTo(
          quantity(string(int(quantity(variables.annotations['$compute']).asApproximateFloat())))) == 0",
        message: "
        'annotation $compute: asks for ' + variables.annotations['$compute'] + ' percent of the compute with a share of ' +
        string(variables.largest) + ': write a whole number of at least 1 and at most ' + string(variables.largest)",
    },
    Rule {
        holds: "
        !variables.hasShare || variables.annotations[?'$policy'].orValue('fair') in ['fair', 'strict']",
        message: "
        'annotation $policy: \"' + variables.annotations['$policy'] + '\" is not fair or strict'",
    },
    Rule {
        holds: "
        !variables.hasShare || variables.annotations[?'$class'].orValue('batch') in ['latency', 'batch']",
        message: "
        'annotation $class: \"' + variables.annotations['$class'] + '\" is not latency or batch'",
    },
    Rule {
        holds: "
        '$runtime' == '' || !variables.asks || request.kind.kind != 'Pod' || request.operation != 'CREATE' ||
        variables.pod.?spec.?runtimeClassName.hasValue()",
        message: "
        'the pod: has no runtimeClassName, without which its containers have no driver: apply the policies again, or write runtimeClassName: $runtime'",
    },
];
