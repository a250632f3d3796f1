//! A scripted DNS server on loopback, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::proto::dns::message::{RecordType, encode_query};
use crate::testing::dns_reply::{Reply, question_of};

/// The server's treatment of queries.
#[derive(Clone, Copy, PartialEq)]
pub enum Behaviour {
    Answers,
    Silent,
    /// Sends forged replies before the genuine one.
    ForgesFirst,
    /// Sends forged replies only.
    Floods,
    /// Answers over TCP, byte by byte.
    Truncates,
    /// Closes each TCP connection.
    HangsUp,
    TruncatesWithoutTcp,
}

/// A query that the server has received.
#[derive(Clone, Debug)]
pub struct DnsRequest {
    pub from: SocketAddr,
    pub id: Vec<u8>,
    pub over_tcp: bool,
}

type DnsAnswer = Arc<dyn Fn(&[u8], RecordType) -> Reply + Send + Sync>;

pub struct LoopbackServer {
    address: SocketAddr,
    shared: Shared,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    behaviour: Behaviour,
    answer: DnsAnswer,
    requests: Arc<Mutex<Vec<DnsRequest>>>,
    stopped: Arc<AtomicBool>,
}

/// Finds a port that is free at the addresses 127.0.0.1 to 127.0.0.3.
///
/// It lies below the kernel's ephemeral ports, and is kept for this process by a socket at 127.0.0.254, so that neither
/// another socket nor another run of the tests takes it meanwhile.
pub fn free_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 150) as u16 * 100;
    let is_free = |port: u16| {
        (1..4).all(|last| {
            let address = (Ipv4Addr::new(127, 0, 0, last), port);
            UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
        })
    };
    for _ in 0..1000 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 1000;
        let Ok(reservation) = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 254), port)) else { continue };
        if is_free(port) {
            std::mem::forget(reservation);
            return port;
        }
    }
    panic!("no port is free");
}

impl LoopbackServer {
    /// Listens at 127.0.0.n.
    pub fn start(
        n: u8,
        port: u16,
        behaviour: Behaviour,
        answer: impl Fn(&[u8], RecordType) -> Reply + Send + Sync + 'static,
    ) -> Self {
        LoopbackServer::at(Ipv4Addr::new(127, 0, 0, n).into(), port, behaviour, answer).unwrap()
    }

    /// `None` where this machine has no such address.
    pub fn at(
        address: IpAddr,
        port: u16,
        behaviour: Behaviour,
        answer: impl Fn(&[u8], RecordType) -> Reply + Send + Sync + 'static,
    ) -> Option<Self> {
        let (requests, stopped) = Default::default();
        let shared = Shared { behaviour, answer: Arc::new(answer), requests, stopped };
        let udp = UdpSocket::bind((address, port)).ok()?;
        let mut threads = vec![thread::spawn({
            let shared = shared.clone();
            move || shared.serve_udp(&udp)
        })];
        if behaviour != Behaviour::TruncatesWithoutTcp {
            let tcp = TcpListener::bind((address, port)).ok()?;
            let shared = shared.clone();
            threads.push(thread::spawn(move || shared.serve_tcp(&tcp)));
        }
        Some(LoopbackServer { address: SocketAddr::new(address, port), shared, threads })
    }

    pub fn requests(&self) -> Vec<DnsRequest> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let any = SocketAddr::new(if self.address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() }, 0);
        let _woken = UdpSocket::bind(any).and_then(|socket| socket.send_to(&[], self.address));
        let _woken = TcpStream::connect(self.address);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl Shared {
    fn answer(&self, from: SocketAddr, query: &[u8], over_tcp: bool) -> Vec<u8> {
        self.requests.lock().unwrap().push(DnsRequest { from, id: query[..2].to_vec(), over_tcp });
        (self.answer)(query, question_of(query).1).bytes()
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 512];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let query = &buffer[..len];
            let answer = self.answer(from, query, false);
            // An error is ignored: the client may have closed its socket by the last datagram.
            let send = |bytes: &[u8]| drop(socket.send_to(bytes, from));
            match self.behaviour {
                Behaviour::Silent => {}
                Behaviour::Answers => send(&answer),
                Behaviour::ForgesFirst => {
                    forge(query, from, &send);
                    send(&answer);
                }
                Behaviour::Floods => (0..100).for_each(|_| forge(query, from, &send)),
                _ => send(&Reply::to(query).truncated().bytes()),
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        loop {
            let (mut stream, from) = listener.accept().unwrap();
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if self.behaviour == Behaviour::HangsUp {
                continue;
            }
            stream.set_nodelay(true).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query).unwrap();
            let answer = self.answer(from, &query, true);
            let bytes = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
            bytes.chunks(1).for_each(|byte| stream.write_all(byte).unwrap());
        }
    }
}

/// Sends an attacker's replies: guesses from the right address, and a good reply from another port.
fn forge(query: &[u8], victim: SocketAddr, send: &dyn Fn(&[u8])) {
    let other = encode_query(1, "evil.example", RecordType::A).unwrap();
    send(&Reply::to(&other).with_id_of(query).a("h.example", "6.6.6.6").bytes());
    let mut guess = Reply::to(query).a("", "6.6.6.6").bytes();
    let _sent = UdpSocket::bind("127.0.0.1:0").and_then(|elsewhere| elsewhere.send_to(&guess, victim));
    guess[1] ^= 1;
    send(&guess);
}
