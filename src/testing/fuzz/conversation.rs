//! A whole conversation, in a given or a recognised dialect, with the output of every format.

use std::time::{Duration, Instant};

use super::formats;
use crate::model::event::Raw;
use crate::model::json::{self, Documents};
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::dialect::requests::{Request, RequestPlan};
use crate::proto::dialect::{self, Binary, DIALECTS, DialectOptions};
use crate::proto::uri::Endpoint;

/// Separates the records of an input, as in RFC 7464.
pub const RECORD: u8 = 0x1e;
// Records of one of these bytes are events of the connection; all others are messages.
const LOST: u8 = 1;
const CLOSED: u8 = 2;
const WAIT: u8 = 3;
const HOUR: u8 = 4;
/// Bound on the state of a conversation, in bytes of its debug output.
const MAX_STATE: usize = 1 << 20;
/// Bound on an unpacked binary message.
const LIMIT: usize = 1 << 16;

/// Runs a conversation. The first byte chooses the dialect, the second the options; records follow.
pub fn run(data: &[u8]) {
    let [dialect, options, records @ ..] = data else { return };
    let dialect = usize::from(*dialect).checked_sub(1).and_then(|at| DIALECTS.get(at).copied());
    let conversation = Conversation::new(dialect, dialect_options(*options), plan(*options));
    let mut session = FuzzSession { conversation, now: Instant::now(), labels: *options & 128 != 0 };
    session.dial();
    for record in records.split(|byte| *byte == RECORD).take(64) {
        session.take(record);
    }
    assert!(format!("{:?}", session.conversation).len() <= MAX_STATE);
}

fn dialect_options(options: u8) -> DialectOptions {
    let list = |bit: u8, names: &[&str]| {
        if options & bit == 0 { Vec::new() } else { names.iter().map(|name| (*name).to_owned()).collect() }
    };
    DialectOptions {
        subscribe: list(1, &["metrics", "a\"b\n"]),
        process: list(2, &["web", "\u{e9}\\"]),
        interval: (options & 4 != 0).then_some(Duration::from_millis(1500)),
        heartbeat_reply: (options & 8 != 0).then(|| r#"{"type":"pong","id":"%id"}"#.to_owned()),
        token: (options & 16 != 0).then(|| "a token/%".to_owned()),
        verbose: options & 32 != 0,
    }
}

fn plan(options: u8) -> RequestPlan {
    let request = |kind: &str, json: Option<&str>| Request {
        kind: kind.into(),
        json: json.map(Into::into),
        ..Request::default()
    };
    let requests =
        vec![request("status", None), request("get_subscriptions", Some(r#"{"a":[1]}"#)), request("x\"\n", Some("5"))];
    match options & 64 {
        0 => RequestPlan::default(),
        _ => RequestPlan { requests, every: Some(Duration::from_secs(7)), ..RequestPlan::default() },
    }
}

struct FuzzSession {
    conversation: Conversation,
    now: Instant,
    labels: bool,
}

impl FuzzSession {
    fn take(&mut self, record: &[u8]) {
        match (record, std::str::from_utf8(record)) {
            ([LOST], _) => self.dial_again(false),
            ([CLOSED], _) => self.dial_again(true),
            ([WAIT], _) => self.wait(),
            ([HOUR], _) => self.now += Duration::from_secs(3600),
            (_, Ok(text)) => self.text(text),
            (bytes, Err(_)) => self.binary(bytes),
        }
    }

    fn dial_again(&mut self, cleanly: bool) {
        self.conversation.ended(cleanly);
        self.dial();
    }

    fn dial(&mut self) {
        let mut endpoint = Endpoint::parse("ws://h.example/ws/id?clientId=x&token=t").expect("a valid URI");
        self.conversation.apply_defaults(&mut endpoint);
        self.conversation.prepare_dial(&mut endpoint, Some("t/?&\u{e9}".to_owned()), self.now);
        assert!(endpoint.target.starts_with('/') && endpoint.target.bytes().all(|b| b.is_ascii_graphic()));
        let outgoing = self.conversation.opened(self.now, false);
        check_outgoing(&outgoing);
    }

    /// Waits for the deadline, which must move or end the connection: all else is a busy loop.
    fn wait(&mut self) {
        let Some(at) = self.conversation.deadline() else { return };
        self.now = self.now.max(at);
        let outgoing = self.conversation.tick(self.now);
        let over = outgoing.hang_up.is_some();
        assert!(over || self.conversation.deadline().is_none_or(|next| next > self.now), "a busy loop");
        check_outgoing(&outgoing);
        if over {
            self.dial_again(false);
        }
    }

    /// Decodes every document of a message. Each is a part of it, none is divided again, and together they are no longer.
    fn text(&mut self, text: &str) {
        let (first, mut rest) = self.document(text);
        let mut len = first;
        while let Some(document) = rest.as_mut().and_then(|documents| documents.next(text)) {
            let (whole, more) = self.document(document);
            assert!(!document.is_empty() && whole == document.len() && more.is_none(), "{document:?}");
            len += document.len();
        }
        assert!(len <= text.len());
    }

    /// Decodes a message. Returns the length of its first document, and where the others are.
    fn document(&mut self, text: &str) -> (usize, Option<Documents>) {
        let mut repaired = None;
        let token = self.token(text);
        let mut outgoing = Outgoing::default();
        let decoded = self.conversation.decode(text, &mut repaired, self.now, &mut outgoing);
        formats::check(&decoded.kind, decoded.raw(), &decoded.events, self.labels);
        let first = if decoded.rest.is_some() || !json::is_json(text) { Documents::begin(text).0 } else { text };
        assert!(decoded.decoded || decoded.json == json::is_json(json::repair(first).as_deref().unwrap_or(first)));
        if let Some(token) = token {
            assert!(!format!("{decoded:?} {outgoing:?}").contains(&token), "{decoded:?} {outgoing:?}");
        }
        check_outgoing(&outgoing);
        let rest = decoded.rest.clone();
        drop(self.conversation.sample(text));
        (first.len(), rest)
    }

    /// Finds the token that would continue a session, if it occurs only once.
    fn token(&self, text: &str) -> Option<String> {
        let readable = json::repair(text);
        let node = json::Node::parse(readable.as_deref().unwrap_or(text)).ok()?;
        let is_token = node.text("type")? == "reconnection_token" && node.get("channel").is_none();
        let token = node.text("token").filter(|token| token.len() >= 8 && text.matches(&***token).count() == 1)?;
        (self.conversation.dialect() == Some(crate::Dialect::Neurograph) && is_token).then(|| token.to_string())
    }

    fn binary(&mut self, bytes: &[u8]) {
        match self.conversation.unpack(bytes, LIMIT) {
            Binary::Text(text) => self.text(&text),
            Binary::Description(text) => self.described(bytes, &text, false),
            Binary::Broken(text) => self.described(bytes, &text, true),
        }
    }

    fn described(&self, bytes: &[u8], words: &str, broken: bool) {
        let outcome = dialect::described_binary(words, broken);
        formats::check("binary", Raw::Binary(bytes), &outcome.events, self.labels);
    }
}

/// Everything that is sent is JSON, whatever a server puts into it.
fn check_outgoing(outgoing: &Outgoing) {
    assert!(outgoing.send.iter().all(|text| json::is_json(text)), "{:?}", outgoing.send);
    assert!(outgoing.send.len() <= 16 && outgoing.warn.len() <= 16, "{outgoing:?}");
}
