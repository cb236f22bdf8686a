//! Reading typed values out of a TOML table, with an error that names the line for everything that is not as it must be.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Thousandths;
use super::error::{ManifestError, ManifestErrorKind, SupervisionRule};
use super::nearest::nearest;
use crate::source::Reference;

/// A manifest's text, to find lines in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) origin: &'a str,
    pub(super) text: &'a str,
}

impl Text<'_> {
    pub(super) fn line(&self, offset: usize) -> u32 {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
    }

    pub(super) fn error_at(&self, offset: usize, kind: ManifestErrorKind) -> ManifestError {
        ManifestError::new(self.origin, kind).at_line(self.line(offset))
    }
}

/// One table, read key by key. What was not read when it is done is unknown.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: Text<'a>,
    table: &'a DeTable<'a>,
    /// How the table is called in errors: `[limits]`.
    name: String,
    /// Where it begins; `None` for the whole document.
    offset: Option<usize>,
    asked: BTreeSet<&'static str>,
}

/// A value with the key that it stands under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    text: Text<'a>,
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        text: Text<'a>,
        table: &'a DeTable<'a>,
        name: impl Into<String>,
        offset: Option<usize>,
    ) -> Self {
        Self { text, table, name: name.into(), offset, asked: BTreeSet::new() }
    }

    /// The value under `key`, if there is one.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.insert(key);
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Value { text: self.text, key, value })
    }

    /// The value under `key`, which must be there.
    pub(super) fn require(&mut self, key: &'static str) -> Result<Value<'a>, ManifestError> {
        let missing = ManifestErrorKind::MissingKey { key: key.to_owned(), table: self.name.clone() };
        self.get(key).ok_or_else(|| match self.offset {
            Some(offset) => self.text.error_at(offset, missing),
            None => ManifestError::new(self.text.origin, missing),
        })
    }

    /// The value under one of several keys that mean the same.
    pub(super) fn either(&mut self, keys: &[&'static str]) -> Result<Option<Value<'a>>, ManifestError> {
        let mut found: Option<Value<'a>> = None;
        for key in keys {
            let Some(value) = self.get(key) else { continue };
            if let Some(other) = found {
                let kind =
                    ManifestErrorKind::Conflict { key: (*key).to_owned(), other: other.key.to_owned() };
                return Err(self.text.error_at(value.offset(), kind));
            }
            found = Some(value);
        }
        Ok(found)
    }

    /// Where the table begins.
    pub(super) fn line(&self) -> u32 {
        self.offset.map_or(1, |offset| self.text.line(offset))
    }

    /// A rule that the table as a whole breaks.
    pub(super) fn breaks(&self, rule: SupervisionRule) -> ManifestError {
        match self.offset {
            Some(offset) => self.text.error_at(offset, rule.into()),
            None => ManifestError::new(self.text.origin, rule.into()),
        }
    }

    /// Fails if there is a key that nothing has asked for.
    pub(super) fn finish(self) -> Result<(), ManifestError> {
        match self.table.iter().find(|(key, _)| !self.asked.contains(key.get_ref().as_ref())) {
            None => Ok(()),
            Some((key, _)) => {
                let known = self.asked.iter().copied().collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none".to_owned() } else { known };
                let near = nearest(key.get_ref(), self.asked.iter().copied());
                let key_text = key.get_ref().to_string();
                let kind =
                    ManifestErrorKind::UnknownKey { key: key_text, table: self.name.clone(), known, near };
                Err(self.text.error_at(key.span().start, kind))
            }
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn offset(&self) -> usize {
        self.value.span().start
    }

    pub(super) fn line(&self) -> u32 {
        self.text.line(self.offset())
    }

    fn wrong_type(&self, expected: &'static str) -> ManifestError {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let kind = ManifestErrorKind::WrongType { key: self.key.to_owned(), expected, found };
        self.text.error_at(self.offset(), kind)
    }

    pub(super) fn invalid(&self, message: impl Into<String>) -> ManifestError {
        let value = self.text.text.get(self.value.span()).unwrap_or_default();
        let value = crate::error::printable(value);
        let kind =
            ManifestErrorKind::InvalidValue { key: self.key.to_owned(), value, message: message.into() };
        self.text.error_at(self.offset(), kind)
    }

    pub(super) fn string(&self) -> Result<&'a str, ManifestError> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// A string that says something.
    pub(super) fn name(&self) -> Result<String, ManifestError> {
        let text = self.string()?;
        if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
            return Err(self.invalid("must have 1 to 200 characters and no control characters"));
        }
        Ok(text.to_owned())
    }

    pub(super) fn actor_name(&self) -> Result<crate::ActorName, ManifestError> {
        self.string()?.parse().map_err(|error: crate::InvalidActorName| self.invalid(error.to_string()))
    }

    pub(super) fn boolean(&self) -> Result<bool, ManifestError> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, ManifestError> {
        match self.value.get_ref() {
            DeValue::Integer(value) => i64::from_str_radix(value.as_str(), value.radix())
                .map_err(|_| self.invalid("must be between -2^63 and 2^63-1")),
            _ => Err(self.wrong_type("an integer")),
        }
    }

    /// An integer within a range.
    pub(super) fn count(&self, range: RangeInclusive<u32>) -> Result<u32, ManifestError> {
        let value = self.integer()?;
        u32::try_from(value)
            .ok()
            .filter(|value| range.contains(value))
            .ok_or_else(|| self.invalid(format!("must be from {} to {}", range.start(), range.end())))
    }

    /// A number with at most three decimals.
    pub(super) fn thousandths(&self, range: RangeInclusive<u32>) -> Result<Thousandths, ManifestError> {
        let value = match self.value.get_ref() {
            DeValue::Integer(_) => {
                u32::try_from(self.integer()?).ok().and_then(|value| value.checked_mul(1_000))
            }
            DeValue::Float(value) => {
                value.as_str().replace('_', "").parse::<f64>().ok().and_then(thousandths)
            }
            _ => return Err(self.wrong_type("a number")),
        };
        value.filter(|value| range.contains(value)).map(Thousandths).ok_or_else(|| {
            let text = |value: &u32| format!("{}", f64::from(*value) / 1_000.0);
            self.invalid(format!("must be a number from {} to {}", text(range.start()), text(range.end())))
        })
    }

    /// A rule that this value breaks.
    pub(super) fn breaks(&self, rule: SupervisionRule) -> ManifestError {
        self.text.error_at(self.offset(), rule.into())
    }

    /// A reference to a file, or to whatever else the source knows.
    pub(super) fn reference(&self) -> Result<Reference, ManifestError> {
        match self.string()? {
            "" => Err(self.invalid("must name a file")),
            path if path.contains('\n') => Err(self.invalid("must be a path without line breaks")),
            path => Reference::parse(path).map_err(|error| self.text.error_at(self.offset(), error.into())),
        }
    }

    /// A duration as people write it.
    pub(super) fn duration(&self) -> Result<Duration, ManifestError> {
        if let DeValue::Integer(_) = self.value.get_ref() {
            return Err(self.invalid("needs a unit, such as \"5s\" or \"250ms\""));
        }
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.wrong_type("a duration such as \"5s\" or \"250ms\""));
        };
        let duration = humantime::parse_duration(text)
            .map_err(|_| self.invalid("must be a duration such as \"5s\" or \"250ms\""))?;
        // Beyond this nobody waits, and sums of such times stay far from an overflow.
        if duration > Duration::from_secs(3_650 * 24 * 3_600) {
            return Err(self.invalid("must be at most ten years"));
        }
        Ok(duration)
    }

    /// A duration above zero.
    pub(super) fn positive_duration(&self) -> Result<Duration, ManifestError> {
        match self.duration()? {
            Duration::ZERO => Err(self.invalid("must be above zero")),
            duration => Ok(duration),
        }
    }

    /// A number of bytes: an integer, or as people write it.
    pub(super) fn bytes(&self, range: RangeInclusive<u64>) -> Result<u64, ManifestError> {
        let value = match self.value.get_ref() {
            DeValue::Integer(_) => u64::try_from(self.integer()?).ok(),
            DeValue::String(text) => text.parse::<ByteSize>().ok().map(|size| size.0),
            _ => return Err(self.wrong_type("a size such as \"4MiB\"")),
        };
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            let (least, most) = (ByteSize(*range.start()), ByteSize(*range.end()));
            self.invalid(format!("must be a size such as \"4MiB\", from {least} to {most}"))
        })
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ManifestError> {
        let text = self.string()?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let meant = nearest(text, words.iter().map(|(word, _)| *word))
                .map(|near| format!("; did you mean \"{near}\"?"))
                .unwrap_or_default();
            self.invalid(format!("must be one of {}{meant}", known.join(", ")))
        })
    }

    pub(super) fn table(&self, name: impl Into<String>) -> Result<Reader<'a>, ManifestError> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(Reader::new(self.text, table, name, Some(self.offset()))),
            _ => Err(self.wrong_type("a table")),
        }
    }

    pub(super) fn array(&self) -> Result<impl Iterator<Item = Value<'a>> + use<'a>, ManifestError> {
        let (text, key) = (self.text, self.key);
        match self.value.get_ref() {
            DeValue::Array(values) => Ok(values.iter().map(move |value| Value { text, key, value })),
            _ => Err(self.wrong_type("an array")),
        }
    }

    /// Strings in an array.
    pub(super) fn strings(&self) -> Result<Vec<String>, ManifestError> {
        self.array()?.map(|value| value.string().map(ToOwned::to_owned)).collect()
    }
}

fn thousandths(value: f64) -> Option<u32> {
    let value = (value * 1_000.0).round();
    // The cast is exact within this range, and a NaN is outside of it.
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as u32)
}
