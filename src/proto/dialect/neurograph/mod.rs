//! NeuroGraph's WebSocket server: channels to subscribe to, and events of any shape.
//!
//! Measured with v0.63.1, as published and with its authentication repaired; its documentation differs where it
//! says so here. No answer names its question: they come in the order of the questions.

mod binary;
mod event;
#[cfg(test)]
mod session_tests;
mod state;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::{
    Dialect, DialectOptions, DialectState, Handler, Outcome, TimerOutcome, Undecodable, answer, beside_type,
    keep_alive, push_all, unknown,
};
use crate::model::event::{Answer, Event, ServerError};
use crate::model::json::{self, Node};
use crate::proto::dialect::requests::RequestSpec;
use crate::proto::uri::{Endpoint, percent_encode};

pub use state::NeurographState;
use state::OwnRequest;

pub static DIALECT: Dialect = Dialect {
    name: "neurograph",
    about: "NeuroGraph",
    port: 8000,
    path: "/ws",
    quiet_after: Some(Duration::from_secs(75)),
    recognises,
    kind,
    handlers: &[
        ("connected", Handler::Tree(connected)),
        ("subscribed", Handler::Text(subscribed)),
        ("unsubscribed", Handler::Text(answered)),
        ("subscriptions", Handler::Text(answered)),
        ("reconnection_token", Handler::Text(reconnection_token)),
        ("disconnected", Handler::Text(disconnected)),
        ("pong", Handler::Text(pong)),
        ("ping", Handler::Text(ping)),
        ("error", Handler::Tree(error)),
    ],
    other: Some(Handler::Text(other)),
    address,
    greet,
    asking: RequestSpec {
        render: beside_type,
        answers: &[
            ("ping", "pong"),
            ("subscribe", "subscribed"),
            ("unsubscribe", "unsubscribed"),
            ("get_subscriptions", "subscriptions"),
            ("get_reconnection_token", "reconnection_token"),
        ],
        error: Some("error"),
        at_once: usize::MAX,
        // The server's limit is 16 MiB; ours is that of what we queue.
        longest: 1 << 16,
    },
    deadline: |memory| memory.neurograph.deadline(),
    tick,
    advice: &[(403, "either the path is wrong (neurograph's is /ws), or the token was refused")],
    takes: &["--subscribe", "--token-file"],
    binary: Some(binary::open),
};

const CHANNELS: [&str; 6] = ["metrics", "signals", "actions", "logs", "status", "connections"];
/// How long a token lasts whose message does not say so.
const TOKEN_LASTS: f64 = 300.0;
/// Members that let whoever reads them continue the session.
const SECRETS: &[&str] = &["token", "reconnection_token"];

/// The greeting, which comes first by far; an event may come before it.
fn recognises(kind: &str, message: &Node<'_>) -> bool {
    let has = |key| message.get(key).is_some();
    match kind {
        "connected" => message.text("client_id").is_some() && has("user_id") && !has("channel") && !has("content"),
        "" => {
            message.text("channel").is_some_and(|channel| CHANNELS.contains(&&**channel))
                && has("event_type")
                && has("data")
        }
        _ => false,
    }
}

/// The type, or the channel of an event: what has a channel is one, whatever its type. So does the server's own
/// client decide.
fn kind(text: &str) -> Option<Cow<'_, str>> {
    if !json::has_member(text, &["channel"]) {
        return json::message_type(text);
    }
    let is_type = |name: &str| DIALECT.handlers.iter().any(|(kind, _)| *kind == name);
    Some(json::member(text, "channel").filter(|channel| !is_type(channel)).unwrap_or("channel".into()))
}

/// `?token=` is the only place where the server looks. A valid reconnection token wins over it, an invalid one
/// is passed over for it: both go along.
fn address(endpoint: &mut Endpoint, wish: &DialectOptions, memory: &mut DialectState) {
    let token = wish.token.as_deref().filter(|token| !token.is_empty());
    if let (Some(token), false) = (token, has_token(&endpoint.target)) {
        add_parameter(&mut endpoint.target, "token", token);
    }
    let Some(now) = memory.now else { return };
    let place = place(endpoint);
    if let Some(token) = memory.neurograph.dialling(place, has_token(&endpoint.target), now) {
        add_parameter(&mut endpoint.target, "reconnection_token", token);
    }
}

/// A number for the server and the credential, so that neither has to be kept.
fn place(endpoint: &Endpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    (endpoint.secure, endpoint.authority(), &endpoint.target).hash(&mut hasher);
    hasher.finish()
}

/// Whether the URI has a token; an empty one is none.
fn has_token(target: &str) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|parameter| parameter.strip_prefix("token=").is_some_and(|token| !token.is_empty()))
}

fn add_parameter(target: &mut String, name: &str, value: &str) {
    if !target.contains('?') {
        target.push('?');
    } else if !matches!(target.as_bytes().last(), Some(b'?' | b'&')) {
        target.push('&');
    }
    push_all(target, &[name, "=", &percent_encode(value)]);
}

fn greet(wish: &DialectOptions, memory: &mut DialectState) -> Vec<String> {
    let at_once = memory.now.is_some_and(|now| memory.neurograph.begin(now));
    if at_once { vec![text_of(OwnRequest::Subscribe, wish)] } else { Vec::new() }
}

fn tick(memory: &mut DialectState, now: Instant) -> TimerOutcome {
    let due = memory.neurograph.tick(now);
    let mut send = Vec::new();
    for own in due.ask {
        send.push(text_of(own, &memory.wish));
    }
    TimerOutcome { send, hang_up: due.hang_up.map(str::to_owned) }
}

fn text_of(own: OwnRequest, wish: &DialectOptions) -> String {
    match own {
        OwnRequest::Ping => r#"{"type":"ping"}"#.to_owned(),
        OwnRequest::ReconnectToken => r#"{"type":"get_reconnection_token"}"#.to_owned(),
        OwnRequest::Subscribe if wish.subscribe.is_empty() => subscription(&mut CHANNELS.iter().copied()),
        OwnRequest::Subscribe => subscription(&mut wish.subscribe.iter().map(String::as_str)),
    }
}

fn subscription(channels: &mut dyn Iterator<Item = &str>) -> String {
    let mut text = String::from(r#"{"type":"subscribe","channels":["#);
    for (i, channel) in channels.enumerate() {
        text.push_str(if i > 0 { "," } else { "" });
        json::push_string(&mut text, channel);
    }
    text.push_str("]}");
    text
}

fn connected<'a>(node: &Node<'a>, memory: &mut DialectState) -> Option<Outcome<'a>> {
    let user = node.get("user_id").filter(|user| !user.is_null());
    let restored = matches!(node.get("reconnected"), Some(Node::Bool(true)));
    heard(memory);
    if let Some(now) = memory.now {
        memory.neurograph.connected(user.is_some(), restored, now);
    }
    let mut text = if restored { "Reconnected " } else { "Connected " }.to_owned();
    match user {
        Some(user) => push_all(&mut text, &["as ", &user.to_string()]),
        None => text.push_str("anonymously"),
    }
    if let Some(id) = node.get("client_id") {
        push_all(&mut text, &[", client ", &id.to_string()]);
    }
    let warn = if user.is_none() { unread(memory) } else { None };
    let mut step = greeting(text);
    step.warn = warn;
    Some(step)
}

/// A token was given, and the server knows nobody.
fn unread(memory: &mut DialectState) -> Option<String> {
    memory.wish.token.as_ref().filter(|token| !token.is_empty())?;
    let why = match memory.neurograph.went_unread()? {
        true => "the server accepted the connection and took no notice of the token",
        false => "the token was not in the URI, where this server wants it: name --dialect neurograph",
    };
    Some(format!("this session is anonymous: {why}"))
}

/// Denied channels stand in the answer to `subscribe`, which is no error even where nothing is left.
fn subscribed<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let channels = names(&node, "channels");
    heard(memory);
    let own = memory.neurograph.answered(OwnRequest::Subscribe);
    let mut step = match (own, &*channels) {
        (false, _) => Event::Answer(answer(&node)).into(),
        (true, "") => greeting("Subscribed to nothing".to_owned()),
        (true, channels) => greeting(format!("Subscribed to {channels}")),
    };
    step.own = own;
    step.warn = denied(&names(&node, "denied"), channels.is_empty(), memory);
    Ok(step)
}

fn denied(denied: &str, all: bool, memory: &mut DialectState) -> Option<String> {
    if denied.is_empty() || !memory.neurograph.is_news(denied) {
        return None;
    }
    let nothing = if all { "; no channel is left, so that nothing will come" } else { "" };
    Some(format!("denied by the server: {denied} (not for this user, or there is no such channel){nothing}"))
}

fn names(node: &Node<'_>, key: &str) -> String {
    node.get(key).map_or_else(String::new, Node::joined)
}

fn answered<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    heard(memory);
    Ok(Event::Answer(answer(&Node::parse(text)?)).into())
}

fn reconnection_token<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    heard(memory);
    keep(&node, "token", memory);
    let own = memory.neurograph.answered(OwnRequest::ReconnectToken);
    let redacted = json::redact(text, SECRETS);
    let mut step = Outcome::from(if own { Event::KeepAlive } else { answer_of(&redacted)? });
    step.own = own;
    step.redacted = Some(redacted);
    Ok(step)
}

/// An answer that borrows from nothing.
fn answer_of(text: &str) -> Result<Event<'static>, Undecodable> {
    let Answer { kind, text } = answer(&Node::parse(text)?);
    Ok(Event::Answer(Answer { kind: kind.into_owned().into(), text }))
}

/// Documented, and never seen: the server makes the token and keeps it to itself.
fn disconnected<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    heard(memory);
    keep(&node, "reconnection_token", memory);
    let words = node.text("message").or_else(|| node.text("reason")).map_or("Disconnected", |words| words);
    let mut step = greeting(words.to_owned());
    step.redacted = Some(json::redact(text, SECRETS));
    Ok(step)
}

fn keep(node: &Node<'_>, key: &str, memory: &mut DialectState) {
    if let (Some(token), Some(now)) = (node.text(key), memory.now) {
        memory.neurograph.keep(token, node.number("expires_in").unwrap_or(TOKEN_LASTS), now);
    }
}

fn pong<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let mut step = ping(text, memory)?;
    step.own = memory.neurograph.answered(OwnRequest::Ping);
    Ok(step)
}

/// Documented to want an answer; the real server answers `pong` with an error.
fn ping<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let step = keep_alive(text, memory)?;
    heard(memory);
    Ok(step)
}

fn error<'a>(node: &Node<'a>, memory: &mut DialectState) -> Option<Outcome<'a>> {
    heard(memory);
    let words = node.first_text(&["message"]);
    let wait = node.number("retry_after");
    let retry_at = wait.zip(memory.now).map(|(wait, now)| NeurographState::retry_at(wait, now));
    let own = memory.neurograph.refused(&words, retry_at) || retry_at.is_some_and(|at| memory.requests.postpone(at));
    let text = match wait {
        Some(wait) => format!("{words} (retry after {wait:.2} s)").into(),
        None => words,
    };
    let mut step = Outcome::from(Event::Error(ServerError { text, severity: None }));
    step.own = own;
    Some(step)
}

fn other<'a>(text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    heard(memory);
    match node.get("channel") {
        Some(_) => event::read(text, node),
        None => Ok(unknown(node.text_or("type", ""), text)),
    }
}

fn heard(memory: &mut DialectState) {
    memory.neurograph.heard(memory.now);
}

fn greeting<'a>(text: String) -> Outcome<'a> {
    super::notice(text.into(), true)
}
