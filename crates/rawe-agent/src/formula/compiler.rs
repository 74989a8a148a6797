//! From words to nodes, by descent. Every problem of a text is told with its place; after one that
//! leaves no doubt about the form, reading goes on with 0 in place of the bad part.

mod calls;

use std::collections::BTreeMap;

use super::Formula;
use super::lexer::{Token, Word, words};
use super::names::{self, Value};
use super::program::{Binary, Node, Place, Unary};

/// Longest text of one formula, bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 2_000;
/// Deepest nesting of brackets, calls and definitions together.
const DEPTH_MAX: usize = 40;
/// The most nodes of a formula with all its definitions.
pub(crate) const NODES_MAX: usize = 500;
/// The most definitions of a lens.
pub(crate) const DEFINITIONS_MAX: usize = 50;
/// The most problems told.
const PROBLEMS_MAX: usize = 20;
/// So much of a line is shown around a problem, characters.
const SHOWN_CHARACTERS: usize = 90;

/// What became of a named formula.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// It is being read: to name it now would be a circle.
    Begun,
    At(Place),
}

/// Reading cannot go on; the problem has been told.
#[derive(Debug)]
struct Stuck;

type Read<T> = Result<T, Stuck>;

/// Reads formulas that share their definitions into one list of nodes.
#[derive(Debug)]
pub(crate) struct Compiler<'t> {
    definitions: &'t BTreeMap<String, String>,
    shipped: &'t BTreeMap<String, String>,
    known: BTreeMap<&'t str, Known>,
    nodes: Vec<Node>,
    depth: usize,
    problems: Vec<String>,
}

/// One text being read.
struct Reader<'t> {
    /// What the text is, for problems.
    what: &'t str,
    text: &'t str,
    tokens: Vec<Token<'t>>,
    next: usize,
}

impl<'t> Reader<'t> {
    fn token(&self) -> Token<'t> {
        let end = Token {
            word: Word::End,
            at: self.text.len(),
        };
        self.tokens.get(self.next).copied().unwrap_or(end)
    }

    fn is_at(&self, sign: char) -> bool {
        self.token().word == Word::Sign(sign)
    }

    /// Steps over `sign` if it is next.
    fn took(&mut self, sign: char) -> bool {
        let is_next = self.is_at(sign);
        self.next += usize::from(is_next);
        is_next
    }
}

impl<'t> Compiler<'t> {
    pub(crate) fn new(
        definitions: &'t BTreeMap<String, String>,
        shipped: &'t BTreeMap<String, String>,
    ) -> Self {
        Self {
            definitions,
            shipped,
            known: BTreeMap::new(),
            nodes: Vec::new(),
            depth: 0,
            problems: Vec::new(),
        }
    }

    /// Reads `text` and every definition.
    ///
    /// # Errors
    /// All problems.
    pub(crate) fn compile(mut self, what: &'t str, text: &'t str) -> Result<Formula, Vec<String>> {
        if self.definitions.len() > DEFINITIONS_MAX {
            self.problems.push(format!(
                "define has {} names; {DEFINITIONS_MAX} at most",
                self.definitions.len()
            ));
        }
        let definitions = self.definitions;
        for name in definitions.keys().take(DEFINITIONS_MAX) {
            self.check_name(name);
        }
        for (name, text) in definitions.iter().take(DEFINITIONS_MAX) {
            self.named(name, text);
        }
        let root = self.read(what, text);
        if self.nodes.len() > NODES_MAX {
            self.problems.push(format!(
                "{what} and its definitions have more than {NODES_MAX} steps; make them simpler"
            ));
        }
        self.problems.truncate(PROBLEMS_MAX);
        if self.problems.is_empty() {
            Ok(Formula::of_nodes(pruned(&self.nodes, root)))
        } else {
            Err(self.problems)
        }
    }

    fn check_name(&mut self, name: &str) {
        let letters = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
        if !letters || name.len() > 64 {
            self.problems.push(format!(
                "define.{shown}: a name is made of at most 64 of a-z, 0-9 and _, a letter first"
            ));
        } else if names::is_reserved(name) || self.shipped.contains_key(name) {
            self.problems.push(format!(
                "define.{shown}: the language has this name already; choose another"
            ));
        }
    }

    /// The node of a named formula, read at its first use.
    fn named(&mut self, name: &'t str, text: &'t str) -> Option<Place> {
        match self.known.get(name) {
            Some(Known::At(place)) => return Some(*place),
            Some(Known::Begun) => return None,
            None => {}
        }
        self.known.insert(name, Known::Begun);
        let place = self.read(name, text);
        self.known.insert(name, Known::At(place));
        Some(place)
    }

    /// The node of a text; that of 0 where it is not one.
    fn read(&mut self, what: &'t str, text: &'t str) -> Place {
        if text.len() > TEXT_BYTES_MAX {
            let problem = format!("{what} is {} bytes; {TEXT_BYTES_MAX} at most", text.len());
            self.problems.push(problem);
            return self.zero();
        }
        let mut reader = Reader {
            what,
            text,
            tokens: Vec::new(),
            next: 0,
        };
        match words(text) {
            Ok(tokens) => reader.tokens = tokens,
            Err((at, problem)) => {
                self.problem(&reader, at, &problem);
                return self.zero();
            }
        }
        let Ok(place) = self.expression(&mut reader) else {
            return self.zero();
        };
        let rest = reader.token();
        if rest.word != Word::End {
            self.problem(&reader, rest.at, "an operator or the end is expected here");
        }
        place
    }

    /// Tells a problem, with the line and a caret under the place.
    fn problem(&mut self, reader: &Reader<'_>, at: usize, problem: &str) {
        let (before, after) = reader
            .text
            .split_at_checked(at)
            .unwrap_or((reader.text, ""));
        let begin = before.rsplit('\n').next().unwrap_or_default();
        let end = after.split('\n').next().unwrap_or_default();
        let column = begin.chars().count();
        let skipped = column.saturating_sub(SHOWN_CHARACTERS * 2 / 3);
        let line: String = begin
            .chars()
            .chain(end.chars())
            .skip(skipped)
            .take(SHOWN_CHARACTERS)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let caret = " ".repeat(column - skipped);
        let what = reader.what;
        let column = column + 1;
        self.problems.push(format!(
            "{what}, column {column}: {problem}\n    {line}\n    {caret}^"
        ));
    }

    /// Adds a node, or finds the equal one.
    fn add(&mut self, node: Node) -> Place {
        if let Some(place) = self.nodes.iter().position(|known| *known == node) {
            return place;
        }
        // One beyond the limit is kept as the mark of having passed it.
        if self.nodes.len() <= NODES_MAX {
            self.nodes.push(node);
        }
        self.nodes.len() - 1
    }

    fn zero(&mut self) -> Place {
        self.add(Node::Number(0.0))
    }

    fn expression(&mut self, reader: &mut Reader<'t>) -> Read<Place> {
        if self.depth >= DEPTH_MAX {
            let at = reader.token().at;
            self.problem(reader, at, "nested too deeply; define parts by name");
            return Err(Stuck);
        }
        self.depth += 1;
        let read = self.comparison(reader);
        self.depth -= 1;
        read
    }

    fn comparison(&mut self, reader: &mut Reader<'t>) -> Read<Place> {
        let left = self.sum(reader)?;
        let Word::Compare(comparison) = reader.token().word else {
            return Ok(left);
        };
        reader.next += 1;
        let right = self.sum(reader)?;
        let again = reader.token();
        if matches!(again.word, Word::Compare(_)) {
            self.problem(reader, again.at, "one comparison at a time; put it in ( )");
            return Err(Stuck);
        }
        Ok(self.add(Node::Binary(Binary::Compare(comparison), left, right)))
    }

    fn sum(&mut self, reader: &mut Reader<'t>) -> Read<Place> {
        let mut left = self.product(reader)?;
        loop {
            let binary = match reader.token().word {
                Word::Sign('+') => Binary::Add,
                Word::Sign('-') => Binary::Subtract,
                _ => return Ok(left),
            };
            reader.next += 1;
            let right = self.product(reader)?;
            left = self.add(Node::Binary(binary, left, right));
        }
    }

    fn product(&mut self, reader: &mut Reader<'t>) -> Read<Place> {
        let mut left = self.signed(reader)?;
        loop {
            let binary = match reader.token().word {
                Word::Sign('*') => Binary::Multiply,
                Word::Sign('/') => Binary::Divide,
                _ => return Ok(left),
            };
            reader.next += 1;
            let at = reader.token().at;
            let right = self.signed(reader)?;
            let divisor = self.nodes.get(right);
            if binary == Binary::Divide
                && matches!(divisor, Some(Node::Number(number)) if number.abs() < f64::MIN_POSITIVE)
            {
                self.problem(reader, at, "division by zero");
            }
            left = self.add(Node::Binary(binary, left, right));
        }
    }

    fn signed(&mut self, reader: &mut Reader<'t>) -> Read<Place> {
        let mut is_negative = false;
        while reader.took('-') {
            is_negative = !is_negative;
        }
        let place = self.primary(reader)?;
        if is_negative {
            Ok(self.add(Node::Unary(Unary::Negate, place)))
        } else {
            Ok(place)
        }
    }

    fn primary(&mut self, reader: &mut Reader<'t>) -> Read<Place> {
        let token = reader.token();
        reader.next += 1;
        match token.word {
            Word::Number(number) => Ok(self.add(Node::Number(number))),
            Word::Name(name) if reader.is_at('(') => self.call(reader, name, token.at),
            Word::Name(name) => Ok(self.name(reader, name, token.at)),
            Word::Sign(open @ ('(' | '[')) => {
                let close = if open == '(' { ')' } else { ']' };
                let inner = self.expression(reader)?;
                self.expect(reader, close)?;
                Ok(inner)
            }
            Word::Duration(_) => {
                let problem = "a duration stands only in features and in mean() and learned()";
                self.problem(reader, token.at, problem);
                Ok(self.zero())
            }
            Word::End => {
                self.problem(
                    reader,
                    token.at,
                    "the formula ends where a value is expected",
                );
                Err(Stuck)
            }
            Word::Sign(_) | Word::Compare(_) => {
                self.problem(reader, token.at, "a value is expected here");
                Err(Stuck)
            }
        }
    }

    fn expect(&mut self, reader: &mut Reader<'t>, sign: char) -> Read<()> {
        if reader.took(sign) {
            return Ok(());
        }
        let at = reader.token().at;
        self.problem(reader, at, &format!("'{sign}' is expected here"));
        Err(Stuck)
    }

    /// A name without arguments.
    fn name(&mut self, reader: &Reader<'t>, name: &'t str, at: usize) -> Place {
        match names::plain(name) {
            Some(Value::Source(source)) => return self.add(Node::Source(source)),
            Some(Value::Constant(constant)) => return self.add(Node::Constant(constant)),
            None => {}
        }
        let named = self
            .definitions
            .get_key_value(name)
            .or_else(|| self.shipped.get_key_value(name));
        if let Some((name, text)) = named {
            if let Some(place) = self.named(name, text) {
                return place;
            }
            let problem = format!("'{name}' is defined by itself");
            self.problem(reader, at, &problem);
        } else if let Some(usage) = names::usage(name) {
            self.problem(reader, at, &format!("'{name}' needs arguments: {usage}"));
        } else if names::stream(name).is_some() {
            let problem = format!("'{name}' stands only in features: tone(6h, {name})");
            self.problem(reader, at, &problem);
        } else {
            self.unknown(reader, name, at);
        }
        self.zero()
    }

    fn unknown(&mut self, reader: &Reader<'t>, name: &str, at: usize) {
        let named = self.definitions.keys().chain(self.shipped.keys());
        let hint = names::did_you_mean(name, named.map(String::as_str));
        let name: String = name.chars().take(64).collect();
        self.problem(reader, at, &format!("unknown name '{name}'{hint}"));
    }
}

/// The nodes that `root` is made of, in their order; the last is the root.
fn pruned(nodes: &[Node], root: Place) -> Vec<Node> {
    let mut is_needed = vec![false; nodes.len()];
    if let Some(needed) = is_needed.get_mut(root) {
        *needed = true;
    }
    for (place, node) in nodes.iter().enumerate().rev() {
        if is_needed.get(place) == Some(&true) {
            for operand in node.operands().into_iter().flatten() {
                if let Some(needed) = is_needed.get_mut(operand) {
                    *needed = true;
                }
            }
        }
    }
    let mut places = Vec::with_capacity(nodes.len());
    let mut kept = Vec::new();
    for (node, needed) in nodes.iter().zip(is_needed) {
        places.push(kept.len());
        if needed {
            kept.push(node.moved(|place| places.get(place).copied().unwrap_or(0)));
        }
    }
    kept
}

/// A duration written alone, such as `6h`, in minutes.
pub(crate) fn duration_minutes(text: &str) -> Option<f64> {
    match *words(text.get(..64).unwrap_or(text)).ok()? {
        [
            Token {
                word: Word::Duration(minutes),
                ..
            },
            Token {
                word: Word::End, ..
            },
        ] => Some(minutes),
        _ => None,
    }
}
