//! What people are used to on a command line, brought to the one form argh reads.
//!
//! argh knows `--opt value` only. Here `--opt=value`, `-fx`, `-sv` and `--` are taken apart, the
//! last of a repeated option wins, and what cannot be understood is said in this program's words.

use std::ffi::OsString;

use super::args::{OptionRow, find, rows};

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Invocation {
    /// To run, with these words for argh: long names, each value in a word of its own.
    Run(Vec<String>),
    Help,
    Version,
}

/// Of these the last one given counts.
const RIVALS: [[&str; 2]; 4] =
    [["--color", "--no-color"], ["--ascii", "--unicode"], ["--verbose", "--quiet"], ["--ipv4", "--ipv6"]];

/// Reads the words after the program's name. `--help` and `--version` end the reading.
pub fn read(words: Words) -> Result<Invocation, String> {
    let mut given = Given(Vec::new());
    while let Some(word) = next_word(words)? {
        if word == "--" {
            match next_word(words)? {
                Some(word) => return Err(stray(&word)),
                None => break,
            }
        }
        given.take(&word, words)?;
        if given.has("--help") {
            return Ok(Invocation::Help);
        }
        if given.has("--version") {
            return Ok(Invocation::Version);
        }
    }
    Ok(Invocation::Run(given.into_words()))
}

type Words<'a> = &'a mut dyn Iterator<Item = OsString>;

/// Long names, and the values of those that have one.
struct Given(Vec<(&'static str, Option<String>)>);

impl Given {
    fn take(&mut self, word: &str, words: Words) -> Result<(), String> {
        match word.strip_prefix('-') {
            None | Some("") => Err(stray(word)),
            Some(letters) if !letters.starts_with('-') => self.take_letters(letters, words),
            Some(_) => self.take_name(word, words),
        }
    }

    /// `--opt`, `--opt value` or `--opt=value`.
    fn take_name(&mut self, word: &str, words: Words) -> Result<(), String> {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let Some(row) = find(&|row| row.long == name) else { return Err(unknown(name)) };
        let value = match (row.value, joined) {
            (Some(_), None) => Some(next_value(&row, words)?),
            (None, Some(_)) => return Err(format!("{name} takes no value")),
            (_, joined) => joined,
        };
        self.add(row, value);
        Ok(())
    }

    /// `-s`, `-sv`, `-f x`, `-fx`, `-f=x`, `-svfx`.
    fn take_letters(&mut self, letters: &str, words: Words) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            let Some(row) = find(&|row| row.short == Some(letter)) else {
                return Err(format!("unknown option -{letter}"));
            };
            if row.value.is_none() {
                self.add(row, None);
                continue;
            }
            let value = match &letters[at + letter.len_utf8()..] {
                "" => next_value(&row, words)?,
                rest => rest.strip_prefix('=').unwrap_or(rest).to_owned(),
            };
            self.add(row, Some(value));
            break;
        }
        Ok(())
    }

    fn add(&mut self, row: OptionRow, value: Option<String>) {
        if !row.repeatable {
            self.0.retain(|(earlier, _)| !replaces(row.long, earlier));
        }
        self.0.push((row.long, value));
    }

    fn has(&self, long: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == long)
    }

    fn into_words(self) -> Vec<String> {
        let mut words = Vec::new();
        for (long, value) in self.0 {
            words.push(long.to_owned());
            words.extend(value);
        }
        words
    }
}

fn replaces(later: &str, earlier: &str) -> bool {
    later == earlier || RIVALS.iter().any(|pair| pair.contains(&later) && pair.contains(&earlier))
}

fn next_word(words: Words) -> Result<Option<String>, String> {
    match words.next().map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(word)) => Ok(Some(word)),
        Some(Err(raw)) => Err(format!("not UTF-8: {}", guarded(&raw.to_string_lossy()))),
    }
}

/// Whatever follows is the value, a leading `-` included.
fn next_value(row: &OptionRow, words: Words) -> Result<String, String> {
    let missing = || format!("{} needs a value: {0} {}", row.long, row.value.unwrap_or_default());
    next_word(words)?.ok_or_else(missing)
}

fn stray(word: &str) -> String {
    format!("unexpected argument {}: a server is named with --uri URI", guarded(word))
}

/// A URI may hold a password or a token, and error texts end up in logs.
fn guarded(word: &str) -> String {
    match word.contains(['@', '?']) {
        true => "(not shown, it may hold a secret)".to_owned(),
        false => format!("'{word}'"),
    }
}

fn unknown(name: &str) -> String {
    match closest(name) {
        Some(known) => format!("unknown option {name}, did you mean {known}?"),
        None => format!("unknown option {name}"),
    }
}

/// The option that begins so, else the one that is few slips away.
fn closest(name: &str) -> Option<&'static str> {
    if name.len() > 4
        && let Some(row) = find(&|row| row.long.starts_with(name))
    {
        return Some(row.long);
    }
    let mut closest = (3, "");
    for row in rows() {
        // The distance is at least that of the lengths.
        if row.long.len().abs_diff(name.len()) < 3 {
            closest = closest.min((slips(name, row.long), row.long));
        }
    }
    (closest.0 < 3).then_some(closest.1)
}

/// Levenshtein distance in bytes, one row at a time.
fn slips(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..b.len() + 1).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let swapped = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = swapped.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn words(line: &str) -> Vec<String> {
        match asked(line) {
            Ok(Invocation::Run(words)) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn asked(line: &str) -> Result<Invocation, String> {
        read(&mut line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_spelling_comes_to_the_same_words() {
        let plain = words("--format json");
        for line in ["--format=json", "-f json", "-fjson", "-f=json"] {
            assert_eq!(words(line), plain, "{line}");
        }
        assert_eq!(words("-sv"), words("--stats --verbose"));
        assert_eq!(words("-svfjson"), words("-s -v -f json"));
        assert_eq!(words("-sn 3"), words("--stats --count=3"));
    }

    #[test]
    fn a_value_may_begin_with_a_dash_or_hold_an_equals_sign_or_be_empty() {
        assert_eq!(words("--every -1"), ["--every", "-1"]);
        assert_eq!(words("--save-data --stats"), ["--save-data", "--stats"]);
        assert_eq!(words("--uri=a=ws://h/?b=c"), ["--uri", "a=ws://h/?b=c"]);
        assert_eq!(words("--uri="), ["--uri", ""]);
    }

    #[test]
    fn the_last_of_a_single_valued_option_wins() {
        assert_eq!(words("--every 1 -s --every=2"), ["--stats", "--every", "2"]);
        assert_eq!(words("-f json -fsimple"), ["--format", "simple"]);
        assert_eq!(words("-u a -u b"), ["--uri", "a", "--uri", "b"]);
        assert_eq!(words("-vv"), ["--verbose"]);
    }

    #[test]
    fn of_two_that_contradict_the_last_wins() {
        assert_eq!(words("--color always --no-color"), ["--no-color"]);
        assert_eq!(words("--no-color --color always"), ["--color", "always"]);
        assert_eq!(words("-v -q"), ["--quiet"]);
        assert_eq!(words("--unicode --ascii"), ["--ascii"]);
    }

    #[test]
    fn help_and_version_end_the_reading() {
        for line in ["-h", "--help", "-sh", "--stats --help --nonsense"] {
            assert_eq!(asked(line), Ok(Invocation::Help), "{line}");
        }
        for line in ["-V", "--version", "-s -V stray"] {
            assert_eq!(asked(line), Ok(Invocation::Version), "{line}");
        }
        assert_eq!(words("--save-data --help"), ["--save-data", "--help"]);
    }

    #[test]
    fn an_unknown_option_is_named_with_the_likely_one() {
        for (line, text) in [
            ("--formt json", "unknown option --formt, did you mean --format?"),
            ("--save_data=x", "unknown option --save_data, did you mean --save-data?"),
            ("--reconnect 5", "unknown option --reconnect, did you mean --reconnect-interval?"),
            ("--zebra", "unknown option --zebra"),
            ("-x", "unknown option -x"),
            ("-sé", "unknown option -é"),
            ("---", "unknown option ---"),
        ] {
            assert_eq!(asked(line), Err(text.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_missing_and_a_superfluous_value_are_named() {
        assert_eq!(asked("-s --every"), Err("--every needs a value: --every D".to_owned()));
        assert_eq!(asked("-sf"), Err("--format needs a value: --format NAME".to_owned()));
        assert_eq!(asked("--stats=yes"), Err("--stats takes no value".to_owned()));
    }

    #[test]
    fn an_argument_without_option_leads_to_uri() {
        for line in ["host:1", "-- host:1", "-s host:1"] {
            let why = asked(line).unwrap_err();
            assert_eq!(why, "unexpected argument 'host:1': a server is named with --uri URI");
        }
        assert!(asked("-").is_err());
        assert_eq!(words("-s --"), ["--stats"]);
    }

    #[test]
    fn a_secret_in_a_stray_uri_is_not_shown() {
        for line in ["ws://user:hunter2@host/", "ws://host/?token=hunter2"] {
            assert!(!asked(line).unwrap_err().contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_shown_as_well_as_can_be() {
        let raw = OsString::from_vec(b"caf\xe9".to_vec());
        for before in [vec![], vec![OsString::from("--save-data")]] {
            let mut argv = before.into_iter().chain([raw.clone()]);
            assert_eq!(read(&mut argv), Err("not UTF-8: 'caf\u{fffd}'".to_owned()));
        }
    }
}
