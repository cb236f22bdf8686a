//! What events say, whatever their kind: CBOR as text for people and as JSON for machines.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json, json};
use theater_core::event::payload;

use crate::text::{hex, printable};

/// Any value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

/// Levels that are looked into: what guests say may be nested without bound.
const DEEPEST: usize = 32;

/// Reads a payload; `None` if it is not CBOR.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    payload::decode(bytes).ok()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(DEEPEST))
    }
}

/// A value of at most so many levels: more are an error, because reading them takes room on the stack.
struct Any(usize);

impl Any {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self.inner()?)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.inner()?)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry_seed(self.inner()?, self.inner()?)? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}

impl Value {
    /// One line for people. Bytes are shown as text where they are text, as what they say where they are CBOR, and in hexadecimal
    /// otherwise.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match self {
            // The braces around a whole payload say nothing.
            Self::Map(entries) => write_entries(&mut text, entries, DEEPEST),
            value => value.write(&mut text, DEEPEST),
        }
        text
    }

    fn write(&self, out: &mut String, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            out.push('…');
            return;
        };
        match self {
            Self::Nothing => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Signed(value) => out.push_str(&value.to_string()),
            Self::Unsigned(value) => out.push_str(&value.to_string()),
            Self::Float(value) => out.push_str(&value.to_string()),
            Self::Text(value) => quote(out, value),
            Self::Bytes(bytes) => write_bytes(out, bytes, depth),
            Self::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    value.write(out, depth);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                write_entries(out, entries, depth);
                out.push('}');
            }
        }
    }

    /// The value for machines: bytes are `{"base64": ..}`, with `text` where they are text.
    pub(crate) fn json(&self) -> Json {
        self.json_within(DEEPEST)
    }

    fn json_within(&self, depth: usize) -> Json {
        let Some(depth) = depth.checked_sub(1) else { return Json::Null };
        match self {
            Self::Nothing => Json::Null,
            Self::Bool(value) => json!(value),
            Self::Signed(value) => json!(value),
            Self::Unsigned(value) => json!(value),
            Self::Float(value) => json!(value),
            Self::Text(value) => json!(value),
            Self::Bytes(bytes) => bytes_json(bytes),
            Self::List(values) => values.iter().map(|value| value.json_within(depth)).collect(),
            Self::Map(entries) => {
                let entry = |(key, value): &(Value, Value)| {
                    let key = match key {
                        Self::Text(key) => key.clone(),
                        key => key.text(),
                    };
                    (key, value.json_within(depth))
                };
                Json::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }
}

/// Bytes for machines.
pub(crate) fn bytes_json(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "base64": BASE64.encode(bytes), "text": text }),
        Err(_) => json!({ "base64": BASE64.encode(bytes) }),
    }
}

fn write_entries(out: &mut String, entries: &[(Value, Value)], depth: usize) {
    for (index, (key, value)) in entries.iter().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        match key {
            Value::Text(key) => out.push_str(&printable(key)),
            key => key.write(out, depth),
        }
        out.push_str(": ");
        value.write(out, depth);
    }
}

fn write_bytes(out: &mut String, bytes: &[u8], depth: usize) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => quote(out, text),
        // A record within a record.
        _ => match read(bytes) {
            Some(value @ (Value::Map(_) | Value::List(_))) => {
                out.push_str("<<");
                value.write(out, depth);
                out.push_str(">>");
            }
            _ => out.push_str(&format!("h'{}'", hex(bytes))),
        },
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\\n"));
        out.push_str(&printable(&line.replace('\\', "\\\\").replace('"', "\\\"")));
        out.push_str(end);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use theater_core::event::payload::{HostCall, Origin, Started, encode};
    use theater_core::{Bytes, Incarnation};

    use super::*;

    #[test]
    fn a_payload_is_one_line_and_an_object() {
        let call =
            HostCall::Called { subject: Some("a\"b".into()), data: Some(Bytes::from_static(b"two\nlines")) };
        let value = read(&encode(&call)).unwrap();
        assert_eq!(value.text(), r#"called: {subject: "a\"b", data: "two\nlines"}"#);
        assert_eq!(value.json()["called"]["data"]["text"], "two\nlines");
        assert_eq!(value.json()["called"]["data"]["base64"], "dHdvCmxpbmVz");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_what_they_say_or_in_hexadecimal() {
        let inner = encode(&Started::new(Incarnation(2), Origin::Init, None)).to_vec();
        let mut text = String::new();
        write_bytes(&mut text, &inner, DEEPEST);
        assert!(text.starts_with("<<{incarnation: 2, "), "{text}");
        let mut text = String::new();
        write_bytes(&mut text, b"\xff\x00", DEEPEST);
        assert_eq!(text, "h'ff00'");
    }

    #[test]
    fn what_is_nested_too_deep_or_no_cbor_is_not_read() {
        let nested = |levels| {
            let mut nested = vec![0x81; levels];
            nested.push(0);
            nested
        };
        assert_eq!(read(&nested(10)).unwrap().text(), "[[[[[[[[[[0]]]]]]]]]]");
        assert_eq!(read(&nested(1_000_000)), None);
        assert_eq!(read(b"\xff\xff"), None);
    }

    #[test]
    fn controls_are_shown_and_not_obeyed() {
        assert_eq!(Value::Text("a\x1b[2J".into()).text(), r#""a\u{1b}[2J""#);
    }
}
