//! A quantity in JSON is a text or a number; both are read as the text that a user wrote.

use serde_json::Value;

/// The quantity's text. What is neither text nor number is shown as it is, and is no number then.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}
