//! Tests of reading news.

use std::io::Write;

use super::*;
use proptest::prelude::*;

fn read_text(content: &[u8]) -> Result<NewsFile, FileError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    read(
        file.path(),
        &SymbolMap::default(),
        Timestamp::MIN_UTC,
        Timestamp::MAX_UTC,
    )
}

const LINES: &str = r#"{"id":"2","time":"2026-01-05T02:00:00Z","source":"reddit/Bitcoin","headline":"h","text":"t","symbols":["BTC","BTC"],"author":"ab","followers":7,"repost_of":"1"}
{"id":1,"time":"2026-01-05T01:00:00Z","source":"wire","headline":"h","symbols":[]}
"#;

#[test]
fn json_lines_with_all_fields() {
    let file = read_text(LINES.as_bytes()).unwrap();
    let [first, second] = file.items.as_slice() else {
        panic!("{:?}", file.items)
    };
    assert_eq!((first.id.as_str(), first.register), ("1", Register::News));
    assert_eq!(second.register, Register::Social);
    assert_eq!(second.symbols, [Symbol::new("BTC/USD").unwrap()]);
    assert_eq!(second.author.as_deref(), Some("ab"));
    assert_eq!(second.followers, Some(7));
    assert_eq!(second.repost_of.as_deref(), Some("1"));
    assert_eq!(second.published, second.first_seen);
}

#[test]
fn csv_with_quoted_text_and_a_list_of_symbols() {
    let file = read_text(
        b"id,time,source,headline,text,symbols
1,2026-01-05T01:00:00Z,stocktwits,\"Up, \"\"up\"\"\nand away\",,AAPL;eth
2,2026-01-05,wire,Dated,,
",
    )
    .unwrap();
    assert_eq!(file.items[0].headline, "Up, \"up\"\nand away");
    assert_eq!(file.items[0].symbols.len(), 2);
    // A date without a time of day is not usable before the day is over.
    assert_eq!(
        file.items[1].first_seen,
        "2026-01-06T00:00:00Z".parse::<Timestamp>().unwrap()
    );
}

#[test]
fn bad_lines_are_counted_and_ranges_kept() {
    let bad = r#"{"id":"2","time":"2026-01-05T02:00:00Z","source":"reddit/Bitcoin","headline":"h"}
not json
{"id":"3","time":"now","headline":"h"}
{"time":"2026-01-05T02:00:00Z","headline":"h"}
{"id":"4","time":"2026-01-05T02:00:00Z"}
{"id":"5","time":"2026-01-05T02:00:00Z","headline":"h","symbols":["a b"]}
[]
"#;
    let file = read_text((LINES.to_owned() + bad).as_bytes()).unwrap();
    let lines = |fault| file.report.faults[&fault].first_lines.clone();
    assert_eq!(lines(LineFault::Duplicate), [3]);
    assert_eq!(lines(LineFault::Unreadable), [4, 9]);
    assert_eq!(lines(LineFault::BadTime), [5]);
    assert_eq!(lines(LineFault::MissingField), [6]);
    assert_eq!(lines(LineFault::NoText), [7]);
    assert_eq!(lines(LineFault::SymbolDropped), [8]);
    assert_eq!(
        file.report.lines,
        file.report.accepted + file.report.refused()
    );
    let mut kept = tempfile::NamedTempFile::new().unwrap();
    kept.write_all(LINES.as_bytes()).unwrap();
    let from = "2026-01-05T01:30:00Z".parse().unwrap();
    let ranged = read(kept.path(), &SymbolMap::default(), from, Timestamp::MAX_UTC).unwrap();
    assert_eq!(ranged.items.len(), 1);
    let none = read(
        kept.path(),
        &SymbolMap::default(),
        Timestamp::MAX_UTC,
        Timestamp::MAX_UTC,
    );
    assert!(none.unwrap().items.is_empty());
}

#[test]
fn a_line_without_end_is_skipped() {
    let long = format!(
        "{{\"id\":\"9\",\"headline\":\"{}\"}}\n",
        "x".repeat(3 << 20)
    );
    let file = read_text((LINES.to_owned() + &long + &LINES.replace("\"2\"", "\"8\"")).as_bytes());
    let report = file.unwrap().report;
    assert_eq!(report.faults[&LineFault::Unreadable].first_lines, [3]);
    assert_eq!(report.accepted, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rubbish_never_panics_and_always_balances(
        content in proptest::collection::vec(any::<u8>(), 0..600),
        start in 0_usize..3,
    ) {
        let start = ["", "{", "id,time,headline\n"][start];
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend(content);
        if let Ok(file) = read_text(&bytes) {
            prop_assert_eq!(file.report.lines, file.report.accepted + file.report.refused());
        }
    }

    #[test]
    fn odd_json_never_panics(value in "[\\[\\]{}\",:0-9a-z.-]{0,200}") {
        let line = format!("{{\"id\":\"9\",\"time\":{value}}}\n{{\"id\":{value}}}\n");
        let _ = read_text((LINES.to_owned() + &line).as_bytes());
    }
}
