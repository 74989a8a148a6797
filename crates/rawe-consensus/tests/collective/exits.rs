//! How positions end: soft exits, opposing quorums, reversals, alarms.

use rawe_consensus::{Effect, Event, Trading};
use rawe_core::{Purpose, RoundOutcome};

use crate::scenery::*;

/// A collective that holds `asset` long by agents 0, 1 and 2, thirteen hours later.
fn holding(asset: &str) -> Scene {
    let mut scene = Scene::new(asset);
    for place in 0..3 {
        scene.stance(place, Some(LONG));
    }
    scene.open(LONG);
    scene.seconds = hours(13);
    scene
}

#[test]
fn the_position_is_left_when_every_agent_that_agreed_has_left_it() {
    let mut scene = holding("BTC/USD");
    scene.stance(0, None);
    scene.stance(1, Some(SHORT));
    scene.stance(2, Some(LONG));
    assert!(scene.tick_at(hours(13) + 10).is_empty(), "one still agrees");
    scene.seconds = hours(14);
    for place in 0..3 {
        scene.stance(place, None);
    }
    assert!(
        scene.tick_at(hours(14) + 9).is_empty(),
        "stances settle for one window"
    );
    assert_eq!(scene.consensus.next_deadline(), Some(at(hours(14) + 10)));
    let effects = scene.tick_at(hours(14) + 10);
    let proposal = order(&effects);
    assert_eq!(
        (proposal.purpose, proposal.direction),
        (Purpose::Close, LONG)
    );
    assert_eq!(proposal.record.outcome, RoundOutcome::Closed);
    assert!(
        scene.tick_at(hours(14) + 11).is_empty(),
        "closing is under way"
    );
    scene.fill(Purpose::Close);
    assert_eq!(scene.consensus.held_direction(&scene.asset), None);
}

#[test]
fn the_soft_exit_waits_for_the_minimum_hold() {
    let mut scene = Scene::paced("BTC/USD");
    scene.stance(0, Some(LONG));
    scene.open(LONG);
    scene.seconds = hours(1);
    for place in 0..3 {
        scene.stance(place, None);
    }
    assert!(scene.tell(Event::InstantComplete).is_empty());
    assert_eq!(scene.consensus.next_deadline(), Some(at(hours(12))));
    scene.seconds = hours(12);
    for place in 0..3 {
        scene.stance(place, None);
    }
    let effects = scene.tell(Event::InstantComplete);
    assert_eq!(order(&effects).purpose, Purpose::Close);
}

#[test]
fn one_unknown_stance_keeps_the_position_and_raises_one_alarm() {
    let mut scene = holding("BTC/USD");
    scene.stance(0, None);
    scene.stance(1, None);
    let effects = scene.tick_at(hours(13) + 10);
    assert_eq!(
        effects,
        vec![Effect::StanceAlarm {
            asset: symbol("BTC/USD"),
            agents: vec![agent(2)]
        }]
    );
    assert!(scene.tick_at(hours(13) + 20).is_empty(), "raised once");
    assert_eq!(scene.consensus.held_direction(&scene.asset), Some(LONG));
}

#[test]
fn agents_without_stances_are_ignored_once_a_quorum_has_them() {
    for (speakers, leaves) in [(vec![0, 1], false), (vec![0, 1, 4], true)] {
        let mut scene = Scene::new("BTC/USD");
        scene.open(LONG);
        scene.seconds = hours(13);
        for place in &speakers {
            scene.stance(*place, None);
        }
        let effects = scene.tick_at(hours(13) + 10);
        let left = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Order(_)));
        assert_eq!(left, leaves, "{speakers:?} speak");
    }
}

#[test]
fn nobody_speaking_is_no_reason_to_leave() {
    let mut scene = Scene::new("BTC/USD");
    scene.open(LONG);
    scene.seconds = hours(13);
    scene.stance(3, None);
    scene.stance(4, None);
    let effects = scene.tick_at(hours(13) + 10);
    assert!(matches!(effects.as_slice(), [Effect::StanceAlarm { .. }]));
}

#[test]
fn stances_hold_across_a_closed_session() {
    let mut scene = Scene::new("AAPL");
    scene.open(LONG);
    // Tuesday 15:00 in New York, one hour before the close.
    scene.seconds = hours(5);
    for place in 0..3 {
        scene.stance(place, Some(LONG));
    }
    // Wednesday 10:30: two hours of open market later.
    assert!(scene.tick_at(hours(24) + 1_800).is_empty());
    // Wednesday 11:45: more than three.
    let effects = scene.tick_at(hours(25) + 2_700);
    assert!(
        matches!(effects.as_slice(), [Effect::StanceAlarm { .. }]),
        "{effects:?}"
    );
}

#[test]
fn an_opposing_quorum_closes_and_the_other_side_follows_the_fill() {
    let mut scene = holding("AAPL");
    for place in 0..3 {
        scene.stance(place, Some(SHORT));
    }
    let effects = scene.votes(&[0, 1, 2], SHORT);
    let proposal = order(&effects);
    assert_eq!(
        (proposal.purpose, proposal.direction),
        (Purpose::Close, LONG)
    );
    scene.seconds += 2;
    let effects = scene.fill(Purpose::Close);
    let proposal = order(&effects);
    assert_eq!(
        (proposal.purpose, proposal.direction),
        (Purpose::Open, SHORT)
    );
    assert!(proposal.record.round_id.ends_with("-reversal"));
    assert_eq!(proposal.record.votes.len(), 3);
    scene.fill(Purpose::Open);
    assert_eq!(scene.consensus.held_direction(&scene.asset), Some(SHORT));
}

#[test]
fn no_reversal_without_standing_stances_a_full_close_or_a_short() {
    // The opponents changed their minds while the closing filled.
    let mut scene = holding("AAPL");
    scene.votes(&[0, 1, 2], SHORT);
    for place in 0..3 {
        scene.stance(place, None);
    }
    assert!(scene.fill(Purpose::Close).is_empty());
    // Crypto: flat follows.
    let mut scene = holding("BTC/USD");
    for place in 0..3 {
        scene.stance(place, Some(SHORT));
    }
    assert_eq!(
        order(&scene.votes(&[0, 1, 2], SHORT)).purpose,
        Purpose::Close
    );
    assert!(scene.fill(Purpose::Close).is_empty());
    assert_eq!(scene.consensus.held_direction(&scene.asset), None);
    // A closing that filled only in part leaves the position held.
    let mut scene = holding("AAPL");
    for place in 0..3 {
        scene.stance(place, Some(SHORT));
    }
    scene.votes(&[0, 1, 2], SHORT);
    let now = scene.now();
    let effects = scene.tell(Event::OrderEnded {
        asset: symbol("AAPL"),
        purpose: Purpose::Close,
        filled: rust_decimal::Decimal::ONE,
        filled_at: Some(now),
        position_left: true,
    });
    assert!(effects.is_empty());
    assert_eq!(scene.consensus.held_direction(&scene.asset), Some(LONG));
}

#[test]
fn a_refused_closing_is_tried_again_later() {
    let mut scene = holding("BTC/USD");
    for place in 0..3 {
        scene.stance(place, None);
    }
    let effects = scene.tick_at(hours(13) + 10);
    assert_eq!(order(&effects).purpose, Purpose::Close);
    let asset = scene.asset.clone();
    scene.tell(Event::OrderRefused {
        asset,
        purpose: Purpose::Close,
    });
    assert_eq!(scene.consensus.next_deadline(), Some(at(hours(13) + 610)));
    assert!(scene.tick_at(hours(13) + 609).is_empty());
    assert_eq!(
        order(&scene.tick_at(hours(13) + 610)).purpose,
        Purpose::Close
    );
}

#[test]
fn reducing_allows_exits_and_halted_allows_nothing() {
    for (trading, leaves) in [(Trading::Reducing, true), (Trading::Halted, false)] {
        let mut scene = holding("BTC/USD");
        scene.tell(Event::Trading(trading));
        for place in 0..3 {
            scene.stance(place, None);
        }
        assert_eq!(
            !scene.tick_at(hours(13) + 10).is_empty(),
            leaves,
            "{trading:?}"
        );
    }
}
