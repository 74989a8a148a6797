//! Earned weights from outside: what no history of trades may do, that they can be worked out
//! again from the trades, and how they decide.

use proptest::prelude::*;
use rawe_consensus::{ConsensusConfig, Effect, Event, Rules, Voting, Weights, WeightsConfig};
use rawe_core::{
    AgentId, ClientOrderId, ClosedTrade, Direction, ExitReason, Roster, RoundOutcome, TradeVote,
    WeightChange,
};
use rust_decimal::Decimal;

use crate::scenery::*;

/// A trade: whose votes (0 none, 1 for, 2 against, 3 both), long or short, return in basis points.
pub(crate) type Told = ([u8; 5], bool, i64);

pub(crate) fn told() -> impl Strategy<Value = Vec<Told>> {
    let trade = (
        [0_u8..4, 0..4, 0..4, 0..4, 0..4],
        any::<bool>(),
        -900_i64..900,
    );
    prop::collection::vec(trade, 0..60)
}

pub(crate) fn trade(number: usize, (votes, is_long, basis_points): Told) -> ClosedTrade {
    let direction = if is_long { LONG } else { SHORT };
    let vote = |place: usize, direction: Direction| TradeVote {
        agent: agent(place),
        direction,
    };
    let mut cast = Vec::new();
    for (place, side) in votes.into_iter().enumerate() {
        if side & 1 != 0 {
            cast.push(vote(place, direction));
        }
        if side & 2 != 0 {
            cast.push(vote(place, direction.opposite()));
        }
    }
    let second = i64::try_from(number).unwrap() * 3_600;
    ClosedTrade {
        opened_by: ClientOrderId::parse_ours(&format!("rawe-trade-{number}")).unwrap(),
        closed_by: None,
        opening_round: format!("round-{number}"),
        closing_round: None,
        asset: symbol("AAPL"),
        direction,
        opened_at: at(second),
        closed_at: at(second + 60),
        quantity: Decimal::from(10),
        entry_price: Decimal::from(100),
        exit_price: Decimal::from(100),
        fees: Decimal::ZERO,
        realised: Decimal::new(basis_points, 1),
        reason: ExitReason::SoftExit,
        votes: cast,
    }
}

pub(crate) fn trades(told: &[Told]) -> Vec<ClosedTrade> {
    told.iter()
        .enumerate()
        .map(|(n, told)| trade(n, *told))
        .collect()
}

/// Earned voting that learns fast, so that short histories matter.
pub(crate) fn fast() -> ConsensusConfig {
    ConsensusConfig {
        voting: Voting::Earned,
        weights: WeightsConfig {
            learning_rate: Decimal::new(5, 1),
            sample_min: 3,
            ..WeightsConfig::default()
        },
        ..ConsensusConfig::default()
    }
}

fn rules(config: &ConsensusConfig) -> Rules {
    config.check(&Roster::default()).unwrap()
}

fn replay(config: &ConsensusConfig, trades: &[ClosedTrade]) -> Weights {
    Weights::replay(&rules(config), &Roster::default(), trades)
}

fn changes(effects: Vec<Effect>) -> Vec<WeightChange> {
    effects
        .into_iter()
        .map(|effect| match effect {
            Effect::WeightsChanged(change) => *change,
            other => panic!("expected a change of weights, got {other:?}"),
        })
        .collect()
}

/// Agents whose bits are set.
fn places(bits: u8) -> Vec<usize> {
    (0..5).filter(|place| bits & (1 << place) != 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_history_leaves_bounded_weights(told in told()) {
        let weights = replay(&fast(), &trades(&told));
        let all: Vec<u64> = weights.all().values().copied().collect();
        prop_assert_eq!(all.len(), 5);
        let total: u64 = all.iter().sum();
        prop_assert!((4_999_980..=5_000_005).contains(&total), "{}", total);
        for weight in &all {
            prop_assert!(2 * weight < total, "no agent outweighs all others: {weight}");
            // Twice at most against half at least.
            prop_assert!(all.iter().all(|other| *weight <= 4 * other + 10));
        }
    }

    #[test]
    fn names_do_not_matter(told in told(), turn in 1_usize..5) {
        let turned: Vec<Told> = told
            .iter()
            .map(|(votes, is_long, made)| {
                let mut turned = [0; 5];
                for (place, side) in votes.iter().enumerate() {
                    turned[(place + turn) % 5] = *side;
                }
                (turned, *is_long, *made)
            })
            .collect();
        let (one, other) = (replay(&fast(), &trades(&told)), replay(&fast(), &trades(&turned)));
        for place in 0..5 {
            prop_assert_eq!(one.of(&agent(place)), other.of(&agent((place + turn) % 5)));
        }
    }

    #[test]
    fn the_journal_gives_the_weights_back(told in told(), restart_at in 0_usize..60) {
        let trades = trades(&told);
        let mut scene = Scene::with(&fast(), "AAPL");
        let mut journal: Vec<WeightChange> = Vec::new();
        for (place, trade) in trades.iter().enumerate() {
            if place == restart_at {
                // A new process: it is told what the journal has, and all trades once more.
                scene = Scene::with(&fast(), "AAPL");
                for change in &journal {
                    scene.tell(Event::Weights(change.clone()));
                }
                for told in &trades[..place] {
                    let again = scene.tell(Event::TradeClosed(Box::new(told.clone())));
                    prop_assert!(again.is_empty(), "credited once");
                }
            }
            journal.extend(changes(scene.tell(Event::TradeClosed(Box::new(trade.clone())))));
        }
        let replayed = replay(&fast(), &trades);
        prop_assert_eq!(scene.consensus.weights().all(), replayed.all());
        let credited: Vec<&ClientOrderId> =
            journal.iter().filter_map(|change| change.trade.as_ref()).collect();
        for (place, id) in credited.iter().enumerate() {
            prop_assert!(!credited[..place].contains(id), "one change per trade");
        }
        if let Some(last) = journal.last() {
            prop_assert_eq!(&last.weights_millionths, replayed.all());
            prop_assert!(journal[0].trade.is_none(), "the first says that all are equal");
        }
    }

    #[test]
    fn two_never_decide_and_four_always_do(
        told in told(),
        bits in 0_u8..32,
        paced in any::<bool>(),
    ) {
        let mut scene = Scene::with(&fast(), "AAPL");
        scene.tell(Event::Paced(paced));
        for trade in trades(&told) {
            scene.tell(Event::TradeClosed(Box::new(trade)));
        }
        let voters = places(bits);
        let mut effects = scene.votes(&voters, LONG);
        effects.extend(scene.tick_at(60));
        let weights = scene.consensus.weights();
        let held: u64 = voters.iter().map(|place| weights.of(&agent(*place))).sum();
        let decided = effects.iter().any(|effect| matches!(effect, Effect::Order(_)));
        match voters.len() {
            0..=2 => prop_assert!(!decided),
            3 => prop_assert_eq!(decided, 2 * held > weights.total()),
            _ => prop_assert!(decided),
        }
        for record in records(&effects) {
            for vote in &record.votes {
                prop_assert_eq!(vote.weight_millionths, weights.of(&vote.agent));
            }
            if voters.len() == 3 && !decided {
                prop_assert_eq!(record.outcome, RoundOutcome::WeightShort);
                prop_assert_eq!(record.votes.len(), 3);
            }
        }
    }

    #[test]
    fn a_headcount_does_not_hear_of_weights(told in told(), bits in 0_u8..32) {
        let run = |history: &[Told]| {
            let config = ConsensusConfig { voting: Voting::Headcount, ..fast() };
            let mut scene = Scene::with(&config, "AAPL");
            for trade in trades(history) {
                scene.tell(Event::TradeClosed(Box::new(trade)));
            }
            let mut effects = scene.votes(&places(bits), SHORT);
            effects.extend(scene.tick_at(60));
            effects
        };
        prop_assert_eq!(run(&told), run(&[]));
    }
}

#[test]
fn a_win_is_credited_to_those_for_it_and_a_loss_to_those_against() {
    let equal = |weights: &Weights| weights.all().values().all(|weight| *weight == 1_000_000);
    let mut history = vec![([1, 1, 1, 2, 0], true, 300); 2];
    assert!(
        equal(&replay(&fast(), &trades(&history))),
        "too few to tell"
    );
    history.push(([1, 1, 1, 2, 0], false, 300));
    let weights = replay(&fast(), &trades(&history));
    let of = |place: usize| weights.of(&agent(place));
    assert!(of(0) == of(1) && of(1) == of(2), "{:?}", weights.all());
    assert!(of(0) > of(4) && of(4) > of(3), "{:?}", weights.all());
    let lost: Vec<Told> = history.iter().map(|(v, l, made)| (*v, *l, -made)).collect();
    let weights = replay(&fast(), &trades(&lost));
    assert!(weights.of(&agent(3)) > weights.of(&agent(4)));
    assert!(weights.of(&agent(4)) > weights.of(&agent(0)));
}

#[test]
fn three_without_the_best_two_fall_short_of_weight() {
    let mut scene = Scene::with(&fast(), "AAPL");
    for trade in trades(&[([1, 1, 2, 2, 2], true, 900); 8]) {
        scene.tell(Event::TradeClosed(Box::new(trade)));
    }
    assert!(
        scene.votes(&[2, 3, 4], LONG).is_empty(),
        "more may still come"
    );
    let effects = scene.tick_at(10);
    let short = record(&effects);
    assert_eq!(short.outcome, RoundOutcome::WeightShort);
    assert_eq!(short.direction, Some(LONG));
    assert!(
        short.reason.contains("of the earned weight"),
        "{}",
        short.reason
    );
    scene.seconds = 30;
    // With the help of one of the best two they decide at once.
    scene.votes(&[2, 3, 4], LONG);
    let effects = scene.vote(0, LONG);
    assert_eq!(order(&effects).record.votes.len(), 4);
}

#[test]
fn what_cannot_be_credited_changes_nothing() {
    let mut nothing_put_in = trade(0, ([1, 1, 1, 0, 0], true, 100));
    nothing_put_in.quantity = Decimal::ZERO;
    let nobody = trade(1, ([0; 5], true, 100));
    let mut strangers = trade(2, ([1, 0, 0, 0, 0], true, 100));
    strangers.votes[0].agent = AgentId::new("somebody-else").unwrap();
    let mut scene = Scene::with(&fast(), "AAPL");
    for trade in [nothing_put_in, nobody, strangers] {
        assert!(scene.tell(Event::TradeClosed(Box::new(trade))).is_empty());
    }
    let mut beyond = trade(3, ([1, 1, 1, 0, 0], true, 100));
    beyond.realised = Decimal::MAX;
    beyond.quantity = Decimal::new(1, 20);
    assert_eq!(scene.tell(Event::TradeClosed(Box::new(beyond))).len(), 2);
}
