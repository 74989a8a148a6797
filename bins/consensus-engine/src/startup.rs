//! Before the first vote: the broker answers, the journal's open intents are resolved, and what
//! the account holds is understood. Until then the engine is halted; if it fails, it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail};
use rawe_consensus::ObservedPosition;
use rawe_core::{AgentId, ClientOrderId, DecisionId, Direction, Purpose, Symbol, Timestamp};
use rawe_execution::broker::{
    Account, BrokerClock, BrokerError, OrderReport, PositionReport, Side,
};
use rawe_execution::journal::Intent;
use rawe_execution::{Submission, resolve_unresolved};
use rust_decimal::Decimal;
use tokio::time::{Instant, sleep, timeout};

use crate::desk::{Desk, Entry};
use crate::following::opened_direction;

/// How long an unreachable broker is waited for at start.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long between attempts.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How long resolving the journal's open intents may take: each look-up that finds nothing takes
/// six seconds before it is believed.
const RESOLVE_LIMIT: Duration = Duration::from_mins(2);

/// What the account holds in one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) asset: Symbol,
    pub(crate) position: Option<ObservedPosition>,
    pub(crate) last_fill: Option<Timestamp>,
}

/// What is known after start-up.
#[derive(Debug)]
pub(crate) struct Reconciled {
    pub(crate) account: Account,
    pub(crate) found: Vec<Found>,
    /// Orders of an earlier start that are still working, and who voted for them.
    pub(crate) resumed: Vec<(Submission, BTreeSet<AgentId>)>,
    /// Intents of an earlier start that are over now.
    pub(crate) resolved: usize,
}

/// Asks the account and the clock, patiently.
///
/// # Errors
/// When the broker cannot be reached in time, or refuses the keys.
pub(crate) async fn reach_broker(desk: &Desk) -> anyhow::Result<(Account, BrokerClock)> {
    reach_broker_within(desk, PATIENCE).await
}

async fn reach_broker_within(
    desk: &Desk,
    patience: Duration,
) -> anyhow::Result<(Account, BrokerClock)> {
    let started = Instant::now();
    let mut told = false;
    loop {
        match tokio::try_join!(desk.broker.account(), desk.broker.clock()) {
            Ok((account, clock)) => {
                desk.time.note_broker(clock.timestamp);
                return Ok((account, clock));
            }
            Err(error @ BrokerError::Unauthorized(_)) => return Err(error.into()),
            Err(error) if started.elapsed() >= patience => {
                return Err(anyhow::Error::new(error).context(format!(
                    "no broker within {} s; start the paper exchange or check --alpaca-url",
                    patience.as_secs()
                )));
            }
            Err(error) => {
                if !told {
                    tracing::warn!(event = "broker_awaited", %error, "waiting for the broker");
                    told = true;
                }
                sleep(RETRY_WAIT).await;
            }
        }
    }
}

/// Resolves what the journal left open and understands every position of the account.
///
/// # Errors
/// When the broker or the journal fails: a failed question is never "flat".
pub(crate) async fn reconcile(desk: &Desk) -> anyhow::Result<Reconciled> {
    let (account, _) = reach_broker(desk).await?;
    if !account.can_trade {
        bail!(
            "the account {} may not trade: it is blocked or not active",
            account.id
        );
    }
    let now = || desk.time.broker_now();
    let resolving = resolve_unresolved(desk.broker.as_ref(), &desk.journal, now, sleep);
    let resolved = timeout(RESOLVE_LIMIT, resolving)
        .await
        .context("orders of the last run could not be looked up in time")?
        .context("resolving the orders of the last run")?;
    let positions = desk
        .broker
        .positions()
        .await
        .context("asking for the positions")?;
    let (over, working): (Vec<Submission>, Vec<Submission>) = resolved
        .into_iter()
        .partition(|submission| submission.end().is_some());
    let mut resumed = Vec::new();
    for submission in working {
        let agreeing = agreeing(desk, &submission.intent().round_id)?;
        resumed.push((submission, agreeing));
    }
    let held = positions
        .iter()
        .filter(|position| !position.quantity.is_zero());
    let held: BTreeMap<Symbol, &PositionReport> = held
        .map(|position| (position.symbol.clone(), position))
        .collect();
    let under_way = resumed
        .iter()
        .map(|(submission, _)| submission.intent().order.symbol.clone());
    let ended = over
        .iter()
        .map(|submission| submission.intent().order.symbol.clone());
    let assets: BTreeSet<Symbol> = held.keys().cloned().chain(under_way).chain(ended).collect();
    let mut found = Vec::new();
    for asset in assets {
        found.push(understand(desk, &asset, held.get(&asset).copied()).await?);
    }
    Ok(Reconciled {
        account,
        found,
        resumed,
        resolved: over.len(),
    })
}

/// Works out whose a position is, since when, and by whose votes.
async fn understand(
    desk: &Desk,
    asset: &Symbol,
    position: Option<&PositionReport>,
) -> anyhow::Result<Found> {
    let closed = desk
        .broker
        .closed_orders(asset)
        .await
        .context("asking for past orders")?;
    let intents = desk.with_journal(|journal| journal.intents(asset))?;
    let ours = our_orders(&desk.deployment(), asset, &closed, &intents);
    let filled = |order: &&OrderReport| !order.filled_quantity.is_zero();
    let last_fill = ours
        .iter()
        .copied()
        .filter(filled)
        .filter_map(fill_time)
        .max();
    let last_fill = last_fill.map(|at| desk.time.to_market(at));
    let Some(position) = position else {
        return Ok(Found {
            asset: asset.clone(),
            position: None,
            last_fill,
        });
    };
    let info = desk
        .broker
        .asset(asset)
        .await
        .context("asking for an asset")?;
    if info.is_some_and(|info| rawe_execution::is_dust(position, &info, None)) {
        return Ok(Found {
            asset: asset.clone(),
            position: None,
            last_fill,
        });
    }
    let quantity: Decimal = ours.iter().map(|order| signed(order)).sum();
    let direction = direction_of(position.quantity);
    let is_ours = !quantity.is_zero() && direction_of(quantity) == direction;
    let opening = ours
        .iter()
        .filter(|order| opened_direction(order.side) == direction)
        .filter(|order| filled(order))
        .max_by_key(|order| fill_time(order));
    let opened_at = opening.and_then(|order| fill_time(order));
    let opened_at = opened_at.map_or_else(|| desk.time.now(), |at| desk.time.to_market(at));
    let intent = opening.and_then(|order| {
        intents
            .iter()
            .rev()
            .find(|i| i.order.client_order_id.as_str() == order.client_order_id)
    });
    let agreeing = match intent {
        Some(intent) => agreeing(desk, &intent.round_id)?,
        None => BTreeSet::new(),
    };
    if is_ours {
        // Fees in kind make the position a little smaller than our fills, never bigger.
        let shared = quantity.abs() < position.quantity.abs();
        let limit = shared.then_some(quantity.abs());
        let entry = Entry {
            direction,
            price: position.average_entry_price,
            limit,
        };
        desk.note_entry(asset, Some(entry));
    }
    let position = ObservedPosition {
        direction,
        opened_at,
        agreeing,
        ours: is_ours,
    };
    Ok(Found {
        asset: asset.clone(),
        position: Some(position),
        last_fill,
    })
}

/// The orders that this deployment made: those the journal intended, and those whose ids follow
/// from each other by the deployment's name, so that a lost journal does not disown a position.
fn our_orders<'a>(
    deployment: &str,
    asset: &Symbol,
    closed: &'a [OrderReport],
    intents: &[Intent],
) -> Vec<&'a OrderReport> {
    let mut ids: BTreeSet<ClientOrderId> = intents
        .iter()
        .map(|intent| intent.order.client_order_id.clone())
        .collect();
    for purpose in [Purpose::Open, Purpose::Close] {
        let mut id = DecisionId::derive(deployment, asset, purpose, None).client_order_id();
        while closed
            .iter()
            .any(|order| order.client_order_id == id.as_str())
        {
            let next = DecisionId::derive(deployment, asset, purpose, Some(&id));
            ids.insert(std::mem::replace(&mut id, next.client_order_id()));
        }
    }
    let ours: BTreeSet<&str> = ids.iter().map(ClientOrderId::as_str).collect();
    closed
        .iter()
        .filter(|order| ours.contains(order.client_order_id.as_str()))
        .collect()
}

/// Who voted for the round's decision, by the journal.
fn agreeing(desk: &Desk, round_id: &str) -> anyhow::Result<BTreeSet<AgentId>> {
    let round = desk.with_journal(|journal| journal.round(round_id))?;
    Ok(round.map_or_else(BTreeSet::new, |round| {
        round
            .votes
            .iter()
            .filter(|vote| round.direction == Some(vote.direction))
            .map(|vote| vote.agent.clone())
            .collect()
    }))
}

fn signed(order: &OrderReport) -> Decimal {
    match order.side {
        Side::Buy => order.filled_quantity,
        Side::Sell => -order.filled_quantity,
    }
}

fn fill_time(order: &OrderReport) -> Option<Timestamp> {
    order.filled_at.or(order.updated_at)
}

fn direction_of(quantity: Decimal) -> Direction {
    if quantity.is_sign_negative() {
        Direction::Short
    } else {
        Direction::Long
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asset, desk_with};
    use rawe_execution::testing::ScriptedBroker;
    use rawe_runtime::wall_now;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_broker_that_stays_away_is_one_clear_error() {
        let broker = Arc::new(ScriptedBroker::new(wall_now()));
        broker.fail_queries(1_000);
        let desk = desk_with(broker);
        let error = reach_broker_within(&desk, Duration::from_millis(10))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no broker within"), "{error}");
    }

    #[tokio::test]
    async fn a_lost_journal_does_not_disown_a_position() {
        let broker = Arc::new(ScriptedBroker::new(wall_now()));
        let symbol = asset("AAPL");
        broker.list(&symbol, Decimal::from(100));
        let id = DecisionId::derive("test", &symbol, Purpose::Open, None).client_order_id();
        for (id, quantity) in [
            (id, 3),
            (ClientOrderId::parse_ours("rawe-other").unwrap(), 2),
        ] {
            let order = rawe_execution::broker::OrderRequest {
                client_order_id: id,
                symbol: symbol.clone(),
                side: Side::Buy,
                amount: rawe_execution::broker::Amount::Quantity(Decimal::from(quantity)),
                time_in_force: rawe_execution::broker::TimeInForce::Day,
                kind: rawe_execution::broker::OrderKind::Market,
            };
            rawe_execution::broker::Broker::submit(broker.as_ref(), &order).await;
        }
        let desk = desk_with(broker);
        let reconciled = reconcile(&desk).await.unwrap();
        let found = reconciled.found.first().unwrap();
        let position = found.position.clone().unwrap();
        assert!(position.ours && position.direction == Direction::Long);
        assert_eq!(
            desk.entry(&symbol).unwrap().limit,
            Some(Decimal::from(3)),
            "only our part"
        );
    }
}
