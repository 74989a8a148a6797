//! Sources of news and bars: Alpaca, files, generated scenarios; the rules of pacing.
//!
//! [`bar_times`] converts between the instants by which files and Alpaca stamp bars, [`files`]
//! reads bars and news from CSV and JSON lines, [`alpaca_items`] makes ours of Alpaca's,
//! [`scenario`] generates a whole market with its stories from a seed, [`flood`] an endless stream
//! of items for benchmarks, and [`pacing`] says which
//! instant of a replay comes next. All of it is synchronous and reads no clock; how items are
//! fetched and reach the bus is the `market-feed` binary.

pub mod alpaca_items;
pub mod bar_times;
pub mod files;
pub mod flood;
mod news_timeline;
pub mod pacing;
pub mod scenario;
mod symbol_map;
mod telling;

pub use files::register_of;
pub use news_timeline::NewsTimeline;
pub use symbol_map::{SymbolMap, SymbolMapError};
pub use telling::tell_file_read;
