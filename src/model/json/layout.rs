//! Writes a server's JSON anew without reading it into a tree: other white space, the same value.
//!
//! Order, duplicate members and the spelling of numbers stay. What is no JSON or could harm a terminal
//! is rewritten: NaN and Infinity to null, control and bidirectional characters to escapes.

use std::fmt::{Display, Write};

use super::{Surrogates, is_word, surrogates};
use crate::model::text;

/// How the text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// On one line, without blanks.
    Line,
    /// Indented by 2, up to a depth no honest message has; what is deeper stays on one line, so that
    /// a message of brackets cannot grow into gigabytes.
    Indented,
}

/// A text of nothing but brackets and digits grows 14-fold at this depth.
const DEEPEST: usize = 12;

/// Appends the text, which is JSON or becomes JSON by [`super::repair`], in another layout.
///
/// Of any other text it appends something harmless.
pub fn relayout(out: &mut String, text: &str, layout: Layout) {
    Writer::new(out, layout).json(text);
}

/// Appends a string literal with everything escaped that must or should be.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some((at, c)) = text::find(rest, ends_run) {
        out.push_str(&rest[..at]);
        push_escape(out, c);
        rest = &rest[at + c.len_utf8()..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Writes JSON piece by piece, some of it pieces of other JSON.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut String,
    layout: Layout,
    depth: usize,
    /// Nothing was written since the last bracket was opened.
    empty: bool,
}

impl<'o> Writer<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut String, layout: Layout) -> Self {
        Writer { out, layout, depth: 0, empty: false }
    }

    /// Opens an object or a list.
    pub fn open(&mut self, bracket: char) {
        self.begin();
        self.out.push(bracket);
        self.depth += 1;
        self.empty = true;
    }

    /// Closes it.
    pub fn close(&mut self, bracket: char) {
        let broken = self.is_broken() && !self.empty;
        self.depth = self.depth.saturating_sub(1);
        self.empty = false;
        if broken {
            self.indent();
        }
        self.out.push(bracket);
    }

    /// Begins an element of a list.
    pub fn element(&mut self) {
        if self.empty { self.begin() } else { self.comma() }
    }

    /// Begins a member of an object. Its value follows.
    pub fn member(&mut self, name: &str) -> &mut Self {
        self.element();
        push_string(self.out, name);
        self.colon();
        self
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.begin();
        push_string(self.out, text);
    }

    /// A number, `true`, `false` or `null`: what needs no quotes and is known to be JSON.
    pub fn plain(&mut self, value: impl Display) {
        self.begin();
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A number that may be a fraction; null where it is none.
    pub fn number(&mut self, value: f64) {
        self.begin();
        super::push_number(self.out, value);
    }

    /// Any other JSON, or what becomes JSON by [`super::repair`].
    pub fn json(&mut self, text: &str) {
        let mut at = 0;
        while let Some(&b) = text.as_bytes().get(at) {
            at += match b {
                b'"' => self.copy_string(&text[at..]),
                _ if is_word(b) => self.copy_word(&text[at..]),
                _ => self.mark(b),
            };
        }
    }

    /// The members of another object, which end the object that is open here.
    pub fn members_of(&mut self, object: &str) {
        let members = object.trim_ascii_start().strip_prefix('{').unwrap_or("}").trim_ascii_start();
        if !self.empty && !members.starts_with('}') {
            self.comma();
        }
        self.json(members);
    }

    /// Whether brackets at this depth stand on lines of their own.
    fn is_broken(&self) -> bool {
        self.layout == Layout::Indented && self.depth <= DEEPEST
    }

    fn begin(&mut self) {
        if self.empty && self.is_broken() {
            self.indent();
        }
        self.empty = false;
    }

    fn comma(&mut self) {
        self.out.push(',');
        if self.is_broken() {
            self.indent();
        } else if self.layout == Layout::Indented {
            self.out.push(' ');
        }
    }

    fn colon(&mut self) {
        self.out.push_str(if self.layout == Layout::Indented { ": " } else { ":" });
    }

    fn indent(&mut self) {
        const BLANKS: &str = "                        ";
        self.out.push('\n');
        self.out.push_str(&BLANKS[..2 * self.depth.min(DEEPEST)]);
    }

    fn mark(&mut self, b: u8) -> usize {
        match b {
            b'{' | b'[' => self.open(char::from(b)),
            b'}' | b']' => self.close(char::from(b)),
            b',' => self.comma(),
            b':' => self.colon(),
            _ => {}
        }
        1
    }

    fn copy_word(&mut self, text: &str) -> usize {
        self.begin();
        let len = text.bytes().position(|b| !is_word(b)).unwrap_or(text.len());
        let word = &text[..len];
        self.out.push_str(if matches!(word, "NaN" | "Infinity" | "-Infinity") { "null" } else { word });
        len
    }

    fn copy_string(&mut self, text: &str) -> usize {
        self.begin();
        self.out.push('"');
        let mut rest = &text[1..];
        while let Some((at, c)) = text::find(rest, ends_run) {
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

fn ends_run(b: u8) -> bool {
    matches!(b, b'"' | b'\\')
}

/// Copies the escape sequence at the beginning and returns its length.
fn copy_escape(out: &mut String, text: &str) -> usize {
    let len = match surrogates(text.as_bytes()) {
        Surrogates::Lone => {
            out.push_str("\\ufffd");
            return 6;
        }
        Surrogates::Pair => 12,
        // What follows a backslash must not be taken for the string's end.
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
        // Nothing hostile lies beyond the first plane. Writing to a String cannot fail.
        _ => drop(write!(out, "\\u{:04x}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::json::{is_json, repair};

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
        assert_eq!(laid_out(text, Layout::Line), r#"{"b":1e400,"a":[1.50,-0,[]],"b":{},"c":{"d":"x, {y}"}}"#);
        let indented = "{\n  \"b\": 1e400,\n  \"a\": [\n    1.50,\n    -0,\n    []\n  ],\n  \"b\": {},\n  \"c\": {\n    \"d\": \"x, {y}\"\n  }\n}";
        assert_eq!(laid_out(text, Layout::Indented), indented);
    }

    #[test]
    fn not_a_number_becomes_null_but_not_in_strings() {
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
    fn brackets_beyond_every_honest_depth_cannot_grow_the_text() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(laid_out(&deep, Layout::Indented).len() < deep.len() + 1000);
        let wide = format!("{}0{}{}", "[".repeat(DEEPEST), ",0".repeat(100_000), "]".repeat(DEEPEST));
        assert!(laid_out(&wide, Layout::Indented).len() < 14 * wide.len());
    }

    #[test]
    fn what_is_no_json_survives_and_stays_harmless() {
        for text in ["", "\"", "\"\\", "\"\\é\x1b", "}}]],,::", "\x1b[1m é\u{202e}", "\"\\\x1b", "[\"\\ud8"] {
            let out = laid_out(text, Layout::Line);
            assert!(!out.chars().any(text::is_hostile), "{out:?}");
        }
    }

    /// A bounded, repeatable source of odd messages.
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % n
        }

        fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
            from[self.below(from.len() as u64) as usize]
        }

        fn string(&mut self) -> String {
            let parts =
                ["a", "é", "\u{7f}", "\u{90}", "\u{202e}", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "☃{[,:"];
            let more = ["\\ud800", "\\udfff", "\\u001b", "NaN", " ", "\u{2028}", "\u{61c}", "\u{c3}", "\u{d7}"];
            let inner: String =
                (0..self.below(6)).map(|_| self.pick([&parts[..], &more].concat().as_slice())).collect();
            format!("\"{inner}\"")
        }

        fn json(&mut self, depth: u64) -> String {
            let blank = self.pick(&["", " ", "\n\t"]);
            match self.below(if depth > 15 { 3 } else { 5 }) {
                0 => self.string(),
                1 => self.pick(&["0", "-1.50", "1E+3", "1e400", "12345678901234567890123"]).into(),
                2 => self.pick(&["true", "null", "NaN", "-Infinity", "Infinity", "{}", "[ ]"]).into(),
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
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..2000 {
            check(&random.json(0));
        }
    }

    #[test]
    fn recorded_messages_keep_their_value_in_both_layouts() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/monitoring");
        let mut checked = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let frame: Value = serde_json::from_str(line).unwrap();
                let payload = frame["payload"].as_str().unwrap_or_default();
                if is_json(&repair(payload).unwrap_or_else(|| payload.into())) {
                    check(payload);
                    checked += 1;
                }
            }
        }
        assert!(checked > 10, "{checked}");
    }
}
