//! Times as text for `#[serde(with = ...)]`: byte for byte what `chrono` writes (RFC 3339, UTC, `Z`,
//! no more digits than needed), several times faster. For records that are written with every order;
//! everything else leaves its times to `chrono`, which also reads all of them.

use chrono::{Datelike, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// `2026-01-05T15:00:00.123456789Z`
const LONGEST: usize = 30;

/// Writes a time.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = [0; LONGEST];
    match write(time, &mut text) {
        Some(text) => serializer.serialize_str(text),
        // Years beyond four digits and leap seconds.
        None => time.serialize(serializer),
    }
}

/// Reads a time.
///
/// # Errors
/// When the text is no RFC 3339 time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(deserializer)
}

/// Times that may be absent.
pub mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Timestamp;

    /// Writes a time, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        struct Text<'a>(&'a Timestamp);
        impl Serialize for Text<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                super::serialize(self.0, serializer)
            }
        }
        time.as_ref().map(Text).serialize(serializer)
    }

    /// Reads a time or null; give the field `#[serde(default)]` where it may be absent.
    ///
    /// # Errors
    /// When the text is no RFC 3339 time.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::deserialize(deserializer)
    }
}

/// Writes the time into the buffer; `None` where it does not fit the form.
fn write<'b>(time: &Timestamp, buffer: &'b mut [u8; LONGEST]) -> Option<&'b str> {
    let time = time.naive_utc();
    let year = u32::try_from(time.year())
        .ok()
        .filter(|&year| year <= 9999)?;
    let nanos = time.nanosecond();
    if nanos >= 1_000_000_000 {
        return None;
    }
    let mut pen = Pen { buffer, at: 0 };
    pen.number(year, 4, b'-')?;
    pen.number(time.month(), 2, b'-')?;
    pen.number(time.day(), 2, b'T')?;
    pen.number(time.hour(), 2, b':')?;
    pen.number(time.minute(), 2, b':')?;
    let (fraction, digits) = match nanos {
        0 => (0, 0),
        _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        _ if nanos.is_multiple_of(1_000) => (nanos / 1_000, 6),
        _ => (nanos, 9),
    };
    if digits == 0 {
        pen.number(time.second(), 2, b'Z')?;
    } else {
        pen.number(time.second(), 2, b'.')?;
        pen.number(fraction, digits, b'Z')?;
    }
    let Pen { buffer, at } = pen;
    std::str::from_utf8(buffer.get(..at)?).ok()
}

struct Pen<'b> {
    buffer: &'b mut [u8; LONGEST],
    at: usize,
}

impl Pen<'_> {
    /// A number with leading zeros, and what follows it.
    fn number(&mut self, mut number: u32, digits: usize, then: u8) -> Option<()> {
        let place = self.buffer.get_mut(self.at..=self.at + digits)?;
        let (end, number_place) = place.split_last_mut()?;
        *end = then;
        for digit in number_place.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).ok()?;
            number /= 10;
        }
        self.at += digits + 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Ours {
        #[serde(with = "crate::time_text")]
        at: Timestamp,
        #[serde(with = "crate::time_text::option")]
        then: Option<Timestamp>,
    }

    #[derive(Serialize)]
    struct Chronos {
        at: Timestamp,
        then: Option<Timestamp>,
    }

    fn check(at: Timestamp, then: Option<Timestamp>) {
        let ours = serde_json::to_string(&Ours { at, then }).unwrap();
        assert_eq!(ours, serde_json::to_string(&Chronos { at, then }).unwrap());
        assert_eq!(
            serde_json::from_str::<Ours>(&ours).unwrap(),
            Ours { at, then }
        );
    }

    #[test]
    fn the_edges_are_written_as_chrono_does() {
        for text in [
            "0000-01-01T00:00:00Z",
            "-0001-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999Z",
            "+10000-01-01T00:00:00Z",
            "2016-12-31T23:59:60.5Z",
            "2026-01-05T15:00:00.1Z",
            "2026-01-05T15:00:00.000001Z",
        ] {
            check(text.parse().unwrap(), None);
        }
    }

    proptest! {
        #[test]
        fn any_time_is_written_as_chrono_does(
            seconds in -70_000_000_000_i64..400_000_000_000,
            nanos in 0_u32..2_000_000_000,
            unit in prop::sample::select(vec![1_u32, 1_000, 1_000_000, 1_000_000_000]),
        ) {
            if let Some(at) = Timestamp::from_timestamp(seconds, nanos / unit * unit) {
                check(at, Some(at));
            }
        }
    }
}
