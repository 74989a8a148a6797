//! The demo's own settings, `config/demo.toml`: they fill in what the configuration leaves open when
//! the generated market is played.

use anyhow::Context as _;
use toml::{Table, Value};

use crate::up::options::UpArgs;

/// The settings.
const DEMO: &str = include_str!("../../../../config/demo.toml");

/// Whether the market is a generated one.
pub(crate) fn is_demo(args: &UpArgs, table: &Table) -> bool {
    let exchange = table.get("exchange");
    let plays_files = exchange.is_some_and(|exchange| exchange.get("bars").is_some());
    args.is_replay() && args.bars.is_none() && (args.seed.is_some() || !plays_files)
}

/// Adds the demo's settings where `table` has none.
pub(crate) fn add(table: &mut Table) -> anyhow::Result<()> {
    let demo: Table = toml::from_str(DEMO).context("reading the demo's settings")?;
    fill_in(table, demo);
    Ok(())
}

fn fill_in(table: &mut Table, defaults: Table) {
    for (key, value) in defaults {
        match (table.get_mut(&key), value) {
            (None, value) => {
                table.insert(key, value);
            }
            (Some(Value::Table(own)), Value::Table(value)) => fill_in(own, value),
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_stays_and_the_rest_is_the_demos() {
        let mut table: Table =
            toml::from_str("[exchange]\nparticipation_max = \"0.5\"\ncash = \"7\"\n").unwrap();
        add(&mut table).unwrap();
        let exchange = &table["exchange"];
        assert_eq!(exchange["participation_max"].as_str(), Some("0.5"));
        assert_eq!(exchange["cash"].as_str(), Some("7"));
        let rules = exchange["faults"]["rules"].as_array().unwrap();
        assert_eq!(rules[0]["fault"].as_str(), Some("halt"));

        let mut quiet: Table = toml::from_str("[exchange.faults]\nrules = []\n").unwrap();
        add(&mut quiet).unwrap();
        let rules = quiet["exchange"]["faults"]["rules"].as_array().unwrap();
        assert!(rules.is_empty());
    }
}
