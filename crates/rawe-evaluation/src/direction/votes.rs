//! The vote game: voters by headcount, with the rules of the paper record that ships. How
//! independent votes are is `rawe_agent::agreement`'s.

use rawe_agent::{PaperPosition, PaperRules};
use rawe_core::{Bar, Direction, Timestamp};

/// One decision for one asset and what followed.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// When it was decided.
    pub decided: Timestamp,
    /// Each voter's vote.
    pub votes: &'a [Option<Direction>],
    /// Size of a position opened now, as a share of the capital.
    pub size: f64,
    /// The bar at whose open a decision is filled.
    pub fill: Option<&'a Bar>,
    /// Return of the asset until the next decision, from the fill on.
    pub earned: f64,
}

/// What a headcount of one asset made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// Net return of every step.
    pub returns: Vec<f64>,
    /// Entries.
    pub trades: u64,
    /// Steps with a position.
    pub steps_held: u64,
}

/// Plays the steps of one asset in their order. `cost` is a share of what is traded, each side.
pub fn play<'a>(
    steps: impl Iterator<Item = Step<'a>>,
    rules: PaperRules,
    shortable: bool,
    cost: f64,
) -> Played {
    let mut position = PaperPosition::default();
    let (mut direction, mut weight) = (None::<Direction>, 0.0_f64);
    let mut played = Played::default();
    for step in steps {
        let count = |side| {
            step.votes
                .iter()
                .filter(|vote| **vote == Some(side))
                .count()
        };
        let (longs, shorts) = (count(Direction::Long), count(Direction::Short));
        position.decide(step.decided, longs, shorts, shortable, rules);
        if let Some(bar) = step.fill {
            position.apply_bar(bar);
        }
        let mut earned = 0.0;
        if position.direction() != direction {
            direction = position.direction();
            let target = direction.map_or(0.0, |side| side.sign() * step.size);
            earned -= cost * (target - weight).abs();
            weight = target;
            played.trades += u64::from(direction.is_some());
        }
        played.steps_held += u64::from(direction.is_some());
        played.returns.push(earned + weight * step.earned);
    }
    played
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use rawe_core::{Symbol, Timeframe};

    #[test]
    fn a_quorum_earns_the_move_and_pays_both_sides() {
        let start = Timestamp::default() + TimeDelta::days(10_000);
        let hour = |n: i32| start + TimeDelta::hours(i64::from(n));
        let bars: Vec<Bar> = (0..6)
            .map(|n| Bar {
                symbol: Symbol::new("BTC/USD").unwrap(),
                start: hour(n),
                end: hour(n + 1),
                timeframe: Timeframe::Hour,
                open: 100.0,
                high: 101.0,
                low: 99.0,
                close: 100.0,
                volume: 1.0,
                backfill: false,
            })
            .collect();
        let (long, short) = (Some(Direction::Long), Some(Direction::Short));
        let for_it = [long, long, long, None, short];
        let against = [short, short, short, None, None];
        let rules = PaperRules {
            quorum: 3,
            minimum_hold: TimeDelta::hours(2),
            cool_down: TimeDelta::hours(1),
        };
        let steps = || {
            bars.iter().zip(0..).map(|(bar, n)| Step {
                decided: hour(n),
                votes: if n == 0 { &for_it } else { &against },
                size: 0.5,
                fill: Some(bar),
                earned: 0.01,
            })
        };
        // Long for two hours at half size, then, where that can be done, short.
        let long_only = play(steps(), rules, false, 0.001);
        assert_eq!((long_only.trades, long_only.steps_held), (1, 2));
        let sum: f64 = long_only.returns.iter().sum();
        assert!((sum - (2.0 * 0.005 - 2.0 * 0.0005)).abs() < 1e-12, "{sum}");
        let both = play(steps(), rules, true, 0.001);
        assert_eq!((both.trades, both.steps_held), (2, 6));
        let sum: f64 = both.returns.iter().sum();
        assert!(
            (sum - (0.01 - 0.0005 - 0.001 - 4.0 * 0.005)).abs() < 1e-12,
            "{sum}"
        );
    }
}
