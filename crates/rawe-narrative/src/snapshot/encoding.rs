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
