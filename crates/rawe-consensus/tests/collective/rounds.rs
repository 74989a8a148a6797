//! How rounds end: one case per outcome, and what the record says.

use chrono::TimeDelta;
use rawe_consensus::{
    AssetFacts, CloseMode, ConsensusConfig, Event, MarketHours, TieBreak, Trading,
};
use rawe_core::decision::Absence;
use rawe_core::{Purpose, RoundOutcome};
use rust_decimal::Decimal;

use crate::scenery::*;

#[test]
fn the_kth_agreeing_vote_decides_early_and_the_rest_come_late() {
    let mut scene = Scene::new("AAPL");
    assert!(scene.vote(0, LONG).is_empty());
    assert!(scene.vote(1, LONG).is_empty());
    let effects = scene.vote(2, LONG);
    let proposal = order(&effects);
    assert_eq!(
        (proposal.purpose, proposal.direction),
        (Purpose::Open, LONG)
    );
    assert_eq!(proposal.record.outcome, RoundOutcome::Opened);
    assert_eq!(proposal.record.notional, Some(Decimal::from(200)));
    assert_eq!(proposal.void_after, scene.now() + TimeDelta::seconds(60));
    assert!(scene.vote(3, LONG).is_empty());
    assert!(scene.vote(4, SHORT).is_empty());
    assert_eq!(scene.consensus.counts().late, 2);
    assert!(
        records(&scene.tick_at(60)).is_empty(),
        "one record per round"
    );
}

#[test]
fn two_votes_are_no_quorum_and_the_timer_says_so() {
    let mut scene = Scene::new("AAPL");
    scene.stance(2, None);
    scene.stance(3, Some(LONG));
    scene.votes(&[0, 1], LONG);
    scene.alive(&[0, 1, 2, 3]);
    assert_eq!(scene.consensus.next_deadline(), Some(at(10)));
    assert!(scene.tick_at(9).is_empty());
    let effects = scene.tick_at(10);
    let record = record(&effects);
    assert_eq!(record.outcome, RoundOutcome::NoQuorum);
    assert_eq!(record.direction, Some(LONG));
    assert_eq!(
        record.reason,
        "2 of 5 voted long, 0 against, and 3 must agree"
    );
    assert_eq!(record.absences[&agent(2)], Absence::Abstained);
    assert_eq!(
        record.absences[&agent(3)],
        Absence::Silent,
        "a view, but no vote"
    );
    assert_eq!(record.absences[&agent(4)], Absence::Dead);
    assert_eq!(scene.consensus.next_deadline(), None);
}

#[test]
fn one_agent_cannot_vote_thrice() {
    let mut scene = Scene::new("AAPL");
    for second in 0..5 {
        scene.seconds = second;
        assert!(scene.vote(0, LONG).is_empty());
    }
    assert!(scene.vote(1, LONG).is_empty());
    assert_eq!(scene.consensus.counts().repeated, 4);
    assert_eq!(record(&scene.tick_at(30)).outcome, RoundOutcome::NoQuorum);
}

#[test]
fn a_quorum_may_straddle_rounds_but_never_exceed_the_window() {
    for (third_at, decided) in [(14, true), (19, false)] {
        let mut scene = Scene::new("AAPL");
        scene.vote(4, LONG);
        scene.seconds = 8;
        scene.vote(0, LONG);
        scene.tick_at(11);
        scene.seconds = 12;
        scene.vote(1, LONG);
        scene.seconds = third_at;
        let effects = scene.vote(2, LONG);
        assert_eq!(!effects.is_empty(), decided, "third vote at {third_at}");
    }
}

#[test]
fn dissent_shrinks_the_size_and_dissenters_sizes_do_not_count() {
    let mut scene = Scene::paced("AAPL");
    scene.votes(&[0, 1, 2], LONG);
    scene.votes(&[4], SHORT);
    let effects = scene.tell(Event::InstantComplete);
    let record = record(&effects);
    // Mean of 100, 200 and 300, times (3 - 1) / 4.
    assert_eq!(record.notional, Some(Decimal::from(100)));
    assert_eq!(record.expected_profit, Some(20.0));
    assert_eq!(record.votes.len(), 4);
    assert_eq!(record.absences.len(), 1);
}

#[test]
fn an_agent_that_votes_both_ways_is_evidence_for_each_and_reported() {
    let mut scene = Scene::new("AAPL");
    scene.vote(0, SHORT);
    scene.votes(&[0, 1], LONG);
    assert!(
        scene.vote(2, LONG).is_empty(),
        "the shorts could still become three"
    );
    let effects = scene.tick_at(10);
    let record = record(&effects);
    assert_eq!(record.outcome, RoundOutcome::Opened);
    assert_eq!(record.equivocated, vec![agent(0)]);
    // Mean of 100, 200, 300, times (3 - 1) / 3.
    assert_eq!(record.notional, Some("133.33".parse().unwrap()));
}

#[test]
fn both_sides_with_a_quorum_conflict_unless_profit_breaks_the_tie() {
    for (tie_break, outcome) in [
        (TieBreak::Skip, RoundOutcome::Conflict),
        (TieBreak::ExpectedProfit, RoundOutcome::Opened),
    ] {
        let config = ConsensusConfig {
            quorum: Some(2),
            allow_minority: true,
            tie_break,
            ..ConsensusConfig::default()
        };
        let mut scene = Scene::with(&config, "AAPL");
        assert!(
            scene.votes(&[0, 1], LONG).is_empty(),
            "a minority waits for the timer"
        );
        scene.votes(&[2, 3, 4], SHORT);
        let effects = scene.tick_at(10);
        assert_eq!(record(&effects).outcome, outcome);
        if tie_break == TieBreak::ExpectedProfit {
            assert_eq!(record(&effects).direction, Some(SHORT));
            assert_eq!(record(&effects).notional, Some(Decimal::from(80)));
        }
    }
}

/// A quorum of three for `asset` after `prepare`; the outcome of its round.
fn outcome_after(asset: &str, prepare: impl FnOnce(&mut Scene)) -> RoundOutcome {
    let mut scene = Scene::new(asset);
    prepare(&mut scene);
    scene.seconds += 30;
    let effects = scene.votes(&[0, 1, 2], LONG);
    record(&effects).outcome
}

fn refused(scene: &mut Scene) {
    scene.votes(&[0, 1, 2], LONG);
    let asset = scene.asset.clone();
    scene.tell(Event::OrderRefused {
        asset,
        purpose: Purpose::Open,
    });
}

#[test]
fn what_was_done_before_stands_in_the_way() {
    use RoundOutcome as O;
    assert_eq!(outcome_after("AAPL", |_| {}), O::Opened);
    assert_eq!(
        outcome_after("AAPL", |scene| scene.open(LONG)),
        O::AlreadyHeld
    );
    let held_short = |scene: &mut Scene| {
        scene.open(SHORT);
        scene.seconds = hours(1);
    };
    assert_eq!(outcome_after("AAPL", held_short), O::MinHold);
    let under_way = |scene: &mut Scene| {
        scene.votes(&[0, 1, 2], LONG);
    };
    assert_eq!(outcome_after("AAPL", under_way), O::InFlight);
    for (hours_since, outcome) in [(3, O::CoolDown), (4, O::Opened)] {
        let closed = |scene: &mut Scene| {
            scene.open(LONG);
            scene.fill(Purpose::Close);
            scene.seconds = hours(hours_since);
        };
        assert_eq!(
            outcome_after("AAPL", closed),
            outcome,
            "{hours_since} hours after"
        );
    }
    for (seconds, outcome) in [(500, O::RetryWait), (600, O::Opened)] {
        let refused = |scene: &mut Scene| {
            refused(scene);
            scene.seconds = seconds;
        };
        assert_eq!(outcome_after("AAPL", refused), outcome, "{seconds} s after");
    }
}

#[test]
fn what_is_known_of_the_world_stands_in_the_way() {
    use RoundOutcome as O;
    let gap = Event::BusGap {
        from: at(25),
        through: at(35),
    };
    let old_gap = Event::BusGap {
        from: at(-5),
        through: at(5),
    };
    let closed = MarketHours {
        is_open: false,
        until: at(hours(1)),
    };
    let outdated = MarketHours {
        is_open: true,
        until: at(29),
    };
    let cases = [
        ("a gap in the bus", "AAPL", gap, O::BusGap),
        ("a gap before the votes", "AAPL", old_gap, O::Opened),
        (
            "the session is closed",
            "AAPL",
            Event::Market(Some(closed)),
            O::MarketClosed,
        ),
        (
            "what was known is outdated",
            "AAPL",
            Event::Market(Some(outdated)),
            O::MarketClosed,
        ),
        (
            "the clock is unknown",
            "AAPL",
            Event::Market(None),
            O::MarketClosed,
        ),
        (
            "crypto needs no session",
            "BTC/USD",
            Event::Market(None),
            O::Opened,
        ),
        (
            "reducing",
            "AAPL",
            Event::Trading(Trading::Reducing),
            O::Halted,
        ),
        ("halted", "AAPL", Event::Trading(Trading::Halted), O::Halted),
        (
            "not tradable any more",
            "AAPL",
            Event::Asset(symbol("AAPL"), None),
            O::NotTradable,
        ),
    ];
    for (name, asset, event, expected) in cases {
        let prepare = |scene: &mut Scene| {
            scene.tell(event);
        };
        assert_eq!(outcome_after(asset, prepare), expected, "{name}");
    }
}

#[test]
fn what_cannot_be_shorted_is_not_and_dust_is_not_ordered() {
    let facts = AssetFacts {
        tradable: true,
        shortable: false,
    };
    let mut scene = Scene::new("BTC/USD");
    let effects = scene.votes(&[0, 1, 2], SHORT);
    assert_eq!(record(&effects).outcome, RoundOutcome::NotShortable);
    let config = ConsensusConfig {
        notional_min: Decimal::from(500),
        ..ConsensusConfig::default()
    };
    let mut scene = Scene::with(&config, "AAPL");
    scene.tell(Event::Asset(symbol("AAPL"), Some(facts)));
    let effects = scene.votes(&[0, 1, 2], LONG);
    assert_eq!(record(&effects).outcome, RoundOutcome::TooSmall);
}

#[test]
fn a_foreign_position_is_never_touched() {
    let mut scene = Scene::new("AAPL");
    scene.tell(Event::PositionObserved {
        asset: symbol("AAPL"),
        position: Some(rawe_consensus::ObservedPosition {
            direction: SHORT,
            opened_at: at(-hours(100)),
            agreeing: std::collections::BTreeSet::new(),
            ours: false,
        }),
        last_fill: None,
    });
    let effects = scene.votes(&[0, 1, 2], LONG);
    assert_eq!(record(&effects).outcome, RoundOutcome::AlreadyHeld);
}

#[test]
fn three_positions_an_hour_are_opened_the_most_promising_first() {
    let mut scene = Scene::paced("AAPL");
    let assets = ["AAPL", "BAC", "CAT", "DIS", "EBAY"];
    for (n, asset) in assets.iter().enumerate() {
        let facts = AssetFacts {
            tradable: true,
            shortable: true,
        };
        scene.tell(Event::Asset(symbol(asset), Some(facts)));
        scene.asset = symbol(asset);
        // The mean profit rises with the place of the third voter.
        scene.votes(&[0, 1, if n < 2 { 2 } else { n }], LONG);
    }
    let effects = scene.tell(Event::InstantComplete);
    let opened: Vec<&str> = records(&effects)
        .iter()
        .filter(|record| record.outcome == RoundOutcome::Opened)
        .map(|record| record.asset.as_str())
        .collect();
    assert_eq!(opened, ["EBAY", "DIS", "AAPL"]);
    let capped = records(&effects)
        .iter()
        .filter(|record| record.outcome == RoundOutcome::CapNewPositions)
        .count();
    assert_eq!(capped, 2);
    scene.seconds = hours(1);
    scene.asset = symbol("BAC");
    scene.votes(&[0, 1, 2], LONG);
    let effects = scene.tell(Event::InstantComplete);
    assert_eq!(
        record(&effects).outcome,
        RoundOutcome::Opened,
        "an hour later"
    );
}

#[test]
fn too_few_voices_are_said_loudly_and_in_the_record() {
    let mut scene = Scene::new("AAPL");
    assert_eq!(
        scene.alive(&[0, 1]),
        vec![rawe_consensus::Effect::CannotTrade { able: 2, quorum: 3 }]
    );
    assert!(scene.alive(&[0, 1]).is_empty(), "said once");
    scene.votes(&[0, 1], LONG);
    assert_eq!(
        record(&scene.tick_at(10)).outcome,
        RoundOutcome::TooFewAlive
    );
    assert_eq!(
        scene.alive(&[0, 1, 2]),
        vec![rawe_consensus::Effect::CanTrade { able: 3 }]
    );
}

#[test]
fn complete_rounds_wait_for_the_instant_even_when_live() {
    let config = ConsensusConfig {
        close: Some(CloseMode::Complete),
        ..ConsensusConfig::default()
    };
    let mut scene = Scene::with(&config, "AAPL");
    assert!(scene.votes(&[0, 1, 2, 3], LONG).is_empty());
    let effects = scene.tick_at(10);
    assert_eq!(record(&effects).votes.len(), 4);
}

#[test]
fn a_change_of_clock_ends_open_rounds() {
    let mut scene = Scene::new("AAPL");
    scene.votes(&[0, 1], LONG);
    scene.seconds = -hours(100_000);
    let effects = scene.tell(Event::Paced(true));
    assert_eq!(record(&effects).outcome, RoundOutcome::NoQuorum);
    assert_eq!(scene.consensus.next_deadline(), None);
}
