//! The scripted broker asked without waiting: what a synchronous driver needs.

use rawe_core::ClientOrderId;

use super::ScriptedBroker;
use crate::broker::{BrokerError, OrderRequest, OrderStatus, PastOrders, SubmitOutcome};
use crate::desk::{Answer, Question};

impl ScriptedBroker {
    /// Answers a question of the desk.
    ///
    /// # Errors
    /// As scripted.
    pub fn ask(&self, question: &Question) -> Result<Answer, BrokerError> {
        self.answer(|state| match question {
            Question::Account => Answer::Account(state.account.clone()),
            Question::Clock => Answer::Clock(state.clock),
            Question::Positions => Answer::Positions(state.positions.values().cloned().collect()),
            Question::OpenOrders => Answer::Orders(state.listed(|o| !o.status.is_terminal())),
            Question::Asset(symbol) => Answer::Asset(state.assets.get(symbol).cloned()),
            Question::ClosedOrders(symbol) => {
                let mut ended = state.listed(|o| o.symbol == *symbol && o.status.is_terminal());
                ended.reverse();
                ended.truncate(500);
                Answer::Orders(ended)
            }
            Question::PastOrders => {
                let mut ended = state.listed(|order| order.status.is_terminal());
                ended.reverse();
                Answer::PastOrders(PastOrders {
                    complete: ended.len() < 500,
                    orders: ended.into_iter().take(500).collect(),
                })
            }
            Question::LatestPrice(symbol) => {
                let price = state.prices.get(symbol);
                Answer::Price(price.map(|price| (*price, state.clock.timestamp)))
            }
            Question::Order(id) => Answer::Order(state.look_up(id)),
        })
    }

    /// Sends an order.
    pub fn submit_now(&self, order: &OrderRequest) -> SubmitOutcome {
        self.state().submit(order)
    }

    /// Asks to cancel an order, which is cancelled at once.
    ///
    /// # Errors
    /// As scripted.
    pub fn cancel_now(&self, broker_order_id: &str) -> Result<(), BrokerError> {
        let mut state = self.state();
        if state.failing_cancels > 0 {
            state.failing_cancels -= 1;
            return Err(BrokerError::Unavailable("scripted".to_owned()));
        }
        let now = state.clock.timestamp;
        let mut orders = state.orders.iter();
        let Some(index) = orders.position(|o| o.broker_order_id == broker_order_id) else {
            return Ok(());
        };
        let order = &mut state.orders[index];
        if order.status.is_terminal() {
            return Err(BrokerError::Refused {
                status: 422,
                message: "order is not cancelable".to_owned(),
            });
        }
        order.status = OrderStatus::Canceled;
        order.updated_at = Some(now);
        state.follow_group(index);
        Ok(())
    }
}

impl super::BrokerState {
    pub(super) fn look_up(&mut self, id: &ClientOrderId) -> Option<crate::broker::OrderReport> {
        if self.hidden_lookups > 0 {
            self.hidden_lookups -= 1;
            return None;
        }
        let mut orders = self.orders.iter();
        let index = orders.position(|o| o.client_order_id == id.as_str())?;
        Some(self.nested(index))
    }
}
