//! Parquet files as records of named fields. Columns are known by their lower-cased names; those
//! that no record has are not read, and those that cannot be read are named. What the fields mean
//! is for the siblings.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta};
use parquet::basic::{ConvertedType, Type as Physical};
use parquet::data_type::Decimal;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, ListAccessor, Row};
use parquet::schema::types::Type as Schema;
use serde_json::{Map, Value};

use super::records::{Each, Record};
use super::{FileError, FileReport};

/// What a Parquet file begins with.
const MAGIC: [u8; 4] = *b"PAR1";
/// Numbers from here on are nanoseconds since 1970, which have no type of their own here.
const NANOSECONDS_MIN: i64 = 100_000_000_000_000_000;
/// All columns that a record may have; others are not read.
const KNOWN: [&str; 27] = [
    "symbol",
    "time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "start",
    "end",
    "timeframe",
    "id",
    "published",
    "first_seen",
    "source",
    "register",
    "author",
    "followers",
    "repost_of",
    "trust_percent",
    "symbols",
    "headline",
    "text",
    "backfill",
    "label",
    "entity",
    "emotion",
    "cluster",
];

/// Whether a file is Parquet, by its first bytes.
pub(super) fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == MAGIC
}

/// Calls `each` with every row, numbered from 1.
///
/// # Errors
/// When the file is not whole or compressed as it cannot be read here, lacks one of the `required`
/// columns, or has one that is no text, number or time.
pub(super) fn read_parquet(
    path: &Path,
    required: &[&'static str],
    (what, header): (&'static str, &'static str),
    report: &mut FileReport,
    each: Each<'_>,
) -> Result<(), FileError> {
    let broken = |error: ParquetError| FileError::Parquet {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = File::open(path).map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields().iter();
    let wanted: Vec<Arc<Schema>> = fields
        .filter(|field| KNOWN.contains(&name_of(field.name()).as_str()))
        .cloned()
        .collect();
    let has = |name: &str| wanted.iter().any(|field| name_of(field.name()) == name);
    // Our own form has other columns; a row of it is known by them.
    let ours = has("first_seen") || has("timeframe");
    if let Some(column) = required.iter().find(|name| !ours && !has(name)) {
        return Err(FileError::Column {
            path: path.to_owned(),
            column,
            what,
            header,
        });
    }
    if let Some(field) = wanted.iter().find(|field| !is_readable(field)) {
        return Err(FileError::ColumnType {
            path: path.to_owned(),
            column: field.name().to_owned(),
            found: type_of(field),
        });
    }
    let wanted = Schema::group_type_builder(schema.name()).with_fields(wanted);
    let rows = reader.get_row_iter(Some(wanted.build().map_err(broken)?));
    for (row, line) in rows.map_err(broken)?.zip(1..) {
        let object = object_of(&row.map_err(broken)?);
        report.lines += 1;
        if let Err(fault) = each(&Record::Object(&object), line, report) {
            report.note(fault, line);
        }
    }
    Ok(())
}

fn name_of(column: &str) -> String {
    column.trim().to_ascii_lowercase()
}

/// Whether a column is text, a number, a time, or a list of texts.
fn is_readable(field: &Schema) -> bool {
    let kind = field.get_basic_info().converted_type();
    if !field.is_primitive() {
        return kind == ConvertedType::LIST;
    }
    match (field.get_physical_type(), kind) {
        (Physical::INT32, ConvertedType::TIME_MILLIS)
        | (Physical::INT64, ConvertedType::TIME_MICROS)
        | (Physical::BYTE_ARRAY, ConvertedType::BSON) => false,
        (Physical::FIXED_LEN_BYTE_ARRAY, kind) => kind == ConvertedType::DECIMAL,
        _ => true,
    }
}

/// A column's type in words.
fn type_of(field: &Schema) -> String {
    let kind = field.get_basic_info().converted_type();
    if field.is_primitive() {
        format!("{} ({kind})", field.get_physical_type())
    } else {
        format!("a group ({kind})")
    }
}

fn object_of(row: &Row) -> Map<String, Value> {
    let columns = row.get_column_iter();
    columns
        .map(|(name, field)| (name_of(name), value_of(field)))
        .collect()
}

/// A field as JSON has it; what has no place there is as if it were not there.
fn value_of(field: &Field) -> Value {
    match field {
        Field::Bool(value) => Value::from(*value),
        Field::Str(text) => Value::from(text.as_str()),
        Field::Bytes(bytes) => bytes.as_utf8().map_or(Value::Null, Value::from),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) if *number >= NANOSECONDS_MIN => time_of(DateTime::from_timestamp(
            number.div_euclid(1_000_000_000),
            u32::try_from(number.rem_euclid(1_000_000_000)).unwrap_or(0),
        )),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        // By its shortest text, so that 0.1 stays 0.1.
        Field::Float(number) => Value::from(number.to_string().parse::<f64>().unwrap_or(f64::NAN)),
        Field::Double(number) => Value::from(*number),
        Field::Decimal(number) => decimal_text(number).map_or(Value::Null, Value::from),
        Field::Date(days) => {
            let day = NaiveDate::from_ymd_opt(1970, 1, 1);
            let day = day.and_then(|day| day.checked_add_signed(TimeDelta::days((*days).into())));
            day.map_or(Value::Null, |day| Value::from(day.to_string()))
        }
        Field::TimestampMillis(ms) => time_of(DateTime::from_timestamp_millis(*ms)),
        Field::TimestampMicros(us) => time_of(DateTime::from_timestamp_micros(*us)),
        Field::ListInternal(list) => {
            let texts = (0..list.len()).filter_map(|place| list.get_string(place).ok());
            texts.map(|text| Value::from(text.as_str())).collect()
        }
        _ => Value::Null,
    }
}

fn time_of(time: Option<DateTime<chrono::Utc>>) -> Value {
    time.map_or(Value::Null, |time| {
        Value::from(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    })
}

/// A decimal of up to 16 bytes as its digits and exponent, such as `12345e-2`.
fn decimal_text(decimal: &Decimal) -> Option<String> {
    let bytes = decimal.data();
    let fill = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut whole = [fill; 16];
    let place = whole.len().checked_sub(bytes.len())?;
    whole.get_mut(place..)?.copy_from_slice(bytes);
    Some(format!(
        "{}e{}",
        i128::from_be_bytes(whole),
        -decimal.scale()
    ))
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
