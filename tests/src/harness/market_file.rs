//! A small market in a file: hourly bars of two coins, which trade around the clock, so that no
//! test depends on the hours of a stock exchange.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};
use rawe_core::Timestamp;

/// Days of bars in the file.
const DAYS: i32 = 4;

/// Writes the bars of BTC and ETH and returns the file's path.
pub(crate) fn write_bars(folder: &Path) -> PathBuf {
    let start: Timestamp = DateTime::from_timestamp(1_704_067_200, 0).unwrap();
    let mut text = String::from("symbol,time,open,high,low,close,volume\n");
    for hour in 1..=DAYS * 24 {
        let end = start + TimeDelta::hours(i64::from(hour));
        for (symbol, base) in [("BTC", 40_000.0), ("ETH", 2_000.0)] {
            // A gentle wave: a price that never moves would be suspicious.
            let open = base * (1.0 + 0.01 * f64::from(hour % 7));
            let close = base * (1.0 + 0.01 * f64::from((hour + 1) % 7));
            let (low, high) = (open.min(close) * 0.999, open.max(close) * 1.001);
            let time = end.format("%Y-%m-%dT%H:%M:%SZ");
            writeln!(
                text,
                "{symbol},{time},{open:.2},{high:.2},{low:.2},{close:.2},10"
            )
            .unwrap();
        }
    }
    let path = folder.join("bars.csv");
    std::fs::write(&path, text).unwrap();
    path
}
