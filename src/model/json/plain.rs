//! Copies of JSON on one line: most messages only lose their white space.

use crate::model::text;

/// Bytes that begin no word and no string, and are no white space.
const PUNCTUATION_AND_DIGITS: [bool; 256] = {
    let (bytes, mut table, mut i) = (b",-.0123456789:[]{}", [false; 256], 0);
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
};

/// Longer numbers may be beyond f64.
const MAX_DIGITS: usize = 300;

/// Appends a text without the white space between its tokens. Returns false, and may have appended a part, if there is a
/// token that [`Writer::raw`](super::Writer::raw) might change, or a string that is one of `reserved`.
#[inline(never)]
pub(super) fn push_plain_line(out: &mut String, text: &str, reserved: &[&str]) -> bool {
    let bytes = text.as_bytes();
    // A bit for each length of theirs, modulo 64: nearly all strings have another one.
    let lengths = reserved.iter().fold(0_u64, |lengths, name| lengths | 1 << (name.len() % 64));
    let (mut from, mut at) = (0, 0);
    loop {
        let start = at;
        while at < bytes.len() && PUNCTUATION_AND_DIGITS[usize::from(bytes[at])] {
            at += 1;
        }
        if at - start > MAX_DIGITS && has_long_number(&bytes[start..at]) {
            return false;
        }
        match bytes.get(at) {
            Some(b' ' | b'\n' | b'\t' | b'\r') => {
                out.push_str(&text[from..at]);
                at += 1;
                from = at;
            }
            Some(b'"') => {
                let start = at + 1;
                at = start + text::plain_len(&bytes[start..]);
                if bytes.get(at) != Some(&b'"') {
                    let Some(end) = odd_string_end(text, start) else { return false };
                    at = end;
                }
                let string = &bytes[start..at];
                if lengths >> (string.len() % 64) & 1 != 0 && reserved.iter().any(|name| name.as_bytes() == string) {
                    return false;
                }
                at += 1;
            }
            Some(_) => match ["true", "false", "null"].iter().find(|word| bytes[at..].starts_with(word.as_bytes())) {
                Some(word) => at += word.len(),
                None => return false,
            },
            None => break,
        }
    }
    out.push_str(&text[from..]);
    true
}

#[cold]
fn has_long_number(tokens: &[u8]) -> bool {
    tokens.split(|b| !matches!(b, b'-' | b'.' | b'0'..=b'9')).any(|number| number.len() > MAX_DIGITS)
}

/// Finds the end of a string that begins at `start` and is not ASCII; `None` if it is not closed or must be changed.
#[cold]
fn odd_string_end(text: &str, start: usize) -> Option<usize> {
    let (len, byte) = text::find_hostile(&text[start..], is_quote_or_backslash)?;
    (byte == '"').then_some(start + len)
}

pub(super) fn is_quote_or_backslash(b: u8) -> bool {
    matches!(b, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use crate::model::json::{Layout, Writer};
    use crate::testing::random::Random;
    use crate::testing::recordings;
    use crate::testing::tokens::TOKENS;

    #[test]
    fn members_that_are_copied_as_they_are_come_out_as_token_by_token() {
        let (mut random, mut plain) = (Random::new(5), 0);
        let recorded = recordings::systems().flat_map(recordings::all).flat_map(|name| recordings::texts(&name));
        let made = (0..30_000).map(|_| {
            let tokens = (0..random.below(9)).map(|_| *random.pick(&TOKENS));
            tokens.fold(String::from("{"), |text, token| text + token)
        });
        for text in recorded.chain(made) {
            let (mut fast, mut slow) = (String::from("["), String::from("["));
            let is_plain = Writer::new(&mut fast, Layout::Line).plain_members_of(&text, &["server"]);
            Writer::new(&mut slow, Layout::Line).members_of(&text);
            assert_eq!(fast, if is_plain { &slow } else { "[" }, "{text:?}");
            assert!(!is_plain || !text.contains("\"server\""), "{text:?}");
            plain += usize::from(is_plain);
        }
        assert!(plain > 5000, "{plain}");
    }
}
