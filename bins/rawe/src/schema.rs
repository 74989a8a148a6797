//! `rawe schema`: the JSON Schema of a signal, generated from the types, for agents in any
//! language. The copy in `docs/schema/` is this command's output; a test of rawe-core compares.

use anyhow::Context as _;

/// Prints the schema.
pub(crate) fn schema() -> anyhow::Result<()> {
    print!("{}", text()?);
    Ok(())
}

/// The schema as it is kept in the repository.
fn text() -> anyhow::Result<String> {
    let schema = rawe_core::signal::signal_schema();
    let text = serde_json::to_string_pretty(&schema).context("writing the schema")?;
    Ok(text + "\n")
}
