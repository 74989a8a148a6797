//! The dictionary of linking as data: which names stand for which assets and how they must be
//! written to count. Reading its tables and the automaton over its names; finding is the parent's.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use rawe_core::Symbol;

use super::spelling::spellings;
use crate::hash::{FastMap, FastSet, text_hash};

/// The tables that ship with the crate, with the names errors call them by.
pub(super) const SHIPPED: [(&str, &str); 4] = [
    (
        "phrases.tsv",
        include_str!("../../data/universe/phrases.tsv"),
    ),
    ("stocks.tsv", include_str!("../../data/universe/stocks.tsv")),
    ("etfs.tsv", include_str!("../../data/universe/etfs.tsv")),
    ("crypto.tsv", include_str!("../../data/universe/crypto.tsv")),
];
/// The first line of every table.
const HEADER: &str = "symbol\tname\trule\tcontext";
/// The longest name, bytes.
const NAME_BYTES_MAX: usize = 64;
/// The most rows of all tables together.
const ROWS_MAX: usize = 60_000;

/// How a name must be written to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// In any case.
    Any,
    /// Every word of it with a capital first letter, because the words have a common meaning too.
    Capital,
    /// Exactly as in the table.
    Exact,
}

/// Which words near a name make it count where the name alone does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// None is needed.
    Free,
    /// One of the general list.
    General,
    /// One of the general list or of the row's own words.
    GeneralOr(Box<[Box<str>]>),
    /// One of the row's own words.
    Only(Box<[Box<str>]>),
}

/// What a found text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The asset of this number.
    Asset(u32),
    /// Nothing: it only takes the words away from shorter names, as "apple pie" does.
    Nothing,
    /// A ticker follows, as after "$" or "NASDAQ:".
    Ticker,
}

/// One row that names something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: Box<str>,
    pub(super) meaning: Meaning,
    pub(super) case: Case,
    pub(super) context: Context,
}

/// Why a table is no universe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}, line {line}: {problem}")]
pub struct UniverseError {
    /// The table, as the caller named it.
    pub table: String,
    /// The line, from 1; 0 for the table as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Names, aliases and products of assets, and the rules by which they count. Built once and
/// shared; the automaton over the names is built at the first text.
pub struct Universe {
    /// A hash of the tables' texts.
    content: u64,
    symbols: Vec<Symbol>,
    /// The first name of each symbol's rows: what people call it.
    titles: Vec<Box<str>>,
    numbers: FastMap<Symbol, u32>,
    /// Other symbols of the same company or coin.
    twins: Vec<Vec<Symbol>>,
    twin_of: FastMap<Symbol, u32>,
    /// Upper-case coin to pair.
    coins: FastMap<Box<str>, u32>,
    names: Vec<Name>,
    /// Lower-case name to its place in `names` and the table it came from.
    known_names: FastMap<Box<str>, (u32, usize)>,
    context: FastSet<Box<str>>,
    finder: OnceLock<Option<Finder>>,
}

/// The automaton and which name each of its patterns is a spelling of.
#[derive(Debug)]
pub(super) struct Finder {
    pub(super) automaton: AhoCorasick,
    pub(super) name_of: Vec<u32>,
}

/// Says which universe it is without listing it; equal for equal tables.
impl fmt::Debug for Universe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Universe")
            .field("symbols", &self.symbols.len())
            .field("names", &self.names.len())
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Universe {
    fn eq(&self, other: &Self) -> bool {
        self.symbols == other.symbols
            && self.titles == other.titles
            && self.twins == other.twins
            && self.names == other.names
            && self.context == other.context
    }
}

impl Eq for Universe {}

/// A row cut into its fields.
struct Row<'a> {
    symbol: &'a str,
    name: &'a str,
    rule: &'a str,
    context: &'a str,
}

impl Universe {
    /// The tables that ship with the crate: large US stocks, main ETFs, crypto pairs. Shared by
    /// all callers of a process.
    pub fn shipped() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Universe>> = OnceLock::new();
        // The tables are part of the build and a test reads them; empty is never seen.
        let build = || Arc::new(Self::of(&SHIPPED).unwrap_or_else(|_| Self::empty()));
        Arc::clone(SHARED.get_or_init(build))
    }

    /// The shipped tables and after them a user's, each with the name that errors call it by. A
    /// later table's row replaces an earlier table's of the same name.
    ///
    /// # Errors
    /// When a line is malformed, or a table names one thing twice.
    pub fn shipped_with(tables: &[(&str, &str)]) -> Result<Self, UniverseError> {
        let all: Vec<(&str, &str)> = SHIPPED.iter().chain(tables).copied().collect();
        Self::of(&all)
    }

    /// A universe of only these tables.
    ///
    /// # Errors
    /// When a line is malformed, or a table names one thing twice.
    pub fn of(tables: &[(&str, &str)]) -> Result<Self, UniverseError> {
        let mut universe = Self::empty();
        for (table, (title, text)) in tables.iter().enumerate() {
            universe.content = universe.content.rotate_left(17) ^ text_hash(text);
            universe.read(table, title, text)?;
        }
        Ok(universe)
    }

    fn empty() -> Self {
        Self {
            content: 0,
            symbols: Vec::new(),
            titles: Vec::new(),
            numbers: FastMap::default(),
            twins: Vec::new(),
            twin_of: FastMap::default(),
            coins: FastMap::default(),
            names: Vec::new(),
            known_names: FastMap::default(),
            context: FastSet::default(),
            finder: OnceLock::new(),
        }
    }

    /// The assets, in the order of the tables.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// What people call the asset: the first name of its rows; `None` outside the universe.
    pub fn title(&self, symbol: &Symbol) -> Option<&str> {
        let number = *self.numbers.get(symbol)? as usize;
        self.titles.get(number).map(AsRef::as_ref)
    }

    /// Whether both symbols stand for one company or coin, as GOOG and GOOGL do.
    pub fn is_same(&self, one: &Symbol, other: &Symbol) -> bool {
        one == other
            || self
                .family(one)
                .is_some_and(|f| self.family(other) == Some(f))
    }

    /// How many rows name something.
    pub fn names(&self) -> usize {
        self.names.len()
    }

    /// The number of the company or coin the symbol stands for.
    pub(super) fn family(&self, symbol: &Symbol) -> Option<u32> {
        let own = self.numbers.get(symbol);
        own.or_else(|| self.twin_of.get(symbol)).copied()
    }

    /// The asset's symbol and after it its twins.
    pub(super) fn spellings(&self, number: u32) -> impl Iterator<Item = &Symbol> {
        let place = number as usize;
        let twins = self.twins.get(place).into_iter().flatten();
        self.symbols.get(place).into_iter().chain(twins)
    }

    /// The pair of a coin's ticker in capitals.
    pub(super) fn pair(&self, coin: &str) -> Option<u32> {
        self.coins.get(coin).copied()
    }

    pub(super) fn name(&self, place: u32) -> Option<&Name> {
        self.names.get(place as usize)
    }

    /// Whether a lower-case word is a name too long for a ticker.
    pub(super) fn is_long_name(&self, word: &str) -> bool {
        word.len() >= 5 && self.known_names.contains_key(word)
    }

    pub(super) fn is_context(&self, word: &str) -> bool {
        self.context.contains(word)
    }

    fn read(&mut self, table: usize, title: &str, text: &str) -> Result<(), UniverseError> {
        let failed = |line: usize, problem: String| UniverseError {
            table: title.to_owned(),
            line,
            problem,
        };
        let mut header_seen = false;
        for (place, line) in text.lines().enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if !header_seen {
                if line.trim_end() != HEADER {
                    let problem = "the first line must be 'symbol', 'name', 'rule', 'context' with \
                                   tabs between";
                    return Err(failed(place + 1, problem.to_owned()));
                }
                header_seen = true;
                continue;
            }
            let row = Row::cut(line).map_err(|problem| failed(place + 1, problem))?;
            self.add(table, &row)
                .map_err(|problem| failed(place + 1, problem))?;
        }
        if header_seen {
            Ok(())
        } else {
            Err(failed(
                0,
                "the table is empty; begin it with its header line".to_owned(),
            ))
        }
    }

    fn add(&mut self, table: usize, row: &Row<'_>) -> Result<(), String> {
        if self.names.len() + self.context.len() >= ROWS_MAX {
            return Err(format!(
                "more than {ROWS_MAX} rows; keep the ones that matter"
            ));
        }
        match (row.symbol, row.rule) {
            ("-", "context") => {
                self.context.insert(row.name.to_lowercase().into());
                Ok(())
            }
            ("-", "never") => self.add_name(table, row, Meaning::Nothing, "any"),
            ("-", "ticker") => self.add_name(table, row, Meaning::Ticker, "any"),
            ("-", rule) => Err(format!(
                "'{rule}' is no rule of a row without a symbol; use never, context or ticker"
            )),
            (symbol, "same") => self.add_twin(symbol, row.name),
            (symbol, rule) => {
                let number = self.number(symbol, row.name)?;
                self.add_name(table, row, Meaning::Asset(number), rule)
            }
        }
    }

    fn number(&mut self, symbol: &str, title: &str) -> Result<u32, String> {
        let symbol = Symbol::new(symbol).map_err(|error| error.to_string())?;
        if let Some(number) = self.numbers.get(&symbol) {
            return Ok(*number);
        }
        let number = u32::try_from(self.symbols.len()).map_err(|error| error.to_string())?;
        if let Some((coin, "USD")) = symbol.as_str().split_once('/') {
            self.coins.insert(coin.into(), number);
        }
        self.numbers.insert(symbol.clone(), number);
        self.symbols.push(symbol);
        self.titles.push(title.into());
        self.twins.push(Vec::new());
        Ok(number)
    }

    fn add_twin(&mut self, symbol: &str, twin: &str) -> Result<(), String> {
        let symbol = Symbol::new(symbol).map_err(|error| error.to_string())?;
        let twin = Symbol::new(twin).map_err(|error| error.to_string())?;
        let Some(number) = self.numbers.get(&symbol).copied() else {
            return Err(format!(
                "give {symbol} a name before its other symbol {twin}"
            ));
        };
        if self.family(&twin).is_some() {
            return Err(format!(
                "{twin} already has its place; remove one of the two rows"
            ));
        }
        if let Some(twins) = self.twins.get_mut(number as usize) {
            twins.push(twin.clone());
        }
        self.twin_of.insert(twin, number);
        Ok(())
    }

    fn add_name(
        &mut self,
        table: usize,
        row: &Row<'_>,
        meaning: Meaning,
        rule: &str,
    ) -> Result<(), String> {
        let (case, context) = read_rule(rule, row.context)?;
        let name = Name {
            text: row.name.into(),
            meaning,
            case,
            context,
        };
        let key: Box<str> = row.name.to_lowercase().into();
        if let Some((place, earlier)) = self.known_names.get_mut(&key) {
            if *earlier == table {
                return Err(format!(
                    "'{}' stands in this table already; a name stands for one thing",
                    row.name
                ));
            }
            *earlier = table;
            if let Some(old) = self.names.get_mut(*place as usize) {
                *old = name;
            }
            return Ok(());
        }
        let place = u32::try_from(self.names.len()).map_err(|error| error.to_string())?;
        self.known_names.insert(key, (place, table));
        self.names.push(name);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn all_names(&self) -> &[Name] {
        &self.names
    }

    /// The automaton, built at the first call; `None` if it cannot be built.
    pub(super) fn finder(&self) -> Option<&Finder> {
        self.finder.get_or_init(|| self.build()).as_ref()
    }

    fn build(&self) -> Option<Finder> {
        let mut patterns: Vec<String> = Vec::with_capacity(self.names.len() * 2);
        let mut name_of = Vec::with_capacity(self.names.len() * 2);
        for (place, name) in self.names.iter().enumerate() {
            let place = u32::try_from(place).ok()?;
            for spelling in spellings(&name.text.to_lowercase()) {
                patterns.push(spelling);
                name_of.push(place);
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .ok()?;
        Some(Finder { automaton, name_of })
    }

    /// Bytes the automaton takes on the heap; 0 before the first text.
    pub fn automaton_bytes(&self) -> usize {
        let built = self.finder.get().and_then(Option::as_ref);
        built.map_or(0, |finder| finder.automaton.memory_usage())
    }
}

impl<'a> Row<'a> {
    fn cut(line: &'a str) -> Result<Self, String> {
        let mut fields = line.split('\t');
        let mut next = || fields.next().map(str::trim);
        let (Some(symbol), Some(name), Some(rule)) = (next(), next(), next()) else {
            return Err(
                "a row is symbol, name, rule and perhaps context, with tabs between".into(),
            );
        };
        let context = next().unwrap_or("");
        if next().is_some() {
            return Err("more than four fields; separate words of the context by commas".into());
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(format!(
                "a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"
            ));
        }
        Ok(Self {
            symbol,
            name,
            rule,
            context,
        })
    }
}

fn read_rule(rule: &str, words: &str) -> Result<(Case, Context), String> {
    let (case, needs) = rule
        .strip_suffix("+context")
        .map_or((rule, false), |case| (case, true));
    let case = match case {
        "any" => Case::Any,
        "capital" => Case::Capital,
        "exact" => Case::Exact,
        _ => {
            return Err(format!(
                "'{rule}' is no rule; use any, capital or exact, each perhaps with +context, or same"
            ));
        }
    };
    let (only, list) = words
        .strip_prefix('=')
        .map_or((false, words), |list| (true, list));
    let list: Box<[Box<str>]> = list
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().into())
        .collect();
    let context = match (needs, only, list.is_empty()) {
        (false, _, true) => Context::Free,
        (false, ..) => return Err("context words without +context in the rule do nothing".into()),
        (true, true, true) => return Err("'=' needs words after it, separated by commas".into()),
        (true, true, false) => Context::Only(list),
        (true, false, true) => Context::General,
        (true, false, false) => Context::GeneralOr(list),
    };
    Ok((case, context))
}
