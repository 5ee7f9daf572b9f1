//! A stream of YAML documents, translated object by object, for people on the command line.

use serde_json::Value;

use super::{Untranslatable, translate};
use crate::rules::{Rules, Translation};
use crate::workload::Workload;

/// Every object of the stream translated, and what a person should know. A document that speaks nobody
/// else's words comes out as it went in; one that was translated loses its comments.
///
/// # Errors
/// What is no YAML, or cannot be translated, with the object's name and its line in the stream.
pub fn translate_yaml(
    stream: &str,
    how: Translation,
    rules: &Rules,
) -> Result<(String, Vec<String>), BadStream> {
    let (mut out, mut notes) = (String::new(), Vec::new());
    for document in documents(stream) {
        let (text, told) = document.translated(how, rules)?;
        out.push_str(&format!("---\n{text}"));
        notes.extend(told);
    }
    Ok((out, notes))
}

/// One document, and how many lines of the stream are before it.
struct Document<'a> {
    before: usize,
    text: &'a str,
}

/// Those that say anything.
fn documents(stream: &str) -> Vec<Document<'_>> {
    let (mut all, mut from, mut before, mut at, mut line) = (Vec::new(), 0, 0, 0, 0);
    for words in stream.split_inclusive('\n') {
        let (start, end) = (at, at + words.len());
        (at, line) = (end, line + 1);
        let word = words.trim_end();
        if word == "---" || word.starts_with("--- ") {
            all.push(Document { before, text: &stream[from..start] });
            // What stands behind the mark belongs to the document.
            from = start + 3;
            before = line - 1;
        }
    }
    all.push(Document { before, text: &stream[from..] });
    let speaks =
        |text: &str| !text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
    all.retain(|document| speaks(document.text));
    all
}

impl Document<'_> {
    fn translated(
        &self,
        how: Translation,
        rules: &Rules,
    ) -> Result<(String, Vec<String>), BadStream> {
        // With the lines before it, so that a fault is told by its line in the stream.
        let padded = "\n".repeat(self.before) + self.text;
        let mut object: Value = serde_saphyr::from_str(&padded).map_err(no_yaml)?;
        let told = self.object(&mut object, how, rules)?;
        let text = match told.is_empty() {
            true => self.text.trim_start().trim_end().to_owned() + "\n",
            false => serde_saphyr::to_string(&object).map_err(no_yaml)?,
        };
        Ok((text, told))
    }

    /// One object, or each of a List, as kubectl prints several.
    fn object(
        &self,
        object: &mut Value,
        how: Translation,
        rules: &Rules,
    ) -> Result<Vec<String>, BadStream> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        if let ("List", Some(items)) =
            (&*kind, object.get_mut("items").and_then(Value::as_array_mut))
        {
            let told = items.iter_mut().map(|item| self.object(item, how, rules));
            return Ok(told.collect::<Result<Vec<_>, _>>()?.concat());
        }
        let name = format!("{kind} {}", text(&object["metadata"]["name"]));
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let Some(workload) = Workload::of(group, &kind) else { return Ok(Vec::new()) };
        let told = translate(workload, object, how, rules)
            .map_err(|error| BadStream::Object(self.line(), name.clone(), error))?;
        Ok(told.into_iter().map(|note| format!("{name}: {note}")).collect())
    }

    /// The line on which it begins to say something, from 1.
    fn line(&self) -> usize {
        let silent = |line: &&str| line.trim().is_empty() || line.starts_with('#');
        self.before + self.text.lines().take_while(silent).count() + 1
    }
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
    /// An object of it, by its first line and its name, cannot be translated.
    #[error("line {0}: {1}: {2}")]
    Object(usize, String, Untranslatable),
}
