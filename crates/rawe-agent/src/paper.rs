//! Positions on paper: what a headcount of votes would have bought and sold, one per asset.
//!
//! A decision of the instant t is filled at the open of the first bar that ends after t: the price
//! at which the exchange would fill it. The machine repeats the collective's rules (quorum,
//! minimum hold, cool-down, reversal) on purpose in their simplest form; real orders are decided by
//! `rawe-consensus`.

use chrono::TimeDelta;
use rawe_core::{Bar, Direction, Timestamp};
use serde::{Deserialize, Serialize};

/// When a paper position opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperRules {
    /// So many votes of one direction open a position.
    pub quorum: usize,
    /// No exit sooner after an entry.
    pub minimum_hold: TimeDelta,
    /// No entry sooner after an entry or exit, a reversal excepted.
    pub cool_down: TimeDelta,
}

impl PaperRules {
    /// One voter on its own: a position follows its vote.
    pub const SINGLE_VOTER: Self = Self {
        quorum: 1,
        minimum_hold: TimeDelta::zero(),
        cool_down: TimeDelta::zero(),
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    direction: Direction,
    price: f64,
    since: Timestamp,
}

/// What was decided and waits for the next price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    decided: Timestamp,
    close: bool,
    open: Option<Direction>,
}

/// A paper position of one asset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PaperPosition {
    held: Option<Held>,
    order: Option<Order>,
    last_fill: Option<Timestamp>,
}

impl PaperPosition {
    /// The direction held, if any.
    pub fn direction(&self) -> Option<Direction> {
        self.held.map(|held| held.direction)
    }

    /// Fills what was decided before this bar's end; returns the gross move of a trade closed by
    /// it, as a share of the entry price (0.01 is one percent gained).
    pub fn apply_bar(&mut self, bar: &Bar) -> Option<f64> {
        let order = self.order.filter(|order| bar.end > order.decided)?;
        self.order = None;
        let at = bar.start.max(order.decided);
        self.last_fill = Some(at);
        let closed = if order.close { self.held.take() } else { None };
        if let Some(direction) = order.open {
            self.held = Some(Held {
                direction,
                price: bar.open,
                since: at,
            });
        }
        closed.map(|held| held.direction.sign() * (bar.open / held.price - 1.0))
    }

    /// Takes the votes of the instant `at`. `shortable` is false for what cannot be sold short:
    /// there a quorum of shorts closes, but never opens.
    pub fn decide(
        &mut self,
        at: Timestamp,
        longs: usize,
        shorts: usize,
        shortable: bool,
        rules: PaperRules,
    ) {
        if self.order.is_some() {
            return;
        }
        let quorum = match (longs >= rules.quorum, shorts >= rules.quorum) {
            (true, false) => Some(Direction::Long),
            (false, true) => Some(Direction::Short),
            _ => None,
        };
        let enterable = quorum.filter(|way| shortable || *way == Direction::Long);
        match self.held {
            None => {
                let cooled = self
                    .last_fill
                    .is_none_or(|fill| at - fill >= rules.cool_down);
                if cooled && enterable.is_some() {
                    self.order = Some(Order {
                        decided: at,
                        close: false,
                        open: enterable,
                    });
                }
            }
            Some(held) => {
                let agreeing = match held.direction {
                    Direction::Long => longs,
                    Direction::Short => shorts,
                };
                let opposed = quorum == Some(held.direction.opposite());
                if (opposed || agreeing == 0) && at - held.since >= rules.minimum_hold {
                    let open = enterable.filter(|_| opposed);
                    self.order = Some(Order {
                        decided: at,
                        close: true,
                        open,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use rawe_core::{Symbol, Timeframe};

    const RULES: PaperRules = PaperRules {
        quorum: 3,
        minimum_hold: TimeDelta::hours(12),
        cool_down: TimeDelta::hours(4),
    };

    fn hour(n: i64) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap() + TimeDelta::hours(n)
    }

    /// The bar from hour `n` to `n + 1`.
    fn bar(n: i64, open: f64) -> Bar {
        Bar {
            symbol: Symbol::new("BTC/USD").unwrap(),
            start: hour(n),
            end: hour(n + 1),
            timeframe: Timeframe::Hour,
            open,
            high: open,
            low: open,
            close: open,
            volume: 1.0,
            backfill: true,
        }
    }

    /// Plays (longs, shorts) of each hour on prices 100, 101, ...; returns moves and directions.
    fn play(votes: &[(usize, usize)], shortable: bool) -> (Vec<f64>, Vec<Option<Direction>>) {
        let mut position = PaperPosition::default();
        let (mut moves, mut held) = (Vec::new(), Vec::new());
        for (n, (longs, shorts)) in votes.iter().enumerate() {
            let n = i64::try_from(n).unwrap();
            position.decide(hour(n), *longs, *shorts, shortable, RULES);
            moves.extend(position.apply_bar(&bar(n, 100.0 + n as f64)));
            held.push(position.direction());
        }
        (moves, held)
    }

    #[test]
    fn entered_by_quorum_left_when_nobody_agrees_but_not_within_the_hold() {
        let mut votes = vec![(2, 0), (3, 1), (0, 0)];
        votes.extend([(0, 0); 20]);
        let (moves, held) = play(&votes, true);
        assert_eq!(held[0], None);
        // Entered at hour 1 (101); the hold ends at hour 13 (113).
        assert!(held[1..13].iter().all(|h| *h == Some(Direction::Long)));
        assert_eq!(held[13], None);
        assert_eq!(moves.len(), 1);
        assert!((moves[0] - (113.0 / 101.0 - 1.0)).abs() < 1e-12);
    }

    #[test]
    fn one_agreeing_vote_keeps_a_position_and_an_opposite_quorum_reverses_it() {
        let mut votes = vec![(3, 0)];
        votes.extend([(1, 2); 20]);
        votes.push((1, 3));
        votes.push((1, 3));
        let (moves, held) = play(&votes, true);
        assert!(held[..21].iter().all(|h| *h == Some(Direction::Long)));
        assert_eq!(held[21], Some(Direction::Short));
        assert_eq!(moves.len(), 1);
        let (_, held) = play(&votes, false);
        assert_eq!(held[21], None, "what cannot be shorted is only closed");
    }

    #[test]
    fn cool_down_delays_the_next_entry_and_conflict_enters_nothing() {
        let mut votes = vec![(3, 0)];
        votes.extend([(0, 0); 12]);
        votes.extend([(3, 0); 6]);
        let (_, held) = play(&votes, true);
        assert_eq!(held[12], None);
        assert_eq!(held[15], None);
        assert_eq!(held[16], Some(Direction::Long));
        assert_eq!(play(&[(3, 3); 5], true).1, vec![None; 5]);
    }

    #[test]
    fn a_bar_that_ended_before_the_decision_fills_nothing() {
        let mut position = PaperPosition::default();
        position.decide(hour(5), 3, 0, true, RULES);
        assert_eq!(position.apply_bar(&bar(4, 100.0)), None);
        assert_eq!(position.direction(), None);
        position.apply_bar(&bar(5, 100.0));
        assert_eq!(position.direction(), Some(Direction::Long));
    }
}
