//! The texts of `--help` and `-h`, written from the table of options.

use crate::cli::args::{OPTIONS, OptionRow};

/// The options that `-h` lists.
const MOST_USED: [&str; 20] = [
    "--uri",
    "--servers",
    "--dialect",
    "--token-file",
    "--ca-file",
    "--demo",
    "--format",
    "--every",
    "--only",
    "--duration",
    "--count",
    "--warning",
    "--critical",
    "--check",
    "--read",
    "--save-data",
    "--listen",
    "--verbose",
    "--quiet",
    "--help",
];

const HELP_HEAD: &str = "\
Usage: wsmon [OPTIONS] [URI ...]

Watches servers that send JSON over WebSocket and prints what they say.
";

const EXAMPLES: &str = "
Examples:
  wsmon 10.0.0.2                                 one server
  wsmon -f table web=10.0.0.2 db=10.0.0.3:9000   several at a glance
  wsmon --check -w cpu=80 -c cpu=95 10.0.0.2     a check for Nagios or Icinga

All options: wsmon --help; the manual: man wsmon
";

const HELP_NOTES: &str = "
Notes:
  D is a number of seconds (60, 0.5) or has units (500ms, 5m, 1h30m).
  BYTES may end in K, M or G (1024).
  $WSMON_OPTIONS holds options that come before those of the command line.
  Exit status: 0 received something, 1 did not, 2 usage, 3 a local file failed.
  More in the manual: man wsmon
";

/// Columns of the help.
const WIDTH: usize = 80;
/// The column at which descriptions begin.
const INDENT: usize = 20;

/// The text of `--help`, or of `-h`: the most used options and examples.
pub fn help(most_used: bool) -> String {
    let mut help = HELP_HEAD.to_owned();
    let mut group = "";
    for row in OPTIONS.iter().filter(|row| !most_used || MOST_USED.contains(&row.long)) {
        if group != row.group {
            group = row.group;
            help += "\n";
            help.push_str(group);
            help.push_str(":\n");
        }
        describe(row, &mut help);
    }
    help.push_str(if most_used { EXAMPLES } else { HELP_NOTES });
    help
}

/// Appends the lines of one option.
fn describe(row: &OptionRow, help: &mut String) {
    let mut line = names(row);
    if let Some(value) = row.value {
        let (before, after) = if row.value_is_optional { ("[=", "]") } else { (" ", "") };
        for piece in [before, value, after] {
            line.push_str(piece);
        }
    }
    if row.value.is_some() || line.len() + 2 > INDENT {
        help.push_str(&line);
        help.push('\n');
        line.clear();
    }
    for word in about(row).split_whitespace() {
        if line.len() > INDENT && line.len() + 1 + word.len() > WIDTH {
            help.push_str(&line);
            help.push('\n');
            line.clear();
        }
        while line.len() < INDENT {
            line.push(' ');
        }
        if line.len() > INDENT {
            line.push(' ');
        }
        line.push_str(word);
    }
    help.push_str(&line);
    help.push('\n');
}

/// The names of an option as the help begins its line: `  -f, --format`.
fn names(row: &OptionRow) -> String {
    let mut names = String::from("  ");
    for short in row.shorts {
        names.extend(['-', *short, ',', ' ']);
    }
    names + row.long
}

/// The description of an option with the names that it refers to.
fn about(row: &OptionRow) -> String {
    let about = row.about.replace("{formats}", &formats()).replace("{dialects}", &dialects());
    about.replace("{kinds}", &join(&mut wsmon::Event::KINDS.iter().copied()))
}

/// The names of the formats, separated by commas.
pub fn formats() -> String {
    join(&mut wsmon::FORMATS.iter().map(|format| format.name))
}

/// The names of the dialects, separated by commas.
pub fn dialects() -> String {
    join(&mut wsmon::Dialect::ALL.iter().map(|dialect| dialect.name()))
}

fn join(names: &mut dyn Iterator<Item = &'static str>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_option_with_its_value_in_80_columns() {
        let help = help(false);
        for row in OPTIONS {
            let names = names(row);
            let listed = help.lines().any(|line| match row.value {
                Some(value) if row.value_is_optional => line == format!("{names}[={value}]"),
                Some(value) => line == format!("{names} {value}"),
                None => line.starts_with(&names),
            });
            assert!(listed, "{names}\n{help}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn the_short_help_has_the_most_used_options_and_three_examples() {
        let short = help(true);
        let listed = |help: &str| help.lines().filter(|line| line.starts_with("  -")).count();
        assert_eq!((listed(&short), listed(&help(false))), (MOST_USED.len(), OPTIONS.len()));
        assert_eq!(short.lines().filter(|line| line.starts_with("  wsmon ")).count(), 3);
        assert!(short.lines().all(|line| line.chars().count() <= 80), "{short}");
    }

    #[test]
    fn help_names_every_format_dialect_and_kind_of_event() {
        let help = help(false);
        let words: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let names = wsmon::FORMATS.iter().map(|format| format.name);
        let names = names
            .chain(wsmon::Dialect::ALL.iter().map(|dialect| dialect.name()))
            .chain(wsmon::Event::KINDS.iter().copied());
        for name in names {
            assert!(words.contains(&name), "{name}");
        }
        assert!(!["{formats}", "{dialects}", "{kinds}"].iter().any(|name| help.contains(name)), "{help}");
    }
}
