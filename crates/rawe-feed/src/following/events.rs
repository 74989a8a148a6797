//! What a live feed's mind sees and what it has done: the events, the questions, the acts.

use std::collections::BTreeSet;

use rawe_alpaca::types::{BarData, NewsArticle};
use rawe_core::{Bar, NewsItem, Symbol, Timestamp};

use crate::KnownArticles;

/// A stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Minute bars of stocks.
    Stocks,
    /// Minute bars of crypto pairs.
    Crypto,
    /// Articles.
    News,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Time passed.
    Time,
    /// A stream tells everything from now on.
    Up(Channel),
    /// A stream may miss something from now on.
    Down(Channel),
    /// A bar of one minute was streamed.
    Minute(Symbol, BarData),
    /// An article was streamed.
    Article(Box<NewsArticle>),
    /// The API answered a question about bars; `None` if it failed.
    Bars(BarQuestion, Option<Vec<Bar>>),
    /// The API answered a question about articles; `None` if it failed.
    Articles(NewsQuestion, Option<Vec<NewsArticle>>),
}

/// Which bars the API is asked for: those of a group that end in `(after, through]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarQuestion {
    /// The place of the group among those followed.
    pub group: usize,
    /// Ends later than this.
    pub after: Timestamp,
    /// Ends by this.
    pub through: Timestamp,
}

/// Which articles the API is asked for: those updated in `[from, through]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewsQuestion {
    /// Not updated before this.
    pub from: Timestamp,
    /// Not updated after this.
    pub through: Timestamp,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Deliver bars, sorted by end and symbol, and items, sorted by time.
    Deliver(Vec<Bar>, Vec<NewsItem>),
    /// Ask for bars.
    AskBars(BarQuestion),
    /// Ask for articles.
    AskArticles(NewsQuestion),
    /// Open a stream's socket again: it says nothing.
    Restart(Channel),
    /// Count something.
    Count(String, u64),
}

/// What has been delivered before following begins.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Bars by end and symbol.
    pub bars: BTreeSet<(Timestamp, Symbol)>,
    /// Articles.
    pub articles: KnownArticles,
    /// All bars that ended by then are delivered.
    pub bars_through: Timestamp,
    /// All articles updated by then are delivered.
    pub news_through: Timestamp,
}
