//! Changes the white space of a server's JSON without parsing it into a tree.
//!
//! Order, duplicate members and the spelling of numbers are kept. Text that is not JSON or could harm a terminal is
//! replaced: NaN and Infinity by null, control and bidirectional characters by escapes.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use super::plain::{is_quote_or_backslash, push_plain_line};
use super::{Surrogates, is_not_finite, is_unreadable, is_word, surrogates, word_len};
use crate::model::decimal::push_decimal;
use crate::model::metric::name_in;
use crate::model::number::push_timestamp;
use crate::model::text;

/// White space between the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One line without spaces.
    Line,
    /// Indented by 2 for each level down to [`MAX_INDENT_DEPTH`]. Deeper levels stay on one line: a message of nothing
    /// but brackets would otherwise grow quadratically.
    Indented,
}

/// No real message is nested as deeply. A text of brackets and digits grows at most 14-fold by this indentation.
const MAX_INDENT_DEPTH: usize = 12;

/// Appends the text, which is JSON or becomes JSON by [`super::repair`], in the given layout.
///
/// For any other text the output is unspecified, but harmless to a terminal.
pub fn relayout(out: &mut String, text: &str, layout: Layout) {
    Writer::new(out, layout).raw(text);
}

/// Appends the text on one line like [`relayout`], for people: numbers that JSON readers refuse keep their digits.
pub fn push_shown(out: &mut String, text: &str) {
    let mut writer = Writer::new(out, Layout::Line);
    writer.keeps_digits = true;
    writer.raw(text);
}

/// Appends a string literal. Escapes what JSON requires, and hostile characters.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    text::push_replacing(out, text, is_quote_or_backslash, push_escape);
    out.push('"');
}

/// Writes JSON value by value. Values can be copied from other JSON text.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut String,
    layout: Layout,
    depth: usize,
    /// True directly after an opening bracket.
    empty: bool,
    /// Numbers beyond f64 stay. JSON readers refuse them, and with them the whole line.
    keeps_digits: bool,
}

impl<'o> Writer<'o> {
    /// Creates a writer that appends to `out`.
    pub fn new(out: &'o mut String, layout: Layout) -> Self {
        Writer { out, layout, depth: 0, empty: false, keeps_digits: layout == Layout::Indented }
    }

    /// Begins an object or a list: `{` or `[`.
    pub fn open(&mut self, bracket: char) {
        self.begin_value();
        self.out.push(bracket);
        self.depth += 1;
        self.empty = true;
    }

    /// Ends an object or a list: `}` or `]`.
    pub fn close(&mut self, bracket: char) {
        let on_new_line = self.breaks_lines() && !self.empty;
        self.depth = self.depth.saturating_sub(1);
        self.empty = false;
        if on_new_line {
            self.indent();
        }
        self.out.push(bracket);
    }

    /// Begins an element of a list. Its value follows.
    pub fn element(&mut self) {
        if self.empty { self.begin_value() } else { self.comma() }
    }

    /// Begins a member of an object. Its value follows. Names of the program's own need no escapes.
    pub fn member(&mut self, name: &'static str) -> &mut Self {
        self.element();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push('"');
        self.colon();
        self
    }

    /// Begins a member with a name from a row of a table, see [`name_in`]. Its value follows.
    pub fn row_member(&mut self, member: &'static str) -> &mut Self {
        if self.layout != Layout::Line || self.empty {
            return self.member(name_in(member));
        }
        self.out.push_str(member);
        self
    }

    /// Begins a member with a name that comes from elsewhere.
    pub fn foreign_member(&mut self, name: &str) -> &mut Self {
        self.element();
        push_string(self.out, name);
        self.colon();
        self
    }

    /// Writes a string.
    pub fn string(&mut self, text: &str) {
        self.begin_value();
        push_string(self.out, text);
    }

    /// Writes a time in UTC as RFC 3339 with milliseconds.
    pub fn timestamp(&mut self, at: SystemTime) {
        self.begin_value();
        self.out.push('"');
        push_timestamp(self.out, at);
        self.out.push('"');
    }

    /// Writes a value whose `Display` is JSON: an integer, `true`, `false` or `null`.
    pub fn literal(&mut self, value: impl Display) {
        self.begin_value();
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// Writes a number; null if it is NaN or infinite.
    pub fn number(&mut self, value: f64) {
        self.begin_value();
        super::push_number(self.out, value);
    }

    /// Writes a finite number with the fewest digits.
    pub fn decimal(&mut self, value: f64) {
        self.begin_value();
        push_decimal(self.out, value);
    }

    /// Copies a JSON text, or one that becomes JSON by [`super::repair`], in this writer's layout.
    pub fn raw(&mut self, text: &str) {
        let mut at = 0;
        while let Some(&b) = text.as_bytes().get(at) {
            let mut len = 1;
            match b {
                b'"' => len = self.copy_string(&text[at..]),
                b'{' | b'[' => self.open(char::from(b)),
                b'}' | b']' => self.close(char::from(b)),
                b',' => self.comma(),
                b':' => self.colon(),
                _ if is_word(b) => len = self.copy_word(&text[at..]),
                // White space, or text that is not JSON.
                _ => {}
            }
            at += len;
        }
    }

    /// Copies the members of another object, with its closing bracket: this also ends the object that is open here.
    pub fn members_of(&mut self, object: &str) {
        let members = object.trim_ascii_start().strip_prefix('{').unwrap_or("}").trim_ascii_start();
        if !self.empty && !members.starts_with('}') {
            self.comma();
        }
        self.raw(members);
    }

    /// Copies the members of another object as [`members_of`](Self::members_of) does, if that only means to leave out the
    /// white space between them, and if none of its strings is one of `reserved`. Returns false otherwise, and has then
    /// copied nothing.
    ///
    /// It looks at each byte once and copies long pieces: nearly all messages that become a line are so plain.
    pub fn plain_members_of(&mut self, object: &str, reserved: &[&str]) -> bool {
        let Some(members) = object.trim_ascii_start().strip_prefix('{').map(str::trim_ascii_start) else {
            return false;
        };
        let start = self.out.len();
        if !self.empty && !members.starts_with('}') {
            self.comma();
        }
        let is_plain = self.layout == Layout::Line && push_plain_line(self.out, members, reserved);
        if !is_plain {
            self.out.truncate(start);
        }
        is_plain
    }

    /// Returns true if elements at this depth begin on a new line.
    fn breaks_lines(&self) -> bool {
        self.layout == Layout::Indented && self.depth <= MAX_INDENT_DEPTH
    }

    fn begin_value(&mut self) {
        if self.empty && self.breaks_lines() {
            self.indent();
        }
        self.empty = false;
    }

    fn comma(&mut self) {
        self.out.push(',');
        match self.layout {
            Layout::Line => {}
            Layout::Indented if self.breaks_lines() => self.indent(),
            Layout::Indented => self.out.push(' '),
        }
    }

    fn colon(&mut self) {
        self.out.push(':');
        if self.layout == Layout::Indented {
            self.out.push(' ');
        }
    }

    fn indent(&mut self) {
        const SPACES: &str = "                        ";
        self.out.push('\n');
        self.out.push_str(&SPACES[..2 * self.depth.min(MAX_INDENT_DEPTH)]);
    }

    /// Copies the word at the start of `text` and returns its length.
    fn copy_word(&mut self, text: &str) -> usize {
        self.begin_value();
        let len = word_len(text);
        let word = &text[..len];
        let is_null = if self.keeps_digits { is_not_finite(word) } else { is_unreadable(word) };
        self.out.push_str(if is_null { "null" } else { word });
        len
    }

    /// Copies the string at the start of `text`, which is open if the text ends in it, and returns its length.
    fn copy_string(&mut self, text: &str) -> usize {
        self.begin_value();
        self.out.push('"');
        let mut rest = &text[1..];
        while let Some((at, c)) = text::find_hostile(rest, is_quote_or_backslash) {
            self.out.push_str(&rest[..at]);
            rest = &rest[at..];
            let len = match c {
                '"' => {
                    self.out.push('"');
                    return text.len() - rest.len() + 1;
                }
                '\\' => copy_escape(self.out, rest),
                _ => {
                    push_escape(self.out, c);
                    c.len_utf8()
                }
            };
            rest = &rest[len..];
        }
        self.out.push_str(rest);
        text.len()
    }
}

/// Copies the escape sequence at the start of `text` and returns its length. A lone surrogate becomes U+FFFD.
fn copy_escape(out: &mut String, text: &str) -> usize {
    let len = match surrogates(text.as_bytes()) {
        Surrogates::Lone => {
            out.push_str("\\ufffd");
            return 6;
        }
        Surrogates::Pair => 12,
        // An escaped quote must not be taken for the end of the string.
        Surrogates::None => 1 + usize::from(text.as_bytes().get(1).is_some_and(u8::is_ascii_graphic)),
    };
    out.push_str(&text[..len]);
    len
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // No hostile character lies beyond U+FFFF. Writing to a String cannot fail.
        _ => drop(write!(out, "\\u{:04x}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::json::{is_json, repair};
    use crate::testing::random::Random;
    use crate::testing::recordings;

    fn laid_out(text: &str, layout: Layout) -> String {
        let mut out = String::new();
        relayout(&mut out, text, layout);
        out
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(&repair(text).unwrap_or_else(|| text.into())).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    fn check(text: &str) {
        for layout in [Layout::Line, Layout::Indented] {
            let out = laid_out(text, layout);
            assert_eq!(value(&out), value(text));
            assert_eq!(out.chars().find(|&c| text::is_hostile(c) && c != '\n'), None, "{out:?}");
            assert_eq!(laid_out(&out, Layout::Line), laid_out(text, Layout::Line));
            assert_eq!(laid_out(&out, layout), out);
        }
        assert!(!laid_out(text, Layout::Line).contains('\n'));
    }

    #[test]
    fn both_layouts_keep_order_duplicates_and_the_spelling_of_numbers() {
        let text = " {\"b\" : 1e400,\n\"a\":[ 1.50 , -0, [ ] ],\"b\":{},\"c\":{ \"d\":\"x, {y}\"} } ";
        assert_eq!(laid_out(text, Layout::Line), r#"{"b":null,"a":[1.50,-0,[]],"b":{},"c":{"d":"x, {y}"}}"#);
        let indented = "{\n  \"b\": 1e400,\n  \"a\": [\n    1.50,\n    -0,\n    []\n  ],\n  \"b\": {},\n  \"c\": {\n    \"d\": \"x, {y}\"\n  }\n}";
        assert_eq!(laid_out(text, Layout::Indented), indented);
    }

    #[test]
    fn a_line_for_people_keeps_the_digits_of_every_number() {
        let mut out = String::new();
        push_shown(&mut out, " {\"b\" : 1e400,\n\"a\":[ -1E+999 , NaN, \"\u{9b}\" ] } ");
        assert_eq!(out, "{\"b\":1e400,\"a\":[-1E+999,null,\"\\u009b\"]}");
    }

    #[test]
    fn a_line_has_no_number_that_a_reader_refuses() {
        let long = format!("1{}", "0".repeat(400));
        for number in ["1e400", "-1E+999", "1.5e309", &long] {
            assert_eq!(laid_out(&format!("[{number},1]"), Layout::Line), "[null,1]");
        }
        for number in ["1e308", "-1.7976931348623157E+308", "1e-400", "0.10", "12345678901234567890123"] {
            assert_eq!(laid_out(number, Layout::Line), number);
        }
    }

    #[test]
    fn nan_becomes_null_but_not_in_strings() {
        let text = r#"[NaN, -Infinity, Infinity, "NaN", "\"NaN", true]"#;
        assert_eq!(laid_out(text, Layout::Line), r#"[null,null,null,"NaN","\"NaN",true]"#);
    }

    #[test]
    fn harmful_characters_and_lone_surrogates_are_escaped_in_strings() {
        let text = "[\"\u{7f}é\u{9b}\u{202e}\u{61c}\u{2028}😀\", \"\\ud800\\ud83d\\ude00\\udc00\\\\ud800\"]";
        let line = r#"["\u007fé\u009b\u202e\u061c\u2028😀","\ufffd\ud83d\ude00\ufffd\\ud800"]"#;
        assert_eq!(laid_out(text, Layout::Line), line);
        let mut out = String::new();
        push_string(&mut out, "a\"\\\n\t\r\0\x1b[1m\u{85}é");
        assert_eq!(out, r#""a\"\\\n\t\r\u0000\u001b[1m\u0085é""#);
    }

    #[test]
    fn leading_members_stand_before_those_of_another_object() {
        for (object, whole) in
            [("{}", r#"{"a":"b"}"#), (" { } ", r#"{"a":"b"}"#), (r#"{"c": {}, "d": []}"#, r#"{"a":"b","c":{},"d":[]}"#)]
        {
            let mut out = String::new();
            let mut json = Writer::new(&mut out, Layout::Line);
            json.open('{');
            json.member("a").string("b");
            json.members_of(object);
            assert_eq!(out, whole);
        }
    }

    #[test]
    fn brackets_nested_very_deeply_cannot_grow_the_text() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(laid_out(&deep, Layout::Indented).len() < deep.len() + 1000);
        let wide = format!("{}0{}{}", "[".repeat(MAX_INDENT_DEPTH), ",0".repeat(100_000), "]".repeat(MAX_INDENT_DEPTH));
        assert!(laid_out(&wide, Layout::Indented).len() < 14 * wide.len());
    }

    #[test]
    fn text_that_is_not_json_is_written_harmlessly() {
        for text in ["", "\"", "\"\\", "\"\\é\x1b", "}}]],,::", "\x1b[1m é\u{202e}", "\"\\\x1b", "[\"\\ud8"] {
            let out = laid_out(text, Layout::Line);
            assert!(!out.chars().any(text::is_hostile), "{out:?}");
        }
    }

    /// Unusual messages.
    impl Random {
        fn string(&mut self) -> String {
            let parts =
                ["a", "é", "\u{7f}", "\u{90}", "\u{202e}", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "☃{[,:"];
            let more = ["\\ud800", "\\udfff", "\\u001b", "NaN", " ", "\u{2028}", "\u{61c}", "\u{c3}", "\u{d7}"];
            let inner: String =
                (0..self.below(6)).map(|_| *self.pick([&parts[..], &more].concat().as_slice())).collect();
            format!("\"{inner}\"")
        }

        fn json(&mut self, depth: u64) -> String {
            let blank = *self.pick(&["", " ", "\n\t"]);
            match self.below(if depth > 15 { 3 } else { 5 }) {
                0 => self.string(),
                1 => self.pick(&["0", "-1.50", "1E+3", "1e400", "12345678901234567890123"]).to_string(),
                2 => self.pick(&["true", "null", "NaN", "-Infinity", "Infinity", "{}", "[ ]"]).to_string(),
                3 => {
                    let inner: Vec<_> = (0..self.below(5)).map(|_| self.json(depth + 1)).collect();
                    format!("[{blank}{}{blank}]", inner.join(&format!("{blank},")))
                }
                _ => {
                    let inner: Vec<_> =
                        (0..self.below(5)).map(|_| self.string() + blank + ":" + &self.json(depth + 1)).collect();
                    format!("{{{blank}{}{blank}}}", inner.join(&format!(",{blank}")))
                }
            }
        }
    }

    #[test]
    fn random_messages_keep_their_value_in_both_layouts() {
        let mut random = Random::new(1);
        for _ in 0..2000 {
            check(&random.json(0));
        }
    }

    #[test]
    fn recorded_messages_keep_their_value_in_both_layouts() {
        let mut checked = 0;
        for text in recordings::all("monitoring").iter().flat_map(|recording| recordings::texts(recording)) {
            if is_json(&repair(&text).unwrap_or_else(|| text.clone())) {
                check(&text);
                checked += 1;
            }
        }
        assert!(checked > 10, "{checked}");
    }
}
