//! CEL as the API server has it, on an evaluator from crates.io: its library functions added, and the
//! parts of the language that the evaluator lacks written in terms of those that it has.

use std::cmp::Ordering;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, MapEntryExpr, MapExpr};
use cel::extractors::This;
use cel::objects::Opaque;
use cel::parser::Parser;
use cel::{Context, ExecutionError, IdedExpr, Value};
use serde_json::Value as Json;

use super::quantity::Quantity;

impl Opaque for Quantity {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.Quantity"
    }
}

/// An expression, ready to be evaluated.
pub(crate) struct Expression {
    source: String,
    tree: IdedExpr,
}

impl Expression {
    pub(crate) fn read(source: &str) -> Self {
        let parser = Parser::new().enable_optional_syntax(true).max_recursion_depth(1000);
        let tree = parser.parse(source).unwrap_or_else(|error| panic!("{error}\nin {source}"));
        Self { source: source.to_owned(), tree: rewritten(tree) }
    }

    /// The functions and operators that it calls.
    pub(crate) fn calls(&self) -> Vec<String> {
        let tree = format!("{:?}", self.tree);
        let calls = tree.split("func_name: \"").skip(1);
        calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    }

    /// Entries of maps that the API server's compiler would find of another type than their neighbours:
    /// all values of one map are of one type there, and what is read of a `dyn` value with a default is
    /// not. So a value is made `dyn` by its own words, or read of an entry of such a map.
    pub(crate) fn entries_of_another_type(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.tree, &mut |expr| {
            let Expr::Map(map) = expr else { return };
            let pairs = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(pair) => {
                    Some((format!("{:?}", pair.key.expr), &pair.value.expr))
                }
                EntryExpr::StructField(_) => None,
            });
            let pairs: Vec<_> = pairs.collect();
            // A patch is a type of its own, with types for its fields.
            if pairs.iter().any(|(key, _)| key.contains("\"op\"")) {
                return;
            }
            found.extend(pairs.into_iter().filter(|(_, value)| !is_dyn(value)).map(|(key, _)| key));
        });
        found
    }

    /// What it says. An error is a bug of the policy: with `Ignore` it would let an object through
    /// unchanged, with `Fail` it would refuse an innocent one.
    pub(crate) fn evaluate(&self, context: &Context<'_, '_>) -> Value {
        Value::resolve(&self.tree, context)
            .unwrap_or_else(|error| panic!("{error}\nin {}", self.source))
    }
}

/// The environment of a policy, without its variables.
pub(crate) fn environment() -> Context<'static, 'static> {
    let mut context = Context::default();
    let added = [
        context.add_function("isQuantity", |text: Arc<String>| Quantity::parse(&text).is_some()),
        context.add_function("quantity", |text: Arc<String>| {
            let quantity = Quantity::parse(&text);
            let none = || ExecutionError::function_error("quantity", format!("{text:?} is none"));
            Ok(Value::Opaque(Arc::new(quantity.ok_or_else(none)?)))
        }),
        context.add_function("compareTo", |This(this): This<Value>, other: Value| {
            Ok(Value::Int(compared(&this, &other)? as i64))
        }),
        context.add_function("isLessThan", |This(this): This<Value>, other: Value| {
            Ok(Value::Bool(compared(&this, &other)? == Ordering::Less))
        }),
        context.add_function("isGreaterThan", |This(this): This<Value>, other: Value| {
            Ok(Value::Bool(compared(&this, &other)? == Ordering::Greater))
        }),
        context.add_function("asApproximateFloat", |This(this): This<Value>| {
            Ok(Value::Float(quantity(&this)?.nano as f64 / 1e9))
        }),
        context.add_function("flatten", |This(this): This<Value>| {
            let lists = list(&this)?.iter().map(list).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::List(Arc::new(lists.into_iter().flatten().cloned().collect())))
        }),
        context.add_function("join", |This(this): This<Value>, between: Arc<String>| {
            let texts = list(&this)?.iter().map(text_of).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::String(Arc::new(texts.join(&between))))
        }),
    ];
    added.into_iter().for_each(|added| added.expect("a function of that name is taken"));
    context
}

fn text_of(value: &Value) -> Result<String, ExecutionError> {
    match value {
        Value::String(text) => Ok(text.to_string()),
        other => Err(ExecutionError::function_error("join", format!("{other:?} is no text"))),
    }
}

/// JSON as a value of CEL.
pub(crate) fn value(json: &Json) -> Value {
    cel::to_value(json).expect("JSON is a value")
}

fn quantity(value: &Value) -> Result<Quantity, ExecutionError> {
    let wanted = || ExecutionError::function_error("quantity", format!("{value:?} is none"));
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref().copied().ok_or_else(wanted),
        _ => Err(wanted()),
    }
}

fn compared(one: &Value, other: &Value) -> Result<Ordering, ExecutionError> {
    Ok(quantity(one)?.nano.cmp(&quantity(other)?.nano))
}

fn list(value: &Value) -> Result<&Vec<Value>, ExecutionError> {
    match value {
        Value::List(list) => Ok(list),
        other => Err(ExecutionError::function_error("list", format!("{other:?} is none"))),
    }
}

/// The tree with `JSONPatch{…}` as a map, which is what it is once it leaves CEL, and `a.?b` as
/// `a[?'b']`, which means the same.
fn rewritten(mut tree: IdedExpr) -> IdedExpr {
    tree.expr = match tree.expr {
        Expr::Struct(object) => {
            assert_eq!(object.type_name, "JSONPatch", "the only type that policies may make");
            let entries = object.entries.into_iter().map(|mut entry| {
                let EntryExpr::StructField(field) = entry.expr else {
                    panic!("a field has a name")
                };
                let key = text(&field.field);
                let value = rewritten(field.value);
                entry.expr = EntryExpr::MapEntry(MapEntryExpr { key, value, optional: false });
                entry
            });
            Expr::Map(MapExpr { entries: entries.collect() })
        }
        Expr::Call(call) => Expr::Call(CallExpr {
            func_name: match call.func_name.as_str() {
                "_?._" => "_[?_]".to_owned(),
                _ => call.func_name,
            },
            target: call.target.map(|target| Box::new(rewritten(*target))),
            args: call.args.into_iter().map(rewritten).collect(),
        }),
        Expr::Comprehension(mut inner) => {
            for part in [
                &mut inner.iter_range,
                &mut inner.accu_init,
                &mut inner.loop_cond,
                &mut inner.loop_step,
                &mut inner.result,
            ] {
                *part = rewritten(std::mem::take(part));
            }
            Expr::Comprehension(inner)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(rewritten).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(pair) = &mut entry.expr {
                    pair.key = rewritten(std::mem::take(&mut pair.key));
                    pair.value = rewritten(std::mem::take(&mut pair.value));
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            *select.operand = rewritten(std::mem::take(&mut select.operand));
            Expr::Select(select)
        }
        other => other,
    };
    tree
}

/// Whether an entry's value is `dyn(…)`, or read of a variable that stands for a map of our own.
fn is_dyn(value: &Expr) -> bool {
    match value {
        Expr::Call(call) if call.func_name == "dyn" => true,
        Expr::Call(call) => {
            let read = call.target.as_deref().or(call.args.first());
            read.is_some_and(|of| is_dyn(&of.expr))
        }
        Expr::Select(select) => is_dyn(&select.operand.expr),
        Expr::Ident(name) => ["p", "s"].contains(&name.as_str()),
        _ => false,
    }
}

/// Every expression of a tree.
fn walk(tree: &IdedExpr, each: &mut dyn FnMut(&Expr)) {
    each(&tree.expr);
    match &tree.expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| walk(target, each));
            call.args.iter().for_each(|one| walk(one, each));
        }
        Expr::Comprehension(inner) => {
            let parts = [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step];
            parts.into_iter().chain([&inner.result]).for_each(|part| walk(part, each));
        }
        Expr::List(list) => list.elements.iter().for_each(|one| walk(one, each)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| {
            if let EntryExpr::MapEntry(pair) = &entry.expr {
                walk(&pair.key, each);
                walk(&pair.value, each);
            }
        }),
        Expr::Select(select) => walk(&select.operand, each),
        _ => {}
    }
}

fn text(text: &str) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(text.to_owned().into())) }
}
