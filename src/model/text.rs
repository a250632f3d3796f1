//! Characters with which a server could do harm (move a terminal's cursor, forge lines, turn text around), and the one
//! function that escapes them.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character must not reach a terminal or a line of output: C0 controls, DEL, C1 controls,
/// bidirectional controls, and the two separators that some readers take for a line's end.
#[must_use]
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first hostile character, or one that begins with a byte of the caller's own choice, and where it stands.
///
/// Looks at bytes, not at characters: most texts hold none, and this runs over every one.
pub fn find(text: &str, also: impl Fn(u8) -> bool) -> Option<(usize, char)> {
    let mut from = 0;
    loop {
        let at = from + text.as_bytes()[from..].iter().position(|&b| may_begin_hostile(b) || also(b))?;
        let c = text[at..].chars().next()?;
        if is_hostile(c) || also(text.as_bytes()[at]) {
            return Some((at, c));
        }
        from = at + c.len_utf8();
    }
}

/// U+0080–9F begin with C2, U+061C with D8, and the others beyond ASCII with E2.
fn may_begin_hostile(b: u8) -> bool {
    b < 0x20 || matches!(b, 0x7f | 0xc2 | 0xd8 | 0xe2)
}

/// Foreign text with everything escaped that could harm a terminal or forge a line.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if find(text, |_| false).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    push_escaped(&mut out, text, false);
    Cow::Owned(out)
}

/// Appends foreign text as [`escape`] returns it; with `ascii` everything beyond ASCII is escaped too.
pub fn push_escaped(out: &mut String, text: &str, ascii: bool) {
    let mut rest = text;
    while let Some((at, c)) = find(rest, |b| ascii && !b.is_ascii()) {
        out.push_str(&rest[..at]);
        push_escape(out, c);
        rest = &rest[at + c.len_utf8()..];
    }
    out.push_str(rest);
}

/// Appends a visible form of a character. Writing to a String cannot fail.
fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if c.is_ascii() => drop(write!(out, "\\x{:02x}", u32::from(c))),
        _ => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hostile_character_is_found_behind_any_text() {
        for c in ('\0'..=char::MAX).filter(|&c| is_hostile(c)) {
            let text = format!("aé\u{a9}☃😀{c}b");
            assert_eq!(find(&text, |_| false), Some((12, c)));
        }
    }

    #[test]
    fn honest_text_holds_none() {
        assert_eq!(find("plain, naïve \u{a0}\u{627}\u{2027}\u{202f}… 😀", |_| false), None);
        assert_eq!(find("aé", |b| b >= 0x80), Some((1, 'é')));
        assert_eq!(find("", |_| true), None);
    }

    #[test]
    fn harmful_characters_become_visible_and_harmless_text_is_borrowed() {
        assert!(matches!(escape("naïve ☃ \\ text"), Cow::Borrowed(_)));
        assert_eq!(escape("a\n\r\t\0\x1b[31m\x7f"), "a\\n\\r\\t\\x00\\x1b[31m\\x7f");
        assert_eq!(escape("\u{9b}é\u{202e}\u{2028}"), "\\u{9b}é\\u{202e}\\u{2028}");
        let mut out = String::new();
        push_escaped(&mut out, "é\u{202e}x", true);
        assert_eq!(out, "\\u{e9}\\u{202e}x");
    }
}
