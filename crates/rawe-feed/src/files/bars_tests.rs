//! Tests of reading bars.

use std::fmt::Write as _;
use std::io::Write as _;

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

fn read_text(content: &[u8]) -> Result<BarFile, FileError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    read(file.path(), &SymbolMap::default())
}

const HOURLY: &str = "symbol,time,open,high,low,close,volume
BTC,2026-01-05T01:00:00Z,10,12,9,11,5.5
AAPL,2026-01-05T15:00:00Z,10,12,9,11,5
BTC,2026-01-05T02:00:00Z,11,13,10,12,1
AAPL,2026-01-05T16:00:00Z,11,12,9,11,5
";

#[test]
fn hourly_csv_with_crypto_and_stocks() {
    let file = read_text(HOURLY.as_bytes()).unwrap();
    assert_eq!(file.report.accepted, 4);
    let bars = &file.bars;
    assert!(
        bars.iter()
            .all(|bar| bar.timeframe == Timeframe::Hour && bar.is_sane())
    );
    assert_eq!(bars[0].symbol.as_str(), "BTC/USD");
    assert_eq!(
        bars[2].start,
        "2026-01-05T14:30:00Z".parse::<Timestamp>().unwrap()
    );
}

#[test]
fn gzip_is_known_by_its_bytes_and_a_cut_one_keeps_what_was_read() {
    let mut text = HOURLY.to_owned();
    for n in 0..5_000_i64 {
        let end = chrono::DateTime::from_timestamp(1_700_000_000 / 3600 * 3600 + n * 3600, 0);
        let price = 10.0 + (n % 97) as f64 / 7.0;
        writeln!(text, "ETH,{},10,99,1,{price},5", end.unwrap().to_rfc3339()).unwrap();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    assert_eq!(read_text(&zipped).unwrap().bars.len(), 5_004);
    let cut = read_text(&zipped[..zipped.len() / 2]).unwrap();
    assert!(cut.bars.len() > 100 && cut.bars.len() < 5_004);
    assert_eq!(cut.report.faults[&LineFault::Unreadable].count, 1);
}

#[test]
fn json_lines_and_daily_dates() {
    let file = read_text(
        br#"{"symbol":"KO","time":"2025-11-26","open":70,"high":71,"low":69,"close":70.5,"volume":1}
{"symbol":"KO","time":"2025-11-28","open":"70","high":71,"low":69,"close":70.5}
"#,
    )
    .unwrap();
    assert_eq!(file.bars.len(), 2);
    assert!(file.bars.iter().all(|bar| bar.timeframe == Timeframe::Day));
    // The Friday after Thanksgiving is a half day.
    let half_day_close = "2025-11-28T18:00:00Z".parse::<Timestamp>().unwrap();
    assert_eq!(file.bars[1].end, half_day_close);
}

#[test]
fn bad_lines_are_counted_by_reason_with_their_numbers() {
    let bad = "BTC,2026-01-05T01:00:00Z,10,12,9,11,5
,2026-01-05T03:00:00Z,10,12,9,11,5
BTC,soon,10,12,9,11,5
BTC,2026-01-05T04:00:00Z,ten,12,9,11,5
BTC,2026-01-05T05:00:00Z,10,12,9,-11,5
BTC,2026-01-05T06:00:00Z,10,12,9,12.1,5
a b,2026-01-05T06:00:00Z,10,12,9,11,5
AAPL,2026-01-05T03:00:00Z,10,12,9,11,5
BTC,2026-01-05T07:00:00Z,10
";
    let file = read_text((HOURLY.to_owned() + bad).as_bytes()).unwrap();
    let lines = |fault| file.report.faults[&fault].first_lines.clone();
    assert_eq!(lines(LineFault::Duplicate), [6]);
    assert_eq!(lines(LineFault::MissingField), [7, 14]);
    assert_eq!(lines(LineFault::BadTime), [8]);
    assert_eq!(lines(LineFault::BadNumber), [9]);
    assert_eq!(lines(LineFault::InsanePrices), [10]);
    assert_eq!(lines(LineFault::Widened), [11]);
    assert_eq!(lines(LineFault::BadSymbol), [12]);
    assert_eq!(lines(LineFault::OffGrid), [13]);
    assert_eq!(
        file.report.lines,
        file.report.accepted + file.report.refused()
    );
    assert_eq!(file.report.accepted, 5);
}

#[test]
fn nothing_usable_is_a_clear_error() {
    for (content, wanted) in [
        ("", "it is empty"),
        ("symbol,time,open,high,low,close,volume\n", "it is empty"),
        (
            "symbol,time,open,high,low,close,volume\nA,soon,1,1,1,1,1\n",
            "bad_time 1 (lines 2)",
        ),
        ("date,px\n2026,1\n", "no column 'symbol'"),
    ] {
        let error = read_text(content.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{content:?}: {error}");
    }
    let absent = read(Path::new("/no/such/file"), &SymbolMap::default());
    assert!(absent.unwrap_err().to_string().contains("check the path"));
}

#[test]
fn minute_bars_are_refused_as_unsupported() {
    let mut text = "symbol,time,open,high,low,close,volume\n".to_owned();
    for minute in 1..30 {
        writeln!(text, "BTC,2026-01-05T01:{minute:02}:00Z,10,12,9,11,5").unwrap();
    }
    let error = read_text(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("unsupported_timeframe 29"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rubbish_never_panics_and_always_balances(
        content in proptest::collection::vec(any::<u8>(), 0..600),
        json: bool,
        header: bool,
    ) {
        let mut bytes = if header { HOURLY.as_bytes().to_vec() } else { Vec::new() };
        if json {
            bytes.insert(0, b'{');
        }
        bytes.extend(content);
        if let Ok(file) = read_text(&bytes) {
            prop_assert_eq!(file.report.lines, file.report.accepted + file.report.refused());
            prop_assert!(file.bars.iter().all(Bar::is_sane));
        }
    }

    #[test]
    fn odd_cells_never_panic(
        cells in proptest::collection::vec("[-0-9eE.,:TZ\"naif ]{0,12}", 1..20),
    ) {
        let text = HOURLY.to_owned() + &cells.join(",") + "\nBTC," + &cells.join(",");
        if let Ok(file) = read_text(text.as_bytes()) {
            prop_assert!(file.bars.iter().all(Bar::is_sane));
        }
    }
}
