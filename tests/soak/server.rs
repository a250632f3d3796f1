//! One server that fails at random.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::wire::{self, ClientEvent, Wire};

/// Longest wait of the client between two dials, and how long a dial may take: what it is told by its options.
pub const RECONNECT_CAP: Duration = Duration::from_secs(1);
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that a busy machine adds.
const SLACK: Duration = Duration::from_secs(1);
/// Longest time until the client has answered what it has to.
const ANSWER: Duration = Duration::from_secs(5);

/// A server's account of its client when all is over.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages of each session whose client certainly got all of them: (session, messages).
    pub sure: Vec<(u32, u32)>,
    pub accepted: u32,
    pub acts: Vec<Act>,
    pub worst_return: Duration,
    /// Dials since the client was woken up again.
    pub since_waking: u32,
    pub faults: Vec<String>,
}

/// The time in which the client was stopped, which is nobody's fault.
#[derive(Default)]
pub struct Stop {
    pub from: Option<Instant>,
    pub to: Option<Instant>,
}

impl Stop {
    /// Returns the part of a time in which the client was stopped.
    fn overlap(&self, begin: Instant, end: Instant) -> Duration {
        let Some(from) = self.from else { return Duration::ZERO };
        let to = self.to.unwrap_or(end).min(end);
        to.saturating_duration_since(from.max(begin))
    }
}

/// The fate of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Close(u16),
    Eof,
    Reset,
    Silence,
    MidFrame,
    Flood,
    Pause,
    Refuse,
    NoAnswer,
    Drip,
}

const ACTS: [Act; 14] = [
    Act::Close(1000),
    Act::Close(1001),
    Act::Close(1011),
    Act::Close(1012),
    Act::Close(4000),
    Act::Eof,
    Act::Eof,
    Act::Reset,
    Act::Silence,
    Act::MidFrame,
    Act::Flood,
    Act::Pause,
    Act::Refuse,
    Act::Drip,
];

/// Random enough: xorshift64.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.roll(most - least))
    }
}

pub struct Server {
    pub dice: Dice,
    pub over: Arc<AtomicBool>,
    pub stop: Arc<Mutex<Stop>>,
    pub tally: Arc<Mutex<Tally>>,
    session: u32,
    /// Since when a client that has no connection could dial.
    free_since: Instant,
}

/// The message with this number.
pub fn message(session: u32, n: u32) -> String {
    format!(
        r#"{{"type":"monitoring_data","session":{session},"n":{n},"data":{{"processor":{{"usage_percent":45.2}}}}}}"#
    )
}

impl Server {
    pub fn new(seed: u64, over: Arc<AtomicBool>, stop: Arc<Mutex<Stop>>, tally: Arc<Mutex<Tally>>) -> Self {
        Server { dice: Dice(seed), over, stop, tally, session: 0, free_since: Instant::now() }
    }

    /// Serves until all is over. The first listener is given, so that the port is known.
    pub fn run(mut self, listener: TcpListener) {
        let address = listener.local_addr().expect("a bound listener");
        let mut listener = Some(listener);
        while !self.is_over() {
            let open = match listener.take() {
                Some(listener) => listener,
                None => match TcpListener::bind(address) {
                    Ok(listener) => {
                        self.free_since = Instant::now();
                        listener
                    }
                    Err(_) => {
                        sleep(Duration::from_millis(10));
                        continue;
                    }
                },
            };
            for _ in 0..1 + self.dice.roll(6) {
                if let Some(stream) = self.accept(&open) {
                    // An error is a client that left, which is its right.
                    let _left = self.serve(stream);
                    self.free_since = Instant::now();
                }
            }
            // A restart: for a while nobody listens.
            drop(open);
            sleep(self.dice.millis(100, 1500));
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn accept(&mut self, listener: &TcpListener) -> Option<TcpStream> {
        listener.set_nonblocking(true).ok()?;
        loop {
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).ok()?;
                self.note_return();
                return Some(stream);
            }
            if self.is_over() {
                return None;
            }
            sleep(Duration::from_millis(2));
        }
    }

    /// The client is back: in time?
    fn note_return(&mut self) {
        let now = Instant::now();
        let stop = self.stop.lock().expect("no panic");
        let stopped = stop.overlap(self.free_since, now);
        let woken = stop.to.is_some_and(|at| now - at < Duration::from_secs(1));
        drop(stop);
        let took = (now - self.free_since).saturating_sub(stopped);
        let mut tally = self.tally.lock().expect("no panic");
        tally.accepted += 1;
        tally.since_waking += u32::from(woken);
        tally.worst_return = tally.worst_return.max(took);
        if took > RECONNECT_CAP + CONNECT_TIMEOUT + SLACK {
            tally.faults.push(format!("back only after {took:?}"));
        }
    }

    fn serve(&mut self, mut stream: TcpStream) -> io::Result<()> {
        let act = match self.dice.roll(20) {
            0 => Act::NoAnswer,
            _ => ACTS[self.dice.roll(ACTS.len() as u64) as usize],
        };
        self.tally.lock().expect("no panic").acts.push(act);
        match act {
            Act::NoAnswer => return wait_gone(stream),
            Act::Refuse => {
                wire::request(&mut stream)?;
                let after = if self.dice.roll(2) == 0 { "Retry-After: 1\r\n" } else { "" };
                stream.write_all(format!("HTTP/1.1 503 Busy\r\n{after}Content-Length: 0\r\n\r\n").as_bytes())?;
                return Ok(());
            }
            Act::Drip => {
                let granted = wire::granted(&wire::request(&mut stream)?)?;
                for byte in granted.as_bytes() {
                    stream.write_all(&[*byte])?;
                    sleep(Duration::from_millis(50));
                }
                return Ok(());
            }
            _ => {}
        }
        self.session += 1;
        if act == Act::Reset {
            return self.reset(stream);
        }
        let wire = Wire::open(stream)?;
        let mut sent = self.samples(&wire)?;
        match act {
            Act::Flood => {
                let burst: Vec<_> = (sent..sent + 3000).flat_map(|n| wire::text(&message(self.session, n))).collect();
                wire.raw(&burst)?;
                sent += 3000;
                self.close(&wire, 1012, sent)
            }
            Act::Pause => {
                // Shorter than the client's patience or longer.
                wire.fall_silent();
                sleep(self.dice.millis(200, 4000));
                wire.raw(&wire::text(&message(self.session, sent)))?;
                self.close(&wire, 1001, sent + 1)
            }
            Act::Close(code) => self.close(&wire, code, sent),
            Act::Eof => self.eof(&wire, sent),
            Act::Silence => self.stall(&wire, &[]),
            Act::MidFrame => self.stall(&wire, &[0x81, 126, 3, 0xe8, b'{']),
            // Done above.
            Act::Reset | Act::Refuse | Act::NoAnswer | Act::Drip => Ok(()),
        }
    }

    /// Some samples at a leisurely pace; how many.
    fn samples(&mut self, wire: &Wire) -> io::Result<u32> {
        let count = self.dice.roll(30) as u32;
        for n in 0..count {
            wire.raw(&wire::text(&message(self.session, n)))?;
            if self.is_over() {
                return Ok(n + 1);
            }
            sleep(self.dice.millis(5, 150));
        }
        Ok(count)
    }

    /// The client's reply, which repeats our code, proves that it has read everything before. A Close frame of its
    /// own has 1000.
    fn close(&mut self, wire: &Wire, code: u16, sent: u32) -> io::Result<()> {
        let [high, low] = code.to_be_bytes();
        wire.raw(&[0x88, 2, high, low])?;
        if wire.hears_end(ANSWER) == Some(ClientEvent::Close(code)) && code != 1000 {
            self.tally.lock().expect("no panic").sure.push((self.session, sent));
        }
        Ok(())
    }

    /// A pong proves that the client is there to read the rest.
    fn eof(&mut self, wire: &Wire, sent: u32) -> io::Result<()> {
        wire.ping()?;
        if wire.hears_pong(ANSWER) {
            wire.raw(&wire::text(&message(self.session, sent)))?;
            wire.end();
            if wire.hears_end(ANSWER) == Some(ClientEvent::Gone) {
                self.tally.lock().expect("no panic").sure.push((self.session, sent + 1));
            }
        }
        Ok(())
    }

    /// Says nothing any more, not even pongs: the client has to find out.
    fn stall(&mut self, wire: &Wire, first: &[u8]) -> io::Result<()> {
        wire.raw(first)?;
        wire.fall_silent();
        let _left = wire.hears_end(2 * ANSWER);
        Ok(())
    }

    /// RST: a socket is closed that holds unread data, here the client's pong.
    fn reset(&self, mut stream: TcpStream) -> io::Result<()> {
        let granted = wire::granted(&wire::request(&mut stream)?)?;
        stream.write_all(granted.as_bytes())?;
        stream.write_all(&wire::text(&message(self.session, 0)))?;
        stream.write_all(&[0x89, 0])?;
        stream.peek(&mut [0]).map(drop)
    }
}

fn wait_gone(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
