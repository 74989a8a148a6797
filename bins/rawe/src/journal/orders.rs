//! `rawe orders`: the newest orders with what came of them, one line each.

use rawe_execution::broker::Amount;
use rawe_execution::journal::Resolution;
use rawe_journal::JournalOrder;
use rust_decimal::Decimal;

use super::filter::FilterArgs;
use super::{JournalArgs, time_text};

/// What `rawe orders` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe orders --asset BTC/USD --since 2026-05-04\n  \
    rawe orders --outcome rejected\n  \
    rawe orders --json --limit 1000")]
pub(crate) struct OrdersArgs {
    /// Only orders that ended so; open: without an end yet
    #[arg(long, value_name = "OUTCOME", value_parser = FATES)]
    outcome: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

/// How an order can end.
const FATES: [&str; 6] = [
    "open",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "never_sent",
];

/// Prints the newest orders, the newest last.
pub(crate) fn orders(args: &OrdersArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let mut orders = journal.orders(&args.filter.filter(), args.outcome.as_deref())?;
    orders.reverse();
    if args.journal.json {
        for order in &orders {
            println!("{}", serde_json::to_string(order)?);
        }
        return Ok(());
    }
    if orders.is_empty() {
        println!("no such orders in the journal");
        return Ok(());
    }
    println!(
        "{:<19}  {:<9}  {:<5}  {:<4}  {:>18}  {:<26}  what came of it",
        "market time", "asset", "for", "side", "amount", "client order id"
    );
    for order in &orders {
        println!("{}", line(order));
    }
    println!("`rawe why CLIENT_ORDER_ID` tells the story of one");
    Ok(())
}

fn line(order: &JournalOrder) -> String {
    let intent = &order.intent;
    format!(
        "{:<19}  {:<9}  {:<5}  {:<4}  {:>18}  {:<26}  {}",
        time_text(intent.decided_at),
        intent.order.symbol.as_str(),
        intent.purpose.to_string(),
        side_text(order),
        amount_text(intent.order.amount),
        intent.order.client_order_id.as_str(),
        fate(order)
    )
}

/// `buy` or `sell`.
pub(super) fn side_text(order: &JournalOrder) -> &'static str {
    match order.intent.order.side {
        rawe_execution::broker::Side::Buy => "buy",
        rawe_execution::broker::Side::Sell => "sell",
    }
}

/// `$1,250.50` or `3.5 units`.
pub(super) fn amount_text(amount: Amount) -> String {
    match amount {
        Amount::Notional(dollars) => format!("${}", dollars.normalize()),
        Amount::Quantity(units) if units == Decimal::ONE => "1 unit".to_owned(),
        Amount::Quantity(units) => format!("{} units", units.normalize()),
    }
}

/// What came of an order, in a few words.
pub(super) fn fate(order: &JournalOrder) -> String {
    match order.end.as_ref().map(|end| &end.resolution) {
        Some(Resolution::Terminal(report)) => report_text(report),
        Some(Resolution::Rejected { message }) => format!("refused: {message}"),
        Some(Resolution::NeverSent { reason }) => format!("never sent: {reason}"),
        None => order.reports.last().map_or_else(
            || "no answer of the broker yet".to_owned(),
            |heard| format!("{} so far", report_text(&heard.report)),
        ),
    }
}

/// A report of the broker in a few words.
pub(super) fn report_text(report: &rawe_execution::broker::OrderReport) -> String {
    let status = serde_json::to_value(report.status).unwrap_or_default();
    let status = status.as_str().unwrap_or("unknown").replace('_', " ");
    match report.filled_average_price {
        Some(price) if !report.filled_quantity.is_zero() => format!(
            "{status}, {} at ${}",
            report.filled_quantity.normalize(),
            price.round_dp(6).normalize()
        ),
        _ => status,
    }
}
