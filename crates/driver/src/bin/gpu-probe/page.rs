//! The answers as files: JSON for programs, Markdown for people. The page is made of the JSON alone.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Writes `<gpu>-<driver>.json` and `.md` into the folder, making it where it is not there.
pub(crate) fn write(folder: &Path, answers: &Value) -> Result<()> {
    let name = file_name(&answers["subject"]);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let json = serde_json::to_string_pretty(answers)? + "\n";
    for (ending, text) in [("json", json), ("md", page(answers))] {
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Such as `nvidia-h100-80gb-hbm3-580.82.07`, in letters that every file system takes.
fn file_name(subject: &Value) -> String {
    let word = |key: &str| subject[key].as_str().unwrap_or("unknown").to_lowercase();
    let name = format!("{}-{}", word("name"), word("driver_version"));
    let name = name.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.', "-");
    if subject["simulated"] == true { format!("simulated-{name}") } else { name }
}

fn page(answers: &Value) -> String {
    let subject = &answers["subject"];
    let mut text = format!("# What the driver of {} answers\n\n", plain(&subject["name"]));
    if subject["simulated"] == true {
        text += "**Simulated**: these are the answers of the simulated driver, not of a card.\n\n";
    }
    let _ =
        writeln!(text, "Asked by `cargo xtask gpu-probe`. Figures in the JSON beside this page.\n");
    let Some(sections) = answers.as_object() else { return text };
    for (name, answer) in sections {
        let _ = writeln!(text, "## {}\n", name.replace('_', " "));
        section(&mut text, answer);
    }
    text
}

/// A list of alike objects is a table, an object a list of its fields.
fn section(text: &mut String, answer: &Value) {
    match answer {
        Value::Array(rows) if rows.iter().all(Value::is_object) => table(text, rows),
        Value::Object(fields) => {
            let (lists, single): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, value)| is_table(value));
            for (key, value) in single {
                let _ = writeln!(text, "* {}: {}", key.replace('_', " "), plain(value));
            }
            text.push('\n');
            for (key, value) in lists {
                let _ = writeln!(text, "### {}\n", key.replace('_', " "));
                section(text, value);
            }
        }
        other => {
            let _ = writeln!(text, "{}\n", plain(other));
        }
    }
}

fn is_table(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(Value::is_object))
}

fn table(text: &mut String, rows: &[Value]) {
    let Some(first) = rows.first().and_then(Value::as_object) else { return };
    let keys: Vec<&String> = first.keys().collect();
    let head = keys.iter().map(|key| key.replace('_', " ")).collect::<Vec<_>>().join(" | ");
    let _ = writeln!(text, "| {head} |\n|{}", "---|".repeat(keys.len()));
    for row in rows {
        let cells = keys.iter().map(|key| plain(&row[key.as_str()])).collect::<Vec<_>>();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}

/// A value in a cell or a line.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key} {}", plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_simulated_card_says_so_in_its_file_name_and_on_its_page() {
        let subject =
            json!({"simulated": true, "name": "Tesla V100/32", "driver_version": "580.1"});
        assert_eq!(file_name(&subject), "simulated-tesla-v100-32-580.1");
        assert!(page(&json!({"subject": subject})).contains("**Simulated**"));
    }

    #[test]
    fn a_list_of_objects_becomes_a_table() {
        let text = page(&json!({"pool": [{"a_b": 1, "c": null}, {"a_b": 2, "c": "x"}]}));
        assert!(text.contains("| a b | c |\n|---|---|\n| 1 | – |\n| 2 | x |\n"), "{text}");
    }
}
