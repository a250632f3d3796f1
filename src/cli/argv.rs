//! Normalises the command line to the one form that argh reads.
//!
//! argh knows `--opt value` and `-f value` only. This module splits `--opt=value`, `-fx` and `-sv`, ends at `--`, keeps
//! the last of a repeated option, and reports what it cannot read in the program's own words.

use std::ffi::OsString;

use wsmon::internal::closest;

use super::args::{OPTIONS, OptionRow, find};

/// The use that a command line makes of the program.
#[derive(Debug, PartialEq)]
pub enum Invocation {
    /// A run, with these words for argh: long names, each value in a word of its own.
    Run(Vec<String>),
    Help {
        most_used: bool,
    },
    Version,
}

/// Pairs that exclude each other: the last one given counts.
const EXCLUSIVE: [[&str; 2]; 4] =
    [["--color", "--no-color"], ["--ascii", "--unicode"], ["--verbose", "--quiet"], ["--ipv4", "--ipv6"]];

/// The option that stands before a word which is no option.
const SERVER: &str = "--uri";

const HELP: &str = "--help";

/// Reads the words after the program's name, and puts them behind the options in `given`.
pub fn read(mut given: GivenOptions, words: Words) -> Result<Invocation, String> {
    given.add_words(words)?;
    Ok(match () {
        () if given.has(HELP) => Invocation::Help { most_used: given.values(HELP).any(|letter| letter == "h") },
        () if given.has("--version") => Invocation::Version,
        () => Invocation::Run(given.into_words()),
    })
}

type Words<'a> = &'a mut dyn Iterator<Item = OsString>;

/// Long names of options with their values, in the order given.
#[derive(Default)]
pub struct GivenOptions(Vec<(&'static str, Option<String>)>);

impl GivenOptions {
    /// Adds the options and servers in `words`. Reading ends at `--help` or `--version`: a mistake behind them is not an
    /// error.
    pub fn add_words(&mut self, words: Words) -> Result<(), String> {
        while let Some(word) = next_word(words)? {
            if word == "--" {
                while let Some(server) = next_word(words)? {
                    self.0.push((SERVER, Some(server)));
                }
                break;
            }
            self.add_word(&word, words)?;
            if self.has(HELP) || self.has("--version") {
                break;
            }
        }
        Ok(())
    }

    /// Returns the values of an option in the order given; an option that has none gives an empty one.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| *given == long).map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// Adds the option or options in `word`, or the server. A value that is not in it is taken from `words`.
    fn add_word(&mut self, word: &str, words: Words) -> Result<(), String> {
        match word.strip_prefix('-') {
            None => {
                self.0.push((SERVER, Some(word.to_owned())));
                Ok(())
            }
            Some("") => Err("unexpected argument '-': --read - reads standard input".to_owned()),
            Some(letters) if !letters.starts_with('-') => self.add_short(letters, words),
            Some(_) => self.add_long(word, words),
        }
    }

    /// Reads `--opt`, `--opt value` or `--opt=value`.
    fn add_long(&mut self, word: &str, words: Words) -> Result<(), String> {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let Some(row) = find(&|row| row.long == name) else { return Err(unknown(name)) };
        let value = match (row.value, joined) {
            (Some(_), None) if row.value_is_optional => Some(String::new()),
            (Some(_), None) => Some(next_value(row, words)?),
            (None, Some(_)) => return Err(format!("{name} takes no value")),
            (_, joined) => joined,
        };
        self.add(row, value);
        Ok(())
    }

    /// Reads `-s`, `-sv`, `-f x`, `-fx`, `-f=x` or `-svfx`, without the dash.
    fn add_short(&mut self, letters: &str, words: Words) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            let Some(row) = find(&|row| row.shorts.contains(&letter)) else {
                return Err(format!("unknown option -{letter}"));
            };
            let rest = &letters[at + letter.len_utf8()..];
            if row.value.is_none() {
                if rest.starts_with('=') {
                    return Err(format!("-{letter} takes no value"));
                }
                // `-h` prints less than `--help`: its letter is kept as a value.
                self.add(row, (row.long == HELP).then(|| letter.to_string()));
                continue;
            }
            let value = match rest {
                "" => next_value(row, words)?,
                rest => rest.strip_prefix('=').unwrap_or(rest).to_owned(),
            };
            self.add(row, Some(value));
            break;
        }
        Ok(())
    }

    fn add(&mut self, row: &OptionRow, value: Option<String>) {
        if !row.repeatable {
            self.0.retain(|(earlier, _)| !replaces(row.long, earlier));
        }
        self.0.push((row.long, value));
    }

    pub fn has(&self, long: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == long)
    }

    /// Returns the words for argh.
    pub fn into_words(self) -> Vec<String> {
        let mut words = Vec::new();
        for (long, value) in self.0 {
            words.push(long.to_owned());
            if let Some(value) = value {
                words.push(value);
            }
        }
        words
    }
}

fn replaces(later: &str, earlier: &str) -> bool {
    // A switch may count how often it is given.
    later == earlier && find(&|row| row.long == later).is_some_and(|row| row.value.is_some())
        || later != earlier && EXCLUSIVE.iter().any(|pair| pair.contains(&later) && pair.contains(&earlier))
}

fn next_word(words: Words) -> Result<Option<String>, String> {
    match words.next().map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(word)) => Ok(Some(word)),
        Some(Err(raw)) => Err(format!("not UTF-8: {}", quote(&raw.to_string_lossy()))),
    }
}

/// Takes the next word as the value, even if it begins with `-`.
fn next_value(row: &OptionRow, words: Words) -> Result<String, String> {
    let missing = || format!("{} needs a value: {0} {}", row.long, row.value.unwrap_or_default());
    next_word(words)?.ok_or_else(missing)
}

/// Quotes a word, unless it may be a URI with a password or token: error texts end up in logs.
fn quote(word: &str) -> String {
    match word.contains(['@', '?', ' ', '\t', '\n']) {
        true => "(not shown, it may hold a secret)".to_owned(),
        false => format!("'{word}'"),
    }
}

/// Names the option. What follows a blank in the same word may be its value, and a secret.
fn unknown(name: &str) -> String {
    let name = name.split_whitespace().next().unwrap_or_default();
    let names: Vec<_> = OPTIONS.iter().map(|row| &row.long[2..]).collect();
    match closest(name.trim_start_matches('-'), &names) {
        Some(known) if name.get(2..) == Some(known) => {
            format!("{name} and its value are two words, not one with a blank")
        }
        Some(known) => format!("unknown option {name}, did you mean --{known}?"),
        None => format!("unknown option {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn words(line: &str) -> Vec<String> {
        match invocation(line) {
            Ok(Invocation::Run(words)) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn invocation(line: &str) -> Result<Invocation, String> {
        read(GivenOptions::default(), &mut line.split_whitespace().map(OsString::from))
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
    fn a_value_that_may_be_left_out_is_never_the_next_word() {
        assert_eq!(words("--demo -s"), ["--demo", "", "--stats"]);
        assert_eq!(words("--demo=fleet -s"), ["--demo", "fleet", "--stats"]);
        assert_eq!(words("--demo fleet"), ["--demo", "", "--uri", "fleet"]);
        assert_eq!(words("--demo=fleet --demo"), ["--demo", ""]);
    }

    #[test]
    fn the_last_of_a_single_valued_option_wins() {
        assert_eq!(words("--every 1 -s --every=2"), ["--stats", "--every", "2"]);
        assert_eq!(words("-f json -fsimple"), ["--format", "simple"]);
        assert_eq!(words("-u a -u b"), ["--uri", "a", "--uri", "b"]);
        assert_eq!(words("-vv"), ["--verbose", "--verbose"]);
    }

    #[test]
    fn of_two_that_contradict_the_last_wins() {
        assert_eq!(words("--color always --no-color"), ["--no-color"]);
        assert_eq!(words("--no-color --color always"), ["--color", "always"]);
        assert_eq!(words("-v -q"), ["--quiet"]);
        assert_eq!(words("--unicode --ascii"), ["--ascii"]);
    }

    #[test]
    fn nothing_is_read_after_help_or_version() {
        for (line, most_used) in [("-h", true), ("-sh", true), ("--help", false), ("--stats --help --nonsense", false)]
        {
            assert_eq!(invocation(line), Ok(Invocation::Help { most_used }), "{line}");
        }
        for line in ["-V", "--version", "-s -V stray"] {
            assert_eq!(invocation(line), Ok(Invocation::Version), "{line}");
        }
        assert_eq!(words("--save-data --help"), ["--save-data", "--help"]);
    }

    #[test]
    fn options_that_stand_before_others_give_way_to_them_and_take_no_word_of_theirs() {
        let merged = |before: &str, line: &str| {
            let mut given = GivenOptions::default();
            given.add_words(&mut before.split_whitespace().map(OsString::from))?;
            read(given, &mut line.split_whitespace().map(OsString::from))
        };
        let run = |line: &str| Ok(Invocation::Run(words(line)));
        assert_eq!(merged("a -f json --every 5 -4", "b --every 6 -6"), run("a -f json b --every 6 -6"));
        assert_eq!(merged("-s -- a", "-n 5"), run("-s -u a -n 5"));
        assert_eq!(merged("--every", "5"), Err("--every needs a value: --every D".to_owned()));
        assert_eq!(merged("-s", "-h"), Ok(Invocation::Help { most_used: true }));
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
            ("--zebra\u{a0}hunter2", "unknown option --zebra"),
        ] {
            assert_eq!(invocation(line), Err(text.to_owned()), "{line}");
        }
        let one_word = read(GivenOptions::default(), &mut ["--format json".into()].into_iter());
        assert_eq!(one_word, Err("--format and its value are two words, not one with a blank".to_owned()));
    }

    #[test]
    fn a_missing_and_a_superfluous_value_are_named() {
        assert_eq!(invocation("-s --every"), Err("--every needs a value: --every D".to_owned()));
        assert_eq!(invocation("-sf"), Err("--format needs a value: --format NAME".to_owned()));
        assert_eq!(invocation("--stats=yes"), Err("--stats takes no value".to_owned()));
        assert_eq!(invocation("-vs=5"), Err("-s takes no value".to_owned()));
    }

    #[test]
    fn a_word_that_is_no_option_is_a_server() {
        let expected = words("-u a -s -u b=h:1 -f json");
        for line in ["a -s b=h:1 -f json", "a --stats -u b=h:1 -fjson", "-u a -s b=h:1 -f=json"] {
            assert_eq!(words(line), expected, "{line}");
        }
        assert_eq!(words("-s -- -x --help -"), ["--stats", "--uri", "-x", "--uri", "--help", "--uri", "-"]);
        assert_eq!(words("-s --"), ["--stats"]);
        assert!(invocation("h -").unwrap_err().contains("--read - reads standard input"));
        let empty = read(GivenOptions::default(), &mut ["".into()].into_iter());
        assert_eq!(empty, Ok(Invocation::Run(vec!["--uri".into(), "".into()])));
    }

    #[test]
    fn a_letter_of_other_programs_is_the_same_option() {
        assert_eq!(words("-t 5 -H A:b -k"), words("-d 5 --header A:b --insecure"));
        assert_eq!(words("-d 5 -t 6"), ["--duration", "6"]);
        assert_eq!(words("-kst5"), words("-k -s -d 5"));
    }

    #[test]
    fn a_word_that_is_not_utf_8_is_shown_with_replacement_characters() {
        let raw = OsString::from_vec(b"caf\xe9".to_vec());
        for before in [vec![], vec![OsString::from("--save-data")]] {
            let mut argv = before.into_iter().chain([raw.clone()]);
            assert_eq!(read(GivenOptions::default(), &mut argv), Err("not UTF-8: 'caf\u{fffd}'".to_owned()));
        }
    }
}
