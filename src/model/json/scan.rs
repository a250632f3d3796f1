//! Reads plain JSON from front to back without a tree, for the messages that come by the thousand.
//!
//! It reads what servers usually send, and gives up on anything else: a backslash in a string, a number with an exponent
//! or of more than 18 characters, deep nesting, and all that is not JSON. So `None` never says that a text is wrong: a strict
//! reader has to decide. What it does read, it reads as serde_json does.
//!
//! The compiler keeps a scanner in registers as long as no function gets a pointer to it. So the methods are inlined, and
//! functions that are called take the text and a place in it, and return the place behind what they read. In memory, the
//! place would be written and read again for each byte.

/// A word with 1 in each byte.
const EACH: u64 = u64::from_ne_bytes([1; 8]);

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    pub at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at a place in a text.
    #[inline(always)]
    pub fn new(text: &'a str, at: usize) -> Self {
        Scanner { text, at }
    }

    /// Returns the byte that stands here.
    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes white space, and returns the byte behind it, which is no control character.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        match self.byte()? {
            byte @ b'!'.. => Some(byte),
            _ => {
                self.at = skip_blank(self.text, self.at);
                self.byte().filter(|byte| *byte > b' ')
            }
        }
    }

    /// Passes a byte, and a space behind it if there is one: a single one is what most servers write there.
    #[inline(always)]
    fn pass(&mut self) {
        self.at += 1;
        self.at += usize::from(self.byte() == Some(b' '));
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
        let has_more = match self.peek()? {
            b',' => true,
            byte if byte == close => false,
            _ => return None,
        };
        self.pass();
        Some(has_more)
    }

    /// Passes a member's name with its colon if it is this one, without white space before either.
    #[inline(always)]
    pub fn name_is(&mut self, name: &str) -> bool {
        let (bytes, start) = (self.text.as_bytes(), self.at + 1);
        let end = start + name.len();
        // The place behind comes first, since it is the least likely to fit.
        let is_same = bytes.get(end) == Some(&b'"')
            && bytes.get(end + 1) == Some(&b':')
            && self.byte() == Some(b'"')
            && is_equal(name, &bytes[start..end]);
        if is_same {
            self.at = end + 1;
            self.pass();
        }
        is_same
    }

    /// Reads a member's name and passes its colon.
    #[inline(always)]
    pub fn name(&mut self) -> Option<&'a str> {
        self.peek()?;
        let name = self.string()?;
        if self.peek()? != b':' {
            return None;
        }
        self.pass();
        Some(name)
    }

    /// Reads the string that begins here.
    #[inline(always)]
    pub fn string(&mut self) -> Option<&'a str> {
        let string = read_string(self.text, self.at)?;
        self.at += string.len() + 2;
        Some(string)
    }

    /// Reads the number that begins here.
    #[inline(always)]
    pub fn number(&mut self) -> Option<f64> {
        let (value, at) = read_number(self.text.as_bytes(), self.at)?;
        self.at = at;
        Some(value)
    }

    /// Passes any value.
    #[inline(always)]
    pub fn skip(&mut self) -> Option<()> {
        self.at = skip_value(self.text, self.at)?;
        Some(())
    }

    /// Passes any value, and returns its text.
    pub fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// Succeeds if nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        (self.peek().is_none() && self.at == self.text.len()).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        if !rest.starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(())
    }
}

/// Finds the end of the white space that begins at `at`.
#[inline(never)]
fn skip_blank(text: &str, mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.as_bytes().get(at) {
        at += 1;
    }
    at
}

/// Finds the end of the value that begins at `at`.
fn skip_value(text: &str, at: usize) -> Option<usize> {
    let mut scanner = Scanner::new(text, at);
    // A bit for each open bracket, 1 for that of an object, below a bit that is always set.
    let mut open = 1_u64;
    loop {
        match scanner.peek()? {
            b'"' => drop(scanner.string()?),
            bracket @ (b'{' | b'[') => {
                if open.leading_zeros() == 0 {
                    return None;
                }
                // In ASCII a closing bracket is two behind its opening one.
                if scanner.open(bracket + 2)? {
                    open = open << 1 | u64::from(bracket == b'{');
                    if bracket == b'{' {
                        scanner.name()?;
                    }
                    continue;
                }
            }
            b't' => scanner.word("true")?,
            b'f' => scanner.word("false")?,
            b'n' => scanner.word("null")?,
            _ => drop(scanner.number()?),
        }
        loop {
            if open == 1 {
                return Some(scanner.at);
            }
            let is_object = open & 1 != 0;
            if scanner.next(if is_object { b'}' } else { b']' })? {
                if is_object {
                    scanner.name()?;
                }
                break;
            }
            open >>= 1;
        }
    }
}

/// Reads the string that begins at `at`; `None` if there is none, or if it has a backslash or a control character.
#[inline(never)]
fn read_string(text: &str, at: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let [b'"', rest @ ..] = bytes.get(at..)? else { return None };
    let (mut rest, mut end) = (rest, at + 1);
    while let [a, b, c, d, e, f, g, h, behind @ ..] = rest {
        let word = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        let is_backslash = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
        // With this bit turned, control characters are others of them, a quotation mark is a space, and no other byte is
        // as low.
        let is_end = (word ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
        // The highest bit of the first byte that is one of these, and perhaps of others behind it.
        let found = (is_end | is_backslash) & !word & (EACH * 0x80);
        if found != 0 {
            end += found.trailing_zeros() as usize / 8;
            break;
        }
        (rest, end) = (behind, end + 8);
    }
    loop {
        match bytes.get(end)? {
            // Two splits are inlined where the compiler looks at size, too; a range would be a call.
            b'"' => return Some(text.split_at_checked(at + 1)?.1.split_at_checked(end - at - 1)?.0),
            b'\\' | ..b' ' => return None,
            _ => end += 1,
        }
    }
}

/// Reads the number that begins at `at`. Returns it with the place behind it.
///
/// Like serde_json it takes all digits for an integer and divides that by a power of ten.
#[inline(always)]
fn read_number(bytes: &[u8], at: usize) -> Option<(f64, usize)> {
    const POW10: [f64; 18] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17];
    let is_negative = *bytes.get(at)? == b'-';
    let start = at + usize::from(is_negative);
    let (whole, mut end) = match eight_digits(bytes, start) {
        Some(digits) => read_digits(bytes, start + 8, digits),
        None => read_digits(bytes, start, 0),
    };
    let has_leading_zero = end > start + 1 && bytes[start] == b'0';
    if end == start || has_leading_zero {
        return None;
    }
    let mut value = whole as f64;
    if bytes.get(end) == Some(&b'.') {
        let point = end + 1;
        let (digits, behind) = read_digits(bytes, point, whole);
        end = behind;
        value = digits as f64 / POW10.get(end - point).filter(|_| end > point)?;
    }
    (end - start <= POW10.len()).then_some((if is_negative { -value } else { value }, end))
}

/// Reads eight digits at once; `None` if one of the bytes is none. Sizes in bytes are long numbers.
fn eight_digits(bytes: &[u8], at: usize) -> Option<i64> {
    let digits = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?) ^ (EACH * u64::from(b'0'));
    if (digits | digits.wrapping_add(EACH * 0x76)) & (EACH * 0x80) != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours * 10_000 + (fours >> 32)) & 0xffff_ffff) as i64)
}

/// Reads digits, which follow those of `before`. Returns them with the place behind them. Many of them wrap around.
#[inline(always)]
fn read_digits(bytes: &[u8], mut at: usize, before: i64) -> (i64, usize) {
    let mut digits = before;
    while let Some(digit @ 0..10) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')) {
        digits = digits.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    (digits, at)
}

/// Compares two names of the same length, by words that may overlap: musl's memcmp, which compares single bytes, took a
/// tenth of the instructions per message.
#[inline(always)]
pub fn is_equal(name: &str, key: &[u8]) -> bool {
    let name = name.as_bytes();
    match name.len() {
        8.. => {
            name.first_chunk::<8>() == key.first_chunk()
                && last_word(name) == last_word(key)
                && (name.len() <= 16 || name == key)
        }
        4.. => name.first_chunk::<4>() == key.first_chunk() && last_half(name) == last_half(key),
        _ => name.iter().eq(key),
    }
}

/// Returns the last eight bytes. The compiler makes one instruction of them; a reference to an array is tested for null
/// too.
#[inline(always)]
fn last_word(bytes: &[u8]) -> Option<u64> {
    let [.., a, b, c, d, e, f, g, h] = bytes else { return None };
    Some(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
}

/// Returns the last four bytes.
#[inline(always)]
fn last_half(bytes: &[u8]) -> Option<u32> {
    let [.., a, b, c, d] = bytes else { return None };
    Some(u32::from_le_bytes([*a, *b, *c, *d]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::json::number;

    fn scanned(text: &str) -> Option<f64> {
        let mut scanner = Scanner::new(text, 0);
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
            "12345678",
            "-12345678",
            "12345678.5",
            "1234567.12345678",
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
        for text in [
            "",
            "-",
            "01",
            "-00",
            "1.",
            ".5",
            "1.5.5",
            "+1",
            "1e5",
            "1E5",
            "0x1",
            "--1",
            "1 2",
            "NaN",
            "00000000",
            "1234567/",
            "1234567:",
            "1234567é",
        ] {
            assert_eq!(scanned(text), None, "{text}");
        }
    }

    #[test]
    fn a_string_is_read_to_its_end_whatever_stands_in_it_and_wherever() {
        for byte in '\0'..='\u{ff}' {
            for place in 0..20 {
                let string = format!("{}{byte}{}", "x".repeat(place), "y".repeat(20 - place));
                let expected = match byte {
                    '"' => Some(&string[..place]),
                    '\\' | ..' ' => None,
                    _ => Some(&*string),
                };
                assert_eq!(Scanner::new(&format!("[\"{string}\"]"), 1).string(), expected, "{string}");
            }
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
            assert_eq!(Scanner::new(text, 0).value(), Some(text));
            let mut scanner = Scanner::new(text, 0);
            assert_eq!((scanner.skip(), scanner.end()), (Some(()), Some(())), "{text}");
        }
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Scanner::new(&nested(60), 0).skip().is_some() && Scanner::new(&nested(70), 0).skip().is_none());
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
            let mut scanner = Scanner::new(text, 0);
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
