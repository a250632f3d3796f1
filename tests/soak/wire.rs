//! The server's side of WebSocket, as far as these servers need it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::spawn;
use std::time::{Duration, Instant};

/// An event of the client that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    Pong,
    /// With this code; 0 for none.
    Close(u16),
    /// EOF or RST.
    Gone,
}

/// An open connection. A thread reads it all the time, and answers pings as long as that is wanted.
pub struct Wire {
    stream: TcpStream,
    shared: Arc<Mutex<Shared>>,
    heard: Receiver<ClientEvent>,
}

struct Shared {
    stream: TcpStream,
    answering: bool,
}

/// Reads the request. An error: the client left, or never sent one.
pub fn request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.extend(byte);
    }
    Ok(request)
}

/// The 101 that a request deserves.
pub fn granted(request: &[u8]) -> io::Result<String> {
    let granted = wsmon::internal::upgrade::serve(request).map_err(|_| io::ErrorKind::InvalidData)?;
    granted.map(|(granted, _)| granted).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Wire {
    /// Grants the upgrade.
    pub fn open(mut stream: TcpStream) -> io::Result<Self> {
        let request = request(&mut stream)?;
        stream.write_all(granted(&request)?.as_bytes())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let shared = Arc::new(Mutex::new(Shared { stream: stream.try_clone()?, answering: true }));
        let (tell, heard) = channel();
        let (mut reader, its) = (stream.try_clone()?, shared.clone());
        spawn(move || {
            // Nobody may be listening any more.
            while let Ok(frame) = read(&mut reader, &its) {
                let _unheard = tell.send(frame);
            }
            let _unheard = tell.send(ClientEvent::Gone);
        });
        Ok(Wire { stream, shared, heard })
    }

    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.shared).stream.write_all(bytes)
    }

    /// Stops answering pings.
    pub fn fall_silent(&self) {
        lock(&self.shared).answering = false;
    }

    pub fn ping(&self) -> io::Result<()> {
        self.raw(&[0x89, 0])
    }

    /// Returns true if a pong comes before anything else that counts.
    pub fn hears_pong(&self, within: Duration) -> bool {
        self.heard.recv_timeout(within) == Ok(ClientEvent::Pong)
    }

    /// Returns the way in which the client ends the connection, if it does within a time.
    pub fn hears_end(&self, within: Duration) -> Option<ClientEvent> {
        let until = Instant::now() + within;
        loop {
            match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(ClientEvent::Pong) => {}
                other => return other.ok(),
            }
        }
    }

    /// EOF for the client.
    pub fn end(&self) {
        // It may have left first.
        let _gone = self.stream.shutdown(Shutdown::Write);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _gone = self.stream.shutdown(Shutdown::Both);
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One frame of the client's. Its payloads are short: pings, pongs and the Close.
fn read(reader: &mut TcpStream, shared: &Mutex<Shared>) -> io::Result<ClientEvent> {
    loop {
        let mut head = [0; 6];
        reader.read_exact(&mut head)?;
        let length = usize::from(head[1] & 0x7f);
        let mut payload = vec![0; length];
        reader.read_exact(&mut payload)?;
        payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= head[2 + at % 4]);
        match head[0] & 0x0f {
            8 => return Ok(ClientEvent::Close(payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code)))),
            9 => {
                let mut shared = lock(shared);
                if shared.answering {
                    shared.stream.write_all(&[&[0x8a, length as u8], &payload[..]].concat())?;
                }
            }
            10 => return Ok(ClientEvent::Pong),
            _ => {}
        }
    }
}

/// A text frame of less than 64 KiB.
pub fn text(text: &str) -> Vec<u8> {
    let length = text.len();
    let head = match length {
        0..126 => vec![0x81, length as u8],
        _ => [&[0x81, 126][..], &(length as u16).to_be_bytes()].concat(),
    };
    [head, text.as_bytes().to_vec()].concat()
}
