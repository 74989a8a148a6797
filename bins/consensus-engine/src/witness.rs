//! A broker that tells the log what came of each submission, at the moment it is known.

use std::sync::Arc;

use async_trait::async_trait;
use rawe_core::{ClientOrderId, Symbol, Timestamp};
use rawe_execution::broker::{
    Account, AssetInfo, Broker, BrokerClock, BrokerError, OrderReport, OrderRequest,
    PositionReport, SubmitOutcome,
};
use rust_decimal::Decimal;

/// Passes everything on to the broker, and logs submissions.
#[derive(Debug)]
pub(crate) struct Witness(pub(crate) Arc<dyn Broker>);

#[async_trait]
impl Broker for Witness {
    async fn account(&self) -> Result<Account, BrokerError> {
        self.0.account().await
    }

    async fn clock(&self) -> Result<BrokerClock, BrokerError> {
        self.0.clock().await
    }

    async fn asset(&self, symbol: &Symbol) -> Result<Option<AssetInfo>, BrokerError> {
        self.0.asset(symbol).await
    }

    async fn positions(&self) -> Result<Vec<PositionReport>, BrokerError> {
        self.0.positions().await
    }

    async fn open_orders(&self) -> Result<Vec<OrderReport>, BrokerError> {
        self.0.open_orders().await
    }

    async fn closed_orders(&self, symbol: &Symbol) -> Result<Vec<OrderReport>, BrokerError> {
        self.0.closed_orders(symbol).await
    }

    async fn order_by_client_id(
        &self,
        id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, BrokerError> {
        self.0.order_by_client_id(id).await
    }

    async fn latest_price(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<(Decimal, Timestamp)>, BrokerError> {
        self.0.latest_price(symbol).await
    }

    async fn submit(&self, order: &OrderRequest) -> SubmitOutcome {
        let (asset, id) = (&order.symbol, &order.client_order_id);
        tracing::info!(
            event = "order_submitted",
            %asset,
            client_order_id = %id,
            side = ?order.side,
            amount = ?order.amount,
            "the order goes to the broker"
        );
        let outcome = self.0.submit(order).await;
        match &outcome {
            SubmitOutcome::Accepted(report) => tracing::info!(
                event = "order_accepted",
                %asset,
                client_order_id = %id,
                broker_order_id = report.broker_order_id,
                "the broker has the order"
            ),
            SubmitOutcome::Rejected(rejection) => tracing::warn!(
                event = "order_rejected",
                %asset,
                client_order_id = %id,
                status = rejection.status,
                "the broker refused the order: {}",
                rejection.message
            ),
            SubmitOutcome::Duplicate(said) => tracing::warn!(
                event = "order_duplicate",
                %asset,
                client_order_id = %id,
                "the broker knows this id already, looking it up: {said}"
            ),
            SubmitOutcome::Unknown(doubt) => tracing::warn!(
                event = "order_unknown",
                %asset,
                client_order_id = %id,
                "the broker may or may not have the order, looking it up: {doubt}"
            ),
        }
        outcome
    }

    async fn cancel(&self, broker_order_id: &str) -> Result<(), BrokerError> {
        self.0.cancel(broker_order_id).await
    }
}
