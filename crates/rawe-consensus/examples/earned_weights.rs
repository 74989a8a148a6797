//! How soon earned weights show who is good, and what they cost when nobody is. Prints the table of
//! `docs/consensus.md`: `cargo run --release -p rawe-consensus --example earned_weights`.
//!
//! Five agents vote on one asset a round: each votes with probability 0.7, long or short. Three
//! that agree trade; the price moves by 2.5 % (standard deviation), and a trade costs 0.2 %. An
//! agent with an edge of S votes so that following it alone would make S standard deviations of a
//! move per trade on average; all others toss a coin. The same rounds are played by a headcount
//! and by earned voting.

#![allow(
    clippy::print_stdout,
    reason = "an example's answer goes to standard output"
)]
#![allow(
    clippy::expect_used,
    reason = "an example may end where its own numbers are wrong"
)]

use chrono::{TimeDelta, TimeZone as _, Utc};
use rawe_consensus::{ConsensusConfig, Rules, Weights, WeightsConfig};
use rawe_core::{
    AgentId, ClientOrderId, ClosedTrade, Direction, ExitReason, Roster, Symbol, TradeVote,
};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive as _;

const SEEDS: u64 = 400;
const ROUNDS: usize = 1_200;
const MOVE: f64 = 0.025;
const COST: f64 = 0.002;
/// Trades after which the weights are looked at.
const MARKS: [usize; 5] = [20, 50, 100, 200, 400];

/// `SplitMix64` (Steele, Lea & Flood 2014): small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box & Muller 1958.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// One round: everyone's vote, +1, -1 or 0, and the move of the price.
fn round(dice: &mut Dice, edges: &[f64; 5]) -> ([i32; 5], f64) {
    let news = dice.normal();
    let votes = edges.map(|edge| {
        // E[sign(x) z] is rho sqrt(2/pi) for normal x and z with correlation rho.
        let rho = edge / (2.0 / std::f64::consts::PI).sqrt();
        let view = rho * news + (1.0 - rho * rho).sqrt() * dice.normal();
        let silent = dice.uniform() >= 0.7;
        match (silent, view > 0.0) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => -1,
        }
    });
    (votes, news * MOVE)
}

fn trade(number: usize, votes: &[i32; 5], side: i32, made: f64) -> ClosedTrade {
    let direction = |side: i32| {
        if side > 0 {
            Direction::Long
        } else {
            Direction::Short
        }
    };
    let roster = Roster::default();
    let at = Utc
        .timestamp_opt(1_700_000_000, 0)
        .single()
        .expect("a time")
        + TimeDelta::hours(i64::try_from(number).expect("a small number"));
    let cast = roster.0.iter().zip(votes).filter(|(_, vote)| **vote != 0);
    ClosedTrade {
        opened_by: ClientOrderId::parse_ours(&format!("rawe-{number}")).expect("one of ours"),
        closed_by: None,
        opening_round: String::new(),
        closing_round: None,
        asset: Symbol::new("AAPL").expect("a symbol"),
        direction: direction(side),
        opened_at: at,
        closed_at: at,
        quantity: Decimal::ONE,
        entry_price: Decimal::from(100),
        exit_price: Decimal::from(100),
        fees: Decimal::ZERO,
        realised: Decimal::from_f64(made * 100.0).unwrap_or_default(),
        reason: ExitReason::SoftExit,
        votes: cast
            .map(|(agent, vote)| TradeVote {
                agent: agent.id.clone(),
                direction: direction(*vote),
            })
            .collect(),
    }
}

#[derive(Default)]
struct Sums {
    weight: [f64; MARKS.len()],
    heaviest: [f64; MARKS.len()],
    spread: f64,
    shown_after: Vec<usize>,
    quorums: f64,
    blocked: f64,
    plain: f64,
    earned: f64,
}

/// Plays one seed; agent 0 is the one that is watched.
fn play(rules: &Rules, edges: &[f64; 5], seed: u64, sums: &mut Sums) {
    let roster = Roster::default();
    let ids: Vec<&AgentId> = roster.0.iter().map(|agent| &agent.id).collect();
    let mut dice = Dice(seed);
    let mut weights = Weights::new(rules, &roster);
    let (mut trades, mut shown) = (0, None);
    for number in 0..ROUNDS {
        let (votes, moved) = round(&mut dice, edges);
        let Some(side) = [1, -1]
            .into_iter()
            .find(|side| votes.iter().filter(|vote| *vote == side).count() >= rules.quorum())
        else {
            continue;
        };
        let made = f64::from(side) * moved - COST;
        sums.quorums += 1.0;
        sums.plain += made;
        let held: u64 = ids
            .iter()
            .zip(&votes)
            .filter(|(_, vote)| **vote == side)
            .map(|(id, _)| weights.of(id))
            .sum();
        if 2 * held <= weights.total() {
            sums.blocked += 1.0;
            continue;
        }
        sums.earned += made;
        weights.credit(&trade(number, &votes, side, made));
        trades += 1;
        let all = weights.all();
        let own = weights.of(ids[0]);
        if shown.is_none() && own >= 1_250_000 {
            shown = Some(trades);
        }
        if let Some(mark) = MARKS.iter().position(|mark| *mark == trades) {
            sums.weight[mark] += own as f64 / 1e6;
            let best = all.values().max() == Some(&own);
            sums.heaviest[mark] += f64::from(u8::from(best));
        }
    }
    let all = weights.all().values();
    let (least, most) = (all.clone().min(), all.max());
    if let (Some(least), Some(most)) = (least, most) {
        sums.spread += *most as f64 / *least as f64;
    }
    sums.shown_after.push(shown.unwrap_or(usize::MAX));
}

fn main() {
    let worlds = [
        ("one of five, S 0.5", [0.5, 0.0, 0.0, 0.0, 0.0]),
        ("one of five, S 0.2", [0.2, 0.0, 0.0, 0.0, 0.0]),
        ("nobody", [0.0; 5]),
        ("all, S 0.2", [0.2; 5]),
        ("one against all", [-0.5, 0.2, 0.2, 0.2, 0.2]),
    ];
    println!(
        "{:<18} {:>5} {:>4} | weight after {MARKS:?} trades | heaviest at 50, 200 | 1.25 by \
         (median, 90 %) | most/least | blocked | bp a quorum: heads, earned, earned per trade",
        "edge", "rate", "cap"
    );
    for (name, edges) in worlds {
        for (rate, cap) in [(5, 20), (10, 15), (10, 20), (10, 30), (20, 20)] {
            let weights = WeightsConfig {
                learning_rate: Decimal::new(rate, 2),
                cap: Decimal::new(cap, 1),
                ..WeightsConfig::default()
            };
            let config = ConsensusConfig {
                weights,
                ..ConsensusConfig::default()
            };
            let rules = config.check(&Roster::default()).expect("good rules");
            let mut sums = Sums::default();
            for seed in 0..SEEDS {
                play(&rules, &edges, seed, &mut sums);
            }
            report(name, rate, cap, &mut sums);
        }
    }
}

fn report(name: &str, rate: i64, cap: i64, sums: &mut Sums) {
    let seeds = SEEDS as f64;
    let weights: Vec<String> = sums
        .weight
        .iter()
        .map(|sum| format!("{:.2}", sum / seeds))
        .collect();
    sums.shown_after.sort_unstable();
    let after = |part: usize| match sums.shown_after.get(sums.shown_after.len() * part / 100) {
        Some(&usize::MAX) | None => "never".to_owned(),
        Some(trades) => trades.to_string(),
    };
    println!(
        "{name:<18} {:>5.2} {:>4.1} | {} | {:>3.0} % {:>3.0} % | {:>5} {:>5} | {:>5.2} | {:>4.1} % \
         | {:>6.1} {:>6.1} {:>6.1}",
        rate as f64 / 100.0,
        cap as f64 / 10.0,
        weights.join("  "),
        sums.heaviest[1] / seeds * 100.0,
        sums.heaviest[3] / seeds * 100.0,
        after(50),
        after(90),
        sums.spread / seeds,
        sums.blocked / sums.quorums * 100.0,
        sums.plain / sums.quorums * 1e4,
        sums.earned / sums.quorums * 1e4,
        sums.earned / (sums.quorums - sums.blocked) * 1e4,
    );
}
