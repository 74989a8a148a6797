//! Tests of Parquet files as bars and news, compressed as others write them, and broken.

use std::path::PathBuf;

use parquet::basic::{Compression, GzipLevel, LogicalType, Repetition, TimeUnit};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;

use super::*;
use crate::SymbolMap;
use crate::files::{read_bars, read_news};

/// One column of a file.
#[derive(Clone)]
enum Column {
    Texts(Vec<&'static str>),
    Numbers(Vec<f64>),
    /// Hundredths.
    Decimals(Vec<i64>),
    /// Microseconds since 1970.
    Times(Vec<i64>),
    /// Without a type of its own: nanoseconds since 1970.
    Plain(Vec<i64>),
    Flags(Vec<bool>),
    /// Bytes of no meaning.
    Fixed(usize),
}

impl Column {
    fn types(&self) -> (Physical, Option<LogicalType>) {
        match self {
            Self::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Self::Numbers(_) => (Physical::DOUBLE, None),
            Self::Decimals(_) => (Physical::INT64, Some(LogicalType::decimal(2, 15))),
            Self::Times(_) => {
                let time = LogicalType::timestamp(true, TimeUnit::MICROS);
                (Physical::INT64, Some(time))
            }
            Self::Plain(_) => (Physical::INT64, None),
            Self::Flags(_) => (Physical::BOOLEAN, None),
            Self::Fixed(_) => (Physical::FIXED_LEN_BYTE_ARRAY, None),
        }
    }
}

type Columns = Vec<(&'static str, Column)>;

/// Writes a file of required columns.
fn file(compression: Compression, columns: &Columns) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.parquet");
    let fields = columns.iter().map(|(name, column)| {
        let (physical, logical) = column.types();
        let is_decimal = matches!(column, Column::Decimals(_));
        let builder = Schema::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_length(4)
            .with_precision(if is_decimal { 15 } else { -1 })
            .with_scale(if is_decimal { 2 } else { -1 })
            .with_logical_type(logical);
        Arc::new(builder.build().unwrap())
    });
    let schema = Schema::group_type_builder("rows").with_fields(fields.collect());
    let properties = WriterProperties::builder().set_compression(compression);
    let mut out = SerializedFileWriter::new(
        File::create(&path).unwrap(),
        Arc::new(schema.build().unwrap()),
        Arc::new(properties.build()),
    )
    .unwrap();
    let mut group = out.next_row_group().unwrap();
    for (_, column) in columns {
        let mut writer = group.next_column().unwrap().unwrap();
        match column {
            Column::Texts(texts) => {
                let texts: Vec<ByteArray> = texts.iter().map(|text| (*text).into()).collect();
                let writer = writer.typed::<ByteArrayType>();
                writer.write_batch(&texts, None, None)
            }
            Column::Numbers(numbers) => {
                let writer = writer.typed::<DoubleType>();
                writer.write_batch(numbers, None, None)
            }
            Column::Decimals(numbers) | Column::Times(numbers) | Column::Plain(numbers) => {
                let writer = writer.typed::<Int64Type>();
                writer.write_batch(numbers, None, None)
            }
            Column::Flags(flags) => {
                let writer = writer.typed::<BoolType>();
                writer.write_batch(flags, None, None)
            }
            Column::Fixed(count) => {
                let bytes = vec![FixedLenByteArray::from(vec![1, 2, 3, 4]); *count];
                let writer = writer.typed::<FixedLenByteArrayType>();
                writer.write_batch(&bytes, None, None)
            }
        }
        .unwrap();
        writer.close().unwrap();
    }
    group.close().unwrap();
    out.close().unwrap();
    (folder, path)
}

const FIRST_US: i64 = 1_767_600_000_000_000;
const HOUR_US: i64 = 3_600_000_000;

fn micros() -> Column {
    Column::Times(vec![FIRST_US, FIRST_US + HOUR_US])
}

/// Two hours of a coin.
fn bars(time: Column) -> Columns {
    vec![
        ("Symbol", Column::Texts(vec!["BTC", "BTC"])),
        ("time", time),
        ("open", Column::Numbers(vec![1.0, 0.1 + 0.2])),
        ("high", Column::Decimals(vec![200, 200])),
        ("low", Column::Numbers(vec![0.1, 0.1])),
        ("close", Column::Numbers(vec![1.5, 1.5])),
        ("volume", Column::Numbers(vec![7.0, 8.0])),
        // Of no interest, and of a type that is not read.
        ("checksum", Column::Fixed(2)),
    ]
}

#[test]
fn bars_are_read_however_compressed_and_however_their_times_are_written() {
    let nanos = || Column::Plain(vec![FIRST_US * 1_000, (FIRST_US + HOUR_US) * 1_000]);
    let texts = || Column::Texts(vec!["2026-01-05T08:00:00Z", "2026-01-05 09:00:00"]);
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
    ] {
        for time in [micros(), nanos(), texts()] {
            let (_folder, path) = file(compression, &bars(time));
            let read = read_bars(&path, &SymbolMap::default()).unwrap();
            assert_eq!(read.bars.len(), 2, "{:?}", read.report);
            assert_eq!(read.bars[0].symbol.as_str(), "BTC/USD");
            assert_eq!(read.bars[0].end.timestamp_micros(), FIRST_US);
            let prices = [read.bars[1].open, read.bars[1].high];
            assert_eq!(prices.map(f64::to_bits), [0.1 + 0.2, 2.0].map(f64::to_bits));
        }
    }
}

#[test]
fn news_is_read_and_a_missing_column_named() {
    let columns = vec![
        ("id", Column::Texts(vec!["1", "2"])),
        ("time", Column::Times(vec![FIRST_US, FIRST_US])),
        ("headline", Column::Texts(vec!["Coins rise", ""])),
        ("symbols", Column::Texts(vec!["BTC,KO", ""])),
    ];
    let (_folder, path) = file(Compression::SNAPPY, &columns);
    let read = read_news(&path, &SymbolMap::default()).unwrap();
    assert_eq!((read.items.len(), read.report.refused()), (1, 1));
    assert_eq!(read.items[0].symbols.len(), 2);
    let (_folder, path) = file(Compression::SNAPPY, &columns[..1].to_vec());
    let refused = read_news(&path, &SymbolMap::default())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("file.parquet has no column 'time'"),
        "{refused}"
    );
}

#[test]
fn our_own_bars_come_back_as_they_were() {
    let columns = vec![
        ("symbol", Column::Texts(vec!["SOL"])),
        ("start", Column::Times(vec![FIRST_US])),
        ("end", Column::Times(vec![FIRST_US + HOUR_US])),
        ("timeframe", Column::Texts(vec!["hour"])),
        ("open", Column::Numbers(vec![1.0 / 3.0])),
        ("high", Column::Numbers(vec![2.0])),
        ("low", Column::Numbers(vec![0.1])),
        ("close", Column::Numbers(vec![1.0])),
        ("volume", Column::Numbers(vec![1e-7])),
        ("backfill", Column::Flags(vec![true])),
    ];
    let (_folder, path) = file(Compression::SNAPPY, &columns);
    let bars = read_bars(&path, &SymbolMap::default()).unwrap().bars;
    // A stock called as a coin is: nothing is guessed.
    assert_eq!((bars[0].symbol.as_str(), bars[0].backfill), ("SOL", false));
    assert_eq!(bars[0].open.to_bits(), f64::to_bits(1.0 / 3.0));
    assert_eq!(bars[0].start.timestamp_micros(), FIRST_US);
}

#[test]
fn a_column_of_another_type_is_named() {
    let mut columns = bars(micros());
    columns[2].1 = Column::Fixed(2);
    let (_folder, path) = file(Compression::SNAPPY, &columns);
    let refused = read_bars(&path, &SymbolMap::default())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("column 'open' of "), "{refused}");
    assert!(
        refused.contains("file.parquet is FIXED_LEN_BYTE_ARRAY"),
        "{refused}"
    );
}

#[test]
fn a_file_that_was_cut_short_is_named() {
    let (_folder, path) = file(Compression::SNAPPY, &bars(micros()));
    let whole = std::fs::read(&path).unwrap();
    for length in [4, 5, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let refused = read_bars(&path, &SymbolMap::default()).unwrap_err();
        assert!(
            matches!(refused, FileError::Parquet { .. }),
            "{length}: {refused}"
        );
        assert!(refused.to_string().contains("file.parquet"), "{refused}");
    }
}

#[test]
fn decimals_keep_their_sign_and_digits() {
    for (decimal, wanted) in [
        (Decimal::from_i32(-12_345, 9, 2), Some("-12345e-2")),
        (Decimal::from_i64(7, 18, 0), Some("7e0")),
        (Decimal::from_bytes(vec![0xff].into(), 2, 1), Some("-1e-1")),
        (Decimal::from_bytes(vec![0; 17].into(), 38, 1), None),
        (Decimal::from_bytes(Vec::new().into(), 2, 1), None),
    ] {
        assert_eq!(decimal_text(&decimal).as_deref(), wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_data_panics(at: prop::sample::Index, byte: u8) {
        let (_folder, path) = file(Compression::SNAPPY, &bars(micros()));
        let mut bytes = std::fs::read(&path).unwrap();
        // The pages, between the magic and the description at the end.
        let footer = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[footer..footer + 4].try_into().unwrap());
        let pages = footer - usize::try_from(length).unwrap();
        let place = 4 + at.index(pages - 4);
        bytes[place] = byte;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(read) = read_bars(&path, &SymbolMap::default()) {
            prop_assert_eq!(read.report.lines, read.report.accepted + read.report.refused());
        }
    }
}
