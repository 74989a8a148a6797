//! Linking any text, headline and source names nothing that is not known.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use rawe_core::{NewsItem, Register, Symbol};
use rawe_narrative::{EngineConfig, NarrativeEngine};

fuzz_target!(|parts: (String, String, bool)| {
    let (headline, text, news) = parts;
    let known = ["AAPL", "BRK.B", "BTC/USD", "T", "ALL"];
    let symbols: Vec<Symbol> = known.into_iter().filter_map(|s| Symbol::new(s).ok()).collect();
    let item = |id: &str, symbols: &[Symbol], headline: String, text: String| NewsItem {
        id: id.to_owned(),
        published: DateTime::UNIX_EPOCH,
        first_seen: DateTime::UNIX_EPOCH,
        source: "fuzz".to_owned(),
        register: if news { Register::News } else { Register::Social },
        author: None,
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: symbols.to_vec(),
        headline,
        text,
        backfill: false,
    };
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    engine.apply_item(&item("known", &symbols, "makes five assets known".into(), String::new()));
    engine.apply_item(&item("fuzzed", &[], headline, text));
    for state in engine.narratives() {
        assert!(state.assets.iter().all(|(symbol, _)| symbols.contains(symbol)));
    }
});
