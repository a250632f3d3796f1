//! NeuroGraph's WebSocket server: channels to subscribe to, and events of any shape.
//!
//! Measured with v0.63.1, as published and with its authentication repaired; differences to its documentation are
//! marked below. No answer names its request: answers come in the order of the requests.

mod binary;
pub(super) mod event;
#[cfg(test)]
mod session_tests;
mod state;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use super::{
    Dialect, DialectContext, DialectOptions, Handler, Outcome, TimerOutcome, Undecodable, answer, beside_type,
    keep_alive, push_all, unknown, utc,
};
use crate::model::event::{Answer, Event, ServerError};
use crate::model::json::{self, Node};
use crate::model::number;
use crate::proto::dialect::requests::RequestSpec;
use crate::proto::http::sha1;
use crate::proto::uri::{Endpoint, percent_encode};

pub use state::NeurographState;
use state::OwnRequest;

pub static DIALECT: Dialect = Dialect {
    name: "neurograph",
    id: crate::model::dialect::Dialect::Neurograph,
    port: 8000,
    path: "/ws",
    stale_default: Some(Duration::from_secs(75)),
    stamp: utc,
    is_quiet: |options, state| {
        let is_asked = options.subscribe.is_empty() || options.subscribe.iter().any(|name| name == METRICS);
        !is_asked || state.neurograph.is_without_metrics
    },
    recognises,
    kind,
    kinds: &["sample", "log", "notice", "answer", "error"],
    names: &CHANNELS,
    any_name: true,
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
    wants: |_, _| true,
    other: Some(Handler::Text(other)),
    prepare_dial,
    greet,
    requests: RequestSpec {
        render: beside_type,
        answers: &[
            ("ping", "pong"),
            ("subscribe", "subscribed"),
            ("unsubscribe", "unsubscribed"),
            ("get_subscriptions", "subscriptions"),
            ("get_reconnection_token", "reconnection_token"),
        ],
        error: Some("error"),
        max_in_flight: usize::MAX,
        // Bound of our own queue; the server accepts 16 MiB.
        max_bytes: 1 << 16,
    },
    deadline: |state| state.neurograph.deadline(),
    tick,
    advice: &[(403, "either the path is wrong (neurograph's is /ws), or the token was refused")],
    options: &["Server::subscribe", "Server::token_file"],
    unpack: Some(binary::unpack),
};

/// The channel of the samples, the only one on which messages come regularly.
const METRICS: &str = "metrics";
const CHANNELS: [&str; 6] = [METRICS, "signals", "actions", "logs", "status", "connections"];
/// Lifetime of a token whose message has none, in seconds.
const TOKEN_LIFETIME: f64 = 300.0;
/// Members with which anyone could continue the session.
const SECRETS: &[&str] = &["token", "reconnection_token"];

/// Accepts the greeting, and events of known channels, since an event may come before the greeting.
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

/// Finds the type, or the channel of an event: a message with a channel is an event, whatever its type. The server's
/// own client decides in the same way.
fn kind(text: &str) -> Option<Cow<'_, str>> {
    if !json::has_member(text, &["channel"]) {
        return json::message_type(text);
    }
    let is_type = |name: &str| DIALECT.handlers.iter().any(|(kind, _)| *kind == name);
    Some(json::member(text, "channel").filter(|channel| !is_type(channel)).unwrap_or("channel".into()))
}

/// Adds `?token=`, the only place where the server looks, and the reconnection token if there is one. The server
/// prefers a valid reconnection token to the credential, and ignores an invalid one, so that both can be sent.
fn prepare_dial(endpoint: &mut Endpoint, context: &mut DialectContext<'_>) {
    let token = context.options.token.as_deref().filter(|token| !token.is_empty());
    if let (Some(token), false) = (token, has_token(&endpoint.target)) {
        add_parameter(&mut endpoint.target, "token", token);
    }
    let token_scope = sha1::digest(&format!("{} {} {}", endpoint.secure, endpoint.authority(), endpoint.target));
    let credential = has_token(&endpoint.target);
    if let Some(token) = context.state.neurograph.begin_dial(token_scope, credential, context.now) {
        add_parameter(&mut endpoint.target, "reconnection_token", token);
    }
}

/// True if the URI has a token that is not empty.
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

fn greet(context: &mut DialectContext<'_>) -> Vec<String> {
    let subscribe = context.state.neurograph.begin(context.now);
    if subscribe { vec![render_own(OwnRequest::Subscribe, context.options)] } else { Vec::new() }
}

fn tick(context: &mut DialectContext<'_>) -> TimerOutcome {
    let due = context.state.neurograph.tick(context.now);
    let mut send = Vec::new();
    for request in due.requests {
        send.push(render_own(request, context.options));
    }
    TimerOutcome { send, hang_up: due.hang_up.map(str::to_owned) }
}

fn render_own(request: OwnRequest, options: &DialectOptions) -> String {
    match request {
        OwnRequest::Ping => r#"{"type":"ping"}"#.to_owned(),
        OwnRequest::ReconnectToken => r#"{"type":"get_reconnection_token"}"#.to_owned(),
        OwnRequest::Subscribe if options.subscribe.is_empty() => subscription(&mut CHANNELS.iter().copied()),
        OwnRequest::Subscribe => subscription(&mut options.subscribe.iter().map(String::as_str)),
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

fn connected<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let user = node.get("user_id").filter(|user| !user.is_null());
    let restored = matches!(node.get("reconnected"), Some(Node::Bool(true)));
    received(context);
    context.state.neurograph.connected(user.is_some(), restored, context.now);
    let mut text = if restored { "Reconnected " } else { "Connected " }.to_owned();
    match user {
        Some(user) => push_all(&mut text, &["as ", &user.to_string()]),
        None => text.push_str("anonymously"),
    }
    if let Some(id) = node.get("client_id") {
        push_all(&mut text, &[", client ", &id.to_string()]);
    }
    let mut outcome = greeting(text);
    let has_token = context.options.token.as_ref().is_some_and(|token| !token.is_empty());
    if has_token && user.is_none() {
        if context.state.neurograph.take_redial() {
            outcome.effects().redial = Some(
                "recognised as neurograph, and the session is anonymous: dialling again with the token in the URI",
            );
        } else if context.state.neurograph.report_anonymous() {
            let line = "this session is anonymous: the server accepted the connection and ignored the token";
            outcome.warn(Some(line.to_owned()));
        }
    }
    Some(outcome)
}

/// Handles the answer to `subscribe`, which also lists the denied channels. It is not an error even if all are denied.
fn subscribed<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let channels = names(&node, "channels");
    received(context);
    let own = context.state.neurograph.answered(OwnRequest::Subscribe);
    let mut outcome = match (own, &*channels) {
        (false, _) => Event::Answer(answer(&node)).into(),
        (true, "") => greeting("Subscribed to nothing".to_owned()),
        (true, channels) => greeting(format!("Subscribed to {channels}")),
    };
    outcome.own_answer = own;
    if own {
        let has_metrics = channels.split(", ").any(|name| name == METRICS);
        context.state.neurograph.is_without_metrics = !channels.is_empty() && !has_metrics;
    }
    outcome.warn(denied(&names(&node, "denied"), channels.is_empty(), context));
    Ok(outcome)
}

fn denied(denied: &str, all: bool, context: &mut DialectContext<'_>) -> Option<String> {
    if denied.is_empty() || !context.state.neurograph.report_denied(denied) {
        return None;
    }
    let nothing = if all { "; no channel is left, so nothing will be received" } else { "" };
    Some(format!("denied by the server: {denied} (no permission, or no such channel){nothing}"))
}

fn names(node: &Node<'_>, key: &str) -> String {
    node.get(key).map_or_else(String::new, Node::joined)
}

fn answered<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    received(context);
    Ok(Event::Answer(answer(&Node::parse(text)?)).into())
}

fn reconnection_token<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    received(context);
    keep_token(&node, "token", context);
    let own = context.state.neurograph.answered(OwnRequest::ReconnectToken);
    let redacted = json::redact(text, SECRETS);
    let mut outcome = Outcome::from(if own { Event::KeepAlive } else { owned_answer(&redacted)? });
    outcome.own_answer = own;
    outcome.effects().redacted = Some(redacted);
    Ok(outcome)
}

/// Makes an answer that borrows nothing from the text.
fn owned_answer(text: &str) -> Result<Event<'static>, Undecodable> {
    let Answer { kind, text, .. } = answer(&Node::parse(text)?);
    Ok(Event::Answer(Answer { kind: kind.into_owned().into(), text, ..Answer::default() }))
}

/// Handles the documented farewell, which the real server never sends: it makes the token and keeps it.
fn disconnected<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let node = Node::parse(text)?;
    received(context);
    keep_token(&node, "reconnection_token", context);
    let words = node.text("message").or_else(|| node.text("reason")).map_or("Disconnected", |words| words);
    let mut outcome = greeting(words.to_owned());
    outcome.effects().redacted = Some(json::redact(text, SECRETS));
    Ok(outcome)
}

fn keep_token(node: &Node<'_>, key: &str, context: &mut DialectContext<'_>) {
    if let Some(token) = node.text(key) {
        let lifetime = node.number("expires_in").unwrap_or(TOKEN_LIFETIME);
        context.state.neurograph.keep_token(token, lifetime, context.now);
    }
}

fn pong<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let mut outcome = ping(text, context)?;
    outcome.own_answer = context.state.neurograph.answered(OwnRequest::Ping);
    Ok(outcome)
}

/// Handles a JSON ping. An answer is documented, but the real server takes `pong` for an error.
fn ping<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let outcome = keep_alive(text, context)?;
    received(context);
    Ok(outcome)
}

fn error<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    received(context);
    let words = node.first_text(&["message"]);
    let wait = node.number("retry_after");
    let retry_at = wait.map(|wait| NeurographState::retry_at(wait, context.now));
    let own =
        context.state.neurograph.refused(&words, retry_at) || retry_at.is_some_and(|at| context.requests.postpone(at));
    let text = match wait {
        Some(wait) => {
            let mut text = format!("{words} (retry after ");
            number::push_fixed(&mut text, wait, 0, 2);
            text.push_str(" s)");
            text.into()
        }
        None => words,
    };
    let retry_after = wait.map(NeurographState::retry_after);
    let mut outcome = Outcome::from(Event::Error(ServerError { text, retry_after, ..ServerError::default() }));
    outcome.own_answer = own;
    Some(outcome)
}

fn other<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let outcome = if json::has_member(text, &["channel"]) {
        event::read(text)?
    } else if json::is_json(text) {
        // Without a tree: it is shown as it came.
        unknown(json::message_type(text).unwrap_or_default(), text)
    } else {
        return Err(Undecodable);
    };
    received(context);
    Ok(outcome)
}

/// Any message proves that the connection is alive for messages.
fn received(context: &mut DialectContext<'_>) {
    context.state.neurograph.received(context.now);
}

fn greeting<'a>(text: String) -> Outcome<'a> {
    super::notice(text.into(), true)
}
