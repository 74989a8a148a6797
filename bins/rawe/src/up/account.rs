//! The account as the broker tells it, for the summary: the paper exchange's whole book, or the
//! account and positions of a paper account at Alpaca. Only reads.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Client;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::up::printer::dollars;
use rust_decimal::prelude::ToPrimitive as _;

/// How long one answer may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// How many positions are listed in the text.
const POSITIONS_TOLD: usize = 12;

/// Where the account is asked about.
#[derive(Clone)]
pub(crate) enum AccountSource {
    /// The paper exchange of this run.
    Exchange {
        /// Its base URL.
        base: String,
    },
    /// An account at Alpaca.
    Alpaca {
        /// The trading API's base URL.
        base: String,
        /// Key id.
        key_id: String,
        /// Secret key.
        secret_key: String,
    },
}

/// One open position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PositionView {
    /// The asset.
    pub(crate) symbol: String,
    /// Units; negative when short.
    pub(crate) qty: Decimal,
    /// USD; negative when short.
    #[serde(default)]
    pub(crate) market_value: Option<Decimal>,
    /// USD.
    #[serde(default)]
    pub(crate) unrealized_pl: Option<Decimal>,
}

/// The account, in USD.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountView {
    /// Cash plus positions.
    pub(crate) equity: Decimal,
    /// Cash.
    pub(crate) cash: Decimal,
    /// Equity at the start of the run, where it is known.
    pub(crate) start_equity: Option<Decimal>,
    /// Equity less that of the start.
    pub(crate) profit: Option<Decimal>,
    /// Profit made real, before fees; only the paper exchange tells it.
    pub(crate) realised: Option<Decimal>,
    /// Fees paid; only the paper exchange tells them.
    pub(crate) fees: Option<Decimal>,
    /// Executions; only the paper exchange tells them.
    pub(crate) fills: Option<usize>,
    /// Open positions.
    pub(crate) positions: Vec<PositionView>,
}

#[derive(Deserialize)]
struct Book {
    start_equity: Decimal,
    equity: Decimal,
    cash: Decimal,
    realised: Decimal,
    fees: Decimal,
    fills: Vec<serde::de::IgnoredAny>,
    positions: Vec<PositionView>,
}

#[derive(Deserialize)]
struct Account {
    equity: Decimal,
    cash: Decimal,
}

impl AccountSource {
    /// Whether the source answers: the health of the paper exchange, or the account itself.
    pub(crate) async fn answers(&self) -> bool {
        match self {
            Self::Exchange { base } => self
                .get::<serde_json::Value>(&format!("{base}/rawe/v1/health"))
                .await
                .is_ok(),
            Self::Alpaca { .. } => self.read(None).await.is_ok(),
        }
    }

    /// The account now; `start_equity` is what it was at the start, for brokers that do not tell.
    pub(crate) async fn read(&self, start_equity: Option<Decimal>) -> anyhow::Result<AccountView> {
        match self {
            Self::Exchange { base } => {
                let book: Book = self.get(&format!("{base}/rawe/v1/book")).await?;
                Ok(AccountView {
                    equity: book.equity,
                    cash: book.cash,
                    start_equity: Some(book.start_equity),
                    profit: Some(book.equity - book.start_equity),
                    realised: Some(book.realised),
                    fees: Some(book.fees),
                    fills: Some(book.fills.len()),
                    positions: book.positions,
                })
            }
            Self::Alpaca { base, .. } => {
                let account: Account = self.get(&format!("{base}/v2/account")).await?;
                let positions = self.get(&format!("{base}/v2/positions")).await?;
                Ok(AccountView {
                    equity: account.equity,
                    cash: account.cash,
                    start_equity,
                    profit: start_equity.map(|start| account.equity - start),
                    realised: None,
                    fees: None,
                    fills: None,
                    positions,
                })
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> anyhow::Result<T> {
        // A proxy of the environment must not stand between us and our own exchange.
        let is_ours = matches!(self, Self::Exchange { .. });
        let builder = Client::builder().timeout(ANSWER_PATIENCE);
        let client = if is_ours { builder.no_proxy() } else { builder }.build()?;
        let mut request = client.get(url);
        if let Self::Alpaca {
            key_id, secret_key, ..
        } = self
        {
            request = request
                .header("APCA-API-KEY-ID", key_id)
                .header("APCA-API-SECRET-KEY", secret_key);
        }
        let answer = request
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let text = answer
            .with_context(|| format!("asking {url}"))?
            .text()
            .await?;
        serde_json::from_str(&text).with_context(|| format!("reading the answer of {url}"))
    }
}

impl AccountView {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        let usd = |amount: Decimal| dollars(amount.to_f64().unwrap_or_default());
        let mut text = format!("  equity        {}", usd(self.equity));
        if let (Some(profit), Some(start)) = (self.profit, self.start_equity) {
            let percent = if start.is_zero() {
                0.0
            } else {
                (profit / start).to_f64().unwrap_or_default() * 100.0
            };
            let _ = write!(text, ", {} ({percent:+.2} %) since the start", usd(profit));
        }
        if let (Some(realised), Some(fees)) = (self.realised, self.fees) {
            let _ = write!(
                text,
                "; {} made real before {} of fees",
                usd(realised),
                usd(fees)
            );
        }
        let _ = write!(text, "\n  positions     {}", self.positions.len());
        for position in self.positions.iter().take(POSITIONS_TOLD) {
            let side = if position.qty.is_sign_negative() {
                "short"
            } else {
                "long"
            };
            let value = position
                .market_value
                .map_or_else(String::new, |v| usd(v.abs()));
            let gain = position
                .unrealized_pl
                .map_or_else(String::new, |gain| format!(" ({} open)", usd(gain)));
            let _ = write!(text, "\n    {:10} {side:5} {value}{gain}", position.symbol);
        }
        if self.positions.len() > POSITIONS_TOLD {
            let _ = write!(
                text,
                "\n    and {} more",
                self.positions.len() - POSITIONS_TOLD
            );
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_profit_and_positions() {
        let position = |symbol: &str, qty: i64| PositionView {
            symbol: symbol.to_owned(),
            qty: qty.into(),
            market_value: Some((qty * 100).into()),
            unrealized_pl: Some(5.into()),
        };
        let view = AccountView {
            equity: 101_000.into(),
            cash: 90_000.into(),
            start_equity: Some(100_000.into()),
            profit: Some(1_000.into()),
            realised: Some(1_200.into()),
            fees: Some(20.into()),
            fills: Some(3),
            positions: vec![position("AAPL", 10), position("TSLA", -2)],
        };
        let text = view.text();
        assert!(text.contains("$101,000, $1,000 (+1.00 %) since the start; $1,200 made real"));
        assert!(text.contains("AAPL       long  $1,000 ($5 open)"));
        assert!(text.contains("TSLA       short $200"));
    }
}
