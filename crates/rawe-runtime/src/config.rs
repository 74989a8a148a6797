//! Reading `rawe.toml`: each binary takes the sections it needs, and a bad file is answered with
//! all of its problems at once. What the keys mean is with the types they are read into.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Every section of `rawe.toml`.
const SECTIONS: [&str; 6] = ["consensus", "risk", "agents", "feed", "exchange", "roster"];

/// A configuration that cannot be used, with everything that is wrong with it. Ends a process with
/// exit code 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<String>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "bad configuration: {only}"),
            all => {
                write!(f, "bad configuration, {} problems:", all.len())?;
                all.iter()
                    .try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigProblems {}

/// Reads one section of the configuration file; the defaults if there is no file, or no such
/// section in it.
///
/// # Errors
/// All problems of the file as a whole and of this section: it cannot be read, is not TOML, has
/// sections that do not exist, has keys or values that do not fit.
pub fn load_section<T: DeserializeOwned + Default>(
    path: Option<&Path>,
    section: &str,
) -> Result<T, ConfigProblems> {
    // An empty variable, as compose files leave them, is no file.
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(T::default());
    };
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigProblems(vec![format!("cannot read {file}: {error}; check --config")])
    })?;
    section_of(&text, section).map_err(|problems| {
        ConfigProblems(
            problems
                .into_iter()
                .map(|problem| format!("{file}: {problem}"))
                .collect(),
        )
    })
}

fn section_of<T: DeserializeOwned + Default>(text: &str, section: &str) -> Result<T, Vec<String>> {
    let table: Table =
        toml::from_str(text).map_err(|error| vec![error.to_string().trim_end().to_owned()])?;
    let mut problems: Vec<String> = table
        .keys()
        .filter(|key| !SECTIONS.contains(&key.as_str()))
        .map(|key| {
            let hint = suggestion(key, SECTIONS.into_iter());
            format!(
                "unknown section [{key}]{hint}; known: {}",
                SECTIONS.join(", ")
            )
        })
        .collect();
    let Some(value) = table.get(section) else {
        return if problems.is_empty() {
            Ok(T::default())
        } else {
            Err(problems)
        };
    };
    match value.clone().try_into::<T>() {
        Ok(read) if problems.is_empty() => Ok(read),
        Ok(_) => Err(problems),
        Err(error) => {
            let found = value_problems::<T>(value, section);
            if found.is_empty() {
                problems.push(format!("[{section}]: {}", message_of(&error)));
            } else {
                problems.extend(found);
            }
            Err(problems)
        }
    }
}

/// A value of the section alone, in the tables around it, with its path for people.
struct Piece {
    path: String,
    alone: Value,
}

/// Cuts a section into its single values: the reader stops at its first problem, so it is given
/// one value at a time.
fn pieces(value: &Value, path: &str) -> Vec<Piece> {
    match value {
        Value::Table(table) if !table.is_empty() => table
            .iter()
            .flat_map(|(key, inner)| {
                pieces(inner, &format!("{path}.{key}"))
                    .into_iter()
                    .map(|piece| {
                        let mut around = Table::new();
                        around.insert(key.clone(), piece.alone);
                        Piece {
                            path: piece.path,
                            alone: Value::Table(around),
                        }
                    })
            })
            .collect(),
        Value::Array(array) if array.iter().any(Value::is_table) => array
            .iter()
            .enumerate()
            .map(|(index, element)| Piece {
                path: format!("{path}[{}]", index + 1),
                alone: Value::Array(vec![element.clone()]),
            })
            .collect(),
        other => vec![Piece {
            path: path.to_owned(),
            alone: other.clone(),
        }],
    }
}

fn value_problems<T: DeserializeOwned>(value: &Value, section: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for piece in pieces(value, section) {
        let in_array = piece.path.ends_with(']');
        let Err(error) = piece.alone.try_into::<T>() else {
            continue;
        };
        let message = message_of(&error);
        // A value alone lacks its neighbours; only an array's element is whole.
        if message.starts_with("missing field") && !in_array {
            continue;
        }
        let problem = format!("{}: {message}", piece.path);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

/// The reader's message on one line, with a suggestion when a key is unknown.
fn message_of(error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', " ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    match quoted.next() {
        Some(unknown) if is_unknown => format!("{message}{}", suggestion(unknown, quoted)),
        _ => message,
    }
}

/// `; did you mean 'x'?` for the nearest of the known words, if one is near.
fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min()
        .map(|(_, candidate)| format!("; did you mean '{candidate}'?"))
        .unwrap_or_default()
}

/// How many letters must be added, removed or changed to make `a` into `b` (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, other) in row.iter().skip(1).zip(&b) {
            let cost = usize::from(letter != *other);
            left = (left + 1).min(above + 1).min(diagonal + cost);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
