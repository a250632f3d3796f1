//! The client id of the next connection: a connection that broke off may live on at the server, under its id.

use std::time::{Duration, Instant};

use crate::proto::dialect::DialectContext;
use crate::proto::uri::Endpoint;

/// The server has closed a broken connection by then: it expects a pong every 20 s, and closes all after 60 to 90 s.
const GONE_AFTER: Duration = Duration::from_secs(90);

/// Remembered of connections that broke off. All of it survives a reconnection.
#[derive(Debug, Default)]
pub struct FastpluggyState {
    /// Number of them since the id was last used as it is.
    broken: u32,
    /// Time of the dial that followed the latest of them.
    broken_at: Option<Instant>,
    /// True if the latest connection ended by a Close frame or EOF; taken by the next dial.
    ended_cleanly: Option<bool>,
}

/// Uses the id of the URI as it is, unless an earlier connection may still hold it: then `{id}-2`, `{id}-3`, ….
/// Without an id the server gives a unique one.
pub fn prepare_dial(endpoint: &mut Endpoint, context: &mut DialectContext<'_>) {
    let number = context.state.fastpluggy.next_number(context.now);
    if number > 1 {
        endpoint.target = renamed(&endpoint.target, number);
    }
}

impl FastpluggyState {
    /// Takes the end of a connection; cleanly = by a Close frame or EOF.
    pub fn ended(&mut self, cleanly: bool) {
        self.ended_cleanly = Some(cleanly);
    }

    /// Numbers the next connection among those that may share an id.
    fn next_number(&mut self, now: Instant) -> u32 {
        let since = self.broken_at.map(|at| now.saturating_duration_since(at));
        if self.ended_cleanly.take() == Some(false) {
            self.broken = self.broken.saturating_add(1);
            self.broken_at = Some(now);
        } else if since.is_some_and(|since| since >= GONE_AFTER) {
            self.broken = 0;
        }
        self.broken.saturating_add(1)
    }
}

/// Returns the target with another id. An id in the path wins over one in the query, as it does at the server. The
/// suffix needs no percent-encoding, and the id keeps its own.
fn renamed(target: &str, number: u32) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let in_path = path.rsplit_once('/').is_some_and(|(before, id)| before.ends_with("/ws") && !id.is_empty());
    let suffix = format!("-{number}");
    let mut out = path.to_owned();
    if in_path {
        out.push_str(&suffix);
    }
    let mut lead = '?';
    for parameter in query.into_iter().flat_map(|query| query.split('&')) {
        out.push(lead);
        out.push_str(parameter);
        let is_id = parameter.strip_prefix("clientId=").is_some_and(|id| !id.is_empty());
        if is_id && !in_path {
            out.push_str(&suffix);
        }
        lead = '&';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dialect::OwnedContext;

    /// The targets of dials at these times in seconds, after connections that ended like this.
    fn targets(uri: &str, ends: &[(u64, Option<bool>)]) -> Vec<String> {
        let (start, mut context) = (Instant::now(), OwnedContext::default());
        ends.iter()
            .map(|(at, ended)| {
                context.now = start + Duration::from_secs(*at);
                context.state.fastpluggy.ended_cleanly = *ended;
                let mut endpoint = Endpoint::parse(uri).unwrap();
                prepare_dial(&mut endpoint, &mut context.lend());
                endpoint.target
            })
            .collect()
    }

    #[test]
    fn an_id_is_used_as_it_is_until_a_connection_breaks_off() {
        let ends =
            [(0, None), (60, Some(true)), (120, Some(false)), (130, Some(false)), (140, None), (150, Some(true))];
        assert_eq!(targets("ws://h/ws/a", &ends), ["/ws/a", "/ws/a", "/ws/a-2", "/ws/a-3", "/ws/a-3", "/ws/a-3"]);
    }

    #[test]
    fn an_id_is_used_again_when_nothing_can_hold_it_any_more() {
        let ends = [(0, Some(false)), (89, Some(true)), (90, Some(true)), (91, Some(false)), (200, None)];
        assert_eq!(targets("ws://h/ws/a", &ends), ["/ws/a-2", "/ws/a-2", "/ws/a", "/ws/a-2", "/ws/a"]);
    }

    #[test]
    fn the_id_stands_in_the_path_or_else_in_the_query_and_keeps_its_encoding() {
        for (uri, target) in [
            ("ws://h/ws", "/ws"),
            ("ws://h/ws/", "/ws/"),
            ("ws://h/", "/"),
            ("ws://h/ws/a%20b%C3%A9", "/ws/a%20b%C3%A9-2"),
            ("ws://h/ws/é?x=1", "/ws/%C3%A9-2?x=1"),
            ("ws://h/app/ws/a", "/app/ws/a-2"),
            ("ws://h/ws/a/b", "/ws/a/b"),
            ("ws://h/ws?clientId=a%26b&x=1", "/ws?clientId=a%26b-2&x=1"),
            ("ws://h/ws?x=1&clientId=a", "/ws?x=1&clientId=a-2"),
            ("ws://h/ws?clientId=", "/ws?clientId="),
            ("ws://h/ws?x", "/ws?x"),
            ("ws://h/ws/a?clientId=b", "/ws/a-2?clientId=b"),
        ] {
            assert_eq!(targets(uri, &[(0, Some(false))]), [target], "{uri}");
        }
    }
}
