//! The servers of the demo: who they are, and what each of them sends when.
//!
//! A script has a line for each text, with a word in front of it that says when it is sent. Ticks are letters, `a` for the
//! first one; there is one in a second, and [`CYCLE`] of them before a script begins again.
//!
//! | word | text |
//! |---|---|
//! | none, on the first line | label and scheme of the server |
//! | `>` | sent on every connection |
//! | `?TYPE` | answer to a request of that type |
//! | `!` | answer to what is not JSON |
//! | `ac` | sent at the first tick and then every second one |
//! | `-c` | none: the server drops its connections at the third tick |
//! | `Adf` | stands for `$A` in other texts, from the fourth tick to before the sixth; without such a line `$A` is empty |
//!
//! `$t` is the time, `$n` the number of clients, and `$` with a digit one of [`VALUES`]. The texts are those of the real
//! servers on the wire, with fewer members.

use super::sample::timestamp;
use crate::model::json;
use std::time::SystemTime;

/// Ticks after which a script begins again.
pub(super) const CYCLE: u8 = 20;

/// The servers of `--demo=fleet`: memory and processor of `web` run high, `db` sends an alert, a process of `queue` and a
/// task of `tasks` fail, and `brain` is away for a while. The first one also lends its greeting and answers to the server
/// that samples this machine.
pub(super) static FLEET: [&str; 5] = [WEB, DB, TASKS, QUEUE, BRAIN];

const WEB: &str = r#"web=monitoring
> {"type": "connection", "status": "connected", "timestamp": "$tZ", "message": "Connected to monitoring server"}
?ping {"type": "pong", "timestamp": "$tZ"}
?get_status {"type": "status", "connected_clients": $n, "monitoring_active": true, "timestamp": "$tZ"}
! {"type": "error", "message": "Invalid message"}
ab {"type": "monitoring_data", "timestamp": "$tZ", "data": {"memory": {"percentage": $1}, "processor": {"usage_percent": $0, "core_count": 4}, "disk": {"percentage": 28.5}, "system": {"hostname": "web-01", "load_average": [$7, 1.1, 0.9]}}$A}
Ach , "alerts": [{"component": "memory", "value": $1, "threshold": 80.0, "level": "WARNING", "message": "High memory usage: $1% (threshold: 80.0%)"}]"#;

const DB: &str = r#"db=sysmedic
> {"data":{"message":"Connected to SysMedic"$Twelcome"}
ac {"data":{"cpu_usage":$2,"disk_usage":$4,"memory_usage":$3$Tsystem_update"}
bu {"data":{"primary_cause":"postgres (memory: 61.2%)","status":"Heavy Load"$Talert"}
Tau },"timestamp":"$tZ","type":""#;

const TASKS: &str = r#"tasks=fastpluggy
> {"type":"system.client_connected","content":"Welcome tasks!","meta":{"event":"connected"$T
bu {"type":"tasks_worker.logs","content":"eth1: link down","meta":{"level":"WARNING","task_id":"394ef5c6"$T
cu {"type":"tasks_worker.task_failed","content":"Task failed","meta":{"function":"backup","success":false,"error":"TimeoutError: 5s","task_id":"394ef5c6"$T
Tau },"timestamp":"$t"}"#;

const QUEUE: &str = r#"queue=pmdaemon
> $P
ac {"type":"SystemUpdate","metrics":{"cpu_usage":$5,"memory_percent":42.0,"load_average":[$8,1.6,1.1]}}
ac $P
Pau {"type":"ProcessList","processes":[{"id":"38ec9728","name":"api","state":"online","pid":4711,"restarts":0,"cpu_usage":1.5,"memory_usage":52428800},{"id":"a429c4e0","name":"mailer","state":$S,"restarts":1}]}
Scg "errored","error":"Failed to start: No such file or directory (os error 2)"
Sau "online","pid":4712"#;

const BRAIN: &str = r#"brain=neurograph
> {"type":"connected","client_id":"4c916ff2","user_id":null$T
?subscribe {"type":"subscribed","channels":["metrics","logs"]$T
ab {"channel":"metrics","event_type":"system_metrics","data":{"cpu_percent":$6,"memory_mb":1024}$T
bf {"channel":"logs","event_type":"log.error","data":{"level":"ERROR","message":"queue is full"}$T
Tau ,"timestamp":"$t"}
-d "#;

/// A load in percent, tick by tick, from which all values are made.
static SHAPE: [u8; CYCLE as usize] = [35, 62, 84, 93, 97, 95, 88, 71, 52, 33, 18, 11, 9, 14, 22, 17, 12, 10, 8, 12];

/// The values that `$` and a digit stand for: the least one, the percentage of [`SHAPE`] that is added, and by how many
/// ticks it is ahead.
static VALUES: [(u8, u8, u8); 9] =
    [(0, 98, 0), (58, 27, 0), (10, 15, 7), (61, 3, 3), (91, 2, 0), (20, 50, 12), (30, 40, 4), (0, 4, 0), (0, 2, 9)];

/// One server at one moment.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    pub script: &'static str,
    pub tick: u8,
    /// Open connections.
    pub clients: usize,
    pub wall: SystemTime,
}

impl Scene {
    /// Returns the text that is sent on every connection.
    pub fn greeting(&self) -> String {
        self.text(self.find(&|word| word == b">").unwrap_or_default())
    }

    /// Returns the answer to a client's message; `None` for messages that the real server does not answer.
    pub fn answer(&self, text: &str) -> Option<String> {
        let answer = if json::is_json(text) {
            let kind = json::message_type(text)?;
            self.find(&|word| word.strip_prefix(b"?") == Some(kind.as_bytes()))
        } else {
            self.find(&|word| word == b"!")
        };
        answer.map(|answer| self.text(answer))
    }

    /// Returns true if the server drops its connections at this tick.
    pub fn is_lost(&self) -> bool {
        self.find(&|word| word == [b'-', b'a' + self.tick]).is_some()
    }

    /// Passes on the texts of this tick.
    pub fn each_due(&self, send: &mut dyn FnMut(String)) {
        for line in self.script.split('\n') {
            let Some((word, text)) = line.split_once(' ') else { continue };
            let [first @ b'a'..=b'u', every @ b'b'..=b'u'] = word.as_bytes() else { continue };
            let Some(ticks) = self.tick.checked_sub(first - b'a') else { continue };
            if ticks % (every - b'a') == 0 {
                send(self.text(text));
            }
        }
    }

    /// Finds the text behind the first word that `is` holds for.
    fn find(&self, is: &dyn Fn(&[u8]) -> bool) -> Option<&'static str> {
        for line in self.script.split('\n') {
            match line.split_once(' ') {
                Some((word, text)) if is(word.as_bytes()) => return Some(text),
                _ => {}
            }
        }
        None
    }

    fn text(&self, text: &str) -> String {
        let mut out = String::new();
        self.push(&mut out, text);
        out
    }

    fn push(&self, out: &mut String, text: &str) {
        let mut is_first = true;
        for piece in text.split('$') {
            let mut chars = piece.chars();
            if !std::mem::take(&mut is_first) {
                match chars.next().unwrap_or_default() {
                    't' => timestamp(out, self.wall),
                    'n' => out.push_str(&(self.clients as u64).to_string()),
                    digit @ '0'..='9' => json::push_number(out, self.value(digit as u8 - b'0')),
                    name => self.push(out, self.find(&|word| self.is_part(name, word)).unwrap_or_default()),
                }
            }
            out.push_str(chars.as_str());
        }
    }

    fn is_part(&self, name: char, word: &[u8]) -> bool {
        let tick = b'a' + self.tick;
        matches!(word, [letter, from, until] if char::from(*letter) == name && *from <= tick && tick < *until)
    }

    /// Returns a value with one decimal.
    fn value(&self, number: u8) -> f64 {
        let (least, percent, ahead) = VALUES.get(usize::from(number)).copied().unwrap_or_default();
        let shape = SHAPE.get(usize::from((self.tick + ahead) % CYCLE)).copied().unwrap_or_default();
        let tenths = u32::from(least) * 10 + u32::from(shape) * u32::from(percent) / 10;
        f64::from(tenths) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::proto::dialect::{self, DIALECTS};
    use crate::testing::{dialect::OwnedContext, recordings};
    use serde_json::Value;
    use std::collections::BTreeSet;
    use std::time::{Duration, UNIX_EPOCH};

    fn scene(script: &'static str, tick: u8) -> Scene {
        Scene { script, tick, clients: 2, wall: UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456) }
    }

    fn dialect(script: &'static str) -> &'static str {
        script.split(['=', '\n']).nth(1).unwrap()
    }

    /// Everything that a server says in a cycle, and its answers.
    fn said(script: &'static str) -> Vec<String> {
        let mut texts = vec![scene(script, 0).greeting()];
        for request in ["ping", "get_status", "subscribe"] {
            texts.extend(scene(script, 0).answer(&format!("{{\"type\":\"{request}\"}}")));
        }
        for tick in 0..CYCLE {
            scene(script, tick).each_due(&mut |text| texts.push(text));
        }
        texts
    }

    /// The names of all members, with those that they stand in.
    fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members_of) => {
                for (name, value) in members_of {
                    found.insert(format!("{path}.{name}"));
                    members(value, &format!("{path}.{name}"), found);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| members(value, path, found)),
            _ => {}
        }
    }

    #[test]
    fn the_servers_are_one_of_each_dialect_and_every_text_is_decoded() {
        let mut names = Vec::new();
        for script in FLEET {
            let name = dialect(script);
            let mut context = OwnedContext::default();
            for text in said(script) {
                let outcome = dialect::named(name).unwrap().read(&text, &mut context.lend()).unwrap();
                assert!(!outcome.events.iter().any(|event| matches!(event, Event::Unknown(_))), "{text}");
            }
            assert_eq!(dialect::recognise(&scene(script, 0).greeting()).unwrap().name, name);
            names.push(name);
        }
        assert_eq!(names, DIALECTS.iter().map(|dialect| dialect.name).take(5).collect::<Vec<_>>());
    }

    #[test]
    fn every_member_is_one_that_the_real_server_sends() {
        // From the documentation of that server.
        let documented = [".data.system.load_average"];
        for script in FLEET {
            let name = dialect(script);
            let mut recorded = BTreeSet::from(documented.map(str::to_owned));
            for text in recordings::all(name).iter().flat_map(|recording| recordings::texts(recording)) {
                if let Ok(value) = serde_json::from_str(&text) {
                    members(&value, "", &mut recorded);
                }
            }
            for text in said(script) {
                let mut ours = BTreeSet::new();
                members(&serde_json::from_str(&text).unwrap(), "", &mut ours);
                let invented: Vec<_> = ours.difference(&recorded).collect();
                assert!(invented.is_empty(), "{invented:?} {text}");
            }
        }
    }

    #[test]
    fn placeholders_become_the_time_the_clients_the_values_and_the_parts_of_the_tick() {
        assert_eq!(scene(WEB, 0).text("$tZ $n $0 $1$A"), "2023-11-14T22:13:20.123456Z 2 34.3 67.4");
        assert!(scene(WEB, 2).text("$A").contains("\"value\": 80.6, "));
        assert!(scene(QUEUE, 1).text("$S").starts_with("\"online\"") && scene(QUEUE, 2).text("$S").contains("errored"));
        let early = Scene { wall: UNIX_EPOCH - Duration::from_secs(1), ..scene(WEB, 0) };
        assert_eq!(early.text("$t"), "1970-01-01T00:00:00.000000");
        assert!(FLEET.iter().all(|script| !said(script).iter().any(|text| text.contains('$'))));
    }

    #[test]
    fn a_server_drops_its_connections_at_the_tick_of_its_script_only() {
        let lost = |script| (0..CYCLE).filter(|tick| scene(script, *tick).is_lost()).collect::<Vec<_>>();
        assert_eq!((lost(BRAIN), lost(WEB)), (vec![3], vec![]));
    }

    #[test]
    fn the_welcome_is_spelt_as_the_real_one() {
        let expected = r#"{"type": "connection", "status": "connected", "timestamp": "2023-11-14T22:13:20.123456Z", "message": "Connected to monitoring server"}"#;
        assert_eq!(scene(WEB, 0).greeting(), expected);
    }

    #[test]
    fn requests_are_answered_as_the_real_server_answers_them() {
        let pong = r#"{"type": "pong", "timestamp": "2023-11-14T22:13:20.123456Z"}"#;
        let status = r#"{"type": "status", "connected_clients": 2, "monitoring_active": true, "timestamp": "2023-11-14T22:13:20.123456Z"}"#;
        let error = r#"{"type": "error", "message": "Invalid message"}"#;
        for (text, expected) in [
            (r#"{"type": "ping"}"#, Some(pong)),
            (r#"{"id":1,"type":"ping"}"#, Some(pong)),
            (r#"{"type":"get_status"}"#, Some(status)),
            (r#"{"type":"subscribe"}"#, None),
            (r#"{"type":42}"#, None),
            ("{}", None),
            ("[1]", None),
            ("", Some(error)),
            ("nonsense", Some(error)),
        ] {
            assert_eq!(scene(WEB, 0).answer(text).as_deref(), expected, "{text}");
        }
    }
}
