//! A signed vote that somebody changed on its way: refused, or still the very message that was
//! signed. What passes the check is read like any vote.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_core::parse_signal;
use rawe_core::signing::canonical::canonical_json;
use rawe_core::signing::{sign, verify, Binding, SigningKey};

const VOTE: &[u8] = include_bytes!("../../crates/rawe-core/tests/golden/signal_v1.json");

/// Where to change it, how many bytes to take out, what to put in instead.
type Change = (u16, u8, Vec<u8>);

fuzz_target!(|parts: (Vec<u8>, Vec<Change>)| {
    let (own, changes) = parts;
    let key = SigningKey::from_seed(&[7; 32]).expect("32 bytes are a key");
    let stranger = SigningKey::from_seed(&[8; 32]).expect("32 bytes are a key");
    let (keys, here) = ([key.public().clone()], Binding::new("fuzz", "votes"));
    // Whatever can be signed verifies, here and by this key only.
    if let Ok(signed) = sign(&own, &key, &here) {
        verify(&signed, &keys, &here).expect("what was signed verifies");
        assert!(verify(&signed, &keys, &here.on("other")).is_err());
        assert!(verify(&signed, &[stranger.public().clone()], &here).is_err());
    }
    let signed = sign(VOTE, &key, &here).expect("a vote can be signed");
    let mut changed = signed.clone();
    for (place, taken, put) in changes {
        let from = usize::from(place).min(changed.len());
        let to = (from + usize::from(taken)).min(changed.len());
        changed.splice(from..to, put);
    }
    if verify(&changed, &keys, &here).is_ok() {
        assert_eq!(canonical_json(&changed), canonical_json(&signed));
        assert_eq!(parse_signal(&changed).is_ok(), parse_signal(&signed).is_ok());
    }
    let _ = parse_signal(&changed);
});
