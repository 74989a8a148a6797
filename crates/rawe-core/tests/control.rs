//! The operator's words: a halt always, everything else only from the operator and only once.

#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use chrono::{TimeDelta, TimeZone, Utc};
use rawe_core::control::{ControlCommand, ControlGate, ControlMessage};
use rawe_core::signing::{Authentication, SigningKey};
use rawe_core::{RefusalCode as C, Timestamp};

use ControlCommand::{Flatten, Halt, Reduce, Resume};

fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 5, 15, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn gate(auth: Authentication, seeds: &[u8]) -> ControlGate {
    let keys = seeds.iter().map(|seed| key(*seed).public().clone());
    ControlGate::new(auth, keys.collect(), "prod", at(0))
}

fn word(command: ControlCommand, seconds: i64, seed: Option<u8>, deployment: &str) -> Vec<u8> {
    let key = seed.map(key);
    ControlMessage::new(command, at(seconds), "a drill")
        .to_payload(key.as_ref(), deployment)
        .unwrap()
}

fn admit(gate: &mut ControlGate, payload: &[u8], seconds: i64) -> Option<C> {
    let admitted = gate.admit(payload, at(seconds));
    admitted.err().map(|refusal| refusal.code)
}

#[test]
fn a_halt_is_always_honoured() {
    for auth in [
        Authentication::Off,
        Authentication::Optional,
        Authentication::Required,
    ] {
        for payload in [
            word(Halt, 10, None, "prod"),
            word(Halt, 10, Some(9), "prod"),
            word(Halt, -9_000, Some(1), "prod"),
            word(Halt, 9_000, None, "elsewhere"),
            br#"{"command":"halt","at":"2026-01-05T15:00:00Z","reason":""}"#.to_vec(),
        ] {
            assert_eq!(admit(&mut gate(auth, &[1]), &payload, 20), None);
        }
    }
}

#[test]
fn what_lets_money_move_needs_the_operators_key() {
    use Authentication::{Off, Optional, Required};
    for command in [Resume, Reduce, Flatten] {
        let cases = [
            (
                "off, plain",
                Off,
                &[1][..],
                word(command, 10, None, "prod"),
                None,
            ),
            (
                "no keys yet, plain",
                Optional,
                &[],
                word(command, 10, None, "prod"),
                None,
            ),
            (
                "plain",
                Optional,
                &[1],
                word(command, 10, None, "prod"),
                Some(C::Unsigned),
            ),
            (
                "signed",
                Optional,
                &[1],
                word(command, 10, Some(1), "prod"),
                None,
            ),
            (
                "signed by the second",
                Required,
                &[1, 2],
                word(command, 10, Some(2), "prod"),
                None,
            ),
            (
                "plain",
                Required,
                &[1],
                word(command, 10, None, "prod"),
                Some(C::Unsigned),
            ),
            (
                "a stranger",
                Required,
                &[1],
                word(command, 10, Some(3), "prod"),
                Some(C::UnknownKey),
            ),
            (
                "no keys at all",
                Required,
                &[],
                word(command, 10, Some(1), "prod"),
                Some(C::UnknownKey),
            ),
            (
                "elsewhere",
                Required,
                &[1],
                word(command, 10, Some(1), "paper"),
                Some(C::BadSignature),
            ),
            (
                "expired",
                Required,
                &[1],
                word(command, 10, Some(1), "prod"),
                None,
            ),
            (
                "before the start",
                Required,
                &[1],
                word(command, -5, Some(1), "prod"),
                Some(C::ReplayedSequence),
            ),
            (
                "too early",
                Required,
                &[1],
                word(command, 30, Some(1), "prod"),
                Some(C::FromTheFuture),
            ),
        ];
        for (name, auth, keys, payload, expected) in cases {
            assert_eq!(
                admit(&mut gate(auth, keys), &payload, 20),
                expected,
                "{name}"
            );
        }
        let payload = word(command, 10, Some(1), "prod");
        let late = admit(&mut gate(Required, &[1]), &payload, 71);
        assert_eq!(late, Some(C::Stale), "after a minute");
    }
}

#[test]
fn a_captured_word_counts_once_and_never_after_a_later_halt() {
    let mut gate = gate(Authentication::Required, &[1]);
    let resume = word(Resume, 10, Some(1), "prod");
    let held_back = word(Resume, 12, Some(1), "prod");
    assert_eq!(admit(&mut gate, &resume, 11), None);
    assert_eq!(admit(&mut gate, &resume, 12), Some(C::ReplayedSequence));
    assert_eq!(admit(&mut gate, &word(Halt, 15, None, "prod"), 15), None);
    assert_eq!(admit(&mut gate, &held_back, 16), Some(C::ReplayedSequence));
    let again = word(Resume, 17, Some(1), "prod");
    assert_eq!(admit(&mut gate, &again, 17), None);
}

#[test]
fn a_halt_from_a_fast_clock_does_not_lock_the_door() {
    let mut gate = gate(Authentication::Required, &[1]);
    assert_eq!(admit(&mut gate, &word(Halt, 9_000, None, "prod"), 20), None);
    let resume = word(Resume, 21, Some(1), "prod");
    assert_eq!(admit(&mut gate, &resume, 21), None);
}

#[test]
fn what_is_no_word_is_refused() {
    let mut gate = gate(Authentication::Off, &[]);
    for payload in [&b"halt"[..], b"{}", b"{\"command\":\"sing\"}", b"\xff"] {
        assert_eq!(admit(&mut gate, payload, 0), Some(C::NotJson));
    }
}
