//! Signed votes: who must sign, what is refused, and that nothing captured counts twice.

use std::collections::BTreeSet;

use rawe_consensus::{Admission, ConsensusConfig, Reception, Universe};
use rawe_core::signing::{Authentication, Binding, PublicKey, SigningKey, sign};
use rawe_core::{AgentId, RefusalCode as C, Roster, Timestamp};
use serde_json::{Value, json};

use crate::scenery::{at, start};

const AGENT: &str = "flux-follower";
const CHANNEL: &str = "rawe_collective_signals";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn binding() -> Binding {
    Binding::new("prod", CHANNEL)
}

/// The engine, which began to listen at the start of the scenery.
fn admission(auth: Authentication, keys: &[PublicKey]) -> Admission {
    listening_since(auth, keys, start())
}

fn listening_since(auth: Authentication, keys: &[PublicKey], since: Timestamp) -> Admission {
    let mut roster = Roster::default();
    for (place, agent) in roster.0.iter_mut().enumerate() {
        if agent.id.as_str() == AGENT {
            agent.public_keys = keys.to_vec();
        } else if auth == Authentication::Required {
            agent.public_key = Some(key(100 + u8::try_from(place).unwrap()).public().clone());
        }
    }
    let config = ConsensusConfig {
        auth,
        operator_keys: vec![key(99).public().clone()],
        ..ConsensusConfig::default()
    };
    Admission::new(config.check(&roster).unwrap(), roster).bound_to(binding(), since)
}

fn vote(agent: &str, boot: &str, sequence: u64, seconds: i64) -> Value {
    json!({
        "timestamp": at(seconds), "narrative_id": "story", "financial_asset": "AAPL",
        "signal_type": "narrative_leads", "strength": 0.5, "expected_profit": 10.0,
        "risk_score": 0.2, "ttl_ms": 60_000, "a field of tomorrow": [1e21, null, "\u{20ac}"],
        "agent": {"id": agent, "boot_id": boot, "sequence": sequence},
        "metadata": {
            "agent_name": "The Flux Follower", "financial_asset": "AAPL", "direction": "long",
            "size": 100.0, "expected_profit": 10.0, "risk_score": 0.2,
        },
    })
}

fn signed(vote: &Value, key: &SigningKey, binding: &Binding) -> Vec<u8> {
    sign(&serde_json::to_vec(vote).unwrap(), key, binding).unwrap()
}

fn send(admission: &mut Admission, payload: &[u8], seconds: i64) -> Result<(), C> {
    let nobody = BTreeSet::<AgentId>::new();
    let reception = Reception {
        now: at(seconds),
        virtual_clock: false,
        alive: &nobody,
        universe: Universe::Inside,
    };
    let checked = admission.read(payload).map_err(|refusal| refusal.code)?;
    let vote = admission.admit(&checked, reception);
    vote.map(drop).map_err(|refusal| refusal.code)
}

/// A name, the mode, the agent's keys, what is sent, and what comes of it.
type Case<'a> = (
    &'a str,
    Authentication,
    &'a [PublicKey],
    &'a [u8],
    Result<(), C>,
);

#[test]
fn each_mode_demands_what_it_says() {
    use Authentication::{Off, Optional, Required};
    let own = key(1).public().clone();
    let plain = serde_json::to_vec(&vote(AGENT, "b", 1, 0)).unwrap();
    let good = signed(&vote(AGENT, "b", 1, 0), &key(1), &binding());
    let forged = signed(&vote(AGENT, "b", 1, 0), &key(2), &binding());
    let mut nameless = vote(AGENT, "b", 1, 0);
    nameless.as_object_mut().unwrap().remove("agent");
    let nameless = signed(&nameless, &key(1), &binding());
    let stranger = signed(&vote("mallory", "b", 1, 0), &key(1), &binding());
    let keys = std::slice::from_ref(&own);
    let cases: [Case<'_>; 12] = [
        ("off, plain", Off, keys, &plain, Ok(())),
        ("off, forged", Off, keys, &forged, Ok(())),
        ("optional, no key, plain", Optional, &[], &plain, Ok(())),
        ("optional, no key, signed", Optional, &[], &good, Ok(())),
        (
            "optional, a key, plain",
            Optional,
            keys,
            &plain,
            Err(C::Unsigned),
        ),
        ("optional, a key, signed", Optional, keys, &good, Ok(())),
        ("required, plain", Required, keys, &plain, Err(C::Unsigned)),
        ("required, signed", Required, keys, &good, Ok(())),
        (
            "required, forged",
            Required,
            keys,
            &forged,
            Err(C::UnknownKey),
        ),
        (
            "required, no agent",
            Required,
            keys,
            &nameless,
            Err(C::Unsigned),
        ),
        (
            "optional, no agent",
            Optional,
            keys,
            &nameless,
            Err(C::Unsigned),
        ),
        (
            "required, a stranger",
            Required,
            keys,
            &stranger,
            Err(C::NotOnRoster),
        ),
    ];
    for (name, auth, keys, payload, expected) in cases {
        let mut admission = admission(auth, keys);
        assert_eq!(send(&mut admission, payload, 1), expected, "{name}");
        assert!(admission.counts().balances(), "{name}");
        assert_eq!(admission.counts().received, 1, "{name}");
    }
}

#[test]
fn a_key_speaks_for_its_owner_only() {
    let other = key(100);
    let mut admission = admission(Authentication::Required, &[key(1).public().clone()]);
    let payload = signed(&vote(AGENT, "b", 1, 0), &other, &binding());
    assert_eq!(send(&mut admission, &payload, 0), Err(C::UnknownKey));
    let payload = signed(&vote("alpha-aggressor", "b", 1, 0), &other, &binding());
    assert_eq!(send(&mut admission, &payload, 0), Ok(()));
}

#[test]
fn what_was_captured_counts_nowhere_else_and_never_again() {
    let keys = [key(1).public().clone()];
    let payload = signed(&vote(AGENT, "b", 7, 0), &key(1), &binding());
    let mut engine = admission(Authentication::Required, &keys);
    assert_eq!(send(&mut engine, &payload, 1), Ok(()));
    assert_eq!(
        send(&mut engine, &payload, 2),
        Err(C::ReplayedSequence),
        "again"
    );
    let mut restarted = listening_since(Authentication::Required, &keys, at(1));
    let again = send(&mut restarted, &payload, 2);
    assert_eq!(again, Err(C::ReplayedSequence), "after a restart");
    let mut late = admission(Authentication::Required, &keys);
    assert_eq!(
        send(&mut late, &payload, 61),
        Err(C::Stale),
        "after its time to live"
    );
    for elsewhere in [Binding::new("test", CHANNEL), Binding::new("prod", "other")] {
        let payload = signed(&vote(AGENT, "b", 7, 0), &key(1), &elsewhere);
        let mut engine = admission(Authentication::Required, &keys);
        assert_eq!(
            send(&mut engine, &payload, 1),
            Err(C::BadSignature),
            "{elsewhere:?}"
        );
    }
}

#[test]
fn a_forgotten_start_does_not_come_back() {
    let mut admission = admission(Authentication::Required, &[key(1).public().clone()]);
    let payload = |boot: usize, second| {
        let vote = vote(AGENT, &format!("boot-{boot}"), 1, second);
        signed(&vote, &key(1), &binding())
    };
    let first = payload(0, 0);
    assert_eq!(send(&mut admission, &first, 0), Ok(()));
    for boot in 1..20 {
        let second = i64::try_from(boot).unwrap();
        assert_eq!(send(&mut admission, &payload(boot, second), second), Ok(()));
    }
    assert_eq!(send(&mut admission, &first, 20), Err(C::ReplayedSequence));
}

#[test]
fn an_engine_that_does_not_know_where_it_is_takes_nothing() {
    let roster = Roster(vec![{
        let mut agent = Roster::default().0.remove(2);
        agent.public_key = Some(key(1).public().clone());
        agent
    }]);
    let config = ConsensusConfig {
        auth: Authentication::Optional,
        ..ConsensusConfig::default()
    };
    let mut admission = Admission::new(config.check(&roster).unwrap(), roster);
    let payload = signed(&vote(AGENT, "b", 1, 0), &key(1), &binding());
    assert_eq!(send(&mut admission, &payload, 0), Err(C::BadSignature));
}

#[test]
fn old_and_new_keys_are_good_side_by_side() {
    let keys = [key(1).public().clone(), key(2).public().clone()];
    let mut admission = admission(Authentication::Required, &keys);
    for (seed, sequence, expected) in [(1, 1, Ok(())), (2, 2, Ok(())), (3, 3, Err(C::UnknownKey))] {
        let payload = signed(&vote(AGENT, "b", sequence, 0), &key(seed), &binding());
        assert_eq!(send(&mut admission, &payload, 0), expected, "key {seed}");
    }
}

#[test]
fn stances_are_signed_by_those_who_sign_votes() {
    let stances = json!({
        "timestamp": at(0), "scan_secs": 3_600, "stances": [],
        "agent": {"id": AGENT, "boot_id": "b", "sequence": 1},
    });
    let plain = serde_json::to_vec(&stances).unwrap();
    let good = signed(&stances, &key(1), &binding().on("rawe:stances"));
    let as_a_vote = signed(&stances, &key(1), &binding());
    let keys = [key(1).public().clone()];
    let cases = [
        (Authentication::Off, &plain, None),
        (Authentication::Required, &good, None),
        (Authentication::Required, &plain, Some(C::Unsigned)),
        (Authentication::Required, &as_a_vote, Some(C::BadSignature)),
    ];
    for (auth, payload, expected) in cases {
        let read = admission(auth, &keys).read_stances(payload);
        assert_eq!(read.err().map(|refusal| refusal.code), expected, "{auth:?}");
    }
}

#[test]
fn keys_that_lock_out_or_are_shared_are_problems() {
    let problems = |auth, operators: &[u8], voters: &[(usize, u8)]| {
        let mut roster = Roster::default();
        for (place, seed) in voters {
            roster.0[*place]
                .public_keys
                .push(key(*seed).public().clone());
        }
        let operator_keys = operators.iter().map(|seed| key(*seed).public().clone());
        let config = ConsensusConfig {
            auth,
            operator_keys: operator_keys.collect(),
            ..ConsensusConfig::default()
        };
        config.check(&roster).err().unwrap_or_default().len()
    };
    let all = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)];
    assert_eq!(problems(Authentication::Required, &[9], &all), 0);
    assert_eq!(problems(Authentication::Required, &[], &all), 1);
    assert_eq!(problems(Authentication::Required, &[9], &all[1..]), 1);
    assert_eq!(problems(Authentication::Optional, &[], &[]), 0);
    assert_eq!(
        problems(Authentication::Optional, &[], &[(0, 1), (1, 1)]),
        1
    );
    assert_eq!(problems(Authentication::Off, &[1], &[(0, 1)]), 1);
}
