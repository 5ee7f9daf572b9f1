//! A stream of YAML documents, translated object by object, for people on the command line.

use contract::Mib;
use serde_json::Value;

use super::{Untranslatable, translate};
use crate::rules::Rules;
use crate::workload::Workload;

/// Every object of the stream translated, and what a person should know. A document that speaks nobody
/// else's words comes out as it went in; one that was translated loses its comments.
///
/// # Errors
/// What is no YAML, or cannot be translated, with the object's name.
pub fn translate_yaml(
    stream: &str,
    card: Option<Mib>,
    rules: &Rules,
) -> Result<(String, Vec<String>), BadStream> {
    let (mut out, mut notes) = (String::new(), Vec::new());
    for document in format!("\n{stream}").split("\n---") {
        if document.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
            continue;
        }
        let (text, told) = one(document, card, rules)?;
        out.push_str(&format!("---\n{text}"));
        notes.extend(told);
    }
    Ok((out, notes))
}

fn one(
    document: &str,
    card: Option<Mib>,
    rules: &Rules,
) -> Result<(String, Vec<String>), BadStream> {
    let mut object: Value = serde_saphyr::from_str(document).map_err(no_yaml)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let name = format!("{kind} {}", text(&object["metadata"]["name"]));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let told = match Workload::of(group, &kind) {
        Some(workload) => translate(workload, &mut object, card, rules)
            .map_err(|error| BadStream::Object(name.clone(), error))?,
        None => Vec::new(),
    };
    let text = match told.is_empty() {
        true => document.trim_start_matches('\n').trim_end().to_owned() + "\n",
        false => serde_saphyr::to_string(&object).map_err(no_yaml)?,
    };
    Ok((text, told.into_iter().map(|note| format!("{name}: {note}")).collect()))
}

fn no_yaml(error: impl std::fmt::Display) -> BadStream {
    BadStream::Yaml(error.to_string())
}

/// Why a stream of documents is not translated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadStream {
    /// It is no YAML.
    #[error("no YAML: {0}")]
    Yaml(String),
    /// An object of it cannot be translated.
    #[error("{0}: {1}")]
    Object(String, Untranslatable),
}
