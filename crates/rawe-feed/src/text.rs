//! Text from outside as text of ours: markup dropped, entities decoded, one line, no character that
//! cannot be seen, of bounded length. Whatever comes in, the work is linear in a bounded part of
//! it. What a text means is not looked at: words that address a machine are words.

/// The longest text kept of an article, in characters: the scoring gains nothing beyond.
pub const TEXT_CHARS_MAX: usize = 2_000;
/// The longest headline kept, in characters.
pub const HEADLINE_CHARS_MAX: usize = 500;
/// The longest name (of an author, a source, an item) kept, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// How much of a text is looked at, in bytes: markup may be many times longer than its text.
const INPUT_BYTES_MAX: usize = 256 * 1024;
/// The longest entity, `&CounterClockwiseContourIntegral;` being no use here.
const ENTITY_BYTES_MAX: usize = 10;

/// HTML as one line of plain text of at most `chars_max` characters: tags, scripts and styles
/// dropped, entities decoded once.
pub fn plain_text(html: &str, chars_max: usize) -> String {
    one_line(&decoded(&without_tags(beginning(html))), chars_max)
}

/// A text as one line of at most `chars_max` characters: white space folded, control characters and
/// those that only steer how others are shown left out.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut chars = 0;
    let mut gap = false;
    for c in beginning(text).chars() {
        if chars >= chars_max {
            break;
        }
        if c.is_whitespace() {
            gap = chars > 0;
        } else if !c.is_control() && !is_unseen(c) {
            if gap {
                if chars + 1 >= chars_max {
                    break;
                }
                line.push(' ');
                chars += 1;
                gap = false;
            }
            line.push(c);
            chars += 1;
        }
    }
    line
}

/// Characters without a shape of their own that hide, split or turn around what stands beside them.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The part of a text that is looked at.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(INPUT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        text.push_str(before);
        // A lone "<" is text, as in "margins < 10%".
        let inside = tag.get(1..).unwrap_or("");
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            text.push('<');
            rest = inside;
            continue;
        }
        text.push(' ');
        let lower = tag.get(..7).unwrap_or("").to_ascii_lowercase();
        let closing = if lower.starts_with("<script") {
            "</script"
        } else if lower.starts_with("<style") {
            "</style"
        } else {
            ""
        };
        let inner = tag
            .find(closing)
            .and_then(|place| tag.get(place..))
            .unwrap_or("");
        rest = inner
            .find('>')
            .and_then(|close| inner.get(close + 1..))
            .unwrap_or("");
    }
    text.push_str(rest);
    text
}

/// Decodes entities, each once: `&amp;lt;` becomes `&lt;`.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(place) = rest.find('&') {
        let (before, entity) = rest.split_at(place);
        decoded.push_str(before);
        let name = entity.bytes().take(ENTITY_BYTES_MAX);
        let end = name.skip(1).position(|byte| byte == b';').map(|at| at + 1);
        let character = end.and_then(|end| character_of(entity.get(1..end)?));
        if let (Some(character), Some(end)) = (character, end) {
            decoded.push(character);
            rest = entity.get(end + 1..).unwrap_or("");
        } else {
            decoded.push('&');
            rest = entity.get(1..).unwrap_or("");
        }
    }
    decoded.push_str(rest);
    decoded
}

fn character_of(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "lsquo" => '\u{2018}',
        "rsquo" => '\u{2019}',
        "ldquo" => '\u{201c}',
        "rdquo" => '\u{201d}',
        "ndash" => '\u{2013}',
        "mdash" => '\u{2014}',
        "hellip" => '\u{2026}',
        "euro" => '\u{20ac}',
        "pound" => '\u{a3}',
        "yen" => '\u{a5}',
        "cent" => '\u{a2}',
        "copy" => '\u{a9}',
        "reg" => '\u{ae}',
        "trade" => '\u{2122}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_of_any_shape_becomes_text() {
        for (html, wanted) in [
            ("a < b", "a < b"),
            ("a <b", "a"),
            ("<", "<"),
            ("<style>p{}</style>x", "x"),
            ("<script>never closed", ""),
            ("é<br/>ü", "é ü"),
            ("&amp;lt;", "&lt;"),
            (
                "AT&T &#38; co&hellip; &unknown; &",
                "AT&T & co\u{2026} &unknown; &",
            ),
            ("&#0;&#x1b;[31mred&#8238;x", "[31mredx"),
            ("&#xD800;&#99999999;", "&#xD800;&#99999999;"),
            ("<p>One</p>\r\n<p>two\tthree</p>", "One two three"),
        ] {
            assert_eq!(plain_text(html, TEXT_CHARS_MAX), wanted, "{html:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        for (text, wanted) in [
            ("Ap\0ple", "Apple"),
            ("Ap\u{200b}ple \u{202e}dnuof", "Apple dnuof"),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
            ("  a\u{a0}\u{2028}b\n", "a b"),
            ("\u{e0049}\u{e0067}\u{e006e}ore", "ore"),
        ] {
            assert_eq!(one_line(text, 99), wanted, "{text:?}");
        }
        assert_eq!(one_line("ab cd", 3), "ab");
    }

    #[test]
    fn a_megabyte_is_cut_before_it_is_read() {
        for piece in ["x", "&", "<", "<script>", "&#", "é", "<b>a</b>", "\u{202e}"] {
            let megabyte = piece.repeat((1 << 20) / piece.len());
            assert!(
                plain_text(&megabyte, HEADLINE_CHARS_MAX).chars().count() <= HEADLINE_CHARS_MAX
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_clean_short_line(
            text in "(\\PC|\\p{Cc}|\\p{Cf}|<|>|&|;|#|</script|<script|&#x|é){0,120}",
            most in 0_usize..60,
        ) {
            for line in [plain_text(&text, most), one_line(&text, most)] {
                prop_assert!(line.chars().count() <= most);
                prop_assert!(!line.contains(|c: char| c.is_control() || is_unseen(c)), "{line:?}");
                prop_assert_eq!(line.trim(), line.as_str());
                prop_assert!(!line.contains("  "));
                // Said again, nothing changes.
                prop_assert_eq!(one_line(&line, most), line);
            }
        }
    }
}
