//! A small JSON tree for the less frequent messages. Accepts any value and borrows from the text.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::check_depth;

/// Number of values that a tree may have whatever the length of its text.
const MIN_NODES: usize = 4096;
/// A value takes 32 bytes at most, a member 56, and as much again while a list of them grows. Most texts have more than this for
/// each value; `[0,0,0]` has 2, and a tree of such a text would have many times its size.
const BYTES_PER_NODE: usize = 10;

/// Bound on the values of a tree that is a part of something else, whose text's length is not known.
const MAX_INNER_NODES: usize = 1 << 19;

/// One JSON value. Members keep their order and may repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer that fits into 64 bits.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Node<'a>>),
    /// An object.
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Parses one value with at most 127 levels, and with at most [`MIN_NODES`] values and one more for each
    /// [`BYTES_PER_NODE`] bytes of text: what lists and objects hold beyond that is left out.
    ///
    /// # Errors
    /// The text is not JSON, or nested more deeply, also in what is left out.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        Node::parse_counted(text).map(|(node, _)| node)
    }

    /// Parses as [`Node::parse`] does, and returns true if something was left out.
    pub fn parse_counted(text: &'a str) -> serde_json::Result<(Self, bool)> {
        let room = Cell::new(MIN_NODES + text.len() / BYTES_PER_NODE);
        Node::read(text, NodeVisitor { only: None, room: &room }).map(|node| (node, room.get() == 0))
    }

    /// Parses a text of our own, which has no more values than what it was made from.
    #[cfg(feature = "serde")]
    pub fn parse_own(text: &'a str) -> serde_json::Result<Self> {
        Node::read(text, NodeVisitor { only: None, room: &Cell::new(usize::MAX) })
    }

    /// Parses an object but keeps only the members of these names. Text after the object is not checked.
    pub(super) fn parse_members(text: &'a str, names: &[&str]) -> serde_json::Result<Self> {
        Node::read(text, NodeVisitor { only: Some(names), room: &Cell::new(MIN_NODES) })
    }

    fn read(text: &'a str, visitor: NodeVisitor<'_>) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let node = json.deserialize_any(visitor)?;
        if visitor.only.is_none() {
            json.end()?;
            if visitor.room.get() == 0 {
                check_depth(text)?;
            }
        }
        Ok(node)
    }

    /// Returns the first member of that name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns the members of an object; empty for any other value.
    #[must_use]
    pub fn members(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        if let Node::Map(members) = self { members } else { &[] }
    }

    /// Returns the elements of a list; empty for any other value.
    #[must_use]
    pub fn elements(&self) -> &[Node<'a>] {
        if let Node::List(list) = self { list } else { &[] }
    }

    /// Returns the text of a member; `None` if it is empty or not a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&Cow<'a, str>> {
        match self.get(key) {
            Some(Node::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Returns the text of a member, or `other` if it has none.
    #[must_use]
    pub fn text_or(&self, key: &str, other: &'static str) -> Cow<'a, str> {
        self.text(key).cloned().unwrap_or(Cow::Borrowed(other))
    }

    /// Returns the text of the first of these members that has one; if none has, the whole value on one line.
    #[must_use]
    pub fn first_text(&self, keys: &[&str]) -> Cow<'a, str> {
        let text = keys.iter().find_map(|key| self.text(key));
        text.cloned().unwrap_or_else(|| Cow::Owned(self.to_string()))
    }

    /// Returns the value of a member that is a number.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_f64()
    }

    /// Returns the value of a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Node::Integer(value) => Some(*value as f64),
            Node::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns true for `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Node::Null)
    }

    /// Returns the text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }

    /// Converts a string into its text.
    #[must_use]
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }

    /// Copies an object without the members of these names; any other value unchanged.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Node<'a> {
        self.filtered(&|name, _| !names.contains(&name))
    }

    /// Copies an object with the members that satisfy `keep`; any other value unchanged.
    #[must_use]
    pub fn filtered(&self, keep: &dyn Fn(&str, &Node<'a>) -> bool) -> Node<'a> {
        let Node::Map(members) = self else { return self.clone() };
        let mut kept = Vec::new();
        for member in members {
            if keep(&member.0, &member.1) {
                kept.push(member.clone());
            }
        }
        Node::Map(kept)
    }

    /// Writes the elements of a list on one line, separated by commas; of a long list the first ones.
    #[must_use]
    pub fn joined(&self) -> String {
        /// Most elements that are written.
        const MAX_JOINED: usize = 128;
        let mut out = String::new();
        // Writing to a String cannot fail.
        for (i, node) in self.elements().iter().take(MAX_JOINED).enumerate() {
            let _ = write!(out, "{}{node}", if i > 0 { ", " } else { "" });
        }
        if let Some(more @ 1..) = self.elements().len().checked_sub(MAX_JOINED) {
            let _ = write!(out, ", and {more} more");
        }
        out
    }

    /// Returns true unless the value is a list or an object.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        !matches!(self, Node::List(_) | Node::Map(_))
    }
}

/// Writes the value on one line, for people: texts without quotes, `a=1 b=[2, 3]`. Hostile characters are not escaped.
impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Null => f.write_str("null"),
            Node::Bool(value) => write!(f, "{value}"),
            Node::Integer(value) => write!(f, "{value}"),
            Node::Float(value) => match serde_json::Number::from_f64(*value) {
                Some(number) => number.fmt(f),
                None => f.write_str("null"),
            },
            Node::Text(text) => f.write_str(text),
            Node::List(list) => {
                f.write_str("[")?;
                for (i, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Node::Map(members) => {
                for (i, (key, value)) in members.iter().enumerate() {
                    f.write_str(if i > 0 { " " } else { "" })?;
                    match value {
                        Node::Map(inner) if !inner.is_empty() => write!(f, "{key}={{{value}}}")?,
                        _ => write!(f, "{key}={value}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(NodeVisitor { only: None, room: &Cell::new(MAX_INNER_NODES) })
    }
}

/// Builds a [`Node`].
#[derive(Clone, Copy)]
struct NodeVisitor<'k> {
    /// If set, only the members of these names are kept of an object.
    only: Option<&'k [&'k str]>,
    /// Number of values that lists and objects may still hold.
    room: &'k Cell<usize>,
}

impl NodeVisitor<'_> {
    /// Takes room for one value; `false` if there is none.
    fn take_room(self) -> bool {
        let left = self.room.get();
        self.room.set(left.saturating_sub(1));
        left > 1
    }

    fn inner(self) -> Self {
        NodeVisitor { only: None, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for NodeVisitor<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Node<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeVisitor<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Node<'de>, S::Error> {
        let mut nodes = Vec::new();
        while self.take_room() {
            match list.next_element_seed(self.inner())? {
                Some(node) => nodes.push(node),
                None => {
                    nodes.shrink_to_fit();
                    return Ok(Node::List(nodes));
                }
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::List(nodes))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Node<'de>, M::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Node<'de>>()? {
            // A JSON key is always a string.
            let key = key.into_text().unwrap_or_default();
            if self.only.is_none_or(|names| names.contains(&&*key)) && self.take_room() {
                members.push((key, map.next_value_seed(self.inner())?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        // A list begins with room for four, which is 224 bytes for `{"a":1}`.
        members.shrink_to_fit();
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_keeps_order_and_duplicates_and_borrows() {
        let node = Node::parse(r#"{"b":1,"a":[null,true,-2.5,"x\n"],"b":2}"#).unwrap();
        assert_eq!(node.members().len(), 3);
        assert_eq!(node.number("b"), Some(1.0));
        assert_eq!(node.get("a").unwrap().elements()[3].as_text(), Some("x\n"));
        assert_eq!(node.to_string(), "b=1 a=[null, true, -2.5, x\n] b=2");
    }

    #[test]
    fn a_tree_is_bounded_by_the_length_of_its_text() {
        let (value, member) = (size_of::<Node<'_>>(), size_of::<(Cow<'_, str>, Node<'_>)>());
        assert!(value <= 32 && member <= 56, "{value} {member}");
        let zeros = format!(r#"{{"a":[{}0],"b":1}}"#, "0,".repeat(100_000));
        let (node, cut) = Node::parse_counted(&zeros).unwrap();
        let len = node.get("a").unwrap().elements().len();
        assert!(cut && node.get("b").is_none() && len < MIN_NODES + zeros.len() / BYTES_PER_NODE, "{len}");
        assert!(Node::parse(&zeros.replace("],", "]x,")).is_err(), "what is left out is checked all the same");
        let members: String = (0..100_000).map(|n| format!(r#""m{n}":{n},"#)).collect();
        let object = format!(r#"{{{members}"z":1}}"#);
        let (node, cut) = Node::parse_counted(&object).unwrap();
        assert_eq!((node.members().len(), cut), (100_001, false));
        let (small, cut) = Node::parse_counted("[0,[],{}]").unwrap();
        assert_eq!((small.elements().len(), cut), (3, false));
    }

    #[test]
    fn five_thousand_levels_are_an_error_and_no_overflow() {
        let left_out = format!("[{}{}{}]", "0,".repeat(10_000), "[".repeat(5000), "]".repeat(5000));
        assert!(Node::parse(&left_out).is_err(), "also where they are left out");
        assert!(Node::parse(&"[".repeat(5000)).is_err());
        assert!(Node::parse(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))).is_err());
    }
}
