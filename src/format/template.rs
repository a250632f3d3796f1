//! Templates: a text with placeholders, written for each sample.

use super::Style;
use crate::model::decimal::push_decimal;
use crate::model::event::{Event, Message};
use crate::model::metric::{METRICS, Metric, TEXTS, Text};
use crate::model::number::push_timestamp;
use crate::model::sample::Sample;
use crate::model::spelling::closest;
use crate::model::text::excerpt;

/// A text that is written for each sample, with values in the place of `{NAME}`.
///
/// A NAME is that of a metric or text of the sample, or `server`, `time` (RFC 3339) or `unix` (seconds since 1970). `{{` is
/// a brace, `\n` a line feed, `\t` a tab, `\\` a backslash. A line that names something the sample does not carry is left
/// out; the other lines stay.
///
/// ```
/// use wsmon::{Monitor, Server, Style, Template};
///
/// # let uri = doc::serve(2);
/// # let uri = uri.as_str();
/// let template = Template::parse(r"{server}.cpu {cpu}\n{server}.gpu {gpu}")?;
/// let mut monitor = Monitor::new()?;
/// monitor.add(Server::new(uri)?.label("web").max_reconnects(0))?;
/// let (mut out, style) = (String::new(), Style::default());
/// while !monitor.is_done() {
///     monitor.turn(None, |message| template.write(&mut out, message, &style))?;
/// }
/// assert_eq!(out, "web.cpu 60\nweb.cpu 70\n");
///
/// let error = Template::parse("{cpus}").unwrap_err();
/// assert_eq!(error, "no metric or text is called 'cpus', did you mean {cpu}?");
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Never empty.
    lines: Vec<Vec<Part>>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    Metric(Metric),
    Text(Text),
    Server,
    Time,
    Unix,
}

/// The placeholders that are no part of a sample.
const OWN: [(&str, Part); 3] = [("server", Part::Server), ("time", Part::Time), ("unix", Part::Unix)];

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Returns a text that names the invalid part, with the closest name for an unknown one.
    pub fn parse(text: &str) -> Result<Template, String> {
        if text.is_empty() {
            return Err("the text is empty: write something like '{server} {cpu}'".to_owned());
        }
        let mut lines = vec![Vec::new()];
        let (mut literal, mut rest) = (String::new(), text);
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match (c, rest.as_bytes().first()) {
                ('{', Some(b'{')) | ('\\', Some(b'\\')) => {
                    literal.push(c);
                    rest = &rest[1..];
                }
                ('{', _) => {
                    let (name, tail) = rest.split_once('}').ok_or_else(|| unclosed(rest))?;
                    push_literal(&mut lines, &mut literal);
                    push_part(&mut lines, named(name)?);
                    rest = tail;
                }
                ('\\', Some(b'n')) | ('\n', _) => {
                    push_literal(&mut lines, &mut literal);
                    lines.push(Vec::new());
                    rest = &rest[usize::from(c == '\\')..];
                }
                ('\\', Some(b't')) => {
                    literal.push('\t');
                    rest = &rest[1..];
                }
                _ => literal.push(c),
            }
        }
        push_literal(&mut lines, &mut literal);
        // A line feed at the end ends the last line and begins none.
        if lines.len() > 1 && lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        Ok(Template { lines })
    }

    /// Appends the text for each sample of the message, each line with its line feed. Texts of servers are escaped for
    /// terminals; nothing is escaped for shells or databases.
    pub fn write(&self, out: &mut String, message: &Message<'_>, style: &Style) {
        for event in message.events {
            let Event::Sample(sample) = event else { continue };
            for line in &self.lines {
                let start = out.len();
                if line.iter().all(|part| part.push(out, message, sample, *style)) {
                    out.push('\n');
                } else {
                    out.truncate(start);
                }
            }
        }
    }
}

impl Part {
    /// Appends the part. Returns false if the sample does not carry it.
    fn push(&self, out: &mut String, message: &Message<'_>, sample: &Sample<'_>, style: Style) -> bool {
        match self {
            Part::Literal(text) => out.push_str(text),
            Part::Metric(metric) => {
                let Some(value) = sample.get(*metric).filter(|value| value.is_finite()) else { return false };
                push_decimal(out, value);
            }
            Part::Text(text) => {
                let Some(text) = sample.text(*text) else { return false };
                style.push_escaped(out, text);
            }
            Part::Server => style.push_escaped(out, message.server),
            Part::Time => push_timestamp(out, message.received_at),
            Part::Unix => {
                let since = message.received_at.duration_since(std::time::SystemTime::UNIX_EPOCH);
                push_decimal(out, since.unwrap_or_default().as_secs() as f64);
            }
        }
        true
    }
}

fn push_literal(lines: &mut [Vec<Part>], literal: &mut String) {
    if !literal.is_empty() {
        push_part(lines, Part::Literal(std::mem::take(literal)));
    }
}

fn push_part(lines: &mut [Vec<Part>], part: Part) {
    if let Some(line) = lines.last_mut() {
        line.push(part);
    }
}

fn named(name: &str) -> Result<Part, String> {
    let metric = METRICS.iter().zip(Metric::ALL).find(|(row, _)| row.name == name);
    let text = TEXTS.iter().zip(Text::ALL).find(|(row, _)| row.name == name);
    let own = OWN.iter().find(|row| row.0 == name);
    match (metric, text, own) {
        (Some((_, &metric)), ..) => Ok(Part::Metric(metric)),
        (_, Some((_, &text)), _) => Ok(Part::Text(text)),
        (.., Some((_, part))) => Ok(part.clone()),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> String {
    let mut names = Vec::new();
    METRICS.iter().for_each(|row| names.push(row.name));
    TEXTS.iter().for_each(|row| names.push(row.name));
    OWN.iter().for_each(|row| names.push(row.0));
    match closest(name, &names) {
        _ if name.is_empty() => "a name is missing in {}: write {{ for a brace".to_owned(),
        Some(meant) => format!("no metric or text is called '{}', did you mean {{{meant}}}?", excerpt(name)),
        None => format!("no metric or text is called '{}': write {{{{ for a brace", excerpt(name)),
    }
}

fn unclosed(rest: &str) -> String {
    format!("'{{{}' is not closed: write {{{{ for a brace", excerpt(rest))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    use super::*;
    use crate::model::event::Raw;

    fn written(template: &str, values: &[(Metric, f64)], host: &str) -> String {
        let mut sample = Sample::new(&[]);
        values.iter().for_each(|(metric, value)| sample.put(*metric, *value));
        if !host.is_empty() {
            sample.put_text(Text::Host, host.into());
        }
        let events = [Event::KeepAlive, Event::Sample(Box::new(sample))];
        let server: Arc<str> = "web".into();
        let received_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        let received_mono = Instant::now();
        let message = Message {
            server: &server,
            id: crate::model::server_id::ServerId::NONE,
            received_at,
            received_mono,
            dialect: crate::Dialect::Generic,
            kind: "",
            raw: Raw::None,
            events: &events,
        };
        let mut out = String::new();
        Template::parse(template).unwrap().write(&mut out, &message, &Style::default());
        out
    }

    #[test]
    fn placeholders_are_replaced() {
        let values = [(Metric::Cpu, 12.4), (Metric::Load1, 2.0), (Metric::MemoryUsed, 1e10)];
        for (template, text) in [
            ("plain", "plain\n"),
            ("{server} {cpu} {load1}", "web 12.4 2\n"),
            ("{time} {unix} {host}", "2026-01-02T03:04:05.678Z 1767323045 router\n"),
            (r"{cpu}\t{memory_used}\n", "12.4\t10000000000\n"),
            (r#"{{"cpu":{cpu}}"#, "{\"cpu\":12.4}\n"),
            ("{{{cpu}}", "{12.4}\n"),
            (r"a\\n\q\", "a\\n\\q\\\n"),
            ("a\n\nb", "a\n\nb\n"),
            (r"\n", "\n"),
            (r"a\n\n", "a\n\n"),
        ] {
            assert_eq!(written(template, &values, "router"), text, "{template}");
        }
    }

    #[test]
    fn a_line_that_names_what_is_absent_is_left_out() {
        let template = r"{server} cpu {cpu}\n{server} gpu {gpu}\nend {disk} {cpu}\n{host} up";
        assert_eq!(written(template, &[(Metric::Cpu, 5.0)], ""), "web cpu 5\n");
        assert_eq!(written(template, &[(Metric::Gpu, 5.0), (Metric::Cpu, f64::INFINITY)], "h"), "web gpu 5\nh up\n");
        assert_eq!(written("{cpu}", &[], ""), "");
    }

    #[test]
    fn no_text_of_a_server_can_forge_a_line() {
        assert_eq!(written("{host}", &[], "a\nPUTVAL \x1b[2J{cpu}"), "a\\nPUTVAL \\x1b[2J{cpu}\n");
    }

    #[test]
    fn errors_name_the_part_and_what_would_be_right() {
        for (template, why) in [
            ("", "the text is empty: write something like '{server} {cpu}'"),
            ("{cpus} {x}", "no metric or text is called 'cpus', did you mean {cpu}?"),
            ("{CPU}", "no metric or text is called 'CPU', did you mean {cpu}?"),
            ("{serv}", "no metric or text is called 'serv', did you mean {server}?"),
            ("{bogus}", "no metric or text is called 'bogus': write {{ for a brace"),
            ("{}", "a name is missing in {}: write {{ for a brace"),
            ("a {cpu", "'{cpu' is not closed: write {{ for a brace"),
            ("{", "'{' is not closed: write {{ for a brace"),
            ("{\"a\":1}", "no metric or text is called '\"a\":1': write {{ for a brace"),
            ("{a\nb}", "no metric or text is called 'a\\nb': write {{ for a brace"),
        ] {
            assert_eq!(Template::parse(template), Err(why.to_owned()), "{template}");
        }
    }

    #[test]
    fn every_name_can_be_used_and_none_is_two_things() {
        for name in METRICS.iter().map(|row| row.name).chain(TEXTS.iter().map(|row| row.name)) {
            assert!(Template::parse(&format!("{{{name}}}")).is_ok());
            assert!(OWN.iter().all(|row| row.0 != name), "{name}");
        }
    }

    #[test]
    fn absurd_templates_are_errors_of_a_line_or_written_as_they_are() {
        let million = "é".repeat(500_000);
        assert_eq!(written(&million, &[], "").len(), million.len() + 1);
        for wrong in [format!("{{{million}"), format!("{{{million}}}")] {
            assert!(Template::parse(&wrong).unwrap_err().len() < 300);
        }
        let many = "{cpu}".repeat(200_000);
        assert_eq!(written(&many, &[(Metric::Cpu, 5.0)], "").len(), 200_001);
        assert_eq!(written(&"\n".repeat(1 << 20), &[], "").len(), 1 << 20);
    }
}
