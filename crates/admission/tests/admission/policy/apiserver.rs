//! The API server's way of one object, as far as the policies see it: decoding, the mutating policy, its
//! own validation, the validating policy. What it refuses by itself it says in its own words.

use aliquot_admission::policies::{limits, manifests};
use aliquot_admission::{Rules, Workload};
use cel::Context;
use serde_json::{Value, json};

use super::cel::{Expression, environment, value};
use super::quantity::Quantity;

/// Who refused, and what was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The API server itself.
    Api(String),
    /// The validating policy.
    Policy(String),
}

/// An object on its way.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) kind: (&'a str, &'a str),
    pub(crate) namespace: &'a str,
    pub(crate) object: &'a Value,
    pub(crate) old: Option<&'a Value>,
}

/// A cluster with both policies.
pub(crate) struct Cluster {
    mutating: Policy,
    validating: Policy,
    limits: Policy,
    /// What the namespace says of itself.
    pub(crate) namespace: Value,
    /// Whether the mutating policy is there.
    pub(crate) mutates: bool,
}

struct Policy {
    spec: Value,
    conditions: Vec<Expression>,
    variables: Vec<(String, Expression)>,
    mutations: Vec<Expression>,
    validations: Vec<(Expression, Expression)>,
}

impl Cluster {
    pub(crate) fn with(rules: &Rules) -> Self {
        let all = manifests(rules);
        let limits = Policy::read(&limits(rules)[0]["spec"]);
        let policy = |kind: &str| {
            let found = all.iter().find(|one| one["kind"] == kind).expect("a policy");
            Policy::read(&found["spec"])
        };
        Self {
            mutating: policy("MutatingAdmissionPolicy"),
            validating: policy("ValidatingAdmissionPolicy"),
            limits,
            namespace: json!({ "metadata": {} }),
            mutates: true,
        }
    }

    /// All expressions of both policies.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        [&self.mutating, &self.validating, &self.limits].into_iter().flat_map(|policy| {
            let pairs = policy.validations.iter().flat_map(|(holds, message)| [holds, message]);
            let named = policy.variables.iter().map(|(_, expression)| expression);
            pairs.chain(named).chain(&policy.conditions).chain(&policy.mutations)
        })
    }

    /// The object as the mutating policy leaves it, whatever comes after.
    pub(crate) fn mutated_only(&self, asked: Asked<'_>) -> Value {
        let workload = Workload::of(asked.kind.0, asked.kind.1).expect("a known kind");
        let mut mutated =
            self.mutating.mutated(asked, decoded(asked.object, workload).expect("decoded"));
        mutated["spec"]["containers"][0]["resources"]["requests"].take();
        mutated
    }

    /// The object as it is stored.
    pub(crate) fn admit(&self, asked: Asked<'_>) -> Result<Value, Refused> {
        let workload = Workload::of(asked.kind.0, asked.kind.1).expect("a known kind");
        let mut object = decoded(asked.object, workload)?;
        if self.mutates && self.mutating.looks_at(asked) {
            object = decoded(&self.mutating.mutated(asked, object), workload)?;
        }
        validate(&mut object, workload)?;
        for policy in [&self.validating, &self.limits] {
            if policy.looks_at(asked) {
                policy.validate(asked, &object, &self.namespace)?;
            }
        }
        Ok(object)
    }
}

impl Policy {
    fn read(spec: &Value) -> Self {
        let all = |name: &str| spec[name].as_array().cloned().unwrap_or_default();
        let read = |value: &Value| Expression::read(value.as_str().expect("an expression"));
        let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
        let of = |one: &Value| (name(one), read(&one["expression"]));
        let validation = |one: &Value| (read(&one["expression"]), read(&one["messageExpression"]));
        Self {
            conditions: all("matchConditions").iter().map(|one| read(&one["expression"])).collect(),
            variables: all("variables").iter().map(of).collect(),
            mutations: all("mutations")
                .iter()
                .map(|one| read(&one["jsonPatch"]["expression"]))
                .collect(),
            validations: all("validations").iter().map(validation).collect(),
            spec: spec.clone(),
        }
    }

    /// Whether its constraints match, as far as a namespace's name and the kind go.
    fn looks_at(&self, asked: Asked<'_>) -> bool {
        let constraints = &self.spec["matchConstraints"];
        let named = &constraints["namespaceSelector"]["matchExpressions"][0];
        assert_eq!(named["key"], "kubernetes.io/metadata.name");
        let excluded = named["values"].as_array().expect("names").contains(&json!(asked.namespace));
        let resource = format!("{}s", asked.kind.1.to_lowercase());
        let rules = constraints["resourceRules"].as_array().expect("rules");
        let matches = |rule: &Value| {
            let has = |name: &str, word: &str| {
                rule[name].as_array().is_some_and(|all| all.contains(&json!(word)))
            };
            has("apiGroups", asked.kind.0) && has("resources", &resource)
        };
        let context = self.context(asked, asked.object, None);
        !excluded
            && rules.iter().any(matches)
            && self.conditions.iter().all(|one| one.evaluate(&context) == cel::Value::Bool(true))
    }

    fn context(
        &self,
        asked: Asked<'_>,
        object: &Value,
        namespace: Option<&Value>,
    ) -> Context<'static, 'static> {
        let mut context = environment();
        let operation = if asked.old.is_some() { "UPDATE" } else { "CREATE" };
        let request = json!({ "operation": operation, "namespace": asked.namespace,
                              "kind": { "group": asked.kind.0, "kind": asked.kind.1 } });
        let old = asked.old.cloned().unwrap_or(Value::Null);
        for (name, json) in [("object", object), ("oldObject", &old), ("request", &request)] {
            context.add_variable_from_value(name, value(json));
        }
        context
            .add_variable_from_value("namespaceObject", value(namespace.unwrap_or(&Value::Null)));
        let mut known = std::collections::HashMap::new();
        context.add_variable_from_value("variables", cel::Value::from(known.clone()));
        for (name, expression) in self.variables.iter().filter(|_| namespace.is_some()) {
            known.insert(name.clone(), expression.evaluate(&context));
            context.add_variable_from_value("variables", cel::Value::from(known.clone()));
        }
        context
    }

    fn mutated(&self, asked: Asked<'_>, mut object: Value) -> Value {
        for mutation in &self.mutations {
            let patch = mutation.evaluate(&self.context(asked, &object, Some(&Value::Null)));
            let patch = patch.json().expect("a patch is JSON");
            let patch: json_patch::Patch = serde_json::from_value(patch).expect("a JSON patch");
            json_patch::patch(&mut object, &patch)
                .unwrap_or_else(|error| panic!("{error}: {patch}"));
        }
        object
    }

    fn validate(&self, asked: Asked<'_>, object: &Value, namespace: &Value) -> Result<(), Refused> {
        let context = self.context(asked, object, Some(namespace));
        for (holds, message) in &self.validations {
            if holds.evaluate(&context) != cel::Value::Bool(true) {
                let cel::Value::String(said) = message.evaluate(&context) else {
                    panic!("a message is a text")
                };
                assert!(!said.contains('\n') && said.len() < 5120, "{said}");
                return Err(Refused::Policy(said.to_string()));
            }
        }
        Ok(())
    }
}

/// Quantities in canonical form; limits are copied into a pod's requests.
pub(crate) fn decoded(object: &Value, workload: Workload) -> Result<Value, Refused> {
    let mut object = object.clone();
    each_list(&mut object, workload, &mut |container| {
        for map in ["limits", "requests"] {
            let list =
                container.get_mut("resources").and_then(|all| all.get_mut(map)?.as_object_mut());
            let Some(list) = list else { continue };
            for (name, value) in list {
                let text =
                    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
                let quantity = Quantity::parse(&text).ok_or_else(|| {
                    Refused::Api(format!(
                        "{name}: {text:?}: quantities must match the regular expression"
                    ))
                })?;
                *value = json!(quantity.in_a_list().canonical());
            }
        }
        let limits = container.get("resources").and_then(|all| all.get("limits")?.as_object());
        if let (Workload::Pod, Some(limits)) = (workload, limits.cloned()) {
            if !container["resources"]["requests"].is_object() {
                container["resources"]["requests"] = json!({});
            }
            let requests = container["resources"]["requests"].as_object_mut().expect("a map");
            for (name, value) in limits {
                requests.entry(name).or_insert(value);
            }
        }
        Ok(())
    })?;
    Ok(object)
}

/// The API server's own validation.
pub(crate) fn validate(object: &mut Value, workload: Workload) -> Result<(), Refused> {
    each_list(object, workload, &mut |container| own_validation(container))
}

/// What the API server wants of extended resources.
fn own_validation(container: &mut Value) -> Result<(), Refused> {
    let empty = serde_json::Map::new();
    let resources = container.get("resources");
    let map = |map| resources.and_then(|all| all.get(map)?.as_object()).unwrap_or(&empty);
    let (limits, requests) = (map("limits"), map("requests"));
    let refused = |name: &str, value: &Value, why: &str| {
        Err(Refused::Api(format!("{name}: Invalid value: {value}: {why}")))
    };
    for (name, value) in limits.iter().chain(requests).filter(|(name, _)| name.contains('/')) {
        let quantity = Quantity::parse(value.as_str().unwrap_or_default()).expect("canonical");
        if quantity.nano < 0 {
            return refused(name, value, "must be greater than or equal to 0");
        }
        if !quantity.is_whole() {
            return refused(name, value, "must be an integer");
        }
    }
    for (name, value) in requests.iter().filter(|(name, _)| name.contains('/')) {
        match limits.get(name) {
            None => {
                return refused(name, value, "Limit must be set for non overcommitable resources");
            }
            Some(limit) if limit != value => {
                return refused(name, value, &format!("must be equal to {name} limit of {limit}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn each_list(
    object: &mut Value,
    workload: Workload,
    each: &mut dyn FnMut(&mut Value) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let pod = workload.path().iter().try_fold(object, |value, name| value.get_mut(*name));
    let Some(pod) = pod else { return Ok(()) };
    for list in ["initContainers", "containers"] {
        let Some(all) = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)?.as_array_mut())
        else {
            continue;
        };
        all.iter_mut().try_for_each(&mut *each)?;
    }
    Ok(())
}
