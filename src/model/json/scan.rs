//! Reads plain JSON from front to back without a tree, for the messages that come by the thousand.
//!
//! It reads what servers usually send, and gives up on anything else: a backslash in a string, a number with an exponent
//! or of more than 18 characters, deep nesting, and all that is not JSON. So `None` never says that a text is wrong: a strict
//! reader has to decide. What it does read, it reads as serde_json does.

use crate::model::text::plain_len;

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at the start of a text.
    pub fn new(text: &'a str) -> Self {
        Scanner { text, at: 0 }
    }

    /// Returns the byte that stands here.
    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes white space, and returns the byte behind it.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Passes one byte, behind white space.
    #[inline(always)]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes the bracket that stands here. Returns true if an element follows, false behind the other bracket.
    #[inline(always)]
    pub fn open(&mut self, close: u8) -> Option<bool> {
        self.at += 1;
        let is_empty = self.peek()? == close;
        self.at += usize::from(is_empty);
        Some(!is_empty)
    }

    /// Goes on behind an element. Returns true if another one follows, false behind the bracket that ends the list.
    #[inline(always)]
    pub fn next(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        (byte == b',' || byte == close).then_some(byte == b',')
    }

    /// Passes a member's name with its colon if it is this one.
    #[inline(always)]
    pub fn name_is(&mut self, name: &str) -> Option<bool> {
        self.peek()?;
        let (bytes, start) = (self.text.as_bytes(), self.at + 1);
        let end = start + name.len();
        let is_same = bytes.get(end) == Some(&b'"') && bytes[self.at] == b'"' && is_equal(name, &bytes[start..end]);
        if is_same {
            self.at = end + 1;
            self.take(b':')?;
        }
        Some(is_same)
    }

    /// Reads a member's name and passes its colon.
    pub fn name(&mut self) -> Option<&'a str> {
        self.peek()?;
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// Reads the string that begins here.
    pub fn string(&mut self) -> Option<&'a str> {
        let (bytes, start) = (self.text.as_bytes(), self.at + 1);
        if self.byte()? != b'"' {
            return None;
        }
        let mut at = start;
        loop {
            at += plain_len(&bytes[at..]);
            match bytes.get(at)? {
                b'"' => break,
                b'\\' | ..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.text.get(start..at)
    }

    /// Reads the number that begins here.
    ///
    /// Like serde_json it takes all digits for an integer and divides that by a power of ten.
    pub fn number(&mut self) -> Option<f64> {
        const POW10: [f64; 18] =
            [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17];
        let is_negative = self.byte()? == b'-';
        self.at += usize::from(is_negative);
        let start = self.at;
        let whole = self.digits(0)?;
        let has_leading_zero = self.at - start > 1 && self.text.as_bytes()[start] == b'0';
        let (mut digits, mut scale) = (whole, POW10[0]);
        if self.byte() == Some(b'.') {
            self.at += 1;
            let point = self.at;
            digits = self.digits(whole)?;
            scale = *POW10.get(self.at - point)?;
        }
        if self.at - start > POW10.len() || has_leading_zero {
            return None;
        }
        let value = digits as f64 / scale;
        Some(if is_negative { -value } else { value })
    }

    /// Reads one digit or more, which follow those of `before`. Many of them wrap around.
    #[inline(always)]
    fn digits(&mut self, before: i64) -> Option<i64> {
        let (start, mut digits) = (self.at, before);
        while let Some(digit @ 0..10) = self.byte().map(|byte| byte.wrapping_sub(b'0')) {
            digits = digits.wrapping_mul(10).wrapping_add(i64::from(digit));
            self.at += 1;
        }
        (self.at > start).then_some(digits)
    }

    /// Passes any value.
    pub fn skip(&mut self) -> Option<()> {
        // A bit for each open bracket, 1 for that of an object, below a bit that is always set.
        let mut open = 1_u64;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                bracket @ (b'{' | b'[') => {
                    if open.leading_zeros() == 0 {
                        return None;
                    }
                    // In ASCII a closing bracket is two behind its opening one.
                    if self.open(bracket + 2)? {
                        open = open << 1 | u64::from(bracket == b'{');
                        if bracket == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => drop(self.number()?),
            }
            loop {
                if open == 1 {
                    return Some(());
                }
                let is_object = open & 1 != 0;
                if self.next(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.name()?;
                    }
                    break;
                }
                open >>= 1;
            }
        }
    }

    /// Passes any value, and returns its text.
    pub fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// Succeeds if nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        rest.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }
}

/// Compares two names of the same length, four bytes at a time: musl's memcmp, which compares single bytes, took a tenth of
/// the instructions per message.
#[inline(always)]
pub fn is_equal(name: &str, key: &[u8]) -> bool {
    let (mut name, mut key) = (name.as_bytes(), key);
    while let (Some((a, rest)), Some((b, other))) = (name.split_first_chunk::<4>(), key.split_first_chunk::<4>()) {
        if a != b {
            return false;
        }
        (name, key) = (rest, other);
    }
    name.iter().zip(key).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::json::number;

    fn scanned(text: &str) -> Option<f64> {
        let mut scanner = Scanner::new(text);
        let value = scanner.number()?;
        scanner.end().map(|()| value)
    }

    #[test]
    fn a_plain_number_is_what_serde_json_makes_of_it() {
        let texts = [
            "0",
            "-0",
            "7",
            "-12",
            "0.1",
            "-0.0",
            "33.3",
            "2596.122",
            "25276510208",
            "0.000001",
            "9007199254740993",
            "99999999999999999",
            "0.123456789012345",
            "123456789.12345678",
            "-9999999999999.999",
        ];
        for text in texts {
            assert!(scanned(text).is_some(), "{text}");
            assert_eq!(scanned(text).map(f64::to_bits), number(text).map(f64::to_bits), "{text}");
        }
        for text in ["", "-", "01", "-00", "1.", ".5", "1.5.5", "+1", "1e5", "1E5", "0x1", "--1", "1 2", "NaN"] {
            assert_eq!(scanned(text), None, "{text}");
        }
    }

    #[test]
    fn any_plain_value_is_passed_as_a_whole() {
        for text in [
            "null",
            "true",
            "false",
            "-1.5",
            "\"é☃\u{7f}\"",
            "[]",
            "{}",
            "[ 1 , [ ] , { } ]",
            "{\"a\" : {\"b\":[1,{}]},\"c\":\"\"}",
        ] {
            assert_eq!(Scanner::new(text).value(), Some(text));
            let mut scanner = Scanner::new(text);
            assert_eq!((scanner.skip(), scanner.end()), (Some(()), Some(())), "{text}");
        }
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Scanner::new(&nested(60)).skip().is_some() && Scanner::new(&nested(70)).skip().is_none());
    }

    #[test]
    fn what_is_odd_or_no_json_is_left_to_the_strict_reader() {
        for text in [
            "",
            "nul",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "\"",
            "\"a",
            "\"\\n\"",
            "\"\n\"",
            "\"\u{1}\"",
            "NaN",
            "[Infinity]",
            "1e5",
            "[1e5]",
            "'a'",
        ] {
            let mut scanner = Scanner::new(text);
            assert!(scanner.skip().and_then(|()| scanner.end()).is_none(), "{text}");
        }
    }

    #[test]
    fn names_are_equal_if_all_their_bytes_are() {
        let name = "per_core_usage_percent";
        for len in 0..=name.len() {
            let name = &name[..len];
            assert!(is_equal(name, name.as_bytes()));
            for at in 0..len {
                let other = format!("{}#{}", &name[..at], &name[at + 1..]);
                assert!(!is_equal(name, other.as_bytes()), "{name} {other}");
            }
        }
    }
}
