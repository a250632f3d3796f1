//! Transcripts: a simulated clock jumps from deadline to deadline, and servers answer as each test wants.

use super::*;
use crate::proto::dns::conf::{Conf, PORT};
use crate::testing::dns_reply::{Reply, asked};

mod histories;
mod servers;
mod timing;

/// What a server does with a question: its answer after so many milliseconds, or nothing.
type DnsServer = Box<dyn FnMut(&DnsQuery) -> Option<(u64, Vec<u8>)>>;

/// A lookup, its servers 10.0.0.1, 10.0.0.2 … and its clock in milliseconds.
struct LookupSim {
    lookup: Lookup,
    servers: Vec<DnsServer>,
    start: Instant,
    now: u64,
    /// Answers on their way: when, to whom, from whom.
    wire: Vec<(u64, QueryId, SocketAddr, Vec<u8>)>,
    open: Vec<QueryId>,
    /// `0 10.0.0.1 A h.example`, `50 found 192.0.2.1:9`, `0 failed …`.
    said: Vec<String>,
    dice: u64,
}

fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number as u8 + 1], PORT))
}

fn silent() -> DnsServer {
    Box::new(|_| None)
}

/// Answers each question after so long.
fn answering(after: u64, mut answer: impl FnMut(&DnsQuery, &str, RecordType) -> Reply + 'static) -> DnsServer {
    Box::new(move |ask| {
        let (name, kind) = asked(&ask.message);
        Some((after, answer(ask, &name, kind).bytes()))
    })
}

/// Knows h.example and h.lan in both families, and no other name.
fn honest(after: u64) -> DnsServer {
    answering(after, |ask, name, kind| match (name, kind) {
        ("h.example" | "h.lan", RecordType::A) => Reply::to(&ask.message).a("", "192.0.2.1"),
        ("h.example" | "h.lan", RecordType::Aaaa) => Reply::to(&ask.message).aaaa("", "2001:db8::1"),
        _ => Reply::to(&ask.message).code(3),
    })
}

/// Answers everything with this code.
fn saying(code: u8) -> DnsServer {
    answering(1, move |ask, _, _| Reply::to(&ask.message).code(code))
}

impl LookupSim {
    fn new(host: &str, servers: Vec<DnsServer>) -> Self {
        LookupSim::with(host, Family::Both, "", servers)
    }

    /// Of a caller that is patient, with these further lines in resolv.conf.
    fn with(host: &str, family: Family, lines: &str, servers: Vec<DnsServer>) -> Self {
        LookupSim::within(1000, host, family, lines, servers)
    }

    fn within(seconds: u64, host: &str, family: Family, lines: &str, servers: Vec<DnsServer>) -> Self {
        let list = (0..servers.len()).map(|number| format!("nameserver {}\n", address(number).ip()));
        let conf = Conf::parse(&format!("{}{lines}", list.collect::<String>()), PORT, &|_| None);
        let wish = HostQuery { host, port: 9, family, within: Duration::from_secs(seconds) };
        let (start, mut dice) = (Instant::now(), 0);
        let lookup = Lookup::begin(wish, &conf, start, &mut || roll(&mut dice));
        let (wire, open, said) = (Vec::new(), Vec::new(), Vec::new());
        let mut sim = LookupSim { lookup, servers, start, now: 0, wire, open, said, dice };
        sim.obey();
        sim
    }

    /// Until nothing is timed and nothing is on its way.
    fn run(mut self) -> Vec<String> {
        while let Some(next) = self.next_at() {
            assert!(next >= self.now, "a deadline of the past: {next} at {}", self.now);
            self.now = next;
            let now = self.instant();
            let arrived: Vec<_> = self.wire.extract_if(.., |(at, ..)| *at <= next).collect();
            for (_, id, from, message) in arrived {
                if self.open.contains(&id) {
                    self.lookup.answered(id, from, &message, now, &mut || roll(&mut self.dice));
                    self.obey();
                }
            }
            self.lookup.tick(now, &mut || roll(&mut self.dice));
            self.obey();
            assert_ne!(self.due(), Some(self.now), "a tick that changes nothing");
        }
        assert!(self.lookup.is_done() && self.open.is_empty(), "{:?}", self.open);
        self.said
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn due(&self) -> Option<u64> {
        self.lookup.deadline().map(|at| (at - self.start).as_millis() as u64)
    }

    fn next_at(&self) -> Option<u64> {
        self.wire.iter().map(|(at, ..)| *at).chain(self.due()).min()
    }

    fn obey(&mut self) {
        while let Some(next) = self.lookup.todo() {
            match next {
                LookupAction::Send(ask) => self.ask(&ask),
                LookupAction::Forget(id) => self.open.retain(|known| *known != id),
                LookupAction::Found(list) => {
                    let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                    self.say(&format!("found {}", list.join(" ")));
                }
                LookupAction::Fail(why) => self.say(&format!("failed: {why}")),
            }
        }
    }

    fn ask(&mut self, ask: &DnsQuery) {
        let (name, kind) = asked(&ask.message);
        let over = if ask.over == Over::Tcp { " over TCP" } else { "" };
        self.say(&format!("{} {kind:?} {name}{over}", ask.server.ip()));
        self.open.push(ask.id);
        assert!(self.open.len() <= 6, "{:?}", self.open);
        let number = (0..self.servers.len()).find(|number| address(*number) == ask.server).unwrap();
        if let Some((after, answer)) = self.servers[number](ask) {
            self.wire.push((self.now + after, ask.id, ask.server, answer));
        }
    }

    fn say(&mut self, what: &str) {
        self.said.push(format!("{} {what}", self.now));
    }
}

/// Not random at all, but different each time.
fn roll(dice: &mut u64) -> u64 {
    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    *dice
}
