//! Transcripts of lookups: a simulated clock jumps from deadline to deadline, and each test scripts its servers.

use super::*;
use crate::proto::dns::conf::{Conf, PORT};
use crate::testing::dns_reply::{Reply, question_of};

mod histories;
mod servers;
mod timing;

/// A scripted server: maps a query to the delay in ms and its reply, or to nothing.
type DnsServer = Box<dyn FnMut(&DnsQuery) -> Option<(u64, Vec<u8>)>>;

/// A lookup with its servers 10.0.0.1, 10.0.0.2 … and a simulated clock in milliseconds.
struct LookupSim {
    lookup: Lookup,
    servers: Vec<DnsServer>,
    start: Instant,
    now: u64,
    /// Replies in flight: time of arrival, try, sender, message.
    in_flight: Vec<(u64, QueryId, SocketAddr, Vec<u8>)>,
    open_tries: Vec<QueryId>,
    /// `0 10.0.0.1 A h.example`, `50 found 192.0.2.1:9`, `0 failed …`.
    transcript: Vec<String>,
    random: u64,
}

fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number as u8 + 1], PORT))
}

fn silent() -> DnsServer {
    Box::new(|_| None)
}

/// Answers each query after a delay in ms.
fn answering(after: u64, mut answer: impl FnMut(&DnsQuery, &str, RecordType) -> Reply + 'static) -> DnsServer {
    Box::new(move |query| {
        let (name, record_type) = question_of(&query.message);
        Some((after, answer(query, &name, record_type).bytes()))
    })
}

/// Knows h.example and h.lan in both families, and no other names.
fn honest(after: u64) -> DnsServer {
    answering(after, |query, name, record_type| match (name, record_type) {
        ("h.example" | "h.lan", RecordType::A) => Reply::to(&query.message).a("", "192.0.2.1"),
        ("h.example" | "h.lan", RecordType::Aaaa) => Reply::to(&query.message).aaaa("", "2001:db8::1"),
        _ => Reply::to(&query.message).code(3),
    })
}

/// Answers every query with this response code.
fn responding(code: u8) -> DnsServer {
    answering(1, move |query, _, _| Reply::to(&query.message).code(code))
}

impl LookupSim {
    fn new(host: &str, servers: Vec<DnsServer>) -> Self {
        LookupSim::with(host, Family::Both, "", servers)
    }

    /// Has no time limit to speak of, and these further lines in resolv.conf.
    fn with(host: &str, family: Family, lines: &str, servers: Vec<DnsServer>) -> Self {
        LookupSim::within(1000, host, family, lines, servers)
    }

    fn within(seconds: u64, host: &str, family: Family, lines: &str, servers: Vec<DnsServer>) -> Self {
        let list = (0..servers.len()).map(|number| format!("nameserver {}\n", address(number).ip()));
        let conf = Conf::parse(&format!("{}{lines}", list.collect::<String>()), PORT, &|_| None);
        let query = HostQuery { host, port: 9, family, within: Duration::from_secs(seconds) };
        let (start, mut random) = (Instant::now(), 0);
        let lookup = Lookup::begin(query, &conf, start, &mut || next_random(&mut random));
        let (in_flight, open_tries, transcript) = (Vec::new(), Vec::new(), Vec::new());
        let mut sim = LookupSim { lookup, servers, start, now: 0, in_flight, open_tries, transcript, random };
        sim.run_actions();
        sim
    }

    /// Runs until there is no deadline and no reply in flight; returns the transcript.
    fn run(mut self) -> Vec<String> {
        while let Some(next) = self.next_at() {
            assert!(next >= self.now, "a deadline in the past: {next} at {}", self.now);
            self.now = next;
            let now = self.instant();
            let arrived: Vec<_> = self.in_flight.extract_if(.., |(at, ..)| *at <= next).collect();
            for (_, id, from, message) in arrived {
                if self.open_tries.contains(&id) {
                    self.lookup.answered(id, from, &message, now, &mut || next_random(&mut self.random));
                    self.run_actions();
                }
            }
            self.lookup.tick(now, &mut || next_random(&mut self.random));
            self.run_actions();
            assert_ne!(self.due(), Some(self.now), "a tick that changes nothing");
        }
        assert!(self.lookup.is_done() && self.open_tries.is_empty(), "{:?}", self.open_tries);
        self.transcript
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn due(&self) -> Option<u64> {
        self.lookup.deadline().map(|at| (at - self.start).as_millis() as u64)
    }

    fn next_at(&self) -> Option<u64> {
        self.in_flight.iter().map(|(at, ..)| *at).chain(self.due()).min()
    }

    fn run_actions(&mut self) {
        while let Some(next) = self.lookup.next_action() {
            match next {
                LookupAction::Send(query) => self.send(&query),
                LookupAction::Close(id) => self.open_tries.retain(|known| *known != id),
                LookupAction::Found(list) => {
                    let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                    self.log(&format!("found {}", list.join(" ")));
                }
                LookupAction::Fail(why) => self.log(&format!("failed: {why}")),
            }
        }
    }

    fn send(&mut self, query: &DnsQuery) {
        let (name, record_type) = question_of(&query.message);
        let transport = if query.transport == DnsTransport::Tcp { " over TCP" } else { "" };
        self.log(&format!("{} {record_type:?} {name}{transport}", query.server.ip()));
        self.open_tries.push(query.id);
        assert!(self.open_tries.len() <= 6, "{:?}", self.open_tries);
        let number = (0..self.servers.len()).find(|number| address(*number) == query.server).unwrap();
        if let Some((after, answer)) = self.servers[number](query) {
            self.in_flight.push((self.now + after, query.id, query.server, answer));
        }
    }

    fn log(&mut self, what: &str) {
        self.transcript.push(format!("{} {what}", self.now));
    }
}

/// Not random, but different each time.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    *state
}
