//! Following an order from its submission to its end, and what its fills mean.

use rawe_core::{Direction, Purpose, RoundOutcome, RoundRecord, Timestamp};
use rawe_execution::broker::{OrderReport, Side};
use rawe_execution::{End, Submission, Until, settle};
use rust_decimal::Decimal;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::desk::{Desk, Entry, OrderNews, PositionHint, tell};

impl Desk {
    /// Sends an order (or resolves one found in the journal) and stays with it until it is over.
    pub(crate) async fn follow(
        &self,
        submission: Submission,
        mut record: Option<Box<RoundRecord>>,
        news: &mpsc::Sender<OrderNews>,
    ) {
        let mut submission = submission;
        for until in [Until::Known, Until::Ended] {
            let now = || self.time.broker_now();
            let settled = settle(
                submission,
                until,
                self.broker.as_ref(),
                &self.journal,
                now,
                sleep,
            )
            .await;
            submission = match settled {
                Ok(settled) => settled,
                Err(error) => {
                    // The order lives on at the broker; a restart resolves it from the journal.
                    self.halts.broke(&error.to_string());
                    tell(news, OrderNews::Accepted { record }).await;
                    return;
                }
            };
            if until == Until::Known && submission.report().is_some() {
                tell(
                    news,
                    OrderNews::Accepted {
                        record: record.take(),
                    },
                )
                .await;
            }
            if submission.end().is_some() {
                break;
            }
        }
        self.close_books(&submission, record, news).await;
    }

    async fn close_books(
        &self,
        submission: &Submission,
        record: Option<Box<RoundRecord>>,
        news: &mpsc::Sender<OrderNews>,
    ) {
        let intent = submission.intent();
        let (asset, purpose) = (intent.order.symbol.clone(), intent.purpose);
        let id = &intent.order.client_order_id;
        let (outcome, reason) = match submission.end() {
            Some(End::Terminal(report)) => {
                self.landed(id, report.filled_quantity > Decimal::ZERO)
                    .await;
                let ended = self.ended(submission, report).await;
                tell(news, ended).await;
                return;
            }
            Some(End::Rejected(message)) => (
                RoundOutcome::BrokerRejected,
                format!("the broker refused the order: {message}"),
            ),
            Some(End::NeverSent(reason)) => (
                RoundOutcome::Stale,
                format!("the order was not sent: {reason}"),
            ),
            Some(End::NotRecorded(reason)) => {
                self.halts.broke(reason);
                (RoundOutcome::JournalFailed, reason.clone())
            }
            None => return,
        };
        self.landed(id, false).await;
        let record = record.map(|mut record| {
            record.outcome = outcome;
            record.reason = reason;
            record
        });
        let position = PositionHint::AsBefore;
        tell(
            news,
            OrderNews::Refused {
                asset,
                purpose,
                record,
                position,
            },
        )
        .await;
    }

    /// Works out what a terminal order did to the position, and tells the log.
    async fn ended(&self, submission: &Submission, report: &OrderReport) -> OrderNews {
        let intent = submission.intent();
        let (asset, purpose) = (intent.order.symbol.clone(), intent.purpose);
        let filled = report.filled_quantity;
        let price = report.filled_average_price.unwrap_or_default();
        let broker_time = report.filled_at.or(report.updated_at);
        let filled_at: Option<Timestamp> = broker_time.map(|at| self.time.to_market(at));
        tracing::info!(
            event = if filled.is_zero() { "order_ended" } else { "order_filled" },
            %asset,
            decision_id = %intent.decision_id,
            client_order_id = %intent.order.client_order_id,
            broker_order_id = report.broker_order_id,
            status = ?report.status,
            %filled,
            %price,
            "the order is over"
        );
        let fallback = purpose == Purpose::Open;
        let at_broker = if filled.is_zero() {
            purpose != Purpose::Open
        } else {
            self.position_left(&asset).await.unwrap_or(fallback)
        };
        let limited = self.entry(&asset).and_then(|entry| entry.limit);
        let position_left = match (purpose, limited) {
            (Purpose::Close, Some(limit)) => filled < limit,
            _ => at_broker,
        };
        if !filled.is_zero() {
            self.note_fill(submission, report, price, position_left);
        }
        OrderNews::Ended {
            asset,
            purpose,
            filled,
            filled_at: filled_at.filter(|_| !filled.is_zero()),
            position_left,
        }
    }

    fn note_fill(
        &self,
        submission: &Submission,
        report: &OrderReport,
        price: Decimal,
        position_left: bool,
    ) {
        let intent = submission.intent();
        let asset = &intent.order.symbol;
        let filled = report.filled_quantity;
        if intent.purpose == Purpose::Open {
            let direction = opened_direction(report.side);
            self.note_entry(
                asset,
                Some(Entry {
                    direction,
                    price,
                    limit: None,
                }),
            );
            tracing::info!(
                event = "position_opened",
                %asset,
                decision_id = %intent.decision_id,
                %direction,
                quantity = %filled,
                %price,
                notional = %(filled * price).round_dp(2),
                "the collective holds {asset} {direction}"
            );
            return;
        }
        let entry = self.entry(asset);
        let pnl = entry.map(|entry| {
            let gain = (price - entry.price) * filled;
            let signed = if entry.direction == Direction::Long {
                gain
            } else {
                -gain
            };
            signed.round_dp(2)
        });
        if !position_left {
            self.note_entry(asset, None);
        }
        tracing::info!(
            event = if position_left { "position_reduced" } else { "position_closed" },
            %asset,
            decision_id = %intent.decision_id,
            quantity = %filled,
            %price,
            pnl = pnl.map(tracing::field::display),
            "the collective has left {asset}, before fees"
        );
    }
}

/// The direction that an opening order of this side takes.
pub(crate) fn opened_direction(side: Side) -> Direction {
    match side {
        Side::Buy => Direction::Long,
        Side::Sell => Direction::Short,
    }
}
