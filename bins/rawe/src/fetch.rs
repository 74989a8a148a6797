//! `rawe fetch`: the history of bars and news from Alpaca, or an exchange like it, into a folder
//! that `rawe up --recording` plays. Interrupted, it goes on where it stopped.

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{NaiveDate, NaiveTime};
use market_feed::{BarLength, Download, LIVE_SYMBOLS, download};
use rawe_core::{Symbol, Timestamp};
use rawe_feed::SymbolMap;
use rawe_feed::archive::{Manifest, Order, read_manifest};
use rawe_runtime::{BrokerArgs, ConfigProblems, wall_now};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::evaluate::progress::{Progress, ProgressArgs};

/// What `rawe fetch` takes.
#[derive(clap::Args, Clone)]
#[command(after_help = "Examples:\n  \
    APCA_API_BASE_URL=https://paper-api.alpaca.markets APCA_API_KEY_ID=... \
    APCA_API_SECRET_KEY=... \\\n  \
    rawe fetch --from 2026-01-01 --to 2026-07-01 --symbols AAPL,BTC/USD --out history/first\n  \
    rawe up --recording history/first --warmup-days 120")]
pub(crate) struct FetchArgs {
    /// Bars that end, and articles published, after this date or time (UTC), such as 2026-01-01
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Timestamp,
    /// and by this one [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<Timestamp>,
    /// Symbols, separated by commas, such as AAPL,BTC/USD [default: about 30 liquid ones]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    symbols: Vec<Symbol>,
    /// The folder to write: bars.jsonl.gz, news.jsonl.gz and manifest.json. One in which the same
    /// was begun is gone on with
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Length of the bars
    #[arg(long, value_name = "LENGTH", value_enum, default_value = "hour")]
    timeframe: BarLength,
    /// Which stock prices: iex (free), sip, boats (the night), or another feed of Alpaca's
    #[arg(long, value_name = "FEED", default_value = "iex")]
    stock_feed: String,
    /// No bars
    #[arg(long, conflicts_with = "no_news")]
    no_bars: bool,
    /// No news
    #[arg(long)]
    no_news: bool,
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

/// A date, which is its first instant in UTC, or a time.
fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse::<Timestamp>()
        .map_err(|_| "a date such as 2026-01-31, or a time such as 2026-01-31T15:00:00Z".to_owned())
}

/// Downloads, and says what is there.
pub(crate) async fn fetch(args: FetchArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let wanted = Download {
        order: args.order()?,
        has_bars: !args.no_bars,
        has_news: !args.no_news,
    };
    let days = (wanted.order.to - wanted.order.from).num_days();
    let bar = Progress::new(
        &args.progress,
        "downloading",
        u64::try_from(days).unwrap_or(0),
    );
    let map = SymbolMap::default();
    let reached = |(done, _all)| bar.reach(done);
    let manifest = download(&wanted, &args.broker, &map, &args.out, &shutdown, reached).await;
    bar.done();
    tell(&args, &manifest.context("downloading history")?);
    Ok(())
}

impl FetchArgs {
    fn order(&self) -> anyhow::Result<Order> {
        let now = wall_now();
        // Without --to, what was begun is gone on with up to where it was to end.
        let begun = read_manifest(&self.out)?.and_then(|manifest| manifest.order);
        let begun = begun.map_or(now, |order| order.to);
        let to = self.to.unwrap_or(begun);
        let mut problems = Vec::new();
        if self.from >= to {
            problems.push(format!("--from {} is not before --to {to}", self.from));
        }
        if to > now {
            problems.push(format!("--to {to} lies in the future"));
        }
        if let Err(ConfigProblems(keys)) = self.broker.keys() {
            problems.extend(keys);
        }
        if !problems.is_empty() {
            return Err(ConfigProblems(problems).into());
        }
        let mut symbols = self.symbols.clone();
        if symbols.is_empty() {
            let known = LIVE_SYMBOLS.iter();
            symbols = known.filter_map(|text| Symbol::new(text).ok()).collect();
        }
        symbols.sort();
        symbols.dedup();
        Ok(Order {
            from: self.from,
            to,
            symbols,
            timeframe: self.timeframe.into(),
            stock_feed: self.stock_feed.clone(),
        })
    }
}

fn tell(args: &FetchArgs, manifest: &Manifest) {
    let lines = |part: &str| manifest.parts.get(part).map_or(0, |part| part.lines);
    let (bars, news) = (lines("bars"), lines("news"));
    if args.json {
        let summary = json!({
            "folder": args.out,
            "bars": bars,
            "news": news,
            "done_through": manifest.done_through,
            "is_complete": manifest.is_complete,
        });
        println!("{summary}");
        return;
    }
    println!(
        "{bars} bars and {news} news items in {}",
        args.out.display()
    );
    if manifest.is_complete {
        println!("play them: rawe up --recording {}", args.out.display());
    } else {
        println!("not complete yet: the same command goes on from here");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: FetchArgs,
    }

    fn parse(given: &[&str]) -> Result<FetchArgs, clap::Error> {
        let given = ["fetch", "--out", "x"].iter().chain(given).copied();
        Only::try_parse_from(given).map(|only| only.args)
    }

    #[test]
    fn the_order_is_what_was_asked_for() {
        let args = parse(&[
            "--from",
            "2026-01-01",
            "--to",
            "2026-02-01T12:00:00Z",
            "--symbols",
            "KO,BTC/USD,KO",
        ]);
        let order = args.unwrap().order().unwrap();
        let names: Vec<&str> = order.symbols.iter().map(Symbol::as_str).collect();
        assert_eq!(names, ["BTC/USD", "KO"]);
        assert_eq!(
            order.from,
            "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap()
        );
        let all = parse(&["--from", "2026-01-01"]).unwrap().order().unwrap();
        assert_eq!(all.symbols.len(), LIVE_SYMBOLS.len());
    }

    #[test]
    fn what_cannot_be_downloaded_is_refused_beforehand() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--from", "yesterday"]).is_err());
        assert!(parse(&["--from", "2026-01-01", "--no-bars", "--no-news"]).is_err());
        let args = parse(&[
            "--from",
            "2999-01-01",
            "--to",
            "2998-01-01",
            "--alpaca-url",
            "https://far.test",
        ]);
        let problems = args.unwrap().order().unwrap_err().to_string();
        for wanted in ["is not before", "in the future", "APCA_API_KEY_ID"] {
            assert!(problems.contains(wanted), "{problems}");
        }
    }
}
