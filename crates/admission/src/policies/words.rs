//! CEL from templates: `$name` stands for a word of the rules, so that an expression can be read as it
//! will stand in the manifest. Fills in, and decides nothing.

use contract::{Annotation, Resource};
use serde_json::Value;

use crate::rules::Rules;

/// What the templates' names stand for.
pub(super) struct Words(Vec<(&'static str, String)>);

impl Words {
    pub(super) fn of(rules: &Rules) -> Self {
        let tolerations = Value::from(rules.tolerations().to_vec()).to_string();
        let wholes = Value::from(rules.wholes()).to_string();
        Self(vec![
            // Before the words that they begin with.
            ("$wholes", wholes),
            ("$fraction_key", escaped(&rules.fraction())),
            ("$percent_key", escaped(&rules.resource(Resource::GpuPercent))),
            ("$refused_key", escaped(&rules.refused())),
            ("$domain", rules.domain().to_owned()),
            ("$fraction", rules.fraction()),
            ("$percent", rules.resource(Resource::GpuPercent)),
            ("$refused", rules.refused()),
            ("$whole", rules.resource(Resource::Gpu)),
            ("$mig", rules.mig_prefix()),
            ("$container", rules.annotation(Annotation::GpuContainer)),
            ("$memory", rules.annotation(Annotation::GpuMemory)),
            ("$compute", rules.annotation(Annotation::GpuCompute)),
            ("$policy", rules.annotation(Annotation::ComputePolicy)),
            ("$runtime", rules.runtime_class().unwrap_or_default().to_owned()),
            ("$class", rules.annotation(Annotation::ComputeClass)),
            // JSON of texts and lists is CEL, as above.
            ("$tolerations", tolerations),
        ])
    }

    /// `template` with its names filled in, and without the indentation that the source gives it.
    pub(super) fn fill(&self, template: &str) -> String {
        let filled =
            self.0.iter().fold(template.to_owned(), |text, (name, word)| text.replace(name, word));
        let lines = filled.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.collect();
        let indent = |line: &&str| line.len() - line.trim_start().len();
        let least = lines.iter().map(indent).min().unwrap_or(0);
        lines.iter().map(|line| &line[least..]).collect::<Vec<_>>().join("\n")
    }
}

/// A name as one token of a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
