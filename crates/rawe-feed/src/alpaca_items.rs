//! Alpaca's bars and articles as ours: times, symbols, plain text, and what is refused. Fetching
//! them is the feed's business.

use chrono::TimeDelta;
use rawe_alpaca::types::{BarData, NewsArticle};
use rawe_core::{Bar, NewsItem, Symbol, Timeframe, Timestamp};

use crate::bar_times::span_from_alpaca;
use crate::{SymbolMap, register_of};

/// The longest text kept of an article, in characters: the scoring gains nothing beyond.
const TEXT_CHARS_MAX: usize = 2_000;
/// How far a source's clock may run ahead of ours.
const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// Why a bar or an article was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemFault {
    /// The hour lies outside the regular session. Usual at Alpaca, not an error.
    OutsideSession,
    /// Prices not positive or out of order, or a negative volume.
    InsanePrices,
    /// Neither headline nor text.
    NoText,
    /// Published in the future.
    FromTheFuture,
}

impl ItemFault {
    /// Stable name, for counters and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutsideSession => "outside_session",
            Self::InsanePrices => "insane_prices",
            Self::NoText => "no_text",
            Self::FromTheFuture => "from_the_future",
        }
    }
}

/// One of Alpaca's bars.
///
/// # Errors
/// Why it is not taken.
pub fn bar_from_alpaca(
    symbol: &Symbol,
    timeframe: Timeframe,
    data: &BarData,
) -> Result<Bar, ItemFault> {
    let span =
        span_from_alpaca(symbol.class(), timeframe, data.t).ok_or(ItemFault::OutsideSession)?;
    let bar = Bar {
        symbol: symbol.clone(),
        start: span.start,
        end: span.end,
        timeframe,
        open: data.o,
        high: data.h,
        low: data.l,
        close: data.c,
        volume: data.v,
        backfill: false,
    };
    if bar.is_sane() {
        Ok(bar)
    } else {
        Err(ItemFault::InsanePrices)
    }
}

/// One of Alpaca's articles, first seen at `first_seen`.
///
/// # Errors
/// Why it is not taken.
pub fn item_from_alpaca(
    article: &NewsArticle,
    first_seen: Timestamp,
    map: &SymbolMap,
) -> Result<NewsItem, ItemFault> {
    if article.created_at > first_seen + CLOCK_SKEW_MAX {
        return Err(ItemFault::FromTheFuture);
    }
    let headline = plain_text(&article.headline);
    let summary = plain_text(&article.summary);
    let text = if summary.is_empty() {
        plain_text(&article.content)
    } else {
        summary
    };
    if headline.is_empty() && text.is_empty() {
        return Err(ItemFault::NoText);
    }
    let mut symbols: Vec<Symbol> = Vec::new();
    for spelling in &article.symbols {
        if let Some(symbol) = map.resolve(spelling)
            && !symbols.contains(&symbol)
        {
            symbols.push(symbol);
        }
    }
    let source = if article.source.is_empty() {
        "alpaca"
    } else {
        article.source.as_str()
    };
    Ok(NewsItem {
        id: article.id.to_string(),
        published: article.created_at,
        first_seen,
        source: source.to_owned(),
        register: register_of(source),
        author: Some(article.author.clone()).filter(|author| !author.is_empty()),
        followers: None,
        repost_of: None,
        symbols,
        headline,
        text,
        backfill: false,
    })
}

/// HTML as one line of plain text: tags and scripts dropped, the usual entities decoded, white
/// space folded, cut to a bounded length.
fn plain_text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        text.push_str(before);
        // A lone "<" is text, as in "margins < 10%".
        if !tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            text.push('<');
            rest = &tag[1..];
            continue;
        }
        text.push(' ');
        let lower = tag.get(..7).unwrap_or("").to_ascii_lowercase();
        let closing = if lower.starts_with("<script") {
            "</script"
        } else if lower.starts_with("<style") {
            "</style"
        } else {
            ""
        };
        let inner = tag
            .find(closing)
            .and_then(|place| tag.get(place..))
            .unwrap_or("");
        rest = inner
            .find('>')
            .and_then(|close| inner.get(close + 1..))
            .unwrap_or("");
    }
    text.push_str(rest);
    for (entity, character) in [
        ("&nbsp;", " "),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&apos;", "'"),
        ("&rsquo;", "\u{2019}"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        // Last, so that nothing is decoded twice.
        ("&amp;", "&"),
    ] {
        if text.contains('&') {
            text = text.replace(entity, character);
        }
    }
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    folded.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar_times::alpaca_start;
    use proptest::prelude::*;

    fn article() -> NewsArticle {
        let at = "2026-03-06T15:04:05Z".parse().unwrap();
        NewsArticle {
            id: 24_843_171,
            headline: "Apple &amp; partners: demand &lt; supply".into(),
            author: "A. Writer".into(),
            created_at: at,
            updated_at: at,
            summary: String::new(),
            content: "<p>First&nbsp;line.</p><script>var x = 1 > 0;</script><b>Second</b>".into(),
            images: Vec::new(),
            symbols: vec!["AAPL".into(), "BTCUSD".into(), "AAPL".into()],
            source: "benzinga".into(),
            url: None,
        }
    }

    #[test]
    fn an_article_becomes_plain_text_with_our_symbols() {
        let article = article();
        let item = item_from_alpaca(&article, article.created_at, &SymbolMap::default()).unwrap();
        assert_eq!(item.headline, "Apple & partners: demand < supply");
        assert_eq!(item.text, "First line. Second");
        let names: Vec<_> = item.symbols.iter().map(Symbol::as_str).collect();
        assert_eq!(names, ["AAPL", "BTC/USD"]);
        assert_eq!(
            (item.id.as_str(), item.source.as_str()),
            ("24843171", "benzinga")
        );
    }

    #[test]
    fn empty_and_future_articles_are_refused() {
        let good = article();
        let map = SymbolMap::default();
        let empty = NewsArticle {
            headline: "<p> </p>".into(),
            content: String::new(),
            ..article()
        };
        assert_eq!(
            item_from_alpaca(&empty, good.created_at, &map),
            Err(ItemFault::NoText)
        );
        let early = good.created_at - TimeDelta::hours(1);
        assert_eq!(
            item_from_alpaca(&good, early, &map),
            Err(ItemFault::FromTheFuture)
        );
    }

    #[test]
    fn a_bar_comes_back_as_it_was_served() {
        let symbol = Symbol::new("AAPL").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let bar = Bar {
            symbol: symbol.clone(),
            start: at("2026-03-06T14:30:00Z"),
            end: at("2026-03-06T15:00:00Z"),
            timeframe: Timeframe::Hour,
            open: 1.0,
            high: 2.0,
            low: 0.5,
            close: 1.5,
            volume: 7.0,
            backfill: false,
        };
        let t = alpaca_start(symbol.class(), Timeframe::Hour, bar.start);
        let data = BarData {
            t,
            o: 1.0,
            h: 2.0,
            l: 0.5,
            c: 1.5,
            v: 7.0,
            n: None,
            vw: None,
        };
        assert_eq!(bar_from_alpaca(&symbol, Timeframe::Hour, &data), Ok(bar));
        let early = BarData {
            t: at("2026-03-06T13:00:00Z"),
            ..data.clone()
        };
        let refused = bar_from_alpaca(&symbol, Timeframe::Hour, &early);
        assert_eq!(refused, Err(ItemFault::OutsideSession));
        let insane = BarData {
            o: f64::NAN,
            ..data
        };
        let refused = bar_from_alpaca(&symbol, Timeframe::Hour, &insane);
        assert_eq!(refused, Err(ItemFault::InsanePrices));
    }

    #[test]
    fn html_of_any_shape_becomes_text() {
        for (html, wanted) in [
            ("a < b", "a < b"),
            ("a <b", "a"),
            ("<", "<"),
            ("<style>p{}</style>x", "x"),
            ("<script>never closed", ""),
            ("é<br/>ü", "é ü"),
            ("&amp;lt;", "&lt;"),
        ] {
            assert_eq!(plain_text(html), wanted, "{html:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(html in "(\\PC|<|>|&|</script|<script|é){0,80}") {
            prop_assert!(plain_text(&html).chars().count() <= TEXT_CHARS_MAX);
        }
    }
}
