//! `GET /v2/account/portfolio/history`: the account's worth over time, as JSON numbers.

use axum::Json;
use chrono::{Days, Months, NaiveDate, TimeDelta};
use rawe_core::Timestamp;
use rawe_core::calendar::{MarketCalendar, new_york_date, new_york_midnight};
use rawe_market::Exchange;
use rawe_market::sessions::extended;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::Caller;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};

/// The longest time that is answered in windows shorter than a day.
const INTRADAY_DAYS_MAX: i64 = 30;
/// Up to so many days the windows are a minute long unless asked otherwise.
const MINUTE_DAYS_MAX: i64 = 7;

/// The answer: parallel arrays.
#[derive(Debug, Serialize)]
pub(crate) struct PortfolioHistory {
    /// Left edges of the windows, Unix seconds.
    timestamp: Vec<i64>,
    /// USD at the right edges.
    equity: Vec<f64>,
    /// USD since the base.
    profit_loss: Vec<f64>,
    /// A factor: 0.01 is 1 %.
    profit_loss_pct: Vec<f64>,
    /// USD.
    base_value: f64,
    /// The day whose close is the base.
    base_value_asof: NaiveDate,
    timeframe: &'static str,
    /// Nothing is paid in or out.
    cashflow: Map<String, Value>,
}

/// Which hours intraday windows cover.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hours {
    Regular,
    Extended,
    All,
}

/// What is asked for.
struct Query {
    start: Timestamp,
    end: Timestamp,
    timeframe: &'static str,
    /// Length of a window; `None` is a trading day.
    minutes: Option<i64>,
    hours: Hours,
    /// Whether gains start anew each day.
    daily_reset: bool,
}

/// One window.
#[derive(Clone, Copy, Debug)]
struct Window {
    left: Timestamp,
    right: Timestamp,
    date: NaiveDate,
}

pub(crate) async fn history(caller: Caller, params: Params) -> Answer<Json<PortfolioHistory>> {
    let exchange = caller.0.exchange();
    let query = Query::read(&params, &exchange).map_err(ApiRefusal::malformed)?;
    Ok(Json(query.answer(&exchange)))
}

impl Query {
    fn read(params: &Params, exchange: &Exchange) -> Result<Self, String> {
        let now = exchange.now();
        let (start, end) = (
            params.instant("start", false)?,
            params.instant("end", true)?,
        );
        let end = match end {
            Some(end) => Some(end),
            None => params.instant("date_end", true)?,
        };
        let period = params.text("period");
        if start.is_some() && end.is_some() && period.is_some() {
            return Err("only two of start, end and period are accepted".to_owned());
        }
        let (start, end) = match (start, end) {
            (Some(start), Some(end)) => (start, end),
            (Some(start), None) => match period {
                Some(period) => (start, moved(start, period, true)?),
                None => (start, now),
            },
            (None, end) => {
                let end = end.unwrap_or(now);
                (moved(end, period.unwrap_or("1M"), false)?, end)
            }
        };
        let days = (end - start).num_days();
        let (timeframe, minutes) = match params.text("timeframe") {
            Some("1Min") => ("1Min", Some(1)),
            Some("5Min") => ("5Min", Some(5)),
            Some("15Min") => ("15Min", Some(15)),
            Some("1H") => ("1H", Some(60)),
            Some("1D") => ("1D", None),
            Some(other) => return Err(format!("invalid timeframe: {other:.40}")),
            None if days < MINUTE_DAYS_MAX => ("1Min", Some(1)),
            None if days < INTRADAY_DAYS_MAX => ("15Min", Some(15)),
            None => ("1D", None),
        };
        if minutes.is_some() && days > INTRADAY_DAYS_MAX {
            return Err("intraday timeframes are limited to 30 days".to_owned());
        }
        let hours = match params.text("intraday_reporting") {
            None if params.flag("extended_hours") => Hours::Extended,
            None | Some("market_hours") => Hours::Regular,
            Some("extended_hours") => Hours::Extended,
            Some("continuous") => Hours::All,
            Some(other) => return Err(format!("invalid intraday_reporting: {other:.40}")),
        };
        Ok(Self {
            start: start.max(exchange.account().created_at),
            end: end.min(now),
            timeframe,
            minutes,
            hours,
            daily_reset: minutes.is_some() && params.text("pnl_reset") != Some("no_reset"),
        })
    }

    /// The windows, oldest first; the last one may still run.
    fn windows(&self) -> Vec<Window> {
        let calendar = MarketCalendar::nyse();
        let mut windows = Vec::new();
        let mut date = new_york_date(self.start);
        let last = new_york_date(self.end);
        while date <= last {
            let session = calendar.session(date);
            let midnights =
                new_york_midnight(date).zip(date.succ_opt().and_then(new_york_midnight));
            let span = match (self.minutes, self.hours) {
                (None, _) => midnights.filter(|_| session.is_some()),
                (_, Hours::All) => midnights,
                (_, Hours::Regular) => session.map(|session| (session.open, session.close)),
                (_, Hours::Extended) => session
                    .and_then(|session| extended(&session))
                    .map(|day| (day.open, day.close)),
            };
            if let Some((from, to)) = span {
                let length = self.minutes.map_or(to - from, TimeDelta::minutes);
                let mut left = from;
                while left < to && left <= self.end {
                    let right = (left + length).min(to);
                    if right > self.start {
                        windows.push(Window { left, right, date });
                    }
                    left += length;
                }
            }
            let Some(next) = date.checked_add_days(Days::new(1)) else {
                break;
            };
            date = next;
        }
        windows
    }

    fn answer(&self, exchange: &Exchange) -> PortfolioHistory {
        let windows = self.windows();
        let rights: Vec<Timestamp> = windows.iter().map(|window| window.right).collect();
        let equity = exchange.equity_history(&rights);
        let start = windows.first().map_or(self.start, |window| window.left);
        let at_start = exchange.equity_history(&[start]);
        let base = at_start.first().copied().unwrap_or_default();
        let (mut gains, mut parts) = (Vec::new(), Vec::new());
        let (mut day, mut day_base, mut former) = (None, base, base);
        for (window, value) in windows.iter().zip(&equity) {
            if self.daily_reset && day != Some(window.date) {
                day = Some(window.date);
                day_base = former;
            }
            let from = if self.daily_reset { day_base } else { base };
            let gain = value - from;
            gains.push(number(gain));
            parts.push(number(
                gain.checked_div(from).unwrap_or_default().round_dp(6),
            ));
            former = *value;
        }
        let before = MarketCalendar::nyse().previous_session(start);
        PortfolioHistory {
            timestamp: windows
                .iter()
                .map(|window| window.left.timestamp())
                .collect(),
            equity: equity.into_iter().map(number).collect(),
            profit_loss: gains,
            profit_loss_pct: parts,
            base_value: number(base),
            base_value_asof: before.map_or(new_york_date(start), |session| session.date),
            timeframe: self.timeframe,
            cashflow: Map::new(),
        }
    }
}

fn number(money: Decimal) -> f64 {
    money.round_dp(6).to_f64().unwrap_or_default()
}

/// An instant a period later or earlier: a number and D, W, M or A.
fn moved(from: Timestamp, period: &str, later: bool) -> Result<Timestamp, String> {
    let invalid = || format!("invalid period: {period:.40}");
    let unit = period.chars().last().ok_or_else(invalid)?;
    let count = period
        .strip_suffix(unit)
        .and_then(|text| text.parse::<u32>().ok());
    let count = count
        .filter(|count| (1..=10_000).contains(count))
        .ok_or_else(invalid)?;
    let by_days = |days: u32| {
        let days = TimeDelta::days(i64::from(days));
        if later {
            from.checked_add_signed(days)
        } else {
            from.checked_sub_signed(days)
        }
    };
    let by_months = |months: u32| {
        let months = Months::new(months);
        if later {
            from.checked_add_months(months)
        } else {
            from.checked_sub_months(months)
        }
    };
    let instant = match unit {
        'D' => by_days(count),
        'W' => by_days(count * 7),
        'M' => by_months(count),
        'A' => by_months(count * 12),
        _ => None,
    };
    instant.ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_numbers_with_a_unit() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        for (period, expected) in [
            ("1D", "2026-03-30T12:00:00Z"),
            ("2W", "2026-03-17T12:00:00Z"),
            ("1M", "2026-02-28T12:00:00Z"),
            ("1A", "2025-03-31T12:00:00Z"),
        ] {
            assert_eq!(
                moved(now, period, false),
                Ok(expected.parse().unwrap()),
                "{period}"
            );
        }
        for bad in ["", "D", "1", "0D", "1X", "-1D", "1é", "99999999999D"] {
            assert!(moved(now, bad, false).is_err(), "{bad}");
        }
    }
}
