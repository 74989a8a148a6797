//! The journal as files for other programs: one of each table, as CSV, JSON Lines or Parquet.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type as Schema;
use rusqlite::types::{Value, ValueRef};
use serde::Serialize;

use crate::reader::{Filter, JournalReader};
use crate::tables::EVENT_TABLES;

/// Rows of a Parquet row group: what is held in memory at a time.
const GROUP_ROWS: usize = 20_000;

/// What the files are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of column names, then values; nothing is an empty field.
    Csv,
    /// One JSON object a line: the number and the record exactly as it is kept.
    JsonLines,
    /// Columns, nullable, uncompressed.
    Parquet,
}

impl Format {
    /// What the files' names end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Where.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
}

/// Why it could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal cannot be read.
    #[error("reading the journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A file cannot be written.
    #[error("writing the export: {0}; make room, or look at the directory's rights")]
    Io(#[from] std::io::Error),
    /// A file cannot be written as CSV.
    #[error("writing the export as csv: {0}")]
    Csv(#[from] csv::Error),
    /// A file cannot be written as Parquet.
    #[error("writing the export as parquet: {0}")]
    Parquet(#[from] ParquetError),
}

/// Writes each table, and the votes, into `folder`, over the files of an earlier export.
///
/// # Errors
/// When the journal cannot be read or a file cannot be written.
pub fn export(
    reader: &JournalReader,
    format: Format,
    folder: &Path,
    filter: &Filter,
) -> Result<Vec<Exported>, ExportError> {
    std::fs::create_dir_all(folder)?;
    let mut exported = Vec::new();
    for table in EVENT_TABLES.into_iter().chain(["votes"]) {
        let path = folder.join(format!("{table}.{}", format.extension()));
        let unfinished = folder.join(format!(".{table}.{}.part", format.extension()));
        let file = BufWriter::new(File::create(&unfinished)?);
        let rows = match format {
            Format::Csv => as_csv(reader, table, filter, file)?,
            Format::JsonLines => as_json_lines(reader, table, filter, file)?,
            Format::Parquet => as_parquet(reader, table, filter, file)?,
        };
        std::fs::rename(&unfinished, &path)?;
        exported.push(Exported { path, rows });
    }
    Ok(exported)
}

/// The rows of a table within a range of market time, oldest first.
fn query(table: &str, columns: &str) -> String {
    format!(
        "SELECT {columns} FROM {table}
         WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at < ?2)"
    )
}

fn columns_of(reader: &JournalReader, table: &str) -> rusqlite::Result<Vec<String>> {
    let statement = reader.connection.prepare(&query(table, "*"))?;
    let names = statement.column_names();
    Ok(names.into_iter().map(ToOwned::to_owned).collect())
}

fn each_row(
    reader: &JournalReader,
    table: &str,
    filter: &Filter,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let mut statement = reader
        .connection
        .prepare(&format!("{} ORDER BY seq", query(table, "*")))?;
    let mut rows = statement.query((filter.since_text(), filter.until_text()))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        take(row)?;
        count += 1;
    }
    Ok(count)
}

fn as_csv(
    reader: &JournalReader,
    table: &str,
    filter: &Filter,
    file: BufWriter<File>,
) -> Result<u64, ExportError> {
    let columns = columns_of(reader, table)?;
    let mut out = csv::Writer::from_writer(file);
    out.write_record(&columns)?;
    let rows = each_row(reader, table, filter, |row| {
        for column in 0..columns.len() {
            match row.get_ref(column)? {
                ValueRef::Null => out.write_field("")?,
                ValueRef::Integer(number) => out.write_field(number.to_string())?,
                ValueRef::Real(number) => out.write_field(number.to_string())?,
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.write_field(bytes)?,
            }
        }
        out.write_record(None::<&[u8]>)?;
        Ok(())
    })?;
    out.flush()?;
    Ok(rows)
}

fn as_json_lines(
    reader: &JournalReader,
    table: &str,
    filter: &Filter,
    mut out: BufWriter<File>,
) -> Result<u64, ExportError> {
    let columns = columns_of(reader, table)?;
    let record = columns.iter().position(|column| column == "record");
    let rows = each_row(reader, table, filter, |row| {
        if let Some(record) = record {
            let (seq, record): (i64, String) = (row.get(0)?, row.get(record)?);
            writeln!(out, "{{\"seq\":{seq},\"record\":{record}}}")?;
            return Ok(());
        }
        // A view without a record is told by its columns.
        let mut object = serde_json::Map::new();
        for (number, column) in columns.iter().enumerate() {
            let value = match row.get_ref(number)? {
                ValueRef::Null => serde_json::Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                    String::from_utf8_lossy(bytes).into()
                }
            };
            object.insert(column.clone(), value);
        }
        writeln!(out, "{}", serde_json::Value::Object(object))?;
        Ok(())
    })?;
    out.flush()?;
    Ok(rows)
}

/// A view's column has whatever types its values have: text if any is, else the widest number.
fn physical_types(
    reader: &JournalReader,
    table: &str,
    filter: &Filter,
    columns: &[String],
) -> rusqlite::Result<Vec<Physical>> {
    let kinds: Vec<String> = columns
        .iter()
        .map(|column| {
            format!(
                "max(CASE typeof({column}) WHEN 'text' THEN 2 WHEN 'real' THEN 1 \
                 WHEN 'null' THEN NULL ELSE 0 END)"
            )
        })
        .collect();
    let query = query(table, &kinds.join(", "));
    let parameters = (filter.since_text(), filter.until_text());
    reader.connection.query_row(&query, parameters, |row| {
        (0..columns.len())
            .map(|column| {
                Ok(match row.get::<_, Option<i64>>(column)? {
                    Some(0) => Physical::INT64,
                    Some(1) => Physical::DOUBLE,
                    _ => Physical::BYTE_ARRAY,
                })
            })
            .collect()
    })
}

fn as_parquet(
    reader: &JournalReader,
    table: &str,
    filter: &Filter,
    file: BufWriter<File>,
) -> Result<u64, ExportError> {
    let columns = columns_of(reader, table)?;
    let types = physical_types(reader, table, filter, &columns)?;
    let mut fields = Vec::new();
    for (column, physical) in columns.iter().zip(&types) {
        let text = (*physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let field = Schema::primitive_type_builder(column, *physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(text)
            .build()?;
        fields.push(Arc::new(field));
    }
    let schema = Arc::new(
        Schema::group_type_builder(table)
            .with_fields(fields)
            .build()?,
    );
    let properties = Arc::new(WriterProperties::builder().build());
    let mut out = SerializedFileWriter::new(file, schema, properties)?;
    let mut group: Vec<Vec<Value>> = vec![Vec::new(); columns.len()];
    let rows = each_row(reader, table, filter, |row| {
        for (number, values) in group.iter_mut().enumerate() {
            values.push(row.get(number)?);
        }
        if group
            .first()
            .is_some_and(|values| values.len() >= GROUP_ROWS)
        {
            write_group(&mut out, &mut group)?;
        }
        Ok(())
    })?;
    write_group(&mut out, &mut group)?;
    out.close()?;
    Ok(rows)
}

fn write_group(
    out: &mut SerializedFileWriter<BufWriter<File>>,
    group: &mut [Vec<Value>],
) -> Result<(), ExportError> {
    if group.iter().all(Vec::is_empty) {
        return Ok(());
    }
    let mut writer = out.next_row_group()?;
    for values in group.iter_mut() {
        if let Some(mut column) = writer.next_column()? {
            write_column(&mut column, values)?;
            column.close()?;
        }
        values.clear();
    }
    writer.close()?;
    Ok(())
}

fn write_column(
    column: &mut SerializedColumnWriter<'_>,
    values: &[Value],
) -> Result<(), ParquetError> {
    use parquet::column::writer::ColumnWriter;
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(*value != Value::Null))
        .collect();
    let there = values.iter().filter(|value| **value != Value::Null);
    match column.untyped() {
        ColumnWriter::Int64ColumnWriter(_) => {
            let numbers = there.map(|value| match value {
                Value::Integer(number) => *number,
                _ => 0,
            });
            let numbers: Vec<i64> = numbers.collect();
            column
                .typed::<Int64Type>()
                .write_batch(&numbers, Some(&levels), None)?;
        }
        ColumnWriter::DoubleColumnWriter(_) => {
            let numbers = there.map(|value| match value {
                Value::Integer(number) => *number as f64,
                Value::Real(number) => *number,
                _ => f64::NAN,
            });
            let numbers: Vec<f64> = numbers.collect();
            column
                .typed::<DoubleType>()
                .write_batch(&numbers, Some(&levels), None)?;
        }
        _ => {
            let texts = there.map(|value| {
                ByteArray::from(match value {
                    Value::Text(text) => text.clone().into_bytes(),
                    Value::Blob(bytes) => bytes.clone(),
                    Value::Integer(number) => number.to_string().into_bytes(),
                    Value::Real(number) => number.to_string().into_bytes(),
                    Value::Null => Vec::new(),
                })
            });
            let texts: Vec<ByteArray> = texts.collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&texts, Some(&levels), None)?;
        }
    }
    Ok(())
}
