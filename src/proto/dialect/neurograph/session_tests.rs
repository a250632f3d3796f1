//! Transcripts of whole sessions on a simulated clock, through the conversation that the loop drives.

use std::time::{Duration, Instant};

use crate::model::event::Event;
use crate::proto::dialect;
use crate::proto::dialect::DialectOptions;
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::dialect::requests::{Request, RequestPlan};
use crate::proto::uri::Endpoint;
use crate::testing::random::Random;

const TOKEN: &str = r#"{"type":"reconnection_token","token":"geheim-1","expires_in":300}"#;
const SUBSCRIBED: &str = r#"{"type":"subscribed","channels":["metrics"],"timestamp":"t"}"#;
const PING: &str = r#"{"type":"ping","timestamp":"t"}"#;
const PONG: &str = r#"{"type":"pong","timestamp":"t"}"#;
const LIMIT: &str = r#"{"type":"error","message":"Rate limit exceeded","retry_after":0.5}"#;

const SUBSCRIBE: &str = r#"send {"type":"subscribe","channels":["metrics"]}"#;
const ASK_TOKEN: &str = r#"send {"type":"get_reconnection_token"}"#;
const SEND_PING: &str = r#"send {"type":"ping"}"#;

/// One server, and what was sent and shown since the last look.
struct TestSession {
    conversation: Conversation,
    token: Option<String>,
    now: Instant,
    seen: Vec<String>,
}

impl TestSession {
    fn new(token: Option<&str>, requests: &[&str]) -> Self {
        TestSession::in_dialect(Some("neurograph"), token, requests)
    }

    fn in_dialect(dialect: Option<&str>, token: Option<&str>, requests: &[&str]) -> Self {
        let options = DialectOptions { subscribe: vec!["metrics".into()], ..DialectOptions::default() };
        let requests = requests.iter().map(|kind| Request { kind: (*kind).into(), ..Request::default() }).collect();
        let plan = RequestPlan { requests, ..RequestPlan::default() };
        let conversation = Conversation::new(dialect.and_then(dialect::named), options, plan);
        TestSession { conversation, token: token.map(Into::into), now: Instant::now(), seen: Vec::new() }
    }

    fn dial(&mut self, uri: &str) -> String {
        let mut endpoint = Endpoint::parse(uri).unwrap();
        self.conversation.prepare_dial(&mut endpoint, self.token.clone(), self.now);
        endpoint.target
    }

    fn open(&mut self) -> &mut Self {
        let outgoing = self.conversation.opened(self.now, false);
        self.note(outgoing);
        self
    }

    fn end(&mut self) {
        self.conversation.ended(true);
        self.seen.clear();
    }

    /// The server sends a text.
    fn receive(&mut self, text: &str) -> &mut Self {
        let mut repaired = None;
        let mut outgoing = Outgoing::default();
        let decoded = self.conversation.decode(text, &mut repaired, self.now, &mut outgoing);
        assert!(!decoded.text.contains("geheim") && !format!("{:?}", decoded.events).contains("geheim"));
        let answers = decoded.events.iter().filter(|event| matches!(event, Event::Answer(_))).count();
        self.seen.extend((0..answers).map(|_| "answer".to_owned()));
        self.note(outgoing);
        self.wait(0.0)
    }

    /// Time passes, from deadline to deadline.
    fn wait(&mut self, seconds: f64) -> &mut Self {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(at) = self.conversation.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let outgoing = self.conversation.tick(self.now);
            let over = outgoing.hang_up.is_some();
            self.note(outgoing);
            assert!(over || self.conversation.deadline() != Some(at), "a stale deadline is a busy loop");
            if over {
                break;
            }
        }
        self.now = self.now.max(end);
        self
    }

    fn greet(&mut self, user: Option<&str>, reconnected: bool) -> &mut Self {
        let user = user.map_or("null".to_owned(), |user| format!("\"{user}\""));
        self.receive(&format!(r#"{{"type":"connected","client_id":"c","user_id":{user},"reconnected":{reconnected}}}"#))
    }

    fn note(&mut self, outgoing: Outgoing) {
        self.seen.extend(outgoing.send.iter().map(|text| format!("send {text}")));
        self.seen.extend(outgoing.warn.iter().map(|text| format!("warn {text}")));
        self.seen.extend(outgoing.redial.iter().map(|text| format!("redial: {text}")));
        self.seen.extend(outgoing.hang_up.iter().map(|text| format!("hang up: {text}")));
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    /// An authenticated session with a token in hand.
    fn with_token() -> Self {
        let mut run = TestSession::new(Some("jwt"), &[]);
        run.dial("ws://h/ws");
        run.open().greet(Some("admin"), false).receive(SUBSCRIBED).receive(TOKEN);
        assert_eq!(run.seen(), [SUBSCRIBE, ASK_TOKEN]);
        run
    }
}

#[test]
fn the_token_stands_in_the_query_percent_encoded_unless_the_uri_has_one() {
    let mut run = TestSession::new(Some("a+b/c=&d é.-_~"), &[]);
    let encoded = "token=a%2Bb%2Fc%3D%26d%20%C3%A9.-_~";
    assert_eq!(run.dial("ws://h/ws"), format!("/ws?{encoded}"));
    assert_eq!(run.dial("ws://h/ws?x=1"), format!("/ws?x=1&{encoded}"));
    assert_eq!(run.dial("ws://h/ws?"), format!("/ws?{encoded}"));
    assert_eq!(run.dial("ws://h/ws?token="), format!("/ws?token=&{encoded}"));
    assert_eq!(run.dial("ws://h/ws?token=own"), "/ws?token=own");
    assert_eq!(TestSession::new(None, &[]).dial("ws://h/ws?x"), "/ws?x");
    assert_eq!(TestSession::new(Some(""), &[]).dial("ws://h/ws"), "/ws");
}

#[test]
fn a_session_is_continued_with_its_token_which_is_used_once() {
    let mut run = TestSession::with_token();
    run.end();
    assert_eq!(run.dial("ws://h/ws"), "/ws?token=jwt&reconnection_token=geheim-1");
    assert_eq!(run.open().seen(), [""; 0], "the subscriptions may be there already");
    assert_eq!(run.greet(Some("admin"), true).seen(), [ASK_TOKEN]);
    run.end();
    assert_eq!(run.dial("ws://h/ws"), "/ws?token=jwt", "no new one came");
    assert_eq!(run.open().seen(), [SUBSCRIBE]);
}

#[test]
fn a_session_that_is_not_restored_subscribes_again() {
    let mut run = TestSession::with_token();
    run.end();
    run.dial("ws://h/ws");
    assert_eq!(run.open().greet(Some("admin"), false).seen(), [SUBSCRIBE, ASK_TOKEN]);
    run.receive(SUBSCRIBED).receive(TOKEN).end();
    run.dial("ws://h/ws");
    let seen = run.open().greet(None, false).seen();
    assert!(
        seen.len() == 2 && seen[0].starts_with("warn this session is anonymous") && seen[1] == SUBSCRIBE,
        "{seen:?}"
    );
}

#[test]
fn a_restored_session_without_its_subscriptions_gets_them() {
    let mut run = TestSession::new(Some("jwt"), &[]);
    run.dial("ws://h/ws");
    run.open().greet(Some("admin"), false).receive(TOKEN).end();
    run.dial("ws://h/ws");
    assert_eq!(run.open().greet(Some("admin"), true).seen(), [SUBSCRIBE, ASK_TOKEN]);
}

#[test]
fn silence_or_eof_after_a_token_ends_the_use_of_tokens() {
    for eof in [true, false] {
        let mut run = TestSession::with_token();
        run.end();
        assert!(run.dial("ws://h/ws").contains("geheim"));
        run.open();
        if !eof {
            let seen = run.wait(60.0).seen();
            assert!(
                seen.len() == 1 && seen[0].starts_with("hang up: no message after the reconnection token"),
                "{seen:?}"
            );
        }
        run.end();
        assert_eq!(run.dial("ws://h/ws"), "/ws?token=jwt");
        assert_eq!(run.open().greet(Some("admin"), false).wait(1.0).seen(), [SUBSCRIBE]);
        run.receive(TOKEN).end();
        assert_eq!(run.dial("ws://h/ws"), "/ws?token=jwt");
    }
}

#[test]
fn a_failed_dial_costs_no_token_and_time_or_another_server_or_user_does() {
    let mut run = TestSession::with_token();
    run.end();
    for _ in 0..2 {
        assert!(run.dial("ws://h/ws").contains("geheim"), "it never got through");
    }
    run.now += Duration::from_secs(300);
    assert_eq!(run.dial("ws://h/ws"), "/ws?token=jwt");
    for (uri, token) in [("ws://other/ws", "jwt"), ("ws://h/ws", "another")] {
        let mut run = TestSession::with_token();
        run.end();
        run.token = Some(token.into());
        assert_eq!(run.dial(uri), format!("/ws?token={token}"));
    }
}

#[test]
fn the_token_is_renewed_at_half_its_time() {
    let mut run = TestSession::with_token();
    for round in 0..4 {
        for _ in 0..10 {
            assert_eq!(run.receive(PING).wait(14.0).seen(), [""; 0], "round {round}");
        }
        assert_eq!(run.receive(PING).wait(10.0).seen(), [ASK_TOKEN]);
        run.receive(TOKEN);
    }
}

#[test]
fn a_refused_token_is_not_requested_again() {
    let mut run = TestSession::new(Some("jwt"), &[]);
    run.dial("ws://h/ws");
    assert_eq!(run.open().greet(Some("admin"), false).seen(), [SUBSCRIBE, ASK_TOKEN]);
    run.receive(SUBSCRIBED);
    run.receive(r#"{"type":"error","message":"Reconnection tokens are only available for authenticated users"}"#).end();
    run.dial("ws://h/ws");
    assert_eq!(run.open().greet(Some("admin"), false).wait(20.0).seen(), [SUBSCRIBE]);
}

#[test]
fn an_anonymous_session_requests_no_token_and_an_unused_credential_is_reported_once() {
    let mut run = TestSession::in_dialect(None, Some("jwt"), &[]);
    assert_eq!(run.dial("ws://h/ws"), "/ws", "not known yet");
    let seen = run.open().greet(None, false).seen();
    assert!(seen[0].starts_with("redial: ") && seen.len() == 1, "nothing is sent on this connection: {seen:?}");
    run.end();
    assert_eq!(run.dial("ws://h/ws"), "/ws?token=jwt");
    let seen = run.open().greet(None, false).seen();
    assert!(seen[0] == SUBSCRIBE && seen[1].contains("ignored the token") && seen.len() == 2, "once: {seen:?}");
    run.end();
    run.dial("ws://h/ws");
    assert_eq!(run.open().greet(None, false).seen(), [SUBSCRIBE]);
    for (token, user) in [(None, None), (Some(""), None), (Some("jwt"), Some("admin"))] {
        let mut run = TestSession::in_dialect(None, token, &[]);
        run.dial("ws://h/ws");
        let seen = run.open().greet(user, false).seen();
        assert!(seen[0] == SUBSCRIBE && !seen.iter().any(|line| line.starts_with("redial")), "{seen:?}");
    }
    let mut run = TestSession::new(Some("jwt"), &[]);
    run.dial("ws://h/ws");
    assert!(run.open().greet(None, false).seen()[1].contains("ignored the token"));
    assert_eq!(TestSession::new(None, &[]).open().greet(None, false).seen(), [SUBSCRIBE]);
}

#[test]
fn silence_is_ended_by_a_ping_or_the_connection_is_dead() {
    let mut run = TestSession::new(None, &[]);
    run.open().greet(None, false).receive(SUBSCRIBED).seen();
    assert_eq!(run.wait(24.9).seen(), [""; 0]);
    assert_eq!(run.wait(0.2).seen(), [SEND_PING]);
    assert_eq!(run.wait(4.8).receive(PONG).wait(24.9).seen(), [""; 0]);
    assert_eq!(run.receive(PING).wait(24.9).seen(), [""; 0], "the server's ping is life and wants no answer");
    assert_eq!(run.wait(0.2).receive(r#"{"channel":"metrics"}"#).wait(24.0).seen(), [SEND_PING], "any message will do");
    let seen = run.wait(6.1).seen();
    assert!(seen.len() == 2 && seen[0] == SEND_PING && seen[1].starts_with("hang up: no message for 25 s"), "{seen:?}");
    assert_eq!(run.conversation.deadline(), None);
}

#[test]
fn a_server_that_sends_nothing_is_given_ten_seconds() {
    let mut run = TestSession::new(None, &[]);
    assert_eq!(run.open().wait(9.9).seen(), [SUBSCRIBE]);
    assert!(run.wait(0.2).seen()[0].starts_with("hang up: no message within 10 s"));
    run.end();
    run.open().receive(r#"{"channel":"metrics","data":1,"buffered_at":"t"}"#).seen();
    assert_eq!(run.wait(20.0).seen(), [""; 0], "events before connected are life");
}

#[test]
fn a_request_that_the_rate_limit_refuses_is_repeated_once() {
    let mut run = TestSession::new(None, &[]);
    run.open().greet(None, false).seen();
    assert_eq!(run.receive(LIMIT).wait(0.54).seen(), [""; 0]);
    assert_eq!(run.wait(0.02).seen(), [SUBSCRIBE]);
    assert_eq!(run.receive(LIMIT).wait(20.0).seen(), [""; 0]);
    for odd in ["1e300", "-5", "3"] {
        let mut run = TestSession::new(None, &[]);
        run.open().greet(None, false).seen();
        run.receive(&LIMIT.replace("0.5", odd)).receive(PING).wait(4.0);
        assert_eq!(run.seen().len(), usize::from(odd != "1e300"), "{odd}");
    }
}

#[test]
fn requests_of_the_user_have_their_own_answers_and_are_repeated_too() {
    let mut run = TestSession::new(Some("jwt"), &["subscribe", "get_subscriptions"]);
    run.dial("ws://h/ws");
    let asked = [SUBSCRIBE, r#"send {"type":"subscribe"}"#, r#"send {"type":"get_subscriptions"}"#];
    assert_eq!(run.open().seen(), asked);
    assert_eq!(run.greet(Some("admin"), false).seen(), [ASK_TOKEN]);
    assert_eq!(run.receive(SUBSCRIBED).seen(), [""; 0], "the first is ours");
    assert_eq!(run.receive(SUBSCRIBED).seen(), ["answer"]);
    assert_eq!(run.receive(TOKEN).seen(), [""; 0]);
    assert_eq!(run.receive(LIMIT).wait(0.6).seen(), [asked[2]]);
    assert_eq!(run.receive(r#"{"type":"subscriptions","channels":[]}"#).seen(), ["answer"]);
}

#[test]
fn a_requested_token_is_an_answer_without_its_secret() {
    let mut run = TestSession::new(None, &["get_reconnection_token"]);
    run.open().greet(None, false).seen();
    assert_eq!(run.receive(TOKEN).seen(), ["answer"]);
}

#[test]
fn denied_channels_are_reported_once_and_if_they_are_all() {
    let denied = r#"{"type":"subscribed","channels":[],"denied":["metrics"],"message":"Permission denied"}"#;
    let mut run = TestSession::new(None, &[]);
    for expected in [1, 0] {
        run.open().greet(None, false).seen();
        let seen = run.receive(denied).seen();
        assert_eq!(seen.len(), expected);
        assert!(
            seen.iter()
                .all(|line| line.contains("denied by the server: metrics") && line.contains("nothing will be received"))
        );
        run.end();
    }
}

#[test]
fn random_histories_neither_stick_nor_flood() {
    let texts = [TOKEN, SUBSCRIBED, PING, PONG, LIMIT, "[]", "NaN", r#"{"channel":"x","data":NaN}"#];
    let mut random = Random::new(1);
    let mut next = |sides: usize| random.below(sides);
    let mut run = TestSession::new(Some("jwt"), &["ping"]);
    for _ in 0..300 {
        run.dial("ws://h/ws");
        run.open();
        let began = run.now;
        for _ in 0..next(40) {
            match next(4) {
                0 => run.greet([None, Some("u")][next(2)], next(2) == 0),
                1 => run.wait(next(30) as f64),
                _ => run.receive(texts[next(texts.len())]),
            };
        }
        let pings = run.seen().iter().filter(|line| *line == SEND_PING).count();
        let seconds = (run.now - began).as_secs_f64();
        assert!(pings as f64 <= 3.0 + seconds / 25.0, "{pings} in {seconds} s");
        run.end();
    }
}
