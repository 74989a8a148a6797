//! Everything that goes to the broker, each in a task of its own so that the broker never holds up
//! the listener. Times of its answers are converted to market time here.

use std::sync::Arc;
use std::time::Duration;

use rawe_core::ClientOrderId;
use rawe_execution::broker::{
    Broker, BrokerError, OrderReport, OrderRequest, Rejection, SubmitOutcome,
};
use rawe_execution::desk::{Answer, DeskEvent, Question};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::market_time::MarketTime;
use crate::notices;

/// The way to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) time: Arc<MarketTime>,
    pub(crate) answers: mpsc::Sender<DeskEvent>,
    pub(crate) tasks: TaskTracker,
}

impl Counter {
    /// Asks a question after a while.
    pub(crate) fn ask(&self, question: Question, after: Duration) {
        let counter = self.clone();
        self.tasks.spawn(async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            let answer = counter.answer(&question).await;
            counter.tell(DeskEvent::Answered { question, answer }).await;
        });
    }

    /// Sends an order once.
    pub(crate) fn submit(&self, order: Box<OrderRequest>) {
        notices::submitted(&order);
        let counter = self.clone();
        self.tasks.spawn(async move {
            let mut outcome = counter.broker.submit(&order).await;
            notices::answered(&order, &outcome);
            if let SubmitOutcome::Accepted(report) = &mut outcome {
                counter.convert(report);
            }
            let id = order.client_order_id;
            counter.tell(DeskEvent::Submitted { id, outcome }).await;
        });
    }

    /// Answers for an order that was not sent, and never will be.
    pub(crate) fn not_sent(order: &OrderRequest, why: String) -> DeskEvent {
        tracing::warn!(
            event = "order_rejected",
            asset = %order.symbol,
            client_order_id = %order.client_order_id,
            "the order was not sent: {why}"
        );
        DeskEvent::Submitted {
            id: order.client_order_id.clone(),
            outcome: SubmitOutcome::Rejected(Rejection {
                status: 0,
                code: None,
                message: why,
            }),
        }
    }

    /// Asks to cancel an order.
    pub(crate) fn cancel(&self, id: ClientOrderId, broker_order_id: String) {
        let counter = self.clone();
        self.tasks.spawn(async move {
            let result = counter.broker.cancel(&broker_order_id).await;
            counter.tell(DeskEvent::CancelAnswered { id, result }).await;
        });
    }

    async fn tell(&self, event: DeskEvent) {
        if self.answers.send(event).await.is_err() {
            tracing::debug!(event = "answer_lost", "the engine has ended");
        }
    }

    /// Converts a report's times.
    pub(crate) fn convert(&self, report: &mut OrderReport) {
        for time in [
            &mut report.submitted_at,
            &mut report.filled_at,
            &mut report.updated_at,
        ] {
            *time = time.map(|at| self.time.to_market(at));
        }
    }

    async fn answer(&self, question: &Question) -> Result<Answer, BrokerError> {
        let broker = self.broker.as_ref();
        let orders = |mut reports: Vec<OrderReport>| {
            for report in &mut reports {
                self.convert(report);
            }
            Answer::Orders(reports)
        };
        Ok(match question {
            Question::Account => Answer::Account(broker.account().await?),
            Question::Clock => {
                let mut clock = broker.clock().await?;
                self.time.note_broker(clock.timestamp);
                for time in [
                    &mut clock.timestamp,
                    &mut clock.next_open,
                    &mut clock.next_close,
                ] {
                    *time = self.time.to_market(*time);
                }
                Answer::Clock(clock)
            }
            Question::Positions => Answer::Positions(broker.positions().await?),
            Question::OpenOrders => orders(broker.open_orders().await?),
            Question::ClosedOrders(asset) => orders(broker.closed_orders(asset).await?),
            Question::Asset(asset) => Answer::Asset(broker.asset(asset).await?),
            Question::PastOrders => {
                let mut past = broker.past_orders().await?;
                for report in &mut past.orders {
                    self.convert(report);
                }
                Answer::PastOrders(past)
            }
            Question::LatestPrice(asset) => {
                let price = broker.latest_price(asset).await?;
                Answer::Price(price.map(|(price, at)| (price, self.time.to_market(at))))
            }
            Question::Order(id) => {
                let mut report = broker.order_by_client_id(id).await?;
                if let Some(report) = &mut report {
                    self.convert(report);
                }
                Answer::Order(report)
            }
        })
    }
}
