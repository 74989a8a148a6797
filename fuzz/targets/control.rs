//! Bytes as words of the operator: without his key nothing but a halt is taken, and no halt,
//! whatever its time, shuts out what he signs afterwards.
#![no_main]

use chrono::{DateTime, TimeDelta};
use libfuzzer_sys::fuzz_target;
use rawe_core::control::{ControlCommand, ControlGate, ControlMessage};
use rawe_core::signing::{Authentication, SigningKey};

fuzz_target!(|words: Vec<&[u8]>| {
    let key = SigningKey::from_seed(&[7; 32]).expect("32 bytes are a key");
    let keys = vec![key.public().clone()];
    let start = DateTime::from_timestamp(1_578_268_800, 0).unwrap_or_default();
    let mut open = ControlGate::new(Authentication::Off, Vec::new(), "fuzz", start);
    let mut locked = ControlGate::new(Authentication::Required, keys, "fuzz", start);
    let now = start + TimeDelta::minutes(1);
    for word in words {
        let _ = open.admit(word, now);
        if let Ok(message) = locked.admit(word, now) {
            assert_eq!(message.command, ControlCommand::Halt);
        }
    }
    let later = now + TimeDelta::milliseconds(1);
    let resume = ControlMessage::new(ControlCommand::Resume, later, "fuzz");
    let payload = resume.to_payload(Some(&key), "fuzz").expect("a word can be signed");
    assert_eq!(locked.admit(&payload, later).map(|m| m.command), Ok(ControlCommand::Resume));
    assert!(locked.admit(&payload, later).is_err(), "taken twice");
});
