//! Reading what trading led to: positions that are open, trades that are over, prices last seen.

use rawe_core::{ClientOrderId, ClosedTrade, Fill, Purpose, RoundRecord, Symbol, Timestamp};
use rawe_execution::journal::{JournalError, PositionRecord};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive as _;
use serde::Serialize;

use crate::reader::{Filter, JournalReader, records};

/// A price that the journal knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownPrice {
    /// USD a unit.
    #[serde(with = "rust_decimal::serde::str")]
    pub price: Decimal,
    /// Market time.
    pub at: Timestamp,
    /// Where it is from: `fill` or `hindsight`.
    pub source: &'static str,
}

/// A position as the books last had it, and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenPosition {
    /// The newest line of the books.
    pub position: PositionRecord,
    /// The order that opened it, if the journal knows.
    pub opened_by: Option<ClientOrderId>,
    /// Market time of the newest fill of that order.
    pub opened_at: Option<Timestamp>,
    /// The round that decided to open it.
    pub round: Option<RoundRecord>,
    /// The newest price of the asset in the journal.
    pub price: Option<KnownPrice>,
}

impl JournalReader {
    /// Positions of ours that are open, by asset.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_positions(
        &self,
        asset: Option<&Symbol>,
    ) -> Result<Vec<OpenPosition>, JournalError> {
        let positions: Vec<PositionRecord> = records(
            &self.connection,
            "reading the open positions",
            "SELECT p.record FROM open_positions o JOIN positions p ON p.seq = o.seq
             WHERE ?1 IS NULL OR o.asset = ?1 ORDER BY o.asset",
            [asset.map(Symbol::as_str)],
        )?;
        positions
            .into_iter()
            .map(|position| self.with_origin(position))
            .collect()
    }

    fn with_origin(&self, position: PositionRecord) -> Result<OpenPosition, JournalError> {
        let mut fills: Vec<Fill> = records(
            &self.connection,
            "reading the opening of a position",
            "SELECT record FROM fills WHERE asset = ?1 AND purpose = ?2 ORDER BY seq DESC LIMIT 1",
            (position.asset.as_str(), Purpose::Open.to_string()),
        )?;
        let opening = fills.pop();
        let mut rounds: Vec<RoundRecord> = match &opening {
            None => Vec::new(),
            Some(fill) => records(
                &self.connection,
                "reading the round of a position",
                "SELECT record FROM decisions WHERE client_order_id = ?1 ORDER BY seq DESC LIMIT 1",
                [fill.client_order_id.as_str()],
            )?,
        };
        Ok(OpenPosition {
            price: self.newest_price(&position.asset)?,
            opened_at: opening.as_ref().map(|fill| fill.at),
            opened_by: opening.map(|fill| fill.client_order_id),
            round: rounds.pop(),
            position,
        })
    }

    /// The newest price of an asset that anything in the journal names.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_price(&self, asset: &Symbol) -> Result<Option<KnownPrice>, JournalError> {
        let mut fills: Vec<Fill> = records(
            &self.connection,
            "reading the newest price",
            "SELECT record FROM fills WHERE asset = ?1 ORDER BY seq DESC LIMIT 1",
            [asset.as_str()],
        )?;
        let mut judged: Vec<rawe_core::Hindsight> = records(
            &self.connection,
            "reading the newest price",
            "SELECT record FROM hindsight WHERE asset = ?1 ORDER BY seq DESC LIMIT 1",
            [asset.as_str()],
        )?;
        let filled = fills.pop().map(|fill| KnownPrice {
            price: fill.price,
            at: fill.at,
            source: "fill",
        });
        let seen = judged.pop().and_then(|hindsight| {
            Some(KnownPrice {
                price: Decimal::from_f64(hindsight.exit_price)?,
                at: hindsight.judged_at,
                source: "hindsight",
            })
        });
        Ok(filled.into_iter().chain(seen).max_by_key(|price| price.at))
    }

    /// Trades that are over, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn trades(&self, filter: &Filter) -> Result<Vec<ClosedTrade>, JournalError> {
        records(
            &self.connection,
            "reading the closed trades",
            "SELECT record FROM trades WHERE (?1 IS NULL OR asset = ?1)
                AND (?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at < ?3)
             ORDER BY seq DESC LIMIT ?4",
            (
                filter.asset.as_ref().map(Symbol::as_str),
                filter.since_text(),
                filter.until_text(),
                filter.limit_number(),
            ),
        )
    }

    /// The trades that an order opened or closed, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn trades_of(&self, order: &ClientOrderId) -> Result<Vec<ClosedTrade>, JournalError> {
        records(
            &self.connection,
            "reading the trades of an order",
            "SELECT record FROM trades WHERE opened_by = ?1 OR closed_by = ?1 ORDER BY seq",
            [order.as_str()],
        )
    }
}
