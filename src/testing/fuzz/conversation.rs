//! A whole conversation, in a dialect or in one to be recognised, with all that is shown of it.

use std::time::{Duration, Instant};

use super::shown;
use crate::model::event::Raw;
use crate::model::json;
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::dialect::requests::{Request, RequestPlan};
use crate::proto::dialect::{self, Binary, DIALECTS, DialectOptions};
use crate::proto::uri::Endpoint;

/// Between the records of an input, as in RFC 7464.
pub const RECORD: u8 = 0x1e;
/// Records that are no message begin with one of these.
const LOST: u8 = 1;
const CLOSED: u8 = 2;
const WAIT: u8 = 3;
const HOUR: u8 = 4;
/// What is remembered of a server, in bytes of its debug output: a bound that no input may move.
const REMEMBERED: usize = 1 << 20;
/// What a binary message may unpack to.
const LIMIT: usize = 1 << 16;

/// The first byte chooses the dialect, the second what the user wants; records follow.
pub fn run(data: &[u8]) {
    let [dialect, options, records @ ..] = data else { return };
    let dialect = usize::from(*dialect).checked_sub(1).and_then(|at| DIALECTS.get(at).copied());
    let conversation = Conversation::new(dialect, wish(*options), questions(*options));
    let mut session = FuzzSession { conversation, now: Instant::now(), labels: *options & 128 != 0 };
    session.dial();
    for record in records.split(|byte| *byte == RECORD).take(64) {
        session.take(record);
    }
    assert!(format!("{:?}", session.conversation).len() <= REMEMBERED);
}

fn wish(options: u8) -> DialectOptions {
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

fn questions(options: u8) -> RequestPlan {
    let ask = |kind: &str, json: Option<&str>| Request { kind: kind.into(), json: json.map(Into::into) };
    let asks = vec![ask("status", None), ask("get_subscriptions", Some(r#"{"a":[1]}"#)), ask("x\"\n", Some("5"))];
    match options & 64 {
        0 => RequestPlan::default(),
        _ => RequestPlan { asks, every: Some(Duration::from_secs(7)), ..RequestPlan::default() },
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
            (_, Ok(text)) => self.hear(text),
            (bytes, Err(_)) => self.open(bytes),
        }
    }

    fn dial_again(&mut self, cleanly: bool) {
        self.conversation.ended(cleanly);
        self.dial();
    }

    fn dial(&mut self) {
        let mut endpoint = Endpoint::parse("ws://h.example/ws/id?clientId=x&token=t").expect("a valid URI");
        self.conversation.locate(&mut endpoint);
        self.conversation.address(&mut endpoint, Some("t/?&\u{e9}".to_owned()), self.now);
        assert!(endpoint.target.starts_with('/') && endpoint.target.bytes().all(|b| b.is_ascii_graphic()));
        let say = self.conversation.opened(self.now);
        self.said(say);
    }

    /// A deadline that is due moves, or the connection is given up: all else is a busy loop.
    fn wait(&mut self) {
        let Some(at) = self.conversation.deadline() else { return };
        self.now = self.now.max(at);
        let say = self.conversation.tick(self.now);
        let over = say.hang_up.is_some();
        assert!(over || self.conversation.deadline().is_none_or(|next| next > self.now), "a busy loop");
        self.said(say);
        if over {
            self.dial_again(false);
        }
    }

    fn hear(&mut self, text: &str) {
        let mut room = None;
        let token = self.token(text);
        let mut heard = self.conversation.hear(text, &mut room, self.now);
        let say = std::mem::take(&mut heard.say);
        shown::check(&heard.kind, heard.raw(), &heard.events, self.labels);
        assert!(heard.decoded || heard.json == json::is_json(json::repair(text).as_deref().unwrap_or(text)));
        if let Some(token) = token {
            assert!(!format!("{heard:?}").contains(&token), "{heard:?}");
        }
        drop(self.conversation.sample(text));
        self.said(say);
    }

    /// What continues somebody's session, where it stands at one place only.
    fn token(&self, text: &str) -> Option<String> {
        let readable = json::repair(text);
        let node = json::Node::parse(readable.as_deref().unwrap_or(text)).ok()?;
        let is_told = node.text("type")? == "reconnection_token" && node.get("channel").is_none();
        let token = node.text("token").filter(|token| token.len() >= 8 && text.matches(&***token).count() == 1)?;
        (self.conversation.dialect() == "neurograph" && is_told).then(|| token.to_string())
    }

    fn open(&mut self, bytes: &[u8]) {
        match self.conversation.open(bytes, LIMIT) {
            Binary::Text(text) => self.hear(&text),
            Binary::Words(words) => {
                shown::check("binary", Raw::Binary(bytes), &dialect::binary(&words).show, self.labels)
            }
        }
    }

    /// Everything that is sent is JSON, whatever a server puts into it.
    fn said(&mut self, say: Outgoing) {
        assert!(say.send.iter().all(|text| json::is_json(text)), "{:?}", say.send);
        assert!(say.send.len() <= 16 && say.warn.len() <= 16, "{say:?}");
    }
}
