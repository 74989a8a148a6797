//! The rules of the house that no compiler checks: which crates stay pure, how long files and
//! functions may be, and that every module and every configuration key is explained.

mod functions;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use functions::functions_of;
use sources::{Source, manifest, root, rust_sources, text_sources};

/// Crates that are synchronous and deterministic: state in, event in, effects out.
const PURE_CRATES: [&str; 10] = [
    "rawe-core",
    "rawe-narrative",
    "rawe-agent",
    "rawe-sentiment",
    "rawe-evaluation",
    "rawe-consensus",
    "rawe-execution",
    "rawe-collective",
    "rawe-market",
    "rawe-simulator",
];
/// What a pure crate must not even depend on.
const IMPURE_DEPENDENCIES: [&str; 8] = [
    "tokio",
    "redis",
    "reqwest",
    "axum",
    "hyper",
    "rusqlite",
    "rawe-bus",
    "rawe-runtime",
];
/// What a pure crate must not call, whatever clippy says.
const IMPURE_CALLS: [&str; 10] = [
    "Utc::now",
    "Local::now",
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::net",
    "std::env::var",
    "thread::spawn",
    "rand::rng(",
    "from_os_rng",
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Files and functions that are longer: lines, path, function. The list may only shrink: shorten an
/// entry as its code gets shorter, and never add one.
const LONGER: &str = include_str!("tidy/longer.txt");

fn join(problems: impl IntoIterator<Item = String>) -> String {
    problems.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn pure_crates_depend_on_nothing_impure() {
    let mut problems = Vec::new();
    for name in PURE_CRATES {
        let mut waiting = vec![name.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(current) = waiting.pop() {
            if !seen.insert(current.clone()) {
                continue;
            }
            if IMPURE_DEPENDENCIES.contains(&current.as_str()) {
                problems.push(format!("{name} depends on {current}"));
            }
            let manifest = manifest(&format!("crates/{current}/Cargo.toml"));
            let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
            let names = dependencies.into_iter().flat_map(toml::Table::keys);
            // Crates of others count by name; ours are followed.
            let (ours, others): (Vec<&String>, Vec<&String>) =
                names.partition(|name| name.starts_with("rawe-"));
            waiting.extend(ours.into_iter().cloned());
            let impure = others
                .into_iter()
                .filter(|o| IMPURE_DEPENDENCIES.contains(&o.as_str()));
            problems.extend(impure.map(|other| format!("{name} depends on {other}")));
        }
    }
    assert!(problems.is_empty(), "{}", join(problems));
}

#[test]
fn pure_crates_read_no_clock_and_do_no_io() {
    let mut problems = Vec::new();
    let sources = rust_sources();
    for name in PURE_CRATES {
        let folder = format!("crates/{name}/src/");
        let own: Vec<&Source> = sources
            .iter()
            .filter(|s| s.path.starts_with(&folder))
            .collect();
        assert!(!own.is_empty(), "{name} has no sources");
        for source in own {
            for (number, line) in source.code_lines() {
                for call in IMPURE_CALLS.into_iter().filter(|call| line.contains(call)) {
                    problems.push(format!("{}:{number}: {call}", source.path));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", join(problems));
}

#[test]
fn files_and_functions_stay_short() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for source in rust_sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            found.insert(source.path.clone(), lines);
        }
        for function in functions_of(&source.text) {
            if function.lines > FUNCTION_LINES_MAX {
                found.insert(format!("{} {}", source.path, function.name), function.lines);
            }
        }
    }
    let mut problems = Vec::new();
    let allowed: BTreeMap<&str, usize> = LONGER
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(lines, place)| (place, lines.parse().unwrap()))
        .collect();
    for (place, lines) in &found {
        let limit = allowed.get(place.as_str()).copied().unwrap_or(0);
        if *lines > limit {
            problems.push(format!("{place} has {lines} lines; split it"));
        }
    }
    for (place, limit) in allowed {
        let lines = found.get(place).copied().unwrap_or(0);
        if lines < limit {
            problems.push(format!(
                "{place} has {lines} lines now, not {limit}: lower the list"
            ));
        }
    }
    assert!(problems.is_empty(), "{}", join(problems));
}

#[test]
fn every_module_says_what_lives_there() {
    let silent = rust_sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"));
    let problems: Vec<String> = silent
        .map(|source| format!("{} does not begin with //!", source.path))
        .collect();
    assert!(problems.is_empty(), "{}", join(problems));
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let markers = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["unimplemented", "!("].concat(),
    ];
    let mut problems = Vec::new();
    for source in text_sources() {
        for (number, line) in source.text.lines().enumerate() {
            for marker in markers
                .iter()
                .filter(|marker| line.contains(marker.as_str()))
            {
                problems.push(format!("{}:{}: {marker}", source.path, number + 1));
            }
        }
    }
    assert!(problems.is_empty(), "{}", join(problems));
}

/// Each section of `rawe.toml` and the struct whose fields are its keys.
const SECTIONS: [(&str, &str); 11] = [
    ("consensus", "ConsensusConfig"),
    ("consensus.weights", "WeightsConfig"),
    ("risk", "RiskLimits"),
    ("exits", "ExitRules"),
    ("journal", "JournalSection"),
    ("agents", "AgentsSection"),
    ("exchange", "ExchangeSection"),
    ("feed", "FeedSection"),
    ("feed.sources", "SourceSection"),
    ("feed.sources.fields", "JsonFields"),
    ("roster", "RosterAgent"),
];

/// The names of a struct's fields, read from its source.
fn fields_of(source: &str, name: &str) -> Vec<String> {
    let head = format!("struct {name} {{");
    let body = source.split_once(&head).map_or("", |(_, rest)| rest);
    body.lines()
        .take_while(|line| *line != "}")
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && !line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches("pub ").split_once(": "))
        .map(|(field, _)| field.to_owned())
        .collect()
}

#[test]
fn every_configuration_key_is_documented() {
    let path = "docs/configuration.md";
    let document = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(!document.is_empty(), "{path} is missing");
    let mut problems = Vec::new();
    let sources = rust_sources();
    for (section, name) in SECTIONS {
        let head = format!("struct {name} {{");
        let source = sources.iter().find(|source| source.text.contains(&head));
        let fields = source.map_or_else(Vec::new, |source| fields_of(&source.text, name));
        if fields.is_empty() {
            problems.push(format!(
                "[{section}]: no fields of {name} found in any source"
            ));
        }
        if !document.contains(&format!("[{section}]")) {
            problems.push(format!("{path} has no [{section}]"));
        }
        // A key is named as such, or has a table of its own.
        let explained = |field: &str| {
            document.contains(&format!("`{field}`"))
                || document.contains(&format!("`[{section}.{field}]`"))
        };
        let missing = fields.iter().filter(|field| !explained(field));
        problems.extend(missing.map(|field| format!("{path} does not explain {section}.{field}")));
    }
    assert!(problems.is_empty(), "{}", join(problems));
}

#[test]
fn every_key_of_the_feed_is_in_the_file_to_copy_from() {
    let file = std::fs::read_to_string(root().join("config/rawe.toml")).unwrap();
    let sources = rust_sources();
    let mut problems = Vec::new();
    for name in ["FeedSection", "SourceSection", "JsonFields"] {
        let head = format!("struct {name} {{");
        let source = sources.iter().find(|source| source.text.contains(&head));
        let fields = source.map_or_else(Vec::new, |source| fields_of(&source.text, name));
        assert!(
            !fields.is_empty(),
            "no fields of {name} found in any source"
        );
        // As a key, maybe commented out, as a part of a table in one line, or as tables.
        let named = |field: &String| {
            let forms = [format!("{field} = "), format!("[[feed.{field}]]")];
            forms.iter().any(|form| file.contains(form))
        };
        let missing = fields.into_iter().filter(|field| !named(field));
        problems.extend(missing.map(|field| format!("config/rawe.toml has no {field} ({name})")));
    }
    assert!(problems.is_empty(), "{}", join(problems));
}
