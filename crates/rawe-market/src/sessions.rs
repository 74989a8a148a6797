//! When an order may work: the regular session, the extended one around it, and the hours in which
//! orders for an auction are taken. Days, half days and daylight saving come from
//! [`rawe_core::calendar`].

use chrono::NaiveDate;
use rawe_core::calendar::{MarketCalendar, Session, new_york_date, new_york_instant};
use rawe_core::{AssetClass, Timestamp};

use crate::exchange::Exchange;
use crate::order::Order;
use crate::terms::TimeInForce;

/// The extended session opens at 4:00, New York, minutes after midnight.
const EXTENDED_OPEN_MINUTES: u32 = 4 * 60;
/// It closes at 20:00.
const EXTENDED_CLOSE_MINUTES: u32 = 20 * 60;
/// On a half day at 17:00.
const EXTENDED_HALF_DAY_CLOSE_MINUTES: u32 = 17 * 60;
/// Regular sessions that end before this are half days.
const REGULAR_CLOSE_MINUTES: u32 = 16 * 60;
/// From 9:28 on no order for the opening auction of the day is taken.
const OPENING_ORDERS_END_MINUTES: u32 = 9 * 60 + 28;
/// From 15:50 on, ten minutes before the close, none for the closing auction.
const CLOSING_ORDERS_END_BEFORE_MINUTES: i64 = 10;
/// From 19:00 on orders for the auctions of the next day are taken.
const AUCTION_ORDERS_START_MINUTES: u32 = 19 * 60;

/// The hours of one day in which stocks trade at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedSession {
    /// The day, New York.
    pub date: NaiveDate,
    /// 4:00 New York.
    pub open: Timestamp,
    /// 20:00 New York, 17:00 on a half day.
    pub close: Timestamp,
}

/// The extended session of the day of a regular one.
pub fn extended(session: &Session) -> Option<ExtendedSession> {
    let regular_close = new_york_instant(session.date, REGULAR_CLOSE_MINUTES)?;
    let close = if session.close < regular_close {
        EXTENDED_HALF_DAY_CLOSE_MINUTES
    } else {
        EXTENDED_CLOSE_MINUTES
    };
    Some(ExtendedSession {
        date: session.date,
        open: new_york_instant(session.date, EXTENDED_OPEN_MINUTES)?,
        close: new_york_instant(session.date, close)?,
    })
}

/// The extended session at `instant` (open ≤ instant < close).
pub fn extended_at(instant: Timestamp) -> Option<ExtendedSession> {
    let session = MarketCalendar::nyse().session(new_york_date(instant))?;
    extended(&session).filter(|day| day.open <= instant && instant < day.close)
}

/// The first extended session that opens after `instant`.
pub fn next_extended(instant: Timestamp) -> Option<ExtendedSession> {
    let calendar = MarketCalendar::nyse();
    let today = calendar
        .session(new_york_date(instant))
        .and_then(|session| extended(&session))
        .filter(|day| day.open > instant);
    today.or_else(|| extended(&calendar.next_session(instant)?))
}

/// Whether an order for an auction is taken at `instant`: for the opening one from 19:00 to 9:28,
/// for the closing one from 19:00 to ten minutes before the close; on days without a session at
/// any time.
pub fn takes_auction_orders(time_in_force: TimeInForce, instant: Timestamp) -> bool {
    let date = new_york_date(instant);
    let Some(session) = MarketCalendar::nyse().session(date) else {
        return true;
    };
    let until = match time_in_force {
        TimeInForce::Opg => new_york_instant(date, OPENING_ORDERS_END_MINUTES),
        _ => Some(session.close - chrono::TimeDelta::minutes(CLOSING_ORDERS_END_BEFORE_MINUTES)),
    };
    let from = new_york_instant(date, AUCTION_ORDERS_START_MINUTES);
    until.is_some_and(|until| instant < until) || from.is_some_and(|from| from <= instant)
}

impl Exchange {
    /// Whether an order may fill now: its market is open to it and it waits for nothing else.
    pub(crate) fn works_now(&self, order: &Order) -> bool {
        if !order.armed || order.time_in_force.is_auction() {
            return false;
        }
        let class = self.data.asset(order.asset).map(|asset| asset.class);
        match class {
            None => false,
            Some(AssetClass::UsEquity) if order.extended_hours => extended_at(self.now).is_some(),
            Some(class) => self.is_open(class),
        }
    }

    /// When an order that lives for a day runs out: at the close of the session that is open to
    /// it, or of the next one.
    pub(crate) fn expiry(&self, lasting: TimeInForce, extended_hours: bool) -> Option<Timestamp> {
        if lasting != TimeInForce::Day {
            return None;
        }
        if extended_hours {
            let day = extended_at(self.now).or_else(|| next_extended(self.now));
            return day.map(|day| day.close);
        }
        let calendar = MarketCalendar::nyse();
        let session = calendar
            .session_at(self.now)
            .or_else(|| calendar.next_session(self.now));
        session.map(|session| session.close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn extended_hours_follow_half_days_and_daylight_saving() {
        let cases = [
            // (within, opens, closes)
            (
                "2026-03-06T10:00:00Z",
                "2026-03-06T09:00:00Z",
                "2026-03-07T01:00:00Z",
            ),
            (
                "2026-03-09T10:00:00Z",
                "2026-03-09T08:00:00Z",
                "2026-03-10T00:00:00Z",
            ),
            // The day after Thanksgiving.
            (
                "2026-11-27T17:30:00Z",
                "2026-11-27T09:00:00Z",
                "2026-11-27T22:00:00Z",
            ),
        ];
        for (within, opens, closes) in cases {
            let day = extended_at(at(within)).unwrap();
            assert_eq!((day.open, day.close), (at(opens), at(closes)), "{within}");
            assert_eq!(extended_at(day.close), None);
        }
        // Thanksgiving itself has none.
        assert_eq!(extended_at(at("2026-11-26T17:00:00Z")), None);
        let next = next_extended(at("2026-11-26T17:00:00Z")).unwrap();
        assert_eq!(next.open, at("2026-11-27T09:00:00Z"));
    }

    #[test]
    fn auctions_take_orders_in_their_hours() {
        let cases = [
            ("2026-03-02T14:27:59Z", true, true),
            ("2026-03-02T14:28:00Z", false, true),
            ("2026-03-02T20:49:59Z", false, true),
            ("2026-03-02T20:50:00Z", false, false),
            ("2026-03-02T23:59:59Z", false, false),
            ("2026-03-03T00:00:00Z", true, true),
            // A Saturday at noon.
            ("2026-03-07T17:00:00Z", true, true),
            // Ten minutes before the close of a half day.
            ("2026-11-27T17:50:00Z", false, false),
        ];
        for (instant, opening, closing) in cases {
            let takes = |tif| takes_auction_orders(tif, at(instant));
            assert_eq!(takes(TimeInForce::Opg), opening, "{instant} opening");
            assert_eq!(takes(TimeInForce::Cls), closing, "{instant} closing");
        }
    }
}
