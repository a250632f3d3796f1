//! Compares the manual and the README with the program. The manual is wsmon(1) and the tables of wsmon-events(5).

use std::collections::BTreeSet;
use std::process::{Command, Output};

use wsmon::{Dialect, Event, FORMATS, METRICS, MetricRow, TEXTS, Unit};

const MANUAL: &str = concat!(include_str!("../../man/wsmon.1"), include_str!("../../man/wsmon-events.5"));
const RECIPES: &str = include_str!("../../man/wsmon-recipes.7");
const README: &str = include_str!("../../README.md");

const VARIABLES: [&str; 13] = [
    "WSMON_OPTIONS",
    "MONITORING_WEBSOCKET_URI",
    "MONITORING_FORMAT",
    "MONITORING_LOG_LEVEL",
    "MONITORING_LOG_FILE",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "CLICOLOR",
    "TERM",
    "LC_ALL",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "JOURNAL_STREAM",
];

fn wsmon(arguments: &[&str]) -> Output {
    let mut command = Command::new(crate::support::program::binary());
    command.args(arguments).env_clear().output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Returns the options of the help: `-f`, `--format` and so on.
fn options() -> BTreeSet<String> {
    let help = wsmon(&["--help"]);
    let lines = text(&help.stdout).lines().filter(|line| line.starts_with("  -"));
    let names = lines.flat_map(|line| line.split([' ', ',', '[']).filter(|word| !word.is_empty()));
    let options: BTreeSet<_> = names.filter(|word| word.starts_with('-')).map(str::to_owned).collect();
    assert!(options.len() > 30, "{options:?}");
    options
}

/// Returns the text after each macro of this name in the manual.
fn after<'a>(name: &'a str, source: &'a str) -> impl Iterator<Item = &'a str> {
    source.lines().filter(|line| line.starts_with('.')).flat_map(move |line| {
        let words: Vec<_> = line.trim_start_matches('.').split(' ').collect();
        let pairs: Vec<_> = words.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1]).collect();
        pairs
    })
}

/// Returns every word that looks like an option, in text, examples and tables.
fn spelled_out(source: &str) -> BTreeSet<String> {
    let words = source.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let long = |word: &&str| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic));
    words.filter(long).map(str::to_owned).collect()
}

fn section(name: &str) -> &'static str {
    let heading = format!(".Sh {name}\n");
    let (_, rest) = MANUAL.split_once(&heading).unwrap_or_else(|| panic!("no section {name}"));
    rest.split(".Sh ").next().unwrap_or(rest)
}

#[test]
fn the_manual_describes_every_option_and_no_other() {
    let items: String =
        section("OPTIONS").lines().filter(|line| line.starts_with(".It ")).collect::<Vec<_>>().join("\n");
    let described: BTreeSet<_> = after("Fl", &items).map(|name| format!("-{name}")).collect();
    assert_eq!(described, options());
}

/// Shells that complete from the manual take the first name of each item.
#[test]
fn every_long_option_has_an_item_of_its_own() {
    for item in section("OPTIONS").lines().filter(|line| line.starts_with(".It ")) {
        assert!(after("Fl", item).filter(|name| name.starts_with('-')).count() <= 1, "{item}");
    }
}

#[test]
fn manual_and_readme_mention_no_option_that_does_not_exist() {
    let mut known = options();
    for (source, not_ours) in [
        (MANUAL, ["--opt"].as_slice()),
        (
            README,
            ["--path", "--release", "--test", "--profile", "--target", "--features", "--no-default-features"]
                .as_slice(),
        ),
    ] {
        known.extend(not_ours.iter().map(|name| (*name).to_owned()));
        let unknown: Vec<_> = spelled_out(source).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    for name in after("Fl", MANUAL).filter(|name| *name != "46hkqsVv") {
        assert!(known.contains(&format!("-{name}")), "-{name}");
    }
    // The text of the recipes; their commands are run by another test.
    for name in after("Fl", RECIPES).filter(|name| !["-collector.textfile.directory", "-data-raw"].contains(name)) {
        assert!(known.contains(&format!("-{name}")), "-{name}");
    }
}

/// Of a default such as 5 or 1M; words stand among macros. That the help is right, the tests of the plan show.
#[test]
fn the_manual_names_the_numbers_that_the_help_names_as_defaults() {
    let help = wsmon(&["--help"]);
    let mut found = 0;
    for option in text(&help.stdout).split("\n  -").skip(1) {
        let words: Vec<_> = option.split_whitespace().collect();
        // The dash that the split took.
        let Some(name) = words.iter().find_map(|word| word.strip_prefix(if word == &words[0] { "-" } else { "--" }))
        else {
            continue;
        };
        let Some(at) = words.windows(2).position(|pair| pair[0] == "(default") else { continue };
        let number = words[at + 1].trim_end_matches([')', ',', ';', ':']);
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let is_item = |item: &&str| {
            let head = format!(".It {}", item.lines().next().unwrap_or_default());
            after("Fl", &head).any(|option| option.strip_prefix('-') == Some(name))
        };
        let item = section("OPTIONS").split("\n.It ").find(is_item).unwrap_or_else(|| panic!("no item --{name}"));
        let said = |end: &str| item.contains(&format!("\nThe default is {number}{end}"));
        assert!([" seconds", ";", ":", ",", "."].into_iter().any(said), "--{name}: {number}: {item}");
        found += 1;
    }
    assert!(found >= 14, "only {found}");
}

/// Splits text at its headings, and returns the options below each of them.
fn by_group(lines: &mut dyn Iterator<Item = (Option<String>, Vec<String>)>) -> Vec<(String, BTreeSet<String>)> {
    let mut groups: Vec<(String, BTreeSet<String>)> = Vec::new();
    for (heading, options) in lines {
        groups.extend(heading.map(|heading| (heading, BTreeSet::new())));
        if let Some((_, of_group)) = groups.last_mut() {
            of_group.extend(options);
        }
    }
    groups.retain(|(_, options)| !options.is_empty());
    groups
}

#[test]
fn the_help_has_the_groups_of_the_manual() {
    let help = wsmon(&["--help"]);
    let of_help = by_group(&mut text(&help.stdout).lines().map(|line| {
        let heading = line.strip_suffix(':').filter(|name| !name.contains(' ')).map(str::to_owned);
        // A description may name other options: the names stand first, separated by commas.
        let names = line.strip_prefix("  ").filter(|line| line.starts_with('-')).unwrap_or_default();
        let names =
            names.split(", ").map_while(|names| names.split([' ', '[']).next().filter(|name| name.starts_with('-')));
        (heading, names.map(str::to_owned).collect())
    }));
    let of_manual = by_group(&mut section("OPTIONS").lines().map(|line| {
        let options =
            line.strip_prefix(".It ").map_or(vec![], |_| after("Fl", line).map(|name| format!("-{name}")).collect());
        (line.strip_prefix(".Ss ").map(str::to_owned), options)
    }));
    assert_eq!(of_help, of_manual);
}

#[test]
fn the_synopsis_joins_the_switches_that_have_a_letter() {
    let help = wsmon(&["--help"]);
    let lines = text(&help.stdout).lines().filter_map(|line| line.strip_prefix("  -"));
    // A switch has its description on the same line, or its long name ends the line.
    let long = |line: &str| line.split_once("--").map_or(0, |(_, rest)| rest.split_whitespace().count());
    let switches = lines.filter(|line| line.as_bytes()[1] == b',' && long(line) != 2);
    let letters: BTreeSet<char> = switches.map(|line| line.chars().next().expect("a letter")).collect();
    let joined = after("Fl", section("SYNOPSIS")).next().expect("an option");
    assert_eq!(joined.chars().collect::<BTreeSet<_>>(), letters);
}

/// Returns the names in the items of a section of the manual.
fn items(name: &str) -> BTreeSet<&'static str> {
    let items = section(name).lines().filter_map(|line| line.strip_prefix(".It Cm "));
    items.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn the_manual_describes_every_format_and_every_dialect_and_no_other() {
    assert_eq!(items("FORMATS"), FORMATS.iter().map(|format| format.name).collect());
    assert_eq!(items("DIALECTS"), Dialect::ALL.iter().map(|dialect| dialect.name()).collect());
}

#[test]
fn help_errors_and_readme_name_every_format_and_every_dialect() {
    let help = wsmon(&["--help"]);
    for (option, names) in [
        ("--format", FORMATS.iter().map(|format| format.name).collect::<Vec<_>>()),
        ("--dialect", Dialect::ALL.iter().map(|dialect| dialect.name()).collect()),
    ] {
        let refusal = wsmon(&[option, "xml"]);
        assert_eq!(refusal.status.code(), Some(2));
        for name in names {
            for source in [text(&help.stdout), text(&refusal.stderr)] {
                assert!(
                    source.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name),
                    "{name}: {source}"
                );
            }
            assert!(README.contains(&format!("`{name}`")), "{name}");
        }
    }
}

/// Returns the rows of the table below this heading, cell by cell. A row without a member belongs to the one above.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = section("EVENTS").split_once(&format!(".Ss {heading}\n")).expect(heading);
    let rows = rest.split(".El").next().unwrap_or(rest).lines().filter_map(|line| line.strip_prefix(".It "));
    rows.skip(1).map(|row| row.split("Ta").map(str::trim).collect()).collect()
}

/// The families of `--textfile`, but for those of the metrics of samples, are those that the manual lists.
#[cfg(feature = "demo")]
#[test]
fn the_manual_lists_every_family_for_prometheus() {
    let dir = crate::support::temp_dir::TempDir::new();
    let file = dir.path("a.prom");
    wsmon(&["--demo=fleet", "-q", "-d", "1", "--textfile", &file]);
    let text = std::fs::read_to_string(file).expect("a file");
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let is_metric = |family: &str| {
        METRICS.iter().any(|row| family.strip_prefix("wsmon_").is_some_and(|name| name.starts_with(row.name)))
    };
    let written: BTreeSet<_> = families.filter(|family| !is_metric(family)).collect();
    let listed: BTreeSet<_> =
        section("METRICS").lines().filter_map(|line| line.strip_prefix(".It Li wsmon_")).collect();
    assert_eq!(
        listed.iter().map(|name| format!("wsmon_{name}")).collect::<BTreeSet<_>>(),
        written.iter().map(|name| (*name).to_owned()).collect()
    );
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "%",
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "bytes/s",
        Unit::Megahertz => "MHz",
        Unit::Celsius => "Celsius",
        Unit::Watt => "W",
        Unit::Seconds => "s",
        _ => "",
    }
}

#[test]
fn the_manual_lists_every_member_of_a_sample_in_its_unit() {
    let of_load = |row: &&MetricRow| row.unit == Unit::Load;
    let mut members: Vec<_> =
        METRICS.iter().filter(|row| !of_load(row)).map(|row| (row.name, unit(row.unit))).collect();
    members.extend(TEXTS.iter().map(|row| (row.name, "")));
    members.extend([("load", ""), ("at", ""), ("per_core", "%")]);
    let table = table("Samples");
    let mut listed: Vec<_> = table.iter().filter_map(|row| Some((row[0].strip_prefix("Li ")?, row[1]))).collect();
    members.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, members);
}

#[test]
fn the_manual_names_the_servers_that_send_each_member() {
    for row in table("Samples").iter().chain(&table("Other kinds")) {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(Dialect::ALL.iter().any(|dialect| dialect.name() == row[2]) && row[3].starts_with("Li "), "{row:?}");
    }
}

#[test]
fn the_manual_names_every_kind_of_event() {
    for kind in Event::KINDS {
        assert!(after("Cm", section("EVENTS")).any(|name| name == kind), "{kind}");
        assert!(after("Cm", section("OPTIONS")).any(|name| name == kind), "{kind}");
    }
}

#[test]
fn the_manual_names_every_variable() {
    let named: BTreeSet<_> = after("Ev", section("ENVIRONMENT")).collect();
    for variable in VARIABLES {
        assert!(named.contains(variable), "{variable}");
    }
}

#[test]
fn manual_and_readme_list_the_same_exit_statuses() {
    for status in ["0", "1", "2", "3", "128 + n"] {
        assert!(section("EXIT STATUS").contains(&format!("\n.It {status}\n")), "{status}");
        assert!(README.contains(&format!("\n| {status} |")), "{status}");
    }
}

#[test]
fn a_usage_error_goes_to_stderr_with_status_2_and_help_to_stdout_with_0() {
    let mistake = wsmon(&["--nonsense"]);
    assert_eq!(mistake.status.code(), Some(2));
    assert_eq!(text(&mistake.stdout), "");
    assert_eq!(text(&mistake.stderr), "wsmon: unknown option --nonsense\ntry wsmon --help\n");
    for ask in ["--help", "-h", "--version", "-V"] {
        let answer = wsmon(&[ask]);
        assert_eq!(answer.status.code(), Some(0), "{ask}");
        assert!(text(&answer.stdout).contains("wsmon"), "{ask}");
        assert_eq!(text(&answer.stderr), "", "{ask}");
    }
}
