//! The words of a formula.

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Word<'t> {
    Number(f64),
    /// A duration in minutes, such as `6h`.
    Duration(f64),
    Name(&'t str),
    /// One of `( ) [ ] , + - * /`.
    Sign(char),
    Compare(Comparison),
    End,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Above,
    Below,
    AtLeast,
    AtMost,
}

/// A word and where it begins, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token<'t> {
    pub(crate) word: Word<'t>,
    pub(crate) at: usize,
}

/// The words of a text, ended by [`Word::End`]; or what cannot be read, and where.
pub(crate) fn words(text: &str) -> Result<Vec<Token<'_>>, (usize, String)> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token {
                word: Word::End,
                at,
            });
            return Ok(tokens);
        };
        let (word, length) = match first {
            '0'..='9' | '.' => number(rest).map_err(|problem| (at, problem))?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Word::Name(rest.get(..length).unwrap_or_default()), length)
            }
            '(' | ')' | '[' | ']' | ',' | '+' | '-' | '*' | '/' => (Word::Sign(first), 1),
            '<' | '>' => {
                let or_equal = rest.get(1..).is_some_and(|more| more.starts_with('='));
                let comparison = match (first, or_equal) {
                    ('<', false) => Comparison::Below,
                    ('<', true) => Comparison::AtMost,
                    (_, false) => Comparison::Above,
                    (_, true) => Comparison::AtLeast,
                };
                (Word::Compare(comparison), 1 + usize::from(or_equal))
            }
            other => return Err((at, format!("'{}' means nothing here", other.escape_debug()))),
        };
        tokens.push(Token { word, at });
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Bytes of the leading characters that fit.
fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

/// A number, or a duration: a number with `m`, `h` or `d` directly behind it.
fn number(text: &str) -> Result<(Word<'_>, usize), String> {
    let mut length = run(text, |c| c.is_ascii_digit() || c == '.');
    let after = text.get(length..).unwrap_or_default();
    if let Some(exponent) = after.strip_prefix(['e', 'E']) {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let digits = run(unsigned, |c| c.is_ascii_digit());
        if digits > 0 {
            length += after.len() - unsigned.len() + digits;
        }
    }
    let (digits, after) = text.split_at_checked(length).unwrap_or((text, ""));
    let value: f64 = digits
        .parse()
        .map_err(|_| format!("'{digits}' is no number"))?;
    if !value.is_finite() {
        return Err(format!("'{digits}' is too large"));
    }
    let suffix = run(after, |c| c.is_ascii_alphanumeric() || c == '_');
    let minutes = match after.get(..suffix).unwrap_or_default() {
        "" => return Ok((Word::Number(value), length)),
        "m" => 1.0,
        "h" => 60.0,
        "d" => 1_440.0,
        other => {
            return Err(format!(
                "'{digits}{other}' is neither a number nor a duration such as 30m, 6h or 60d"
            ));
        }
    };
    Ok((Word::Duration(value * minutes), length + suffix))
}
