//! Bytes as a signed message: no bytes pass without the key, and the canonical form is its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_core::signing::canonical::canonical_json;
use rawe_core::signing::{Binding, SigningKey, verify};

fuzz_target!(|bytes: &[u8]| {
    let key = SigningKey::from_seed(&[7; 32]).expect("32 bytes are a key");
    let keys = [key.public().clone()];
    assert!(verify(bytes, &keys, &Binding::new("fuzz", "votes")).is_err());
    if let Ok(canonical) = canonical_json(bytes) {
        assert_eq!(canonical_json(&canonical).as_deref(), Ok(&canonical[..]));
    }
});
