//! Reading `rawe.toml`: each binary takes the sections it needs, and a bad file is answered with
//! all of its problems at once. What the keys mean is with the types they are read into.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Every section of `rawe.toml`.
const SECTIONS: [&str; 8] = [
    "consensus",
    "risk",
    "exits",
    "journal",
    "agents",
    "feed",
    "exchange",
    "roster",
];

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Consensus {
        window_ms: u64,
        quorum: u32,
        limits: Limits,
        weights: BTreeMap<String, f64>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Limits {
        orders_max: u32,
        notional_max: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Voter {
        id: String,
    }

    fn problems_of(text: &str) -> Vec<String> {
        section_of::<Consensus>(text, "consensus").unwrap_err()
    }

    #[test]
    fn no_file_no_section_and_an_empty_path_are_the_defaults() {
        let default = Consensus::default();
        assert_eq!(
            load_section::<Consensus>(None, "consensus").unwrap(),
            default
        );
        let empty = Some(Path::new(""));
        assert_eq!(
            load_section::<Consensus>(empty, "consensus").unwrap(),
            default
        );
        assert_eq!(
            section_of::<Consensus>("[risk]\nx = 1", "consensus").unwrap(),
            default
        );
    }

    #[test]
    fn a_section_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rawe.toml");
        let text = "[consensus]\nwindow_ms = 5\n[consensus.limits]\norders_max = 2\n\
                    [[roster]]\nid = 'a'\n[[roster]]\nid = 'b'";
        std::fs::write(&path, text).unwrap();
        let read: Consensus = load_section(Some(&path), "consensus").unwrap();
        assert_eq!(
            (read.window_ms, read.limits.orders_max, read.quorum),
            (5, 2, 0)
        );
        let voters: Vec<Voter> = load_section(Some(&path), "roster").unwrap();
        assert_eq!(voters.len(), 2);
    }

    #[test]
    fn all_problems_are_listed_with_where_and_what_else() {
        let problems = problems_of(
            "[consensus]\nquorun = 3\nwindow_ms = 'long'\n[consensus.limits]\norders_max = -1\n\
             notional_mx = 1\n[consnsus]\n[elsewhere]",
        );
        let all = problems.join("\n");
        let expected = [
            "[consnsus]; did you mean 'consensus'?",
            "[elsewhere]; known: consensus, risk",
            "consensus.quorun: unknown field `quorun`",
            "did you mean 'quorum'?",
            "consensus.window_ms: invalid type: string \"long\"",
            "consensus.limits.orders_max: invalid value",
            "did you mean 'notional_max'?",
        ];
        for text in expected {
            assert!(all.contains(text), "no '{text}' in:\n{all}");
        }
        assert_eq!(problems.len(), 6, "{all}");
    }

    #[test]
    fn each_bad_element_of_a_list_is_named() {
        let text = "[[roster]]\nid = 'a'\n[[roster]]\nname = 'b'\n[[roster]]\nid = 3";
        let problems = section_of::<Vec<Voter>>(text, "roster").unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems[0].starts_with("roster[2]: unknown field `name`"),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("roster[3]: invalid type"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_file_that_is_no_toml_or_not_there_is_told() {
        assert!(problems_of("[consensus\n")[0].contains("line 1"));
        let missing = Path::new("/nowhere/rawe.toml");
        let error = load_section::<Consensus>(Some(missing), "consensus").unwrap_err();
        assert!(
            error.to_string().contains("cannot read /nowhere/rawe.toml"),
            "{error}"
        );
        let value = section_of::<Consensus>("consensus = 3", "consensus").unwrap_err();
        assert_eq!(value.len(), 1, "{value:?}");
    }

    #[test]
    fn problems_read_as_a_list() {
        let one = ConfigProblems(vec!["a".into()]);
        assert_eq!(one.to_string(), "bad configuration: a");
        let two = ConfigProblems(vec!["a".into(), "b".into()]);
        assert_eq!(
            two.to_string(),
            "bad configuration, 2 problems:\n  - a\n  - b"
        );
    }

    #[test]
    fn distances_and_suggestions() {
        for (a, b, distance) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3)] {
            assert_eq!(edit_distance(a, b), distance, "{a} to {b}");
        }
        assert_eq!(suggestion("zebra", SECTIONS.into_iter()), "");
        assert_eq!(
            suggestion("rsk", SECTIONS.into_iter()),
            "; did you mean 'risk'?"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}", key in "[a-z_.\"\\[\\]]{0,12}") {
            for text in [text.clone(), format!("[consensus]\n{key} = {text}")] {
                // An error is told, whatever it is; the defaults are never taken for a bad text.
                if let Err(problems) = section_of::<Consensus>(&text, "consensus") {
                    prop_assert!(!problems.is_empty());
                }
            }
        }

        #[test]
        fn distance_is_a_metric(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            prop_assert_eq!(edit_distance(&a, &b), edit_distance(&b, &a));
            prop_assert_eq!(edit_distance(&a, &b) == 0, a == b);
            prop_assert!(edit_distance(&a, &b) <= a.len().max(b.len()));
        }
    }
}
