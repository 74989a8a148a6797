//! The ways in which one name is written: apostrophes, hyphens, hashtags. Which names there are is
//! the universe's.

/// Names of several words count without their spaces from this length, bytes.
const JOINED_BYTES_MIN: usize = 9;

/// The ways a lower-case name is written: with either apostrophe, `&` or `&amp;`, hyphen or space,
/// and long names of several words also without spaces, as hashtags have them.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    let add = |all: &mut Vec<String>, from: &str, to: &str| {
        for place in 0..all.len() {
            let Some(spelling) = all.get(place) else {
                continue;
            };
            if spelling.contains(from) {
                let other = spelling.replace(from, to);
                if !all.contains(&other) {
                    all.push(other);
                }
            }
        }
    };
    add(&mut all, "'", "\u{2019}");
    add(&mut all, "&", "&amp;");
    add(&mut all, "-", " ");
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    if name.contains(' ') && joined.len() >= JOINED_BYTES_MIN && !all.contains(&joined) {
        all.push(joined);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_several_spellings() {
        let cases: &[(&str, &[&str])] = &[
            ("apple", &["apple"]),
            ("lowe's", &["lowe's", "lowe\u{2019}s"]),
            ("at&t", &["at&t", "at&amp;t"]),
            ("coca-cola", &["coca-cola", "coca cola"]),
            ("bank of america", &["bank of america", "bankofamerica"]),
            ("red hat", &["red hat"]),
        ];
        for (name, expected) in cases {
            assert_eq!(spellings(name), *expected);
        }
    }
}
