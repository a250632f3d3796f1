//! Splits a text into words: a line of `--servers`, or `$WSMON_OPTIONS`.

use std::ffi::OsString;

/// Splits the text at blanks and line ends. `'…'` and `"…"` hold blanks. `#` at the beginning of a word begins a comment,
/// which ends with the line. No other character has a meaning of its own.
///
/// # Errors
/// If a quote is not closed, or the text contains a control character.
pub fn split(text: &str) -> Result<Vec<OsString>, String> {
    if let Some(c) = text.chars().find(|c| c.is_control() && !c.is_whitespace()) {
        return Err(format!("the control character U+{:04X} stands in it", u32::from(c)));
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("a quote is not closed".to_owned()),
                        Some(end) if end == c => break,
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '#' if word.is_none() => while chars.next().is_some_and(|c| c != '\n') {},
            c if c.is_whitespace() => words.extend(word.take().map(OsString::from)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(OsString::from));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_blanks_that_are_not_quoted() {
        for (text, words) in [
            ("", &[][..]),
            (" \t\r\n\u{a0}", &[]),
            ("a  b\tc\r\nd", &["a", "b", "c", "d"]),
            ("--header 'X-Team: a b' -H \"Y: it's\"", &["--header", "X-Team: a b", "-H", "Y: it's"]),
            ("--header='X: a'b\"c d\"", &["--header=X: abc d"]),
            ("'' a\"\"", &["", "a"]),
            (r"a\ b $HOME `x` ~", &[r"a\", "b", "$HOME", "`x`", "~"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn a_comment_begins_with_a_word_and_ends_with_the_line() {
        for text in ["a # it's\nb", "#\"\na b", "# x\r\na#b"] {
            let words = split(text).unwrap();
            let expected: &[&str] = if text.contains("a#b") { &["a#b"] } else { &["a", "b"] };
            assert_eq!(words, expected, "{text}");
        }
        assert_eq!(split("'#a' ''#b").unwrap(), ["#a", "#b"]);
    }

    #[test]
    fn an_open_quote_and_a_control_character_are_errors() {
        for text in ["'", "a 'b", "a=\"b'", "it's"] {
            assert_eq!(split(text), Err("a quote is not closed".to_owned()), "{text}");
        }
        assert_eq!(split("a\0b"), Err("the control character U+0000 stands in it".to_owned()));
        assert_eq!(split("'\u{1b}[m'"), Err("the control character U+001B stands in it".to_owned()));
    }
}
