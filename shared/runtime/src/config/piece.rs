//! How one piece is taken out of a YAML text: the steps towards it, and the keys of a mapping.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::document::Step;

/// Goes along `path` and reads what stands there; `None` where nothing does.
pub(super) struct At<'p, S> {
    pub(super) path: &'p [Step<'p>],
    pub(super) piece: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for At<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.path.is_empty() {
            self.piece.deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for At<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self.path.first(), Some(Step::Index(_))) {
            "a list"
        } else {
            "keys with values"
        })
    }

    /// A key with nothing behind it is as good as absent.
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut rest = self.path.split_first().map(|(step, path)| (step, At { path, piece: self.piece }));
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            match rest.take() {
                Some((Step::Key(wanted), at)) if *wanted == key => found = map.next_value_seed(at)?,
                other => {
                    rest = other;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some((Step::Index(index), path)) = self.path.split_first() else {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        };
        for _ in 0..*index {
            list.next_element::<IgnoredAny>()?;
        }
        let found = list.next_element_seed(At { path, piece: self.piece })?.flatten();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// Reads the keys of a mapping and where they stand.
pub(super) struct Keys;

impl<'de> DeserializeSeed<'de> for Keys {
    type Value = Vec<Spanned<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<Spanned<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys with values")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key()? {
            map.next_value::<IgnoredAny>()?;
            keys.push(key);
        }
        Ok(keys)
    }
}
