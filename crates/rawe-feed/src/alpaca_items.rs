//! Alpaca's bars and articles as ours: times, symbols, plain text, and what is refused. Fetching
//! them is the feed's business.

use chrono::TimeDelta;
use rawe_alpaca::types::{BarData, NewsArticle};
use rawe_core::{Bar, NewsItem, Symbol, Timeframe, Timestamp};

use crate::bar_times::span_from_alpaca;
use crate::text::{HEADLINE_CHARS_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX, one_line, plain_text};
use crate::{SymbolMap, register_of};

/// How far a source's clock may run ahead of ours.
pub(crate) const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

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
    /// Delivered before, or edited since: the same story is not told twice.
    Known,
    /// More than its source is allowed within an hour.
    OverRate,
}

impl ItemFault {
    /// Stable name, for counters and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutsideSession => "outside_session",
            Self::InsanePrices => "insane_prices",
            Self::NoText => "no_text",
            Self::FromTheFuture => "from_the_future",
            Self::Known => "known",
            Self::OverRate => "over_rate",
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
    let headline = plain_text(&article.headline, HEADLINE_CHARS_MAX);
    let summary = plain_text(&article.summary, TEXT_CHARS_MAX);
    let text = if summary.is_empty() {
        plain_text(&article.content, TEXT_CHARS_MAX)
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
    let mut source = one_line(&article.source, NAME_CHARS_MAX);
    if source.is_empty() {
        "alpaca".clone_into(&mut source);
    }
    Ok(NewsItem {
        id: article.id.to_string(),
        published: article.created_at,
        first_seen,
        register: register_of(&source),
        source,
        author: Some(one_line(&article.author, NAME_CHARS_MAX)).filter(|author| !author.is_empty()),
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols,
        headline,
        text,
        backfill: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar_times::alpaca_start;

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
}
