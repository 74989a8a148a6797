//! The edge between bytes and signals: golden messages, every refusal, and no panic on rubbish.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test says where"
)]

use proptest::prelude::*;
use rawe_core::signal::signal_schema;
use rawe_core::{ArbitrageSignal, Direction, RefusalCode, SignalType, parse_signal, parse_vote};
use serde_json::{Value, json};

const ORIGINAL: &str = include_str!("golden/original_format.json");
const CURRENT: &str = include_str!("golden/signal_v1.json");

/// The golden message of the current format with one change made to it.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(CURRENT).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

fn refusal_of(payload: &[u8]) -> RefusalCode {
    parse_signal(payload)
        .expect_err("the message was accepted")
        .code
}

#[test]
fn a_message_in_the_original_format_is_a_signal() {
    let signal = parse_signal(ORIGINAL.as_bytes()).unwrap();
    assert!(signal.is_original_format());
    assert!(
        signal.timestamp_was_naive,
        "a time without offset is read as UTC and marked"
    );
    assert_eq!(
        signal.timestamp.to_rfc3339(),
        "2026-01-05T15:00:00.123456+00:00"
    );
    assert_eq!(signal.signal_type, SignalType::NarrativeLeads);
    assert_eq!(signal.metadata.direction, Direction::Long);
    assert_eq!(signal.metadata.size, 1000.into());
    assert_eq!(signal.version, 1);
}

#[test]
fn the_current_format_survives_a_round_trip() {
    let signal = parse_signal(CURRENT.as_bytes()).unwrap();
    let written = serde_json::to_vec(&signal).unwrap();
    assert_eq!(parse_signal(&written).unwrap(), signal);
    let value: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(value, serde_json::from_str::<Value>(CURRENT).unwrap());
}

#[test]
fn every_defect_has_its_own_code() {
    let cases: Vec<(&str, Vec<u8>, RefusalCode)> = vec![
        (
            "over 64 KiB",
            vec![b' '; 64 * 1024 + 1],
            RefusalCode::TooLarge,
        ),
        (
            "not JSON",
            b"{\"timestamp\":".to_vec(),
            RefusalCode::NotJson,
        ),
        ("not UTF-8", vec![0xff, 0xfe, 0x00], RefusalCode::NotJson),
        ("an array", b"[1,2]".to_vec(), RefusalCode::NotAnObject),
        (
            "a higher version",
            changed(|v| v["version"] = json!(2)),
            RefusalCode::UnknownVersion,
        ),
        (
            "version 0",
            changed(|v| v["version"] = json!(0)),
            RefusalCode::UnknownVersion,
        ),
        (
            "null strength",
            changed(|v| v["strength"] = Value::Null),
            RefusalCode::OutOfRange,
        ),
        (
            "strength above 1",
            changed(|v| v["strength"] = json!(1.01)),
            RefusalCode::OutOfRange,
        ),
        (
            "text strength",
            changed(|v| v["strength"] = json!("0.5")),
            RefusalCode::WrongType,
        ),
        (
            "size 0",
            changed(|v| v["metadata"]["size"] = json!(0)),
            RefusalCode::OutOfRange,
        ),
        (
            "negative size",
            changed(|v| v["metadata"]["size"] = json!(-5)),
            RefusalCode::OutOfRange,
        ),
        (
            "huge size",
            changed(|v| v["metadata"]["size"] = json!(1e300)),
            RefusalCode::OutOfRange,
        ),
        (
            "unknown direction",
            changed(|v| v["metadata"]["direction"] = json!("up")),
            RefusalCode::UnknownDirection,
        ),
        (
            "unknown type",
            changed(|v| v["signal_type"] = json!("hunch")),
            RefusalCode::UnknownSignalType,
        ),
        (
            "another inner asset",
            changed(|v| v["metadata"]["financial_asset"] = json!("ETH/USD")),
            RefusalCode::AssetMismatch,
        ),
        (
            "a malformed symbol",
            changed(|v| v["financial_asset"] = json!("btc usd")),
            RefusalCode::UnknownSymbol,
        ),
        (
            "a broken time",
            changed(|v| v["timestamp"] = json!("soon")),
            RefusalCode::WrongType,
        ),
        (
            "a broken agent",
            changed(|v| v["agent"] = json!({"id": 5})),
            RefusalCode::WrongType,
        ),
        (
            "a long text",
            changed(|v| v["narrative_id"] = json!("x".repeat(600))),
            RefusalCode::OutOfRange,
        ),
    ];
    for (name, payload, expected) in cases {
        assert_eq!(refusal_of(&payload), expected, "{name}");
    }
}

#[test]
fn each_required_field_is_missed_by_name() {
    let outer = [
        "timestamp",
        "narrative_id",
        "financial_asset",
        "signal_type",
        "strength",
        "expected_profit",
        "risk_score",
        "metadata",
    ];
    let inner = [
        "agent_name",
        "financial_asset",
        "direction",
        "size",
        "expected_profit",
        "risk_score",
    ];
    let cases = outer.iter().map(|field| (None, *field));
    let cases = cases.chain(inner.iter().map(|field| (Some("metadata"), *field)));
    for (parent, field) in cases {
        let payload = changed(|value| {
            let object = match parent {
                Some(parent) => value[parent].as_object_mut(),
                None => value.as_object_mut(),
            };
            object.unwrap().remove(field);
        });
        let refusal = parse_signal(&payload).expect_err(field);
        assert_eq!(refusal.code, RefusalCode::MissingField, "{field}");
        assert!(refusal.detail.contains(field), "{refusal}");
    }
}

#[test]
fn the_schema_in_the_repository_is_the_types_schema() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/schema/arbitrage-signal.v1.schema.json"
    );
    let generated = serde_json::to_string_pretty(&signal_schema()).unwrap() + "\n";
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == generated,
        "docs/schema is stale; write it anew with: rawe schema > {path}\n{generated}"
    );
}

#[test]
fn the_schema_requires_exactly_the_original_eight_fields() {
    let schema = signal_schema();
    let mut required: Vec<&str> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    required.sort_unstable();
    assert_eq!(
        required,
        [
            "expected_profit",
            "financial_asset",
            "metadata",
            "narrative_id",
            "risk_score",
            "signal_type",
            "strength",
            "timestamp"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _refused_or_not = parse_signal(&payload);
    }

    #[test]
    fn damaged_messages_never_panic(
        at in 0..CURRENT.len(),
        byte in any::<u8>(),
        cut in 0..CURRENT.len(),
    ) {
        let mut damaged = CURRENT.as_bytes().to_vec();
        damaged[at] = byte;
        let _refused_or_not = parse_signal(&damaged);
        damaged.truncate(cut);
        let _refused_or_not = parse_signal(&damaged);
    }

    #[test]
    fn a_message_says_the_same_in_other_words(
        at in 0..CURRENT.len(),
        byte in any::<u8>(),
    ) {
        // Written anew by a JSON library, whatever is JSON means the same: other spaces, another
        // order of fields, other escapes, of a repeated field the last.
        let mut damaged = CURRENT.as_bytes().to_vec();
        damaged[at] = byte;
        if let Ok(value) = serde_json::from_slice::<Value>(&damaged) {
            let anew = serde_json::to_vec_pretty(&value).unwrap();
            let code = |result: Result<_, rawe_core::Refusal>| result.map_err(|r| r.code);
            prop_assert_eq!(code(parse_signal(&damaged)), code(parse_signal(&anew)));
        } else {
            prop_assert!(parse_signal(&damaged).is_err());
        }
    }

    #[test]
    fn a_vote_is_the_signal_without_its_evidence(
        at in 0..CURRENT.len(),
        byte in any::<u8>(),
    ) {
        let mut damaged = CURRENT.as_bytes().to_vec();
        damaged[at] = byte;
        match (parse_signal(&damaged), parse_vote(&damaged)) {
            (Ok(mut signal), vote) => {
                signal.metadata.metadata.clear();
                prop_assert_eq!(vote, Ok(signal));
            }
            // Only what nobody reads of the evidence may be wrong.
            (Err(_), Ok(_)) => {
                let inside = CURRENT.rfind("\"metadata\":").is_some_and(|from| at > from);
                prop_assert!(inside, "damaged at {}", at);
            }
            (Err(whole), Err(vote)) => prop_assert_eq!(whole.code, vote.code),
        }
    }

    #[test]
    fn what_is_accepted_is_in_range(strength in any::<f64>(), size in any::<f64>()) {
        let payload = changed(|value| {
            value["strength"] = json!(strength);
            value["metadata"]["size"] = json!(size);
        });
        if let Ok(signal) = parse_signal(&payload) {
            prop_assert!((0.0..=1.0).contains(&signal.strength));
            prop_assert!(signal.metadata.size > 0.into());
            let written = serde_json::to_vec(&signal).unwrap();
            let _reread: ArbitrageSignal = serde_json::from_slice(&written).unwrap();
        }
    }
}
