//! What trades made, summed: in all, and by day, asset, agent or reason. Pure.

use std::collections::BTreeMap;

use rawe_core::ClosedTrade;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::Serialize;

/// What the sums are split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// The day of closing, UTC.
    Day,
    /// The asset.
    Asset,
    /// Who voted for it; those who did share it equally.
    Agent,
    /// Why it was closed.
    Reason,
}

/// Sums over some trades.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Tally {
    /// Trades.
    pub(crate) trades: u64,
    /// Those that made more than nothing, net.
    pub(crate) wins: u64,
    /// USD, net of fees.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) realised: Decimal,
    /// USD paid as fees.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) fees: Decimal,
    /// USD put in, summed.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) notional: Decimal,
    /// USD of the best trade.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) best: Decimal,
    /// USD of the worst.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) worst: Decimal,
}

impl Tally {
    /// Adds a trade, or the share of it that is counted here.
    fn add(&mut self, trade: &ClosedTrade, share: Decimal) {
        let realised = trade.realised.saturating_mul(share);
        (self.best, self.worst) = if self.trades == 0 {
            (realised, realised)
        } else {
            (self.best.max(realised), self.worst.min(realised))
        };
        self.trades += 1;
        self.wins += u64::from(trade.realised > Decimal::ZERO);
        self.realised = self.realised.saturating_add(realised);
        self.fees = self.fees.saturating_add(trade.fees.saturating_mul(share));
        let notional = trade.notional().saturating_mul(share);
        self.notional = self.notional.saturating_add(notional);
    }

    /// Winning trades, percent of all; `None` without trades.
    pub(crate) fn win_percent(&self) -> Option<f64> {
        (self.trades > 0).then(|| self.wins as f64 / self.trades as f64 * 100.0)
    }

    /// Realised, basis points of what was put in; `None` if nothing was.
    pub(crate) fn return_bp(&self) -> Option<f64> {
        let share = self.realised.checked_div(self.notional)?;
        Some(share.to_f64()? * 10_000.0)
    }
}

/// Everything that `rawe pnl` tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Result {
    /// All trades together.
    pub(crate) total: Tally,
    /// Gains of winning trades, USD.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) gained: Decimal,
    /// Losses of the others, USD, 0 or less.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) lost: Decimal,
    /// The deepest fall of the running sum of results below its highest point, USD, 0 or more.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) drawdown: Decimal,
    /// The parts, by name.
    pub(crate) parts: BTreeMap<String, Tally>,
}

/// Sums trades, oldest first.
pub(crate) fn sum(trades: &[ClosedTrade], by: By) -> Result {
    let mut result = Result {
        total: Tally::default(),
        gained: Decimal::ZERO,
        lost: Decimal::ZERO,
        drawdown: Decimal::ZERO,
        parts: BTreeMap::new(),
    };
    let (mut running, mut highest) = (Decimal::ZERO, Decimal::ZERO);
    for trade in trades {
        result.total.add(trade, Decimal::ONE);
        let part = trade.realised;
        result.gained = result.gained.saturating_add(part.max(Decimal::ZERO));
        result.lost = result.lost.saturating_add(part.min(Decimal::ZERO));
        running = running.saturating_add(part);
        highest = highest.max(running);
        result.drawdown = result.drawdown.max(highest - running);
        let keys = keys(trade, by);
        let share = Decimal::ONE
            .checked_div(Decimal::from(keys.len()))
            .unwrap_or_default();
        for key in keys {
            result.parts.entry(key).or_default().add(trade, share);
        }
    }
    result
}

fn keys(trade: &ClosedTrade, by: By) -> Vec<String> {
    match by {
        By::Day => vec![trade.closed_at.format("%Y-%m-%d").to_string()],
        By::Asset => vec![trade.asset.to_string()],
        By::Reason => vec![trade.reason.to_string()],
        By::Agent => {
            let votes = trade.votes.iter();
            let agreed: Vec<String> = votes
                .filter(|vote| vote.direction == trade.direction)
                .map(|vote| vote.agent.to_string())
                .collect();
            if agreed.is_empty() {
                vec!["(no votes known)".to_owned()]
            } else {
                agreed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _, Utc};
    use rawe_core::{AgentId, DecisionId, Direction, ExitReason, Purpose, Symbol, TradeVote};

    use super::*;

    fn trade(day: i64, realised: i64, agents: &[&str]) -> ClosedTrade {
        let at = Utc.with_ymd_and_hms(2026, 5, 4, 15, 0, 0).unwrap() + TimeDelta::days(day);
        let asset = Symbol::new("AAPL").unwrap();
        let vote = |agent: &&str| TradeVote {
            agent: AgentId::new(agent).unwrap(),
            direction: Direction::Long,
        };
        ClosedTrade {
            opened_by: DecisionId::derive("t", &asset, Purpose::Open, None).client_order_id(),
            closed_by: None,
            opening_round: "r".into(),
            closing_round: None,
            asset,
            direction: Direction::Long,
            opened_at: at,
            closed_at: at,
            quantity: Decimal::TEN,
            entry_price: Decimal::TEN,
            exit_price: Decimal::TEN,
            fees: Decimal::ONE,
            realised: realised.into(),
            reason: ExitReason::SoftExit,
            votes: agents.iter().map(vote).collect(),
        }
    }

    #[test]
    fn sums_are_those_of_the_trades_whatever_they_are_split_by() {
        let trades = [
            trade(0, 30, &["a", "b"]),
            trade(0, -50, &["a"]),
            trade(1, 10, &[]),
            trade(2, -5, &["a", "b", "c"]),
        ];
        for by in [By::Day, By::Asset, By::Agent, By::Reason] {
            let result = sum(&trades, by);
            assert_eq!(result.total.realised, Decimal::from(-15), "{by:?}");
            assert_eq!((result.total.trades, result.total.wins), (4, 2));
            assert_eq!(
                (result.gained, result.lost, result.drawdown),
                (40.into(), (-55).into(), 50.into())
            );
            let parts: Decimal = result.parts.values().map(|part| part.realised).sum();
            assert_eq!(parts.round_dp(9), Decimal::from(-15), "{by:?}");
        }
        let by_agent = sum(&trades, By::Agent).parts;
        assert_eq!(by_agent["a"].trades, 3);
        assert_eq!(
            by_agent["b"].realised.round_dp(3),
            "13.333".parse().unwrap()
        );
        assert_eq!(sum(&trades, By::Day).parts.len(), 3);
        assert_eq!(sum(&[], By::Day).total.win_percent(), None);
        assert_eq!(sum(&[], By::Day).total.return_bp(), None);
    }
}
