//! The JSON schema of the file, for editors and for the chart.

use super::Section;

/// The schema, printed. It is checked in as `config.schema.json`.
///
/// # Panics
/// Never: a schema is plain data.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Section);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set to write the schema instead of comparing it.
    const WRITE: &str = "ALIQUOT_WRITE_SCHEMA";

    #[test]
    fn the_schema_that_is_checked_in_is_the_one_that_the_types_have() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json");
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(path, schema()).unwrap();
        }
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(checked_in == schema(), "run this test with {WRITE}=1 and commit {path}");
    }
}
