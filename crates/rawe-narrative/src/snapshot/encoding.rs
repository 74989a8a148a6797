//! How single values are written to a snapshot where serde's own way is too long or absent.

/// Instants as seconds and nanoseconds: exact, and a fifth of the text serde would write.
pub(crate) mod instant {
    use chrono::DateTime;
    use rawe_core::Timestamp;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        (at.timestamp(), at.timestamp_subsec_nanos()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let (seconds, nanoseconds) = <(i64, u32)>::deserialize(from)?;
        DateTime::from_timestamp(seconds, nanoseconds)
            .ok_or_else(|| D::Error::custom("an instant out of range"))
    }
}

/// The same where there may be none.
pub(crate) mod instant_if_any {
    use rawe_core::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// An instant as [`super::instant`] writes it.
    #[derive(Serialize, Deserialize)]
    struct Exact(#[serde(with = "super::instant")] Timestamp);

    #[allow(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Exact).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let at = Option::<Exact>::deserialize(from)?;
        Ok(at.map(|Exact(at)| at))
    }
}

/// Instants with values, any number of them.
pub(crate) mod timed {
    use rawe_core::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// An instant as [`super::instant`] writes it, and a value.
    #[derive(Serialize, Deserialize)]
    struct Timed<V>(#[serde(with = "super::instant")] Timestamp, V);

    pub(crate) fn serialize<'a, S, V, C>(pairs: &'a C, to: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        V: Serialize + 'a,
        &'a C: IntoIterator<Item = &'a (Timestamp, V), IntoIter: ExactSizeIterator>,
    {
        to.collect_seq(pairs.into_iter().map(|(at, value)| Timed(*at, value)))
    }

    pub(crate) fn deserialize<'de, D, V, C>(from: D) -> Result<C, D::Error>
    where
        D: Deserializer<'de>,
        V: Deserialize<'de>,
        C: FromIterator<(Timestamp, V)>,
    {
        let pairs = Vec::<Timed<V>>::deserialize(from)?;
        Ok(pairs
            .into_iter()
            .map(|Timed(at, value)| (at, value))
            .collect())
    }
}

/// Lists of at most `MAX` elements: a forged length must not take memory out of proportion to the
/// bytes that are there, where an element may be written in one byte.
pub(crate) mod at_most {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer};

    struct Bounded<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bounded<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element()? {
                if list.len() >= MAX {
                    return Err(A::Error::custom("more elements than are ever kept"));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    pub(crate) fn deserialize<'de, D, T, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        from.deserialize_seq(Bounded::<T, MAX>(PhantomData))
    }
}
