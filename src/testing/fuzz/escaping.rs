//! Foreign text on its way to a terminal, and into JSON.

use super::harmless::assert_harmless;
use crate::format::style::Style;
use crate::model::json::push_string;
use crate::model::text::escape;

/// Escapes the input: harmless, stable when escaped again, and ASCII where that is wanted.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let escaped = escape(&text);
    assert_harmless(&escaped);
    assert!(!escaped.contains('\n'));
    assert_eq!(escape(&escaped), escaped);
    for ascii in [false, true] {
        let style = Style { ascii, ..Style::default() };
        let mut whole = String::new();
        style.push_escaped(&mut whole, &text);
        assert!(!ascii || whole.is_ascii(), "{whole:?}");
        assert_harmless(&whole);
        cut(&text, &whole, data.len() % 64, style);
    }
    literal(&text);
}

/// Cuts the text: the result is the beginning of the whole, and fits.
fn cut(text: &str, whole: &str, room: usize, style: Style) {
    let mut out = String::new();
    let left = style.push_truncated(&mut out, text, room);
    let mark = style.glyph("…", "...");
    assert!(out.chars().count() <= room + mark.chars().count(), "{out:?}");
    assert!(out == whole || out.strip_suffix(mark).is_some_and(|start| whole.starts_with(start)), "{out:?}");
    assert!(left == 0 || out == whole && left == room - out.chars().count());
}

fn literal(text: &str) {
    let mut out = String::new();
    push_string(&mut out, text);
    assert_harmless(&out);
    assert!(!out.contains('\n'));
    assert_eq!(serde_json::from_str::<String>(&out).ok().as_deref(), Some(text));
}
