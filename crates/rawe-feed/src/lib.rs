//! Sources of news and bars: Alpaca, files, generated scenarios; the rules of pacing.
//!
//! [`bar_times`] converts between the instants by which files and Alpaca stamp bars, [`files`]
//! reads bars and news from files, [`archive`] is a folder of them that is written bit by bit,
//! [`alpaca_items`] makes ours of Alpaca's, [`drafts`] reads RSS, Atom and any JSON, [`intake`] is
//! the gate for what such sources tell, [`text`] cleans it, [`poll_plan`] says when to ask them
//! again, [`following`] what a live feed does next, [`scenario`] generates a whole market with its
//! stories from a seed, [`flood`] an endless stream of items for benchmarks, and [`pacing`] says
//! which instant of a replay comes next. All of it is synchronous and reads no clock; how items are
//! fetched and reach the bus is the `market-feed` binary.

mod allowance;
pub mod alpaca_items;
pub mod archive;
pub mod bar_times;
pub mod drafts;
pub mod files;
pub mod flood;
pub mod following;
mod groups;
pub mod intake;
mod known_articles;
mod news_timeline;
pub mod pacing;
pub mod poll_plan;
pub mod scenario;
mod symbol_map;
mod telling;
pub mod text;

pub use files::register_of;
pub use groups::{Group, groups};
pub use known_articles::KnownArticles;
pub use news_timeline::NewsTimeline;
pub use symbol_map::{SymbolMap, SymbolMapError};
pub use telling::tell_file_read;
