//! Bytes that are no snapshot are refused; whatever is accepted works on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_narrative::{EngineConfig, NarrativeEngine};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(engine) = NarrativeEngine::restored(bytes, EngineConfig::default()) {
        let _ = engine.narratives();
    }
});
