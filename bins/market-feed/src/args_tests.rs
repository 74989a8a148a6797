//! Tests of flags, environment and file as one.

use super::*;
use clap::Parser;
use std::io::Write;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: FeedArgs,
}

fn settings(flags: &[&str]) -> Result<FeedSettings, ConfigProblems> {
    let flags = std::iter::once("market-feed").chain(flags.iter().copied());
    Command::try_parse_from(flags).unwrap().args.settings()
}

#[test]
fn sources_and_speeds_are_read() {
    let read = |text: &str| text.parse::<NewsSource>();
    assert_eq!(read("scenario"), Ok(NewsSource::Scenario(7)));
    assert_eq!(read("scenario:12"), Ok(NewsSource::Scenario(12)));
    assert_eq!(read("alpaca"), Ok(NewsSource::Alpaca));
    assert_eq!(read("stdin"), Ok(NewsSource::Stdin));
    assert!(matches!(
        read("rss:https://wire.test/feed"),
        Ok(NewsSource::Rss(_))
    ));
    assert!(read("rss:ftp://wire.test").is_err() && read("rss:").is_err());
    assert_eq!(read("a:b.jsonl"), Ok(NewsSource::File("a:b.jsonl".into())));
    assert!(read("scenario:x").is_err() && read("").is_err());
    assert_eq!("3600".parse(), Ok(Speed::Times(3600.0)));
    assert_eq!("max".parse(), Ok(Speed::Max));
    for bad in ["0", "-1", "nan", "fast", ""] {
        assert!(bad.parse::<Speed>().is_err(), "{bad}");
    }
}

#[test]
fn flags_go_before_the_file_and_all_problems_are_listed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "[feed]\nspeed = 60\nwarmup_days = 90\nnews = [\"scenario:3\"]\nsymbols = [\"KO\"]\n"
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let merged = settings(&["--config", path, "--paced", "--warmup-days", "30"]).unwrap();
    assert_eq!(merged.speed, Speed::Times(60.0));
    assert_eq!(merged.warmup_days, 30);
    assert_eq!(merged.news, [NewsSource::Scenario(3)]);
    let ConfigProblems(problems) = settings(&[
        "--news=/no/such.jsonl",
        "--news=scenario",
        "--poll-secs=0",
        "--warmup-days=999",
        "--symbol-map=x",
        "--participants=a",
    ])
    .unwrap_err();
    assert_eq!(problems.len(), 6, "{problems:#?}");
}

#[test]
fn the_live_symbols_are_symbols() {
    assert!(
        LIVE_SYMBOLS
            .iter()
            .all(|symbol| Symbol::new(symbol).is_ok())
    );
    assert!(LIVE_SYMBOLS.is_sorted());
}

#[test]
fn sources_are_configured() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        r#"[feed]
news = ["none", "rss:https://wire.test/rss"]
stock_feed = "sip"
stream = false
alpaca_items_per_hour_max = 50
[[feed.sources]]
name = "fed"
url = "https://fed.test/press.xml"
trust_percent = 80
poll_secs = 600
items_per_hour_max = 20
symbols = ["SPY"]
[[feed.sources]]
name = "forum"
url = "http://forum.test/api"
form = "json"
register = "social"
fields = {{ items = "/posts", id = "/id", headline = "/title" }}
"#
    )
    .unwrap();
    let read = settings(&["--config", file.path().to_str().unwrap()]).unwrap();
    assert_eq!(read.stock_feed, StockFeed::Sip);
    assert!(!read.stream);
    assert_eq!(read.alpaca_items_per_hour_max, 50);
    let rules = read.source_rules();
    let names: Vec<&str> = rules.iter().map(|rules| rules.name.as_str()).collect();
    assert_eq!(names, ["wire.test", "fed", "forum", "stdin"]);
    assert_eq!(
        (rules[1].trust_percent, rules[1].items_per_hour_max),
        (Some(80), 20)
    );
    assert_eq!(rules[2].register, rawe_core::Register::Social);
}

#[test]
fn all_problems_of_sources_are_listed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        r#"[feed]
stock_feed = "i/ex"
alpaca_items_per_hour_max = 0
[[feed.sources]]
name = "a"
url = "ftp://a.test"
poll_secs = 1
trust_percent = 0
items_per_hour_max = 0
[[feed.sources]]
name = "a"
url = "https://a.test"
form = "json"
[[feed.sources]]
name = ""
url = "https://b.test"
fields = {{ headline = "title" }}
headers = {{ "bad name" = "x", "x-key" = "env:RAWE_NO_SUCH_VARIABLE" }}
"#
    )
    .unwrap();
    let refused = settings(&["--config", file.path().to_str().unwrap()]);
    let ConfigProblems(problems) = refused.unwrap_err();
    for wanted in [
        "stock_feed",
        "alpaca_items_per_hour_max 0 is not",
        "ftp://a.test",
        "poll_secs",
        "trust_percent",
        "items_per_hour_max",
        "two sources are called 'a'",
        "needs fields",
        "has no name",
        "fields are for form",
        "bad name",
        "RAWE_NO_SUCH_VARIABLE",
    ] {
        assert!(
            problems.iter().any(|p| p.contains(wanted)),
            "{wanted}: {problems:#?}"
        );
    }
}
