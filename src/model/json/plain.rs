//! Copies of JSON on one line: most messages only lose their white space.

use crate::model::text;

/// Appends a text without the white space between its tokens. Returns false, and may have appended a part, if there is a
/// token that [`Writer::raw`] might change, or a string that is one of `reserved`.
pub(super) fn push_plain_line(out: &mut String, text: &str, reserved: &[&str]) -> bool {
    /// Longer numbers may be beyond f64.
    const MAX_DIGITS: usize = 300;
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {}
            b'-' | b'.' | b'0'..=b'9' => {
                let start = at;
                while let Some(b'-' | b'.' | b'0'..=b'9') = bytes.get(at) {
                    at += 1;
                }
                if at - start > MAX_DIGITS {
                    return false;
                }
            }
            b' ' | b'\n' | b'\t' | b'\r' => {
                out.push_str(&text[from..at - 1]);
                from = at;
            }
            b'"' => {
                let start = at;
                at += text::plain_len(&bytes[at..]);
                if bytes.get(at) != Some(&b'"') {
                    // Not ASCII, or not plain.
                    let Some((len, '"')) = text::find_hostile(&text[start..], is_quote_or_backslash) else {
                        return false;
                    };
                    at = start + len;
                }
                if reserved.iter().any(|name| name.as_bytes() == &bytes[start..at]) {
                    return false;
                }
                at += 1;
            }
            _ => match ["true", "false", "null"].iter().find(|word| bytes[at - 1..].starts_with(word.as_bytes())) {
                Some(word) => at += word.len() - 1,
                None => return false,
            },
        }
    }
    out.push_str(&text[from..]);
    true
}

pub(super) fn is_quote_or_backslash(b: u8) -> bool {
    matches!(b, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use crate::model::json::{Layout, Writer};
    use crate::testing::random::Random;
    use crate::testing::recordings;

    #[test]
    fn members_that_are_copied_as_they_are_come_out_as_token_by_token() {
        const TOKENS: [&str; 27] = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\"a\"",
            "\"server\"",
            "\"é\u{202e}\"",
            "\"é☃\"",
            "\"\\n\"",
            "\"",
            "\\",
            "1",
            "-1.50",
            "1e999",
            "NaN",
            "1.#INF",
            "true",
            "null",
            "truex",
            "é",
            "\u{7f}",
            "\u{1}",
            "\"a text of more than eight bytes\"",
        ];
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
