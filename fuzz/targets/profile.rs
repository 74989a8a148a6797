//! Profiles and formulas: refused with reasons, or usable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_agent::{Expert, Formula, Profile};
use rawe_narrative::AssetFeatures;

fuzz_target!(|text: &str| {
    let at = chrono::DateTime::UNIX_EPOCH;
    if let Ok(formula) = Formula::parse(text) {
        let value = Expert::from_formula(&formula).evaluate(at, &AssetFeatures::default(), 50.0);
        assert!(value.is_none_or(|value| value.abs() <= 1.0));
    }
    if let Ok(profile) = Profile::from_toml(text) {
        Expert::new(&profile).evaluate(at, &AssetFeatures::default(), 50.0);
    }
});
