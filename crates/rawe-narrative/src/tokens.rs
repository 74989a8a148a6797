//! Cutting a text into tokens: words, signed percentages, cashtags, single marks. One pass, lower
//! case, into buffers that are used again for the next item. What tokens mean is not decided here.

/// The longest text read of one item, in bytes; what is beyond is not read.
pub(crate) const TEXT_BYTES_MAX: usize = 4_000;
/// The most tokens kept of one item.
const TOKENS_MAX: usize = 1_000;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A word or number, also one that stood behind `#`.
    Word,
    /// `+x%`.
    PercentUp,
    /// `-x%`.
    PercentDown,
    /// `$AAPL`: for linking only.
    Cashtag,
    /// One emoji or punctuation mark.
    Mark,
}

/// A token: its kind and its lower-cased text in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    start: u32,
    end: u32,
    /// Where it begins in what is read of the headline with the text directly after it, bytes.
    pub(crate) at: u32,
}

/// The tokens of one text. Reused from item to item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    lower: String,
    list: Vec<Token>,
}

impl Tokens {
    /// Replaces the contents by the tokens of headline and text, joined.
    pub(crate) fn read(&mut self, headline: &str, text: &str) {
        self.lower.clear();
        self.list.clear();
        let headline = truncate(headline, TEXT_BYTES_MAX);
        self.read_part(headline, 0);
        let text = truncate(text, TEXT_BYTES_MAX - headline.len());
        self.read_part(text, headline.len());
    }

    /// The tokens in order.
    pub(crate) fn list(&self) -> &[Token] {
        &self.list
    }

    /// The lower-cased text of a token of this buffer.
    pub(crate) fn text(&self, token: Token) -> &str {
        self.lower
            .get(token.start as usize..token.end as usize)
            .unwrap_or("")
    }

    /// Reads one part, whose first byte is at `base` of the whole.
    fn read_part(&mut self, text: &str, base: usize) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if self.list.len() >= TOKENS_MAX {
                return;
            }
            let at = index(base + (text.len() - rest.len()));
            let consumed = self.read_token(rest, first, at);
            rest = rest.get(consumed.max(first.len_utf8())..).unwrap_or("");
        }
    }

    /// Reads what stands at the start of `rest` and says how many bytes that was.
    fn read_token(&mut self, rest: &str, first: char, at: u32) -> usize {
        if first.is_whitespace() || first.is_control() {
            return first.len_utf8();
        }
        if first.is_alphanumeric() {
            if is_address(rest) {
                return length_until_space(rest);
            }
            return self.read_word(rest, at);
        }
        let after = rest.get(first.len_utf8()..).unwrap_or("");
        match first {
            '@' => {
                let name = length_while(after, |c| c.is_alphanumeric() || c == '_');
                if name > 0 {
                    return 1 + name;
                }
            }
            '$' => {
                let tag = cashtag_length(after);
                if tag > 0 {
                    self.push(TokenKind::Cashtag, after.get(..tag).unwrap_or(""), at);
                    return 1 + tag;
                }
            }
            '#' => return 1,
            '+' | '-' => {
                let number = percent_length(after);
                if number > 0 {
                    let kind = if first == '+' {
                        TokenKind::PercentUp
                    } else {
                        TokenKind::PercentDown
                    };
                    self.push(kind, rest.get(..=number).unwrap_or(""), at);
                    return 1 + number;
                }
            }
            _ => {}
        }
        if !is_joiner(first) {
            let mark = rest.get(..first.len_utf8()).unwrap_or("");
            self.push(TokenKind::Mark, mark, at);
        }
        first.len_utf8()
    }

    /// A word: letters and digits, with `'`, `-`, `&`, `.` and `,` only between two of them
    /// (the last two only between digits or single letters). Invisible signs and accents that
    /// stand alone are passed over, so that nobody hides a word by sprinkling them into it.
    fn read_word(&mut self, rest: &str, at: u32) -> usize {
        let start = self.lower.len();
        // Nearly every word begins, and ends, plain.
        let mut length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let plain = rest.get(..length).unwrap_or("");
        self.lower.push_str(plain);
        if let Some(pushed) = self.lower.get_mut(start..) {
            pushed.make_ascii_lowercase();
        }
        let mut previous = plain.chars().next_back().unwrap_or(' ');
        let mut chars = rest.get(length..).unwrap_or("").chars().peekable();
        while let Some(c) = chars.next() {
            if is_joiner(c) || is_accent(c) {
                length += c.len_utf8();
                continue;
            }
            let c_folded = if c == '\u{2019}' { '\'' } else { c };
            let next = chars.peek().copied().unwrap_or(' ');
            let inside = match c_folded {
                '\'' | '-' | '&' => next.is_alphanumeric(),
                '.' | ',' => previous.is_ascii_digit() && next.is_ascii_digit(),
                other => other.is_alphanumeric(),
            };
            if !inside {
                break;
            }
            if c_folded.is_ascii() {
                self.lower.push(c_folded.to_ascii_lowercase());
            } else {
                self.lower.extend(c_folded.to_lowercase());
            }
            length += c.len_utf8();
            previous = c;
        }
        self.list.push(Token {
            kind: TokenKind::Word,
            start: index(start),
            end: index(self.lower.len()),
            at,
        });
        length
    }

    fn push(&mut self, kind: TokenKind, text: &str, at: u32) {
        let start = self.lower.len();
        self.lower.extend(text.chars().flat_map(char::to_lowercase));
        self.list.push(Token {
            kind,
            start: index(start),
            end: index(self.lower.len()),
            at,
        });
    }
}

/// Buffers hold at most a few times [`TEXT_BYTES_MAX`], so this never saturates.
fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The longest prefix of at most `bytes` bytes that ends between two characters.
pub(crate) fn truncate(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

fn is_address(rest: &str) -> bool {
    let starts = |prefix: &str| {
        rest.as_bytes()
            .get(..prefix.len())
            .is_some_and(|b| b.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    starts("http://") || starts("https://") || starts("www.") || starts("http\u{2026}")
}

fn length_while(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !keep(c)).unwrap_or(text.len())
}

fn length_until_space(text: &str) -> usize {
    length_while(text, |c| !c.is_whitespace())
}

/// Length of a ticker behind `$`: up to six letters, one `.` with letters allowed; 0 if none.
fn cashtag_length(after: &str) -> usize {
    let letters = length_while(after, |c| c.is_ascii_alphabetic());
    if letters == 0 {
        return 0;
    }
    let tail = after.get(letters..).unwrap_or("");
    let class = tail
        .strip_prefix('.')
        .map_or(0, |t| length_while(t, |c| c.is_ascii_alphabetic()));
    if (1..=2).contains(&class) {
        letters + 1 + class
    } else {
        letters
    }
}

/// Length of `12.5%` behind a sign; 0 if it is not a percentage.
fn percent_length(after: &str) -> usize {
    let number = length_while(after, |c| c.is_ascii_digit() || c == '.' || c == ',');
    if number == 0 || !after.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return 0;
    }
    let tail = after.get(number..).unwrap_or("");
    if tail.starts_with('%') { number + 1 } else { 0 }
}

/// Accents that stand alone, behind their letter.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Marks that only change the look of the sign before them, and signs nobody sees.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{180E}' | '\u{E0000}'..='\u{E007F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(TokenKind, String)> {
        let mut tokens = Tokens::default();
        tokens.read("", text);
        tokens
            .list()
            .iter()
            .map(|t| (t.kind, tokens.text(*t).to_owned()))
            .collect()
    }

    #[test]
    fn cuts_as_the_rules_say() {
        use TokenKind::{Cashtag, Mark, PercentDown, PercentUp, Word};
        let cases: &[(&str, &[(TokenKind, &str)])] = &[
            ("Don\u{2019}t SELL", &[(Word, "don't"), (Word, "sell")]),
            (
                "$AAPL $BRK.B $5",
                &[
                    (Cashtag, "aapl"),
                    (Cashtag, "brk.b"),
                    (Mark, "$"),
                    (Word, "5"),
                ],
            ),
            ("@bob hi @", &[(Word, "hi"), (Mark, "@")]),
            ("#Moon 🚀🚀", &[(Word, "moon"), (Mark, "🚀"), (Mark, "🚀")]),
            (
                "+3.5% -2% 7%",
                &[
                    (PercentUp, "+3.5%"),
                    (PercentDown, "-2%"),
                    (Word, "7"),
                    (Mark, "%"),
                ],
            ),
            (
                "see http://t.co/x now www.a.b",
                &[(Word, "see"), (Word, "now")],
            ),
            (
                "all-time high, 3,000.5.",
                &[
                    (Word, "all-time"),
                    (Word, "high"),
                    (Mark, ","),
                    (Word, "3,000.5"),
                    (Mark, "."),
                ],
            ),
            ("👍🏽\u{FE0F}", &[(Mark, "👍")]),
            // Hidden words are read as if nothing were hidden.
            (
                "up\u{200B}gr\u{AD}ade\u{2060} now",
                &[(Word, "upgrade"), (Word, "now")],
            ),
            (
                "f\u{301}e\u{335}ll 1\u{FE0F}\u{20E3}",
                &[(Word, "fell"), (Word, "1")],
            ),
            ("", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(k, t)| (*k, (*t).to_owned()))
                .collect();
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_token_knows_where_it_stands() {
        let (headline, text) = ("Über +5% $AAPL", "#up ⇒ now");
        let mut tokens = Tokens::default();
        tokens.read(headline, text);
        let joined = format!("{headline}{text}");
        let starts: Vec<&str> = ["Über", "+5%", "$AAPL", "up", "⇒", "now"].into();
        assert_eq!(tokens.list().len(), starts.len());
        for (token, start) in tokens.list().iter().zip(starts) {
            assert!(joined[token.at as usize..].starts_with(start), "{start}");
        }
    }

    #[test]
    fn truncates_between_characters() {
        assert_eq!(truncate("aé", 2), "a");
        assert_eq!(truncate("aé", 3), "aé");
        assert_eq!(truncate("", 5), "");
    }
}
