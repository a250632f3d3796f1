//! Finds and escapes the characters with which a server could do harm: move a terminal's cursor, forge lines of output,
//! reverse the direction of text.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns true for a character that must not reach a terminal or a line of output: C0 controls, DEL, C1 controls,
/// bidirectional controls, and the two separators that some readers take for the end of a line.
#[must_use]
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends `text` with each hostile character, and each character whose first byte is `also` to be replaced, passed to
/// `push_replacement` instead. Of ASCII `also` can choose quotes and backslashes alone, see [`find_hostile`].
pub fn push_replacing(out: &mut String, text: &str, also: fn(u8) -> bool, push_replacement: fn(&mut String, char)) {
    if is_plain(text) {
        return out.push_str(text);
    }
    let mut rest = text;
    while let Some((at, c)) = find_hostile(rest, also) {
        out.push_str(&rest[..at]);
        push_replacement(out, c);
        rest = &rest[at + c.len_utf8()..];
    }
    out.push_str(rest);
}

/// Finds the first hostile character, or the first one whose first byte satisfies `also`, with its byte offset. `also` is
/// not asked about ASCII other than quotes and backslashes: nearly all texts hold nothing else, and this runs over every
/// text that is printed.
pub fn find_hostile(text: &str, also: fn(u8) -> bool) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += plain_len(&bytes[at..]);
        let c = text[at..].chars().next()?;
        if may_begin_hostile(bytes[at]) && is_hostile(c) || also(bytes[at]) {
            return Some((at, c));
        }
        at += c.len_utf8();
    }
}

/// Returns true for a text of ASCII without control characters, quotes and backslashes: nearly every one.
pub fn is_plain(text: &str) -> bool {
    plain_len(text.as_bytes()) == text.len()
}

/// Counts the bytes before the first one that is not ASCII, a control character, a quote or a backslash.
///
/// It looks at eight bytes at a time, since it runs over every text: the highest bit of a byte is set in `found` if it is
/// one of these, and perhaps also in bytes behind that one.
pub fn plain_len(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        // Space and quote change places, so that the quote directly follows the control characters.
        let control_or_quote = (word ^ (EACH * 2)).wrapping_sub(EACH * 0x21);
        let backslash = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
        let delete = word.wrapping_add(EACH);
        // Bytes beyond ASCII are found by `word` itself, so that the borrows and carries of other bytes do not matter.
        let found = (control_or_quote | backslash | delete | word) & (EACH * 0x80);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let is_plain = |byte: &&u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    bytes.len() - rest.len() + rest.iter().take_while(is_plain).count()
}

/// Returns true for the first byte of each hostile character, and of some harmless ones: U+0080 to U+009F begin with C2
/// in UTF-8, U+061C with D8, the other hostile characters beyond ASCII with E2.
fn may_begin_hostile(b: u8) -> bool {
    b < 0x20 || matches!(b, 0x7f | 0xc2 | 0xd8 | 0xe2)
}

/// Escapes every character of a server's text that could harm a terminal or forge a line: `\n`, `\x1b`, `\u{202e}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if find_hostile(text, |_| false).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    push_escaped(&mut out, text, false);
    Cow::Owned(out)
}

/// Appends `text` as [`escape`] returns it; with `ascii`, everything beyond ASCII is escaped too.
pub fn push_escaped(out: &mut String, text: &str, ascii: bool) {
    push_replacing(out, text, if ascii { |b| !b.is_ascii() } else { |_| false }, push_escape);
}

/// Returns the beginning of a text, in at most so many bytes.
#[must_use]
pub fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

/// Escapes a text for an error, truncated to the length of a line.
#[must_use]
pub fn excerpt(text: &str) -> String {
    /// In bytes.
    const LONGEST: usize = 160;
    let shown = cut(text, LONGEST);
    let dots = if shown.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", escape(shown))
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Writing to a String cannot fail.
        _ if c.is_ascii() => drop(write!(out, "\\x{:02x}", u32::from(c))),
        _ => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_character_is_found_behind_any_text() {
        for c in ('\0'..=char::MAX).filter(|&c| is_hostile(c)) {
            let text = format!("aé\u{a9}☃😀{c}b");
            assert_eq!(find_hostile(&text, |_| false), Some((12, c)));
        }
    }

    #[test]
    fn each_byte_that_is_not_plain_ends_the_plain_ones_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_plain = (byte.is_ascii_graphic() || byte == b' ') && !b"\"\\".contains(&byte);
            for at in 0..20 {
                for around in *b" !#[]~" {
                    let mut bytes = [around; 20];
                    bytes[at] = byte;
                    assert_eq!(
                        plain_len(&bytes),
                        if is_plain { 20 } else { at },
                        "{byte:#x} behind {at} of {around:#x}"
                    );
                }
            }
        }
    }

    #[test]
    fn harmless_text_holds_no_hostile_character() {
        assert_eq!(find_hostile("plain, naïve \u{a0}\u{627}\u{2027}\u{202f}… 😀", |_| false), None);
        assert_eq!(find_hostile("aé", |b| b >= 0x80), Some((1, 'é')));
        assert_eq!(find_hostile("", |_| true), None);
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
