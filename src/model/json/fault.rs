//! Finds where a text stops to be JSON, for the log.

use serde::de::IgnoredAny;

use super::{Node, Tokens, is_json, is_unreadable, is_word, push_repaired_string};

/// The place and the cause of a fault in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonFault<'a> {
    /// Offset in bytes.
    pub at: usize,
    /// The word or character there. Empty at the end of the text. It may be any text of the server's, of any length.
    pub word: &'a str,
}

/// Finds the first place at which a text is not JSON, apart from what [`super::repair`] replaces; `None` if it is.
#[must_use]
pub fn find_fault(text: &str) -> Option<JsonFault<'_>> {
    // Replacements have the length of their originals, so that places stay the same.
    let mut same_length = String::with_capacity(text.len());
    for token in Tokens(text) {
        if token.starts_with('"') {
            push_repaired_string(&mut same_length, token);
        } else if is_unreadable(token) {
            same_length.push('0');
            same_length.extend(std::iter::repeat_n(' ', token.len() - 1));
        } else {
            same_length.push_str(token);
        }
    }
    let error = match serde_json::from_str::<IgnoredAny>(&same_length) {
        Err(error) => error,
        Ok(_) => Node::parse(&same_length).err()?,
    };
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    if error.is_eof() {
        return Some(JsonFault { at: text.len(), word: "" });
    }
    Some(word_at(text, at))
}

/// Finds the word at a place, or the one that ends there where that is the fault, as in `[nul]`; else the character.
fn word_at(text: &str, at: usize) -> JsonFault<'_> {
    let mut start = 0;
    for token in Tokens(text) {
        let end = start + token.len();
        let is_fault = at < end || at == end && !is_json(token);
        if is_fault && token.bytes().next().is_some_and(is_word) {
            return JsonFault { at: start, word: token };
        }
        if at < end {
            break;
        }
        start = end;
    }
    // A control character is reported by the place before it.
    let at = text[at..].char_indices().nth(1).filter(|(_, c)| c.is_ascii_control()).map_or(at, |(next, _)| at + next);
    let len = text[at..].chars().next().map_or(0, char::len_utf8);
    JsonFault { at, word: &text[at..at + len] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_place_and_its_word() {
        for (text, at, word) in [
            (r#"{"a":undefined}"#, 5, "undefined"),
            ("{\"a\":1,\n\"b\":nul}", 12, "nul"),
            (r#"{"a":NaN,"b":None}"#, 13, "None"),
            (r#"{"a":-nan(ind),"b":'x'}"#, 19, "'"),
            (r#"{"é":1,"b" 2}"#, 12, "2"),
            ("hello", 0, "hello"),
            (r#"{"a":1}}"#, 7, "}"),
            (r#"{"a":1,}"#, 7, "}"),
            ("{\"a\":\"x\ty\"}", 7, "\t"),
            (r#"{"a":"#, 5, ""),
            (r#"{"a":"x"#, 7, ""),
            ("", 0, ""),
        ] {
            assert_eq!(find_fault(text), Some(JsonFault { at, word }), "{text}");
        }
        assert_eq!(find_fault(&format!("{}{}", "[".repeat(200), "]".repeat(200))).map(|fault| fault.word), Some("["));
    }

    #[test]
    fn what_is_repaired_is_no_fault() {
        for text in ["{}", r#"{"a":[NaN,-nan(ind),inf,1e400],"b":"\ud800"}"#] {
            assert_eq!(find_fault(text), None, "{text}");
        }
    }

    #[test]
    fn any_text_has_a_place_within_it() {
        for text in
            ["é", "\"é", "{\"é\n\":\u{1}}", "\u{feff}", "nan", "\"\\ud800", "{\"a\":é}", "\n\n\n}", "\"\\u12é\""]
        {
            if let Some(fault) = find_fault(text) {
                assert_eq!(text[fault.at..].find(fault.word), Some(0), "{text:?}");
            }
        }
    }
}
