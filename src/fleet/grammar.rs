//! The grammar of `-w` and `-c`.
//!
//! ```text
//! LIST  = ITEM *( "," ITEM )
//! ITEM  = [ NAME "=" ] RANGE [ "/" D ]      without a NAME it is the first of its LIST
//! NAME  = metric or up|age|ping|alerts|failed|running, with ".mean" | ".max" | ".min" | ".sum" over all servers
//! RANGE = see range.rs
//! ```

use std::sync::Arc;
use std::time::Duration;

use crate::fleet::quantity::{Aggregate, Quantity, Subject};
use crate::fleet::range::Range;
use crate::model::api_error::{Error, ErrorKind};
use crate::model::duration;
use crate::model::spelling::closest;
use crate::model::text::excerpt;

/// The names that a RANGE without NAME applies to.
const UNNAMED: [&str; 4] = ["cpu", "memory", "disk", "gpu"];

/// The severity of a value. Ordered: `Critical` is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No rule is in alarm.
    #[default]
    Ok,
    /// A warning rule is in alarm.
    Warning,
    /// A critical rule is in alarm.
    Critical,
}

impl Level {
    /// Returns `OK`, `WARNING` or `CRITICAL`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
        }
    }
}

/// One item of a list: a range, and a time that an alarm must last.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The range of normal values.
    pub range: Range,
    /// The time for which a value must be out of range before the alarm begins, and back in range before it ends.
    pub hold: Duration,
    /// True for a RANGE without NAME, which is no error for servers that do not send the metric.
    pub unnamed: bool,
    /// `NAME=RANGE[/D]`.
    pub(in crate::fleet) text: Arc<str>,
}

impl Rule {
    /// Returns the rule as it was written, with its NAME: `cpu=90/5m`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the range as it was written: `90`, `1G:`.
    #[must_use]
    pub fn range_text(&self) -> &str {
        let range = self.text.split_once('=').map_or("", |(_, range)| range);
        range.split_once('/').map_or(range, |(range, _)| range)
    }
}

/// The rules for one subject: at most one of each level.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The quantity that they apply to.
    pub subject: Subject,
    /// The rule whose alarm is a warning.
    pub warning: Option<Rule>,
    /// The rule whose alarm is critical.
    pub critical: Option<Rule>,
}

impl Threshold {
    /// Returns the level of a value, without regard to holds.
    #[must_use]
    pub fn level_of(&self, value: f64) -> Level {
        let alarms = |rule: &Option<Rule>| rule.as_ref().is_some_and(|rule| rule.range.alarms(value));
        match () {
            () if alarms(&self.critical) => Level::Critical,
            () if alarms(&self.warning) => Level::Warning,
            () => Level::Ok,
        }
    }

    /// Iterates over the rules, the warning first.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.warning.iter().chain(&self.critical)
    }

    fn rule(&mut self, level: Level) -> &mut Option<Rule> {
        if level == Level::Critical { &mut self.critical } else { &mut self.warning }
    }
}

/// A set of rules, grouped by subject.
///
/// ```
/// use wsmon::{Level, Thresholds};
///
/// let mut thresholds = Thresholds::default();
/// thresholds.add_warnings("cpu=80,memory_available=1G:")?;
/// thresholds.add_criticals("cpu=95/5m,up=1:")?;
/// let cpu = &thresholds.list()[0];
/// assert_eq!(cpu.subject.to_string(), "cpu");
/// assert_eq!((cpu.level_of(80.0), cpu.level_of(81.0)), (Level::Ok, Level::Warning));
///
/// let error = thresholds.add_warnings("cpu=80,mem=90").unwrap_err();
/// assert_eq!(error.to_string(), "'mem=90': no metric is called 'mem', did you mean memory?");
/// # Ok::<(), wsmon::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds(Vec<Threshold>);

impl Thresholds {
    /// Parses and adds a list of warning rules. A rule replaces an earlier one of the same NAME; a RANGE without NAME never
    /// replaces a rule with a NAME.
    ///
    /// # Errors
    /// Describes the first invalid item. Nothing is added in that case.
    pub fn add_warnings(&mut self, list: &str) -> Result<(), Error> {
        self.add(Level::Warning, list)
    }

    /// Parses and adds a list of critical rules, in the same way.
    ///
    /// # Errors
    /// Describes the first invalid item. Nothing is added in that case.
    pub fn add_criticals(&mut self, list: &str) -> Result<(), Error> {
        self.add(Level::Critical, list)
    }

    /// Returns the rules by subject, in the order in which subjects were first named.
    #[must_use]
    pub fn list(&self) -> &[Threshold] {
        &self.0
    }

    /// Returns these rules, replaced by those of `other` that have the same level and NAME.
    #[must_use]
    pub fn overridden_by(&self, other: &Thresholds) -> Thresholds {
        let mut merged = self.clone();
        for threshold in &other.0 {
            for (level, rule) in [(Level::Warning, &threshold.warning), (Level::Critical, &threshold.critical)] {
                if let Some(rule) = rule {
                    merged.put(level, threshold.subject, rule.clone());
                }
            }
        }
        merged
    }

    fn add(&mut self, level: Level, list: &str) -> Result<(), Error> {
        let mut added = self.clone();
        let mut is_first = true;
        for item in list.split(',') {
            let item = item.trim();
            added.add_item(level, item, is_first).map_err(|why| invalid(item, &why))?;
            is_first = false;
        }
        *self = added;
        Ok(())
    }

    fn add_item(&mut self, level: Level, item: &str, is_first: bool) -> Result<(), String> {
        let Some((name, rest)) = item.split_once('=') else { return self.add_unnamed(level, item, is_first) };
        let subject = subject(name.trim())?;
        self.put(level, subject, rule(subject, rest)?);
        Ok(())
    }

    /// Adds a RANGE alone, which only the first item of a list may be: behind a comma it is more likely the fraction of a
    /// number.
    fn add_unnamed(&mut self, level: Level, item: &str, is_first: bool) -> Result<(), String> {
        if let Ok(subject) = subject(item) {
            return Err(format!("a range is missing: write {subject}=80, {subject}=10: or {subject}=10:20"));
        }
        if item.chars().next().is_none_or(|first| first.is_ascii_alphabetic()) {
            return Err("not a rule: write NAME=RANGE, such as cpu=90".to_owned());
        }
        if !is_first {
            let item = excerpt(item);
            return Err(format!(
                "a range without a name comes first or alone: write cpu={item}; a fraction has a point"
            ));
        }
        for name in UNNAMED {
            let subject = subject(name)?;
            let rule = Rule { unnamed: true, ..rule(subject, item)? };
            self.put(level, subject, rule);
        }
        Ok(())
    }

    fn put(&mut self, level: Level, subject: Subject, rule: Rule) {
        let at = self.0.iter().position(|threshold| threshold.subject == subject).unwrap_or_else(|| {
            self.0.push(Threshold { subject, warning: None, critical: None });
            self.0.len() - 1
        });
        let place = self.0[at].rule(level);
        if !rule.unnamed || place.as_ref().is_none_or(|known| known.unnamed) {
            *place = Some(rule);
        }
    }
}

/// The error of an item, shown as `'cpu=80%': '80%' is not a number such as 80 or 7.5`.
fn invalid(item: &str, why: &str) -> Error {
    Error::new(ErrorKind::Rule, format!("'{}': {why}", excerpt(item)))
}

/// Parses RANGE and D.
fn rule(subject: Subject, text: &str) -> Result<Rule, String> {
    let (range, hold) = match text.split_once('/') {
        Some((range, hold)) => (range.trim(), Some(hold.trim())),
        None => (text.trim(), None),
    };
    let range_read = Range::parse(range, subject.quantity.unit()).map_err(|why| excerpt(&why))?;
    let (text, hold) = match hold {
        Some(hold) => {
            let length = duration::parse(hold).map_err(|why| excerpt(&format!("'{hold}': {why}")))?;
            (format!("{subject}={range}/{hold}"), length)
        }
        None => (format!("{subject}={range}"), Duration::ZERO),
    };
    Ok(Rule { range: range_read, hold, unnamed: false, text: text.into() })
}

fn subject(text: &str) -> Result<Subject, String> {
    let (name, aggregate) = match text.split_once('.') {
        Some((name, aggregate)) => (name, Some(aggregate)),
        None => (text, None),
    };
    let Some(quantity) = Quantity::named(name) else {
        let name_shown = excerpt(name);
        return Err(match closest(name, &Quantity::names().collect::<Vec<_>>()) {
            _ if name.is_empty() => "a name is missing before '='".to_owned(),
            Some(meant) => format!("no metric is called '{name_shown}', did you mean {meant}?"),
            None => format!("no metric is called '{name_shown}': write cpu, memory, up, age or another of the manual"),
        });
    };
    let aggregate = match aggregate {
        Some(wanted) => Some(aggregate_named(wanted)?),
        None => None,
    };
    Ok(Subject { quantity, aggregate })
}

fn aggregate_named(name: &str) -> Result<Aggregate, String> {
    let known = Aggregate::ALL.into_iter().find(|aggregate| aggregate.name() == name);
    known.ok_or_else(|| format!("'.{}' is not known: choose from .mean, .max, .min, .sum", excerpt(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(warnings: &[&str], criticals: &[&str]) -> Thresholds {
        let mut thresholds = Thresholds::default();
        warnings.iter().for_each(|list| thresholds.add_warnings(list).unwrap());
        criticals.iter().for_each(|list| thresholds.add_criticals(list).unwrap());
        thresholds
    }

    /// `NAME: warning | critical` for each subject.
    fn shown(thresholds: &Thresholds) -> Vec<String> {
        let text = |rule: &Option<Rule>| rule.as_ref().map_or("-", Rule::text).to_owned();
        let line = |row: &Threshold| format!("{}: {} | {}", row.subject, text(&row.warning), text(&row.critical));
        thresholds.list().iter().map(line).collect()
    }

    fn why(list: &str) -> String {
        let mut thresholds = Thresholds::default();
        let error = thresholds.add_warnings(list).unwrap_err();
        assert_eq!(thresholds, Thresholds::default(), "nothing is added");
        error.to_string()
    }

    #[test]
    fn lists_are_merged_by_name() {
        let thresholds = read(
            &["cpu=80,memory_available=1G:,uptime=10m:", "temperature=~:75"],
            &["cpu=90/5m", "up.sum=3: , cpu.mean = 80 / 1h 30m,failed=0,age=60"],
        );
        assert_eq!(
            shown(&thresholds),
            [
                "cpu: cpu=80 | cpu=90/5m",
                "memory_available: memory_available=1G: | -",
                "uptime: uptime=10m: | -",
                "temperature: temperature=~:75 | -",
                "up.sum: - | up.sum=3:",
                "cpu.mean: - | cpu.mean=80/1h 30m",
                "failed: - | failed=0",
                "age: - | age=60",
            ]
        );
        let cpu = &thresholds.list()[0];
        let critical = cpu.critical.as_ref().unwrap();
        assert_eq!((critical.range_text(), critical.hold), ("90", Duration::from_secs(300)));
        assert_eq!([50.0, 85.0, 95.0].map(|value| cpu.level_of(value)), [Level::Ok, Level::Warning, Level::Critical]);
        assert_eq!(cpu.rules().count(), 2);
        assert_eq!(thresholds.list()[1].warning.as_ref().unwrap().range_text(), "1G:");
    }

    #[test]
    fn a_range_alone_is_for_the_four_percentages_and_yields_to_a_name() {
        for lists in [&["80/1m", "cpu=90"][..], &["cpu=90", "80/1m"], &["80/1m,cpu=90"]] {
            let thresholds = read(lists, &[]);
            let mut shown = shown(&thresholds);
            shown.sort();
            let rest = ["disk: disk=80/1m | -", "gpu: gpu=80/1m | -", "memory: memory=80/1m | -"];
            assert_eq!(shown, [&["cpu: cpu=90 | -"][..], &rest].concat());
            let named = thresholds.list().iter().filter(|row| row.rules().all(|rule| !rule.unnamed)).count();
            assert_eq!(named, 1);
        }
        assert_eq!(shown(&read(&["70", "80"], &[]))[0], "cpu: cpu=80 | -", "the last one wins");
    }

    #[test]
    fn the_last_rule_of_a_name_and_level_wins() {
        assert_eq!(shown(&read(&["cpu=70,cpu=80"], &["cpu=90"])), ["cpu: cpu=80 | cpu=90"]);
        let general = read(&["cpu=80,disk=90"], &["cpu=95"]);
        let own = read(&["cpu=50,up=1:"], &[]);
        let merged = shown(&general.overridden_by(&own));
        assert_eq!(merged, ["cpu: cpu=50 | cpu=95", "disk: disk=90 | -", "up: up=1: | -"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (list, error) in [
            ("", "'': not a rule: write NAME=RANGE, such as cpu=90"),
            ("cpu=80,,disk=90", "'': not a rule: write NAME=RANGE, such as cpu=90"),
            ("cpu>80", "'cpu>80': not a rule: write NAME=RANGE, such as cpu=90"),
            ("cpu=80,disk", "'disk': a range is missing: write disk=80, disk=10: or disk=10:20"),
            ("bogus=1", "'bogus=1': no metric is called 'bogus': write cpu, memory, up, age or another of the manual"),
            ("disk=1,memroy=2", "'memroy=2': no metric is called 'memroy', did you mean memory?"),
            ("CPU=80", "'CPU=80': no metric is called 'CPU', did you mean cpu?"),
            ("=80", "'=80': a name is missing before '='"),
            ("cpu.avg=80", "'cpu.avg=80': '.avg' is not known: choose from .mean, .max, .min, .sum"),
            ("cpu.=80", "'cpu.=80': '.' is not known: choose from .mean, .max, .min, .sum"),
            ("cpu", "'cpu': a range is missing: write cpu=80, cpu=10: or cpu=10:20"),
            ("cpu=", "'cpu=': a range is missing: write 80, 10:, ~:75 or 10:20"),
            ("cpu=/5m", "'cpu=/5m': a range is missing: write 80, 10:, ~:75 or 10:20"),
            ("cpu=1,5", "'5': a range without a name comes first or alone: write cpu=5; a fraction has a point"),
            ("80,90", "'90': a range without a name comes first or alone: write cpu=90; a fraction has a point"),
            ("cpu=80/", "'cpu=80/': '': not a duration such as 5, 0.5, 500ms, 5m or 1h30m"),
            ("cpu=80/5x", "'cpu=80/5x': '5x': not a duration such as 5, 0.5, 500ms, 5m or 1h30m"),
            ("cpu=80%", "'cpu=80%': '80%' is not a number such as 80 or 7.5"),
            ("cpu=~:~", "'cpu=~:~': '~' is minus infinity and stands before ':': write LOW: for no upper bound"),
            ("memory=512M", "'memory=512M': '512M' is not a number such as 80 or 7.5"),
            ("512M", "'512M': '512M' is not a number such as 80 or 7.5"),
            ("age=10M", "'age=10M': '10M': months are not accepted, did you mean 10m?"),
            ("cpu==80", "'cpu==80': '=80' is not a number such as 80 or 7.5"),
            ("cpu\x1b=1", "'cpu\\x1b=1': no metric is called 'cpu\\x1b', did you mean cpu?"),
        ] {
            assert_eq!(why(list), error);
        }
    }

    #[test]
    fn absurd_lists_are_refused_in_a_line_or_taken_at_no_great_cost() {
        for list in ["x".repeat(1 << 20), "é=".repeat(1 << 16), "cpu=".to_owned() + &"9".repeat(1 << 20)] {
            assert!(why(&list).len() < 600);
        }
        let many = (0..3_333).map(|i| format!("cpu={i},load1.max={i}/{i},disk=@{i}:{}", i + 1)).collect::<Vec<_>>();
        let thresholds = read(&[&many.join(",")], &["cpu=1e308", "gpu=-1e308:"]);
        assert_eq!(thresholds.list().len(), 4);
        assert_eq!(shown(&thresholds)[0], "cpu: cpu=3332 | cpu=1e308");
        assert_eq!(shown(&thresholds)[1], "load1.max: load1.max=3332/3332 | -");
    }
}
