//! Repair of text that is nearly JSON, and JSON in another layout.

use serde_json::Value;

use super::harmless::assert_harmless;
use crate::model::json::{Documents, Layout, find_fault, is_json, is_readable, message_type, redact, relayout, repair};

/// Parses with serde_json; `None` if the text is not JSON, or nested too deeply for it.
fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Repairs the input: JSON keeps its value, text that is nearly JSON becomes it, and a second repair changes nothing.
pub fn numbers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let repaired = repair(text);
    let readable = repaired.as_deref().unwrap_or(text);
    assert_eq!(repair(readable), None, "{text:?}");
    assert!(readable.len() <= text.len() * 4 + 4);
    if is_json(text) {
        assert!(is_json(readable), "{text:?}");
    }
    if is_json(readable) {
        let repaired = value(readable);
        assert!(repaired.is_some(), "{readable:?}");
        assert!(value(text).is_none_or(|value| Some(value) == repaired), "{text:?}");
        redacted(readable);
    }
    drop(message_type(text));
}

/// Redacts the text: only the members of that name change.
fn redacted(text: &str) {
    let (mut expected, redacted) = (value(text), value(&redact(text, &["token"])));
    if let Some(Value::Object(members)) = &mut expected
        && let Some(token) = members.get_mut("token")
    {
        *token = "redacted".into();
    }
    assert_eq!(redacted, expected, "{text:?}");
}

/// Divides the input into documents, and finds the place where each stops to be JSON.
pub fn documents(data: &[u8]) {
    let Ok(whole) = std::str::from_utf8(data) else { return };
    let (first, rest) = Documents::begin(whole);
    let (mut documents, mut document, mut len) = (rest, Some(first), 0);
    while let Some(text) = document {
        len += text.len();
        let fault = find_fault(text);
        assert_eq!(fault.is_none(), is_readable(text), "{text:?}");
        if let Some(fault) = fault {
            assert!(text.get(fault.at..).is_some_and(|rest| rest.starts_with(fault.word)), "{text:?} {fault:?}");
        }
        document = documents.as_mut().and_then(|documents| documents.next(whole));
    }
    assert!(len <= whole.len());
}

/// Lays out the input: the same value, harmless, of bounded size, and stable when laid out again.
pub fn layout(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let repaired = repair(text);
    let readable = repaired.as_deref().unwrap_or(text);
    for layout in [Layout::Line, Layout::Indented] {
        let out = laid_out(text, layout);
        assert_harmless(&out);
        assert!(layout == Layout::Indented || !out.contains('\n'), "{out:?}");
        // Each comma begins a line, also in text that is not JSON.
        let growth = if is_json(readable) { 14 } else { 27 };
        assert!(out.len() <= growth * text.len() + 1000, "{} from {}", out.len(), text.len());
        if is_json(readable) {
            assert!(is_json(&out), "{text:?}: {out:?}");
            assert_eq!(laid_out(&out, layout), out);
            assert_eq!(laid_out(&out, Layout::Line), laid_out(text, Layout::Line));
        }
        if let Some(value) = value(readable) {
            let out = repair(&out).unwrap_or(out);
            assert_eq!(self::value(&out), Some(value), "{text:?}: {out:?}");
        }
    }
}

fn laid_out(text: &str, layout: Layout) -> String {
    let mut out = String::new();
    relayout(&mut out, text, layout);
    out
}
