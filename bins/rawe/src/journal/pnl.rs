//! `rawe pnl`: what the closed trades made, in all and by day, asset, agent or reason.

use super::tally::{By, Result as Sums, Tally, sum};
use super::{JournalArgs, money};
use crate::journal::filter::parse_time;
use rawe_core::{Symbol, Timestamp};
use rawe_journal::Filter;

/// What `rawe pnl` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe pnl                                  each day\n  \
    rawe pnl --by agent --since 2026-05-01    whose votes made what\n  \
    rawe pnl --by reason --asset BTC/USD      which exits cost, which pay")]
pub(crate) struct PnlArgs {
    /// What the sums are split by
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// Only trades in this asset, such as AAPL or BTC/USD
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<Symbol>,
    /// Only trades closed from this market time on, UTC: 2026-05-04 or 2026-05-04T13:30
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Only trades closed before this market time, UTC
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    #[command(flatten)]
    journal: JournalArgs,
}

/// Prints the sums.
pub(crate) fn pnl(args: &PnlArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let mut trades = journal.trades(&Filter {
        asset: args.asset.clone(),
        since: args.since,
        until: args.until,
        ..Filter::default()
    })?;
    trades.reverse();
    let result = sum(&trades, args.by);
    if args.journal.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
        return Ok(());
    }
    if trades.is_empty() {
        println!("no position has been closed yet; `rawe positions` shows the open ones");
        return Ok(());
    }
    print!("{}", text(&result, args.by));
    Ok(())
}

fn text(result: &Sums, by: By) -> String {
    let total = &result.total;
    let head = match by {
        By::Day => "closed on",
        By::Asset => "asset",
        By::Agent => "voted for by",
        By::Reason => "closed by",
    };
    let mut text = format!(
        "{head:<24} {:>6} {:>6} {:>14} {:>12} {:>9} {:>13} {:>13}\n",
        "trades", "won", "made", "fees", "bp", "best", "worst"
    );
    for (key, part) in &result.parts {
        text += &line(key, part);
    }
    text += &line("all", total);
    text += &format!(
        "\n{} made, net of {} of fees: {} of {} trades gained ({} in all), the others lost {}.\n\
         The deepest fall from a high point was {}. Open positions are not in it.\n",
        money(total.realised),
        money(total.fees),
        total.wins,
        total.trades,
        money(result.gained),
        money(result.lost.abs()),
        money(result.drawdown)
    );
    if by == By::Agent {
        text += "A trade counts for everyone who voted for it, and its money in equal shares.\n";
    }
    text
}

fn line(key: &str, part: &Tally) -> String {
    let percent = part
        .win_percent()
        .map_or_else(String::new, |percent| format!("{percent:.0} %"));
    let bp = part
        .return_bp()
        .map_or_else(String::new, |bp| format!("{bp:+.1}"));
    format!(
        "{key:<24} {:>6} {percent:>6} {:>14} {:>12} {bp:>9} {:>13} {:>13}\n",
        part.trades,
        money(part.realised),
        money(part.fees),
        money(part.best),
        money(part.worst)
    )
}
