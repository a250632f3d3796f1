//! A DNS server on 127.0.0.1:53 that knows every name.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The server's treatment of queries.
#[derive(Clone, Copy, PartialEq)]
pub enum Behaviour {
    /// IPv4: 127.0.0.1. IPv6: none.
    Both,
    /// IPv4: 127.0.0.1. Silent about IPv6.
    OnlyV4,
    /// IPv4: no such name for those in wrong.example, else 127.0.0.1. Silent about IPv6.
    Search,
}

/// A running server. Dropping it stops the thread.
pub struct Dns {
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // A panic of the thread has been printed already.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

pub fn start(behaviour: Behaviour) -> Dns {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = is_stopped.clone();
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while !stop.load(Ordering::SeqCst) {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(answer) = answer(&buffer[..len], behaviour) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    Dns { is_stopped, thread: Some(thread) }
}

/// Writes a reply, RFC 1035 section 4.1: the question, and an address for A queries.
fn answer(query: &[u8], behaviour: Behaviour) -> Option<Vec<u8>> {
    let is_v4 = query[query.len() - 4..] == [0, 1, 0, 1];
    if !is_v4 && behaviour != Behaviour::Both {
        return None;
    }
    let is_wrong = behaviour == Behaviour::Search && query.windows(6).any(|label| label == b"\x05wrong");
    let answers = u8::from(is_v4 && !is_wrong);
    // Response code 3: there is no such name.
    let flags = 0x80 | if is_wrong { 3 } else { 0 };
    let mut message = [&query[..2], &[0x81, flags, 0, 1, 0, answers, 0, 0, 0, 0], &query[12..]].concat();
    if answers == 1 {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(message)
}
