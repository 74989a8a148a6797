//! Signatures: the vectors shared with Python, and that nothing but the very message passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test says where"
)]

use std::process::Command;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use rawe_core::signing::canonical::{CanonicalError, canonical_json};
use rawe_core::signing::{Binding, KeyError, PublicKey, SigningKey, sign, signed_bytes, verify};
use rawe_core::{Refusal, RefusalCode};
use serde::Deserialize;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/vectors/signatures.json");
const VOTE: &str = include_str!("golden/signal_v1.json");

#[derive(Deserialize)]
struct Vectors {
    canonical: Vec<CanonicalSample>,
    numbers: Vec<(String, String)>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct CanonicalSample {
    name: String,
    text: String,
    canonical: String,
}

#[derive(Deserialize)]
struct Message {
    name: String,
    text: String,
    public_keys: Vec<PublicKey>,
    deployment: String,
    channel: String,
    verdict: String,
    seed: Option<String>,
    signed_text: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn binding() -> Binding {
    Binding::new("prod", "votes")
}

fn code(result: Result<(), Refusal>) -> Option<RefusalCode> {
    result.err().map(|refusal| refusal.code)
}

#[test]
fn the_canonical_form_is_the_one_of_the_rfc() {
    for case in vectors().canonical {
        let found = match canonical_json(case.text.as_bytes()) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(CanonicalError::NotJson(_)) => "NOT_JSON".to_owned(),
            Err(CanonicalError::DuplicateField(_)) => "DUPLICATE_FIELD".to_owned(),
            Err(_) => "OUT_OF_RANGE".to_owned(),
        };
        assert_eq!(found, case.canonical, "{}", case.name);
    }
}

#[test]
fn numbers_are_written_as_ecmascript_does() {
    let numbers = vectors().numbers;
    assert!(numbers.len() > 200);
    for (bits, expected) in numbers {
        let number = f64::from_bits(u64::from_str_radix(&bits, 16).unwrap());
        for text in [format!("{number:e}"), format!("{number}"), expected.clone()] {
            let found = canonical_json(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{text}");
        }
    }
}

#[test]
fn messages_are_judged_as_python_judges_them() {
    for case in vectors().messages {
        let binding = Binding::new(case.deployment, case.channel);
        let verdict = verify(case.text.as_bytes(), &case.public_keys, &binding);
        let found = verdict.map_or_else(|refusal| refusal.code.to_string(), |()| "OK".to_owned());
        assert_eq!(found, case.verdict, "{}", case.name);
        let Some((seed, text)) = case.seed.zip(case.signed_text) else {
            continue;
        };
        let bytes = signed_bytes(case.text.as_bytes(), &binding).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), text, "{}", case.name);
        let seed = HEXLOWER.decode(seed.as_bytes()).unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap()).unwrap();
        let mut value: Value = serde_json::from_str(&case.text).unwrap();
        let theirs = value.as_object_mut().unwrap().remove("signature").unwrap();
        let ours = sign(&serde_json::to_vec(&value).unwrap(), &key, &binding).unwrap();
        let ours: Value = serde_json::from_slice(&ours).unwrap();
        assert_eq!(ours["signature"], theirs, "{}", case.name);
    }
}

#[test]
fn python_agrees_with_the_vectors() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");
    let run = Command::new("python3")
        .arg(format!("{tests}/verify_signatures.py"))
        .arg(format!("{tests}/vectors/signatures.json"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    match run {
        Ok(run) => {
            let said = String::from_utf8_lossy(&run.stdout);
            let failed = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{said}{failed}");
            assert!(said.contains(", 0 problems"), "{said}");
        }
        Err(error) => eprintln!("SKIPPED: no python3 here ({error}); the vectors stay unchecked"),
    }
}

#[test]
fn keys_are_read_as_they_are_written() {
    let pem = SigningKey::pem_of_seed(&[7; 32]);
    let read = SigningKey::from_pem(&pem).unwrap();
    assert_eq!(read.public(), key(7).public());
    assert!(!format!("{read:?}").contains(&pem[30..60]));
    let text = read.public().to_string();
    assert_eq!(
        &PublicKey::parse(&format!(" {text}\n")).unwrap(),
        read.public()
    );
    assert_eq!(read.public().id().len(), 16);
    for bad in ["", "x", &text[1..], &format!("{text}{text}")] {
        assert_eq!(PublicKey::parse(bad), Err(KeyError::Public), "{bad}");
    }
    for bad in [
        "",
        &text,
        &pem[..60],
        &pem.replace('A', "B"),
        &pem.replace("PRIVATE", "PUBLIC"),
    ] {
        assert_eq!(
            SigningKey::from_pem(bad).err(),
            Some(KeyError::Private),
            "{bad}"
        );
    }
}

#[test]
fn a_message_is_signed_once_and_keeps_its_bytes() {
    let signed = sign(VOTE.as_bytes(), &key(1), &binding()).unwrap();
    assert!(signed.starts_with(VOTE.trim_end().trim_end_matches('}').as_bytes()));
    assert!(
        rawe_core::parse_signal(&signed)
            .unwrap()
            .signature
            .is_some()
    );
    let keys = [key(1).public().clone()];
    assert_eq!(code(verify(&signed, &keys, &binding())), None);
    for bad in [
        &signed[..],
        b"[]",
        b"{",
        b"{\"channel\":1}",
        b"{\"a\":1,\"a\":1}",
        b"\xff",
    ] {
        assert!(sign(bad, &key(1), &binding()).is_err());
    }
    let empty = sign(b" { } ", &key(1), &binding()).unwrap();
    assert_eq!(code(verify(&empty, &keys, &binding())), None);
    let unsigned = verify(VOTE.as_bytes(), &keys, &binding());
    assert_eq!(code(unsigned), Some(RefusalCode::Unsigned));
}

#[test]
fn what_is_nested_too_deep_is_refused_without_harm() {
    for (levels, is_good) in [(30, true), (40, false), (30_000, false)] {
        let text = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(
            canonical_json(text.as_bytes()).is_ok(),
            is_good,
            "{levels} levels"
        );
    }
}

/// The meaning of a signed message: what is signed, and the signature.
fn meaning(payload: &[u8]) -> Option<(Vec<u8>, Value)> {
    let bytes = signed_bytes(payload, &binding()).ok()?;
    let value: Value = serde_json::from_slice(payload).ok()?;
    Some((bytes, value["signature"].clone()))
}

#[test]
fn every_changed_byte_that_changes_the_meaning_is_refused() {
    let signed = sign(VOTE.as_bytes(), &key(1), &binding()).unwrap();
    let keys = [key(1).public().clone()];
    let original = meaning(&signed);
    let mut refused = 0;
    for place in 0..signed.len() {
        // Each byte once, by a bit that moves with the place; the properties do the rest.
        let mut changed = signed.clone();
        changed[place] ^= 1 << (place % 8);
        let verdict = verify(&changed, &keys, &binding());
        refused += usize::from(verdict.is_err());
        assert_eq!(
            verdict.is_ok(),
            meaning(&changed) == original,
            "byte {place}"
        );
    }
    assert!(
        refused * 10 > signed.len() * 8,
        "{refused} of {}",
        signed.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn changed_messages_are_refused_and_nothing_panics(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let signed = sign(VOTE.as_bytes(), &key(1), &binding()).unwrap();
        let keys = [key(1).public().clone()];
        let mut changed = signed.clone();
        changed[place.index(signed.len())] = byte;
        let is_good = verify(&changed, &keys, &binding()).is_ok();
        prop_assert_eq!(is_good, meaning(&changed) == meaning(&signed));
        changed.truncate(cut.index(signed.len()));
        prop_assert!(verify(&changed, &keys, &binding()).is_err());
    }

    #[test]
    fn rubbish_is_refused_and_nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "[\\[\\]{}\":,\\\\0-9eE.+\\-a-fntu \u{e9}]{0,80}",
    ) {
        let keys = [key(1).public().clone()];
        for payload in [&bytes[..], text.as_bytes()] {
            prop_assert!(verify(payload, &keys, &binding()).is_err());
            if let Ok(canonical) = canonical_json(payload) {
                prop_assert_eq!(canonical_json(&canonical).unwrap(), canonical);
            }
        }
    }

    #[test]
    fn another_key_deployment_or_channel_is_refused(seed in 2_u8.., name in "[a-z]{1,8}") {
        let signed = sign(VOTE.as_bytes(), &key(1), &binding()).unwrap();
        let own = [key(1).public().clone()];
        let other = [key(seed).public().clone()];
        prop_assert_eq!(code(verify(&signed, &other, &binding())), Some(RefusalCode::UnknownKey));
        for elsewhere in [binding().on(&name), Binding::new(name.clone(), "votes")] {
            prop_assume!(elsewhere != binding());
            let verdict = code(verify(&signed, &own, &elsewhere));
            prop_assert_eq!(verdict, Some(RefusalCode::BadSignature));
        }
    }
}
