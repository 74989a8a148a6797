//! `rawe positions`: what is held by the journal, since when and why; `--closed`: what is over.

use std::collections::BTreeMap;

use anyhow::Context as _;
use rawe_core::{ClosedTrade, Direction, Timestamp};
use rawe_journal::OpenPosition;
use rawe_runtime::BrokerArgs;
use rust_decimal::Decimal;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::filter::FilterArgs;
use super::story::exit_text;
use super::{JournalArgs, money, span_text, time_text};
use crate::up::account::{AccountSource, PositionView};
use crate::up::sentences::display_name;

/// What `rawe positions` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe positions                     what the books hold\n  \
    rawe positions --broker            the same, valued by the broker now\n  \
    rawe positions --closed --asset AAPL --limit 50")]
pub(crate) struct PositionsArgs {
    /// Trades that are over, with what they made, instead of what is held
    #[arg(long, conflicts_with = "broker")]
    closed: bool,
    /// Ask the broker what the positions are worth now
    #[arg(long)]
    broker: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    account: BrokerArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

/// A position as `--json` prints it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    held: OpenPosition,
    /// USD, before the fees of closing, at the journal's newest price or the broker's.
    unrealised: Option<Decimal>,
    /// What the broker says, if it was asked and holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<PositionView>,
}

/// Prints the positions.
pub(crate) async fn positions(args: PositionsArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let filter = args.filter.filter();
    if args.closed {
        let mut trades = journal.trades(&filter)?;
        trades.reverse();
        return closed(&trades, args.journal.json);
    }
    let held = journal.open_positions(filter.asset.as_ref())?;
    let now = journal.newest_time()?;
    drop(journal);
    let valued = if args.broker {
        Some(at_broker(&args.account).await?)
    } else {
        None
    };
    let shown: Vec<Shown> = held
        .into_iter()
        .map(|held| value(held, valued.as_ref()))
        .collect();
    if args.journal.json {
        for position in &shown {
            println!("{}", serde_json::to_string(position)?);
        }
        return Ok(());
    }
    if shown.is_empty() {
        println!("the books hold nothing; `rawe positions --closed` shows what is over");
    }
    for position in &shown {
        println!("{}", text(position, now).join("\n"));
    }
    for (symbol, other) in valued.iter().flatten() {
        if !shown
            .iter()
            .any(|p| p.held.position.asset.as_str() == symbol)
        {
            println!(
                "{symbol}: the broker holds {}, the books nothing",
                other.qty.normalize()
            );
        }
    }
    Ok(())
}

async fn at_broker(args: &BrokerArgs) -> anyhow::Result<BTreeMap<String, PositionView>> {
    let (key_id, secret_key) = args.keys()?;
    let source = AccountSource::Alpaca {
        base: args.alpaca_url.as_str().trim_end_matches('/').to_owned(),
        key_id: key_id.expose_secret().to_owned(),
        secret_key: secret_key.expose_secret().to_owned(),
    };
    let account = source
        .read(None)
        .await
        .context("asking the broker for its positions; without --broker nobody is asked")?;
    let positions = account.positions.into_iter();
    Ok(positions.map(|p| (with_slash(&p.symbol), p)).collect())
}

/// Alpaca names crypto positions without the slash: `BTCUSD` for `BTC/USD`.
fn with_slash(symbol: &str) -> String {
    match symbol.strip_suffix("USD") {
        Some(coin) if coin.len() >= 2 && !symbol.contains('/') => format!("{coin}/USD"),
        _ => symbol.to_owned(),
    }
}

fn value(held: OpenPosition, valued: Option<&BTreeMap<String, PositionView>>) -> Shown {
    let position = &held.position;
    let broker = valued
        .and_then(|all| all.get(position.asset.as_str()))
        .cloned();
    let by_journal = held.price.as_ref().map(|known| {
        let gain = known.price.saturating_sub(position.entry_price);
        gain.saturating_mul(position.quantity)
    });
    let unrealised = match &broker {
        Some(broker) => broker.unrealized_pl,
        None => by_journal,
    };
    Shown {
        held,
        unrealised,
        broker,
    }
}

fn text(shown: &Shown, now: Option<Timestamp>) -> Vec<String> {
    let held = &shown.held;
    let position = &held.position;
    let side = if position.quantity.is_sign_negative() {
        "short"
    } else {
        "long"
    };
    let age = held
        .opened_at
        .zip(now)
        .map_or_else(String::new, |(opened, now)| {
            format!(", for {}", span_text(now - opened))
        });
    let since = held
        .opened_at
        .map_or_else(String::new, |at| format!(" since {}", time_text(at)));
    let mut lines = vec![format!(
        "{:<9} {side} {} from ${}{since}{age}",
        position.asset.as_str(),
        position.quantity.abs().normalize(),
        position.entry_price.round_dp(6).normalize(),
    )];
    lines.push(worth(shown));
    lines.push(position.stop_price.map_or_else(
        || "  stop       none on record".to_owned(),
        |stop| {
            format!(
                "  stop       left at ${} at the latest",
                stop.round_dp(6).normalize()
            )
        },
    ));
    if let Some(round) = &held.round {
        let votes = |direction: Direction| -> Vec<String> {
            let votes = round
                .votes
                .iter()
                .filter(|vote| vote.direction == direction);
            votes.map(|vote| display_name(&vote.agent)).collect()
        };
        for direction in [Direction::Long, Direction::Short] {
            let names = votes(direction);
            if !names.is_empty() {
                lines.push(format!(
                    "  {:<10} {}",
                    direction.to_string(),
                    names.join(", ")
                ));
            }
        }
        lines.push(format!("  why        rawe why {}", round.round_id));
    }
    if !position.foreign_quantity.is_zero() {
        lines.push(format!(
            "  besides    {} units at the broker are not ours and are never touched",
            position.foreign_quantity.normalize()
        ));
    }
    lines
}

fn worth(shown: &Shown) -> String {
    let gain = |gain: Decimal| {
        let word = if gain.is_sign_negative() {
            "down"
        } else {
            "up"
        };
        format!("{word} {}, before the fees of closing", money(gain.abs()))
    };
    match (&shown.broker, &shown.held.price, shown.unrealised) {
        (Some(_), _, Some(amount)) => format!("  worth      {} by the broker", gain(amount)),
        (None, Some(known), Some(amount)) => format!(
            "  worth      {} at ${}, the journal's newest price ({} of {})",
            gain(amount),
            known.price.round_dp(6).normalize(),
            known.source,
            time_text(known.at)
        ),
        _ => "  worth      unknown: the journal has no price (try --broker)".to_owned(),
    }
}

fn closed(trades: &[ClosedTrade], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        for trade in trades {
            println!("{}", serde_json::to_string(trade)?);
        }
        return Ok(());
    }
    if trades.is_empty() {
        println!("no such trades in the journal");
        return Ok(());
    }
    println!(
        "{:<19}  {:<9}  {:<5}  {:>14}  {:>12}  {:>12}  {:>12}  {:>10}  closed because",
        "closed", "asset", "side", "quantity", "entry", "exit", "made", "held"
    );
    for trade in trades {
        println!(
            "{:<19}  {:<9}  {:<5}  {:>14}  {:>12}  {:>12}  {:>12}  {:>10}  {}",
            time_text(trade.closed_at),
            trade.asset.as_str(),
            trade.direction.to_string(),
            trade.quantity.normalize().to_string(),
            format!("${}", trade.entry_price.round_dp(4).normalize()),
            format!("${}", trade.exit_price.round_dp(4).normalize()),
            money(trade.realised),
            span_text(trade.closed_at - trade.opened_at),
            exit_text(trade.reason)
        );
    }
    println!("`rawe why` of an order tells one; `rawe pnl` sums them");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_crypto_symbols_are_ours() {
        for (theirs, ours) in [
            ("BTCUSD", "BTC/USD"),
            ("BTC/USD", "BTC/USD"),
            ("AAPL", "AAPL"),
            ("USD", "USD"),
        ] {
            assert_eq!(with_slash(theirs), ours);
        }
    }
}
