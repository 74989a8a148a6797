//! What a seed decides before the first step: when, under which rules, and which faults are on.
//!
//! Swarm testing: each fault is on in a part of the runs only, and with a rate of its own, because
//! a run in which everything fails at once never reaches the states behind the first failure.

use chrono::{Datelike, NaiveDate, TimeDelta};
use rawe_core::Timestamp;
use rawe_core::calendar::MarketCalendar;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::random::Dice;

/// The parts of the world that draw, each from a stream of its own.
pub(crate) mod part {
    pub(crate) const PLAN: u64 = 1;
    pub(crate) const AGENTS: u64 = 2;
    pub(crate) const BUS: u64 = 3;
    pub(crate) const BROKER: u64 = 4;
    pub(crate) const NETWORK: u64 = 5;
    pub(crate) const JOURNAL: u64 = 6;
    pub(crate) const OPERATOR: u64 = 7;
    pub(crate) const CRASHES: u64 = 8;
    pub(crate) const MARKET: u64 = 9;
    pub(crate) const TIES: u64 = 10;
    pub(crate) const EXITS: u64 = 11;
}

/// How likely each fault is, each time it could happen; 0 is off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// A vote never arrives.
    pub vote_lost: f64,
    /// A vote arrives twice or thrice.
    pub vote_repeated: f64,
    /// A vote arrives up to half a minute late, and so after later ones.
    pub vote_delayed: f64,
    /// Bytes that are no vote, or not one of the roster's.
    pub vote_garbage: f64,
    /// An agent votes both ways.
    pub equivocation: f64,
    /// The subscription breaks: votes are lost and a gap is told.
    pub bus_gap: f64,
    /// A stance message is lost.
    pub stances_lost: f64,
    /// An agent dies for a while.
    pub agent_dies: f64,
    /// An order never reaches the broker, and the sender does not know.
    pub submit_lost: f64,
    /// An order reaches the broker only after its sender has given up.
    pub submit_late: f64,
    /// The broker takes an order, and its answer is lost, or a 5xx, or unreadable.
    pub submit_unanswered: f64,
    /// The broker answers 429 and takes nothing.
    pub rate_limited: f64,
    /// A question is not answered.
    pub read_failed: f64,
    /// A question is answered late, and so after newer news.
    pub read_slow: f64,
    /// For a while no request gets an answer.
    pub outage: f64,
    /// A look-up by id does not see a young order.
    pub lookup_lag: f64,
    /// Positions are a few seconds behind the orders.
    pub positions_lag: f64,
    /// A fill is only a part.
    pub partial_fill: f64,
    /// A fill takes long.
    pub slow_fill: f64,
    /// An order that was taken is rejected or cancelled by the broker.
    pub broker_cancels: f64,
    /// A cancellation takes long, and fills go on.
    pub slow_cancel: f64,
    /// A request to cancel fails.
    pub cancel_failed: f64,
    /// A pushed update is lost.
    pub update_lost: f64,
    /// A pushed update comes twice.
    pub update_repeated: f64,
    /// A pushed update comes late.
    pub update_delayed: f64,
    /// Fees in coin are posted later instead of with the fill.
    pub fee_delayed: f64,
    /// Somebody else trades in the account.
    pub foreign: f64,
    /// Somebody else closes our position.
    pub foreign_closes: f64,
    /// A price jumps far enough to trigger stops.
    pub price_jump: f64,
    /// The broker has no price, or an old one.
    pub price_stale: f64,
    /// The journal fails for a while.
    pub journal_fails: f64,
    /// A commit takes long.
    pub journal_slow: f64,
    /// The operator says something.
    pub operator: f64,
    /// The engine is killed after a step, between any two of its effects.
    pub crash: f64,
    /// The journal is lost at a crash.
    pub journal_lost: f64,
    /// The account is blocked for a while.
    pub account_blocked: f64,
}

/// What a seed decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// When the run starts.
    pub start: Timestamp,
    /// When the faults stop at the latest.
    pub faults_until: Timestamp,
    /// The faults.
    pub faults: Faults,
    /// How far the broker's clock is ahead of ours; changes by as much in mid-run if `skew_comes`.
    pub skew: TimeDelta,
    /// The skew is there only from this time on.
    pub skew_from: Timestamp,
    /// How often agents scan.
    pub scan: TimeDelta,
    /// How likely an agent follows the mood of an asset.
    pub agreement: f64,
    /// The window of a quorum, ms.
    pub window_ms: u64,
    /// No exit by vote before this.
    pub min_hold_secs: u32,
    /// No entry for this long after a fill.
    pub cool_down_secs: u32,
    /// No attempt for this long after a refusal.
    pub retry_wait_secs: u32,
    /// Openings an hour.
    pub new_positions_per_hour: u32,
    /// Dollars an agent proposes.
    pub size: i64,
    /// The largest order, USD.
    pub order_notional_max: Decimal,
    /// The most in one asset, USD.
    pub asset_notional_max: Decimal,
    /// The most in all positions, USD.
    pub gross_notional_max: Decimal,
    /// The most longs less shorts, USD.
    pub net_notional_max: Decimal,
    /// Orders a minute.
    pub orders_per_minute_max: u32,
    /// The account's cash at the start, USD.
    pub cash: Decimal,
    /// Whether the account may short.
    pub shorting: bool,
    /// Hourly standard deviation of log returns.
    pub hourly_volatility: f64,
    /// Whether the operator resumes everything when the faults stop.
    pub resumed_at_end: bool,
    /// Whether the engine is killed once more when the faults stop.
    pub crash_at_end: bool,
    /// Whether nothing at all goes wrong.
    pub faultless: bool,
    /// The exit at a target, as a part of the entry price.
    pub target: Option<f64>,
    /// Whether openings in whole shares bring their exits along.
    pub bracket_orders: bool,
    /// Whether no stock can be bought in fractions.
    pub whole_shares: bool,
}

/// Days around which runs begin: ordinary ones, both changes of daylight saving, half days,
/// a holiday, weekends.
const DAYS: [(i32, u32, u32); 10] = [
    (2026, 1, 6),
    (2026, 1, 9),
    (2026, 3, 6),
    (2026, 3, 9),
    (2026, 10, 30),
    (2026, 11, 2),
    (2026, 11, 25),
    (2026, 11, 27),
    (2026, 12, 24),
    (2026, 7, 1),
];

impl Plan {
    /// What this seed decides.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, part::PLAN);
        let dice = &mut dice;
        let start = start(dice);
        let minutes = dice.between(30, 150);
        let faults_until = start + TimeDelta::minutes(minutes);
        let faultless = dice.chance(0.04);
        let faults = if faultless {
            Faults::default()
        } else {
            faults(dice)
        };
        let skews = [0, 0, 0, 0, 0, 0, 500, -900, 3_000, -4_000, 15_000, -20_000];
        let skew = dice.pick(&skews).copied().unwrap_or_default();
        let skew = TimeDelta::milliseconds(if faultless { 0 } else { skew });
        let skew_comes = dice.chance(0.5);
        let size = dice.between(500, 20_000);
        // Drawn apart: the worlds without them are as they were before there were any.
        let mut apart = Dice::new(seed, part::EXITS);
        let bracket_orders = apart.chance(0.4);
        let target = (bracket_orders && apart.chance(0.4)).then_some(0.02);
        let room = |dice: &mut Dice, low: f64, high: f64| {
            let usd = dice.magnitude(low, high).round();
            Decimal::from_f64(usd).unwrap_or_default()
        };
        Self {
            seed,
            start,
            faults_until,
            skew,
            skew_from: if skew_comes {
                start + TimeDelta::minutes(dice.between(1, minutes))
            } else {
                start - TimeDelta::days(1)
            },
            scan: TimeDelta::seconds(*dice.pick(&[120, 300, 300, 600]).unwrap_or(&300)),
            agreement: 0.6 + 0.4 * dice.unit(),
            window_ms: *dice
                .pick(&[1_000, 10_000, 10_000, 30_000])
                .unwrap_or(&10_000),
            min_hold_secs: *dice.pick(&[0, 300, 1_200, 3_600]).unwrap_or(&300),
            cool_down_secs: *dice.pick(&[0, 60, 600, 3_600]).unwrap_or(&60),
            retry_wait_secs: *dice.pick(&[0, 60, 600]).unwrap_or(&60),
            new_positions_per_hour: *dice.pick(&[1, 3, 10, 1_000]).unwrap_or(&10),
            size,
            order_notional_max: room(dice, 300.0, 50_000.0),
            asset_notional_max: room(dice, 2_000.0, 100_000.0),
            gross_notional_max: room(dice, 4_000.0, 200_000.0),
            net_notional_max: room(dice, 4_000.0, 200_000.0),
            orders_per_minute_max: *dice.pick(&[2, 10, 60, 150]).unwrap_or(&60),
            cash: room(dice, 3_000.0, 500_000.0),
            shorting: dice.chance(0.8),
            hourly_volatility: dice.magnitude(0.002, 0.02),
            resumed_at_end: dice.chance(0.85),
            crash_at_end: !faultless && dice.chance(0.3),
            faultless,
            target: dice.chance(0.2).then_some(0.02).or(target),
            bracket_orders,
            whole_shares: bracket_orders && apart.chance(0.6),
            faults,
        }
    }
}

/// Around a session: half an hour before it, within it, shortly before its end, or at night.
fn start(dice: &mut Dice) -> Timestamp {
    let (year, month, day) = dice.pick(&DAYS).copied().unwrap_or((2026, 1, 6));
    let date = NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
    let calendar = MarketCalendar::nyse();
    let fallback = date.and_hms_opt(15, 0, 0).unwrap_or_default().and_utc();
    let Some(session) = calendar.session(date) else {
        return fallback;
    };
    let minutes = match dice.between(0, 9) {
        0 => dice.between(-40, -5),
        1..=6 => dice.between(0, 100),
        7 | 8 => (session.close - session.open).num_minutes() - dice.between(10, 90),
        _ => dice.between(-300, -240),
    };
    let odd = i64::from(date.day()) * 7 + dice.between(0, 59_999);
    session.open + TimeDelta::minutes(minutes) + TimeDelta::milliseconds(odd)
}

fn faults(dice: &mut Dice) -> Faults {
    // How likely a fault is on at all differs too: from nearly calm runs to stormy ones.
    let storm = *dice.pick(&[0.1, 0.25, 0.25, 0.5]).unwrap_or(&0.25);
    let mut rate = |low: f64, high: f64| {
        if dice.chance(storm) {
            dice.magnitude(low, high)
        } else {
            0.0
        }
    };
    let mut faults = Faults {
        vote_lost: rate(0.01, 0.4),
        vote_repeated: rate(0.01, 0.5),
        vote_delayed: rate(0.01, 0.5),
        vote_garbage: rate(0.01, 0.3),
        equivocation: rate(0.01, 0.3),
        bus_gap: rate(0.005, 0.05),
        stances_lost: rate(0.01, 0.5),
        agent_dies: rate(0.002, 0.03),
        submit_lost: rate(0.05, 0.5),
        submit_late: rate(0.05, 0.4),
        submit_unanswered: rate(0.05, 0.6),
        rate_limited: rate(0.02, 0.3),
        read_failed: rate(0.01, 0.4),
        read_slow: rate(0.01, 0.3),
        outage: rate(0.02, 0.2),
        lookup_lag: rate(0.2, 0.9),
        positions_lag: rate(0.1, 0.9),
        partial_fill: rate(0.1, 0.8),
        slow_fill: rate(0.1, 0.8),
        broker_cancels: rate(0.1, 0.6),
        slow_cancel: rate(0.1, 0.9),
        cancel_failed: rate(0.05, 0.5),
        update_lost: rate(0.05, 1.0),
        update_repeated: rate(0.05, 0.5),
        update_delayed: rate(0.05, 0.5),
        fee_delayed: rate(0.2, 1.0),
        foreign: rate(0.02, 0.2),
        foreign_closes: rate(0.01, 0.1),
        price_jump: rate(0.01, 0.1),
        price_stale: rate(0.01, 0.2),
        journal_fails: rate(0.002, 0.05),
        journal_slow: rate(0.02, 0.5),
        operator: rate(0.01, 0.1),
        crash: rate(0.001, 0.02),
        journal_lost: rate(0.05, 0.3),
        account_blocked: rate(0.01, 0.05),
    };
    if faults.journal_lost > 0.0 {
        // Whose a position is that others have closed and opened anew, only the journal knew.
        faults.foreign_closes = 0.0;
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_plans_the_same_and_seeds_differ() {
        let plan = |seed| format!("{:?}", Plan::of(seed));
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn every_fault_is_off_in_some_runs_and_on_in_others() {
        let plans: Vec<Plan> = (0..400).map(Plan::of).collect();
        let crash = plans.iter().filter(|p| p.faults.crash > 0.0).count();
        let lost = plans.iter().filter(|p| p.faults.submit_lost > 0.0).count();
        for on in [crash, lost] {
            assert!((40..300).contains(&on), "{on} of 400");
        }
        assert!(plans.iter().any(|plan| plan.faultless));
    }
}
