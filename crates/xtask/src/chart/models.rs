//! The types of Kubernetes' API, as the official Python client states them: which fields an object has,
//! of what type, and which it must have. An object is held to them strictly: the API server ignores an
//! unknown field by default, and so a misspelt one is noticed by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::foreign;

/// All types by name.
pub(super) struct Models(BTreeMap<String, Model>);

#[derive(Default)]
struct Model {
    /// By the name that JSON has.
    types: BTreeMap<String, String>,
    required: BTreeSet<String>,
}

/// The tables of [`foreign`], as types.
fn foreign_models() -> impl Iterator<Item = (String, Model)> {
    foreign::all().map(|(name, fields)| (name.to_owned(), Model::foreign(&fields)))
}

impl Models {
    /// Reads the client's sources under `part`.
    pub(super) fn read(part: &Path) -> Result<Self> {
        let mut models = BTreeMap::new();
        let folder = part.join("kubernetes/client/models");
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            models.extend(Model::read(&text));
        }
        models.extend(foreign_models());
        ensure!(models.contains_key("V1PodSpec"), "{} has no types of pods", folder.display());
        Ok(Self(models))
    }

    /// Holds an object to its type.
    ///
    /// # Errors
    /// What does not fit, with its place.
    pub(super) fn check(&self, object: &Value) -> Result<()> {
        let text =
            |name: &str| object[name].as_str().with_context(|| format!("no {name}: {object}"));
        let (version, kind) = (text("apiVersion")?, text("kind")?);
        let of = match foreign::knows(version, kind) {
            Some(is_known) => {
                ensure!(is_known, "{kind} of {version}, which chart/foreign.rs does not know");
                kind.to_owned()
            }
            None => {
                let is_stable = version.rsplit('/').next() == Some("v1");
                ensure!(is_stable, "{kind} of {version}, which is not stable");
                format!("V1{kind}")
            }
        };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.object(&of, object).map_err(|why| anyhow!("{kind} {name}: {why}"))
    }

    fn object(&self, of: &str, value: &Value) -> Result<(), String> {
        let model = self.0.get(of).ok_or_else(|| format!("there is no type {of}"))?;
        let fields = value.as_object().ok_or_else(|| format!("{value} is no {of}"))?;
        for (name, value) in fields {
            let known = model.types.get(name).ok_or_else(|| format!("{of} has no field {name}"))?;
            self.value(known, value).map_err(|why| format!("{name}: {why}"))?;
        }
        match model.required.iter().find(|name| !fields.contains_key(*name)) {
            Some(name) => Err(format!("{of} has to have {name}")),
            None => Ok(()),
        }
    }

    fn value(&self, of: &str, value: &Value) -> Result<(), String> {
        let inner = |prefix: &str, end: char| of.strip_prefix(prefix)?.strip_suffix(end);
        let fits = match of {
            "str" | "datetime" => value.is_string(),
            "int" => value.is_i64(),
            "float" => value.is_number(),
            "bool" => value.is_boolean(),
            "object" => true,
            _ if inner("list[", ']').is_some() => {
                let all = value.as_array().ok_or_else(|| format!("{value} is no list"))?;
                let item = inner("list[", ']').unwrap_or_default();
                return all.iter().try_for_each(|value| self.value(item, value));
            }
            _ if inner("dict[str, ", ']').is_some() => {
                let all = value.as_object().ok_or_else(|| format!("{value} is no map"))?;
                let item = inner("dict[str, ", ']').unwrap_or_default();
                return all.values().try_for_each(|value| self.value(item, value));
            }
            _ => return self.object(of, value),
        };
        if fits { Ok(()) } else { Err(format!("{value} is no {of}")) }
    }
}

impl Model {
    /// One of the tables of [`foreign`].
    fn foreign(fields: &str) -> Self {
        let mut model = Self::default();
        for (name, of) in fields.split("; ").filter_map(|field| field.split_once(": ")) {
            let bare = name.trim_end_matches('!');
            if bare != name {
                model.required.insert(bare.to_owned());
            }
            model.types.insert(bare.to_owned(), of.to_owned());
        }
        model
    }

    fn read(text: &str) -> Option<(String, Self)> {
        let class = text.split_once("\nclass ")?.1.split_once('(')?.0;
        let (types, names) = (table(text, "openapi_types")?, table(text, "attribute_map")?);
        let json = |name: &String| names.get(name).cloned().unwrap_or_else(|| name.clone());
        let needed = |name: &&String| {
            text.contains(&format!("Invalid value for `{name}`, must not be `None`"))
        };
        Some((
            class.to_owned(),
            Self {
                required: types.keys().filter(needed).map(json).collect(),
                types: types.iter().map(|(name, of)| (json(name), of.clone())).collect(),
            },
        ))
    }
}

/// A table of texts in the client's sources, one pair a line.
fn table(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let body = text.split_once(&format!("    {name} = {{"))?.1.split_once('}')?.0;
    let pair = |line: &str| {
        let (key, value) = line.trim().trim_end_matches(',').split_once(": ")?;
        Some((key.trim_matches('\'').to_owned(), value.trim_matches('\'').to_owned()))
    };
    Some(body.lines().filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOURCE: &str = "
class V1Thing(object):
    openapi_types = {
        'api_version': 'str',
        'kind': 'str',
        'metadata': 'object',
        'some_counts': 'dict[str, int]'
    }

    attribute_map = {
        'api_version': 'apiVersion',
        'kind': 'kind',
        'metadata': 'metadata',
        'some_counts': 'someCounts'
    }
            raise ValueError(\"Invalid value for `some_counts`, must not be `None`\")
";

    fn said(object: Value) -> String {
        let models = Models(Model::read(SOURCE).into_iter().chain(foreign_models()).collect());
        models.check(&object).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn an_object_is_held_to_its_type_and_its_place_is_named() {
        let thing = |more: Value| {
            let mut thing =
                json!({ "apiVersion": "v1", "kind": "Thing", "metadata": { "name": "t" } });
            thing.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            said(thing)
        };
        assert_eq!(thing(json!({ "someCounts": { "a": 1 } })), "");
        assert_eq!(thing(json!({})), "Thing t: V1Thing has to have someCounts");
        assert!(thing(json!({ "someCount": 1 })).contains("no field someCount"));
        assert!(
            thing(json!({ "someCounts": { "a": "1" } })).contains("someCounts: \"1\" is no int")
        );
    }

    #[test]
    fn what_is_not_stable_or_not_known_is_refused() {
        assert!(said(json!({ "apiVersion": "v1beta1", "kind": "Thing" })).contains("stable"));
        assert!(said(json!({ "apiVersion": "v1", "kind": "Other" })).contains("no type V1Other"));
        assert!(said(json!({ "kind": "Thing" })).contains("no apiVersion"));
    }

    #[test]
    fn kinds_of_others_are_held_to_our_tables_of_them() {
        let issuer = |spec: Value| {
            said(json!({ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "spec": spec }))
        };
        assert!(issuer(json!({ "selfSigned": {} })).contains("has to have metadata"));
        assert!(issuer(json!({ "selfsigned": {} })).contains("no field selfsigned"));
        let other = json!({ "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim" });
        assert!(said(other).contains("does not know"));
        let old = json!({ "apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "ClusterQueue" });
        assert!(said(old).contains("does not know"));
    }
}
