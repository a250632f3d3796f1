//! A DNS server on 127.0.0.1:53 that knows every name.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How it behaves.
#[derive(Clone, Copy, PartialEq)]
pub enum Ways {
    /// IPv4: 127.0.0.1. IPv6: none.
    Both,
    /// IPv4: 127.0.0.1. Silent about IPv6.
    OnlyV4,
}

/// Ends with it.
pub struct Dns(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Drop for Dns {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        // It has said its part if it has failed.
        let _ended = self.1.take().map(JoinHandle::join);
    }
}

pub fn start(ways: Ways) -> Dns {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let its = over.clone();
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while !its.load(Ordering::SeqCst) {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(answer) = answer(&buffer[..len], ways) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    Dns(over, Some(thread))
}

/// RFC 1035 section 4.1: the question again, and its answer.
fn answer(query: &[u8], ways: Ways) -> Option<Vec<u8>> {
    let is_v4 = query[query.len() - 4..] == [0, 1, 0, 1];
    if !is_v4 && ways == Ways::OnlyV4 {
        return None;
    }
    let answers = u8::from(is_v4);
    let mut message = [&query[..2], &[0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0], &query[12..]].concat();
    if is_v4 {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(message)
}
