//! Small foreign texts: other protocols, challenges, and the files of settings.

use super::harmless::{assert_harmless, assert_one_line};
use crate::model::settings_text::{items, only_item, trim};
use crate::proto::http::challenge::{Credentials, advice};
use crate::proto::http::foreign::{Protocol, first_line, quote, recognise};
use crate::proto::http::head::read_response;
use crate::proto::http::header;
use crate::proto::http::secrets::Secrets;

/// A secret that must not be quoted. Inputs that contain it themselves are skipped.
const SECRET: &str = "hUnTeR2xYzAbCdEfGh";

/// Quotes the first bytes of another protocol: one line, and no secret, wherever it is cut.
pub fn foreign(data: &[u8]) {
    let mut secrets = Secrets::default();
    secrets.add(SECRET);
    let [cut, start @ ..] = data else { return };
    if String::from_utf8_lossy(start).contains(&SECRET[..6]) {
        return;
    }
    let (before, after) = start.split_at(usize::from(*cut).min(start.len()));
    let with_secret = [before, SECRET.as_bytes(), after].concat();
    for bytes in [start, &with_secret, &with_secret[..(before.len() + 9).min(with_secret.len())]] {
        let line = first_line(bytes, &secrets);
        assert_one_line(&line);
        let quoted = quote(&String::from_utf8_lossy(bytes), &secrets);
        assert_one_line(&quoted);
        assert!(!line.contains(&SECRET[..6]) && !quoted.contains(&SECRET[..6]), "{line:?} {quoted:?}");
    }
    if recognise(start) == Protocol::Tls {
        assert!(start[0] < b' ');
    }
}

/// Explains challenges: one line, whatever schemes and parameters they have.
pub fn challenge(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let fields: String = text.lines().map(|line| format!("WWW-Authenticate: {line}\r\n")).collect();
    let response = format!("HTTP/1.1 401\r\n{fields}\r\n");
    let Ok(Some(head)) = read_response(response.as_bytes()) else { return };
    let secrets = Secrets::default();
    for sent in [None, Some(""), Some("Basic"), Some("x")] {
        let supported = &["Basic", "Bearer"];
        let credentials = Credentials { sent, supported, way_out: ": see user", secrets: &secrets };
        assert_one_line(&advice(&head.fields, "WWW-Authenticate", &credentials));
    }
}

/// Reads files of settings: no item has anything around it, and each is a part of its line.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(trim(trim(&text)), trim(&text));
    let lines: Vec<_> = text.lines().collect();
    let mut count = 0;
    for (number, item) in items(&text) {
        assert!(!item.is_empty() && !item.starts_with('#') && trim(item) == item, "{item:?}");
        assert!(lines[number - 1].contains(item));
        count += 1;
        drop(header::parse(item));
    }
    match only_item(&text, "word") {
        Ok(_) => assert_eq!(count, 1),
        Err(why) => assert!(count != 1 && why.len() < 100),
    }
    if let Err(reason) = header::parse_lines(&text) {
        assert_harmless(&reason);
    }
}
