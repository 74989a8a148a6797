//! The second edge: one case per refusal, and the balance of the counts.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::prelude::*;
use rawe_consensus::{Admission, ConsensusConfig, Reception, Universe, Vote};
use rawe_core::{
    AgentId, AgentRef, ArbitrageSignal, BootId, ProposedTrade, Refusal, RefusalCode, Roster,
    SignalType,
};
use rust_decimal::Decimal;

use crate::scenery::{LONG, at, start, symbol};

fn signal() -> ArbitrageSignal {
    ArbitrageSignal {
        timestamp: start(),
        narrative_id: "story".to_owned(),
        financial_asset: symbol("AAPL"),
        signal_type: SignalType::NarrativeLeads,
        strength: 0.5,
        expected_profit: 10.0,
        risk_score: 0.2,
        metadata: ProposedTrade {
            agent_name: "The Flux Follower".to_owned(),
            financial_asset: symbol("AAPL"),
            direction: LONG,
            size: Decimal::from(100),
            expected_profit: 10.0,
            risk_score: 0.2,
            timestamp: None,
            narrative_id: None,
            strategy: None,
            confidence: None,
            horizon_secs: None,
            metadata: serde_json::Map::new(),
        },
        version: 1,
        signal_id: None,
        agent: Some(reference("flux-follower", "boot", 1)),
        ttl_ms: Some(60_000),
        signature: None,
        timestamp_was_naive: false,
    }
}

fn reference(id: &str, boot: &str, sequence: u64) -> AgentRef {
    AgentRef {
        id: AgentId::new(id).unwrap(),
        boot_id: BootId::new(boot).unwrap(),
        sequence,
    }
}

fn original() -> ArbitrageSignal {
    ArbitrageSignal {
        agent: None,
        ttl_ms: None,
        ..signal()
    }
}

/// Sends a signal as its agent would: through the bytes.
fn send(
    admission: &mut Admission,
    signal: &ArbitrageSignal,
    reception: Reception<'_>,
) -> Result<Vote, Refusal> {
    let mut value = serde_json::to_value(signal).unwrap();
    if signal.timestamp_was_naive {
        let text = signal.timestamp.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
        value["timestamp"] = text.into();
    }
    let checked = admission.read(&serde_json::to_vec(&value).unwrap())?;
    admission.admit(&checked, reception)
}

fn admission() -> Admission {
    let roster = Roster::default();
    Admission::new(ConsensusConfig::default().check(&roster).unwrap(), roster)
}

fn reception(seconds: i64, alive: &BTreeSet<AgentId>) -> Reception<'_> {
    Reception {
        now: at(seconds),
        virtual_clock: false,
        alive,
        universe: Universe::Inside,
    }
}

#[test]
fn each_refusal_has_its_code() {
    use RefusalCode as C;
    type Change = fn(&mut ArbitrageSignal);
    let cases: [(&str, i64, Change, Option<RefusalCode>); 13] = [
        ("as it should be", 0, |_| {}, None),
        (
            "a stranger",
            0,
            |s| s.agent = Some(reference("mallory", "b", 1)),
            Some(C::NotOnRoster),
        ),
        ("within its time to live", 60, |_| {}, None),
        ("past its time to live", 61, |_| {}, Some(C::Stale)),
        (
            "without one the window counts",
            11,
            |s| s.ttl_ms = None,
            Some(C::Stale),
        ),
        (
            "an absurd one is cut",
            301,
            |s| s.ttl_ms = Some(u64::MAX),
            Some(C::Stale),
        ),
        ("two seconds ahead", -2, |_| {}, None),
        ("three seconds ahead", -3, |_| {}, Some(C::FromTheFuture)),
        (
            "too big",
            0,
            |s| s.metadata.size = Decimal::from(2_000_000),
            Some(C::SizeOverCap),
        ),
        ("original", 0, |s| s.agent = None, None),
        (
            "original, by a stranger",
            0,
            |s| {
                s.agent = None;
                s.metadata.agent_name = "Mallory".to_owned();
            },
            Some(C::NotOnRoster),
        ),
        ("original, late", 11, |s| s.agent = None, Some(C::Stale)),
        (
            "local time without an offset",
            7_200,
            |s| {
                s.agent = None;
                s.timestamp_was_naive = true;
            },
            Some(C::StaleSendUtc),
        ),
    ];
    let nobody = BTreeSet::new();
    for (name, seconds, change, code) in cases {
        let mut signal = signal();
        change(&mut signal);
        let result = send(&mut admission(), &signal, reception(seconds, &nobody));
        assert_eq!(result.err().map(|refusal| refusal.code), code, "{name}");
    }
}

#[test]
fn sequences_go_up_per_boot_and_gaps_are_counted() {
    let mut admission = admission();
    let nobody = BTreeSet::new();
    let mut admit = |boot, sequence| {
        let mut signal = signal();
        signal.agent = Some(reference("flux-follower", boot, sequence));
        send(&mut admission, &signal, reception(0, &nobody)).map_err(|refusal| refusal.code)
    };
    assert!(
        admit("b1", 5).is_ok(),
        "the first of a boot may have any number"
    );
    assert!(admit("b1", 8).is_ok());
    assert_eq!(admit("b1", 8), Err(RefusalCode::ReplayedSequence));
    assert_eq!(admit("b1", 6), Err(RefusalCode::ReplayedSequence));
    assert!(admit("b2", 1).is_ok());
    assert_eq!(admission.counts().sequence_gaps, 2);
}

#[test]
fn the_original_format_is_ordered_by_time_and_yields_to_the_living() {
    let mut admission = admission();
    let nobody = BTreeSet::new();
    let living: BTreeSet<AgentId> = [AgentId::new("flux-follower").unwrap()].into();
    let refused = |result: Result<_, Refusal>| result.err().map(|refusal: Refusal| refusal.code);
    let active = send(&mut admission, &original(), reception(0, &living));
    assert_eq!(refused(active.map(|_| ())), Some(RefusalCode::AgentActive));
    let first = send(&mut admission, &original(), reception(0, &nobody)).unwrap();
    assert!(first.original_format);
    let again = send(&mut admission, &original(), reception(1, &nobody));
    assert_eq!(
        refused(again.map(|_| ())),
        Some(RefusalCode::ReplayedSequence)
    );
    let mut other = original();
    other.financial_asset = symbol("MSFT");
    other.metadata.financial_asset = symbol("MSFT");
    assert!(
        send(&mut admission, &other, reception(1, &nobody)).is_ok(),
        "another asset"
    );
}

#[test]
fn under_a_virtual_clock_the_original_format_is_stamped() {
    let mut admission = admission();
    let nobody = BTreeSet::new();
    let virtual_clock = Reception {
        virtual_clock: true,
        ..reception(1_000_000, &nobody)
    };
    let mut naive = original();
    naive.timestamp_was_naive = true;
    let vote = send(&mut admission, &naive, virtual_clock).unwrap();
    assert_eq!(vote.vote.timestamp, at(1_000_000));
    assert_eq!(admission.counts().stamped, 1);
    let own = send(&mut admission, &signal(), virtual_clock);
    assert_eq!(
        own.unwrap_err().code,
        RefusalCode::Stale,
        "our own format is never stamped"
    );
}

#[test]
fn outside_the_universe_is_an_unknown_symbol() {
    let nobody = BTreeSet::new();
    let outside = Reception {
        universe: Universe::Outside,
        ..reception(0, &nobody)
    };
    let refusal = send(&mut admission(), &signal(), outside).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::UnknownSymbol);
}

proptest! {
    #[test]
    fn received_is_applied_plus_refused(
        messages in prop::collection::vec(
            (0_usize..7, 1_u64..20, -20_i64..400, any::<bool>(), any::<bool>(), any::<bool>()),
            0..200,
        )
    ) {
        let names = [
            "alpha-aggressor", "conservative-guardian", "flux-follower", "topological-observer",
            "balanced-arbitrator", "mallory", "eve",
        ];
        let alive: BTreeSet<AgentId> = [AgentId::new("alpha-aggressor").unwrap()].into();
        let mut admission = admission();
        let mut applied = 0;
        for (place, sequence, seconds, original, outside, unparsable) in &messages {
            if *unparsable {
                let refused = admission.read(b"rubbish").unwrap_err();
                prop_assert_eq!(refused.code, RefusalCode::NotJson);
                continue;
            }
            let mut signal = signal();
            signal.metadata.agent_name = names[*place].to_owned();
            signal.agent = (!original).then(|| reference(names[*place], "b", *sequence));
            signal.timestamp += TimeDelta::seconds(i64::try_from(*sequence).unwrap());
            let universe = if *outside { Universe::Outside } else { Universe::Inside };
            let reception = Reception { universe, ..reception(*seconds, &alive) };
            applied += u64::from(send(&mut admission, &signal, reception).is_ok());
        }
        let counts = admission.counts();
        prop_assert!(counts.balances());
        prop_assert_eq!(counts.received, messages.len() as u64);
        prop_assert_eq!(counts.applied, applied);
    }
}
