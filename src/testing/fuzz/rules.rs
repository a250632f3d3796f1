//! Lists of rules and templates, as the command line takes them.

use super::harmless::assert_one_line;
use crate::fleet::grammar::Thresholds;
use crate::fleet::range::Range;
use crate::format::template::Template;

/// The first line is a list of rules, the rest a template.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (list, template) = text.split_once('\n').unwrap_or((&text, ""));
    let mut thresholds = Thresholds::default();
    match thresholds.add_warnings(list) {
        Ok(()) => check(&thresholds),
        Err(error) => assert_one_line(&error.to_string()),
    }
    if let Err(error) = Template::parse(template) {
        assert_one_line(&error);
    }
}

/// Returns true for numbers that differ in their last bits at most.
fn is_close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-14,
        _ => one == other,
    }
}

/// Each rule reads back as the same, and nearly so in base units.
fn check(thresholds: &Thresholds) {
    for threshold in thresholds.list() {
        for rule in threshold.rules() {
            let mut again = Thresholds::default();
            again.add_warnings(rule.text()).expect("a rule that was read");
            let read = again.list()[0].warning.as_ref().expect("the same level");
            assert_eq!((read.range, read.hold, read.text()), (rule.range, rule.hold, rule.text()));
            let written = Range::parse(&rule.range.to_string(), threshold.subject.quantity.unit()).expect("a range");
            assert!(is_close(written.low(), rule.range.low()), "{}", rule.text());
            assert!(is_close(written.high(), rule.range.high()), "{}", rule.text());
        }
    }
}
