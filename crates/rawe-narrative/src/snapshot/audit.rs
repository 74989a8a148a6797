//! A walk over everything a state would write, to find numbers that no past can have made. It covers
//! fields that are added later without being told of them.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::SnapshotError;

/// Whole numbers in fields may be counts, and a count must be able to go on for a long time. (A hash
/// in a field is taken for a count that cannot once in four billion times.)
const COUNT_MAX: u64 = u64::MAX - (1 << 32);
/// Numbers of hours and days are compared and subtracted, which must not overflow.
const SIGNED_MAX: u64 = 1 << 62;

/// Checks the numbers of a state: every floating-point number is finite, and every whole number in
/// a field is so far from its limits that counting on does not overflow.
///
/// # Errors
/// [`SnapshotError::Unsound`] with what was found.
pub fn audit<T: Serialize + ?Sized>(state: &T) -> Result<(), SnapshotError> {
    let walk = Walk { in_field: false };
    state
        .serialize(walk)
        .map_err(|Found(what)| SnapshotError::Unsound(what))
}

/// Walks and keeps nothing.
#[derive(Clone, Copy)]
struct Walk {
    in_field: bool,
}

/// What was found.
#[derive(Debug)]
struct Found(&'static str);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("something that cannot be written")
    }
}

type Walked = Result<(), Found>;

/// Methods for values without a number in them.
macro_rules! passed_over {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Walked { Ok(()) })*
    };
}

impl Serializer for Walk {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    passed_over!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str);

    fn serialize_f32(self, value: f32) -> Walked {
        self.serialize_f64(value.into())
    }
    fn serialize_f64(self, value: f64) -> Walked {
        if value.is_finite() {
            Ok(())
        } else {
            Err(Found("a number is not finite"))
        }
    }
    fn serialize_i64(self, value: i64) -> Walked {
        if self.in_field && value.unsigned_abs() > SIGNED_MAX {
            Err(Found("a number beyond all measure"))
        } else {
            Ok(())
        }
    }
    fn serialize_u64(self, value: u64) -> Walked {
        if self.in_field && value > COUNT_MAX {
            Err(Found("a count beyond all measure"))
        } else {
            Ok(())
        }
    }
    fn serialize_none(self) -> Walked {
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Walked {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Walked {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Walked {
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Walked {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Walked {
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Walked {
        Ok(())
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Walks into the parts of a compound of one kind.
macro_rules! walks {
    ($($kind:ident::$method:ident),*) => {
        $(impl ser::$kind for Walk {
            type Ok = ();
            type Error = Found;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
                value.serialize(Self { in_field: false })
            }
            fn end(self) -> Walked {
                Ok(())
            }
        })*
    };
}

/// The same where fields have names.
macro_rules! walks_named {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Walk {
            type Ok = ();
            type Error = Found;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Walked {
                value.serialize(Self { in_field: true })
            }
            fn end(self) -> Walked {
                Ok(())
            }
        })*
    };
}

walks!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);
walks_named!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Walk {
    type Ok = ();
    type Error = Found;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Walked {
        key.serialize(Self { in_field: false })
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        value.serialize(Self { in_field: false })
    }
    fn end(self) -> Walked {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Serialize)]
    struct Counter {
        count: Option<u64>,
        hour: i64,
        hashes: Vec<u64>,
    }

    #[test]
    fn a_number_that_is_none_is_found_wherever_it_hides() {
        let good = (1.0_f64, Some(-2.5_f32), vec![[0.0_f64; 3]], "text", 7_u64);
        assert_eq!(audit(&good), Ok(()));
        assert!(audit(&[1.0, f64::NAN]).is_err());
        assert!(audit(&Some(f32::INFINITY)).is_err());
        assert!(audit(&BTreeMap::from([(3_u8, (f64::NEG_INFINITY, 'x'))])).is_err());
    }

    #[test]
    fn a_count_beyond_all_measure_is_found_but_a_hash_is_none() {
        let counter = |count, hour| Counter {
            count,
            hour,
            hashes: vec![u64::MAX],
        };
        assert_eq!(audit(&counter(Some(1 << 63), -9)), Ok(()));
        assert!(audit(&counter(Some(u64::MAX), 0)).is_err());
        assert!(audit(&counter(None, i64::MIN)).is_err());
        assert_eq!(audit(&BTreeMap::from([(u64::MAX, 1.0)])), Ok(()));
    }
}
