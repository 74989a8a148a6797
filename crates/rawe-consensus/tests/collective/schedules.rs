//! Properties over random schedules: what losing, delaying, repeating and reordering messages may
//! and may not do.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;
use rawe_consensus::{Effect, Event, Vote, quorum_directions};
use rawe_core::{Direction, RoundOutcome, RoundRecord, RoundVote, Symbol, Timestamp};

use crate::scenery::*;
use crate::weights;

const WINDOW: TimeDelta = TimeDelta::seconds(10);
const ASSETS: [&str; 2] = ["AAPL", "BTC/USD"];

/// A vote sent: asset, agent, direction, second.
type Sent = (usize, usize, bool, i64);
/// What the network does to it: lost, repeated, delay in seconds.
type Fate = (bool, bool, i64);

fn sent() -> impl Strategy<Value = Vec<(Sent, Fate)>> {
    let vote = (0_usize..2, 0_usize..5, any::<bool>(), 0_i64..60);
    let fate = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        0_i64..15,
    );
    prop::collection::vec((vote, fate), 0..40)
}

fn vote_of((asset, place, is_long, second): Sent) -> (Symbol, RoundVote) {
    let direction = if is_long {
        Direction::Long
    } else {
        Direction::Short
    };
    (
        symbol(ASSETS[asset]),
        round_vote(place, direction, at(second)),
    )
}

/// Runs a schedule of (arrival second, vote) and gives all records.
fn run(schedule: Vec<(i64, Sent)>, paced: bool) -> Vec<RoundRecord> {
    run_in(Scene::new(ASSETS[0]), schedule, paced)
}

/// Earned voting after a history in which two agents were right and two wrong: either of the first
/// weighs four times one of the last.
fn unequal() -> Scene {
    let mut scene = Scene::with(&weights::fast(), ASSETS[0]);
    for trade in weights::trades(&[([1, 2, 0, 2, 1], true, 900); 8]) {
        scene.tell(Event::TradeClosed(Box::new(trade)));
    }
    scene
}

fn run_in(mut scene: Scene, mut schedule: Vec<(i64, Sent)>, paced: bool) -> Vec<RoundRecord> {
    schedule.sort_by_key(|(arrival, _)| *arrival);
    scene.tell(Event::Paced(paced));
    let facts = rawe_consensus::AssetFacts {
        tradable: true,
        shortable: true,
    };
    for asset in ASSETS {
        scene.tell(Event::Asset(symbol(asset), Some(facts.clone())));
    }
    let mut effects: Vec<Effect> = Vec::new();
    for (arrival, sent) in schedule {
        while scene.seconds < arrival {
            let next = scene.seconds + 1;
            effects.extend(scene.tick_at(next));
        }
        let (asset, vote) = vote_of(sent);
        effects.extend(scene.tell(Event::Vote(Vote {
            asset,
            vote,
            original_format: false,
        })));
    }
    let end = scene.seconds + 1_000;
    effects.extend(scene.tick_at(end));
    assert_eq!(
        scene.consensus.next_deadline(),
        None,
        "every round has closed"
    );
    records(&effects).into_iter().cloned().collect()
}

fn had_quorum(record: &RoundRecord) -> bool {
    !matches!(
        record.outcome,
        RoundOutcome::NoQuorum
            | RoundOutcome::WeightShort
            | RoundOutcome::Conflict
            | RoundOutcome::TooFewAlive
    )
}

/// The votes ever sent for an asset.
fn all_votes(sent: &[(Sent, Fate)], asset: &Symbol) -> Vec<RoundVote> {
    sent.iter()
        .map(|(vote, _)| vote_of(*vote))
        .filter(|v| v.0 == *asset)
        .map(|v| v.1)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_bad_network_only_removes_quorums(sent in sent(), paced in any::<bool>()) {
        let schedule = sent
            .iter()
            .filter(|(_, (lost, ..))| !lost)
            .flat_map(|(vote, (_, repeated, delay))| {
                let copies = if *repeated { 2 } else { 1 };
                (0..copies).map(move |n| (vote.3 + delay + n * 3, *vote))
            })
            .collect();
        for record in run(schedule, paced).iter().filter(|record| had_quorum(record)) {
            let direction = record.direction.unwrap();
            let agreeing: Vec<RoundVote> =
                record.votes.iter().filter(|v| v.direction == direction).cloned().collect();
            let mut agents: Vec<_> = agreeing.iter().map(|vote| vote.agent.clone()).collect();
            agents.dedup();
            prop_assert_eq!(agents.len(), agreeing.len(), "distinct agents");
            prop_assert!(agents.len() >= 3);
            // What was decided on was really sent, and is a quorum of what was sent.
            let all = all_votes(&sent, &record.asset);
            for vote in &record.votes {
                prop_assert!(all.contains(vote));
            }
            prop_assert!(quorum_directions(&agreeing, 3, WINDOW).contains(&direction));
            prop_assert!(quorum_directions(&all, 3, WINDOW).contains(&direction));
        }
    }

    #[test]
    fn a_bad_network_only_removes_decisions_by_weight(sent in sent(), paced in any::<bool>()) {
        let schedule = sent
            .iter()
            .filter(|(_, (lost, ..))| !lost)
            .flat_map(|(vote, (_, repeated, delay))| {
                let copies = if *repeated { 2 } else { 1 };
                (0..copies).map(move |n| (vote.3 + delay + n * 3, *vote))
            })
            .collect();
        let scene = unequal();
        let earned = scene.consensus.weights().clone();
        for record in run_in(scene, schedule, paced).iter().filter(|record| had_quorum(record)) {
            let direction = record.direction.unwrap();
            let side: Vec<&RoundVote> =
                record.votes.iter().filter(|vote| vote.direction == direction).collect();
            let held: u64 = side.iter().map(|vote| vote.weight_millionths).sum();
            prop_assert!(side.len() >= 3 && 2 * held > earned.total());
            // Of what was sent, some window held as many heads and as much weight.
            let all = all_votes(&sent, &record.asset);
            let enough = all.iter().filter(|vote| vote.direction == direction).any(|start| {
                let end = start.timestamp + WINDOW;
                let mut agents: Vec<_> = all
                    .iter()
                    .filter(|vote| vote.direction == direction)
                    .filter(|vote| (start.timestamp..=end).contains(&vote.timestamp))
                    .map(|vote| &vote.agent)
                    .collect();
                agents.sort();
                agents.dedup();
                let held: u64 = agents.iter().map(|agent| earned.of(agent)).sum();
                agents.len() >= 3 && 2 * held > earned.total()
            });
            prop_assert!(enough);
        }
    }

    #[test]
    fn a_quorum_of_a_part_is_a_quorum_of_the_whole(sent in sent()) {
        for asset in ASSETS.map(symbol) {
            let all = all_votes(&sent, &asset);
            let kept: Vec<(Sent, Fate)> = sent.iter().filter(|(_, f)| !f.0).copied().collect();
            let part = all_votes(&kept, &asset);
            let whole = quorum_directions(&all, 3, WINDOW);
            for direction in quorum_directions(&part, 3, WINDOW) {
                prop_assert!(whole.contains(&direction));
            }
        }
    }

    #[test]
    fn every_round_leaves_exactly_one_record(sent in sent(), paced in any::<bool>()) {
        let schedule = sent.iter().map(|(vote, fate)| (vote.3 + fate.2, *vote)).collect();
        let records = run(schedule, paced);
        let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
        for record in &records {
            *by_id.entry(record.round_id.as_str()).or_default() += 1;
            prop_assert!(!record.reason.is_empty());
            prop_assert!(record.opened <= record.closed);
        }
        prop_assert!(by_id.values().all(|count| *count == 1), "{:?}", by_id);
        let voted = |asset: &Symbol| !all_votes(&sent, asset).is_empty();
        for asset in ASSETS.map(symbol) {
            let recorded = records.iter().any(|record| record.asset == asset);
            prop_assert_eq!(recorded, voted(&asset));
        }
    }

    #[test]
    fn order_of_arrival_within_an_instant_does_not_matter(
        sent in prop::collection::vec((0_usize..2, 0_usize..5, any::<bool>(), 0_i64..10), 1..20),
        seed in any::<u64>(),
    ) {
        let decide = |order: &[Sent]| -> Vec<RoundRecord> {
            let mut scene = Scene::paced(ASSETS[0]);
            let facts = rawe_consensus::AssetFacts { tradable: true, shortable: true };
            scene.tell(Event::Asset(symbol(ASSETS[1]), Some(facts)));
            scene.seconds = 10;
            for vote in order {
                let (asset, vote) = vote_of(*vote);
                scene.tell(Event::Vote(Vote { asset, vote, original_format: false }));
            }
            records(&scene.tell(Event::InstantComplete)).into_iter().cloned().collect()
        };
        let mut shuffled = sent.clone();
        let mut state = seed | 1;
        for place in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(state >> 33).unwrap() % (place + 1);
            shuffled.swap(place, other);
        }
        prop_assert_eq!(decide(&sent), decide(&shuffled));
    }

    #[test]
    fn the_same_events_give_the_same_effects(sent in sent()) {
        let schedule: Vec<(i64, Sent)> =
            sent.iter().map(|(vote, fate)| (vote.3 + fate.2, *vote)).collect();
        prop_assert_eq!(run(schedule.clone(), false), run(schedule, false));
    }
}

#[test]
fn memory_stays_bounded_over_many_assets_and_days() {
    let mut scene = Scene::new("AAPL");
    let mut most = 0;
    for n in 0..20_000_i64 {
        scene.seconds = n * 5;
        scene.asset = symbol(&format!("A{}", n % 500));
        let now: Timestamp = scene.now();
        scene.vote_at(usize::try_from(n % 5).unwrap(), LONG, now);
        let second = scene.seconds;
        scene.tick_at(second);
        most = most.max(scene.consensus.assets_remembered());
    }
    let end = scene.seconds;
    scene.tick_at(end + 60);
    scene.tick_at(end + hours(10));
    assert!(most <= 500, "{most} assets remembered");
    assert_eq!(scene.consensus.assets_remembered(), 0);
}
