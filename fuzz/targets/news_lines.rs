//! Files of news: any bytes are read or refused line by line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_feed::{files::read_news, SymbolMap};

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("rawe-fuzz-{}.jsonl", std::process::id()));
    let map = SymbolMap::from_pairs(&["XBT=BTC/USD"]).expect("a pair");
    std::fs::write(&path, bytes).expect("a temporary file");
    if let Ok(file) = read_news(&path, &map) {
        assert!(file.items.is_sorted_by_key(|item| item.first_seen));
    }
});
