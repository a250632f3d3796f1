//! A DNS server on loopback, over UDP and TCP, with manners of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::proto::dns::message::{RecordType, query};
use crate::testing::dns_reply::{Reply, asked};

/// How it treats questions.
#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    Answers,
    Silent,
    /// The truth comes last.
    LiesFirst,
    /// No truth at all.
    Floods,
    /// Answers over TCP, byte by byte.
    Truncates,
    /// Closes each TCP connection.
    HangsUp,
    TruncatesWithoutTcp,
}

/// A question that was put to it.
#[derive(Clone, Debug)]
pub struct DnsRequest {
    pub from: SocketAddr,
    pub id: Vec<u8>,
    pub over_tcp: bool,
}

type DnsAnswer = Arc<dyn Fn(&[u8], RecordType) -> Reply + Send + Sync>;

pub struct Fake {
    address: SocketAddr,
    shared: Shared,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    manner: Manner,
    answer: DnsAnswer,
    asked: Arc<Mutex<Vec<DnsRequest>>>,
    stopped: Arc<AtomicBool>,
}

/// A port that no server has at any of the addresses 127.0.0.1 to 127.0.0.3.
///
/// It lies below those that the kernel hands out, lest another test's socket take it meanwhile.
pub fn free_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 150) as u16 * 100;
    let is_free = |port: u16| {
        (1..4).all(|last| {
            let address = (Ipv4Addr::new(127, 0, 0, last), port);
            UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
        })
    };
    (0..100).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 100).find(|port| is_free(*port)).unwrap()
}

impl Fake {
    /// Listens at 127.0.0.n.
    pub fn start(
        n: u8,
        port: u16,
        manner: Manner,
        answer: impl Fn(&[u8], RecordType) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Fake::at(Ipv4Addr::new(127, 0, 0, n).into(), port, manner, answer).unwrap()
    }

    /// `None` where this machine has no such address.
    pub fn at(
        address: IpAddr,
        port: u16,
        manner: Manner,
        answer: impl Fn(&[u8], RecordType) -> Reply + Send + Sync + 'static,
    ) -> Option<Self> {
        let (asked, stopped) = Default::default();
        let shared = Shared { manner, answer: Arc::new(answer), asked, stopped };
        let udp = UdpSocket::bind((address, port)).ok()?;
        let mut threads = vec![thread::spawn({
            let shared = shared.clone();
            move || shared.serve_udp(&udp)
        })];
        if manner != Manner::TruncatesWithoutTcp {
            let tcp = TcpListener::bind((address, port)).ok()?;
            let shared = shared.clone();
            threads.push(thread::spawn(move || shared.serve_tcp(&tcp)));
        }
        Some(Fake { address: SocketAddr::new(address, port), shared, threads })
    }

    pub fn asked(&self) -> Vec<DnsRequest> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let any = SocketAddr::new(if self.address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() }, 0);
        let _woken = UdpSocket::bind(any).and_then(|socket| socket.send_to(&[], self.address));
        let _woken = TcpStream::connect(self.address);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl Shared {
    fn note(&self, from: SocketAddr, question: &[u8], over_tcp: bool) -> Vec<u8> {
        self.asked.lock().unwrap().push(DnsRequest { from, id: question[..2].to_vec(), over_tcp });
        (self.answer)(question, asked(question).1).bytes()
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 512];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let question = &buffer[..len];
            let answer = self.note(from, question, false);
            // The client may be gone before the last of them.
            let send = |bytes: &[u8]| drop(socket.send_to(bytes, from));
            match self.manner {
                Manner::Silent => {}
                Manner::Answers => send(&answer),
                Manner::LiesFirst => {
                    lie(question, from, &send);
                    send(&answer);
                }
                Manner::Floods => (0..100).for_each(|_| lie(question, from, &send)),
                _ => send(&Reply::to(question).truncated().bytes()),
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        loop {
            let (mut stream, from) = listener.accept().unwrap();
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if self.manner == Manner::HangsUp {
                continue;
            }
            stream.set_nodelay(true).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let answer = self.note(from, &question, true);
            let bytes = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
            bytes.chunks(1).for_each(|byte| stream.write_all(byte).unwrap());
        }
    }
}

/// What an attacker would send: guesses from the right address, and a good answer from another port.
fn lie(question: &[u8], victim: SocketAddr, send: &dyn Fn(&[u8])) {
    let other = query(1, "evil.example", RecordType::A).unwrap();
    send(&Reply::to(&other).with_id_of(question).a("h.example", "6.6.6.6").bytes());
    let mut guess = Reply::to(question).a("", "6.6.6.6").bytes();
    let _sent = UdpSocket::bind("127.0.0.1:0").and_then(|elsewhere| elsewhere.send_to(&guess, victim));
    guess[1] ^= 1;
    send(&guess);
}
