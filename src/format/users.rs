//! Users for people: the busiest on a line, or all in a table.

use std::fmt::Write;

use super::lines::{LineHead, Lines, MAX_SOURCE, push_blanks, push_cell};
use crate::format::style::Style;
use crate::model::event::{User, Users};
use crate::model::number;

/// A column of the table: its head, and the text of a user's cell, escaped; empty if unknown.
type Column = (&'static str, fn(&User<'_>, Style) -> String);

static COLUMNS: [Column; 7] = [
    ("NAME", |user, style| style.escaped(&user.name)),
    ("CPU", |user, _| percent(user.cpu)),
    ("MEMORY", |user, _| percent(user.memory)),
    ("PROCESSES", |user, _| user.processes.map(|count| count.to_string()).unwrap_or_default()),
    ("METRIC", |user, style| style.escaped(&user.metric)),
    ("SINCE", |user, style| style.escaped(user.since.as_deref().unwrap_or_default())),
    ("FOR", |user, _| lasted(user)),
];

/// Upper bound on the width of a column. Longer cells do not widen the others.
const MAX_CELL_WIDTH: usize = 36;

/// Appends a table if the format shows all; else a line with the number of users and the busiest of them.
pub fn push(lines: &mut Lines<'_>, users: &Users<'_>, head: LineHead<'_>) {
    let style = lines.style;
    lines.line(|out| {
        head.push(out, style, head.tags.users);
        let count = users.list.len();
        let kind = if users.persistent { "persistent user" } else { "user" };
        // Writing to a String cannot fail.
        let _ = write!(out, "{count} {kind}{}", if count == 1 { "" } else { "s" });
        if !head.tags.full {
            push_busiest(out, users, style);
        }
    });
    if head.tags.full {
        push_table(lines, users);
    }
}

fn push_busiest(out: &mut String, users: &Users<'_>, style: Style) {
    /// Most users on a line.
    const BUSIEST: usize = 3;
    let share = |value: Option<f64>| value.unwrap_or(-1.0);
    let compare = |a: &User<'_>, b: &User<'_>| {
        share(a.cpu).total_cmp(&share(b.cpu)).then(share(a.memory).total_cmp(&share(b.memory)))
    };
    let mut busiest: Vec<&User<'_>> = Vec::new();
    for user in &users.list {
        busiest.insert(busiest.partition_point(|other| compare(other, user).is_ge()), user);
        busiest.truncate(BUSIEST);
    }
    let mut separator = if users.list.len() > BUSIEST { ", the busiest: " } else { ": " };
    for user in busiest {
        out.push_str(separator);
        style.push_truncated(out, &user.name, MAX_SOURCE);
        let processes = user.processes.map(|count| format!("{count} process{}", if count == 1 { "" } else { "es" }));
        let processes = processes.unwrap_or_default();
        for (lead, value) in [
            (" cpu ", percent(user.cpu)),
            (" memory ", percent(user.memory)),
            (" ", processes),
            (" for ", lasted(user)),
        ] {
            if !value.is_empty() {
                out.extend([lead, &value]);
            }
        }
        separator = "; ";
    }
}

/// Appends the table without the columns that are empty for all users; nothing if all are.
pub fn push_table(lines: &mut Lines<'_>, users: &Users<'_>) {
    let style = lines.style;
    let width = |(_, cell): &Column| users.list.iter().map(|user| cell(user, style).chars().count()).max();
    let mut columns = Vec::new();
    for column in &COLUMNS {
        let width = width(column).unwrap_or_default();
        if width > 0 {
            columns.push((column, width.max(column.0.len()).min(MAX_CELL_WIDTH)));
        }
    }
    if columns.is_empty() {
        return;
    }
    for user in std::iter::once(None).chain(users.list.iter().map(Some)) {
        lines.line(|out| {
            let start = out.len();
            for &((name, cell), width) in &columns {
                let text = user.map_or_else(|| (*name).to_owned(), |user| cell(user, style));
                let is_number = ["CPU", "MEMORY", "PROCESSES"].contains(name);
                push_blanks(out, 2);
                push_cell(out, &text, width, is_number);
            }
            out.truncate(start + out[start..].trim_end().len());
        });
    }
}

fn percent(value: Option<f64>) -> String {
    let mut out = String::new();
    if let Some(value) = value.filter(|value| value.is_finite()) {
        number::push_fixed(&mut out, value, 0, 1);
        out.push('%');
    }
    out
}

fn lasted(user: &User<'_>) -> String {
    let mut out = String::new();
    if let Some(lasted) = user.lasted {
        number::push_age(&mut out, lasted);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::tests::{ASCII, COLOR, LABELS, PLAIN, sample_with, written};
    use crate::model::event::{Event, Raw};

    fn user<'a>(name: &'a str, cpu: f64) -> User<'a> {
        User { name: name.into(), cpu: Some(cpu), memory: Some(1.26), processes: Some(110), ..User::default() }
    }

    fn users<'a>(list: Vec<User<'a>>) -> [Event<'a>; 1] {
        [Event::Users(Users { list, ..Users::default() })]
    }

    fn persistent() -> [Event<'static>; 1] {
        let root = User {
            name: "root".into(),
            cpu: Some(95.2),
            metric: "cpu".into(),
            since: Some("2026-01-02T03:00:00Z".into()),
            lasted: Some(Duration::from_secs(300)),
            ..User::default()
        };
        [Event::Users(Users { list: vec![root], persistent: true, at: None })]
    }

    #[test]
    fn the_busiest_users_stand_on_one_line() {
        let list = |names: &[(&'static str, f64)]| users(names.iter().map(|&(name, cpu)| user(name, cpu)).collect());
        let line = |events: &[Event<'_>]| written("simple", Raw::None, events, PLAIN);
        let www = "www cpu 5.3% memory 1.3% 110 processes";
        assert_eq!(line(&list(&[("www", 5.34)])), format!("[USERS] 2026-01-02T03:04:05Z 1 user: {www}\n"));
        let four = list(&[("a", 1.0), ("b", f64::NAN), ("www", 5.34), ("c", 2.0)]);
        let out = line(&four);
        assert!(out.starts_with("[USERS] 2026-01-02T03:04:05Z 4 users, the busiest: "), "{out}");
        assert!(out.contains(&format!("{www}; c cpu 2.0%")), "{out}");
        assert_eq!(written("compact", Raw::None, &four, PLAIN).replacen("2026-01-02T", "", 1).len(), out.len() - 11);
        assert_eq!(line(&users(vec![])), "[USERS] 2026-01-02T03:04:05Z 0 users\n");
        assert_eq!(line(&persistent()), "[USERS] 2026-01-02T03:04:05Z 1 persistent user: root cpu 95.2% for 5m 0s\n");
    }

    #[test]
    fn detailed_has_a_table_of_all_users_without_empty_columns() {
        let events = users(vec![user("root", 5.34), User { name: "a".into(), ..User::default() }, user("www", 100.0)]);
        let expected = "\
[03:04:05Z] USERS: 3 users
  NAME     CPU  MEMORY  PROCESSES
  root    5.3%    1.3%        110
  a
  www   100.0%    1.3%        110
";
        assert_eq!(written("detailed", Raw::None, &events, PLAIN), expected);
        let labelled = written("detailed", Raw::None, &events, LABELS);
        assert!(labelled.lines().zip(expected.lines()).all(|(line, plain)| line == format!("nas\\x1b: {plain}")));
        let expected = "\
[03:04:05Z] USERS: 1 persistent user
  NAME    CPU  METRIC  SINCE                 FOR
  root  95.2%  cpu     2026-01-02T03:00:00Z  5m 0s
";
        assert_eq!(written("detailed", Raw::None, &persistent(), PLAIN), expected);
    }

    #[test]
    fn users_of_a_sample_stand_in_its_block_and_on_no_line_beside_it() {
        let text = r#"{"data":{"disk":{"percentage":7}}}"#;
        let out = sample_with("detailed", text, &users(vec![user("root", 5.34)]), PLAIN);
        assert!(
            out.contains("\n\nUsers:\n  NAME   CPU  MEMORY  PROCESSES\n  root  5.3%    1.3%        110\n===="),
            "{out}"
        );
        assert!(!out.contains("USERS"));
        for format in ["simple", "compact"] {
            let out = sample_with(format, text, &users(vec![user("root", 5.34)]), PLAIN);
            assert_eq!(out, sample_with(format, text, &[], PLAIN));
        }
    }

    #[test]
    fn events_have_the_values_that_the_server_sends() {
        let line = |events: &[Event<'_>]| written("events", Raw::None, events, PLAIN);
        let out =
            line(&users(vec![user("root", 5.34), User { name: "a".into(), cpu: Some(f64::NAN), ..User::default() }]));
        let list = r#""users","users":[{"name":"root","cpu":5.34,"memory":1.26,"processes":110},{"name":"a"}]}"#;
        assert!(out.trim_end().ends_with(list), "{out}");
        let list = r#""users","persistent":true,"users":[{"name":"root","cpu":95.2,"metric":"cpu","since":"2026-01-02T03:00:00Z","duration":300}]}"#;
        assert!(line(&persistent()).trim_end().ends_with(list));
    }

    #[test]
    fn ten_thousand_users_and_long_names_do_not_grow_the_output_without_bound() {
        let long = "n".repeat(100_000);
        let names: Vec<_> = (0..10_000).map(|i| i.to_string()).collect();
        let mut list = vec![user(&long, 2.0)];
        list.extend(names.iter().map(|name| user(name, 1.0)));
        let events = users(list);
        for format in ["simple", "compact"] {
            let out = written(format, Raw::None, &events, COLOR);
            assert!(out.len() < 300 && out.contains("10001 users, the busiest: nnn"), "{out}");
        }
        let out = written("detailed", Raw::None, &events, PLAIN);
        assert!(out.lines().count() == 1001 && out.len() < 1001 * 70 + long.len(), "{}", out.len());
        assert!(out.ends_with("\nand 9003 more\n"));
    }

    #[test]
    fn no_name_of_a_user_can_forge_a_line_or_reach_the_terminal() {
        let events = users(vec![user("a\n[CONN] \u{1b}[2J\u{9b}\u{202e}é", 1.0)]);
        for format in ["simple", "compact", "detailed", "events", "influx", "csv"] {
            for style in [PLAIN, ASCII, LABELS] {
                let out = written(format, Raw::None, &events, style);
                assert!(!out.chars().any(|c| c != '\n' && crate::model::text::is_hostile(c)), "{out:?}");
                assert!(!style.ascii || format == "events" || out.is_ascii(), "{out:?}");
                assert!(out.lines().all(|line| !line.starts_with("[CONN]")), "{out}");
            }
        }
    }
}
