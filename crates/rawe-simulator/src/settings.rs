//! From a plan to the settings of the collective, the right ones and those of the bugs.

use rawe_collective::CollectiveSettings;
use rawe_consensus::{ConsensusConfig, Rules};
use rawe_core::{AssetClass, Roster, Symbol, Timestamp};
use rawe_execution::broker::AssetInfo;
use rawe_execution::{DeskSettings, ExitRules, RiskLimits};
use rust_decimal::Decimal;

use crate::broker::Listed;
use crate::bugs::WrongSettings;
use crate::plan::Plan;

/// The deployment's name in every run.
pub const DEPLOYMENT: &str = "simulated";

/// The collective's settings under a plan, and what bugs make of them.
///
/// # Errors
/// When the plan is outside what the rules allow, which is a mistake in the plan.
pub fn settings(plan: &Plan) -> Result<(CollectiveSettings, WrongSettings), Vec<String>> {
    let roster = Roster::default();
    let config = ConsensusConfig {
        window_ms: plan.window_ms,
        min_hold_secs: plan.min_hold_secs,
        cool_down_secs: plan.cool_down_secs,
        retry_wait_secs: plan.retry_wait_secs,
        new_positions_per_hour: plan.new_positions_per_hour,
        ..ConsensusConfig::default()
    };
    let checked = |config: ConsensusConfig| -> Result<Rules, Vec<String>> { config.check(&roster) };
    let wrong = WrongSettings {
        limits: RiskLimits {
            order_notional_max: Decimal::from(100_000_000),
            asset_notional_max: Decimal::from(100_000_000),
            gross_notional_max: Decimal::from(100_000_000),
            net_notional_max: Decimal::from(100_000_000),
            ..limits(plan)
        },
        minority: checked(ConsensusConfig {
            quorum: Some(2),
            allow_minority: true,
            ..config.clone()
        })?,
        stretched: checked(ConsensusConfig {
            window_ms: plan.window_ms.saturating_mul(20).min(300_000),
            ..config.clone()
        })?,
        any_number_an_hour: checked(ConsensusConfig {
            new_positions_per_hour: 1_000_000,
            ..config.clone()
        })?,
    };
    let right = CollectiveSettings {
        rules: checked(config)?,
        roster: roster.clone(),
        desk: DeskSettings {
            deployment: DEPLOYMENT.to_owned(),
            limits: limits(plan),
            exits: ExitRules {
                target: plan.target,
                bracket_orders: plan.bracket_orders,
                ..ExitRules::default()
            },
            new_positions_per_hour: plan.new_positions_per_hour as usize,
        },
    };
    Ok((right, wrong))
}

fn limits(plan: &Plan) -> RiskLimits {
    RiskLimits {
        order_notional_max: plan.order_notional_max,
        asset_notional_max: plan.asset_notional_max,
        gross_notional_max: plan.gross_notional_max,
        net_notional_max: plan.net_notional_max,
        orders_per_minute_max: plan.orders_per_minute_max,
        ..RiskLimits::default()
    }
}

/// What is traded: each of Alpaca's kinds once.
pub fn listed(now: Timestamp, whole_shares: bool) -> Vec<Listed> {
    let cents = |cents: i64| Decimal::new(cents, 2);
    let micro = Some(Decimal::new(1, 6));
    let kinds = [
        ("AAPL", true, true, true, cents(18_750), None),
        ("TSLA", true, true, false, cents(24_310), None),
        ("BRKB", true, false, true, cents(41_205), None),
        ("PENY", true, true, true, cents(82), None),
        ("GONE", false, false, false, cents(1_000), None),
        ("BTC/USD", true, true, false, cents(6_412_345), micro),
        ("ETH/USD", true, true, false, cents(312_345), micro),
    ];
    kinds
        .into_iter()
        .filter_map(
            |(name, tradable, fractionable, shortable, price, increment)| {
                let symbol = Symbol::new(name).ok()?;
                let crypto = symbol.class() == AssetClass::Crypto;
                Some(Listed {
                    info: AssetInfo {
                        class: symbol.class(),
                        symbol,
                        tradable,
                        fractionable: fractionable && (crypto || !whole_shares),
                        shortable,
                        quantity_min: increment.filter(|_| crypto),
                        quantity_increment: increment,
                    },
                    price,
                    priced_at: now,
                })
            },
        )
        .collect()
}

/// What agents vote on: the listed ones, and one that the broker does not know.
pub fn voted_on() -> Vec<Symbol> {
    [
        "AAPL", "TSLA", "BRKB", "PENY", "GONE", "BTC/USD", "ETH/USD", "WHAT",
    ]
    .into_iter()
    .filter_map(|name| Symbol::new(name).ok())
    .collect()
}
