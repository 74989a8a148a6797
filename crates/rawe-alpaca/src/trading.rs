//! The trading client: the [`Broker`] that is Alpaca, or the exchange that speaks like it.

use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use chrono::NaiveDate;
use rawe_core::{AssetClass, ClientOrderId, Symbol, Timestamp};
use rawe_execution::broker::{
    Account, AssetInfo, Broker, BrokerClock, BrokerError, OrderReport, OrderRequest, PastOrders,
    PositionReport, Rejection, SubmitOutcome,
};
use reqwest::StatusCode;
use rust_decimal::Decimal;

use crate::convert::{self, Unreadable};
use crate::data::DataClient;
use crate::http::{Answer, Fault, Http, is_passing};
use crate::rate_budget::RateBudget;
use crate::settings::{ClientError, Settings};
use crate::types;

/// The most orders a listing gives.
const ORDERS_MAX: &str = "500";
/// The same as a number.
const ORDERS_MAX_COUNT: usize = 500;

/// Alpaca as a broker. Submitting never retries; reading may, once.
#[derive(Debug)]
pub struct TradingClient {
    http: Http,
    data: DataClient,
    pairs: RwLock<Vec<Symbol>>,
}

impl TradingClient {
    /// A client for the account that the settings' keys open.
    ///
    /// # Errors
    /// When the URL means a live account that is not allowed explicitly, or cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        let data = DataClient::new(settings)?;
        Ok(Self {
            http: data.trading().clone(),
            data,
            pairs: RwLock::new(Vec::new()),
        })
    }

    /// The sessions of the New York dates `from..=to`.
    ///
    /// # Errors
    /// When the broker cannot be asked or refuses.
    pub async fn calendar(
        &self,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<types::CalendarDay>, BrokerError> {
        self.data.calendar(from, to).await
    }

    /// The newest word of the broker on its rate limit; `None` before the first answer, and for
    /// servers that say nothing of one.
    pub fn rate_budget(&self) -> Option<RateBudget> {
        self.http.rate_budget()
    }

    fn known_pairs(&self) -> Vec<Symbol> {
        self.pairs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, symbol: &Symbol) {
        if symbol.class() == AssetClass::Crypto && !self.known_pairs().contains(symbol) {
            self.pairs
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .push(symbol.clone());
        }
    }

    fn unreadable(&self, Unreadable(reason): Unreadable) -> BrokerError {
        BrokerError::Unreadable(self.http.clean(&reason))
    }

    async fn orders(&self, query: &[(&str, &str)]) -> Result<Vec<OrderReport>, BrokerError> {
        Ok(self.listed_orders(query).await?.0)
    }

    /// The orders of a listing that can be ours or concern us, and how many it held in all.
    async fn listed_orders(
        &self,
        query: &[(&str, &str)],
    ) -> Result<(Vec<OrderReport>, usize), BrokerError> {
        let known = self.known_pairs();
        let orders: Vec<types::Order> = self.http.read("/v2/orders", query).await?;
        let reports: Result<Vec<OrderReport>, BrokerError> = orders
            .iter()
            // Parents of option strategies have neither symbol nor side; nothing of ours.
            .filter(|order| !order.symbol.is_empty())
            .map(|order| convert::order(order, &known).map_err(|error| self.unreadable(error)))
            .collect();
        Ok((reports?, orders.len()))
    }

    /// What an answer to `POST /v2/orders` means. Everything not known for sure is unknown.
    fn submit_outcome(&self, answer: &Answer) -> SubmitOutcome {
        if answer.status.is_success() {
            let order = serde_json::from_slice::<types::Order>(&answer.body)
                .map_err(|error| error.to_string())
                .and_then(|order| {
                    convert::order(&order, &self.known_pairs()).map_err(|error| error.to_string())
                });
            return match order {
                Ok(report) => SubmitOutcome::Accepted(Box::new(report)),
                Err(error) => {
                    let reason = format!("{}: {error}", answer.status.as_u16());
                    SubmitOutcome::Unknown(self.http.clean(&reason))
                }
            };
        }
        if !is_refusal(answer.status) {
            return SubmitOutcome::Unknown(self.http.words(answer));
        }
        let message = self.http.message(answer);
        if is_duplicate(&message) {
            return SubmitOutcome::Duplicate(message);
        }
        let body: types::ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
        SubmitOutcome::Rejected(Rejection {
            status: answer.status.as_u16(),
            code: body.code,
            message,
        })
    }
}

/// The statuses by which Alpaca says that it does not have the order.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 404 | 422 | 429)
}

/// Alpaca has written this with underscores and with spaces; its code is a catch-all.
fn is_duplicate(message: &str) -> bool {
    let message = message.to_lowercase().replace('_', " ");
    message.contains("client order id") && message.contains("unique")
}

/// Whether a broker's id may stand in a path: any other text could name another resource, such as
/// all orders.
fn is_path_safe(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !id.is_empty() && id.bytes().all(plain)
}

/// A symbol within a path: the slash of a pair is escaped.
fn path_symbol(symbol: &Symbol) -> String {
    symbol.as_str().replace('/', "%2F")
}

#[async_trait]
impl Broker for TradingClient {
    async fn account(&self) -> Result<Account, BrokerError> {
        let account: types::Account = self.http.read("/v2/account", &[]).await?;
        convert::account(&account).map_err(|error| self.unreadable(error))
    }

    async fn clock(&self) -> Result<BrokerClock, BrokerError> {
        let clock: types::Clock = self.http.read("/v2/clock", &[]).await?;
        Ok(convert::clock(&clock))
    }

    async fn asset(&self, symbol: &Symbol) -> Result<Option<AssetInfo>, BrokerError> {
        let path = format!("/v2/assets/{}", path_symbol(symbol));
        let found = match self.http.find::<types::Asset>(&path, &[]).await {
            // Alpaca has also been seen to say 422 for a name it does not know.
            Err(BrokerError::Refused {
                status: 422,
                message,
            }) if message.contains("not found") => None,
            found => found?,
        };
        let Some(asset) = found else { return Ok(None) };
        let info = convert::asset(&asset).map_err(|error| self.unreadable(error))?;
        // Asked by id or by an old name, Alpaca may answer with another asset.
        let info = info.filter(|info| info.symbol == *symbol);
        if info.is_some() {
            self.remember(symbol);
        }
        Ok(info)
    }

    async fn positions(&self) -> Result<Vec<PositionReport>, BrokerError> {
        let known = self.known_pairs();
        let positions: Vec<types::Position> = self.http.read("/v2/positions", &[]).await?;
        positions
            .iter()
            .map(|position| {
                convert::position(position, &known).map_err(|error| self.unreadable(error))
            })
            .collect()
    }

    async fn open_orders(&self) -> Result<Vec<OrderReport>, BrokerError> {
        self.orders(&[
            ("status", "open"),
            ("limit", ORDERS_MAX),
            ("nested", "true"),
        ])
        .await
    }

    async fn closed_orders(&self, symbol: &Symbol) -> Result<Vec<OrderReport>, BrokerError> {
        self.remember(symbol);
        // Alpaca's document asks for pairs without their slash, its service has taken both.
        let symbols = match symbol.class() {
            AssetClass::UsEquity => symbol.to_string(),
            AssetClass::Crypto => format!("{symbol},{}", symbol.without_slash()),
        };
        let query = [
            ("status", "closed"),
            ("limit", ORDERS_MAX),
            ("direction", "desc"),
            ("nested", "true"),
            ("symbols", symbols.as_str()),
        ];
        let mut orders = self.orders(&query).await?;
        // Held exits of orders are listed as closed although they are not over.
        orders.retain(|order| order.symbol == *symbol && order.status.is_terminal());
        Ok(orders)
    }

    async fn past_orders(&self) -> Result<PastOrders, BrokerError> {
        let query = [
            ("status", "closed"),
            ("limit", ORDERS_MAX),
            ("direction", "desc"),
            ("nested", "true"),
        ];
        let (mut orders, listed) = self.listed_orders(&query).await?;
        orders.retain(|order| order.status.is_terminal());
        Ok(PastOrders {
            orders,
            complete: listed < ORDERS_MAX_COUNT,
        })
    }

    async fn order_by_client_id(
        &self,
        id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, BrokerError> {
        let query = [("client_order_id", id.as_str())];
        let order: Option<types::Order> = self
            .http
            .find("/v2/orders:by_client_order_id", &query)
            .await?;
        let Some(mut order) = order else {
            return Ok(None);
        };
        let untold = order.legs.as_ref().is_none_or(Vec::is_empty);
        let made_by_us = id.as_str().starts_with(ClientOrderId::PREFIX);
        if made_by_us && untold && convert::has_exits(&order) && is_path_safe(&order.id) {
            // Only the look-up by the broker's own id is documented to tell the exits.
            let path = format!("/v2/orders/{}", order.id);
            order = self.http.read(&path, &[("nested", "true")]).await?;
        }
        convert::order(&order, &self.known_pairs())
            .map(Some)
            .map_err(|error| self.unreadable(error))
    }

    async fn latest_price(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<(Decimal, Timestamp)>, BrokerError> {
        self.data.latest_price(symbol).await
    }

    async fn submit(&self, order: &OrderRequest) -> SubmitOutcome {
        self.remember(&order.symbol);
        match self
            .http
            .post("/v2/orders", &convert::order_request(order))
            .await
        {
            Ok(answer) => self.submit_outcome(&answer),
            Err(Fault(reason)) => SubmitOutcome::Unknown(reason),
        }
    }

    async fn cancel(&self, broker_order_id: &str) -> Result<(), BrokerError> {
        if !is_path_safe(broker_order_id) {
            return Err(BrokerError::Unreadable(
                "this is not an order id".to_owned(),
            ));
        }
        match self
            .http
            .delete(&format!("/v2/orders/{broker_order_id}"))
            .await
        {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) if is_passing(answer.status) => {
                Err(BrokerError::Unavailable(self.http.words(&answer)))
            }
            Ok(answer) => Err(self.http.refusal(&answer)),
            Err(Fault(reason)) => Err(BrokerError::Unavailable(reason)),
        }
    }
}
