//! Reads a struct without some of its entries, however deep, and remembers the entry in hand when it fails.
//! So a fault can be left out and the rest read anew, though the parser stops at the first.
//!
//! Only structs, options and lists are watched: other shapes (maps, enums, tagged ones) count as one entry.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// What is left out, and what is in hand.
pub(super) struct Watch<'p> {
    skipped: &'p [Vec<String>],
    trail: RefCell<Trail>,
}

/// The entry in hand.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Keys, and places in lists as `[2]`, from the struct down; empty: the struct itself.
    pub(super) path: Vec<String>,
    /// Where its key stands.
    pub(super) location: Option<Location>,
}

impl<'p> Watch<'p> {
    pub(super) fn new(skipped: &'p [Vec<String>]) -> Self {
        Self { skipped, trail: RefCell::default() }
    }

    pub(super) fn into_trail(self) -> Trail {
        self.trail.into_inner()
    }

    /// Goes to the entry `name` at `depth`; `false` if it is left out.
    fn enter(&self, depth: usize, name: String, location: Option<Location>) -> bool {
        let mut trail = self.trail.borrow_mut();
        trail.path.truncate(depth);
        trail.path.push(name);
        trail.location = location;
        !self.skipped.contains(&trail.path)
    }

    fn leave(&self, depth: usize) {
        let mut trail = self.trail.borrow_mut();
        trail.path.truncate(depth);
        trail.location = None;
    }
}

/// Reads the struct `T`.
pub(super) struct Fields<'p, T> {
    pub(super) watch: &'p Watch<'p>,
    pub(super) fields: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Fields<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys with values")
    }

    /// A name with nothing behind it has no keys; what it lacks is then told by name.
    fn visit_unit<E: serde::de::Error>(self) -> Result<T, E> {
        T::deserialize(MapDeserializer::new(std::iter::empty::<(&str, &str)>()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Watched {
            inner: map,
            watch: self.watch,
            depth: 0,
            place: 0,
        }))
    }
}

/// A part of the struct at `depth`: a deserializer, a visitor, a seed, or access to a mapping or a list.
struct Watched<'p, I> {
    inner: I,
    watch: &'p Watch<'p>,
    depth: usize,
    /// The next place in a list.
    place: usize,
}

impl<'p, I> Watched<'p, I> {
    fn of<O>(&self, inner: O, depth: usize) -> Watched<'p, O> {
        Watched { inner, watch: self.watch, depth, place: 0 }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.inner.next_key::<Spanned<String>>()? {
            if self.watch.enter(self.depth, key.value.clone(), Some(key.referenced)) {
                return seed.deserialize(key.value.into_deserializer()).map(Some);
            }
            self.inner.next_value::<IgnoredAny>()?;
        }
        self.watch.leave(self.depth);
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let seed = self.of(seed, self.depth + 1);
        self.inner.next_value_seed(seed)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        while !self.watch.enter(self.depth, format!("[{}]", self.place), None) {
            self.place += 1;
            if self.inner.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        self.place += 1;
        let seed = self.of(seed, self.depth + 1);
        let element = self.inner.next_element_seed(seed)?;
        if element.is_none() {
            self.watch.leave(self.depth);
        }
        Ok(element)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Watched<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.of(deserializer, self.depth);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.of(deserializer, self.depth);
        self.inner.visit_some(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        let list = self.of(list, self.depth);
        self.inner.visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let map = self.of(map, self.depth);
        self.inner.visit_map(map)
    }
}

/// Hands a shape on as it is.
macro_rules! unwatched {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

/// Watches what the visitor gets.
macro_rules! watched {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.of(visitor, self.depth);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, D> {
    type Error = D::Error;

    watched! {
        deserialize_option()
        deserialize_seq()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }

    unwatched! {
        deserialize_any() deserialize_bool() deserialize_char() deserialize_unit() deserialize_map()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
