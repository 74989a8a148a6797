//! The summary at the end of a run: what the collective did and what became of the money, as text
//! for people and as one JSON object for scripts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use rawe_core::Timestamp;
use serde::Serialize;

use crate::up::account::AccountView;
use crate::up::tally::{Tally, by_reason};

/// Why the run ended. The names are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndReason {
    /// The number of orders asked for was accepted.
    OrdersReached,
    /// The time was up.
    Deadline,
    /// The replay was played to its end.
    ReplayEnded,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

/// The last line of `rawe up --summary json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Why the run ended.
    pub(crate) ended: EndReason,
    /// `redis` or `embedded`.
    pub(crate) bus: String,
    /// Orders the broker accepted.
    pub(crate) orders: u64,
    /// Rounds, decisions and near misses.
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// Signals accepted.
    pub(crate) signals: u64,
    /// What the agents last said about each class of assets: open, or closed and why.
    pub(crate) classes: BTreeMap<String, String>,
    /// The first instant of market time seen after the warm-up.
    pub(crate) market_from: Option<Timestamp>,
    /// The last one.
    pub(crate) market_to: Option<Timestamp>,
    /// The account, as the broker tells it; absent when it could not be asked.
    pub(crate) account: Option<AccountView>,
    /// From the start of `rawe up` until the first accepted order, in seconds.
    pub(crate) first_order_secs: Option<f64>,
    /// From start to end, in seconds.
    pub(crate) elapsed_secs: f64,
    /// Children started again after a death.
    pub(crate) restarts: u64,
    /// Children given up.
    pub(crate) failed: Vec<String>,
}

impl Summary {
    /// The summary for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let why = match self.ended {
            EndReason::OrdersReached => "the orders asked for were accepted",
            EndReason::Deadline => "the time was up",
            EndReason::ReplayEnded => "the replay was played to its end",
            EndReason::Interrupted => "told to end",
        };
        let period = match (self.market_from, self.market_to) {
            (Some(from), Some(to)) => {
                format!(
                    "{} to {}",
                    from.format("%Y-%m-%d %H:%M"),
                    to.format("%Y-%m-%d %H:%M")
                )
            }
            _ => "none played".to_owned(),
        };
        let tally = &self.tally;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "what the collective did ({why})\n\
             \x20 market time   {period}\n\
             \x20 signals       {}\n\
             \x20 rounds        {}, of which {} came to nothing: {}\n\
             \x20 decisions     {}: {} long, {} short, {} to close\n\
             \x20 orders        {} accepted by the broker\n",
            self.signals,
            tally.rounds,
            tally.missed(),
            by_reason(&tally.near_misses),
            tally.decisions,
            tally.longs,
            tally.shorts,
            tally.closes,
            self.orders,
        );
        for said in self.classes.values() {
            let _ = writeln!(text, "  agents say    {said}");
        }
        match &self.account {
            Some(account) => text += &account.text(),
            None => text += "  account       could not be asked\n",
        }
        if self.restarts > 0 || !self.failed.is_empty() {
            let failed = if self.failed.is_empty() {
                String::new()
            } else {
                format!(", given up: {}", self.failed.join(", "))
            };
            let _ = writeln!(text, "  processes     {} restarts{failed}", self.restarts);
        }
        let elapsed = Duration::from_secs_f64(self.elapsed_secs.max(0.0));
        let first = self.first_order_secs.map_or_else(String::new, |secs| {
            format!(", first order after {secs:.1} s")
        });
        let _ = write!(
            text,
            "  elapsed       {:.1} s{first}",
            elapsed.as_secs_f64()
        );
        text
    }
}
